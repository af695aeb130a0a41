"""``make setup`` on machines that have no fitting Python, no uv, no network; each a folder of small programs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("sh", "cat", "chmod", "date", "dirname", "grep", "ln", "mkdir", "rm", "sed")
SERVES = "Python 3.11 to 3.14"
GET = f"install {SERVES} and run make PYTHON=/path/to/it"

PYTHON = """#!{real} -IS
import platform, sys
sys.version_info, platform.python_version = {version}, lambda: "{dotted}"
sys.modules |= dict.fromkeys({without})
{effect}
exec(sys.argv[2])
"""
UV = """#!/bin/sh
echo "$*" >> uv.log
case "$1 $2" in
"python find") [ -n "{found}" ] && echo "{found}" ;;
"python install") printf 'error: Request failed\\n  cause: no such host\\n' >&2; exit 2 ;;
"venv "*) mkdir -p .venv/bin; ln -s "$4" .venv/bin/python ;;
"pip sync") {sync} ;;
esac
"""


class Machine:
    def __init__(self, folder: Path) -> None:
        self.tree, self.bin = folder / "tree", folder / "bin"
        self.tree.mkdir()
        self.bin.mkdir()
        shutil.copy(ROOT / "setup.sh", self.tree)
        (self.tree / "requirements.lock").write_text(
            "one==1 \\\n    --hash=sha256:0\ntwo==2 ; python_version < '3.13'\n"
        )
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or tool)

    def program(self, name: str, text: str) -> str:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)
        return str(path)

    def python(self, version: str, name: str = "python3", without: tuple[str, ...] = (), effect: str = "") -> str:
        numbers = (*map(int, version.split(".")), "final", 0)
        real = Path(sys.executable).resolve()
        values = {"real": real, "version": numbers, "dotted": version, "without": without, "effect": effect}
        return self.program(name, PYTHON.format(**values))

    def uv(self, found: str = "", sync: str = ":") -> str:
        return self.program("uv", UV.format(found=found, sync=sync))

    def setup(self, *arguments: str) -> tuple[int, list[str], list[str]]:
        done = subprocess.run(
            [self.tree / "setup.sh", *arguments],
            env={"PATH": str(self.bin)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()

    @property
    def asked(self) -> list[str]:
        return (self.tree / "uv.log").read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_versions_are_those_of_the_package() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert declared == ">=3.11,<3.15"
    assert "OLDEST=11 NEWEST=14 " in (ROOT / "setup.sh").read_text()
    assert SERVES in (ROOT / "README.md").read_text()


def test_the_lock_names_no_index_and_has_a_hash_of_every_package() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert not re.findall(r"://|^--(?:extra-)?index|^--find-links", lock, re.MULTILINE)
    pinned = re.split(r"^(?=[a-z])", lock, flags=re.MULTILINE)[1:]
    assert len(pinned) > 100
    assert all("==" in package and "--hash=sha256:" in package for package in pinned)


@pytest.mark.parametrize("version", ["3.11.0", "3.14.9"])
def test_a_line_a_step(machine: Machine, version: str) -> None:
    python = machine.python(version)
    machine.uv()
    done, told, errors = machine.setup()
    assert (done, errors) == (0, [])
    assert [re.sub(r"in \d+ s", "in 9 s", line) for line in told] == [
        f"setup: taking {machine.bin}/uv",
        f"setup: making .venv with Python {version}",
        "setup: downloading (the first time 3 GB) and installing the packages of requirements.lock, 2 at most",
        "setup: installing learned-symmetry itself",
        "setup: done, in 9 s",
    ]
    assert machine.asked == [
        f"venv --quiet --python {python} .venv",
        "pip sync --quiet --python .venv requirements.lock",
        "pip install --quiet --python .venv --no-deps --editable .",
    ]


def test_an_environment_is_kept_while_its_python_is_there_and_serves(machine: Machine) -> None:
    python = machine.python("3.12.1")
    machine.uv()
    machine.setup()
    assert "setup: keeping .venv, with Python 3.12.1" in machine.setup()[1]
    Path(python).unlink()
    machine.python("3.13.0", "python3.13")
    machine.uv(found=f"{machine.bin}/python3.13")
    told = machine.setup()[1]
    assert f"setup: python3 does not run, where {SERVES} serves: taking {machine.bin}/python3.13" in told
    assert "setup: making .venv with Python 3.13.0" in told


@pytest.mark.parametrize("version", ["3.9.18", "3.10.13", "3.15.0"])
def test_one_that_does_not_serve_leads_to_another_or_to_one_sentence(machine: Machine, version: str) -> None:
    machine.python(version)
    machine.uv()
    failed, _, told = machine.setup()
    assert failed
    assert told == [
        f"error: python3 is Python {version}, and Python 3.12 could not be downloaded (no such host); " + GET
    ]
    assert machine.asked == ["python find --system >=3.11,<3.15", "python install 3.12"]
    assert not (machine.tree / ".venv").exists()
    other = machine.python("3.12.1", "python3.12")
    machine.uv(found=other)
    done, told, _ = machine.setup()
    assert not done
    assert f"setup: python3 is Python {version}, where {SERVES} serves: taking {other}" in told
    assert f"venv --quiet --python {other} .venv" in machine.asked


def no_python(machine: Machine) -> str:
    return f"python3 does not run, and there is no uv, which could get one; {GET}"


def no_venv(machine: Machine) -> str:
    machine.python("3.13.5", without=("ensurepip",))  # Debian without python3-venv
    return "python3 lacks the module venv; run make again after `apt install python3-venv` (Debian, Ubuntu)"


def no_network(machine: Machine) -> str:
    machine.python("3.13.5", effect="if sys.argv[1:3] == ['-m', 'venv']: sys.exit(1)")
    return "uv could not be had from PyPI; run make again with a network, or install uv yourself"


def no_package(machine: Machine) -> str:
    machine.python("3.13.5")
    machine.uv(sync="exit 1")
    return "not all of requirements.lock could be installed (why: above); run make again: what was downloaded is kept"


@pytest.mark.parametrize("lacks", [no_python, no_venv, no_network, no_package])
def test_what_a_machine_lacks_is_told_in_a_sentence(machine: Machine, lacks: Callable[[Machine], str]) -> None:
    sentence = lacks(machine)
    failed, _, told = machine.setup()
    assert failed == 1
    assert told == [f"error: {sentence}"]


def test_the_lock_needs_uv_alone(machine: Machine) -> None:
    machine.uv()
    assert machine.setup("uv") == (0, [f"setup: taking {machine.bin}/uv"], [])
    assert (machine.tree / ".tools/bin/uv").resolve() == machine.bin / "uv"
