"""Ways to hand a teacher's properties to a student: one module a method, one signature, one table of names.

A method is a frozen dataclass whose number fields are its hyper-parameters; its ``losses`` are what a run minimises.
"""

from __future__ import annotations

import difflib
import importlib
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from learned_symmetry.errors import UserError

METHODS = {  # name -> class, in the module learned_symmetry.transfer.NAME
    "none": "NoTransfer",
    "kd": "KD",
    "dm": "DirectMatching",
    "attention": "Attention",
    "rdl": "RDL",
    "cka": "CKA",
    "orbit": "Orbit",
}
ORBIT_SEARCH = {"gamma", "equiv", "inv", "group"}  # Orbit's numbers, those of its first step included
POSITIVE = {"temperature", "exponent", "lr"}
TRAINING = {"lr", "weight_decay", "linear", "images"}  # keys of a block that are not the method's own


def method_class(name: str, where: str = "transfer.METHODS") -> Any:
    """The class of a method. Raises `UserError` for a name that is not in the table."""
    if name not in METHODS:
        near = difflib.get_close_matches(name, METHODS, n=1)
        mend = f"did you mean {near[0]}?" if near else f"known are {', '.join(METHODS)}"
        raise UserError(f"{where}: {name!r} is no transfer method; {mend}")
    return getattr(importlib.import_module(f"learned_symmetry.transfer.{name}"), METHODS[name])


def method(name: str, settings: Mapping[str, Any], where: str, **others: Any) -> Any:
    """The method with the hyper-parameters of a block of ``params.yaml``; keys in `TRAINING` are passed over.

    `others` are fields that no user sets, such as the layers that are compared.

    Raises `UserError` for an unknown method and for keys that the method does not have or that are missing.
    """
    given = {key: value for key, value in settings.items() if key not in TRAINING}
    check_keys(name, given, set(), where)
    for key, value in given.items():
        check_value(key, value, where)
    return method_class(name)(**given, **others)


def check_keys(name: str, given: Mapping[str, Any], others: set[str], where: str) -> None:
    """Whether `given` has just the number fields of the method `name`, and `others`; raises `UserError` if not."""
    made = method_class(name, f"params.yaml: {where}")
    wanted = others | (ORBIT_SEARCH if name == "orbit" else {f.name for f in fields(made) if not f.kw_only})
    for key in given.keys() - wanted:
        near = difflib.get_close_matches(key, wanted - given.keys() or wanted, n=1, cutoff=0.5)
        mend = f"did you mean {near[0]}?" if near else f"{name} has {', '.join(sorted(wanted))}"
        raise UserError(f"params.yaml: {where}.{key} is unknown; {mend}")
    for key in sorted(wanted - given.keys()):
        raise UserError(f"params.yaml: {where}.{key} is missing; add it")


def check_value(key: str, value: float, where: str) -> None:
    """Raises `UserError` for a hyper-parameter out of its range."""
    if not math.isfinite(value):
        raise UserError(f"params.yaml: {where}.{key} = {value} must be a finite number; mend that value")
    if key == "gamma" and not 0 <= value <= 1:
        raise UserError(f"params.yaml: {where}.{key} = {value} must be from 0 to 1; mend that value")
    if key in POSITIVE and not value > 0:
        raise UserError(f"params.yaml: {where}.{key} = {value} must be greater than 0; mend that value")
