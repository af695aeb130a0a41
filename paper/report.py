"""The report from the committed results of the scales quick and full: the page, and the README's results.

    python paper/report.py      # writes paper/report/* and rewrites README.md between its markers

``paper/report/index.html`` is the page; ``summary.md`` and ``tables.tex`` are all claims, and all tables, as text.
"""

from __future__ import annotations

from pathlib import Path

from learned_symmetry.errors import command
from learned_symmetry.report import page, summary
from learned_symmetry.results import write_atomically

README = Path("README.md")
REPORT = Path("paper/report")


def main() -> None:
    summary.rewrite(README)
    written = {
        "index.html": page.render(),
        "summary.md": summary.markdown(to_root="../../"),
        "tables.tex": summary.tables(),
    }
    for name, text in written.items():
        write_atomically(REPORT / name, text.encode())
    print(f"report: {REPORT}/index.html, {len(written['index.html'].encode()) / 2**20:.1f} MiB", flush=True)


@command("report")
def run() -> None:
    main()


if __name__ == "__main__":
    run()
