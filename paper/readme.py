"""The results section of README.md, from the committed results of the scales quick and full.

python paper/readme.py      # rewrites README.md between its markers, and paper/report/summary.md
"""

from __future__ import annotations

from pathlib import Path

from learned_symmetry.errors import command
from learned_symmetry.report import summary
from learned_symmetry.results import write_atomically

README = Path("README.md")
SUMMARY = Path("paper/report/summary.md")


def main() -> None:
    summary.rewrite(README)
    write_atomically(SUMMARY, summary.render(to_root="../../").encode())


@command("readme")
def run() -> None:
    main()


if __name__ == "__main__":
    run()
