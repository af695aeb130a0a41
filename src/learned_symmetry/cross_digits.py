"""Networks of four papers on MNIST that the cross-examination asks about quarter turns and translations.

Each sees unmoved test images as its own paper gives them. One more network is one more entry of `TURNED` or `SHIFTED`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import Tensor, nn

from learned_symmetry import config, genuine_invariance, image_transfer, symmetry_cloning
from learned_symmetry.config.cross import Cross
from learned_symmetry.config.huang2024 import Group
from learned_symmetry.cross import Subject, barriers, linear_layers, restored
from learned_symmetry.data import mnist, mnist_images
from learned_symmetry.groups import QuarterTurns
from learned_symmetry.mnist6_networks import STAGE, Digits

BLOCKS = 9  # of the clones


def _first(cfg: Cross) -> tuple[Tensor, Tensor]:
    x, y = mnist.load("test", cfg)
    return x[: cfg.digits.images], y[: cfg.digits.images]


def _nix(setting: str, stage: str, cfg: Cross) -> Subject:
    settings = config.load("nix2022", scale=cfg.scale)
    made, seeds = image_transfer.SETTINGS[setting], range(settings.images.seeds)

    def networks(build: Callable[[], nn.Module], stage: str) -> list[nn.Module | None]:
        return [restored(build(), cfg.scale, "nix2022", stage, f"seed{seed}") for seed in seeds]

    teachers = networks(lambda: made.teacher(settings), f"image_teacher_{setting}")
    strides = {"layer1": 1, "layer2": 1, "layer3": 2}  # of the CNN; turns ask for none
    x, y = _first(cfg)
    about = (mnist_images.unit(x), y, strides)
    if stage == "teacher":
        return Subject(teachers, *about)
    students = networks(lambda: made.student(settings), f"image_{stage}")
    return Subject(students, *about, teachers=teachers)


def _moskalev(kind: str, cfg: Cross) -> Subject:
    """The first layer is left out: that of a weight-tied network is no module."""
    settings = config.load("moskalev2023", scale=cfg.scale)
    experiment = genuine_invariance.Experiment(settings)
    test = experiment.images("mnist", cfg.digits.images).test
    networks = [experiment.trained(kind, "R4", seed) for seed in range(settings.seeds)]
    layers = [f"layer{number}" for number in range(2, settings.model.layers + 1)]
    return Subject(networks, test.x, test.y, dict.fromkeys(layers, 1))


def _huang(group: Group, kind: str, row: str, cfg: Cross) -> Subject:
    settings = config.load("huang2024", scale=cfg.scale)
    experiment = symmetry_cloning.Experiment(settings, group)
    builds: dict[str, Callable[[int], nn.Module]] = {
        "mlp": partial(experiment.mlp, "symmetry"),
        "convolution": partial(experiment.convolution, "symmetry"),
        "cloned": partial(experiment.cloned, "symmetry", blocks=BLOCKS, frozen=True),
        "unfreeze": partial(experiment.cloned, "symmetry", blocks=BLOCKS, frozen=False),
    }
    x, y = _first(cfg)
    networks = [
        restored(builds[kind](seed), cfg.scale, "huang2024", f"{group}_{kind}", f"symmetry/{row}/seed{seed}")
        for seed in range(settings.seeds)
    ]
    layers = linear_layers(builds[kind](0)) if kind == "mlp" else {f"layer{n}": 1 + (n > 2) for n in range(1, 5)}
    return Subject(networks, experiment.canvas(x), y, layers)


def _bruintjes(task: str, merge: bool, cfg: Cross) -> Subject:
    """On the six digits as they lie, whatever the task turns; that of ``roteq`` is to say that they are not turned.

    With `merge`: with the barriers of turned filters, merged with training images of the task.
    """
    settings = config.load("bruintjes2023", scale=cfg.scale)
    digits = Digits(settings)
    images, labels = digits.data("mnist6", "test", cfg.digits.images)
    networks = [
        restored(digits.network(task, seed), cfg.scale, "bruintjes2023", STAGE, digits.name(task, seed))
        for seed in range(settings.mnist6.seeds)
    ]
    y = digits.unturned(task, labels)
    layers = {name: stride for name, stride in digits.network(task, 0).strides.items() if name.startswith("layers.")}
    subject = Subject(networks, digits.prepare(images), y, layers)
    if not merge:
        return subject
    seen = digits.prepare(digits.data(task, "train", cfg.digits.calibration_images)[0])
    return replace(subject, barriers=barriers(subject, seen, QuarterTurns(), 1, cfg))


TURNED: dict[str, Callable[[Cross], Subject]] = {  # names of metrics begin with c4.KEY
    "nix_teacher": partial(_nix, "gcnn_mlp", "teacher"),
    "nix_student": partial(_nix, "gcnn_mlp", "transfer_gcnn_mlp_none"),
    "nix_kd": partial(_nix, "gcnn_mlp", "transfer_gcnn_mlp_kd"),
    "nix_attention": partial(_nix, "gcnn_mlp", "transfer_gcnn_mlp_attention"),
    "nix_rdl": partial(_nix, "gcnn_mlp", "transfer_gcnn_mlp_rdl"),
    "nix_orbit": partial(_nix, "gcnn_mlp", "transfer_gcnn_mlp_orbit"),
    "moskalev_wt": partial(_moskalev, "WT"),
    "moskalev_da": partial(_moskalev, "DA"),
    "moskalev_ir": partial(_moskalev, "IR_LI"),
    "huang_gcnn": partial(_huang, "c4", "convolution", "gcnn"),
    "huang_mlp": partial(_huang, "c4", "mlp", "mlp"),
    "huang_clone": partial(_huang, "c4", "cloned", f"mlp2gcnn{BLOCKS}"),
    "huang_unfrozen": partial(_huang, "c4", "unfreeze", "mlp2gcnn_unfreeze"),
    "bruintjes_plain": partial(_bruintjes, "mnist6", True),
    "bruintjes_rotinv": partial(_bruintjes, "rotinv", True),
    "bruintjes_roteq": partial(_bruintjes, "roteq", True),
}

SHIFTED: dict[str, Callable[[Cross], Subject]] = {  # t2.KEY
    "nix_teacher": partial(_nix, "cnn_mlp", "teacher"),
    "nix_student": partial(_nix, "cnn_mlp", "transfer_cnn_mlp_none"),
    "nix_augment": partial(_nix, "cnn_mlp", "transfer_cnn_mlp_augment"),
    "nix_kd": partial(_nix, "cnn_mlp", "transfer_cnn_mlp_kd"),
    "nix_attention": partial(_nix, "cnn_mlp", "transfer_cnn_mlp_attention"),
    "nix_rdl": partial(_nix, "cnn_mlp", "transfer_cnn_mlp_rdl"),
    "nix_orbit": partial(_nix, "cnn_mlp", "transfer_cnn_mlp_orbit"),
    "huang_cnn": partial(_huang, "t2", "convolution", "cnn"),
    "huang_mlp": partial(_huang, "t2", "mlp", "mlp"),
    "huang_clone": partial(_huang, "t2", "cloned", f"mlp2cnn{BLOCKS}"),
    "huang_unfrozen": partial(_huang, "t2", "unfreeze", "mlp2cnn_unfreeze"),
    "bruintjes_plain": partial(_bruintjes, "mnist6", False),
}
