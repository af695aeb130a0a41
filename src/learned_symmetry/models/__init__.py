"""Networks, one module a family. ``model(x)`` gives logits, ``features`` the named activations on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def features(network: nn.Module | Network, x: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    """Outputs of the named submodules for inputs x, and always ``"logits"``, the network's own output.

    Raises AttributeError for a layer that is not there.
    """
    module = network.module if isinstance(network, Network) else network
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            seen[name] = output

        return hook

    handles = [module.get_submodule(name).register_forward_hook(keep(name)) for name in layers if name != "logits"]
    try:
        seen["logits"] = network(x)
    finally:
        for handle in handles:
            handle.remove()
    return seen


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
