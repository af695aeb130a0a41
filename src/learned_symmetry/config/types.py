"""Types of lists and mappings in all papers' settings: what may not be there twice, and which keys there are."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

Key, Value = TypeVar("Key"), TypeVar("Value")


def _distinct(name: Callable[[Any], str]) -> AfterValidator:
    def check(values: list[Any]) -> list[Any]:
        named: dict[str, Any] = {}
        for value in values:
            if name(value) in named:
                other = named[name(value)]
                twice = f"{value!r} is there twice"
                raise ValueError(twice if value == other else f"results have one name for {other!r} and {value!r}")
            named[name(value)] = value
        return values

    return AfterValidator(check)


# What runs, metrics or measured points are made of, one each; floats are told apart as names of runs have them
Distinct = _distinct(lambda value: f"{value:g}" if isinstance(value, float) else str(value))
DistinctHundredths = _distinct(lambda share: f"{100 * share:03.0f}")


@dataclass(frozen=True)
class Keys:
    """Which keys a mapping may have, and whether it needs them all; told before its values are looked at.

    They are those of the mapping's Literal, unless `known` gives them.
    """

    known: Callable[[], Collection[str]] | None = None
    whole: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        literal = get_args(get_args(source)[0])

        def check(mapping: Any) -> Any:
            if isinstance(mapping, dict):
                known = list(self.known() if self.known else literal)
                for key in mapping:
                    if key not in known:
                        raise PydanticCustomError("unknown_key", "a key is unknown", {"key": key, "known": known})
                for key in known if self.whole else ():
                    if key not in mapping:
                        raise PydanticCustomError("missing_key", "a key is missing", {"key": key})
            return mapping

        return core_schema.no_info_before_validator_function(check, handler(source))


Record = Annotated[dict[Key, Value], Keys(whole=True)]  # by a Literal, all of whose values code asks for
Some = Annotated[dict[Key, Value], Keys()]  # by a Literal, some of whose values may be left out
