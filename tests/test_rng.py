"""Streams are pure functions of seed and purpose: in another process, on another day, whatever ran before."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from learned_symmetry.models import seeded
from learned_symmetry.rng import generator, numpy_generator, stream

PURPOSE = (1, "shifts", "test", 3)
PINNED = 4927742841327579731  # if this changes, so does every result


def draws() -> str:
    """What the three functions give for PURPOSE, as text."""
    whole = torch.randint(10**6, (3,), generator=generator(*PURPOSE)).tolist()
    return f"{stream(*PURPOSE)} {whole} {numpy_generator(*PURPOSE).integers(10**6, size=3).tolist()}"


def test_streams_do_not_depend_on_the_process() -> None:
    assert stream(*PURPOSE) == PINNED
    code = "from tests.test_rng import draws; print(draws())"
    environment = os.environ | {"PYTHONHASHSEED": "12345", "PYTHONPATH": os.pathsep.join(sys.path)}
    other = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == draws()


def test_a_stream_starts_afresh_each_time_it_is_asked_for() -> None:
    torch.rand(5, generator=generator(*PURPOSE))
    assert draws() == draws()


def test_other_seeds_and_purposes_give_other_streams() -> None:
    names = [
        (seed, *purpose)
        for seed in (0, 1, 10)
        for purpose in [
            (),
            ("a",),
            ("b",),
            ("a", "b"),
            ("ab",),
            ("a", 0),
            ("a", "0"),
            ("a", 1),
            ("a", 10),
            (1,),
            ("1",),
        ]
    ]
    streams = [stream(*name) for name in names]
    assert len(set(streams)) == len(names)
    assert all(0 <= value < 2**63 for value in streams)
    first = {torch.rand(1, generator=generator(*name), dtype=torch.float64).item() for name in names}
    assert len(first) == len(names)


def test_a_seeded_network_leaves_the_global_states_alone_and_does_not_read_them() -> None:
    def build() -> nn.Module:
        return nn.Linear(3, 4)

    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    first = seeded(build, generator(0, "student")).weight
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]

    torch.rand(7)
    assert torch.equal(seeded(build, generator(0, "student")).weight, first)
    assert not torch.equal(seeded(build, generator(1, "student")).weight, first)
    assert not torch.equal(seeded(build, generator(0, "teacher")).weight, first)


def test_a_network_that_cannot_be_built_leaves_the_global_state_alone() -> None:
    def build() -> nn.Module:
        torch.rand(3)
        raise ZeroDivisionError

    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError):
        seeded(build, generator(0, "student"))
    assert torch.equal(torch.get_rng_state(), before)
