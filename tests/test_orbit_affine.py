"""The affine orbit model: what a matrix does to a volume, where matrices start, which volume a layer is."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import grad, vmap
from torchvision.transforms.functional import _get_inverse_affine_matrix

from learned_symmetry.models import parameter_count, seeded
from learned_symmetry.models.orbit_affine import AffineOrbit, inplane_affine, resample, volume_of
from learned_symmetry.rng import generator

VOLUMES = [  # of the protocol: input, teacher's layers, student's layers, logits
    (1, 1, 28, 28),
    (8, 4, 13, 13),
    (32, 4, 6, 6),
    (64, 4, 3, 3),
    (1, 2, 16, 16),
    (1, 2, 8, 8),
    (1, 2, 4, 4),
    (1, 1, 10, 1),
]
QUARTER_TURN = torch.tensor([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]])


def start(init: str, order: int = 25, seed: int = 0) -> Tensor:
    """theta (5, order, 3, 4)"""
    orbit = seeded(lambda: AffineOrbit(order, init), generator(seed, "orbit"))
    return torch.stack(list(orbit().values())).detach().double()


# ---- resampling ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("shape", VOLUMES, ids=str)
def test_the_identity_leaves_a_volume_as_it_is(
    shape: tuple[int, ...], dtype: torch.dtype, tolerance: float, randn: Callable[..., Tensor]
) -> None:
    volume = randn(3, *shape, dtype=dtype)
    theta = torch.eye(3, 4, dtype=dtype).expand(3, 3, 4)
    # a grid of float32 is off by rounding times the size
    torch.testing.assert_close(resample(theta, volume), volume, rtol=0, atol=tolerance * shape[-2])


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("shape", [shape for shape in VOLUMES if shape[-1] > 1], ids=str)
def test_a_quarter_turn_in_the_plane_is_rot90(
    shape: tuple[int, ...], dtype: torch.dtype, tolerance: float, randn: Callable[..., Tensor]
) -> None:
    volume = randn(3, *shape, dtype=dtype).clamp(0, 1)
    theta = QUARTER_TURN.to(dtype).expand(3, 3, 4)
    torch.testing.assert_close(resample(theta, volume), volume.rot90(1, (-2, -1)), rtol=0, atol=tolerance * shape[-2])


def test_coordinates_are_x_y_z_and_zeros_come_in_from_outside(randn: Callable[..., Tensor]) -> None:
    volume = randn(1, 2, 4, 5, 8)
    for axis, size, dim in ((0, 8, -1), (1, 5, -2), (2, 4, -3)):
        theta = torch.eye(3, 4, dtype=torch.float64)[None].clone()
        theta[0, axis, 3] = 2 / size  # one cell: each point is read one further on
        moved = resample(theta, volume)
        torch.testing.assert_close(moved.narrow(dim, 0, size - 1), volume.narrow(dim, 1, size - 1))
        assert moved.select(dim, -1).abs().max() < 1e-12


@pytest.mark.parametrize("shape", VOLUMES, ids=str)
def test_each_example_has_its_own_theta_as_by_torchs_own_grid(
    shape: tuple[int, ...], randn: Callable[..., Tensor]
) -> None:
    theta, volume = start("all_axes")[1, :4], randn(4, *shape)
    together = resample(theta, volume)
    assert together.shape == volume.shape
    for one, x, found in zip(theta, volume, together, strict=True):
        grid = F.affine_grid(one[None], [1, *shape], align_corners=False)
        expected = F.grid_sample(x[None], grid, padding_mode="zeros", align_corners=False)
        torch.testing.assert_close(found[None], expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(resample(one[None], x[None]), expected, rtol=0, atol=1e-12)


def test_a_stack_of_runs_is_resampled_at_once_and_learns(randn: Callable[..., Tensor]) -> None:
    """Under vmap, forward and backward; a rule that torch lacks would warn."""
    theta, volume = start("inplane")[:3, :4], randn(4, 2, 4, 5, 5)

    def loss(theta: Tensor, volume: Tensor) -> Tensor:
        return (resample(theta, volume) - volume).square().sum()

    both = grad(loss, (0, 1))
    expected = [both(one, volume) for one in theta]
    for in_dims, stacked in (((0, None), volume), ((0, 0), volume.expand(3, -1, -1, -1, -1, -1))):
        for found, alone in zip(vmap(both, in_dims)(theta, stacked), zip(*expected, strict=True), strict=True):
            torch.testing.assert_close(found, torch.stack(alone))
    assert all(gradient.abs().max() > 0.1 for gradient, _ in expected)


# ---- volumes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "shape", "volume"),
    [
        ("input", (1, 28, 28), (1, 1, 28, 28)),
        ("layer1", (8, 4, 13, 13), (8, 4, 13, 13)),
        ("layer3", (64, 4, 3, 3), (64, 4, 3, 3)),
        ("layer1", (512,), (1, 2, 16, 16)),
        ("layer2", (128,), (1, 2, 8, 8)),
        ("layer3", (32,), (1, 2, 4, 4)),
        ("logits", (10,), (1, 1, 10, 1)),
    ],
    ids=str,
)
def test_volumes(layer: str, shape: tuple[int, ...], volume: tuple[int, ...]) -> None:
    assert volume_of(layer, shape) == volume  # nix2022 protocol 2.5
    assert math.prod(volume) == math.prod(shape)


# ---- starting points -------------------------------------------------------------------------------------------------


def test_size_and_names() -> None:
    orbit = AffineOrbit()
    assert parameter_count(orbit) == 1_500  # nix2022 protocol 2.5
    assert {name: tuple(theta.shape) for name, theta in orbit().items()} == dict.fromkeys(
        ("input", "layer1", "layer2", "layer3", "logits"), (25, 3, 4)
    )


def test_an_unknown_start_is_refused() -> None:
    with pytest.raises(KeyError):
        AffineOrbit(init="random")


def test_the_identity_start() -> None:
    assert torch.equal(start("identity"), torch.eye(3, 4).double().expand(5, 25, 3, 4))


@pytest.mark.parametrize("init", ["inplane", "all_axes"])
def test_random_starts_all_differ_and_follow_the_seed(init: str) -> None:
    theta = start(init).flatten(0, 1).flatten(1)
    assert (torch.pdist(theta) > 1e-3).all()
    assert torch.equal(start(init), start(init))
    assert not torch.equal(start(init), start(init, seed=1))


def test_inplane_starts_are_in_range() -> None:
    theta = start("inplane", order=500).flatten(0, 1)  # (2500, 3, 4)
    assert torch.equal(theta[:, 2], torch.tensor([0.0, 0, 1, 0]).double().expand(2500, 4))
    assert torch.equal(theta[:, :2, 2], torch.zeros(2500, 2).double())

    forward = theta[:, :2, :2].inverse()  # scale * turn @ shear in y @ shear in x
    shift = -(forward @ theta[:, :2, 3:]).squeeze(-1)
    scale = forward.det().sqrt()
    first, second = (forward / scale[:, None, None]).unbind(-1)  # turn @ (1, -tan y), turn @ (-tan x, 1 + tan x tan y)
    shear_y = (first.square().sum(-1) - 1).clamp(min=0).sqrt().atan()
    angle = (first[:, 1].atan2(first[:, 0]) + shear_y) % (2 * math.pi)
    shear_x = -(second[:, 0] * angle.cos() + second[:, 1] * angle.sin()).atan()

    degrees15 = math.radians(15)
    expected = {"shift": (shift, -0.1, 0.1), "scale": (scale, 0.8, 1.2), "angle": (angle, 0, 2 * math.pi)}
    expected |= {"shear x": (shear_x, 0, degrees15), "shear y": (shear_y, 0, degrees15)}
    for name, (found, low, high) in expected.items():
        span = high - low
        assert low - 1e-3 * span < found.min() < low + 0.02 * span, name
        assert high - 0.02 * span < found.max() < high + 1e-3 * span, name
        assert found.mean().item() == pytest.approx((low + high) / 2, abs=0.03 * span), name


def test_all_axes_starts_are_inplane_ones_turned_about_x_and_y() -> None:
    theta = start("all_axes", order=500).flatten(0, 1)
    scale = theta[..., :3].det().rsqrt()  # the turns keep volumes
    assert 0.8 - 1e-3 < scale.min() < 0.81
    assert 1.19 < scale.max() < 1.2 + 1e-3
    assert 0.099 < theta[:, 2, 3].abs().max() <= 0.1
    z = theta[:, 2, :3]  # what was the third row of the identity: a unit vector turned
    torch.testing.assert_close(z.norm(dim=-1), torch.ones(2500).double(), rtol=0, atol=1e-5)
    assert (z.abs().amax(0) > 0.99).all()
    assert z.mean(0).abs().max() < 0.05


def test_inplane_affine_is_torchvisions(randn: Callable[..., Tensor]) -> None:
    degrees, shift, scale, shear = 40.0, [0.1, -0.05], 1.2, [15.0, 5.0]
    found = inplane_affine(
        torch.tensor(degrees).double().deg2rad(),
        torch.tensor(shift).double(),
        torch.tensor(scale).double(),
        torch.tensor(shear).double().deg2rad(),
    )
    expected = torch.tensor(_get_inverse_affine_matrix([0.0, 0.0], degrees, shift, scale, shear)).reshape(2, 3)
    torch.testing.assert_close(found[:2, [0, 1, 3]], expected.double(), rtol=0, atol=1e-6)


def test_inplane_affine_moves_the_picture_where_it_says() -> None:
    picture = torch.zeros(1, 1, 1, 20, 20).double()
    picture[..., 9:11, 14:16] = 1  # right of the middle
    zero, one, none = torch.zeros(()).double(), torch.ones(()).double(), torch.zeros(2).double()

    def centre(theta: Tensor) -> list[float]:
        """Mean x and y of what `resample` makes of the picture."""
        mass = resample(theta[None], picture).squeeze()
        cells = torch.arange(-19, 20, 2).double() / 20
        return [((mass.sum(dim) * cells).sum() / mass.sum()).item() for dim in (0, 1)]

    assert centre(inplane_affine(zero, none, one, none)) == pytest.approx([0.5, 0])
    assert centre(inplane_affine(zero + math.pi / 2, none, one, none)) == pytest.approx([0, 0.5])
    assert centre(inplane_affine(zero, torch.tensor([0.1, 0.2]).double(), one, none)) == pytest.approx([0.6, 0.2])
    assert centre(inplane_affine(zero, none, one * 1.2, none)) == pytest.approx([0.6, 0], abs=0.02)
