"""Checks params.yaml at every scale before any other stage runs: DVC deletes a stage's old outputs before it starts.

python stages/params.py
"""

from __future__ import annotations

from pathlib import Path

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.results import write_atomically

STAMP = Path("data/params.ok")  # constant content: it orders the stages and never makes one stale


@command("params")
def main() -> None:
    config.check()
    write_atomically(STAMP, b"ok\n")


if __name__ == "__main__":
    main()
