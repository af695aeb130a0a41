"""A paper's own numbers and claims: ``paper/reference/KEY.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from learned_symmetry.errors import UserError

REFERENCE = Path("paper/reference")


@dataclass(frozen=True)
class Value:
    """What a paper prints under a metric's name; `std` where it prints one."""

    mean: float
    std: float | None = None


@dataclass(frozen=True)
class Reference:
    path: Path
    metrics: dict[str, Value]
    claims: list[dict[str, Any]]  # each with at least id, statement and predicate


def read(path: Path) -> Reference:
    """The reference file at `path`. Raises `UserError` when it is missing or not as its schema wants it."""
    try:
        raw = YAML(typ="safe").load(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `git checkout {path}` restores it") from None
    except YAMLError as error:
        raise UserError(f"{path} is not valid YAML ({getattr(error, 'problem', error)}); mend it there") from None
    for claim in raw["claims"]:
        if missing := {"id", "statement", "predicate"} - claim.keys():
            raise UserError(f"{path}: claim {claim.get('id', claim)} has no {', '.join(sorted(missing))}; add it there")
    return Reference(path, {name: _value(path, name, v) for name, v in raw["metrics"].items()}, raw["claims"])


def of(paper: str) -> Reference:
    """The reference of a paper, by its key."""
    return read(REFERENCE / f"{paper}.yaml")


def _value(path: Path, name: str, raw: Any) -> Value:
    if isinstance(raw, dict) and {"mean"} <= raw.keys() <= {"mean", "std"}:
        return Value(**raw)
    if isinstance(raw, int | float):
        return Value(raw)
    raise UserError(f"{path}: metrics: {name} is {raw!r}; write a number, or a mapping with mean and std")
