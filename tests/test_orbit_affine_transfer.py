"""Orbit by affine transforms: both stages' losses against a loop over examples, the hinge by hand, stacks of runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.models import Network, features, seeded
from learned_symmetry.models.gcnn import GCNN, LAYERS
from learned_symmetry.models.mlp import MLP
from learned_symmetry.models.orbit_affine import AffineOrbit, inplane_affine, resample
from learned_symmetry.rng import generator
from learned_symmetry.transfer.orbit_affine import LearnAffineOrbit, TaughtByAffine, act, hinge
from tests.losses import check_teaching

ORDER = 5
ALL = (*LAYERS, "logits")
WEIGHTS = {"ce": 0.7, "equiv": 0.1, "inv": 10.0, "group": 2.0}
VOLUMES = {  # of the protocol, for a G-CNN of 2, 3 and 4 channels and for the MLP
    GCNN: {"layer1": (2, 4, 13, 13), "layer2": (3, 4, 6, 6), "layer3": (4, 4, 3, 3), "logits": (1, 1, 10, 1)},
    MLP: {"layer1": (1, 2, 16, 16), "layer2": (1, 2, 8, 8), "layer3": (1, 2, 4, 4), "logits": (1, 1, 10, 1)},
}
Randn = Callable[..., Tensor]


def build(module: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    return seeded(module, generator(seed, "network")).double()


def teacher(seed: int = 0) -> GCNN:
    return build(lambda: GCNN((2, 3, 4)), seed).requires_grad_(False)


def model(init: str = "all_axes", seed: int = 1) -> AffineOrbit:
    return build(lambda: AffineOrbit(ORDER, init), seed)


def learning(detach: bool = True, order: int = ORDER) -> LearnAffineOrbit:
    shape = {"layers": LAYERS, "clamp": True, "detach": detach, "margin": 1.0, "steepness": 10.0, "order": order}
    return LearnAffineOrbit(GCNN((2, 3, 4)), **shape, **WEIGHTS)


def as_network(module: nn.Module) -> Network:
    return Network(module, dict(module.named_parameters()))


def data(randn: Randn, size: int = 4) -> dict[str, Tensor]:
    x = F.avg_pool2d(randn(size, 1, 30, 30), 3, 1).sigmoid()
    return {"x": x, "y": torch.arange(size) % 10, "g": torch.tensor([0, 1, 3, 4])[:size]}


def stage1_batch(randn: Randn) -> dict[str, Tensor]:
    return data(randn) | {f"weights.{name}": w for name, w in teacher().state_dict().items()}


def stage2_batch(randn: Randn, orbit: AffineOrbit) -> dict[str, Tensor]:
    return data(randn) | {f"rho.{layer}": theta.detach() for layer, theta in orbit().items()}


def gaps(network: nn.Module, theta: dict[str, Tensor], x: Tensor, moved: Tensor, g: int) -> Tensor:
    """(features,): rho_g of an example's activations less those of its moved input (1, 1, 28, 28)."""
    still, after = (features(network, image, LAYERS) for image in (x, moved))
    rho = {k: resample(theta[k][g][None], still[k].reshape(1, *VOLUMES[type(network)][k])) for k in ALL}
    return torch.cat([rho[k].flatten() - after[k].flatten() for k in ALL])


def looped_hinge(theta: Tensor) -> Tensor:
    rows = [row.flatten() / row.norm() for row in theta]
    pairs = [(rows[g] - rows[h]).square().sum() for h in range(len(rows)) for g in range(h)]
    return torch.stack([(10 * (1 - d).clamp(min=0)) ** 2 for d in pairs]).mean()


def looped_stage1(orbit: AffineOrbit, batch: dict[str, Tensor], detach: bool) -> dict[str, Tensor]:
    """The terms of protocol 2.5, an example at a time."""
    network, theta, terms = teacher(), orbit(), {"ce": [], "equiv": [], "inv": []}
    for x, y, g in zip(batch["x"].unsqueeze(1), batch["y"], batch["g"].tolist(), strict=True):
        moved = resample(theta["input"][g][None], x[:, :, None])
        back = resample(theta["input"][(ORDER - g) % ORDER][None], moved)[:, :, 0]
        seen = moved[:, :, 0].clamp(0, 1)
        seen = seen.detach() if detach else seen
        terms["ce"].append(F.cross_entropy(network(seen), y[None]))
        terms["equiv"].append(gaps(network, theta, x, seen, g).square().mean())
        terms["inv"].append((back - x).square().mean())
    return {k: torch.stack(v).mean() for k, v in terms.items()} | {"group": looped_hinge(theta["input"])}


@pytest.mark.parametrize("detach", [True, False])
def test_learning_against_a_loop_over_examples(detach: bool, randn: Randn) -> None:
    orbit, batch = model(), stage1_batch(randn)
    found, expected = learning(detach).losses(as_network(orbit), batch), looped_stage1(orbit, batch, detach)
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value.item(), rel=1e-9), name
    total = sum(WEIGHTS[name] * value for name, value in expected.items())
    assert found["total"].item() == pytest.approx(total.item(), rel=1e-9)
    ours, looped = (torch.autograd.grad(loss, orbit.theta)[0] for loss in (found["total"], total))
    torch.testing.assert_close(ours, looped, rtol=1e-8, atol=1e-10)
    assert (ours.flatten(1).norm(dim=1) > 0).all(), "each layer's matrices learn"


def test_with_detach_cross_entropy_teaches_nothing(randn: Randn) -> None:
    orbit, batch = model(), stage1_batch(randn)
    assert not learning().losses(as_network(orbit), batch)["ce"].requires_grad
    assert learning(detach=False).losses(as_network(orbit), batch)["ce"].requires_grad


def test_the_identity_leaves_nothing_to_learn_but_the_group(randn: Randn) -> None:
    orbit = model("identity")
    found = learning().losses(as_network(orbit), stage1_batch(randn))
    assert found["equiv"].item() == pytest.approx(0, abs=1e-24)
    assert found["inv"].item() == pytest.approx(0, abs=1e-24)
    assert found["group"].item() == pytest.approx(100)
    gradient = torch.autograd.grad(found["group"], orbit.theta)[0]
    assert gradient.abs().max() < 1e-12, "nor does the hinge tell equal elements apart"


def test_true_quarter_turns_leave_nothing_of_inv(randn: Randn) -> None:
    angle, none = torch.arange(4, dtype=torch.float64) * torch.pi / 2, torch.zeros(4, 2, dtype=torch.float64)
    turns = inplane_affine(angle, none, torch.ones_like(angle), none)
    orbit = build(lambda: AffineOrbit(4))
    with torch.no_grad():
        orbit.theta.copy_(turns.expand(5, -1, -1, -1))
    batch = stage1_batch(randn) | {"g": torch.arange(4)}
    objective = learning(order=4)
    assert objective.losses(as_network(orbit), batch)["inv"].item() == pytest.approx(0, abs=1e-20)
    moved = act(turns, "input", batch["x"])
    for g in range(4):
        torch.testing.assert_close(moved[g], batch["x"][g].rot90(-g, (-2, -1)), rtol=0, atol=1e-10)


def test_the_hinge_by_hand() -> None:
    """Unit vectors at angles a have the squared distance 2 - 2 cos a: 1 at 60 degrees, where the hinge ends."""
    theta = torch.zeros(3, 3, 4, dtype=torch.float64)
    for row, degrees in enumerate((0.0, 90.0, 30.0)):
        angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
        theta[row, 0, :2] = 7 * torch.stack([angle.cos(), angle.sin()])  # of any length
    near = 1 - (2 - 2 * 0.75**0.5)  # 30 degrees
    far = 1 - (2 - 2 * 0.5)  # 60 degrees: 0
    expected = ((10 * near) ** 2 + (10 * far) ** 2 + 0) / 3
    assert hinge(theta, 1.0, 10.0).item() == pytest.approx(expected, rel=1e-10)
    assert hinge(theta, 0.2, 10.0).item() == pytest.approx(0, abs=1e-20)
    assert hinge(theta, 1.0, 1.0).item() == pytest.approx(expected / 100, rel=1e-10)


# ---- stage 2 ---------------------------------------------------------------------------------------------------------


def test_teaching_against_a_loop_over_examples(randn: Randn) -> None:
    student, orbit = build(lambda: MLP(dropout=0)), model()
    batch, theta = stage2_batch(randn, orbit), {k: v.detach() for k, v in orbit().items()}
    terms = {"match": [], "task": [], "augmented": []}
    for x, y, g in zip(batch["x"].unsqueeze(1), batch["y"], batch["g"].tolist(), strict=True):
        moved = resample(theta["input"][g][None], x[:, :, None])[:, :, 0].clamp(0, 1)
        terms["match"].append(gaps(student, theta, x, moved, g).square().mean())
        terms["task"].append(F.cross_entropy(student(x), y[None]))
        terms["augmented"].append(F.cross_entropy(student(moved), y[None]))
    expected = {k: torch.stack(v).mean() for k, v in terms.items()}
    found = TaughtByAffine(0.3, True, ORDER, layers=LAYERS).losses(as_network(student), batch)
    check_teaching(found, expected, student, gradients=1e-8)


def test_the_identity_leaves_nothing_to_match(randn: Randn) -> None:
    student = build(lambda: MLP(dropout=0))
    found = TaughtByAffine(1.0, True, ORDER, layers=LAYERS).losses(
        as_network(student), stage2_batch(randn, model("identity"))
    )
    assert found["match"].item() == pytest.approx(0, abs=1e-24)
    assert found["augmented"].item() == pytest.approx(found["task"].item(), rel=1e-10)


def test_elements_are_drawn_uniformly() -> None:
    for objective in (learning(), TaughtByAffine(1.0, True, ORDER, layers=LAYERS)):
        counts = objective.draw(generator(0, "draws"), 5000)["g"].bincount()
        assert len(counts) == ORDER
        assert 850 < counts.min() <= counts.max() < 1150


# ---- runs of a stack -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [1, 2])
def test_stacked_runs_are_each_as_alone(stage: int, randn: Randn) -> None:
    if stage == 1:
        networks, objective = [model(seed=seed) for seed in (1, 2)], learning()
        batches = [data(randn) | {f"weights.{k}": w for k, w in teacher(s).state_dict().items()} for s in (0, 1)]
    else:
        networks = [build(lambda: MLP(dropout=0), seed) for seed in (0, 1)]
        objective = TaughtByAffine(0.5, True, ORDER, layers=LAYERS)
        batches = [stage2_batch(randn, model(seed=seed)) for seed in (1, 2)]
    batches[1]["g"] = torch.tensor([2, 2, 0, 1])

    def losses(weights: dict[str, Tensor], batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return objective.losses(Network(networks[0], weights), batch)

    weights = [dict(network.named_parameters()) for network in networks]
    alone = [losses(w, batch) for w, batch in zip(weights, batches, strict=True)]
    stacked = {k: torch.stack([w[k].detach() for w in weights]).requires_grad_() for k in weights[0]}
    together = torch.vmap(losses)(stacked, {k: torch.stack([batch[k] for batch in batches]) for k in batches[0]})
    grads = torch.autograd.grad(together["total"].sum(), list(stacked.values()))
    for run, found in enumerate(alone):
        for name, value in found.items():
            torch.testing.assert_close(together[name][run], value, rtol=1e-9, atol=1e-12)
        single = torch.autograd.grad(found["total"], list(weights[run].values()))
        for ours, theirs in zip(grads, single, strict=True):
            torch.testing.assert_close(ours[run], theirs, rtol=1e-8, atol=1e-11)
