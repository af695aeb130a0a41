"""Clones of convolutions: exact solutions, known losses, targets against the true layers, and what frozen ones cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry import config
from learned_symmetry.cloning.clone import (
    KERNEL,
    ROTATIONS,
    Clone,
    ClonedConv,
    Layer,
    cloned,
    convolved,
    exact,
    freeze,
    patches,
)
from learned_symmetry.cloning.objective import CloneLoss, floor
from learned_symmetry.cloning.training import clone_runs, fit_clones, untrained
from learned_symmetry.groups import QuarterTurns
from learned_symmetry.measure.equivariance_error import relative_error, translation_error, turning_error
from learned_symmetry.models import Network, parameter_count, seeded
from learned_symmetry.models.gcnn import LiftingConv, P4Conv
from learned_symmetry.rng import generator

LAYERS: tuple[Layer, ...] = ("t2", "lift", "group")
each_layer = pytest.mark.parametrize("layer", LAYERS)
CPU = torch.device("cpu")
SMALL = 6  # pixels a side of the clones that are trained here


def random_clone(layer: Layer, size: int = 5, blocks: int = 9) -> Clone:
    """In float64, with maps that are not zero."""
    clone = seeded(lambda: Clone(layer, size, blocks), generator(0, "clone")).double()
    torch.nn.init.normal_(clone.W, generator=generator(0, "maps"))
    return clone


def solved(layer: Layer, size: int) -> Clone:
    """A clone whose weights are set to the exact solution."""
    clone = Clone(layer, size, 9).double()
    one_hot = patches(torch.eye(size**2, dtype=torch.float64).unflatten(1, (size, size)))  # (n², 9, m²)
    with torch.no_grad():
        clone.W.copy_(one_hot.permute(1, 2, 0))
        clone.E1.zero_()[:, 0] = 1
        clone.E2.zero_()[::10] = torch.eye(9)  # a row of E1's first column each
        if layer != "t2":
            entries = torch.eye(clone.P[0].numel() // 9 if layer == "lift" else 36, dtype=torch.float64)
            kernels = entries.unflatten(1, KERNEL[layer])
            turned = exact(layer, kernels)  # (entries, R, J, 9)
            if layer == "lift":
                clone.P.copy_(turned[:, :, 0].permute(1, 2, 0))
            else:
                clone.P.copy_(turned.unflatten(0, (4, 9)).permute(2, 3, 0, 4, 1))
    return clone


def images(randn: Callable[..., Tensor], layer: Layer, n: int, size: int) -> Tensor:
    return randn(n, ROTATIONS[layer][1], size, size)


# ---- the true layers -------------------------------------------------------------------------------------------------


def test_the_true_layers_are_conv2d_and_the_p4_convolutions(randn: Callable[..., Tensor]) -> None:
    x, c = randn(3, 1, 7, 7), randn(2, 9)
    torch.testing.assert_close(convolved("t2", x, c)[:, :, 0], F.conv2d(x, c.view(2, 1, 3, 3)))
    for layer, module in (("lift", LiftingConv(1, 2, 3, bias=False)), ("group", P4Conv(1, 2, 3, bias=False))):
        x, c = images(randn, layer, 3, 7), randn(2, *KERNEL[layer])
        module.double().weight.data.copy_(c.view_as(module.weight))
        torch.testing.assert_close(convolved(layer, x, c), module(x if layer == "lift" else x.unsqueeze(1)))


@pytest.mark.parametrize("layer", ["lift", "group"])
def test_p4_targets_against_escnn(layer: Layer, randn: Callable[..., Tensor], escnn: ModuleType) -> None:
    """Each of escnn's smooth filters is one of ours."""
    plane = escnn.gspaces.rot2dOnR2(4)
    inside = escnn.nn.FieldType(plane, [plane.trivial_repr if layer == "lift" else plane.regular_repr])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = escnn.nn.R2Conv(inside, escnn.nn.FieldType(plane, [plane.regular_repr]), 3, bias=False).double()
    kernel = theirs.expand_parameters()[0][0].reshape(1, *KERNEL[layer]).detach()
    x = images(randn, layer, 2, 6)
    found = theirs(escnn.nn.GeometricTensor(x, inside)).tensor
    torch.testing.assert_close(convolved(layer, x, kernel)[:, 0], found, rtol=0, atol=1e-5)


# ---- clones ----------------------------------------------------------------------------------------------------------


@each_layer
def test_with_the_exact_weights_a_clone_is_the_layer(layer: Layer, randn: Callable[..., Tensor]) -> None:
    x, c = images(randn, layer, 3, 6), randn(5, *KERNEL[layer])
    torch.testing.assert_close(cloned(solved(layer, 6), x, c), convolved(layer, x, c), rtol=0, atol=1e-12)


def test_a_plain_clone_has_the_kernels_entries_as_coefficients(randn: Callable[..., Tensor]) -> None:
    clone, c = Clone("t2", 4, 9, embedded=False).double(), randn(2, 9)
    assert torch.equal(clone(randn(1, 4, 4), c)[1][:, 0, 0], c)
    with pytest.raises(ValueError, match="9 blocks"):
        Clone("t2", 4, 8, embedded=False)


def test_the_matrix_is_what_the_clone_applies(randn: Callable[..., Tensor]) -> None:
    clone, x, c = random_clone("group"), randn(2, 4, 5, 5), randn(1, 4, 9)
    found = torch.einsum("rjmn,bjn->brm", clone.matrices(c[0]), x.flatten(-2)).unflatten(-1, (3, 3))
    torch.testing.assert_close(found, cloned(clone, x, c)[:, 0])


@pytest.mark.parametrize(
    ("layer", "size", "count"),
    [("lift", 28, 4_771_080), ("group", 26, 3_510_468), ("group", 12, 135_684), ("group", 10, 63_684)],
)
def test_parameter_counts(layer: Layer, size: int, count: int) -> None:
    assert parameter_count(Clone(layer, size, 9)) == count  # protocol 2.1


@each_layer
def test_a_layer_of_channels_is_a_sum_of_clones(layer: Layer, randn: Callable[..., Tensor]) -> None:
    module = ClonedConv(random_clone(layer), 2, 3).double()
    rotations, inner = ROTATIONS[layer]
    x = randn(4, 2, inner, 5, 5)
    pairs = [[cloned(module.clone, x[:, i], module.weight[o, i : i + 1])[:, 0] for i in range(2)] for o in range(3)]
    expected = torch.stack([sum(row) for row in pairs], 1) + module.bias.view(3, 1, 1, 1)
    found = module(x.squeeze(2) if inner == 1 else x)
    assert found.dim() == (4 if rotations == 1 else 5)
    torch.testing.assert_close(found.reshape(expected.shape), expected)


def test_a_frozen_clone_gives_the_same_and_has_no_parameters(randn: Callable[..., Tensor]) -> None:
    module = ClonedConv(random_clone("t2"), 1, 2).double()
    before = module(x := randn(3, 1, 5, 5))
    freeze(module.clone)
    assert torch.equal(module(x), before)
    assert [name for name, _ in module.named_parameters()] == ["weight", "bias"]
    assert set(module.state_dict()) == {"weight", "bias"}


# ---- the loss --------------------------------------------------------------------------------------------------------


@each_layer
@pytest.mark.parametrize("images_are", ["shared", "each"])
def test_the_loss_is_the_mean_squared_error_of_the_outputs(layer: Layer, images_are: str) -> None:
    objective = CloneLoss(layer, 5, iterations=2, kernels=3, images_are=images_are, device="cpu")
    clone = random_clone(layer, blocks=8)
    batch = {name: t.double() for name, t in objective.draw(generator(0, "draw"), 4).items()}
    assert batch["x"].shape[:3] == (2, 1 if images_are == "shared" else 3, 4)
    found = objective.losses(Network(clone, dict(clone.named_parameters())), batch)
    errors = [
        (cloned(clone, x, c) - convolved(layer, x, c)).square().mean()
        for xs, cs in zip(batch["x"], batch["c"], strict=True)
        for x, c in zip(xs, cs, strict=True)
    ]
    torch.testing.assert_close(found["loss"], torch.stack(errors).mean())
    torch.testing.assert_close(found["total"], 2 * found["loss"])


@each_layer
def test_a_clone_of_zero_scores_what_the_target_has(layer: Layer) -> None:
    objective = CloneLoss(layer, 5, iterations=1, kernels=4000, images_are="shared", device="cpu")
    clone = Clone(layer, 5, 9)
    loss = objective.score(Network(clone, dict(clone.named_parameters())), objective.draw(generator(0, "draw"), 400))
    assert loss.item() == pytest.approx(floor(layer, 0), rel=0.1)  # 9, of a group layer 36


@each_layer
def test_the_loss_at_the_exact_solution_without_a_block_is_the_floor(layer: Layer) -> None:
    """Blocks are the kernel's entries, so that B of them leave 9 - B entries out."""
    objective = CloneLoss(layer, 5, iterations=1, kernels=4000, images_are="shared", device="cpu")
    clone, batch = solved(layer, 5), objective.draw(generator(0, "draw"), 400)
    batch = {name: t.double() for name, t in batch.items()}
    for blocks in (9, 8, 7):
        clone.W.data[blocks:] = 0
        loss = objective.score(Network(clone, dict(clone.named_parameters())), batch)
        assert loss.item() == pytest.approx(floor(layer, blocks), rel=0.15, abs=1e-12)


def expected_loss(clone: Clone) -> float:
    """Over all standard normal images and kernels: the squared distance of the matrices of all kernel entries."""
    entries = torch.eye(9 * KERNEL[clone.layer][0] if clone.layer == "group" else 9)
    true, total = solved(clone.layer, clone.size).float(), 0.0
    for kernel in entries.unflatten(1, KERNEL[clone.layer]):
        total += (clone.matrices(kernel) - true.matrices(kernel)).square().sum().item()
    return total / (ROTATIONS[clone.layer][0] * (clone.size - 2) ** 2)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Clone]:
    """Small clones, trained for seconds."""
    cfg = config.load("huang2024", Path(__file__).parents[1] / "params.yaml", scale="smoke")
    steps = cfg.cloning.steps.model_copy(update={"t2": 400, "lift": 600})
    few = cfg.cloning.images.model_copy(update={"t2": 32, "lift": 32})
    update = {"steps": steps, "evaluate_every": 50, "decay": 0.9, "iterations": 1, "images": few}
    cfg = cfg.model_copy(update={"cloning": cfg.cloning.model_copy(update=update), "seeds": 1})
    found = {}
    for layer, forms in (("t2", ("b9", "b8", "b7", "b10", "plain")), ("lift", ("b9",))):
        runs = [run for form in forms for run in clone_runs(cfg, layer, SMALL, form, CPU)]
        for done in fit_clones(runs, cfg, cfg.cloning, tmp_path_factory.mktemp("scratch"), CPU, "clones"):
            found[done.run.name.replace(f"/s{SMALL}", "").removesuffix("/seed0")] = done.network().requires_grad_(False)
    return found


@pytest.mark.parametrize(
    ("name", "lowest"), [("t2/b10", 0), ("t2/b9", 0), ("t2/plain", 0), ("t2/b8", 1), ("t2/b7", 2), ("lift/b9", 0)]
)
def test_trained_clones_come_to_the_floor(name: str, lowest: float, trained: dict[str, Clone]) -> None:
    assert expected_loss(trained[name]) == pytest.approx(lowest, abs=0.03)


def test_a_trained_clone_is_equivariant_and_an_untrained_layer_is_not(
    trained: dict[str, Clone], randn: Callable[..., Tensor]
) -> None:
    scene = randn(20, 1, SMALL + 2, SMALL + 2, dtype=torch.float32)
    kernels = randn(8, 9, dtype=torch.float32)
    clone = trained["t2/b8"]  # a convolution too, with kernels of a subspace (protocol 2.1)
    assert translation_error(lambda x: cloned(clone, x, kernels), scene, SMALL, (1, 2)) < 0.02
    assert translation_error(untrained("t2", SMALL, 0), scene, SMALL, (1, 2)) > 1
    clone = trained["lift/b9"]
    assert turning_error(lambda x: cloned(clone, x, kernels), scene[..., :SMALL, :SMALL], QuarterTurns()) < 0.02
    assert turning_error(untrained("lift", SMALL, 0), scene[..., :SMALL, :SMALL], QuarterTurns()) > 1


# ---- the measures ----------------------------------------------------------------------------------------------------


@each_layer
def test_true_layers_have_no_equivariance_error(layer: Layer, randn: Callable[..., Tensor]) -> None:
    x, c = images(randn, layer, 3, 9), randn(2, *KERNEL[layer])
    assert translation_error(lambda x: convolved(layer, x, c), x, 6, (1, 2, 3)) < 1e-28
    if layer != "t2":
        assert turning_error(lambda x: convolved(layer, x, c), x, QuarterTurns()) < 1e-28


def test_equivariance_errors_by_hand(randn: Callable[..., Tensor]) -> None:
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert turning_error(lambda x: x.roll(1, -1), x, QuarterTurns()) == pytest.approx((20 + 0 + 20) / 3 / 30)
    ramp = torch.arange(1.0, 4).view(1, 1, 1, 3).expand(1, 1, 3, 3)
    weigh = nn.Parameter(torch.tensor([1.0, 2.0]), requires_grad=False)
    # Windows [1, 2] and [2, 3] become [1, 4] and [2, 6]; to the right 2 is compared with 4; down nothing changes
    assert translation_error(lambda x: x * weigh, ramp, 2, (1,)) == pytest.approx((0 + (2 - 4) ** 2 / 4**2) / 2)
    assert relative_error(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 2.0])) == pytest.approx(0.2)
