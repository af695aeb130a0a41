"""A script runs with the package of its own tree, wherever the environment was installed from.

Two clones may share an environment, and DVC runs queued experiments in copies of the repository: what their scripts
would import is the package of the tree that was installed, not the code that the experiment records.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = Path("src", HERE.name)


def keep_to() -> None:
    """Start the running script again where it lies in a tree that has another package than this one."""
    script = getattr(sys.modules["__main__"], "__file__", None)
    root = script and _root(Path(script).resolve())
    if not root or root / PACKAGE == HERE:
        return
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if paths and Path(paths[0]).resolve() == root / PACKAGE.parent:  # it was started again already
        sys.exit(
            f"error: {script} runs with {HERE}, not with {root / PACKAGE}; run it with a Python that heeds PYTHONPATH"
        )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root / PACKAGE.parent), *paths])}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def _root(script: Path) -> Path | None:
    """The tree that a script lies in; None for what is installed in an environment, which may lie in a tree too."""
    for folder in script.parents:
        if (folder / "pyvenv.cfg").exists():
            return None
        if (folder / PACKAGE / "__init__.py").exists():
            return folder
    return None
