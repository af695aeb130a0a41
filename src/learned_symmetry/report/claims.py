"""Verdicts on a paper's claims, on the means over seeds and on bootstrap resamples of the seeds.

A claim *holds* when its predicate is true in at least 95 % of the resamples, *fails* when it is false in at least 95 %,
and is *undecided* between; it is *not run* while a metric is missing or was measured on stand-in data. Seeds are drawn
jointly: seed k shares data and teacher across methods, so one draw of indices serves all metrics with as many seeds,
and a difference that every seed shows stays a difference. With one seed all resamples are the same; `seeds` says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from learned_symmetry.report.measured import Measured, Metric, is_stand_in
from learned_symmetry.report.predicate import Array, Comparison, Predicate
from learned_symmetry.report.reference import Reference

SHARE = 0.95  # of the resamples, for a verdict; and the interval's coverage
Draws = dict[int, Array]  # number of seeds -> indices (resamples, seeds)


def evaluate(reference: Reference, measured: Measured, *, resamples: int, seed: int) -> list[dict[str, Any]]:
    """One verdict a claim, in the file's order; the same bytes for the same results, `resamples` and `seed`."""
    predicates = [Predicate(c["predicate"], f"{reference.path}: claim {c['id']}") for c in reference.claims]
    used = {metric for predicate in predicates for metric, _ in predicate.names.values()} & measured.metrics.keys()
    sizes = {len(measured.metrics[name]["values"]) for name in used}
    draws = {n: np.random.default_rng([seed, n]).integers(n, size=(resamples, n)) for n in sizes if n}
    return [_claim(c, p, measured, draws) for c, p in zip(reference.claims, predicates, strict=True)]


def _claim(claim: Mapping[str, Any], predicate: Predicate, measured: Measured, draws: Draws) -> dict[str, Any]:
    told: dict[str, Any] = {key: claim[key] for key in ("id", "statement", "predicate")}
    told |= {key: claim.get(key) for key in ("paper_value", "evidence", "required")}
    told |= {"verdict": "not run", "reason": None, "true_on_means": None, "share_true": None, "seeds": None}
    told |= {"missing": [], "comparisons": []}
    for written, (name, statistic) in predicate.names.items():
        if measured.metrics.get(name, {}).get(statistic) is None:
            told["missing"].append(written)
    if told["missing"]:
        stages = {measured.origin[name] for name, _ in predicate.names.values() if name in measured.origin}
        why = sorted({text for stage in stages for text in measured.provenance[stage].get("not_run", {}).values()})
        others = [f"and {len(why) - 1} more, listed by the stage's results (not_run)"] if len(why) > 1 else []
        return told | {"reason": "; ".join([f"missing: {', '.join(told['missing'])}", *why[:1], *others])}
    metrics = {name: measured.metrics[name] for name, _ in predicate.names.values()}
    stages = sorted({measured.origin[name] for name in metrics})
    values = {w: _resampled(metrics[name], statistic, draws) for w, (name, statistic) in predicate.names.items()}
    told["seeds"] = min((metric["n"] for metric in metrics.values()), default=None)
    valid = np.logical_and.reduce([np.isfinite(v) for v in values.values()])  # without draws of dropped runs alone
    true = np.broadcast_to(predicate(values), valid.shape)
    share = float(true[1:][valid[1:]].mean()) if valid[1:].any() else None
    told |= {"true_on_means": bool(true[0]), "share_true": share}
    told["comparisons"] = [_compared(c, values, valid, spread=told["seeds"] > 1) for c in predicate.comparisons]
    if stand_ins := [stage for stage in stages if is_stand_in(measured.provenance[stage])]:
        return told | {"reason": f"stand-in data: {', '.join(stand_ins)}"}
    return told | {"verdict": verdict(share)}


def verdict(share: float | None) -> str:
    """The word for the share of resamples in which a predicate is true."""
    if share is None or 1 - SHARE < share < SHARE:
        return "undecided"
    return "holds" if share >= SHARE else "fails"


def _resampled(metric: Metric, statistic: str, draws: Draws) -> Array:
    """The metric's statistic on all its seeds, then on each resample; NaN where a resample leaves too few runs."""
    kept = np.array([math.nan if value is None else value for value in metric["values"]])
    drawn = kept[draws[len(kept)]]  # (resamples, seeds)
    finite = np.isfinite(drawn)
    count = finite.sum(axis=1)
    drawn = np.where(finite, drawn, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        result = drawn.sum(axis=1) / count
        if statistic == "std":
            spread = np.where(finite, drawn - result[:, None], 0)
            result = np.sqrt(np.square(spread).sum(axis=1) / (count - 1))
    return np.concatenate([[metric[statistic]], result])


def _compared(comparison: Comparison, values: Mapping[str, Array], valid: Array, *, spread: bool) -> dict[str, Any]:
    with np.errstate(divide="ignore", invalid="ignore"):
        left, right = (np.broadcast_to(side(values), valid.shape) for side in (comparison.left, comparison.right))
        difference = (left - right)[1:][valid[1:]]
    interval = None
    if spread and difference.size and np.isfinite(difference).all():
        interval = [float(end) for end in np.quantile(difference, [(1 - SHARE) / 2, (1 + SHARE) / 2])]
    return {
        "text": comparison.text,
        "sign": comparison.sign,
        "left": _finite(left[0]),
        "right": _finite(right[0]),
        "constant": comparison.constant,
        "difference_interval": interval,
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
