"""What each paper consists of here: its stages and artefacts, listed and never globbed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from learned_symmetry.errors import UserError


@dataclass(frozen=True)
class Paper:
    title: str
    question: str  # in two sentences
    stages: Callable[[Any], list[str]]  # settings -> the stages whose results hold the paper's metrics
    artefacts: tuple[str, ...]  # names of the scripts in paper/KEY, in the order of the summary
    to_come: tuple[str, ...] = ()  # how metrics begin that no stage makes yet: claims on them are not run

    @property
    def short(self) -> str:
        """Authors and year."""
        return self.title.partition(",")[0]


def of(key: str) -> Paper:
    """The paper of that key. Raises `UserError` for a key that is none."""
    if key not in PAPERS:
        raise UserError(f"no paper has the key {key!r}; known are {', '.join(PAPERS)}")
    return PAPERS[key]


TAUGHT = {  # setting of nix2022 on images -> its rows in the paper's tables, beside the teacher and Orbit
    "cnn_mlp": ("none", "augment", "kd", "attention", "rdl"),
    "resnet_vit": ("none", "augment", "kd", "rdl"),
    "gcnn_mlp": ("none", "kd", "attention", "rdl"),
}


def image_stages(cfg: Any) -> list[str]:
    """The stages of nix2022 whose results Tables 1 and 2 show."""
    settings = cfg.images.settings
    taught = [f"image_transfer_{name}_{method}" for name in settings for method in (*TAUGHT[name], "orbit")]
    return [f"image_teacher_{name}" for name in settings] + taught


def _nix2022(cfg: Any) -> list[str]:
    signals = ["teacher", "orbit", *(f"transfer_{method}" for method in [*cfg.methods, "orbit"]), "search", "lemma1"]
    orbits = [f"image_orbit_{setting}" for setting in cfg.images.settings]
    return [*signals, *image_stages(cfg), *orbits, "ablation"]


def _moskalev2023(cfg: Any) -> list[str]:
    return [*(f"train_{kind}" for kind in cfg.schedules), "tune", "measure", "drift", "orbits", "proposition"]


CLASSIFIED = ("mlp", "convolution", "cloned", "unfreeze")  # kinds of classifiers of huang2024


def classified() -> list[str]:
    """The stages of huang2024 whose results Table 1 shows."""
    return [f"{group}_{kind}" for group in ("t2", "c4") for kind in CLASSIFIED]


RESIDUAL = ("none", "crops", "flips", "cutmix", "randaugment", "s1", "s2", "s4", "s8")  # networks on CIFAR-10


MEASURED = ("measure_mnist6", "measure_augmentations", "measure_widths", "imagenet", "small")


def _bruintjes2023(cfg: Any) -> list[str]:
    trained = ["train_mnist6", *(f"train_cifar10_{kind}" for kind in RESIDUAL)]
    return ["controlled", "similarity", *trained, *MEASURED]


SMALL = ("supervised", "supervised_inv", "simsiam")  # small ResNets of bokman2023

PAPERS = {
    "nix2022": Paper(
        title="Nix et al. 2022, *Can Functional Transfer Methods Capture Simple Inductive Biases?*",
        question=(
            "A convolutional teacher recognises a signal wherever it is. Can a student without convolutions take"
            " that over by matching what the teacher computes, or must it be shown how the group acts (Orbit)?"
        ),
        stages=_nix2022,
        artefacts=("fig2", "fig3", "table1d", "search1d", "table1", "table2", "table6", "fig5"),
    ),
    "moskalev2023": Paper(
        title="Moskalev et al. 2023, *On genuine invariance learning without weight-tying*",
        question=(
            "Augmentation and regularisation make a network's output invariant. Does it then decide by the same"
            " evidence whatever the pose, as a weight-tied network does, and does its invariance outlast a drift?"
        ),
        stages=_moskalev2023,
        artefacts=("table1", "fig1", "fig2", "fig3", "fig4", "fig5", "prop31"),
    ),
    "huang2024": Paper(
        title="Huang et al. 2024, *Symmetry From Scratch: Group Equivariance as a Supervised Learning Task*",
        question=(
            "A fully connected layer can learn, from pairs of input and output, to be an equivariant one. How exact is"
            " such a clone, and can it, unlike its model, give up the symmetry where the task asks for that?"
        ),
        stages=lambda cfg: ["clone_t2", "clone_c4", "mixer_t2", "mixer_so2", *classified(), "pictures"],
        artefacts=("table1", "clones", "fig2", "fig4", "fig5", "fig6", "fig7", "fig8"),
    ),
    "bruintjes2023": Paper(
        title="Bruintjes et al. 2023, *What Affects Learned Equivariance in Deep Image Recognition Models?*",
        question=(
            "How equivariant are the layers of an ordinary trained network to shifts and rotations? And what raises it:"
            " augmentation, depth, width, architecture, or the accuracy itself?"
        ),
        stages=_bruintjes2023,
        artefacts=(
            "fig2a",
            "fig2b",
            "fig2_numbers",
            "fig3",
            "fig5",
            "fig5_numbers",
            "fig6a",
            "fig6a_numbers",
            "fig6b",
            "fig6b_numbers",
            "fig4",
            "fig4_numbers",
            "fig4_small",
            "fig4_small_numbers",
            "fig7a",
            "fig7b",
            "fig7_numbers",
            "fig7a_small",
            "fig7b_small",
            "fig7_small_numbers",
        ),
    ),
    "bokman2023": Paper(
        title="Bökman and Kahl 2023, *Investigating how ReLU-networks encode symmetries*",
        question=(
            "If a network as a whole is equivariant, is each of its layers? How far is an ordinary CNN, trained on"
            " images and their mirror images, from one whose filters are symmetric or come in mirrored pairs?"
        ),
        stages=lambda cfg: [
            *("vgg_train_plain", "vgg_train_invariance", "vgg_merge", "vgg_pairs", "vgg_path", "theory"),
            *(*(f"small_{kind}" for kind in SMALL), "small_merge", "resnet50"),
        ],
        artefacts=(
            *("table1", "table2", "table4", "fig1", "fig4", "fig5", "fig6", "fig7", "fig8", "scatter", "path"),
            *("theory", "fig10", "table3", "table5", "table5_small", "fig9"),
        ),
    ),
    "cross": Paper(
        title="Cross-examination, *the measures of each paper on the networks of the others*",
        question=(
            "Is a network that learned its invariance from a teacher, a regulariser, a clone or a loss invariant in the"
            " sense of the other papers too? And for the same reasons, layer by layer?"
        ),
        stages=lambda cfg: ["turns", "shifts", "flips"],
        artefacts=("profile", "genuine", "barriers", "table_turns", "table_shifts", "table_flips"),
    ),
}

HEADLINES = (("nix2022", "fig2"), ("moskalev2023", "fig4"), ("huang2024", "fig6"))  # the figures in README.md
