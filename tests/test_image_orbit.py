"""Orbit on images: kernels that act on maps, both stages against loops over examples (nix2022 protocol 2.2, 2.4)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry.models import Network, cnn, features, mlp, seeded
from learned_symmetry.models.cnn import CNN
from learned_symmetry.models.mlp import MLP
from learned_symmetry.models.orbit_images import OrbitImageKernels, onehot
from learned_symmetry.rng import generator
from learned_symmetry.transfer import orbit_images
from learned_symmetry.transfer.orbit_images import ImageOrbit, LearnImageOrbit, Moments, act, multipliers, repeated

Randn = Callable[..., Tensor]
TERMS = ("group", "equiv", "inv", "ce")
WEIGHTS = {"ce": 0.5, "equiv": 2.0, "inv": 3.0, "group": 10.0}


def build(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    return seeded(make, generator(seed, "network")).double().eval()


def as_network(module: nn.Module) -> Network:
    return Network(module, dict(module.named_parameters()))


def convolved(kernel: Tensor, maps: Tensor) -> Tensor:
    """Maps (c, h, w), or signals (c, n), each under the kernel: a convolution of circularly padded input."""
    before, after = (kernel.shape[-1] - 1) // 2, kernel.shape[-1] // 2
    padded = F.pad(maps.unsqueeze(1), (before, after) * kernel.dim(), mode="circular")
    return {1: F.conv1d, 2: F.conv2d}[kernel.dim()](padded, kernel[None, None]).squeeze(1)


def times(n: int, kernel: Tensor, maps: Tensor) -> Tensor:
    for _ in range(n):
        maps = convolved(kernel, maps)
    return maps


# ---- the action ------------------------------------------------------------------------------------------------------

SIZES = pytest.mark.parametrize(("height", "width"), [(28, 28), (26, 26), (24, 24), (10, 10), (7, 7), (6, 5), (5, 8)])


@SIZES
@pytest.mark.parametrize("size", [5, 4, 1])
def test_the_action_is_a_circular_convolution(height: int, width: int, size: int, randn: Randn) -> None:
    bank, x, g = randn(3, size, size), randn(4, 2, height, width), torch.tensor([2, 0, 1, 2])
    moved = act(multipliers(bank, height, width)[g], x)
    expected = torch.stack([convolved(bank[element], maps) for element, maps in zip(g, x, strict=True)])
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-12)


def test_the_action_by_its_definition(randn: Randn) -> None:
    kernel, x = randn(5, 5), randn(6, 7)
    expected = torch.zeros(6, 7).double()
    for i, j, a, b in torch.cartesian_prod(*map(torch.arange, (6, 7, 5, 5))).tolist():
        expected[i, j] += kernel[a, b] * x[(i + a - 2) % 6, (j + b - 2) % 7]
    torch.testing.assert_close(act(multipliers(kernel[None], 6, 7), x[None, None])[0, 0], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("side", [4, 3, 2])
def test_weights_of_a_kernel_larger_than_the_map_add_up(side: int, randn: Randn) -> None:
    """As in the student's third layer, 32 units: 5 x 5 kernels on maps of 4 x 4 positions."""
    bank, x = randn(3, 5, 5), randn(3, 2, side, side)
    expected = torch.stack([convolved(*pair) for pair in zip(bank, x, strict=True)])
    torch.testing.assert_close(act(multipliers(bank, side, side), x), expected, rtol=0, atol=1e-12)

    plain = nn.Conv2d(1, 1, 5, padding=2, padding_mode="circular", bias=False).double()  # PyTorch's own agrees
    with torch.no_grad():
        plain.weight.copy_(bank[0])
        torch.testing.assert_close(plain(x[0].unsqueeze(1)).squeeze(1), expected[0], rtol=0, atol=1e-12)


def test_a_map_of_one_position_sees_the_sum_of_the_weights(randn: Randn) -> None:
    bank, x = randn(3, 5, 5), randn(3, 2, 1, 1)
    expected = x * bank.sum((1, 2)).view(3, 1, 1, 1)
    torch.testing.assert_close(act(multipliers(bank, 1, 1), x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("side", [10, 4, 7])
def test_repeated_is_one_application_after_the_other(side: int, randn: Randn) -> None:
    bank, x = randn(3, 5, 5), randn(3, 2, side, side)
    once = multipliers(bank, side, side)
    moved = x
    for n in (1, 2, 3, 4):
        moved = act(once, moved)
        torch.testing.assert_close(act(repeated(once, torch.tensor(n), 4), x), moved, rtol=1e-12, atol=1e-9)
    numbers = torch.tensor([1, 4, 2])  # of the runs of a stack
    stacked = torch.vmap(lambda n: torch.view_as_real(repeated(once, n, 4)))(numbers)
    for n, together in zip(numbers, stacked, strict=True):
        assert torch.equal(torch.view_as_complex(together), repeated(once, n, 4))


@SIZES
@pytest.mark.parametrize("n", [1, 2])
def test_the_gap_is_the_squared_difference_of_moved_maps(height: int, width: int, n: int, randn: Randn) -> None:
    bank, g = randn(3, 5, 5).requires_grad_(), torch.tensor([2, 0, 1, 2])
    still, after = randn(4, 3, height, width), randn(4, 3, height, width)
    moved = repeated(multipliers(bank, height, width)[g], torch.tensor(n), 2)
    found = Moments.of(still, after).gap(moved, height, width)
    expected = sum((times(n, bank[g[i]], still[i]) - after[i]).square().sum() for i in range(4))
    assert found.item() == pytest.approx(expected.item(), rel=1e-9)
    slopes, plain = (torch.autograd.grad(value, bank)[0] for value in (found, expected))
    torch.testing.assert_close(slopes, plain, rtol=1e-9, atol=1e-9 * plain.abs().max().item())


def test_elements_and_their_number_are_drawn_uniformly() -> None:
    objective = learning(CNN((1, 1, 1)), n_max=4, order=25)
    draws = [objective.draw(generator(0, "draws", step), 40) for step in range(300)]
    counts = torch.cat([draw["g"] for draw in draws]).bincount()
    assert len(counts) == 25
    assert 380 < counts.min() <= counts.max() < 580  # 480 each
    numbers = torch.stack([draw["n"] for draw in draws]).bincount()
    assert numbers[0] == 0
    assert len(numbers) == 4  # one n for a batch, of 1..3 (D30)
    assert 70 < numbers[1:].min() <= numbers.max() < 130
    for n_max in (1, 2):
        objective = ImageOrbit(1.0, n_max, True)
        assert {objective.draw(generator(0, "draws", step), 1)["n"].item() for step in range(50)} == {1}


# ---- stage 1 ---------------------------------------------------------------------------------------------------------


def learning(teacher: nn.Module, terms: tuple[str, ...] = TERMS, **changed: Any) -> LearnImageOrbit:
    usual = {"layers": cnn.LAYERS, "n_max": 3, "clamp": True, "detach": True, "order": 4}
    return LearnImageOrbit(teacher, terms=terms, **(usual | WEIGHTS | changed))


def a_model(seed: int = 1, **changed: Any) -> OrbitImageKernels:
    """Four random kernels that leave part of the moved images between 0 and 1."""
    return build(lambda: OrbitImageKernels(cnn.LAYERS, **({"order": 4, "std": 0.3} | changed)), seed)


def a_teacher() -> nn.Module:
    return build(lambda: CNN((3, 4, 5))).requires_grad_(False)


def stage1_batch(teacher: nn.Module, n: int = 2) -> dict[str, Tensor]:
    x = torch.rand(5, 1, 28, 28, generator=generator(0, "images"), dtype=torch.float64)
    drawn = {"g": torch.tensor([0, 1, 2, 3, 1]), "n": torch.tensor(n)}
    weights = {f"weights.{name}": w for name, w in teacher.state_dict().items()}
    return {"x": x, "y": torch.tensor([3, 1, 4, 1, 5])} | drawn | weights


def looped_stage1(
    model: OrbitImageKernels, teacher: nn.Module, batch: dict[str, Tensor], clamp: bool, detach: bool
) -> dict[str, Tensor]:
    """The four terms of protocol 2.2, an example and a pair of kernels at a time."""
    kernels, n, order = model(), batch["n"].item(), len(model.kernels)
    bank, terms = kernels["input"], {"equiv": [], "inv": [], "ce": []}
    for x, y, g in zip(batch["x"], batch["y"], batch["g"].tolist(), strict=True):
        moved = times(n, bank[g], x)
        seen = moved.clamp(0, 1) if clamp else moved
        seen = seen.detach() if detach else seen
        still, after = (features(teacher, image.unsqueeze(0), model.layers) for image in (x, seen))
        gaps = []
        for name, z in still.items():
            maps = z if name == "logits" else z[0]  # the logits are one signal
            gaps.append(times(n, kernels[name][g], maps).flatten() - after[name].flatten())
        terms["equiv"].append(torch.cat(gaps).square().mean())
        terms["ce"].append(F.cross_entropy(after["logits"], y.unsqueeze(0)))
        terms["inv"].append((times(n, bank[(order - g) % order], moved) - x).square().mean())
    terms["group"] = [
        ((bank[g] * bank[h]).sum() / (bank[g].norm() * bank[h].norm())).abs() for g, h in combinations(range(order), 2)
    ]
    return {name: torch.stack(values).mean() for name, values in terms.items()}


def slopes(loss: Tensor, module: nn.Module) -> dict[str, Tensor]:
    names, weights = zip(*module.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, weights, allow_unused=True, retain_graph=True)
    return {
        name: torch.zeros_like(w) if slope is None else slope
        for name, w, slope in zip(names, weights, found, strict=True)
    }


def close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-9 * (1 + value.abs().max().item()), msg=name)


@pytest.mark.parametrize("first_layer_transform", [False, True])
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("clamp", [True, False])
@pytest.mark.parametrize("detach", [True, False])
def test_learning_orbit_against_a_loop_over_examples(
    detach: bool, clamp: bool, n: int, first_layer_transform: bool
) -> None:
    teacher, model = a_teacher(), a_model(first_layer_transform=first_layer_transform)
    batch, objective = stage1_batch(teacher, n), learning(CNN((3, 4, 5)).eval(), clamp=clamp, detach=detach)
    expected = looped_stage1(model, teacher, batch, clamp, detach)
    total = sum(WEIGHTS[term] * expected[term] for term in TERMS)
    found = objective.losses(as_network(model), batch)
    both = [
        looped_stage1(model, teacher, stage1_batch(teacher, times), clamp, detach) for times in (1, 2)
    ]  # n_max is 3
    mean = sum(WEIGHTS[term] * losses[term] for losses in both for term in TERMS) / 2
    close({"total": objective.score(as_network(model), batch)}, {"total": mean})
    if detach:  # CE has no gradient, so it counts in the validation loss only
        assert not expected["ce"].requires_grad
        expected, total = {k: v for k, v in expected.items() if k != "ce"}, total - WEIGHTS["ce"] * expected["ce"]
    close(found, expected | {"total": total})
    close(slopes(found["total"], model), slopes(total, model))
    for term, value in expected.items():
        close(slopes(found[term], model), slopes(value, model))


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_chunks_do_not_change_the_loss(size: int, detach: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher, model = a_teacher(), a_model()
    batch, objective = stage1_batch(teacher), learning(teacher, detach=detach)

    def found() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        losses = objective.losses(as_network(model), batch)
        return losses | {"score": objective.score(as_network(model), batch)}, slopes(losses["total"], model)

    assert orbit_images.CHUNK["cpu"] > 5
    whole = found()
    monkeypatch.setitem(orbit_images.CHUNK, "cpu", size)
    for chunked, expected in zip(found(), whole, strict=True):
        close(chunked, expected)


def over_n(objective: LearnImageOrbit, model: nn.Module, batch: dict[str, Tensor], terms: tuple[str, ...]) -> Tensor:
    """The weighed sum of `terms`, its mean over the numbers of applications."""
    losses = [objective.losses(as_network(model), batch | {"n": torch.tensor(n)}) for n in (1, 2)]
    return sum(WEIGHTS[t] * one[t] for one in losses for t in terms) / 2


class Unasked(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise AssertionError("the teacher was asked")


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("terms", [("group",), ("inv",), ("group", "inv")])
def test_a_teacher_that_no_term_needs_is_not_asked(terms: tuple[str, ...], detach: bool) -> None:
    model, objective = a_model(), learning(Unasked(), terms, detach=detach)
    batch = {name: value for name, value in stage1_batch(a_teacher()).items() if not name.startswith("weights.")}
    expected = learning(a_teacher()).losses(as_network(model), stage1_batch(a_teacher()))
    found = objective.losses(as_network(model), batch)
    assert found.keys() == {*terms, "total"}
    close(found, {t: expected[t] for t in terms} | {"total": sum(WEIGHTS[t] * expected[t] for t in terms)})
    mean = over_n(objective, model, batch, terms).item()
    assert objective.score(as_network(model), batch).item() == pytest.approx(mean, rel=1e-12)


def test_cross_entropy_of_a_detached_image_is_asked_for_in_validation_only() -> None:
    batch = {name: value for name, value in stage1_batch(a_teacher()).items() if not name.startswith("weights.")}
    objective = learning(Unasked(), ("inv", "ce"))
    assert objective.losses(as_network(a_model()), batch).keys() == {"inv", "total"}
    with pytest.raises(AssertionError, match="asked"):
        objective.score(as_network(a_model()), batch)


@pytest.mark.parametrize("terms", [t for size in (1, 2, 3) for t in combinations(TERMS, size) if set(t) - {"ce"}])
def test_a_term_that_is_switched_off_is_absent(terms: tuple[str, ...]) -> None:
    """Table 6: neither in training nor in the validation loss; the terms that stay are what they were."""
    teacher, model = a_teacher(), a_model()
    batch = stage1_batch(teacher)
    expected = learning(teacher, detach=False).losses(as_network(model), batch)
    for detach in (True, False):
        objective = learning(teacher, terms, detach=detach)
        found, on = objective.losses(as_network(model), batch), {t for t in terms if not (detach and t == "ce")}
        close(found, {t: expected[t] for t in on} | {"total": sum(WEIGHTS[t] * expected[t] for t in on)})
        score = objective.score(as_network(model), batch).item()
        mean = over_n(learning(teacher, detach=False), model, batch, terms).item()
        assert score == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize("terms", [("group", "inv"), ("equiv",), ("inv", "ce")])
def test_a_term_that_weighs_nothing_teaches_as_if_it_were_off(terms: tuple[str, ...]) -> None:
    """The rows of Table 6 are one stack that way where stacking pays."""
    teacher, model = a_teacher(), a_model()
    batch, zeros = stage1_batch(teacher), dict.fromkeys(set(TERMS) - set(terms), 0.0)
    off, weightless = (learning(CNN((3, 4, 5)).eval(), terms), learning(CNN((3, 4, 5)).eval(), **zeros))
    losses = [objective.losses(as_network(model), batch)["total"] for objective in (off, weightless)]
    close({"total": losses[1]}, {"total": losses[0]})
    close(slopes(losses[1], model), slopes(losses[0], model))


def test_without_equivariance_the_hidden_layers_are_not_looked_at() -> None:
    teacher, model = a_teacher(), a_model()
    found = learning(teacher, ("ce", "inv"), layers=("no such layer",), detach=False)
    assert found.losses(as_network(model), stage1_batch(teacher)).keys() == {"ce", "inv", "total"}


def test_the_group_term_by_hand() -> None:
    """Kernels at 45 degrees, at 90, and at 135, whose cosine counts without its sign."""
    model = OrbitImageKernels((), order=3, size=2).double()
    with torch.no_grad():
        model.kernels.copy_(torch.tensor([[[1.0, 0], [0, 0]], [[5, 5], [0, 0]], [[0, -2], [0, 0]]]))
    batch = {"x": torch.zeros(1, 1, 4, 4).double(), "g": torch.tensor([0]), "n": torch.tensor(1)}
    found = learning(Unasked(), ("group",), order=3, layers=()).losses(as_network(model), batch)
    assert found["group"].item() == pytest.approx(2**0.5 / 3, rel=1e-12)
    assert found["total"].item() == pytest.approx(10 * 2**0.5 / 3, rel=1e-12)


# ---- exact shifts ----------------------------------------------------------------------------------------------------


def shifts() -> list[tuple[int, int]]:
    """25 shifts by up to two pixels down and right; element 25 - g undoes element g."""
    half = [(i, j) for i in range(-2, 3) for j in range(-2, 3) if (i, j) > (0, 0)]
    return [(0, 0), *half, *((-i, -j) for i, j in reversed(half))]


def shift_model(layers: tuple[str, ...]) -> OrbitImageKernels:
    """Exact for a network that pools over positions: maps move as the image does, the logits stay."""
    model = OrbitImageKernels(layers, first_layer_transform=True).double()
    with torch.no_grad():
        model.kernels.zero_()
        for g, (down, right) in enumerate(shifts()):
            model.kernels[g, 2 - down, 2 - right] = 1
        for layer in layers:
            model.maps[layer].weight.copy_(torch.eye(25))
            model.maps[layer].bias.zero_()
        model.maps["logits"].weight.zero_()
        model.maps["logits"].bias.copy_(torch.eye(10)[4])
    return model


class Around(nn.Module):
    """Commutes with circular shifts: convolutions around the edges, and a mean over positions."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Conv2d(1, 3, 3, padding=1, padding_mode="circular")
        self.layer2 = nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular")
        self.head = nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer2(self.layer1(x).relu()).relu().mean((2, 3)))


class Tokens(nn.Module):
    """As a ViT lays out its activations, (b, 1 + side^2, c), the class token first: here patches are single pixels.

    With `mixed` weights across positions it does not commute with shifts.
    """

    def __init__(self, side: int = 4, mixed: bool = False) -> None:
        super().__init__()
        self.patch = nn.Linear(1, 6)
        self.layer1 = nn.Linear(6, 3)
        self.layer2 = nn.Linear(3, 2)
        self.mix = nn.Linear(side**2, side**2) if mixed else nn.Identity()
        self.head = nn.Linear(2, 10)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patch(self.mix(x.flatten(1)).unsqueeze(-1)).tanh()
        tokens = torch.cat([patches.square().mean(1, keepdim=True), patches], 1)
        return self.head(self.layer2(self.layer1(tokens).tanh())[:, 0])


@pytest.mark.parametrize("n", [1, 2])
def test_exact_shifts_leave_nothing_to_learn(n: int) -> None:
    layers = ("layer1", "layer2")
    teacher, model, every = build(Around).requires_grad_(False), shift_model(layers), torch.arange(25)
    x = torch.rand(25, 1, 8, 9, generator=generator(0, "images"), dtype=torch.float64)
    batch = stage1_batch(teacher, n) | {"x": x, "y": every % 10, "g": every}
    moved = act(multipliers(model.kernels, 8, 9), x)
    for image, before, shift in zip(moved, x, shifts(), strict=True):
        torch.testing.assert_close(image, before.roll(shift, (1, 2)), rtol=0, atol=1e-12)
    assert onehot(model.kernels).all()

    objective = learning(teacher, layers=layers, order=25)
    found = objective.losses(as_network(model), batch)
    assert found["equiv"].item() == pytest.approx(0, abs=1e-15)  # the squares that cancel each other are rounded
    assert found["inv"].item() == pytest.approx(0, abs=1e-24)
    assert found["group"].item() == 0
    with torch.no_grad():
        model.kernels[3] = model.kernels[4].clone()  # two elements act alike: g = 3 is not undone by -g
    found = objective.losses(as_network(model), batch)
    assert found["equiv"].item() == pytest.approx(0, abs=1e-15)  # it still is a shift
    assert found["inv"].item() > 1e-3
    assert found["group"].item() == pytest.approx(1 / 300)


# ---- stage 2 ---------------------------------------------------------------------------------------------------------


def stage2_batch(model: OrbitImageKernels, x: Tensor, g: Tensor, n: int) -> dict[str, Tensor]:
    banks = {f"rho.{layer}": bank.detach() for layer, bank in model().items()}
    return {"x": x, "y": torch.arange(len(x)) % 10, "g": g, "n": torch.tensor(n)} | banks


def laid_out(z: Tensor) -> tuple[Tensor, Tensor]:
    """One example's activation: what must stay, and maps (c, h, w)."""
    if z.dim() == 1:
        side = {50: 5, 18: 3, 32: 4}[len(z)]
        return z[:0], z.view(2, side, side)
    side = {17: 4}[len(z)]
    return z[0], torch.stack([z[1:, c].view(side, side) for c in range(z.shape[1])])


def looped_stage2(student: nn.Module, layers: tuple[str, ...], batch: dict[str, Tensor]) -> dict[str, Tensor]:
    terms: dict[str, list[Tensor]] = {"match": [], "task": [], "augmented": []}
    n = batch["n"].item()
    for x, y, g in zip(batch["x"], batch["y"], batch["g"], strict=True):
        moved = times(n, batch["rho.input"][g], x).clamp(0, 1)
        still, after = (features(student, image.unsqueeze(0), layers) for image in (x, moved))
        gaps = [times(n, batch["rho.logits"][g], still["logits"]).flatten() - after["logits"].flatten()]
        for layer in layers:
            (stays, maps), (stays_after, maps_after) = (laid_out(side[layer][0]) for side in (still, after))
            gaps.append((times(n, batch[f"rho.{layer}"][g], maps) - maps_after).flatten())
            gaps.append(stays - stays_after)
        assert sum(gap.numel() for gap in gaps) == sum(z.numel() for z in after.values())
        terms["match"].append(torch.cat(gaps).square().mean())
        terms["task"].append(F.cross_entropy(still["logits"], y.unsqueeze(0)))
        terms["augmented"].append(F.cross_entropy(after["logits"], y.unsqueeze(0)))
    return {name: torch.stack(values).mean() for name, values in terms.items()}


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(
    ("make", "layers", "side"),
    [
        (lambda: MLP((50, 18, 32)), mlp.LAYERS, 28),  # 2 x 5 x 5, 2 x 3 x 3, 2 x 4 x 4: the last two wrap 5 x 5 kernels
        (lambda: Tokens(mixed=True), ("layer1", "layer2"), 4),
    ],
    ids=["mlp", "tokens"],
)
def test_teaching_by_orbit_against_a_loop_over_examples(
    make: Callable[[], nn.Module], layers: tuple[str, ...], side: int, n: int
) -> None:
    student, model = build(make), build(lambda: OrbitImageKernels(layers, order=4, std=0.3), 1)
    x = torch.rand(4, 1, side, side, generator=generator(0, "images"), dtype=torch.float64)
    batch = stage2_batch(model, x, torch.tensor([0, 3, 1, 3]), n)
    found = ImageOrbit(0.3, 3, True, 4, layers=layers).losses(as_network(student), batch)
    expected = looped_stage2(student, layers, batch)
    total = 0.7 * expected["task"] + 0.3 * (expected["match"] + expected["augmented"])
    close(found, expected | {"total": total})
    close(slopes(found["total"], student), slopes(total, student))


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(("make", "side"), [(Around, 8), (Tokens, 4)], ids=["maps", "tokens"])
def test_nothing_to_teach_a_network_that_commutes(make: Callable[[], nn.Module], side: int, n: int) -> None:
    layers, every = ("layer1", "layer2"), torch.arange(25)
    x = torch.rand(25, 1, side, side, generator=generator(0, "images"), dtype=torch.float64)
    batch = stage2_batch(shift_model(layers), x, every, n)
    objective, student = ImageOrbit(1.0, 3, True, layers=layers), build(make)
    found = objective.losses(as_network(student), batch)
    assert found["match"].item() == pytest.approx(0, abs=1e-24)
    assert found["augmented"].item() == pytest.approx(found["task"].item(), rel=1e-12)
    assert max(slope.abs().max().item() for slope in slopes(found["match"], student).values()) < 1e-12
    other = build(lambda: Tokens(side, mixed=True))
    assert objective.losses(as_network(other), batch)["match"].item() > 1e-5


def test_moved_images_are_clamped_where_that_is_on() -> None:
    x = torch.rand(4, 1, 4, 4, generator=generator(0, "images"), dtype=torch.float64)
    batch = stage2_batch(build(lambda: OrbitImageKernels((), order=4, std=3.0)), x, torch.arange(4), 1)
    lows, highs = [], []

    class Watching(nn.Module):
        def forward(self, both: Tensor) -> Tensor:
            assert torch.equal(both[:4], x)
            lows.append(both.min().item())
            highs.append(both.max().item())
            return both.flatten(1)[:, :10]

    for clamp in (True, False):
        ImageOrbit(1.0, 2, clamp, 4).losses(as_network(Watching()), batch)
    assert (lows[0], highs[0]) == (0, 1)
    assert lows[1] < -1
    assert highs[1] > 2
