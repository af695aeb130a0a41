"""MNIST-1D: the generated signals are the published ones, and the shifts are those of the protocol (nix2022 2.1)."""

from __future__ import annotations

import os
import pickle
import random
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from learned_symmetry.data import mnist1d
from learned_symmetry.data.mnist1d import Signals
from learned_symmetry.data.sources import MIRROR
from learned_symmetry.groups import Shifts

SETTINGS = {"max_translation": 1, "validation": 400, "shifts_per_signal": 1}
MIRRORS = [Path(folder) / "mnist1d/mnist1d_data.pkl" for folder in os.environ.get(MIRROR, "").split(os.pathsep)]


@cache
def splits(limit: int, seed: int = 0, **changed: int) -> tuple[Signals, Signals, dict[str, Signals]]:
    return mnist1d.splits(limit, seed, **(SETTINGS | changed))


def shifts_between(still: Signals, moved: Signals) -> Tensor:
    """The k (n,) by which each signal was rolled to the right; fails where no k, or more than one, does it."""
    assert torch.equal(still.y, moved.y)
    same = (Shifts(mnist1d.LENGTH).orbit(still.x) == moved.x).all(-1).squeeze(-1)  # (40, n)
    assert (same.sum(0) == 1).all()
    return same.int().argmax(0)


def rows(*parts: Signals) -> set[bytes]:
    return {np.append(x.numpy(), y).tobytes() for part in parts for x, y in zip(part.x, part.y.tolist(), strict=True)}


# ---- the generator ---------------------------------------------------------------------------------------------------


def test_fingerprint_of_the_protocol() -> None:
    pool, test = mnist1d.generate(1)
    assert pool.y.bincount().tolist() == [409, 391, 405, 391, 398, 410, 404, 394, 400, 398]
    assert test.y.bincount().tolist() == [91, 109, 95, 109, 102, 90, 96, 106, 100, 102]
    assert pool.y[:10].tolist() == [3, 8, 0, 4, 5, 0, 2, 5, 3, 5]
    assert pool.x[0, 0, 0].item() == pytest.approx(-0.70167294, abs=1e-6)
    for part, size in ((pool, 4000), (test, 1000)):
        assert (part.x.shape, part.x.dtype, part.y.dtype) == ((size, 1, 40), torch.float32, torch.int64)
    both = torch.cat([pool.x, test.x]).double()
    assert both.mean().item() == pytest.approx(0, abs=1e-6)
    assert both.std(correction=0).item() == pytest.approx(1, abs=1e-6)


def test_the_generators_own_translation_gives_the_published_arrays() -> None:
    path = next((path for path in MIRRORS if path.is_file()), None)
    if path is None:
        pytest.skip(f"no mirror with mnist1d/mnist1d_data.pkl; set {MIRROR} to compare with the published arrays")
    with path.open("rb") as file:
        published = pickle.load(file)
    for part, suffix in zip(mnist1d.generate(48), ("", "_test"), strict=True):
        np.testing.assert_array_equal(part.y.numpy(), published[f"y{suffix}"])
        np.testing.assert_allclose(part.x.squeeze(1).numpy(), published[f"x{suffix}"], rtol=0, atol=1e-6)


def test_generating_leaves_the_global_random_states_alone() -> None:
    def states() -> list[str]:
        return [str(random.getstate()), str(np.random.get_state()[1].tolist()), str(torch.get_rng_state().tolist())]  # noqa: NPY002

    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = states()
    mnist1d.generate.__wrapped__(1)  # past the cache
    splits.__wrapped__(30, shifts_per_signal=2)
    assert states() == before


# ---- shifts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "seen", "unseen"),
    [
        (0, (0, 1), (0, 40)),  # trained unshifted; unseen is all
        (1, (0, 1), (1, 40)),
        (10, (0, 10), (10, 40)),
        (39, (0, 39), (39, 40)),
        (40, (0, 40), (0, 1)),  # trained on all; unseen is k = 40, which is unshifted
    ],
)
def test_shift_ranges(limit: int, seen: tuple[int, int], unseen: tuple[int, int]) -> None:
    assert mnist1d.shift_range(limit, "seen") == seen
    assert mnist1d.shift_range(limit, "unseen") == unseen
    assert mnist1d.shift_range(limit, "all") == (0, 40)


@pytest.mark.parametrize("limit", [0, 10, 40])
def test_test_signals_are_rolled_by_shifts_of_their_range(limit: int) -> None:
    _, test = mnist1d.generate(1)
    for which, moved in splits(limit)[2].items():
        k = shifts_between(test, moved)
        assert sorted(k.unique().tolist()) == list(range(*mnist1d.shift_range(limit, which)))  # all of them occur
        assert k.bincount().max() < 1000 / len(k.unique()) * 2  # about equally often
    assert set(splits(limit)[2]) == {"seen", "unseen", "all"}


def test_training_and_validation_signals_are_rolled_by_seen_shifts() -> None:
    (still_train, still_valid, _), (train, valid, _) = splits(0), splits(30)
    for still, moved in ((still_train, train), (still_valid, valid)):
        assert sorted(shifts_between(still, moved).unique().tolist()) == list(range(30))


def test_equal_ranges_are_one_draw() -> None:
    nothing, everything = splits(0)[2], splits(40)[2]
    assert torch.equal(nothing["unseen"].x, nothing["all"].x)
    assert torch.equal(everything["seen"].x, everything["all"].x)
    assert torch.equal(everything["unseen"].x, mnist1d.generate(1)[1].x)
    assert not torch.equal(splits(30)[2]["seen"].x, nothing["all"].x)


def test_a_seed_fixes_the_draw_and_another_seed_makes_another() -> None:
    pool, test = mnist1d.generate(1)
    for part in (0, 1):
        assert torch.equal(splits(30)[part].x, splits.__wrapped__(30)[part].x)
        assert not torch.equal(splits(30)[part].x, splits(30, seed=1)[part].x)
    k = [shifts_between(test, splits(30, seed)[2]["seen"]) for seed in (0, 1)]
    assert (k[0] == k[1]).float().mean() < 0.1
    assert rows(splits(0)[1]) != rows(splits(0, seed=1)[1])  # who is held out
    assert rows(splits(0)[1]) < rows(pool)


# ---- splits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("held_out", [1, 400])
def test_training_and_validation_part_the_pool(held_out: int) -> None:
    train, valid, tests = splits(0, validation=held_out)
    assert (len(train.y), len(valid.y)) == (len(train.x), len(valid.x)) == (4000 - held_out, held_out)
    assert [len(tests[which].y) for which in ("seen", "unseen", "all")] == [1000] * 3
    assert rows(train).isdisjoint(rows(valid))
    assert len(rows(train, valid)) == 4000
    assert len(rows(train, valid) ^ rows(mnist1d.generate(1)[0])) == 0


def test_the_limit_changes_the_shifts_and_nothing_else() -> None:
    """Same examples in the same order at every limit: what `teacher_per: seed` relies on."""
    assert torch.equal(splits(0)[0].y, splits(40)[0].y)
    shifts_between(splits(0)[0], splits(40)[0])


def test_more_shifts_per_signal_are_more_copies() -> None:
    still, once, thrice = splits(0)[0], splits(30)[0], splits(30, shifts_per_signal=3)[0]
    assert len(thrice.y) == 3 * 3600
    copies = [Signals(x, y) for x, y in zip(thrice.x.split(3600), thrice.y.split(3600), strict=True)]
    assert torch.equal(copies[0].x, once.x)
    k = torch.stack([shifts_between(still, copy) for copy in copies])
    assert (k < 30).all()
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert (k[a] == k[b]).float().mean() < 0.1  # drawn independently: one in thirty
