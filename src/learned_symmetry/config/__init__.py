"""``params.yaml`` -> frozen, typed, closed settings.

``load("nix2022")`` takes the paper's shared values, lays the block of the current scale over them, and checks every
key, type and range. Nothing is left to a default: a key too many or too few stops the run with one sentence.
"""

from __future__ import annotations

import difflib
import importlib
from collections import Counter
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from learned_symmetry.errors import UserError

Scale = Literal["smoke", "quick", "full"]
SCALES: tuple[str, ...] = get_args(Scale)
PAPERS = {  # paper key -> the class in learned_symmetry.config.KEY
    "nix2022": "Nix2022",
    "moskalev2023": "Moskalev2023",
    "huang2024": "Huang2024",
    "bruintjes2023": "Bruintjes2023",
    "bokman2023": "Bokman2023",
    "cross": "Cross",
}
ROOT = ("scale", "data", "engine", "report")  # keys that all papers share
PARAMS = Path("params.yaml")


class Strict(BaseModel):
    """Closed (no unknown keys), frozen, and strictly typed (`"0.1"` is not a number)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Data(Strict):
    """Where public data may come from (`learned_symmetry.data.sources`)."""

    mirror: str | None = Field(description="folder with copies of the public files, searched before the network")
    imagenet: str | None = Field(description="folder with ImageNet's val and, to train on it, train")


class Engine(Strict):
    """How runs are trained; `learned_symmetry.fit`. Nothing here may change a result beyond rounding."""

    device: Literal["auto", "cpu", "cuda"]
    stack: Literal["auto", "always", "never"] = Field(description="train runs of one shape as one program")
    checkpoint_seconds: float = Field(ge=0, description="a killed stage loses at most this much work")


class Report(Strict):
    """How verdicts are reached; `learned_symmetry.report.claims`."""

    resamples: int = Field(ge=100, description="bootstrap resamples over seeds")
    seed: int = Field(ge=0)


class Settings(Strict):
    """What every paper's settings have."""

    scale: Scale
    data: Data
    engine: Engine
    report: Report

    def verify(self) -> None:
        """Checks that need more than this file, for the pipeline's first stage; raises `UserError`."""


Paper = TypeVar("Paper", bound=Settings)


def schema(paper: str) -> type[Settings]:
    """The settings class of a paper."""
    return getattr(importlib.import_module(f"learned_symmetry.config.{paper}"), PAPERS[paper])


def read(path: Path = PARAMS) -> dict[str, Any]:
    """The raw mapping, by the parser that DVC uses (YAML 1.2: 1e-3 is a number)."""
    try:
        raw = YAML(typ="safe").load(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run from the repository's root or `git checkout {path}`") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not valid YAML, nor text in UTF-8; `git checkout {path}` restores it") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise UserError(
            f"{path}{where} is not valid YAML ({getattr(error, 'problem', error)}); mend it there"
        ) from None
    if not isinstance(raw, dict):
        raise UserError(f"{path} must be a mapping of keys to values; `git checkout {path}` restores it")
    return raw


def load(paper: str, path: Path = PARAMS, scale: str | None = None) -> Any:
    """Settings of `paper` at the file's scale (or at `scale`). Raises `UserError` naming key, value and the mend."""
    raw = read(path)
    known = {*ROOT, *PAPERS}
    _same_keys(raw, known, str(path), "")
    scale = raw["scale"] if scale is None else scale
    if scale not in SCALES:
        raise UserError(f"{path}: scale: {scale!r} is none of {', '.join(SCALES)}{_nearest(str(scale), SCALES)}")
    section = raw[paper]
    if not isinstance(section, dict):
        raise UserError(f"{path}: {paper} must be a mapping of keys to values")
    blocks = {name: section.get(name) for name in SCALES}
    for name, block in blocks.items():
        if not isinstance(block, dict):
            raise UserError(f"{path}: {paper}.{name} is missing or not a mapping; each scale needs a block")
    counts = Counter(key for block in blocks.values() for key in block)
    usual = {key for key, count in counts.items() if count > len(SCALES) / 2}
    for name, block in blocks.items():
        _same_keys(block, usual, str(path), f"{paper}.{name}.")
    for key in ROOT:
        if key in section or key in usual:
            raise UserError(f"{path}: {paper}.{key} is unknown; {key} is set once for all papers, at the top")
    shared = {key: value for key, value in section.items() if key not in SCALES}
    merged = {**raw, "scale": scale, **_laid_over(shared, blocks[scale])}
    merged = {key: value for key, value in merged.items() if key not in PAPERS}
    try:
        return schema(paper).model_validate(merged)
    except ValidationError as error:
        raise UserError(_told(error, schema(paper), path, paper, blocks[scale])) from None


def check(path: Path = PARAMS) -> None:
    """Check every paper at every scale, so that a typo stops the pipeline before any stage lost its old outputs."""
    for paper in PAPERS:
        load(paper, path)
        for scale in SCALES:
            load(paper, path, scale).verify()


def _laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(below.get(key), dict)
        merged[key] = _laid_over(below[key], value) if both else value
    return merged


def _same_keys(have: dict[str, Any], want: set[str], path: str, prefix: str) -> None:
    for key in have:
        if key not in want:
            raise UserError(f"{path}: {prefix}{key} is unknown{_nearest(str(key), want - have.keys() or want)}")
    for key in sorted(want - have.keys()):
        raise UserError(f"{path}: {prefix}{key} is missing; add it (`git diff {path}` shows what was changed)")


def _nearest(key: str, among: Any) -> str:
    match = difflib.get_close_matches(key, [str(name) for name in among], n=1, cutoff=0.5)
    return f"; did you mean {match[0]}?" if match else f"; known are {', '.join(sorted(map(str, among)))}"


def _told(error: ValidationError, model: type[BaseModel], path: Path, paper: str, block: dict[str, Any]) -> str:
    errors = error.errors()  # a misspelt key is missing too: its unknown spelling tells more
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    loc = [str(part) for part in first["loc"]]
    shared = loc[0] in ROOT
    base = "" if shared else f"{paper}."
    where = f"{path}: {base}{'.'.join(loc)}"
    if not shared and loc[0] in block:
        where += " (in the scale's block)"
    if first["type"] == "extra_forbidden":
        return f"{where} = {first['input']!r} is unknown{_nearest(loc[-1], _fields(model, first['loc'][:-1]))}"
    if first["type"] == "missing":
        others = [key for key in first["input"] if key not in _fields(model, first["loc"][:-1])]
        for wrong in difflib.get_close_matches(loc[-1], map(str, others), n=1, cutoff=0.5):
            where = f"{path}: {base}{'.'.join([*loc[:-1], wrong])}"
            return f"{where} = {first['input'][wrong]!r} is unknown; did you mean {loc[-1]}?"
        return f"{where} is missing; add it (`git diff {path}` shows what was changed)"
    return f"{where} = {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}; mend that value"


def _fields(annotation: Any, loc: tuple[Any, ...]) -> list[str]:
    """Names of the keys that are valid at `loc`, walking down the classes and mappings."""
    for part in loc:
        if _is_model(annotation) and part in annotation.model_fields:
            annotation = annotation.model_fields[part].annotation
        elif get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
        else:
            return []
    return list(annotation.model_fields) if _is_model(annotation) else []


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
