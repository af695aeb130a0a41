"""Networks with a known relation to those of the package."""

from __future__ import annotations

import torch

from learned_symmetry.models.mnist1d import LAYERS, LENGTH, Student, Teacher


def as_student(teacher: Teacher) -> Student:
    """The teacher as what it is, a fully connected network with shared weights: the same function and layers."""
    student = Student("pooling")
    with torch.no_grad():
        for name in LAYERS:
            weight = getattr(teacher, name).weight  # (out, in, 5)
            matrix = weight.new_zeros(*weight.shape[:2], LENGTH, LENGTH)  # (out, in, to position, from position)
            to = torch.arange(LENGTH)
            for tap in range(weight.shape[-1]):
                matrix[:, :, to, (to + tap - weight.shape[-1] // 2) % LENGTH] = weight[:, :, tap, None]
            getattr(student, name).weight.copy_(matrix.transpose(1, 2).flatten(2).flatten(0, 1))
    return student
