"""``params.yaml`` -> frozen, typed, closed settings.

``load("nix2022")`` takes the paper's shared values, lays the block of the current scale over them, and checks every
key, type and range. Nothing is left to a default: a key too many or too few stops the run with one sentence.
"""

from __future__ import annotations

import difflib
import importlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

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
    """Closed (no unknown keys), frozen, strictly typed (`"0.1"` is not a number), and without infinities or NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


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


Misfit = tuple[str, str]  # a paper's key, dotted, and what is wrong with its value and the mend


class Settings(Strict):
    """What every paper's settings have."""

    scale: Scale
    data: Data
    engine: Engine
    report: Report

    def misfits(self) -> Iterator[Misfit]:
        """Values that are right each by itself, but do not fit each other or the data; for the first stage."""
        return iter(())

    def at(self, key: str) -> Any:
        """The value of a dotted key."""
        value: Any = self
        for part in key.split("."):
            value = value[part] if isinstance(value, dict) else getattr(value, part)
        return value

    def over(self, most: int, things: str, *keys: str) -> Iterator[Misfit]:
        """Those of `keys` that ask for more than there are; null asks for all."""
        for key in keys:
            value = self.at(key)
            if value is not None and value > most:
                yield key, f"is more than the {most:,} {things}; lower it"


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
    return settled(read(path), paper, path, scale)


def settled(raw: dict[str, Any], paper: str, path: Path = PARAMS, scale: str | None = None) -> Any:
    """`load` from the raw mapping that was read from `path`."""
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
        raise UserError(_told(error, raw, merged, paper, path, scale)) from None


def check(path: Path = PARAMS) -> None:
    """Check every paper at every scale, so that a typo stops the pipeline before any stage lost its old outputs."""
    checked(read(path), path)


def checked(raw: dict[str, Any], path: Path = PARAMS, papers: Iterable[str] = PAPERS) -> None:
    """`check` of the raw mapping that was read from `path`."""
    for paper in papers:
        settled(raw, paper, path)
        for scale in SCALES:
            cfg = settled(raw, paper, path, scale)
            for key, why in cfg.misfits():
                value = cfg.at(key)
                shown = "" if isinstance(value, dict | BaseModel) else f" = {value!r}"
                raise UserError(f"{path}: {_named(raw, paper, scale, key.split('.'))}{shown} {why}")


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


def _told(
    error: ValidationError, raw: dict[str, Any], merged: dict[str, Any], paper: str, path: Path, scale: str
) -> str:
    errors = error.errors()  # a misspelt key is missing too: its unknown spelling tells more
    first = next((e for e in errors if e["type"] in ("extra_forbidden", "unknown_key")), errors[0])
    kind, value, about = first["type"], first["input"], first.get("ctx", {})
    loc = _location(first["loc"], merged, last=kind == "missing")
    if kind in ("unknown_key", "missing_key"):
        loc = [*loc, about["key"]]
    where = f"{path}: {_named(raw, paper, scale, loc)}"
    missing = f"{where} is missing; add it (`git diff {path}` shows what was changed)"
    if kind == "unknown_key":
        return f"{where} is unknown{_nearest(str(loc[-1]), about['known'])}"
    if kind == "missing_key":
        return missing
    fields = _fields(schema(paper), loc[:-1])
    if kind == "extra_forbidden":
        return f"{where} = {value!r} is unknown{_nearest(str(loc[-1]), fields)}"
    if kind == "missing":
        others = [str(key) for key in value if key not in fields]
        for wrong in difflib.get_close_matches(str(loc[-1]), others, n=1, cutoff=0.5):
            where = f"{path}: {_named(raw, paper, scale, [*loc[:-1], wrong])}"
            return f"{where} = {value[wrong]!r} is unknown; did you mean {loc[-1]}?"
        return missing
    shown = "" if isinstance(value, dict) else f" = {value!r}"
    why = str(about["error"]) if kind == "value_error" else f"{first['msg'][0].lower()}{first['msg'][1:]}"
    return f"{where}{shown}: {why}; mend that value"


def _location(loc: Sequence[Any], merged: Any, *, last: bool) -> list[Any]:
    """`loc` without what pydantic adds to the keys, such as the tags of a union; the `last` one may be missing."""
    found, block = [], merged
    for place, part in enumerate(loc):
        inside = _inside(block, part)
        if inside or (last and place == len(loc) - 1):
            found.append(part)
        block = block[part] if inside else block
    return found


def _inside(block: Any, part: Any) -> bool:
    return part in block if isinstance(block, dict) else isinstance(block, list) and part in range(len(block))


def _named(raw: dict[str, Any], paper: str, scale: str, loc: Sequence[Any]) -> str:
    """The key as the file has it: with the scale where it stands in that block, or in that of another scale."""
    if loc[0] in ROOT:
        return ".".join(map(str, loc))
    blocks = [raw[paper][scale], raw[paper], *(raw[paper][name] for name in SCALES)]
    holder = next((block for block in blocks if len(_location(loc, block, last=False)) == len(loc)), raw[paper])
    return ".".join(map(str, [paper, *([] if holder is raw[paper] else [scale]), *loc]))


def _fields(annotation: Any, loc: Sequence[Any]) -> list[str]:
    """Names of the keys that are valid at `loc`, walking down the classes and mappings."""
    reached = _alternatives(annotation)
    for part in loc:
        reached = [end for start in reached for step in _below(start, part) for end in _alternatives(step)]
    return [name for model in reached if _is_model(model) for name in model.model_fields]


def _alternatives(annotation: Any) -> list[Any]:
    """The types that an annotation or a union stands for."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [found for each in get_args(annotation) for found in _alternatives(each)]
    return [annotation]


def _below(annotation: Any, part: Any) -> list[Any]:
    if _is_model(annotation):
        return [annotation.model_fields[part].annotation] if part in annotation.model_fields else []
    return [get_args(annotation)[-1]] if get_origin(annotation) in (dict, list) else []


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
