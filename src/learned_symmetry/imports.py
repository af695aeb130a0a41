"""What a script imports from this repository, so that the pipeline's `deps` can be checked against the truth.

python -m learned_symmetry.imports stages/nix2022/teacher.py     # the deps of that script, ready for dvc.yaml
"""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path

PACKAGE = Path("src/learned_symmetry")
# Settings, errors, writing files, tables of names: an edit there changes no number, and shall re-train nothing.
NEUTRAL = {
    PACKAGE / f"{name}.py"
    for name in ("__init__", "checkpoint", "errors", "machine", "record", "results", "stage", "tree")
} | {PACKAGE / folder / "__init__.py" for folder in ("data", "measure", "report", "transfer")}


def closure(script: Path) -> set[Path]:
    """The package's files that `script` imports, directly or not, without the neutral ones. Paths from the root."""
    found: set[Path] = set()
    todo = [script]
    while todo:
        for path in _imported(todo.pop()) - found:
            found.add(path)
            todo.append(path)
    return {path for path in found - NEUTRAL - {script} if path.parent != PACKAGE / "config"}


@cache
def _imported(path: Path) -> frozenset[Path]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    parents = {".".join(name.split(".")[:depth]) for name in names for depth in range(1, name.count(".") + 2)}
    return frozenset(file for name in names | parents if (file := _file(name)) is not None)


def _file(module: str) -> Path | None:
    if module != "learned_symmetry" and not module.startswith("learned_symmetry."):
        return None
    base = PACKAGE.joinpath(*module.split(".")[1:])
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


if __name__ == "__main__":
    for path in sorted(closure(Path(sys.argv[1]))):
        print(f"        - {path}")
