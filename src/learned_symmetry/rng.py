"""One random stream a purpose, each a pure function of names and numbers, never of what ran before.

A stream is made afresh from (seed, purpose, step), so adding a draw to one purpose moves no other, a run does not
depend on its neighbours, and a run that was killed goes on exactly where it was without any saved generator state.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def stream(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed from a run's seed and the purpose; the same on every machine and Python."""
    digest = hashlib.blake2b(repr((seed, *purpose)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator(seed: int, *purpose: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator for one purpose, for example ``generator(0, "shifts", "test")``; other devices draw other numbers."""
    return torch.Generator(device).manual_seed(stream(seed, *purpose))


def numpy_generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """The same for NumPy."""
    return np.random.default_rng(stream(seed, *purpose))
