"""Checks params.yaml at every scale before any other stage runs: DVC deletes a stage's old outputs before it starts.

    python stages/params.py     # -> data/params/KEY.json, one a paper, and data/params/shared.json

The other stages depend on keys in these: DVC reads a stage's parameters seven times, and the whole file costs it 50 ms
each time, and 5 ms for each key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.results import write_json

FOLDER = Path("data/params")


def parts(raw: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What is written, by the file's name: a paper's block without those of other scales, and what all papers share."""
    others = set(config.SCALES) - {raw["scale"]}
    made = {paper: {paper: {k: v for k, v in raw[paper].items() if k not in others}} for paper in config.PAPERS}
    return made | {"shared": {key: raw[key] for key in config.ROOT}}


@command("params")
def main() -> None:
    config.check()
    for name, content in parts(config.read()).items():
        write_json(FOLDER / f"{name}.json", content)


if __name__ == "__main__":
    main()
