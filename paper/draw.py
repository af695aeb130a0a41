"""A paper's tables and figures from the results at the current scale: all its scripts in one start of Python.

    python paper/draw.py nix2022        # paper/results/SCALE/nix2022/*.json -> paper/artefacts/SCALE/nix2022/*

Each script also runs by itself: ``python paper/nix2022/fig2.py``.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from learned_symmetry import config
from learned_symmetry.errors import UserError, told_plainly
from learned_symmetry.report import papers


def main(cfg: config.Settings, paper: str) -> None:
    for name in papers.of(paper).artefacts:
        with told_plainly(f"{paper}/{name}"):
            runpy.run_path(str(Path(__file__).parent / paper / f"{name}.py"))["main"](cfg)
    print(f"{paper}: {len(papers.of(paper).artefacts)} tables and figures", flush=True)


def run(arguments: list[str]) -> None:
    with told_plainly("draw"):
        if len(arguments) != 1:
            known = ", ".join(papers.PAPERS)
            raise UserError(f"name one paper, as in `python paper/draw.py nix2022`; known are {known}")
        papers.of(arguments[0])
        main(config.load(arguments[0]), arguments[0])


if __name__ == "__main__":
    run(sys.argv[1:])
