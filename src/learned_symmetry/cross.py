"""The trained networks of several papers, and what the measures of all papers say of them.

Every network answers to quarter turns of the upright test images that its own paper gives it. A network of another
paper, or size, is one more entry of `SUBJECTS`; a measure is one more line of `examined`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from learned_symmetry import config, genuine_invariance, image_transfer, record, symmetry_cloning
from learned_symmetry.config.cross import Cross
from learned_symmetry.data import mnist, mnist_images
from learned_symmetry.groups import QuarterTurns
from learned_symmetry.measure.accuracy import accuracy
from learned_symmetry.measure.accuracy_ratio import orbit_accuracy
from learned_symmetry.measure.distribution_invariance import distribution_invariance
from learned_symmetry.measure.jacobian import jacobian_norm
from learned_symmetry.measure.logit_invariance import logit_invariance
from learned_symmetry.measure.relative_invariance import relative_invariance
from learned_symmetry.measure.saliency import Recipe, saliency_similarity

GROUP = QuarterTurns()


@dataclass(frozen=True)
class Subject:
    """A network of one paper, once a seed (None where that run was dropped), and upright test images as it sees them.

    Images x (n, 1, side, side) have black as their smallest value; labels y (n,).
    """

    networks: list[nn.Module | None]
    x: Tensor
    y: Tensor


def _restored(network: nn.Module, scale: str, paper: str, stage: str, run: str) -> nn.Module | None:
    if run in record.read_result(scale, paper, stage)["provenance"]["dropped"]:
        return None
    network.load_state_dict(record.load_state(scale, paper, stage, run))
    return network.requires_grad_(False).eval()


def _nix(stage: str, cfg: Cross) -> Subject:
    settings = config.load("nix2022", scale=cfg.scale)
    setting = image_transfer.SETTINGS["gcnn_mlp"]
    build = setting.teacher if "teacher" in stage else setting.student
    x, y = mnist.load("test", cfg)
    networks = [
        _restored(build(settings), cfg.scale, "nix2022", stage, f"seed{seed}") for seed in range(settings.images.seeds)
    ]
    return Subject(networks, mnist_images.unit(x[: cfg.images]), y[: cfg.images])


def _moskalev(kind: str, cfg: Cross) -> Subject:
    settings = config.load("moskalev2023", scale=cfg.scale)
    experiment = genuine_invariance.Experiment(settings)
    test = experiment.images("mnist", cfg.images).test
    return Subject([experiment.trained(kind, "R4", seed) for seed in range(settings.seeds)], test.x, test.y)


def _huang(kind: str, row: str, cfg: Cross) -> Subject:
    settings = config.load("huang2024", scale=cfg.scale)
    experiment = symmetry_cloning.Experiment(settings, "c4")
    builds: dict[str, Callable[[int], nn.Module]] = {
        "mlp": partial(experiment.mlp, "symmetry"),
        "convolution": partial(experiment.convolution, "symmetry"),
        "cloned": partial(experiment.cloned, "symmetry", blocks=9, frozen=True),
        "unfreeze": partial(experiment.cloned, "symmetry", blocks=9, frozen=False),
    }
    x, y = mnist.load("test", cfg)
    networks = [
        _restored(builds[kind](seed), cfg.scale, "huang2024", f"c4_{kind}", f"symmetry/{row}/seed{seed}")
        for seed in range(settings.seeds)
    ]
    return Subject(networks, experiment.canvas(x[: cfg.images]), y[: cfg.images])


SUBJECTS: dict[str, Callable[[Cross], Subject]] = {  # names of metrics begin with c4.KEY
    "nix_teacher": partial(_nix, "image_teacher_gcnn_mlp"),
    "nix_student": partial(_nix, "image_transfer_gcnn_mlp_none"),
    "nix_kd": partial(_nix, "image_transfer_gcnn_mlp_kd"),
    "nix_attention": partial(_nix, "image_transfer_gcnn_mlp_attention"),
    "nix_rdl": partial(_nix, "image_transfer_gcnn_mlp_rdl"),
    "nix_orbit": partial(_nix, "image_transfer_gcnn_mlp_orbit"),
    "moskalev_wt": partial(_moskalev, "WT"),
    "moskalev_da": partial(_moskalev, "DA"),
    "moskalev_ir": partial(_moskalev, "IR_LI"),
    "huang_mlp": partial(_huang, "mlp", "mlp"),
    "huang_gcnn": partial(_huang, "convolution", "gcnn"),
    "huang_clone": partial(_huang, "cloned", "mlp2gcnn9"),
    "huang_unfrozen": partial(_huang, "unfreeze", "mlp2gcnn_unfreeze"),
}


def examined(network: nn.Module, subject: Subject, cfg: Cross) -> dict[str, float]:
    """Every measure of one network, by name; accuracies are shares."""
    x, y = subject.x, subject.y
    block = config.load("moskalev2023", scale=cfg.scale).saliency
    recipe = Recipe(
        baseline=x.min().item() if block.baseline == "black" else 0.0,
        steps=cfg.saliency_steps,
        output=block.output,
        threshold=block.threshold,
        size=block.kernel,
        sigma=block.sigma,
    )
    shown, labels = x[: cfg.saliency_images], y[: cfg.saliency_images]
    return {
        "upright": accuracy(network, x, y),
        "turned": orbit_accuracy(network, x, y, GROUP),
        "li": logit_invariance(network, x, GROUP),
        "di": distribution_invariance(network, x, GROUP),
        "relative": relative_invariance(network, x, GROUP),
        "si": saliency_similarity(network, shown, GROUP, labels if block.target == "label" else None, recipe),
        "jacobian": jacobian_norm(network, x[: cfg.jacobian_images]),
    }
