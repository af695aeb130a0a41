"""Results as the stages would write them, with made-up numbers: for tests of what reads results."""

from __future__ import annotations

import json
import random
import shutil
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from learned_symmetry import config
from learned_symmetry.config.nix2022 import Nix2022
from learned_symmetry.report.papers import image_stages
from learned_symmetry.results import result_path, wall_path, write_json

ROOT = Path(__file__).parents[1]
COLUMNS = {  # setting -> its metrics' names
    "cnn_mlp": ("table1.{}.cnn_mlp_centered", "table1.{}.cnn_mlp_translated"),
    "gcnn_mlp": ("table2.{}.upright", "table2.{}.rotated"),
    "resnet_vit": ("table1.{}.resnet_vit_centered", "table1.{}.resnet_vit_translated"),
}


def settings(scale: str = "quick", shifts: Sequence[int] = (0, 10, 20, 30, 40)) -> Nix2022:
    return config.load("nix2022", ROOT / "params.yaml", scale).model_copy(update={"shifts": list(shifts)})


def metric(values: Sequence[float | None]) -> dict[str, Any]:
    kept = [value for value in values if value is not None]
    return {
        "mean": statistics.fmean(kept) if kept else None,
        "std": statistics.stdev(kept) if len(kept) > 1 else None,
        "n": len(kept),
        "values": list(values),
    }


def write_stage(scale: str, stage: str, metrics: Mapping[str, Any], data: str = "MNIST-1D, generated") -> Path:
    about = {"paper": "nix2022", "stage": stage, "scale": scale, "data": data, "device": "CPU, 2 threads"}
    path = result_path(scale, "nix2022", stage)
    write_json(path, {"metrics": metrics, "runs": [], "provenance": about | {"dropped": {}}})
    write_json(wall_path(scale, "nix2022", stage), {"wall_seconds": 12.5})
    return path


def write_nix2022(folder: Path, cfg: Nix2022, seeds: int = 3) -> None:
    """Everything that figures and tables read, under `folder`, which is the working directory; and the reference."""
    shutil.copytree(ROOT / "paper/reference", folder / "paper/reference", dirs_exist_ok=True)
    rng = random.Random(0)
    for method in ["teacher", *cfg.methods, "orbit"]:
        high = method in ("teacher", "orbit", "dm")
        metrics = {
            f"{figure}.{method}.s{s}_{shifts}": metric([rng.uniform(0.9, 1) - 0.6 * (not high) for _ in range(seeds)])
            for figure in ("fig2", "fig3")[: 1 if method == "teacher" else 2]
            for s in cfg.shifts
            for shifts in ("seen", "unseen", "all")
        }
        write_stage(cfg.scale, method if method == "teacher" else f"transfer_{method}", metrics)
    columns = ("validation", "seen", "unseen", "all")
    search = {f"search.{method}.{c}": metric([rng.uniform(0.3, 0.6)]) for method in cfg.search.methods for c in columns}
    path = write_stage(cfg.scale, "search", search)
    notes = {method: {"points": 4, "winner": f"{method}/lr=0.01/gamma=0.5"} for method in cfg.search.methods}
    write_json(path, json.loads(path.read_text()) | {"notes": notes})
    for stage in image_stages(cfg):
        kind, _, name = stage.removeprefix("image_").partition("_")
        setting = next(setting for setting in cfg.images.settings if name.startswith(setting))
        row = "teacher" if kind == "teacher" else name.removeprefix(f"{setting}_").replace("none", "student")
        metrics = {column.format(row): metric([rng.uniform(0.1, 1) for _ in range(2)]) for column in COLUMNS[setting]}
        write_stage(cfg.scale, stage, metrics)
    rows = [f"r{number:04b}" for number in range(2, 16)]
    ablation = {f"table6.{row}.{c}": metric([rng.random()]) for row in rows for c in ("centered", "translated")}
    write_stage(cfg.scale, "ablation", ablation)
    path = write_stage(
        cfg.scale, "image_orbit_cnn_mlp", {f"fig5.kernels.{m}": metric([4]) for m in ("onehot", "distinct")}
    )
    tiles = {"kernels": [[[rng.uniform(-1, 1)] * 5] * 5] * 25, "moved": [[[rng.random()] * 28] * 28] * 25}
    write_json(path, json.loads(path.read_text()) | {"notes": tiles})
