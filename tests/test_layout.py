"""Units laid out in space, and the methods that compare activations of images: attention on maps, RDL of many units."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from learned_symmetry.layout import as_maps, as_signal, square
from learned_symmetry.models import Network, cached_features, cnn, seeded
from learned_symmetry.models.cnn import CNN
from learned_symmetry.models.mlp import MLP
from learned_symmetry.rng import generator
from learned_symmetry.transfer.attention import Attention
from learned_symmetry.transfer.orbit_images import on_grid
from learned_symmetry.transfer.rdl import RDL, gram_gap

Randn = Callable[..., Tensor]


# ---- layouts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "laid_out"),
    [(512, (2, 16)), (128, (2, 8)), (32, (2, 4)), (16, (1, 4)), (1, (1, 1)), (7, (7, 1)), (12, (3, 2)), (75, (3, 5))],
)
def test_the_fewest_channels_that_leave_a_square(units: int, laid_out: tuple[int, int]) -> None:
    assert square(units) == laid_out


def test_vectors_as_maps_and_signals() -> None:
    vector = torch.arange(32.0).expand(2, 32)
    maps = as_maps(vector)
    assert maps.shape == (2, 2, 4, 4)
    assert maps[1, 1, 2, 3] == 16 + 4 * 2 + 3  # channel by channel, row by row
    assert torch.equal(maps.flatten(1), vector)
    signals = as_signal(vector, 8)
    assert signals.shape == (2, 4, 8)
    assert signals[0, 3, 5] == 3 * 8 + 5


def test_maps_stay_as_they_are(randn: Randn) -> None:
    maps = randn(2, 3, 4, 5)
    assert as_maps(maps) is maps


def test_tokens_on_their_grid(randn: Randn) -> None:
    tokens = randn(3, 17, 5)
    aside, maps = on_grid(tokens)
    assert torch.equal(aside, tokens[:, 0])  # the class token (D32)
    assert maps.shape == (3, 5, 4, 4)
    for row in range(4):
        for column in range(4):
            assert torch.equal(maps[:, :, row, column], tokens[:, 1 + 4 * row + column])


@pytest.mark.parametrize("shape", [(3, 32), (3, 2, 4, 4)])
def test_nothing_of_vectors_and_maps_is_set_aside(shape: tuple[int, ...], randn: Randn) -> None:
    activation = randn(*shape)
    aside, maps = on_grid(activation)
    assert aside.shape == (3, 0)
    assert torch.equal(maps, activation.view(3, 2, 4, 4))


# ---- attention on maps -----------------------------------------------------------------------------------------------


def test_attention_resizes_the_teachers_map_by_nearest_neighbours() -> None:
    """A 4 x 4 map seen at 2 x 2: rows and columns 0 and 2."""
    maps = torch.zeros(1, 2, 4, 4)
    maps[0, 0] = torch.tensor([[3.0, 9, 0, 9], [9, 9, 9, 9], [0, 9, 2, 9], [9, 9, 9, 9]])
    maps[0, 1, 2, 2] = -2
    student = torch.tensor([[0.0, 2, 0, 0, 0, 0, -1, 0]])  # 2 x 2 x 2: energies 0, 4, 1, 0
    method = Attention(0.5, 2.0, layers=("layer1",))
    teacher = method.digest(maps)
    assert teacher[0].tolist() == [[9, 81, 0, 81], [81, 81, 81, 81], [0, 81, 8, 81], [81, 81, 81, 81]]
    ours, theirs = np.array([0, 4, 1, 0]) / 17**0.5, np.array([9, 0, 0, 8]) / 145**0.5
    omega = method.omega({"layer1": student}, {"layer1": teacher}).item()
    assert omega == pytest.approx(((ours - theirs) ** 2).mean(), rel=1e-6)


def test_attention_resizes_a_map_to_an_odd_share_of_its_size(randn: Randn) -> None:
    """26 to 16 positions, as from the CNN's first layer to the MLP's: position i is that of floor(26 i / 16)."""
    method, student, maps = Attention(0.5, 1.0, layers=("layer1",)), randn(3, 512), randn(3, 4, 26, 26)
    nearest = [26 * i // 16 for i in range(16)]
    expected = 0.0
    for ours, theirs in zip(student, maps, strict=True):
        a = ours.view(2, 16, 16).abs().sum(0)
        b = theirs.abs().sum(0)[nearest][:, nearest]
        expected += (a / a.norm() - b / b.norm()).square().mean().item() / 3
    omega = method.omega({"layer1": student}, {"layer1": method.digest(maps)}).item()
    assert omega == pytest.approx(expected, rel=1e-12)


def test_attention_merges_channels_and_rotations(randn: Randn) -> None:
    maps, method = randn(3, 8, 4, 5, 5), Attention(0.5, 2.0, layers=("layer1",))
    torch.testing.assert_close(method.digest(maps), maps.square().sum((1, 2)))


def test_attention_sees_no_gap_between_like_maps(randn: Randn) -> None:
    maps, method = randn(3, 2, 4, 4), Attention(0.5, 2.0, layers=("layer1",))
    larger = maps.repeat_interleave(2, 2).repeat_interleave(2, 3)
    gap = method.omega({"layer1": 3 * maps.flatten(1)}, {"layer1": method.digest(larger)})
    assert gap.item() == pytest.approx(0, abs=1e-15)


# ---- RDL of many features, and with a teacher that is asked ----------------------------------------------------------


@pytest.mark.parametrize(("d", "e"), [(3, 500), (500, 3), (500, 700)])
def test_the_gap_of_more_features_than_examples(d: int, e: int, randn: Randn) -> None:
    student, teacher = randn(8, d).requires_grad_(), randn(8, e).requires_grad_()

    def plainly(z: Tensor) -> Tensor:
        z = z - z.mean(0)
        z = z / z.norm(dim=1, keepdim=True)
        return z @ z.T

    expected = (plainly(student) - plainly(teacher.detach())).square().mean()
    slope = torch.autograd.grad(expected, student)[0]
    found = gram_gap(student, teacher)
    found.backward()
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)
    torch.testing.assert_close(student.grad, slope, rtol=1e-9, atol=1e-12)
    assert teacher.grad is None


def test_a_teacher_that_is_asked_is_one_whose_activations_were_kept() -> None:
    """RDL from the CNN; another teacher's weights would show."""
    x = torch.rand(6, 1, 28, 28, generator=generator(0, "images"), dtype=torch.float64)
    layers, batch = (*cnn.LAYERS, "logits"), {"x": x, "y": torch.arange(6)}
    teacher, student = (seeded(make, generator(0, "net")).double() for make in (lambda: CNN((3, 4, 5)), small))
    cached = {f"teacher.{layer}": z for layer, z in cached_features(teacher, x, layers).items()}
    weights = {f"weights.{name}": w for name, w in teacher.state_dict().items()}
    other = seeded(lambda: CNN((3, 4, 5)), generator(1, "net")).double().eval()
    before = copy.deepcopy(other.state_dict())

    kept = RDL(0.8, layers=layers).losses(as_network(student), batch | cached)
    asked = RDL(0.8, layers=layers, teacher=other).losses(as_network(student), batch | weights)
    for slope, expected in zip(
        *(torch.autograd.grad(loss["total"], list(student.parameters())) for loss in (asked, kept)), strict=True
    ):
        torch.testing.assert_close(slope, expected, rtol=1e-12, atol=1e-14)
    assert asked["match"].item() == pytest.approx(kept["match"].item(), rel=1e-12)
    assert asked["match"].item() > 1e-3
    assert all(torch.equal(w, before[name]) for name, w in other.state_dict().items())
    own = RDL(0.8, layers=layers, teacher=other).losses(as_network(student), batch)
    assert own["match"].item() != pytest.approx(kept["match"].item(), rel=1e-3)


def small() -> nn.Module:
    return MLP((9, 8, 7))


def as_network(module: nn.Module) -> Network:
    return Network(module, dict(module.named_parameters()))
