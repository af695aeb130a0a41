"""The papers' claims beside ours, for README.md and ``paper/report/summary.md``.

Only committed results are read, and only those of the scales quick and full, so that the text is the same wherever it
is made: `render` in a test tells whether README.md still says what the results say.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from learned_symmetry import config
from learned_symmetry.errors import UserError
from learned_symmetry.report import papers
from learned_symmetry.report.artefact import artefact_path
from learned_symmetry.report.measured import Measured, measured
from learned_symmetry.results import read_result, result_path, wall_path, write_atomically

SCALES = ("quick", "full")  # smoke only tests the wiring
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
LEGEND = (
    "A claim *holds* when its predicate (`paper/reference/KEY.yaml`) is true in at least 95 % of bootstrap resamples of"
    " the seeds, *fails* when it is false in at least 95 %, and is *undecided* between. Ours is what the predicate"
    " compares with its threshold, or both its sides; in brackets the central 95 % of the resamples. Claims marked with"
    " a star are reported, not required."
)


def render(to_root: str = "") -> str:
    """The section in Markdown. `to_root` leads from where the text will stand to the repository's root."""
    return "\n\n".join([LEGEND, *(_paper(key, to_root) for key in papers.PAPERS)]) + "\n"


def rewrite(path: Path) -> None:
    """Put the section between the markers of `path`. Raises `UserError` when they are not there."""
    before, after = outside(path)
    write_atomically(path, f"{before}{BEGIN}\n\n{render()}\n{END}{after}".encode())


def outside(path: Path) -> tuple[str, str]:
    """What stands before and after the section in `path`."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `git checkout {path}` restores it") from None
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"{path} needs the lines {BEGIN} and {END}, in this order, around its results; put them back")
    return before, after


def _paper(key: str, to_root: str) -> str:
    paper = papers.of(key)
    scales = [scale for scale in SCALES if result_path(scale, key, "claims").exists()]
    if not scales:
        return f"### {paper.title}\n\nNo results yet; `make reproduce` makes them."
    claims = {scale: read_result(scale, key, "claims")["claims"] for scale in scales}
    parts = [f"### {paper.title}", _table(claims)]
    parts.append("\n".join(_facts(key, scale, claims[scale], to_root) for scale in scales))
    return "\n\n".join(parts + _artefacts(key, scales[-1], to_root))


def _table(claims: dict[str, list[dict[str, Any]]]) -> str:
    """One row a claim that any scale has; the newest wording of a claim is the largest scale's."""
    heads = ["claim", "", "paper", *(head for scale in claims for head in (f"ours, {scale}", "verdict"))]
    lines = [heads, [":--", ":--", ":--", *[":--"] * (2 * len(claims))]]
    by_id = {scale: {claim["id"]: claim for claim in listed} for scale, listed in claims.items()}
    newest = {id_: claim for listed in by_id.values() for id_, claim in listed.items()}
    for id_, claim in newest.items():
        row = [id_ + ("" if claim["required"] is not False else "\\*"), claim["statement"], _papers(claim)]
        for listed in by_id.values():
            row += [_ours(listed[id_]), _verdict(listed[id_])] if id_ in listed else ["", ""]
        lines.append([cell.replace("|", "\\|") for cell in row])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _papers(claim: dict[str, Any]) -> str:
    return "; ".join(part for part in (claim["paper_value"], claim["evidence"]) if part)


def _ours(claim: dict[str, Any]) -> str:
    told = {}  # a dict, because a chain a < b < c compares b twice
    for compared in claim["comparisons"]:
        left, right, interval = compared["left"], compared["right"], compared["difference_interval"]
        if compared["constant"] == "right":
            ends = [] if interval is None else [right + interval[0], right + interval[1]]
            told[_spread(left, ends)] = None
        elif compared["constant"] == "left":
            ends = [] if interval is None else [left - interval[1], left - interval[0]]
            told[_spread(right, ends)] = None
        else:
            told[f"{_number(left)} vs {_number(right)}"] = None
    return ", ".join(told)


def _spread(value: float | None, ends: list[float]) -> str:
    return _number(value) + (f" [{_number(ends[0])}, {_number(ends[1])}]" if ends else "")


def _verdict(claim: dict[str, Any]) -> str:
    if claim["verdict"] == "undecided" and claim["share_true"] is not None:
        return f"undecided (true in {100 * claim['share_true']:.0f} %)"
    if claim["verdict"] == "not run" and not claim["missing"]:
        return "not run (stand-in data)"
    return f"**{claim['verdict']}**" if claim["verdict"] in ("holds", "fails") else claim["verdict"]


def _number(value: float | None) -> str:
    if value is None:
        return "not finite"
    return f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.1e}"


def _facts(key: str, scale: str, claims: list[dict[str, Any]], to_root: str) -> str:
    results = measured(scale, key, papers.of(key).stages(config.load(key, scale=scale)), partial=True)
    counts = Counter(claim["verdict"] for claim in claims)
    words = {"holds": "hold", "fails": "fail", "undecided": "undecided", "not run": "not run"}
    verdicts = ", ".join(f"{counts[verdict]} {word}" for verdict, word in words.items())
    facts = ", ".join(f"{name}: {value}" for name, value in results.facts().items() if name != "scale")
    file = result_path(scale, key, "claims")
    return f"- **{scale}**: {verdicts} ([claims.json]({to_root}{file})); {facts}; {_wall(results):.0f} s in all."


def _wall(results: Measured) -> float:
    paths = (wall_path(results.scale, results.paper, stage) for stage in results.provenance)
    return sum(json.loads(path.read_text())["wall_seconds"] for path in paths if path.exists())


def _artefacts(key: str, scale: str, to_root: str) -> list[str]:
    """Figures as images, tables as links; an artefact that is not drawn yet is left out."""
    shown = []
    for name in papers.of(key).artefacts:
        png, svg, md, tex, numbers = (artefact_path(scale, key, name, s) for s in ("png", "svg", "md", "tex", "json"))
        if png.exists():
            shown.append(f"[![{key}/{name}, {scale}]({to_root}{png})]({to_root}{svg})")
        elif md.exists():
            links = f"[table]({to_root}{md}), [LaTeX]({to_root}{tex}), [numbers]({to_root}{numbers})"
            shown.append(f"{key}/{name}, {scale}: {links}")
    return shown
