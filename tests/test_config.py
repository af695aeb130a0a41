"""``params.yaml``: what is committed is right at every scale, and what is wrong is told with its key and the mend."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
from pydantic import BaseModel, ValidationError

from learned_symmetry import config, transfer
from learned_symmetry.config.types import Distinct, DistinctHundredths, Keys
from learned_symmetry.errors import UserError

ROOT = Path(__file__).parents[1]


def unshared(tree: Any) -> Any:
    """A copy without YAML's aliases, so that a change of one value changes no other."""
    if isinstance(tree, dict):
        return {key: unshared(value) for key, value in tree.items()}
    return [unshared(value) for value in tree] if isinstance(tree, list) else tree


RAW = unshared(config.read(ROOT / "params.yaml"))  # read once: it takes 50 ms


def edited(key: str, edit: Callable[[dict[str, Any], str], Any]) -> dict[str, Any]:
    """The committed file's values after ``edit(block, name)`` of the block that holds `key` (dotted)."""
    raw = block = unshared(RAW)
    *parents, name = key.split(".")
    for parent in parents:
        block = block[parent]
    edit(block, name)
    return raw


def changed(key: str, value: Any) -> dict[str, Any]:
    return edited(key, lambda block, name: block.update({name: value}))


def refused(given: dict[str, Any] | Path) -> str:
    """What `check`, the pipeline's first stage, says of the values or of a file; one line that names it."""
    with pytest.raises(UserError) as told:
        config.check(given) if isinstance(given, Path) else config.checked(given)
    message = str(told.value).replace(str(given), "params.yaml")
    assert "\n" not in message
    assert "params.yaml" in message
    return message


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


# ---- what is committed -----------------------------------------------------------------------------------------------


def test_the_committed_file_passes_at_every_scale() -> None:
    config.check()
    for paper, scale in product(config.PAPERS, config.SCALES):
        assert config.load(paper, scale=scale).scale == scale
    assert config.load("nix2022").scale == config.read()["scale"]


def test_a_scale_lies_over_the_shared_values() -> None:
    raw = config.read()["nix2022"]
    for scale in config.SCALES:
        cfg = config.load("nix2022", scale=scale)
        assert cfg.seeds == raw[scale]["seeds"]
        assert cfg.schedules.teacher.steps == raw[scale]["schedules"]["teacher"]["steps"]
        assert cfg.search.methods == raw[scale]["search"]["methods"]  # a block in both: the scale's keys ...
        assert (cfg.search.shift, cfg.search.head) == (raw["search"]["shift"], raw["search"]["head"])  # ... and shared
        assert cfg.methods["kd"].linear.temperature == raw["methods"]["kd"]["linear"]["temperature"]
    raw = changed("nix2022.full.search.shift", 20)
    assert config.settled(raw, "nix2022", scale="full").search.shift == 20
    assert config.settled(raw, "nix2022", scale="quick").search.shift == raw["nix2022"]["search"]["shift"]


def test_the_pipelines_scales_are_those_of_the_protocol() -> None:
    """`full` is the paper: 40,000 steps of 1,000 examples, validated every 100, 20 without a best (Supp. A.1)."""
    cfg = config.load("nix2022", scale="full")
    for schedule in (cfg.schedules.teacher, cfg.schedules.orbit, cfg.schedules.student, cfg.schedules.search):
        assert (schedule.steps, schedule.batch, schedule.evaluate_every, schedule.patience) == (40_000, 1000, 100, 20)
        assert schedule.lr is None
    assert cfg.shifts == [0, 10, 20, 30, 40]
    assert cfg.teacher_per == "shift"
    gammas = {name: (block.gamma, block.linear.gamma) for name, block in cfg.methods.items() if name != "cka"}
    assert gammas == {"none": (0, 0), "kd": (0.6, 0.3), "dm": (0.4, 0.1), "attention": (0.9, 0.6), "rdl": (0.9, 0.6)}


def test_a_methods_own_schedule_comes_before_the_students() -> None:
    schedules = config.load("nix2022", scale="quick").schedules
    assert schedules.of("orbit", "linear") == schedules.methods["orbit_linear"]
    assert schedules.of("dm", "pooling") == schedules.methods["dm_pooling"]
    assert schedules.of("dm", "linear") == schedules.of("kd", "pooling") == schedules.student
    of_both_heads = schedules.model_copy(update={"methods": {"dm": schedules.teacher}})
    assert of_both_heads.of("dm", "pooling") == of_both_heads.of("dm", "linear") == schedules.teacher


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("nix2022", "nix2020"),
        ("engine", "enigne"),
        ("engine.device", "devise"),
        ("nix2022.optimiser.decay", "deacy"),
        ("nix2022.methods.kd.gamma", "gama"),
        ("nix2022.methods.kd.temperature", "temprature"),
        ("nix2022.methods.kd.linear.temperature", "temprature"),
        ("nix2022.methods.attention", "attentoin"),
        ("nix2022.quick.schedules", "sheduels"),
        ("nix2022.full.schedules", "sheduels"),
        ("nix2022.quick.schedules.teacher.steps", "stepz"),
        ("nix2022.quick.search.methods.kd.gamma", "gama"),
    ],
)
@pytest.mark.parametrize("how", ["misspelt", "one too many"])
def test_an_unknown_key_is_told_with_the_nearest(key: str, wrong: str, how: str) -> None:
    def edit(block: dict[str, Any], name: str) -> None:
        block[wrong] = block.pop(name) if how == "misspelt" else block[name]

    message, right = refused(edited(key, edit)), key.rpartition(".")[2]
    assert wrong in message
    assert right in message


@pytest.mark.parametrize("key", ["scale", "data", "engine", "report"])
def test_what_all_papers_share_is_no_key_of_a_paper(key: str) -> None:
    """Or ``nix2022.scale: full`` would call the quick run a full one."""
    value = "full" if key == "scale" else config.read()[key]
    assert f"nix2022.{key}" in refused(changed(f"nix2022.{key}", value))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("nix2022.optimiser.decay", "0.1"),
        ("nix2022.optimiser.beta1", None),
        ("nix2022.methods.kd.gamma", "0.6"),
        ("nix2022.methods.kd.temperature", "hot"),
        ("nix2022.methods.kd.linear.gamma", True),
        ("nix2022.student.relu_before_linear_head", 1),
        ("nix2022.quick.seeds", 2.5),
        ("nix2022.quick.shifts", 30),
        ("nix2022.quick.heads", "pooling"),
        ("nix2022.orbit.pooling", 3),
        ("nix2022.methods", [1]),
        ("nix2022", "all"),
        ("engine", None),
    ],
)
def test_a_wrong_type_is_told_with_its_value(key: str, value: Any) -> None:
    message = refused(changed(key, value))
    assert key.rpartition(".")[2] in message
    assert repr(value) in message or key == "nix2022"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("nix2022.methods.kd.gamma", 1.5),
        ("nix2022.methods.kd.linear.gamma", -0.1),
        ("nix2022.methods.kd.temperature", 0.0),
        ("nix2022.methods.dm.temperature", -5.0),
        ("nix2022.optimiser.decay", 1.0),
        ("nix2022.optimiser.eps", 0.0),
        ("nix2022.teacher.weight_decay", -1e-4),
        ("nix2022.teacher.lr", 0),
        ("nix2022.mnist1d.validation", 0),
        ("nix2022.mnist1d.validation", 4000),
        ("nix2022.orbit.layout", "rings"),
        ("nix2022.orbit.pooling.weights.equiv", -1.0),
        ("nix2022.quick.seeds", 0),
        ("nix2022.quick.search.methods.kd.gamma", [0.5, 1.5]),
        ("nix2022.quick.shifts", []),
        ("nix2022.quick.shifts", [0, 41]),
        ("nix2022.quick.heads", ["max"]),
        ("nix2022.full.schedules.student.batch", 0),  # of a scale that is not the current one
        ("bruintjes2023.controlled.kernel", 4),
        ("bokman2023.theory.cooccurrence.cells", 3),
        ("engine.device", "gpu"),
        ("engine.checkpoint_seconds", -1),
        ("report.resamples", 1),
    ],
)
def test_a_value_out_of_range_is_told(key: str, value: Any) -> None:
    message = refused(changed(key, value))
    assert key.rpartition(".")[2] in message
    assert repr(value[-1] if isinstance(value, list) and value else value) in message


@pytest.mark.parametrize(
    "key",
    [
        "scale",
        "nix2022",
        "nix2022.quick",
        "nix2022.quick.seeds",
        "nix2022.orbit.layout",
        "nix2022.methods.kd.gamma",
        "nix2022.methods.kd.temperature",
        "nix2022.methods.kd.linear",
        "report.seed",
    ],
)
def test_a_missing_key_is_told(key: str) -> None:
    message = refused(edited(key, dict.pop))
    assert key.rpartition(".")[2] in message
    assert "missing" in message


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        (
            "moskalev2023.quick.tuning.grid.T3",
            {"LI": [1.0], "DI": [1.0]},
            "moskalev2023.quick.tuning.grid.T3.NLI is missing",
        ),
        (
            "moskalev2023.full.tuning.grid",
            {"R4": {"LI": [1.0], "DI": [1.0], "NLI": [1.0]}},
            "full.tuning.grid.T3 is missing",
        ),
        (
            "moskalev2023.quick.schedules",
            {"WT": {"epochs": 1, "batch": 1, "evaluate_every": 1, "lr": None}},
            "schedules.DA is missing",
        ),
        ("moskalev2023.drift.betas", [0.0, 0.5, 1.0], "drift.betas = [0.0, 0.5, 1.0] must hold 0.2"),
        ("moskalev2023.saliency.kernel", 4, "saliency.kernel = 4 must be odd"),
    ],
)
def test_what_moskalev2023_checks_itself(key: str, value: Any, told: str) -> None:
    assert told in refused(changed(key, value))


def test_a_key_that_one_scale_lacks_is_told_with_that_scale() -> None:
    assert "nix2022.smoke.shifts is missing" in refused(edited("nix2022.smoke.shifts", dict.pop))


@pytest.mark.parametrize("value", ["quik", "Full", 3, None, ["quick"]])
def test_a_scale_that_is_none(value: Any) -> None:
    message = refused(changed("scale", value))
    assert repr(value) in message
    assert all(scale in message for scale in config.SCALES)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"scale: quick\nnix2022:\n\tx: 1\n", "line 3"),
        (b"scale: quick\nscale: full\n", "duplicate"),
        (b"scale: [quick\n", "YAML"),
        (b"", "mapping"),
        (b"- scale\n", "mapping"),
        (b"\xff\xfe\x00scale", "UTF-8"),
    ],
    ids=["tab", "twice", "bracket", "empty", "list", "not text"],
)
def test_what_is_no_yaml(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    assert words in refused(path)


def test_a_file_is_read_and_told_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    committed = (ROOT / "params.yaml").read_text()
    path.write_text(committed.replace("beta1: 0.9\n", "beta1: .inf\n", 1))
    with pytest.raises(UserError) as told:
        config.check(path)
    assert str(told.value).startswith(f"{path}: nix2022.optimiser.beta1 = inf: input should be a finite number")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "missing" in refused(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("huang2024.quick.canvas.c4_pad", 0, "quick.canvas.c4_pad = 0 makes a canvas of 14 pixels"),
        ("huang2024.full.canvas.min_right", 11, "full.canvas.min_right = 11 is larger"),
        ("huang2024.cloning.blocks", [9, 8], "needs 9, 8 and 7"),
        ("huang2024.cloning.images_are", "share", "'shared' or 'each'"),
    ],
)
def test_sizes_of_huang2024_must_fit_together(key: str, value: Any, told: str) -> None:
    assert told in refused(changed(key, value))


# ---- what is refused, of every kind that there is -------------------------------------------------------------------


def numbers(tree: Any, loc: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the numbers of a raw mapping are."""
    if isinstance(tree, dict | list):
        for part, below in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from numbers(below, (*loc, part))
    elif isinstance(tree, int | float) and not isinstance(tree, bool):
        yield loc


def put(tree: Any, loc: tuple[Any, ...], value: Any) -> Any:
    """What was at `loc`, where `value` is now."""
    for part in loc[:-1]:
        tree = tree[part]
    before, tree[loc[-1]] = tree[loc[-1]], value
    return before


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")], ids=str)
@pytest.mark.parametrize("section", [key for key in RAW if key != "scale"])
def test_every_number_is_finite(section: str, value: float) -> None:
    """Of every paper and scale, those of methods' blocks and grids too; the key is named as the file has it."""
    raw = {**RAW, section: unshared(RAW[section])}
    paper = section if section in config.PAPERS else "nix2022"
    found = [(section, *loc) for loc in numbers(RAW[section])]
    assert found or section == "data"
    for loc in found:
        before = put(raw, loc, value)
        told = {}
        for scale in [loc[1]] if loc[1] in config.SCALES else config.SCALES:
            try:
                config.settled(raw, paper, scale=scale)
            except UserError as error:
                told[scale] = str(error)
        key = ".".join(map(str, loc))
        assert told, key
        for message in told.values():
            assert message.startswith(f"params.yaml: {key} = {value}: input should be "), message
        put(raw, loc, before)


def test_a_method_asks_for_finite_numbers_too() -> None:
    for key in ("temperature", "lr", "gamma", "weight_decay"):
        for value in (float("inf"), float("-inf"), float("nan")):
            with pytest.raises(UserError, match=rf"params.yaml: here\.{key} = {value} must be a finite number"):
                transfer.check_value(key, value, "here")


def annotations(model: type[BaseModel], seen: set[type]) -> Iterator[tuple[str, Any]]:
    """``CLASS.FIELD`` of every settings class below one, and the annotation with its metadata."""
    if model in seen:
        return
    seen.add(model)
    hints = get_type_hints(model, include_extras=True)
    for name in model.model_fields:
        yield f"{model.__name__}.{name}", hints[name]
        todo = [hints[name]]
        while todo:
            annotation = todo.pop()
            todo += getattr(annotation, "__args__", ())
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                yield from annotations(annotation, seen)


def parts(annotation: Any, about: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """All types that an annotation is made of, each with the metadata that stands beside it."""
    if get_origin(annotation) is Annotated:
        yield from parts(annotation.__origin__, (*about, *annotation.__metadata__))
        return
    yield annotation, about
    for inner in get_args(annotation):
        yield from parts(inner)


EVERY = dict(pair for paper in config.PAPERS for pair in annotations(config.schema(paper), set()))


def test_every_list_is_of_distinct_things_or_says_why_not() -> None:
    """A new list is one of things to run or to measure, or it is named here: one number a layer, stage or colour."""
    by_place = {
        "ImageSettings.cnn_channels",
        "ImageSettings.gcnn_channels",
        "Classifiers.cnn",
        "Classifiers.gcnn",
        "Classifiers.cloned",
        "Widths.symmetry",
        "Widths.breaking",
        "CIFAR10.mean",
        "CIFAR10.std",
        "VggTraining.mean",
        "VggTraining.std",
        "Small.mean",
        "Small.std",
        "Small.sizes",  # an even and an odd one
        "Small.blocks",
        "ImageNet.blocks",
    }
    found = {
        name: any(check in about for check in (Distinct, DistinctHundredths))
        for name, annotation in EVERY.items()
        for kind, about in parts(annotation)
        if get_origin(kind) is list
    }
    assert {name for name, distinct in found.items() if not distinct} == by_place


def test_every_mapping_knows_its_keys() -> None:
    """Or `transfer` does, for the numbers of a method."""
    found = {
        (name, any(isinstance(each, Keys) for each in about))
        for name, annotation in EVERY.items()
        for kind, about in parts(annotation)
        if get_origin(kind) is dict
    }
    assert {name for name, known in found if not known} == {"Method.images", "Search.methods"}
    assert ("Search.methods", True) in found


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("nix2022.smoke.heads", ["pooling", "pooling"], "'pooling' is there twice"),
        ("nix2022.full.shifts", [0, 10, 10], "10 is there twice"),
        ("nix2022.quick.search.methods.kd.gamma", [0.3, 0.30000001], "one name for 0.3 and 0.30000001"),
        ("moskalev2023.quick.tuning.grid.R4.LI", [3.0, 3.0], "3.0 is there twice"),
        ("moskalev2023.drift.betas", [0.0, 0.2, 0.201], "one name for 0.2 and 0.201"),
        ("huang2024.cloning.blocks", [9, 8, 7, 9], "9 is there twice"),
        ("huang2024.smoke.mixers.measured.shifts", [1, 1], "1 is there twice"),
        ("bruintjes2023.controlled.sigmas", [0.6, 0.6], "0.6 is there twice"),
        ("bruintjes2023.full.mnist6.training.drops", [25, 25], "25 is there twice"),
        ("bruintjes2023.full.evaluation.shifts", [1, 1], "1 is there twice"),
        ("bruintjes2023.quick.imagenet.shifts", [4, 4], "4 is there twice"),
        ("bokman2023.theory.sizes", [2, 2], "2 is there twice"),
        ("bokman2023.smoke.vgg.merging.alphas", [0.0, 0.5, 0.5, 1.0], "0.5 is there twice"),
    ],
)
def test_what_is_there_twice_is_told(key: str, value: Any, told: str) -> None:
    message = refused(changed(key, value))
    assert message.startswith(f"params.yaml: {key} = {value!r}: ")
    assert told in message


def dictionaries(tree: Any, loc: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(tree, dict):
        yield loc
        for part, below in tree.items():
            yield from dictionaries(below, (*loc, part))


@pytest.mark.parametrize("paper", config.PAPERS)
def test_no_mapping_takes_a_key_that_nobody_knows(paper: str) -> None:
    """Every mapping of the file, at every scale; told before anything runs."""
    raw = {**RAW, paper: unshared(RAW[paper])}
    for loc in list(dictionaries(RAW[paper])):
        block = raw[paper]
        for part in loc:
            block = block[part]
        # a word for the grids' lists, a number for methods' own
        block["nobody_knows"] = [0.5] if "search" in loc else 0.5
        with pytest.raises(UserError, match=r"nobody_knows\b.* is unknown") as told:
            config.checked(raw, papers=[paper])
        assert ".".join(map(str, (paper, *loc, "nobody_knows"))) in str(told.value)
        del block["nobody_knows"]


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("nix2022.methods.kdd", "kd"),
        ("nix2022.methods.orbit", "none"),
        ("nix2022.smoke.schedules.methods.kdd", "kd"),
        ("nix2022.smoke.schedules.methods.kd_poolin", "kd_pooling"),
        ("nix2022.full.images.settings.gcnn_mlp.methods.orbt", "orbit"),
        ("nix2022.quick.search.methods.obit", "orbit"),
        ("nix2022.images.orbit.first_layer_transform.cnn_mpl", "cnn_mlp"),
        ("moskalev2023.regulariser.fixed.R5", "R4"),
        ("moskalev2023.full.schedules.AD", "DA"),
        ("bruintjes2023.smoke.small.networks.vit_m", "vit_"),
        ("bruintjes2023.smoke.small.networks.vit_s.head", "heads"),
        ("nix2022.quick.images.settings.cnn_mlp.ablation.seed", "seeds"),
        ("huang2024.quick.unfreeze.beta.symetry", "symmetry"),
    ],
)
def test_the_nearest_key_of_a_mapping_is_told(key: str, near: str) -> None:
    message = refused(changed(key, {}))
    assert message.startswith(f"params.yaml: {key} ")
    assert "is unknown" in message
    assert near in message.partition("; ")[2]


def test_a_method_that_is_not_trained_may_have_a_schedule() -> None:
    schedule = RAW["nix2022"]["smoke"]["schedules"]["student"]
    for name in ("dm", "cka_linear", "orbit_pooling"):
        config.checked(changed(f"nix2022.smoke.schedules.methods.{name}", schedule))


@pytest.mark.parametrize(
    "key",
    [
        "nix2022.images.orbit.first_layer_transform.resnet_vit",
        "nix2022.smoke.images.settings.gcnn_mlp",
        "moskalev2023.full.schedules.WT",
        "huang2024.classifiers.pooled.t2",
        "huang2024.smoke.tasks.symmetry.cloned",
        "huang2024.full.unfreeze.beta.breaking",
        "bruintjes2023.imagenet.networks.mixer",
        "bruintjes2023.quick.small.networks.cnn_s",
        "bruintjes2023.quick.small.networks.vit_s.heads",
    ],
)
def test_a_record_needs_all_of_its_keys(key: str) -> None:
    assert f"params.yaml: {key} is missing; add it" in refused(edited(key, dict.pop))


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("bruintjes2023.quick.small.networks.vit_s", {"kind": "vit", "depth": 3, "width": 16, "heads": 3}, "3 heads"),
        ("bruintjes2023.smoke.small.networks.vit_l.depth", 2, "greater than or equal to 3"),
        ("bruintjes2023.smoke.evaluation.shifts", [1, 32], "nothing of an image of 32 pixels; lower 32"),
        ("bruintjes2023.quick.imagenet.shifts", [1, 224], "nothing of an image of 224 pixels; lower 224"),
        ("bruintjes2023.controlled.cut", 5, "nothing of a filter of 5 pixels"),
        ("cross.max_shift", 16, "nothing of an image of 16 pixels"),
        ("huang2024.quick.canvas.max_shift", 21, "nothing of a digit on 28 pixels"),
        ("huang2024.cloning.measured.shifts", [1, 2, 4], "nothing of maps of 4 pixels"),
        ("huang2024.quick.mixers.measured.shifts", [1, 3], "raise it to 6"),
        ("moskalev2023.data_set.pad", 5, "38 pixels, which T3 cannot move by thirds"),
        ("moskalev2023.data_set.dropped_class", 3, "input should be 9"),
        ("moskalev2023.tsne.perplexity", 160.0, "4 times 40 evaluation.latent_images"),
        ("bokman2023.resnet.small.sizes", [33, 32], "an even number and then an odd one"),
        ("nix2022.lemma1.shift", 7, "has no teacher: shifts are [0, 10, 20, 30, 40]"),
        ("nix2022.full.search.seeds", 6, "more than the 5 of seeds"),
        ("nix2022.quick.images.settings.cnn_mlp.ablation.seeds", 3, "more than the 2 of images.seeds"),
        ("nix2022.quick.images.settings.cnn_mlp.ablation", None, "needed for Table 6"),
        ("nix2022.methods.kd.images", None, "needed for Tables 1 and 2"),
        ("nix2022.images.validation", 1e-6, "leaves 0 of MNIST's 60,000 images"),
    ],
)
def test_what_does_not_fit_together_is_told(key: str, value: Any, told: str) -> None:
    message = refused(changed(key, value))
    shown = "" if isinstance(value, dict) else f" = {value!r}"
    named = {"huang2024.quick.mixers.measured.shifts": "huang2024.quick.mixers.size.t2 = 5"}.get(key, f"{key}{shown}")
    assert message.startswith(f"params.yaml: {named}")
    assert told in message


@pytest.mark.parametrize(
    ("key", "most"),
    [
        ("nix2022.lemma1.signals", 1000),
        ("nix2022.quick.images.settings.cnn_mlp.teacher.images", 54_000),
        ("nix2022.quick.images.settings.cnn_mlp.methods.rdl.images", 54_000),
        ("nix2022.quick.images.settings.cnn_mlp.ablation.orbit.valid", 6000),
        ("nix2022.smoke.images.settings.gcnn_mlp.student.valid", 6000),
        ("nix2022.full.images.settings.resnet_vit.test_images.student", 10_000),
        ("moskalev2023.data_set.test", 51_000),
        ("moskalev2023.quick.validation_images", 2000),
        ("moskalev2023.quick.tuning.images", 2000),
        ("moskalev2023.quick.evaluation.saliency_images", 4000),
        ("moskalev2023.full.evaluation.drift_images", 50_000),
        ("huang2024.quick.test_images", 10_000),
        ("huang2024.quick.tasks.breaking.mlp.images", 59_000),
        ("huang2024.smoke.tasks.validation", 59_999),
        ("bruintjes2023.quick.evaluation.images", 5953),
        ("bruintjes2023.full.mnist6.training.images", 35_566),
        ("bruintjes2023.full.mnist6.training.validation", 5953),
        ("bruintjes2023.quick.cifar10.training.images", 50_000),
        ("bruintjes2023.quick.small.training.validation", 10_000),
        ("bruintjes2023.quick.imagenet.images", 50_000),
        ("bokman2023.quick.vgg.training.images", 50_000),
        ("bokman2023.quick.vgg.training.validation_images", 10_000),
        ("bokman2023.full.vgg.merging.calibration_images", 50_000),
        ("bokman2023.quick.resnet.small.calibration_images", 8000),
        ("cross.quick.digits.images", 10_000),
        ("cross.quick.photographs.layer_images", 500),
    ],
)
def test_no_more_images_than_there_are(key: str, most: int) -> None:
    config.checked(changed(key, most if key != "huang2024.smoke.tasks.validation" else 59_960))
    message = refused(changed(key, most + 1))
    assert message.startswith(f"params.yaml: {key} = {most + 1} ")
    assert "; lower" in message


# ---- how values are read ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "value"), [("1e-3", 1e-3), ("1.0e-3", 1e-3), ("1", 1.0), (".5", 0.5)])
def test_numbers_are_numbers_however_they_are_written(text: str, value: float, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    committed = (ROOT / "params.yaml").read_text()
    assert committed.index("temperature: 1.0") > committed.index("    kd:")
    path.write_text(committed.replace("temperature: 1.0", f"temperature: {text}", 1))
    read = config.load("nix2022", path).methods["kd"].temperature
    assert read == value
    assert isinstance(read, float)  # an engine that stacks runs tells numbers by their type


def test_settings_are_frozen() -> None:
    cfg = config.load("nix2022")
    for block, name in ((cfg, "scale"), (cfg.optimiser, "decay"), (cfg.methods["kd"], "gamma")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(block, name, getattr(block, name))


# ---- every setting is used -------------------------------------------------------------------------------------------


def leaves(model: type[BaseModel], seen: frozenset[type] = frozenset()) -> Iterator[str]:
    """Names of all fields of all settings classes."""
    for name, info in model.model_fields.items():
        yield name
        todo: list[Any] = [info.annotation]
        while todo:
            annotation = todo.pop()
            todo += getattr(annotation, "__args__", ())
            if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in seen:
                yield from leaves(annotation, seen | {annotation})


def names_read() -> set[str]:
    """Attributes, string keys and parameters that occur in the code; a field's own declaration is none of these."""
    found: set[str] = set()
    for folder in ("src", "stages", "paper"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Attribute(attr=name, ctx=ast.Load()) | ast.arg(arg=name) | ast.Constant(value=str(name)):
                        found.add(name)
    return found


@pytest.mark.parametrize(
    ("paper", "some"),
    [
        ("nix2022", {"mirror", "resamples", "beta2", "plateau_rule", "patience", "equiv", "rotations"}),
        ("moskalev2023", {"mirror", "resamples", "beta2", "dropped_class", "sampling", "grid", "saliency_steps"}),
        ("huang2024", {"mirror", "resamples", "beta2", "images_are", "downsample", "iterations", "decoupled"}),
        ("bruintjes2023", {"mirror", "resamples", "match", "sigmas", "images"}),
        ("cross", {"mirror", "resamples", "saliency_steps", "max_shift", "calibration_images"}),
        (
            "bokman2023",
            {"resamples", "draws", "cells", "corr_eps", "late_start", "bfloat16", "least_area", "notebook_resize"},
        ),
    ],
)
def test_every_setting_is_used_somewhere(paper: str, some: set[str]) -> None:
    names = set(leaves(config.schema(paper)))
    assert some < names  # the walk is whole
    assert not names - names_read()
