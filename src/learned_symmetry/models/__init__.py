"""Networks, one module a family. ``model(x)`` gives logits, ``features`` the named activations on the way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call


@dataclass(frozen=True)
class Network:
    """A module seen as a function, with weights from outside: one run of a stack, or a teacher's copy."""

    module: nn.Module
    weights: Mapping[str, Tensor]

    def __call__(self, *inputs: Tensor) -> Any:
        return functional_call(self.module, dict(self.weights), inputs)


class Dropout(nn.Module):
    """Scales the units that the mask `keep` (b, *shape) keeps and zeroes the others; without a mask it does nothing.

    A mask comes from outside, with the weights (`masks`), so that what a run drops depends on its seed and its step
    alone, stacked or not.
    """

    def __init__(self, p: float, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.p, self.shape = p, shape
        self.register_buffer("keep", torch.ones(()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.keep if self.keep.dim() else x


def masks(module: nn.Module, rows: int, generator: torch.Generator) -> dict[str, Tensor]:
    """A fresh mask (rows, *shape) for each `Dropout` in `module`, to go with its weights."""
    return {
        f"{name}.keep": torch.empty(rows, *part.shape, device=generator.device).bernoulli_(
            1 - part.p, generator=generator
        )
        / (1 - part.p)
        for name, part in module.named_modules()
        if isinstance(part, Dropout) and part.p > 0
    }


def features(network: nn.Module | Network, x: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    """Outputs of the named layers for inputs x, and always ``"logits"``, the network's own output.

    A layer is a submodule, or a name that the network's ``hooks`` give to one deep inside. Raises AttributeError for a
    layer that is not there.
    """
    seen: dict[str, Tensor] = {}
    watch(network, x, layers, seen.__setitem__)
    return seen


def watch(
    network: nn.Module | Network, x: Tensor, layers: Collection[str], take: Callable[[str, Tensor], None]
) -> None:
    """Calls ``take(layer, output)`` for each layer of `features` as soon as it is computed; keeps none of them."""
    module = network.module if isinstance(network, Network) else network
    hooks = getattr(module, "hooks", {})
    handles = [
        module.get_submodule(hooks.get(name, name)).register_forward_hook(
            lambda _module, _inputs, output, name=name: take(name, output)
        )
        for name in layers
        if name != "logits"
    ]
    try:
        take("logits", network(x))
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def cached_features(module: nn.Module, x: Tensor, layers: Sequence[str], chunk: int = 1000) -> dict[str, Tensor]:
    """`features` of a frozen network for a whole data set, computed once: {layer: (n, ...)}."""
    module.eval()
    parts = [features(module, part, layers) for part in x.split(chunk)]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def parameter_count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def seeded(build: Any, generator: torch.Generator) -> nn.Module:
    """``build()`` with its initial weights drawn from `generator`; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator.initial_seed())
        return build()
