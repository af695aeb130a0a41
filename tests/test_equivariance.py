"""The measure on networks and maps whose scores are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.groups import DiagonalShifts, Flip, Moves, QuarterTurns, Shifts, Translations
from learned_symmetry.measure.equivariance import Scores, Similarity, by_part, equivariance, parts
from learned_symmetry.models import cnn, gcnn, mlp, mnist1d, resnet, vit
from learned_symmetry.models.classifier import Dense, convolutional, true_layer
from learned_symmetry.models.cnn import CNN
from learned_symmetry.models.gcnn import GCNN
from learned_symmetry.models.mlp import MLP
from learned_symmetry.models.perceptron import Perceptron, TiedPerceptron
from learned_symmetry.models.resnet import ResNet18
from learned_symmetry.models.vit import ViT
from learned_symmetry.transfer.orbit_images import on_grid

PEARSON = Similarity(constant=1e-8)
TURNS = QuarterTurns()
Randn = Callable[..., Tensor]


class Seen(nn.Module):
    """A network with one layer, `maps`, given by a function of the images."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function, self.maps = function, nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.maps(self.function(x)).flatten(2).mean(-1)


def score(function: Callable[[Tensor], Tensor], x: Tensor, moves: Moves, stride: int = 1, **options) -> Scores:
    similarity = Similarity(**({"constant": 1e-8} | options.pop("similarity", {})))
    return equivariance(Seen(function), [x], moves, {"maps": stride}, similarity, **options)["maps"]


def plain(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlations of maps (n, c, h, w), pair by pair: (n, c, c'); NaN for constant maps."""
    found = np.full((len(a), a.shape[1], b.shape[1]), np.nan)
    for n, c, d in np.ndindex(found.shape):
        if np.ptp(a[n, c]) and np.ptp(b[n, d]):
            found[n, c, d] = np.corrcoef(a[n, c].ravel(), b[n, d].ravel())[0, 1]
    return found


# ---- against corrcoef ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dead", [False, True])
def test_all_pairs_are_those_of_corrcoef(randn: Randn, dead: bool) -> None:
    network = nn.Sequential(nn.Conv2d(3, 7, 3, padding=1), nn.ReLU())
    x = randn(5, 3, 8, 8, dtype=torch.float32)
    if dead:
        x[0] = 0  # every channel is constant for the first image, and channel 2 for all of them
        network[0].bias.data[2] = -100
    live = [c for c in range(7) if not (dead and c == 2)]
    measured = equivariance(network, [x], TURNS, {"1": 1}, PEARSON)["1"]
    for k, g in enumerate((1, 2, 3)):
        with torch.no_grad():
            moved, still = network(x.rot90(g, (-2, -1))).numpy(), network(x).rot90(g, (-2, -1)).numpy()
        pearson = plain(moved, still)[dead:][:, live][:, :, live]
        assert measured.inv[k] == pytest.approx(np.diag(pearson.mean(0)).mean(), abs=1e-5)
        assert measured.eqv["mean"][k] == pytest.approx(pearson.mean(0).max(1).mean(), abs=1e-5)
        assert measured.eqv["sample"][k] == pytest.approx(pearson.max(-1).mean(), abs=1e-5)
    share = (7 + 4) / 35 if dead else 0.0
    assert measured.undefined.tolist() == pytest.approx([share] * 3)


def test_a_map_that_is_constant_up_to_rounding_is_constant() -> None:
    maps = torch.full((1, 1, 32, 32), 0.1) + torch.rand(1, 1, 32, 32) * 1e-8
    assert not PEARSON.standardised(maps)[1].item()
    assert PEARSON.standardised(maps + torch.rand(1, 1, 32, 32) * 1e-3)[1].item()


def test_pearson_ignores_scale_and_offset_and_cosine_does_not(randn: Randn) -> None:
    """S(a, 2a + 3) = 1 and S(a, -a) = -1 (protocol 4)."""
    a = randn(1, 1, 8, 8)
    for other, pearson in ((2 * a + 3, 1), (-a, -1)):
        first, second = (PEARSON.standardised(x)[0] for x in (a, other))
        assert (first * second).sum().item() == pytest.approx(pearson)
    cosine = Similarity(constant=1e-8, centred=False)
    first, second = (cosine.standardised(x)[0] for x in (a, a + 3))
    assert (first * second).sum().item() == pytest.approx(F.cosine_similarity(a.flatten(), a.flatten() + 3, 0).item())
    assert (first * second).sum().item() < 0.9


# ---- networks whose answer is known ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moves", "shape"),
    [(TURNS, (3, 6, 6)), (Translations(6), (3, 6, 6)), (Flip(), (3, 6, 6)), (Shifts(10), (3, 10))],
    ids=["turns", "translations", "flip", "shifts"],
)
def test_the_identity_is_invariant_under_every_group(randn: Randn, moves: Moves, shape: tuple[int, ...]) -> None:
    found = score(lambda x: x, randn(4, *shape), moves)
    assert len(found.inv) == moves.order - 1
    for scores in (found.inv, *found.eqv.values()):
        torch.testing.assert_close(scores, torch.ones_like(scores))


def test_channels_that_trade_places_are_equivariant_and_not_invariant(randn: Randn) -> None:
    """Four turned copies of one kernel: a turn of the image moves each channel to the next."""
    image, kernel = randn(6, 1, 8, 8), randn(1, 3, 3)
    kernels = torch.stack([kernel.rot90(k, (-2, -1)) for k in range(4)])
    found = score(lambda x: F.conv2d(x, kernels, padding=1), image, TURNS)
    torch.testing.assert_close(found.eqv["mean"], torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(found.eqv["sample"], torch.ones(3, dtype=torch.float64))
    assert found.inv.max() < 0.9


def test_a_group_convolution_is_equivariant_and_its_logits_invariant(randn: Randn) -> None:
    """On 26 x 26 images, where the G-CNN is exactly so; each P4 map counts as four channels."""
    network = GCNN((2, 3, 4)).double()
    found = equivariance(
        network,
        randn(12, 1, 26, 26).split(5),
        TURNS,
        {"layer1": 2, "layer2": 4, "layer3": 8, "logits": 26},
        PEARSON,
        view=lambda activation: activation.flatten(1, 2) if activation.dim() == 5 else activation,
    )
    for name, scores in found.items():
        torch.testing.assert_close(scores.eqv["mean"], torch.ones(3, dtype=torch.float64))
        assert (scores.inv.mean() > 0.999) == (name == "logits")


def test_unrelated_channels_are_neither(randn: Randn) -> None:
    maps = randn(4 * 100, 2, 12, 12)
    found = score(lambda x: maps, randn(100, 1, 12, 12), TURNS)
    assert found.inv.abs().max() < 0.05
    assert found.eqv["mean"].abs().max() < 0.05
    assert found.eqv["sample"].min() > 0.02  # the larger of two chance correlations


def test_equivariance_is_never_below_invariance(randn: Randn) -> None:
    network = nn.Sequential(*(nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))).double()
    scores = equivariance(network, [randn(6, 4, 8, 8)], TURNS, {str(k): 1 for k in range(3)}, PEARSON)
    for score in scores.values():
        assert (score.eqv["mean"] >= score.inv).all()
        assert (score.eqv["sample"] >= score.eqv["mean"]).all()


def test_circular_convolutions_are_invariant_to_circular_shifts(randn: Randn) -> None:
    network, layers = mnist1d.Teacher().double(), dict.fromkeys(mnist1d.LAYERS, 1)
    scores = equivariance(network, [randn(4, 1, 40)], Shifts(40), layers, PEARSON)
    for found in scores.values():
        torch.testing.assert_close(found.inv, torch.ones(39, dtype=torch.float64))


def unrolled(activation: Tensor) -> Tensor:
    """Tokens on their grid without the class token, and each rotation of a p4 map as a channel."""
    if activation.dim() == 5:
        return activation.flatten(1, 2)
    return on_grid(activation)[1] if activation.dim() == 3 else activation


HIDDEN, MAPS = ("layer1", "layer2", "layer3"), ("layer1", "layer2", "layer3", "layer4")
CLASSIFIER = {"channels": (3, 3, 4, 4), "over": "mean", "hidden": 5, "p": 0.5, "classes": 10}
FAMILIES = {  # network, its layers
    "nix2022 cnn": (lambda: CNN((6, 5, 4)), cnn.LAYERS),
    "nix2022 mlp": (lambda: MLP((60, 50, 40)), mlp.LAYERS),
    "nix2022 resnet": (lambda: ResNet18(4), resnet.LAYERS),
    "nix2022 vit": (ViT, vit.LAYERS),
    "nix2022 gcnn": (lambda: GCNN((2, 3, 4)), gcnn.LAYERS),
    "moskalev2023 plain": (lambda: Perceptron(28, 3, 16, 9, bias=False), HIDDEN),
    "moskalev2023 tied": (
        lambda: TiedPerceptron(TURNS, "max", 28, 4, 16, 9, bias=False),
        ("layer2", "layer3", "layer4"),
    ),
    "huang2024 cnn": (lambda: convolutional("t2", layer=true_layer("t2"), **CLASSIFIER), MAPS),
    "huang2024 gcnn": (lambda: convolutional("c4", layer=true_layer("c4"), **CLASSIFIER), MAPS),
    "huang2024 mlp": (lambda: Dense([784, 20, 15, 10, 2]), ("1", "3", "5")),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_can_be_measured(randn: Randn, family: str) -> None:
    """Maps over positions, vectors over inputs."""
    make, layers = FAMILIES[family]
    names = dict.fromkeys([*layers, "logits"], 1)
    x = randn(12, 1, 28, 28, dtype=torch.float32)
    scores = equivariance(make(), x.split(6), TURNS, names, PEARSON, view=unrolled)
    assert list(scores) == list(names)
    for found in scores.values():
        assert found.inv.isfinite().all()
        assert (found.eqv["mean"] >= found.inv - 1e-6).all()
    assert by_part(scores, "mean").keys() == {"early", "middle", "late", "final"}
    if "gcnn" in family:  # lifted filters are turned copies of one another
        torch.testing.assert_close(scores["layer1"].eqv["mean"], torch.ones(3, dtype=torch.float64), atol=1e-5, rtol=0)
    if "tied" in family:  # what follows the pooled layer does not see a turn
        torch.testing.assert_close(scores["logits"].inv, torch.ones(3, dtype=torch.float64))


# ---- streaming -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooled", ["samples", "channels"])
def test_streaming_equals_whole(randn: Randn, pooled: str) -> None:
    network = nn.Sequential(nn.Conv2d(1, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 36, 4))
    x = randn(11, 1, 8, 8, dtype=torch.float32)
    layers, similarity = {"0": 1, "1": 1, "3": 8, "logits": 8}, Similarity(constant=1e-8, pooled=pooled)
    whole, streamed = (equivariance(network, x.split(n), TURNS, layers, similarity) for n in (11, 3))
    for name in layers:
        for ours, theirs in zip(numbers(whole[name]), numbers(streamed[name]), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


def numbers(scores: Scores) -> list[Tensor]:
    return [scores.inv, scores.eqv["mean"], scores.eqv["sample"], scores.undefined]


def test_no_layer_is_kept(randn: Randn) -> None:
    """When the second layer is there, the first is gone."""
    import weakref

    alive: list[weakref.ref[Tensor]] = []

    class Watching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            assert all(reference() is None for reference in alive[:-1])
            made = x + 1
            alive.append(weakref.ref(made))
            return made

    network = nn.Sequential(*(Watching() for _ in range(4)))
    equivariance(network, randn(6, 1, 4, 4).split(2), TURNS, {str(k): 1 for k in range(4)}, PEARSON)
    assert len(alive) == 12


# ---- translations ----------------------------------------------------------------------------------------------------


def test_a_diagonal_shift_by_hand() -> None:
    x = torch.arange(9.0).view(1, 3, 3)
    assert DiagonalShifts(2, fill=-1.0).act(x, 1).tolist() == [[[-1, -1, -1], [-1, 0, 1], [-1, 3, 4]]]
    assert DiagonalShifts(2, fill="roll").act(x, 1).tolist() == [[[8, 6, 7], [2, 0, 1], [5, 3, 4]]]
    two = torch.stack([x, x], 1)
    assert DiagonalShifts(2, fill=(7.0, 9.0)).act(two, 2)[0, :, 0].tolist() == [[7, 7, 7], [9, 9, 9]]
    assert torch.equal(DiagonalShifts(2).act(x, 0), x)
    with pytest.raises(ValueError, match="leaves nothing"):
        DiagonalShifts(3).act(x, 3)


def test_a_broken_shift_interpolates_what_has_a_source() -> None:
    """A ramp moved by half a step is the ramp half a step earlier; only rows and columns from ceil(d) on are there."""
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    ramp = (10 * y + x).view(1, 1, 8, 8)
    for shift, lost in ((2, 1), (3, 2), (4, 2), (5, 3)):
        still, moved = DiagonalShifts(8).aligned(ramp, ramp, shift, 2)
        torch.testing.assert_close(still, ramp[..., lost:, lost:] - 11 * shift / 2)
        assert torch.equal(moved, ramp[..., lost:, lost:])
    assert DiagonalShifts(8, fractional="exact").aligned(ramp, ramp, 3, 2) is None
    rounded, _ = DiagonalShifts(8, fractional="round").aligned(ramp, ramp, 3, 2)
    torch.testing.assert_close(rounded, ramp[..., 2:, 2:] - 22)
    assert DiagonalShifts(8, least=9).aligned(ramp, ramp, 5, 1) is not None
    assert DiagonalShifts(8, least=9).aligned(ramp, ramp, 6, 1) is None
    assert DiagonalShifts(8, fill="roll").aligned(ramp, ramp, 3, 2)[0].shape == ramp.shape


def test_a_convolution_is_invariant_to_translations_away_from_the_border(randn: Randn) -> None:
    """Valid 3 x 3 (protocol 4): all positions with a source are clear of the border that was filled."""
    kernel = randn(4, 1, 3, 3)
    found = score(lambda x: F.conv2d(x, kernel), randn(5, 1, 16, 16), DiagonalShifts(5, fill="roll"))
    assert found.inv.max() < 0.9999  # what is rolled in is not what a convolution without a border would see
    shifts = DiagonalShifts(5)
    found = score(lambda x: F.conv2d(x, kernel), randn(5, 1, 16, 16), shifts)
    torch.testing.assert_close(found.inv, torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(found.eqv["mean"], found.inv)


def test_a_strided_convolution_commutes_with_shifts_by_its_stride_only(randn: Randn) -> None:
    kernel = randn(4, 1, 2, 2)
    found = score(lambda x: F.conv2d(x, kernel, stride=2), randn(5, 1, 16, 16), DiagonalShifts(6), stride=2)
    torch.testing.assert_close(found.inv[1::2], torch.ones(3, dtype=torch.float64))
    assert found.inv[::2].max() < 0.95


def test_too_small_a_map_gives_nothing_and_no_mean_sees_it(randn: Randn) -> None:
    network = nn.Sequential(nn.Identity(), nn.AvgPool2d(4))
    scores = equivariance(network, [randn(5, 3, 16, 16)], DiagonalShifts(9), {"0": 1, "1": 4}, PEARSON)
    assert scores["1"].inv.isfinite().tolist() == [True] * 4 + [False] * 5  # 4 x 4 maps: at most one row may be lost
    assert by_part(scores, "mean")["early"]["inv"] == pytest.approx(1)
    none = equivariance(network, [randn(5, 3, 8, 8)], DiagonalShifts(2), {"1": 4}, PEARSON)
    assert none["1"].inv.isnan().all()
    assert none["1"].eqv["mean"].isnan().all()


# ---- without positions -----------------------------------------------------------------------------------------------


def test_vectors_correlate_over_inputs(randn: Randn) -> None:
    """Logits that a quarter turn permutes are equivariant, and not invariant (protocol 2.5)."""
    x = randn(50, 1, 6, 6)
    corner = F.pad(torch.ones(3, 3, dtype=torch.float64), (0, 3, 0, 3))

    def corners(images: Tensor) -> Tensor:
        return torch.stack([(images[:, 0] * corner.rot90(k)).sum((-2, -1)) for k in range(4)], 1)

    found = equivariance(Logits(corners), x.split(7), TURNS, {"logits": 6}, PEARSON)["logits"]
    torch.testing.assert_close(found.eqv["mean"], torch.ones(3, dtype=torch.float64))
    for k, g in enumerate((1, 2, 3)):
        moved, still = corners(x.rot90(g, (-2, -1))), corners(x)
        direct = np.corrcoef(moved.T, still.T)[:4, 4:]
        assert found.inv[k] == pytest.approx(np.diag(direct).mean())
    constant = equivariance(
        Logits(lambda x: corners(x) * torch.tensor([1, 1, 1, 0])), [x], TURNS, {"logits": 6}, PEARSON
    )
    assert constant["logits"].undefined.tolist() == [0.25] * 3


def test_vectors_correlate_over_channels_when_asked(randn: Randn) -> None:
    x = randn(9, 1, 4, 4)
    similarity = Similarity(constant=1e-8, pooled="channels")
    found = equivariance(Logits(lambda x: x.flatten(1)), [x], TURNS, {"logits": 4}, similarity)["logits"]
    moved, still = x.rot90(1, (-2, -1)).flatten(1).numpy(), x.flatten(1).numpy()
    expected = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(moved, still, strict=True)])
    assert found.inv[0] == pytest.approx(expected)
    assert torch.equal(found.inv, found.eqv["mean"])


def test_cosine_of_vectors(randn: Randn) -> None:
    x = randn(9, 1, 4, 4)
    similarity = Similarity(constant=1e-8, centred=False)
    found = equivariance(Logits(lambda x: x.flatten(1) + 5), [x], TURNS, {"logits": 4}, similarity)["logits"]
    moved, still = x.rot90(1, (-2, -1)).flatten(1) + 5, x.flatten(1) + 5
    assert found.inv[0] == pytest.approx(F.cosine_similarity(moved, still, dim=0).mean().item())


class Logits(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


# ---- parts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "sizes"), [(7, (3, 2, 2)), (21, (7, 7, 7)), (55, (19, 18, 18)), (16, (6, 5, 5))])
def test_parts_are_cut_evenly_longer_first(count: int, sizes: tuple[int, ...]) -> None:
    cut = parts([*(f"layer{k}" for k in range(count)), "pool", "logits"])
    assert list(cut) == ["early", "middle", "late", "pool", "final"]
    assert tuple(len(cut[part]) for part in ("early", "middle", "late")) == sizes
    assert [*cut["early"], *cut["middle"], *cut["late"]] == [f"layer{k}" for k in range(count)]
    assert (cut["pool"], cut["final"]) == (["pool"], ["logits"])


def test_a_part_is_the_mean_of_the_means_of_its_layers() -> None:
    def made(*inv: float) -> Scores:
        values = torch.tensor(inv, dtype=torch.float64)
        return Scores(values, {"mean": values + 0.1, "sample": values + 0.2}, torch.zeros_like(values))

    scores = {"a": made(0.2, 0.4), "b": made(0.5, torch.nan), "c": made(0.0, 0.0), "d": made(0.7, 0.9)}
    told = by_part(scores, "mean")
    assert list(told) == ["early", "middle", "late"]
    assert told["early"]["inv"] == pytest.approx((0.3 + 0.5) / 2)
    assert told["middle"] == pytest.approx({"inv": 0.0, "eqv": 0.1, "undefined": 0.0})
    assert by_part(scores, "sample")["late"]["eqv"] == pytest.approx(1.0)
    assert list(parts(["a", "logits"])) == ["early", "final"]
