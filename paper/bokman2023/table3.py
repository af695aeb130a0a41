"""Bökman and Kahl 2023, Table 3: ResNet-50s on ImageNet merged with their own mirror images.

    python paper/bokman2023/table3.py # reads paper/results/SCALE/bokman2023, writes artefacts/SCALE/bokman2023/table3.*

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report.merges import imagenet_table


def main(cfg: config.Settings) -> None:
    imagenet_table(cfg.scale, "table3", "ResNet-50s on ImageNet, merged with their mirror images")


@command("bokman2023/table3")
def run() -> None:
    main(config.load("bokman2023"))


if __name__ == "__main__":
    run()
