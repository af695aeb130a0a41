"""On what something was computed: rounding, and with it every trained number, depends on it.

python -m learned_symmetry.machine     # what to send with the report of a crash
"""

from __future__ import annotations

import functools
import json
import os
import platform
import re
import subprocess
from pathlib import Path

# What makes a commit "dirty" where it differs; DVC writes its locks while the pipeline runs
SOURCES = ("src", "stages", "params.yaml", "dvc.yaml", "requirements.lock", ":(exclude,glob)**/dvc.lock")


def machine() -> dict[str, str]:
    """The processor, its instruction set as torch and oneDNN were told to use it, and their versions."""
    import torch  # here, for the commit alone is asked where nothing else needs it

    limit, built = os.environ.get("ONEDNN_MAX_CPU_ISA"), torch.__config__.show()
    return {
        "processor": _processor(),
        "instruction_set": torch.backends.cpu.get_cpu_capability() + (f", oneDNN at most {limit}" if limit else ""),
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "onednn": _version(r"MKL-DNN v([\d.]+)", built),
        "mkl": _version(r"Math Kernel Library Version ([\d.]+)", built),
    }


@functools.cache
def commit(where: Path) -> dict[str, str]:
    """The commit, and whether what can change results differs from it; nothing where there is no git repository."""
    command = ["git", "status", "--porcelain=v2", "--branch", "--", *SOURCES]
    try:
        lines = subprocess.run(command, cwd=where, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return {}
    found, dirty = lines[0].removeprefix("# branch.oid "), not all(line.startswith("#") for line in lines)
    return {} if found == "(initial)" else {"commit": found, "dirty": str(dirty).lower()}


@functools.cache
def _processor() -> str:
    """Its name, and its family and model where Linux knows them, for clouds give many the same name."""
    try:
        cpu = Path("/proc/cpuinfo").read_text()
    except OSError:
        cpu = ""
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in cpu.splitlines())}
    name = told.get("model name", platform.processor() or platform.machine())
    short = re.sub(r"\((R|TM)\)| CPU| @.*", "", name)
    return f"{short} {told['cpu family']}/{told['model']}" if {"cpu family", "model"} <= told.keys() else short


def _version(pattern: str, built: str) -> str:
    """Of a library that torch was built with."""
    found = re.search(pattern, built)
    return found[1] if found else "none"


if __name__ == "__main__":
    print(json.dumps({**machine(), **commit(Path.cwd()), "python": platform.python_version()}, indent=1))
