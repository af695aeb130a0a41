"""Bökman and Kahl 2023, Section 4.2: supervised training of a ResNet-50 on ImageNet, on one device or many machines.

    torchrun --nproc-per-node 8 stages/bokman2023/imagenet.py tv_old_inv

and on two machines, on each of them, with the first one's name for HOST:

    torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 \\
        stages/bokman2023/imagenet.py tv_old_inv

ROW is a row of Table 5 whose weights are not public: tv_old_inv, tv_old_225 or tv_old_inv_225. ImageNet is where
data.imagenet of params.yaml says; bokman2023.resnet.imagenet has the recipe. Killed and started again, it goes on from
the last whole epoch (on the machine of process 0). In the end the weights lie in data/raw/resnet50/ROW.pth, where stage
resnet50 finds them: `dvc repro --force stages/bokman2023/dvc.yaml:resnet50`. No part of `dvc repro`, which would not
know the machines.
"""

from __future__ import annotations

import argparse
from functools import partial

from learned_symmetry import config, models, record, stage
from learned_symmetry.checkpoint import save_tensors
from learned_symmetry.config.bokman2023 import Bokman2023
from learned_symmetry.data import imagenet
from learned_symmetry.data.imagenet import Pictures, Preprocessing
from learned_symmetry.data.sources import raw_folder
from learned_symmetry.distributed import Place, Training, together, train
from learned_symmetry.errors import UserError, command
from learned_symmetry.invariance_loss import FlipInvariance
from learned_symmetry.models.bottleneck import STEM, BottleneckResNet
from learned_symmetry.objective import CrossEntropy
from learned_symmetry.public_resnet50 import NAME, rows
from learned_symmetry.record import RunRecord
from learned_symmetry.rng import generator
from learned_symmetry.schedule import Falling

PAPER = "bokman2023"
ROWS = ("tv_old_inv", "tv_old_225", "tv_old_inv_225")


def main(cfg: Bokman2023, row: str, place: Place, seed: int = 0) -> None:
    settings = cfg.resnet.imagenet
    listing = imagenet.find("train", cfg)
    if listing is None:
        raise UserError(f"there are no images to train on; {imagenet.how_to_supply('train')}")
    pictures = Pictures(listing, Preprocessing(settings.resize, rows()[row]["size"]).training(), seed)
    network = models.seeded(
        partial(BottleneckResNet, settings.blocks, settings.width, imagenet.CLASSES, STEM), generator(seed, "resnet50")
    )
    objective = FlipInvariance(cfg.resnet.inv_weight) if "inv" in row else CrossEntropy()
    name = f"imagenet_{row}"
    out = record.Stage(cfg, PAPER, name, source=listing.kind, fingerprint=stage.fingerprint((cfg, row, seed)))
    recipe = settings.training
    falling = Falling(recipe.decay, recipe.decay_every * max(1, len(listing) // recipe.batch))
    state, history = train(
        network,
        objective,
        pictures,
        Training(**recipe.model_dump(exclude={"decay", "decay_every"})),
        falling,
        seed=seed,
        checkpoint=out.scratch / f"{row}.pt",
        place=place,
    )
    if not place.leads:
        return
    losses = {f"loss.{part}": values[-1][1] for part, values in history.items()}
    params = recipe.model_dump() | {"row": row, "processes": place.processes}
    out.runs.append(RunRecord(row, seed, params, losses, history, state))
    out.metric(f"training.{row}.loss", [losses["loss.total"]])
    if cfg.scale != "smoke":  # where the network is no ResNet-50
        save_tensors(raw_folder(NAME) / f"{row}.pth", state)
    out.write()


@command("bokman2023/imagenet")
def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=ROWS)
    row = parser.parse_args().row
    cfg = config.load(PAPER)
    with together() as place:
        main(cfg, row, place)


if __name__ == "__main__":
    run()
