"""Predicates of claims, read with `ast` and worked out on whole arrays; nothing is ever passed to ``eval``.

A predicate is a truth value over metrics (design of ``paper/reference/KEY.yaml``): numbers, metric names
(``fig2.none.s0_seen``, with ``.mean`` understood, or ``.std``), ``+ - * /``, comparisons (also chained), ``and``,
``or``, ``not``, ``abs(x)``, ``min`` and ``max`` of several numbers, ``mean`` of a list, ``spearman`` of two lists and
``all`` of a list of truth values.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from learned_symmetry.errors import UserError

Array = np.ndarray
Values = Mapping[str, Array]  # metric name as written -> one value a resample
Function = Callable[[Values], Array]

ARITHMETIC = {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide}
COMPARISON = {
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
}
SUFFIXES = ("mean", "std")


@dataclass(frozen=True)
class Comparison:
    """One ``left sign right`` of a predicate; a chain ``a < b < c`` has two."""

    text: str
    sign: str
    left: Function
    right: Function
    constant: str | None  # the side, "left" or "right", that holds no metric: a threshold


@dataclass
class Predicate:
    """A predicate that was read: call it with a value (or an array of values) a name."""

    text: str
    where: str  # file and claim, for messages
    names: dict[str, tuple[str, str]] = field(default_factory=dict)  # as written -> metric, "mean" or "std"
    comparisons: list[Comparison] = field(default_factory=list)

    def __post_init__(self) -> None:
        try:
            tree = ast.parse(self.text.strip(), mode="eval")
        except SyntaxError as error:
            raise UserError(f"{self.where}: its predicate is no expression ({error.msg}); mend it there") from None
        self._function = self._truth(tree.body)
        if not self.names:
            raise UserError(f"{self.where}: its predicate names no metric; mend it there")

    def __call__(self, values: Values) -> Array:
        """True or false a resample. Division by zero gives infinity or NaN, and a comparison with NaN is false."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._function(values)

    def _truth(self, node: ast.expr) -> Function:
        match node:
            case ast.BoolOp(op=op, values=parts):
                reduce = np.logical_and.reduce if isinstance(op, ast.And) else np.logical_or.reduce
                return _over([self._truth(part) for part in parts], reduce)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self._truth(operand)
                return lambda values: np.logical_not(inner(values))
            case ast.Compare(left=left, ops=ops, comparators=rights) if all(type(op) in COMPARISON for op in ops):
                pairs = zip([left, *rights[:-1]], ops, rights, strict=True)  # a < b < c is a < b and b < c
                return _over([self._comparison(*pair) for pair in pairs], np.logical_and.reduce)
            case ast.Call(func=ast.Name(id="all"), args=[ast.List(elts=parts)], keywords=[]) if parts:
                return _over([self._truth(part) for part in parts], np.logical_and.reduce)
        raise self._unknown(node, "a truth value (a comparison, `and`, `or`, `not`, `all([...])`)")

    def _comparison(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Function:
        sign, compare = COMPARISON[type(op)]
        constant = None if _measured(left) and _measured(right) else "right" if _measured(left) else "left"
        first, second = self._number(left), self._number(right)
        text = f"{ast.unparse(left)} {sign} {ast.unparse(right)}"
        self.comparisons.append(Comparison(text, sign, first, second, constant))
        return lambda values: compare(first(values), second(values))

    def _number(self, node: ast.expr) -> Function:
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                constant = np.float64(number)
                return lambda values: constant
            case ast.Attribute():
                return self._metric(node)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self._number(operand)
                return lambda values: -inner(values)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
                work, first, second = ARITHMETIC[type(op)], self._number(left), self._number(right)
                return lambda values: work(first(values), second(values))
            case ast.Call(func=ast.Name(id="abs"), args=[argument], keywords=[]):
                inner = self._number(argument)
                return lambda values: np.abs(inner(values))
            case ast.Call(func=ast.Name(id="min" | "max" as name), args=[_, _, *_] as arguments, keywords=[]):
                reduce = np.minimum.reduce if name == "min" else np.maximum.reduce
                return _over([self._number(argument) for argument in arguments], reduce)
            case ast.Call(func=ast.Name(id="mean"), args=[ast.List(elts=parts)], keywords=[]) if parts:
                return _over([self._number(part) for part in parts], lambda stacked: stacked.mean(axis=0))
            case ast.Call(func=ast.Name(id="spearman"), args=[ast.List(elts=a), ast.List(elts=b)], keywords=[]) if (
                len(a) == len(b) > 1
            ):
                both, k = _stack([self._number(part) for part in (*a, *b)]), len(a)
                return lambda values: spearman(both(values)[:k], both(values)[k:])
        raise self._unknown(node, "a number (a metric, + - * /, abs, min, max, mean([...]), spearman([...], [...]))")

    def _metric(self, node: ast.expr) -> Function:
        parts: list[str] = []
        inner = node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            raise self._unknown(node, "a metric's name")
        parts = [inner.id, *reversed(parts)]
        written = ".".join(parts)
        statistic = parts.pop() if parts[-1] in SUFFIXES else "mean"
        self.names[written] = (".".join(parts), statistic)
        return lambda values: values[written]

    def _unknown(self, node: ast.expr, wanted: str) -> UserError:
        return UserError(f"{self.where}: {ast.unparse(node)!r} in its predicate is not {wanted}; mend it there")


def metrics_of(text: str) -> list[str]:
    """The metrics that a predicate names, each once, in its order."""
    return list(dict.fromkeys(name for name, _ in Predicate(text, text).names.values()))


def spearman(a: Array, b: Array) -> Array:
    """Spearman's rank correlation of a and b (k, ...) over the first axis, ties by average rank; NaN without spread."""
    ranks = [_ranks(a), _ranks(b)]
    first, second = (rank - rank.mean(axis=0) for rank in ranks)
    return (first * second).sum(0) / np.sqrt(np.square(first).sum(0) * np.square(second).sum(0))


def _ranks(x: Array) -> Array:
    below = (x[None] < x[:, None]).sum(axis=1)  # (k, k, ...) -> (k, ...)
    return below + ((x[None] == x[:, None]).sum(axis=1) + 1) / 2


def _measured(side: ast.expr) -> bool:
    return any(isinstance(part, ast.Attribute) for part in ast.walk(side))


def _stack(functions: list[Function]) -> Function:
    return lambda values: np.stack(np.broadcast_arrays(*(function(values) for function in functions)))


def _over(functions: list[Function], reduce: Callable[[Array], Array]) -> Function:
    stack = _stack(functions)
    return lambda values: reduce(stack(values))
