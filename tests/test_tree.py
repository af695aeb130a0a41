"""A script runs with the package of its own tree, though the environment's is another tree's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import learned_symmetry
from tests.synthetic import ROOT

SCRIPT = "import sys\n{first}\nimport learned_symmetry\nprint(learned_symmetry.__file__, *sys.argv[1:], sep='\\n')\n"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Another tree, of which only so much of the package is left."""
    package = tmp_path / "clone/src/learned_symmetry"
    package.mkdir(parents=True)
    for name in ("__init__", "tree"):
        shutil.copy(ROOT / f"src/learned_symmetry/{name}.py", package)
    return tmp_path / "clone"


def run(script: Path, first: str = "", flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run a script that tells where its package is, in an environment in which this tree's was installed."""
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(SCRIPT.format(first=first))
    words = [sys.executable, *flags, script.name, "one", "two  words"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(words, cwd=script.parent, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("folder", ["stages", "paper/nix2022"])
def test_a_script_takes_the_package_of_its_own_tree(folder: str, clone: Path) -> None:
    done = run(clone / folder / "x.py", "assert sys.flags.optimize == 2", flags=("-OO",))
    assert done.stderr == ""
    assert done.stdout.splitlines() == [str(clone / "src/learned_symmetry/__init__.py"), "one", "two  words"]


def test_a_script_of_a_copy_within_the_tree_takes_the_copys(clone: Path) -> None:
    """DVC's experiments run in ``.dvc/tmp/exps``."""
    copy = clone / ".dvc/tmp/exps/tmp0"
    shutil.copytree(clone / "src", copy / "src")
    assert run(copy / "stages/x.py").stdout.startswith(str(copy))


def test_what_is_installed_in_an_environment_is_of_no_tree(clone: Path) -> None:
    """pytest, say, of an environment that lies in another clone."""
    tool = clone / ".venv/bin/tool"
    tool.parent.mkdir(parents=True)
    (clone / ".venv/pyvenv.cfg").touch()
    assert run(tool).stdout.startswith(str(ROOT / "src"))


def test_a_python_that_cannot_be_made_to_take_it_is_told(clone: Path) -> None:
    done = run(clone / "stages/x.py", f"sys.path.insert(0, {str(ROOT / 'src')!r})")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {clone / 'stages/x.py'} runs with {ROOT / 'src/learned_symmetry'}, not with")
    assert done.stderr.count("\n") == 1


def test_these_tests_and_their_children_test_this_tree() -> None:
    code = "import learned_symmetry; print(learned_symmetry.__file__)"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert child.stdout.strip() == learned_symmetry.__file__ == str(ROOT / "src/learned_symmetry/__init__.py")
