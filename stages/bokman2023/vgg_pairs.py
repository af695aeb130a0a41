"""Bökman and Kahl 2023, Table 4: pairs of VGG11s that were trained apart, merged (protocol 2.5).

    dvc repro stages/bokman2023/dvc.yaml:vgg_pairs
    python stages/bokman2023/vgg_pairs.py

Of one kind, seed k is merged with the next, the last with the first; of two kinds, seeds that are equal.
"""

from __future__ import annotations

from learned_symmetry import record, stage
from learned_symmetry.config.bokman2023 import Bokman2023
from learned_symmetry.flip_vgg import PAPER
from learned_symmetry.flip_vgg_merge import Merging
from learned_symmetry.merge.average import relative_barrier
from learned_symmetry.precision import ieee_float32

PAIRS = (
    ("cnn", "cnn"),
    ("cnn", "cnn_inv"),
    ("cnn", "gcnn"),
    ("cnn_inv", "cnn_inv"),
    ("cnn_inv", "gcnn"),
    ("gcnn", "gcnn"),
)
Member = tuple[str, int]  # kind, seed


def main(cfg: Bokman2023) -> None:
    experiment, seeds = Merging(cfg), range(cfg.vgg.training.seeds)
    out = record.Stage(cfg, PAPER, "vgg_pairs", source=experiment.source)
    members = [(kind, seed) for kind in dict.fromkeys(kind for pair in PAIRS for kind in pair) for seed in seeds]
    with ieee_float32():
        alone = experiment.each(lambda member: scored(experiment, member), members)
        scores = {member: score for member, score in zip(members, alone, strict=True) if score is not None}
        couples = [couple for pair in PAIRS for couple in coupled(pair, sorted(scores))]
        merged = experiment.each(lambda couple: halfway(experiment, *couple), couples)
    halves = dict(zip(couples, merged, strict=True))
    for first, second in PAIRS:
        for column in ("barrier", "barrier_norepair"):
            values = [relative_barrier(scores[a], scores[b], halves[a, b][column])
                      for a, b in coupled((first, second), sorted(scores))]  # fmt: skip
            missing: list[float | None] = [None] * (len(seeds) - len(values))
            out.metric(f"table4.{first}__{second}.{column}", values + missing)
    out.write()


def coupled(pair: tuple[str, str], kept: list[Member]) -> list[tuple[Member, Member]]:
    """Which of the networks that were kept are merged, for a pair of kinds."""
    first, second = ([member for member in kept if member[0] == kind] for kind in pair)
    if pair[0] != pair[1]:
        return [(a, b) for a in first for b in second if a[1] == b[1]]
    return list(zip(first, first[1:] + first[:1], strict=True)) if len(first) > 1 else []


def scored(experiment: Merging, member: Member) -> float | None:
    network = experiment.trained(*member)
    return None if network is None else experiment.accuracy(network)


def halfway(experiment: Merging, first: Member, second: Member) -> dict[str, float]:
    """The accuracy of two networks' average, by the column of its barrier."""
    pair = experiment.align(experiment.kept(*first), experiment.kept(*second))
    return {
        "barrier": experiment.accuracy(experiment.between(pair, 0.5, repair=True)),
        "barrier_norepair": experiment.accuracy(experiment.between(pair, 0.5, repair=False)),
    }


if __name__ == "__main__":
    stage.run(main, PAPER)
