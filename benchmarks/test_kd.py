"""Knowledge distillation with the teacher's outputs computed once, against asking the teacher at every step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch.nn.functional as F

from benchmarks import common

BATCH = 1000
FORMS = ("plain", "teacher without gradients", "cached")
REQUIRED = {"cached": 1.5}


@pytest.fixture(scope="module")
def forms() -> dict[str, common.Form]:
    (run,) = common.student_runs(1)
    x, y = run.train["x"][:BATCH], run.train["y"][:BATCH]
    gamma, temperature = run.objective.gamma, run.objective.temperature
    student, teacher = run.network, common.live_teacher()

    def plain() -> common.Result:
        logits = student(x)
        soft = [F.log_softmax(side / temperature, 1) for side in (logits, teacher(x))]
        match = F.kl_div(*soft, reduction="batchmean", log_target=True) * temperature**2
        result = common.backward((1 - gamma) * F.cross_entropy(logits, y) + gamma * match, student)
        teacher.zero_grad()
        return result

    def frozen() -> common.Result:
        teacher.requires_grad_(False)
        try:
            return plain()
        finally:
            teacher.requires_grad_(True)

    return dict(zip(FORMS, (plain, frozen, common.EngineStep([run], BATCH)), strict=True))


@common.group(f"KD, batch {BATCH}: loss and gradients")
@pytest.mark.parametrize("form", FORMS)
def test_kd(race: Callable[..., None], forms: dict[str, common.Form], form: str) -> None:
    """A frozen teacher whose outputs are cached against one that is part of every step's graph: at least 1.5 times.

    For information: a teacher that is asked at every step without gradients.
    """
    race(forms, form, REQUIRED)
