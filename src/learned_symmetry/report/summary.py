"""What came out, in text: each claim's verdict beside the paper's numbers, for README.md, Markdown and LaTeX.

Only committed results are read, and only those of the scales quick and full, so that the text is the same wherever it
is made: `glance` in a test tells whether README.md still says what the results say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat

from learned_symmetry import config
from learned_symmetry.errors import UserError
from learned_symmetry.report import papers
from learned_symmetry.report.artefact import artefact_path, latex
from learned_symmetry.report.measured import Measured, measured
from learned_symmetry.results import Shape, read_made, read_wall, result_path, write_atomically

SCALES = ("quick", "full")  # smoke only tests the wiring
VERDICTS = ("holds", "fails", "undecided", "not run")
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
LEGEND = (
    "A claim *holds* when its predicate (`paper/reference/KEY.yaml`) is true in at least 95 % of bootstrap resamples of"
    " the seeds, *fails* when it is false in at least 95 %, and is *undecided* between; it is *not run* while a number"
    " is missing or was measured on stand-in data."
)
COLUMNS = (
    "Ours is what the predicate compares with its threshold, or both its sides; in brackets the central 95 % of the"
    " resamples. Claims marked with a star are reported, not required."
)
Claim = dict[str, Any]  # as `learned_symmetry.report.claims` writes it


class ComparisonShape(Shape):
    text: str
    left: FiniteFloat | None
    right: FiniteFloat | None
    constant: Literal["left", "right"] | None
    difference_interval: Annotated[list[FiniteFloat], Field(min_length=2, max_length=2)] | None


class ClaimShape(Shape):
    id: str
    statement: str
    predicate: str
    paper_value: str | None
    evidence: str | None
    required: bool | None
    verdict: Literal["holds", "fails", "undecided", "not run"]
    reason: str | None
    true_on_means: bool | None
    share_true: FiniteFloat | None
    seeds: int | None
    missing: list[str]
    comparisons: list[ComparisonShape]


class ClaimsShape(Shape):
    claims: list[ClaimShape]


@dataclass(frozen=True)
class Outcome:
    """One paper at one scale."""

    paper: str
    scale: str
    claims: dict[str, Claim]  # by id
    results: Measured
    seconds: dict[str, float]  # stage -> its wall time

    @property
    def counts(self) -> Counter[str]:
        return Counter(claim["verdict"] for claim in self.claims.values())

    @property
    def facts(self) -> dict[str, str]:
        """Seeds, data, device and how long all stages took; the scale is `scale`."""
        facts = {name: value for name, value in self.results.facts().items() if name != "scale"}
        return facts | {"time": duration(sum(self.seconds.values()))}


def outcomes(key: str) -> list[Outcome]:
    """What came out of a paper at each scale whose claims were judged."""
    found = []
    for scale in (scale for scale in SCALES if result_path(scale, key, "claims").exists()):
        claims = {claim["id"]: claim for claim in _judged(scale, key)}
        results = measured(scale, key, papers.of(key).stages(config.load(key, scale=scale)), partial=True)
        walls = {stage: read_wall(scale, key, stage) for stage in results.provenance}
        seconds = {stage: seconds for stage, seconds in walls.items() if seconds is not None}
        found.append(Outcome(key, scale, claims, results, seconds))
    return found


def _judged(scale: str, key: str) -> list[Claim]:
    return read_made(result_path(scale, key, "claims"), ClaimsShape, scale, key, "claims")["claims"]


def by_claim(found: Sequence[Outcome]) -> dict[str, Claim]:
    """Every claim that any scale has; the newest wording is the largest scale's."""
    return {id_: claim for outcome in found for id_, claim in outcome.claims.items()}


# ---- README.md -------------------------------------------------------------------------------------------------------


def glance() -> str:
    """The section of README.md: the papers' verdicts in numbers, and three figures."""
    heads = ["paper", "scale", *VERDICTS, "seeds", "time"]
    lines = [heads, [":--", ":--", *["--:"] * (len(heads) - 2)]]
    for key, paper in papers.PAPERS.items():
        name = f"[{paper.short}](paper/notes/{key}.md): {paper.question}"
        for outcome in outcomes(key):
            counts = [str(outcome.counts[verdict]) for verdict in VERDICTS]
            lines.append([name, outcome.scale, *counts, outcome.facts["seeds"], outcome.facts["time"]])
            name = ""  # once, above its scales
        if name:
            lines.append([name, "no results yet", *[""] * (len(heads) - 2)])
    figures = [shown for key, name in papers.HEADLINES if (shown := _figure(key, name))]
    return "\n\n".join([LEGEND, _markdown(lines), *figures]) + "\n"


def rewrite(path: Path) -> None:
    """Put the section between the markers of `path`. Raises `UserError` when they are not there."""
    before, after = outside(path)
    write_atomically(path, f"{before}{BEGIN}\n\n{glance()}\n{END}{after}".encode())


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


def _figure(key: str, name: str) -> str:
    """The figure at the largest scale that has it, as an image that leads to the vector drawing; else nothing."""
    for scale in reversed(SCALES):
        png, svg = (artefact_path(scale, key, name, suffix) for suffix in ("png", "svg"))
        if png.exists():
            return f"[![{key}/{name}, {scale}]({png})]({svg})"
    return ""


# ---- all claims, in Markdown and in LaTeX ----------------------------------------------------------------------------


def markdown(to_root: str) -> str:
    """Every claim of every paper. `to_root` leads from where the text will stand to the repository's root."""
    parts = [f"{LEGEND} {COLUMNS}"]
    for key, paper in papers.PAPERS.items():
        parts += [f"### {paper.title}", paper.question]
        found = outcomes(key)
        if not found:
            parts.append("No results yet; `make reproduce` makes them.")
            continue
        parts.append(_markdown(_claims(found, bold="**{}**".format, starred="{}\\*".format)))
        parts.append("\n".join(_facts(outcome, to_root) for outcome in found))
        parts += _links(key, found[-1].scale, to_root)
    return "\n\n".join(parts) + "\n"


def tables() -> str:
    """Every claim and every table in LaTeX (booktabs, longtable), ready for ``\\input``."""
    parts = ["% \\usepackage{booktabs,longtable}"]
    for key, paper in papers.PAPERS.items():
        if not (found := outcomes(key)):
            continue
        heads, _, *rows = _claims(found, bold=str, starred="{}*".format)
        widths = ["l", "p{0.3\\linewidth}", "p{0.15\\linewidth}", *["p{0.2\\linewidth}", "l"] * len(found)]
        title = latex(paper.title.replace("*", ""))
        body = [" & ".join(map(latex, row)) + r" \\" for row in (heads, *rows)]
        parts.append(
            "\n".join(
                [
                    rf"{{\footnotesize\begin{{longtable}}{{{''.join(widths)}}}",
                    rf"\caption{{{title}: claims.}}\label{{tab:{key}-claims}}\\",
                    r"\toprule",
                    body[0],
                    r"\midrule\endhead",
                    *body[1:],
                    r"\bottomrule",
                    r"\end{longtable}}",
                ]
            )
        )
        files = (artefact_path(found[-1].scale, key, name, "tex") for name in paper.artefacts)
        parts += [file.read_text().strip() for file in files if file.exists()]
    return "\n\n".join(parts) + "\n"


def _claims(found: Sequence[Outcome], *, bold: Callable[[str], str], starred: Callable[[str], str]) -> list[list[str]]:
    """Heads, alignment, and one row a claim."""
    heads = ["claim", "", "paper", *(head for outcome in found for head in (f"ours, {outcome.scale}", "verdict"))]
    lines = [heads, [":--"] * len(heads)]
    for id_, claim in by_claim(found).items():
        row = [id_ if required(claim) else starred(id_), claim["statement"], the_papers(claim)]
        for listed in (outcome.claims for outcome in found):
            row += [", ".join(ours(listed[id_])), _verdict(listed[id_], bold)] if id_ in listed else ["", ""]
        lines.append(row)
    return lines


def _markdown(lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _facts(outcome: Outcome, to_root: str) -> str:
    words = {"holds": "hold", "fails": "fail"}
    verdicts = ", ".join(f"{outcome.counts[verdict]} {words.get(verdict, verdict)}" for verdict in VERDICTS)
    facts = ", ".join(f"{name}: {value}" for name, value in outcome.facts.items())
    file = result_path(outcome.scale, outcome.paper, "claims")
    return f"- **{outcome.scale}**: {verdicts} ([claims.json]({to_root}{file})); {facts}."


def _links(key: str, scale: str, to_root: str) -> list[str]:
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


# ---- a claim's parts -------------------------------------------------------------------------------------------------


def required(claim: Claim) -> bool:
    """Whether a replication must show the claim; the others are only reported."""
    return claim["required"] is not False


def the_papers(claim: Claim) -> str:
    """The paper's value, and where it says so."""
    return "; ".join(part for part in (claim["paper_value"], claim["evidence"]) if part)


def ours(claim: Claim) -> list[str]:
    """What each comparison of the predicate compares, with the interval where one side is a threshold."""
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
            told[f"{number(left)} vs {number(right)}"] = None
    return list(told)


def because(claim: Claim) -> str:
    """What a verdict does not say by itself: how often an undecided claim is true, why one was not run."""
    if claim["verdict"] == "undecided" and claim["share_true"] is not None:
        return f"true in {100 * claim['share_true']:.0f} %"
    return "stand-in data" if claim["verdict"] == "not run" and not claim["missing"] else ""


def number(value: float | None) -> str:
    if value is None:
        return "not finite"
    return f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.1e}"


def duration(seconds: float) -> str:
    """``17 min 38 s``, ``1 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def _spread(value: float | None, ends: list[float]) -> str:
    return number(value) + (f" [{number(ends[0])}, {number(ends[1])}]" if ends else "")


def _verdict(claim: Claim, bold: Callable[[str], str]) -> str:
    verdict, reason = claim["verdict"], because(claim)
    return (bold(verdict) if verdict in ("holds", "fails") else verdict) + (f" ({reason})" if reason else "")
