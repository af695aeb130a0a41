"""The networks of Nix et al. 2022 on MNIST: sizes, what is hooked, dropout from outside, stacks of runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from timm.layers import PatchEmbed
from torch import Tensor, nn
from torch.func import grad, stack_module_state
from torchvision.models import resnet18

from learned_symmetry.models import Dropout, Network, cnn, features, masks, mlp, parameter_count, resnet, seeded, vit
from learned_symmetry.models.cnn import CNN
from learned_symmetry.models.mlp import MLP
from learned_symmetry.models.resnet import ResNet18
from learned_symmetry.models.vit import ViT
from learned_symmetry.rng import generator

Make = Callable[[], nn.Module]
EXACT = 1e-12  # float64
LAYERS = {CNN: cnn.LAYERS, MLP: mlp.LAYERS, ResNet18: resnet.LAYERS, ViT: vit.LAYERS}

# small enough to run many times; the ViT has one size
SMALL = pytest.mark.parametrize(
    "make",
    [lambda: CNN((6, 5, 4)), lambda: MLP((9, 8, 7)), lambda: ResNet18(4), ViT],
    ids=["cnn", "mlp", "resnet", "vit"],
)
DROPPING = pytest.mark.parametrize(
    "make", [lambda: CNN((6, 5, 4), 0.3), lambda: MLP((50, 40, 30), 0.3)], ids=["cnn", "mlp"]
)


def build(make: Make, seed: int = 0) -> nn.Module:
    return seeded(make, generator(seed, "network")).double()


def used(module: nn.Module, x: Tensor) -> nn.Module:
    """In evaluation mode, with batch norms that no longer do nothing: statistics of a batch, scales and offsets."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            with torch.no_grad():
                part.weight.uniform_(0.5, 1.5, generator=generator(0, "scales"))
                part.bias.uniform_(-0.5, 0.5, generator=generator(0, "offsets"))
    with torch.no_grad():
        module.train()(x)
    return module.eval()


# ---- sizes and initial weights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "count"),
    [(CNN, 112_650), (MLP, 472_032), (ResNet18, 11_172_810), (ViT, 901_770)],
    ids=["cnn", "mlp", "resnet", "vit"],
)
def test_parameter_count(make: Make, count: int) -> None:
    assert parameter_count(make()) == count  # nix2022 protocol 2.2 and 2.3


@pytest.mark.parametrize(
    ("make", "hooked", "total"),
    [
        (CNN, [(128, 26, 26), (64, 24, 24), (64, 10, 10)], 129_802),
        (MLP, [(512,), (128,), (32,)], 682),
        (ResNet18, [(64, 28, 28), (64, 28, 28), (128, 14, 14), (256, 7, 7), (512, 4, 4)], 146_186),
        (ViT, [(17, 64)] * 5, 5_450),
    ],
    ids=["cnn", "mlp", "resnet", "vit"],
)
def test_hooked_shapes(make: type[nn.Module], hooked: list[tuple[int, ...]], total: int) -> None:
    with torch.no_grad():
        seen = features(make().eval(), torch.rand(2, 1, 28, 28, generator=generator(0, "images")), LAYERS[make])
    assert list(seen) == [*LAYERS[make], "logits"]
    assert [tuple(z.shape) for z in seen.values()] == [(2, *shape) for shape in (*hooked, (10,))]
    assert sum(z[0].numel() for z in seen.values()) == total  # logits included


@pytest.mark.parametrize("make", [CNN, MLP, lambda: ResNet18(16), ViT], ids=["cnn", "mlp", "resnet", "vit"])
def test_initial_weights_are_pytorchs(make: Make) -> None:
    for name, part in build(make).named_modules():
        if isinstance(part, nn.Linear | nn.Conv2d):
            bound = 1 / math.sqrt(part.weight[0].numel())
            assert 0.9 * bound < part.weight.abs().max() <= bound * (1 + 1e-6), name
            assert part.weight.abs().mean().item() == pytest.approx(bound / 2, rel=0.2), name
            assert part.bias is None or part.bias.abs().max() <= bound * (1 + 1e-6), name
        elif isinstance(part, nn.BatchNorm2d | nn.LayerNorm):
            assert bool((part.weight == 1).all() & (part.bias == 0).all()), name


def test_class_token_and_positions_start_standard_normal() -> None:
    embedding = build(ViT).embedding
    for tensor, off in ((embedding.class_token, 0.3), (embedding.positions, 0.1)):
        assert tensor.mean().item() == pytest.approx(0, abs=off)
        assert tensor.std().item() == pytest.approx(1, abs=off)


# ---- the same functions, put together otherwise ----------------------------------------------------------------------


def test_cnn_is_the_chain_of_its_layers(randn: Callable[..., Tensor]) -> None:
    chain = nn.Sequential(
        *(nn.Conv2d(1, 128, 3), nn.ReLU(), nn.Dropout(0.1)),
        *(nn.Conv2d(128, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.1)),
        *(nn.Conv2d(64, 64, 3), nn.ReLU(), nn.MaxPool2d(3), nn.Dropout(0.1)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)),
    ).double()
    same_function(build(CNN), chain.eval(), randn(2, 1, 28, 28))


def test_mlp_is_the_chain_of_its_layers(randn: Callable[..., Tensor]) -> None:
    chain = nn.Sequential(
        nn.Flatten(),
        *(nn.Linear(784, 512), nn.ReLU(), nn.Dropout(0.1)),
        *(nn.Linear(512, 128), nn.ReLU(), nn.Dropout(0.1)),
        *(nn.Linear(128, 32), nn.ReLU(), nn.Dropout(0.1)),
        nn.Linear(32, 10, bias=False),
    ).double()
    same_function(build(MLP), chain.eval(), randn(5, 1, 28, 28))


def test_resnet_is_torchvisions_with_another_stem(randn: Callable[..., Tensor]) -> None:
    other = resnet18(num_classes=10)
    other.conv1 = nn.Conv2d(1, 64, 3, padding=1, bias=False)
    other.maxpool = nn.Identity()
    same_function(used(build(ResNet18), randn(4, 1, 28, 28)), other.double().eval(), randn(2, 1, 28, 28))


def same_function(module: nn.Module, other: nn.Module, x: Tensor) -> None:
    """Tensor by tensor in the order of the two networks: names differ, the order does not."""
    ours, theirs = module.state_dict(), other.state_dict()
    assert [z.shape for z in ours.values()] == [z.shape for z in theirs.values()]
    other.load_state_dict(dict(zip(theirs, ours.values(), strict=True)))
    with torch.no_grad():
        torch.testing.assert_close(module(x), other(x), rtol=EXACT, atol=EXACT)


def test_vit_by_hand(randn: Callable[..., Tensor]) -> None:
    net, x = build(ViT), randn(3, 1, 28, 28)
    with torch.no_grad():
        seen = features(net, x, vit.LAYERS)
        tokens, outputs = net.embedding(x), []
        for block in net.blocks:
            q, k, v = block.norm1(tokens) @ block.attention.qkv.weight.mT.unflatten(1, (3, 512)).movedim(1, 0)[:, None]
            heads = [
                (q[..., i : i + 64] @ k[..., i : i + 64].mT / 8).softmax(-1) @ v[..., i : i + 64]
                for i in range(0, 512, 64)
            ]
            tokens = tokens + block.attention.out(torch.cat(heads, -1))
            fc1, fc2 = block.feed_forward.fc1, block.feed_forward.fc2
            outputs.append(fc2(nn.functional.gelu(fc1(block.norm2(tokens)))))
            tokens = tokens + outputs[-1]
        logits = net.head.fc2(nn.functional.gelu(net.head.fc1(tokens[:, 0])))
    for name, i in zip(vit.LAYERS, (0, 1, 2, 3, 5), strict=True):
        torch.testing.assert_close(seen[name], outputs[i], rtol=EXACT, atol=EXACT)
    torch.testing.assert_close(seen["logits"], logits, rtol=EXACT, atol=EXACT)


def test_hooks_are_before_the_nonlinearity(randn: Callable[..., Tensor]) -> None:
    for make in (CNN, MLP, lambda: ResNet18(4)):
        net = build(make).eval()
        with torch.no_grad():
            seen = features(net, randn(2, 1, 28, 28), LAYERS[type(net)])
        assert all(z.min() < 0 for z in seen.values())


# ---- tokens ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", range(4))
@pytest.mark.parametrize("column", range(4))
def test_a_patch_is_one_token(row: int, column: int, randn: Callable[..., Tensor]) -> None:
    net, x = build(ViT), randn(2, 1, 28, 28)
    other = x.clone()
    other[:, :, 7 * row : 7 * row + 7, 7 * column : 7 * column + 7] += 1
    before, after = (features(net, image, ("embedding",))["embedding"] for image in (x, other))
    moved = (before != after).any(-1)  # (b, token)
    assert moved.shape == (2, 17)
    assert all(example.nonzero().flatten().tolist() == [1 + 4 * row + column] for example in moved)


def test_token_0_is_the_class_token_and_positions_are_added(randn: Callable[..., Tensor]) -> None:
    part, x = build(ViT).embedding, randn(2, 1, 28, 28)
    timms = PatchEmbed(28, 7, 1, 64).double()
    timms.load_state_dict({"proj.weight": part.patch.weight.view(64, 1, 7, 7), "proj.bias": part.patch.bias})
    tokens = part(x) - part.positions
    torch.testing.assert_close(tokens[:, 0], part.class_token.expand(2, 64), rtol=EXACT, atol=EXACT)
    torch.testing.assert_close(tokens[:, 1:], timms(x), rtol=EXACT, atol=EXACT)


# ---- dropout ---------------------------------------------------------------------------------------------------------


@DROPPING
def test_masked_units_are_zero_and_the_others_scaled(make: Make, randn: Callable[..., Tensor]) -> None:
    net, x = build(make), randn(5, 1, 28, 28)
    keep = masks(net, 5, generator(0, "dropout"))
    seen: dict[str, tuple[Tensor, Tensor]] = {}

    def remember(name: str) -> Callable[..., None]:
        return lambda _module, inputs, output: seen.update({name: (inputs[0], output)})

    names = [name for name, part in net.named_modules() if isinstance(part, Dropout)]
    handles = [net.get_submodule(name).register_forward_hook(remember(name)) for name in names]
    Network(net, keep)(x)
    for handle in handles:
        handle.remove()

    assert list(keep) == [f"{name}.keep" for name in names] == [f"dropout{i}.keep" for i in (1, 2, 3)]
    for name in names:
        (before, after), mask = seen[name], keep[f"{name}.keep"]
        assert mask.shape == before.shape  # a number for each unit of each example, none shared
        assert (before >= 0).all()  # after the ReLU
        assert (before[mask == 0] > 0).any()  # something was there to drop
        assert (after[mask == 0] == 0).all()
        torch.testing.assert_close(after[mask > 0], before[mask > 0] / 0.7, rtol=1e-6, atol=0)  # masks are float32
        assert (mask == 0).double().mean().item() == pytest.approx(0.3, abs=0.1)


@DROPPING
def test_masks_change_the_logits_and_their_absence_does_not(make: Make, randn: Callable[..., Tensor]) -> None:
    net, x = build(make), randn(5, 1, 28, 28)
    first, second = (Network(net, masks(net, 5, generator(seed, "dropout")))(x) for seed in (0, 1))
    assert (first - second).abs().amax(1).min() > 1e-6
    assert torch.equal(first, Network(net, masks(net, 5, generator(0, "dropout")))(x))
    assert torch.equal(net.train()(x), net(x))
    assert torch.equal(net(x), net.eval()(x))


@pytest.mark.parametrize("make", [lambda: CNN((6, 5, 4), 0), lambda: ResNet18(4), ViT], ids=["cnn", "resnet", "vit"])
def test_nothing_to_drop(make: Make) -> None:
    assert masks(make(), 5, generator(0, "dropout")) == {}


# ---- stacks of runs --------------------------------------------------------------------------------------------------


@SMALL
def test_two_runs_stacked_are_each_alone(make: Make, randn: Callable[..., Tensor]) -> None:
    x, y = randn(3, 1, 28, 28), torch.tensor([1, 2, 3])
    nets = [used(build(make, seed), randn(4, 1, 28, 28)) for seed in (0, 1)]
    dropped = [masks(net, 3, generator(seed, "dropout")) for seed, net in enumerate(nets)]
    weights, buffers = stack_module_state(nets)
    weights = {name: weight.detach() for name, weight in weights.items()}
    keep = {name: torch.stack([mask[name] for mask in dropped]) for name in dropped[0]}
    module = build(make, 2).eval()  # its own weights must play no part

    def loss(weights: dict[str, Tensor], buffers: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        seen: dict[str, Any] = features(Network(module, {**weights, **buffers}), x, LAYERS[type(module)])
        return nn.functional.cross_entropy(seen["logits"], y), seen

    slopes, stacked = torch.vmap(grad(loss, has_aux=True))(weights, {**buffers, **keep})
    for i, net in enumerate(nets):
        net.zero_grad()
        alone = features(Network(net, dropped[i]), x, LAYERS[type(net)])
        nn.functional.cross_entropy(alone["logits"], y).backward()
        for name, z in alone.items():
            torch.testing.assert_close(stacked[name][i], z, rtol=1e-9, atol=EXACT)
        for name, weight in net.named_parameters():
            torch.testing.assert_close(slopes[name][i], weight.grad, rtol=1e-9, atol=EXACT)
    assert (stacked["logits"][0] - stacked["logits"][1]).abs().max() > 1e-3


def test_batch_statistics_of_stacked_runs_stay_apart(randn: Callable[..., Tensor]) -> None:
    nets, x = [build(lambda: ResNet18(4), seed) for seed in (0, 1)], randn(4, 1, 28, 28)
    weights, buffers = stack_module_state(nets)
    module = build(lambda: ResNet18(4), 2)
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    with torch.no_grad():
        torch.vmap(lambda *run: Network(module, run[0] | run[1])(x))(weights, buffers)
        for i, net in enumerate(nets):
            net(x)
            for name, buffer in net.named_buffers():
                torch.testing.assert_close(buffers[name][i], buffer, rtol=1e-9, atol=EXACT)
    assert all(torch.equal(buffer, before[name]) for name, buffer in module.named_buffers())
