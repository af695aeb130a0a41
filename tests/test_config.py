"""``params.yaml``: what is committed is right at every scale, and what is wrong is told with its key and the mend."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML

from learned_symmetry import config
from learned_symmetry.errors import UserError

ROOT = Path(__file__).parents[1]


def edited(tmp_path: Path, key: str, edit: Callable[[dict[str, Any], str], Any]) -> Path:
    """A copy of the committed file after ``edit(block, name)`` of the block that holds `key` (dotted)."""
    yaml = YAML(typ="safe")
    raw = block = yaml.load((ROOT / "params.yaml").read_text())
    *parents, name = key.split(".")
    for parent in parents:
        block = block[parent]
    edit(block, name)
    path = tmp_path / "params.yaml"
    with path.open("w") as file:
        yaml.dump(raw, file)
    return path


def changed(tmp_path: Path, key: str, value: Any) -> Path:
    return edited(tmp_path, key, lambda block, name: block.update({name: value}))


def refused(path: Path) -> str:
    """What `check`, the pipeline's first stage, says of the file; one line that names it."""
    with pytest.raises(UserError) as told:
        config.check(path)
    message = str(told.value).replace(str(path), "params.yaml")
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


def test_a_scale_lies_over_the_shared_values(tmp_path: Path) -> None:
    raw = config.read()["nix2022"]
    for scale in config.SCALES:
        cfg = config.load("nix2022", scale=scale)
        assert cfg.seeds == raw[scale]["seeds"]
        assert cfg.schedules.teacher.steps == raw[scale]["schedules"]["teacher"]["steps"]
        assert cfg.search.methods == raw[scale]["search"]["methods"]  # a block in both: the scale's keys ...
        assert (cfg.search.shift, cfg.search.head) == (raw["search"]["shift"], raw["search"]["head"])  # ... and shared
        assert cfg.methods["kd"].linear.temperature == raw["methods"]["kd"]["linear"]["temperature"]
    path = changed(tmp_path, "nix2022.full.search.shift", 20)
    assert config.load("nix2022", path, "full").search.shift == 20
    assert config.load("nix2022", path, "quick").search.shift == raw["search"]["shift"]


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
def test_an_unknown_key_is_told_with_the_nearest(key: str, wrong: str, how: str, tmp_path: Path) -> None:
    def edit(block: dict[str, Any], name: str) -> None:
        block[wrong] = block.pop(name) if how == "misspelt" else block[name]

    message, right = refused(edited(tmp_path, key, edit)), key.rpartition(".")[2]
    assert wrong in message
    assert right in message


@pytest.mark.parametrize("key", ["scale", "data", "engine", "report"])
def test_what_all_papers_share_is_no_key_of_a_paper(key: str, tmp_path: Path) -> None:
    """Or ``nix2022.scale: full`` would call the quick run a full one."""
    value = "full" if key == "scale" else config.read()[key]
    assert f"nix2022.{key}" in refused(changed(tmp_path, f"nix2022.{key}", value))


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
def test_a_wrong_type_is_told_with_its_value(key: str, value: Any, tmp_path: Path) -> None:
    message = refused(changed(tmp_path, key, value))
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
def test_a_value_out_of_range_is_told(key: str, value: Any, tmp_path: Path) -> None:
    message = refused(changed(tmp_path, key, value))
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
def test_a_missing_key_is_told(key: str, tmp_path: Path) -> None:
    message = refused(edited(tmp_path, key, dict.pop))
    assert key.rpartition(".")[2] in message
    assert "missing" in message


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        (
            "moskalev2023.quick.tuning.grid.T3",
            {"LI": [1.0], "DI": [1.0]},
            "quick.tuning.grid.T3 has no weights for NLI",
        ),
        ("moskalev2023.full.tuning.grid", {"R4": {"LI": [1.0], "DI": [1.0], "NLI": [1.0]}}, "grid has no T3"),
        ("moskalev2023.quick.schedules", {"WT": {"epochs": 1, "batch": 1, "evaluate_every": 1, "lr": None}}, "no DA"),
        ("moskalev2023.drift.betas", [0.0, 0.5, 1.0], "drift.betas must hold 0.2"),
        ("moskalev2023.saliency.kernel", 4, "saliency.kernel = 4 must be odd"),
    ],
)
def test_what_moskalev2023_checks_itself(key: str, value: Any, told: str, tmp_path: Path) -> None:
    assert told in refused(changed(tmp_path, key, value))


def test_a_key_that_one_scale_lacks_is_told_with_that_scale(tmp_path: Path) -> None:
    assert "nix2022.smoke.shifts is missing" in refused(edited(tmp_path, "nix2022.smoke.shifts", dict.pop))


@pytest.mark.parametrize("value", ["quik", "Full", 3, None, ["quick"]])
def test_a_scale_that_is_none(value: Any, tmp_path: Path) -> None:
    message = refused(changed(tmp_path, "scale", value))
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


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "missing" in refused(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("huang2024.quick.canvas.c4_pad", 0, "raise canvas.c4_pad"),
        ("huang2024.full.canvas.min_right", 11, "canvas.min_right is larger"),
        ("huang2024.cloning.blocks", [9, 8], "needs 9, 8 and 7"),
        ("huang2024.cloning.images_are", "share", "'shared' or 'each'"),
    ],
)
def test_sizes_of_huang2024_must_fit_together(key: str, value: Any, told: str, tmp_path: Path) -> None:
    assert told in refused(changed(tmp_path, key, value))


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
