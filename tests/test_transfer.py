"""Every transfer loss against its formula: by hand, by a plain loop, and where nothing is left to transfer."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learned_symmetry import transfer
from learned_symmetry.errors import UserError
from learned_symmetry.groups import Shifts
from learned_symmetry.models import Network, features, seeded
from learned_symmetry.models.mnist1d import LAYERS, OrbitKernels, Student, Teacher
from learned_symmetry.objective import CrossEntropy, Transfer
from learned_symmetry.rng import generator
from learned_symmetry.transfer.attention import Attention
from learned_symmetry.transfer.cka import CKA, linear_cka
from learned_symmetry.transfer.dm import DirectMatching
from learned_symmetry.transfer.kd import KD
from learned_symmetry.transfer.none import NoTransfer
from learned_symmetry.transfer.orbit import LearnOrbit, Orbit, _gap, act, spectrum
from learned_symmetry.transfer.rdl import RDL, gram_gap, similarity
from tests.losses import check_teaching
from tests.networks import as_student

ALL = (*LAYERS, "logits")
HYPER = {"kd": {"temperature": 4.0}, "dm": {"temperature": 3.0}, "attention": {"exponent": 2.0}}  # beside gamma
COMPARING = [name for name in transfer.METHODS if name not in ("none", "orbit")]  # these compare activations
Randn = Callable[..., Tensor]


def make(name: str, gamma: float = 0.3) -> Transfer:
    return transfer.method_class(name)(gamma=gamma, **HYPER.get(name, {}))


def build(module: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    return seeded(module, generator(seed, "network")).double()


def as_network(module: nn.Module) -> Network:
    return Network(module, dict(module.named_parameters()))


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    e = np.exp(logits / temperature)
    return e / e.sum(-1, keepdims=True)


def kl(student: Tensor, teacher: Tensor, temperature: float) -> float:
    """KL(teacher || student) at a temperature, summed over classes, mean over examples; by explicit sums."""
    p, q = softmax(teacher.numpy(), temperature), softmax(student.numpy(), temperature)
    return sum(p[i, k] * math.log(p[i, k] / q[i, k]) for i in range(len(p)) for k in range(p.shape[1])) / len(p)


def rotation(size: int, randn: Randn) -> Tensor:
    return torch.linalg.qr(randn(size, size))[0]


def gradient(loss: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    at = at.clone().requires_grad_()
    return torch.autograd.grad(loss(at), at)[0]


# ---- the common shape ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["none", *COMPARING])
def test_total_is_the_share_of_task_and_match(name: str, randn: Randn) -> None:
    student, teacher = build(lambda: Student("linear")), build(Teacher, 1)
    x, y = randn(6, 1, 40), torch.arange(6)
    batch = {"x": x, "y": y} | {f"teacher.{k}": z.detach() for k, z in features(teacher, x, LAYERS).items()}
    task = F.cross_entropy(student(x), y).item()
    for gamma in (0.0, 0.3, 1.0):
        found = {key: value.item() for key, value in make(name, gamma).losses(as_network(student), batch).items()}
        assert found["task"] == pytest.approx(task)
        assert found["total"] == pytest.approx((1 - gamma) * task + gamma * found["match"])
        assert (found["match"] == 0) == (name == "none")


@pytest.mark.parametrize("name", COMPARING)
def test_nothing_to_transfer_from_a_teacher_to_itself(name: str, randn: Randn) -> None:
    teacher, other, x = build(Teacher, 0), build(Teacher, 1), randn(9, 1, 40)
    with torch.no_grad():
        own, others = (features(network, x, LAYERS) for network in (teacher, other))
    method = make(name)
    digests = {layer: method.digest(own[layer]) for layer in method.layers}
    assert method.omega(own, digests).item() == pytest.approx(0, abs=1e-12)
    assert method.omega(others, digests).item() > 1e-6


@pytest.mark.parametrize("name", COMPARING)
def test_a_method_reads_its_own_layers_only(name: str, randn: Randn) -> None:
    """The run brings no other activations of the teacher's than those the method names."""
    student, teacher, x = build(lambda: Student("pooling")), build(Teacher, 1), randn(9, 1, 40)
    method = make(name)
    cached = {f"teacher.{layer}": z.detach() for layer, z in features(teacher, x, LAYERS).items()}
    cached = {layer: method.digest(z) for layer, z in cached.items() if not (name == "attention" and z.dim() == 2)}
    needed = {f"teacher.{layer}": cached[f"teacher.{layer}"] for layer in method.layers}
    batch = {"x": x, "y": torch.arange(9)}
    match = method.losses(as_network(student), batch | needed)["match"]
    assert match.item() == method.losses(as_network(student), batch | cached)["match"].item()
    for key, value in needed.items():
        changed = method.losses(as_network(student), batch | needed | {key: value * randn(*value.shape)})
        assert changed["match"].item() != match.item()


def test_what_validation_is_scored_by(randn: Randn) -> None:
    x, student = randn(6, 1, 40), build(lambda: Student("pooling"))
    y = student(x).argmax(-1)
    y[:2] = (y[:2] + 1) % 10
    assert CrossEntropy().score(as_network(student), {"x": x, "y": y}).item() == pytest.approx(4 / 6)
    assert {make(name).selects for name in transfer.METHODS if name != "orbit"} == {"accuracy"}
    assert (Orbit.selects, LearnOrbit.selects) == ("accuracy", "loss")


# ---- names and hyper-parameters --------------------------------------------------------------------------------------


def block(**settings: float) -> dict[str, float]:
    """A block of ``params.yaml``, with what the training reads."""
    return {"lr": 0.01, "weight_decay": 0.0, "gamma": 0.5, **settings}


def test_a_method_takes_its_hyper_parameters_from_its_block() -> None:
    made = transfer.method("kd", block(gamma=0.25, temperature=3.0), where="nix2022.methods.kd")
    assert made == KD(gamma=0.25, temperature=3.0)
    assert transfer.method("rdl", block(), where="here") == RDL(gamma=0.5)
    assert {name: transfer.method_class(name).__name__ for name in transfer.METHODS} == transfer.METHODS


@pytest.mark.parametrize(("wrong", "right"), [("attentoin", "attention"), ("orbits", "orbit"), ("KD", "kd")])
def test_an_unknown_method_is_told_with_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(UserError, match=rf"here.*{wrong}.*{right}"):
        transfer.method(wrong, block(), where="here")


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("kd", {"temprature": 1.0, "temperature": 1.0}, ["kd.temprature", "temperature"]),
        ("kd", {"temprature": 1.0}, ["kd.temprature", "temperature"]),
        ("rdl", {"temperature": 1.0}, ["rdl.temperature", "gamma"]),
        ("kd", {}, ["kd.temperature", "missing"]),
        ("attention", {}, ["attention.exponent", "missing"]),
    ],
)
def test_misspelt_and_missing_hyper_parameters(name: str, settings: dict[str, float], words: list[str]) -> None:
    with pytest.raises(UserError) as told:
        transfer.method(name, block(**settings), where=f"nix2022.methods.{name}")
    assert all(word in str(told.value) for word in ["params.yaml", *words])


# ---- none, KD, direct matching, attention ----------------------------------------------------------------------------


def test_no_transfer_asks_for_nothing_of_the_teacher(randn: Randn) -> None:
    student, x, y = build(lambda: Student("pooling")), randn(4, 1, 40), torch.arange(4)
    found = NoTransfer(0.0).losses(as_network(student), {"x": x, "y": y})
    assert found["total"].item() == pytest.approx(F.cross_entropy(student(x), y).item())
    assert NoTransfer.layers == ()


@pytest.mark.parametrize("temperature", [1.0, 2.0, 10.0])
def test_kd_is_the_softened_kl_times_the_square_of_the_temperature(temperature: float, randn: Randn) -> None:
    student, teacher = randn(3, 4) * 3, randn(3, 4) * 3
    omega = KD(0.5, temperature).omega({"logits": student}, {"logits": teacher}).item()
    assert omega == pytest.approx(temperature**2 * kl(student, teacher, temperature), rel=1e-12)
    assert omega != pytest.approx(temperature**2 * kl(teacher, student, temperature), rel=1e-3)  # it is not symmetric


@pytest.mark.parametrize("temperature", [1.0, 5.0])
def test_direct_matching_is_the_squares_and_the_kl_over_classes(temperature: float, randn: Randn) -> None:
    teacher = {"layer1": randn(3, 2, 5), "layer2": randn(3, 4, 5), "logits": randn(3, 4)}  # maps: (b, channels, n)
    student = {"layer1": randn(3, 10), "layer2": randn(3, 20), "logits": randn(3, 4)}  # vectors, channel-major
    squares = 0.0
    for layer, channels in (("layer1", 2), ("layer2", 4)):
        gaps = [
            (student[layer][i, 5 * c + p] - teacher[layer][i, c, p]).item() ** 2
            for i, c, p in product(range(3), range(channels), range(5))
        ]
        squares += sum(gaps) / len(gaps)
    omega = DirectMatching(0.5, temperature).omega(student, teacher).item()
    expected = squares + kl(student["logits"], teacher["logits"], temperature) / 4  # neither T^2 nor a sum (D13)
    assert omega == pytest.approx(expected, rel=1e-12)


def attention_gap(exponent: float, student: dict[str, Tensor], teacher: dict[str, Tensor]) -> float:
    method = Attention(0.5, exponent)
    return method.omega(student, {layer: method.digest(z) for layer, z in teacher.items()}).item()


@pytest.mark.parametrize("exponent", [1.0, 2.0])
def test_attention_is_the_gap_of_unit_energy_maps(exponent: float, randn: Randn) -> None:
    teacher = {"layer1": randn(3, 2, 5), "layer2": randn(3, 4, 5)}
    student = {"layer1": randn(3, 10), "layer2": randn(3, 20)}

    def unit_map(maps: np.ndarray) -> np.ndarray:  # (channels, positions) of one example
        energy = sum(np.abs(channel) ** exponent for channel in maps)
        return energy / np.sqrt((energy**2).sum())

    expected = 0.0
    for layer, z in teacher.items():
        gaps = [
            (unit_map(student[layer][i].reshape(-1, 5).numpy()) - unit_map(z[i].numpy())) ** 2 for i in range(len(z))
        ]
        expected += np.mean(gaps)
    assert attention_gap(exponent, student, teacher) == pytest.approx(expected, rel=1e-12)


def test_attention_sees_where_and_not_which_channel(randn: Randn) -> None:
    teacher = {layer: randn(3, 4, 5) for layer in LAYERS}
    student = {layer: -2.5 * z[:, [2, 0, 3, 1]].flatten(1) for layer, z in teacher.items()}
    assert attention_gap(2.0, student, teacher) == pytest.approx(0, abs=1e-15)


# ---- RDL and CKA -----------------------------------------------------------------------------------------------------

SIZES = pytest.mark.parametrize(("n", "d"), [(4, 7), (7, 7), (11, 5)])  # fewer, as many, more examples than features


def cosines(z: np.ndarray) -> np.ndarray:
    """R(Z) of the protocol, entry by entry."""
    z = z.reshape(len(z), -1) - z.reshape(len(z), -1).mean(0)
    return np.array([[a @ b / np.sqrt((a @ a) * (b @ b)) for b in z] for a in z])


@SIZES
def test_similarity_and_its_gap_against_n_by_n_matrices(n: int, d: int, randn: Randn) -> None:
    student, teacher = randn(n, d), randn(n, 2, 3)  # the teacher's features may be of another number
    np.testing.assert_allclose(similarity(teacher).numpy(), cosines(teacher.numpy()), atol=1e-14)
    expected = ((cosines(student.numpy()) - cosines(teacher.numpy())) ** 2).mean()
    assert gram_gap(student, teacher).item() == pytest.approx(expected, rel=1e-10)


@SIZES
@pytest.mark.parametrize("halved", [2, 256], ids=["by halves", "whole"])
def test_gradient_of_the_gap_against_autograd_over_n_by_n_matrices(
    n: int, d: int, halved: int, randn: Randn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("learned_symmetry.transfer.rdl.HALVED", halved)
    student, teacher = randn(n, d), randn(n, 6)

    def plainly(z: Tensor) -> Tensor:
        z = z - z.mean(0)
        z = z / z.norm(dim=1, keepdim=True)
        return (z @ z.T - similarity(teacher)).square().mean()

    found = gradient(lambda z: 3 * gram_gap(z, teacher), student)
    torch.testing.assert_close(found, 3 * gradient(plainly, student), rtol=1e-10, atol=1e-14)
    assert gram_gap(student, teacher).item() == pytest.approx(plainly(student).item(), rel=1e-10)


@SIZES
def test_no_gradient_reaches_the_teacher(n: int, d: int, randn: Randn) -> None:
    student, teacher = randn(n, d).requires_grad_(), randn(n, d).requires_grad_()
    gram_gap(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad.norm() > 0


@SIZES
def test_rdl_and_cka_cannot_see_a_rotation_of_the_features(n: int, d: int, randn: Randn) -> None:
    z, q, stretch = randn(n, d), rotation(d, randn), torch.linspace(1, 3, d, dtype=torch.float64)
    torch.testing.assert_close(similarity(z @ q.T), similarity(z), rtol=0, atol=1e-12)  # Lemma 1
    assert gram_gap(z @ q.T, z).item() == pytest.approx(0, abs=1e-12)
    assert linear_cka(z @ q.T * 5, z).item() == pytest.approx(1, abs=1e-12)
    assert gram_gap(z * stretch, z).item() > 1e-4
    assert linear_cka(z * stretch, z).item() < 1 - 1e-4


def test_rdl_and_cka_sum_over_hidden_layers_and_logits(randn: Randn) -> None:
    student, teacher = ({name: randn(6, size) for name, size in zip(ALL, (9, 5, 3), strict=True)} for _ in range(2))
    gaps = [((cosines(student[k].numpy()) - cosines(teacher[k].numpy())) ** 2).mean() for k in ALL]
    assert RDL(0.5).omega(student, teacher).item() == pytest.approx(sum(gaps), rel=1e-10)
    likenesses = [hsic(student[k], teacher[k]) for k in ALL]
    assert CKA(0.5).omega(student, teacher).item() == pytest.approx(3 - sum(likenesses), rel=1e-10)


def hsic(a: Tensor, b: Tensor) -> float:
    """CKA by its definition: HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)), HSIC(K, L) = tr(KHLH) / (n - 1)^2."""
    n = len(a)
    centre = np.eye(n) - 1 / n
    k, m = (z.flatten(1).numpy() @ z.flatten(1).numpy().T for z in (a, b))

    def value(p: np.ndarray, q: np.ndarray) -> float:
        return np.trace(p @ centre @ q @ centre) / (n - 1) ** 2

    return value(k, m) / math.sqrt(value(k, k) * value(m, m))


@pytest.mark.parametrize(("n", "d", "e"), [(4, 7, 6), (6, 7, 6), (7, 7, 6), (11, 5, 6), (6, 5, 9)])
def test_cka_against_hsic(n: int, d: int, e: int, randn: Randn) -> None:
    a, b = randn(n, d), randn(n, 2, e // 2) if e % 2 == 0 else randn(n, e)
    assert linear_cka(a, b).item() == pytest.approx(hsic(a, b), rel=1e-10)


# ---- Orbit: the action -----------------------------------------------------------------------------------------------


def correlated(kernel: Tensor, signal: Tensor) -> Tensor:
    """The definition: (k * x)[i] = sum_j k[j] x[(i + j - p) mod n], p = floor((len(k) - 1) / 2), by a double loop."""
    n, p = len(signal), (len(kernel) - 1) // 2
    return torch.stack([sum(kernel[j] * signal[(i + j - p) % n] for j in range(len(kernel))) for i in range(n)])


def convolved(kernel: Tensor, signals: Tensor) -> Tensor:
    """The same for channels (c, n), with PyTorch's convolution, which is a correlation, on circularly padded input."""
    p = (len(kernel) - 1) // 2
    padded = F.pad(signals.unsqueeze(1), (p, len(kernel) - 1 - p), mode="circular")
    return F.conv1d(padded, kernel.view(1, 1, -1)).squeeze(1)


@pytest.mark.parametrize(("size", "length"), [(40, 40), (10, 10), (40, 600), (5, 12), (4, 9), (7, 7), (1, 3)])
def test_the_action_is_circular_correlation(size: int, length: int, randn: Randn) -> None:
    bank, x, g = randn(3, size), randn(4, 2, length), torch.tensor([2, 0, 1, 2])
    moved = act(spectrum(bank, length), g, x)
    expected = torch.stack([convolved(bank[element], signals) for element, signals in zip(g, x, strict=True)])
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-11)
    torch.testing.assert_close(moved[0, 1], correlated(bank[2], x[0, 1]), rtol=0, atol=1e-11)


@pytest.mark.parametrize("length", [6, 7, 1, 2])
def test_gradients_of_the_action(length: int, randn: Randn) -> None:
    x, bank, g = randn(3, 2, length).requires_grad_(), randn(2, length).requires_grad_(), torch.tensor([1, 0, 1])
    assert torch.autograd.gradcheck(lambda x, bank: act(spectrum(bank, length), g, x), (x, bank))
    frozen = bank.detach()
    assert torch.autograd.gradcheck(lambda x: act(spectrum(frozen, length), g, x), (x,))


@pytest.mark.parametrize("length", [8, 9])
def test_gradients_of_the_action_for_a_shorter_kernel_and_each_run_of_a_stack(length: int, randn: Randn) -> None:
    x, bank, g = randn(2, 3, 2, length), randn(2, 2, 4).requires_grad_(), torch.tensor([[1, 0, 1], [0, 0, 1]])

    def loss(bank: Tensor, x: Tensor, g: Tensor) -> Tensor:
        return act(spectrum(bank, length), g, x).pow(3).sum()

    stacked = torch.autograd.grad(torch.vmap(loss)(bank, x, g).sum(), bank)[0]
    looped = torch.autograd.grad(sum(loss(*run) for run in zip(bank, x, g, strict=True)), bank)[0]
    torch.testing.assert_close(stacked, looped, rtol=1e-10, atol=1e-12)
    assert torch.autograd.gradcheck(
        lambda k: act(spectrum(k, length), g[0], x[0]), (bank[0].detach().requires_grad_(),)
    )


@pytest.mark.parametrize("length", [6, 7])
@pytest.mark.parametrize("fixed", [True, False])
def test_the_gap_and_its_gradients_for_each_run_of_a_stack(length: int, fixed: bool, randn: Randn) -> None:
    """Against the action written out, for still activations that are fixed and for those that are taught, too."""
    bank, g, still = randn(2, 2, 4), torch.tensor([[1, 0, 1], [0, 0, 1]]), randn(2, 3, 2, length)
    seen = randn(2, 3 if fixed else 6, 2, length)

    def gap(seen: Tensor, bank: Tensor, g: Tensor, still: Tensor) -> Tensor:
        return _gap(seen, bank, g, still if fixed else None)

    def written_out(seen: Tensor, bank: Tensor, g: Tensor, still: Tensor) -> Tensor:
        still, after = (still, seen) if fixed else seen.chunk(2)
        return (act(spectrum(bank, length), g, still) - after).square().sum()

    arguments = seen.requires_grad_(), bank.requires_grad_()
    stacked = torch.vmap(gap)(*arguments, g, still)
    looped = torch.stack([written_out(*run) for run in zip(*arguments, g, still, strict=True)])
    torch.testing.assert_close(stacked, looped, rtol=1e-10, atol=1e-12)
    weights = torch.tensor([1.0, -2.0], dtype=torch.float64)
    found = torch.autograd.grad((weights * stacked).sum(), arguments)
    expected = torch.autograd.grad((weights * looped).sum(), arguments)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    taught_alone = torch.autograd.grad(gap(seen[0], bank[0].detach(), g[0], still[0]), seen)[0]
    torch.testing.assert_close(taught_alone[0], expected[0][0], rtol=1e-10, atol=1e-12)


# ---- Orbit: stage 1 --------------------------------------------------------------------------------------------------


def shift_kernels() -> OrbitKernels:
    """The orbit model that is exact for a teacher that pools over positions: element g shifts right by g."""
    model = OrbitKernels().double()
    with torch.no_grad():
        model.kernels.copy_(torch.eye(40)[(19 - torch.arange(40)) % 40])  # one at j = p - g: x[i - g]
        model.to_layer2.weight.copy_(torch.eye(40))
        model.to_layer2.bias.zero_()
        model.to_logits.weight.zero_()
        model.to_logits.bias.copy_(torch.eye(10)[4])  # p = 4: the logits stay
    return model


def stage1_batch(teacher: Teacher, x: Tensor, g: Tensor, h: Tensor) -> dict[str, Tensor]:
    cached = {f"teacher.{layer}": z.detach() for layer, z in features(teacher, x, LAYERS).items()}
    weights = {f"weights.{name}": w for name, w in teacher.state_dict().items()}
    return {"x": x, "y": torch.zeros(len(x)).long(), "g": g, "h": h} | cached | weights


def looped_stage1(model: OrbitKernels, teacher: Teacher, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The three terms of protocol 2.1, an example at a time."""
    kernels, equiv, inv, likeness = model(), [], [], []
    for x, g, h in zip(batch["x"], batch["g"].tolist(), batch["h"].tolist(), strict=True):
        bank = kernels["input"]
        moved, other = convolved(bank[g], x), convolved(bank[h], x)
        still, after = (features(teacher, signal.unsqueeze(0), LAYERS) for signal in (x, moved))
        left = [convolved(kernels[k][g], still[k][0].detach().view(-1, 10 if k == "logits" else 40)) for k in ALL]
        gaps = [(rho_phi.flatten() - after[k].flatten()) for rho_phi, k in zip(left, ALL, strict=True)]
        equiv.append(torch.cat(gaps).square().mean())
        inv.append((convolved(bank[(40 - g) % 40], moved) - x).square().mean())
        likeness.append(((moved * other).sum() / (moved.norm() * other.norm())).abs())
    return {k: torch.stack(v).mean() for k, v in {"equiv": equiv, "inv": inv, "group": likeness}.items()}


@pytest.mark.parametrize("first_layer_transform", [False, True])
def test_learning_orbit_against_a_loop_over_examples(first_layer_transform: bool, randn: Randn) -> None:
    teacher = build(Teacher).requires_grad_(False)
    model = build(lambda: OrbitKernels(first_layer_transform), 1)
    g, h = torch.tensor([0, 1, 20, 39]), torch.tensor([3, 0, 21, 0])
    batch = stage1_batch(teacher, randn(4, 1, 40), g, h)
    objective = LearnOrbit(Teacher(), equiv=0.1, inv=10.0, group=2.0, group_term="inputs")
    found, expected = objective.losses(as_network(model), batch), looped_stage1(model, teacher, batch)
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value.item(), rel=1e-9), name
    total = 0.1 * expected["equiv"] + 10 * expected["inv"] + 2 * expected["group"]
    assert found["total"].item() == pytest.approx(total.item(), rel=1e-9)
    weights = list(model.parameters())
    for ours, looped in zip(*(torch.autograd.grad(t, weights) for t in (found["total"], total)), strict=True):
        torch.testing.assert_close(ours, looped, rtol=1e-9, atol=1e-9)


def test_the_group_term_between_kernels(randn: Randn) -> None:
    """Eq. 3: the mean over all pairs g < h of |cos(K_g, K_h)|, whatever was drawn."""
    teacher, model = build(Teacher).requires_grad_(False), build(OrbitKernels, 1)
    batch = stage1_batch(teacher, randn(3, 1, 40), torch.tensor([0, 1, 2]), torch.tensor([1, 2, 3]))
    found = LearnOrbit(Teacher(), 1.0, 1.0, 1.0, "kernels").losses(as_network(model), batch)
    bank = model.kernels.detach().numpy()
    pairs = [(g, h) for h in range(40) for g in range(h)]
    cosine = [abs(bank[g] @ bank[h]) / np.sqrt((bank[g] @ bank[g]) * (bank[h] @ bank[h])) for g, h in pairs]
    assert found["group"].item() == pytest.approx(np.mean(cosine), rel=1e-10)


@pytest.mark.parametrize("group_term", ["inputs", "kernels"])
def test_true_shift_kernels_leave_nothing_to_learn(group_term: str, randn: Randn) -> None:
    teacher, g = build(Teacher).requires_grad_(False), torch.arange(40)
    batch = stage1_batch(teacher, randn(40, 1, 40), g, (g + 7) % 40)
    objective = LearnOrbit(Teacher(), 1.0, 1.0, 1.0, group_term)
    found = objective.losses(as_network(shift_kernels()), batch)
    assert found["equiv"].item() == pytest.approx(0, abs=1e-24)
    assert found["inv"].item() == pytest.approx(0, abs=1e-24)
    if group_term == "kernels":
        assert found["group"].item() == 0
    wrong = shift_kernels()
    with torch.no_grad():
        wrong.kernels[3] = wrong.kernels[4].clone()  # two elements act alike: g = 3 is not undone by -g
    found = objective.losses(as_network(wrong), batch)
    assert found["inv"].item() > 1e-3
    assert found["equiv"].item() == pytest.approx(0, abs=1e-24)  # it still is a shift


def test_shift_kernels_shift(randn: Randn) -> None:
    x, g = randn(40, 1, 40), torch.arange(40)
    moved = act(spectrum(shift_kernels().kernels, 40), g, x)
    torch.testing.assert_close(moved, Shifts(40).act_each(x, g), rtol=0, atol=1e-12)


def test_elements_are_drawn_uniformly_and_never_twice_the_same() -> None:
    drawn = LearnOrbit(Teacher(), 1.0, 1.0, 1.0, "inputs").draw(generator(0, "draws"), 8000)
    assert (drawn["g"] != drawn["h"]).all()
    ahead = (drawn["h"] - drawn["g"]) % 40
    for values, size in ((drawn["g"], 40), (drawn["h"], 40), (ahead - 1, 39)):
        counts = values.bincount(minlength=size)
        assert len(counts) == size
        assert 120 < counts.min() <= counts.max() < 290  # 200 each
    assert Orbit(1.0, "flat").draw(generator(0, "draws"), 8000)["g"].unique().tolist() == list(range(40))


# ---- Orbit: stage 2 --------------------------------------------------------------------------------------------------


def stage2_batch(model: OrbitKernels, x: Tensor, y: Tensor, g: Tensor) -> dict[str, Tensor]:
    return {"x": x, "y": y, "g": g} | {f"rho.{layer}": bank.detach() for layer, bank in model().items()}


def looped_stage2(student: Student, layout: str, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    match, task, augmented = [], [], []
    for x, y, g in zip(batch["x"], batch["y"], batch["g"], strict=True):
        moved = convolved(batch["rho.input"][g], x)
        still, after = (features(student, signal.unsqueeze(0), LAYERS) for signal in (x, moved))
        gaps = []
        for name in ALL:
            ring = 40 if layout == "channels" and name != "logits" else still[name].shape[1]  # units on one ring
            rho_psi = convolved(batch[f"rho.{name}"][g], still[name].view(-1, ring))
            gaps.append(rho_psi.flatten() - after[name].flatten())
        match.append(torch.cat(gaps).square().mean())
        task.append(F.cross_entropy(still["logits"], y.unsqueeze(0)))
        augmented.append(F.cross_entropy(after["logits"], y.unsqueeze(0)))
    return {k: torch.stack(v).mean() for k, v in {"match": match, "task": task, "augmented": augmented}.items()}


@pytest.mark.parametrize("head", ["pooling", "linear"])
@pytest.mark.parametrize("layout", ["flat", "channels"])
def test_teaching_by_orbit_against_a_loop_over_examples(layout: str, head: str, randn: Randn) -> None:
    student, model = build(lambda: Student(head)), build(OrbitKernels, 1)
    batch = stage2_batch(model, randn(3, 1, 40), torch.tensor([1, 5, 9]), torch.tensor([0, 13, 39]))
    found, expected = Orbit(0.3, layout).losses(as_network(student), batch), looped_stage2(student, layout, batch)
    check_teaching(found, expected, student, gradients=1e-9)


def test_orbit_finds_nothing_to_teach_a_teacher_in_channels_and_something_on_one_ring(randn: Randn) -> None:
    """The flat layout moves units over the borders of channels, as no convolution does (D18)."""
    teacher, x, g = as_student(build(Teacher)).double(), randn(40, 1, 40), torch.arange(40)
    batch = stage2_batch(shift_kernels(), x, torch.arange(40) % 10, g)
    assert Orbit(1.0, "channels").losses(as_network(teacher), batch)["match"].item() == pytest.approx(0, abs=1e-24)
    assert Orbit(1.0, "flat").losses(as_network(teacher), batch)["match"].item() > 1e-4
