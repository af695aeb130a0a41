"""Bökman and Kahl 2023, Section 3 in numbers: the barrier all along the line from a VGG11 to its mirror image (V22).

dvc repro stages/bokman2023/dvc.yaml:vgg_path
python stages/bokman2023/vgg_path.py
"""

from __future__ import annotations

from learned_symmetry import record, stage
from learned_symmetry.config.bokman2023 import Bokman2023
from learned_symmetry.flip_vgg import PAPER
from learned_symmetry.flip_vgg_merge import Merging
from learned_symmetry.merge.permute import flipped
from learned_symmetry.precision import ieee_float32

KIND = "cnn"
FORMS = {"plain": False, "repaired": True}


def main(cfg: Bokman2023) -> None:
    experiment, alphas = Merging(cfg), cfg.vgg.merging.alphas
    out = record.Stage(cfg, PAPER, "vgg_path", source=experiment.source)
    with ieee_float32():
        paths = experiment.each(lambda seed: path(experiment, seed), range(cfg.vgg.training.seeds))
    for form in FORMS:
        for place, alpha in enumerate(alphas):
            values = [found and found[form][place] for found in paths]
            out.metric(f"midpoint.{KIND}.accuracy_{form}_a{100 * alpha:03.0f}", values)
        argmax = [found and alphas[highest(found[form], alphas)] for found in paths]
        suffix = "" if form == "plain" else f"_{form}"
        out.metric(f"midpoint.{KIND}.argmax_alpha{suffix}", argmax)
    out.write()


def path(experiment: Merging, seed: int) -> dict[str, list[float]] | None:
    """Accuracies along the line, by form; None for a run that was dropped."""
    network = experiment.trained(KIND, seed)
    if network is None:
        return None
    pair = experiment.align(network, flipped(network))
    return {
        form: [experiment.accuracy(experiment.between(pair, a, repair=repair)) for a in experiment.merging.alphas]
        for form, repair in FORMS.items()
    }


def highest(accuracies: list[float], alphas: list[float]) -> int:
    """Where the barrier is largest: the loss against the straight line between the ends' accuracies (first of equals).

    The first and the last of `alphas` are the ends.
    """
    first, last = accuracies[0], accuracies[-1]
    barriers = [(1 - a) * first + a * last - accuracy for a, accuracy in zip(alphas, accuracies, strict=True)]
    return max(range(len(barriers)), key=barriers.__getitem__)


if __name__ == "__main__":
    stage.run(main, PAPER)
