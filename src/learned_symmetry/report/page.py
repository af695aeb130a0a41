"""The page: every table, figure and claim of every paper beside ours, in one HTML file that needs nothing else.

What it shows comes from `learned_symmetry.report.papers` and from files: results, artefacts, the papers' numbers, notes
and the pipeline. Each number carries its metric's name; with the JSON that the page holds, its script leads from there
to the values of the seeds, the stage, its parameters, the command and the runs in MLflow.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from pydantic import Field

from learned_symmetry import config
from learned_symmetry.errors import UserError
from learned_symmetry.report import papers, pipeline, reference, summary
from learned_symmetry.report.artefact import artefact_path
from learned_symmetry.report.predicate import metrics_of
from learned_symmetry.report.summary import Outcome
from learned_symmetry.results import Shape, read_json, read_result, result_digest, result_path

NOTES = Path("paper/notes")
TEMPLATES = Path(__file__).parent / "templates"


class DrawnShape(Shape):
    """What stands in the JSON of every artefact, as `learned_symmetry.report.artefact` writes it."""

    artefact: str


class CellShape(Shape):
    metric: str | None
    shown: Annotated[list[str], Field(min_length=2, max_length=2)]


class RowShape(Shape):
    labels: list[str]
    cells: list[CellShape]


class TableShape(DrawnShape):
    about: list[str]
    heads: list[str]
    columns: list[str]
    rows: list[RowShape]


class Notes(MarkdownIt):
    """Markdown without HTML of its own; links lead to the web or along a path, and an image is one more link."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False})
        self.enable("table").disable("image")

    def validateLink(self, url: str) -> bool:
        return re.match(r"https?://|(?!//)[^:]*(?:[/?#]|$)", url, re.IGNORECASE) is not None

    def parse(self, src: str, env: Any = None) -> list[Token]:
        """As ever, but columns are aligned by a class of the page, whose policy allows no style in an element."""
        tokens = super().parse(src, env)
        for token in tokens:
            if token.attrs.pop("style", None) == "text-align:right":
                token.attrSet("class", "r")
        return tokens


MARKDOWN = Notes()


def render() -> str:
    """The page's HTML; the same bytes from the same files."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "markdown": lambda text: Markup(MARKDOWN.render(text)),
        "inline": lambda text: Markup(MARKDOWN.renderInline(text)),
        "json": _embedded,
        "duration": summary.duration,
        "number": summary.number,
        "sum_values": lambda values: sum(values.values()),
    }
    pipelines = {scale: pipeline.stages(scale) for scale in summary.SCALES}
    shown = [_paper(key, pipelines) for key in papers.PAPERS]
    script, style = ((TEMPLATES / name).read_text() for name in ("page.js", "page.css"))
    return environment.get_template("page.html").render(
        papers=shown,
        verdicts=summary.VERDICTS,
        summary=summary,
        script=Markup(script),
        style=Markup(style),
        policy=_policy(script, style),
    )


def _policy(script: str, style: str) -> str:
    """The page's Content-Security-Policy: its own script and style by their digests, images in it, and nothing else."""
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style))
    allowed = "script-src 'sha256-{}'; style-src 'sha256-{}'".format(*digests)
    return f"default-src 'none'; {allowed}; img-src data:; base-uri 'none'; form-action 'none'"


def _paper(key: str, pipelines: dict[str, dict[str, pipeline.Stage]]) -> dict[str, Any]:
    found = summary.outcomes(key)
    notes = NOTES / f"{key}.md"
    return {
        "key": key,
        "about": papers.of(key),
        "outcomes": found,
        "claims": [_claim(claim, found) for claim in (summary.by_claim(found) or _unjudged(key)).values()],
        "artefacts": _artefacts(key, found, pipelines),
        "data": {outcome.scale: _data(outcome, pipelines[outcome.scale]) for outcome in found},
        "notes": notes.read_text().partition("\n")[2] if notes.exists() else "",  # without its title
    }


def _claim(claim: summary.Claim, found: list[Outcome]) -> dict[str, Any]:
    judged = [(outcome, outcome.claims[claim["id"]]) for outcome in found if claim["id"] in outcome.claims]
    return claim | {
        "paper": summary.the_papers(claim),
        "star": not summary.required(claim),
        "verdicts": sorted({listed["verdict"] for _, listed in judged} or {"not run"}),
        "judged": {outcome.scale: listed for outcome, listed in judged},
        "metrics": metrics_of(claim["predicate"]),
    }


def _unjudged(key: str) -> dict[str, summary.Claim]:
    """The claims of a paper without results."""
    return {c["id"]: {"paper_value": None, "evidence": None, "required": None} | c for c in reference.of(key).claims}


def _artefacts(key: str, found: list[Outcome], pipelines: dict[str, dict[str, pipeline.Stage]]) -> list[dict[str, Any]]:
    """Every artefact of a paper, as it was drawn at each scale; one that was not drawn has no scales."""
    listed = []
    for name in papers.of(key).artefacts:
        script = Path(f"paper/{key}/{name}.py")
        source = script.read_text()
        told = (ast.get_docstring(ast.parse(source)) or name).splitlines()[0].rstrip(".")
        title = told.removeprefix(f"{papers.of(key).short}, ")
        drawn = {}
        for outcome in found:
            files = {s: artefact_path(outcome.scale, key, name, s) for s in ("json", "svg", "md", "tex")}
            if files["json"].exists():
                drawn[outcome.scale] = _drawn(files, pipelines[outcome.scale])
        about = {"name": name, "title": title[:1].upper() + title[1:], "script": str(script), "source": source}
        listed.append(about | {"drawn": drawn})
    return listed


def _drawn(files: dict[str, Path], stages: dict[str, pipeline.Stage]) -> dict[str, Any]:
    """One artefact at one scale: the drawing or the table's rows, and what the page's script shows on request."""
    name, stage = _maker(files["json"], stages)
    target = pipeline.target(name, stage)
    again = f"run `dvc repro {target}`"
    drawing = files["svg"].exists()
    content = read_json(files["json"], DrawnShape if drawing else TableShape, f"delete it and {again}")
    kept = {"svg": None, "json": content, "target": target}
    if drawing:
        encoded = base64.b64encode(files["svg"].read_bytes()).decode()
        return kept | {"svg": f"data:image/svg+xml;base64,{encoded}", "caption": ""}  # its facts are drawn in it
    if absent := [str(files[kind]) for kind in ("md", "tex") if not files[kind].exists()]:
        raise UserError(f"{absent[0]} is missing; {again}")
    texts = {"markdown": files["md"].read_text(), "latex": files["tex"].read_text()}
    return kept | texts | {"caption": " ".join(content["about"])}


def _data(outcome: Outcome, stages: dict[str, pipeline.Stage]) -> dict[str, Any]:
    """Every metric and every stage of one paper at one scale, for the page's script."""
    known, raw = reference.of(outcome.paper).metrics, config.read()
    metrics = {
        name: {
            "values": metric["values"],
            "shown": [metric["mean"], metric["std"], metric["n"]],
            "stage": outcome.results.origin[name],
            "paper": [known[name].mean, known[name].std] if name in known else None,
        }
        for name, metric in outcome.results.metrics.items()
    }
    told = {}
    for short in outcome.results.provenance:
        path = result_path(outcome.scale, outcome.paper, short)
        result = read_result(outcome.scale, outcome.paper, short)
        name, stage = _maker(path, stages)
        told[short] = {
            "about": stage.get("desc", ""),
            "command": stage["cmd"],
            "target": pipeline.target(name, stage),
            "file": str(path),
            "seconds": outcome.seconds.get(short),
            "params": {key: pipeline.resolved(raw, key) for key in pipeline.parameters(stage)},
            "provenance": result["provenance"],
            "runs": [{k: run[k] for k in ("name", "seed", "params", "metrics")} for run in result["runs"]],
            "digest": result_digest(outcome.scale, outcome.paper, short),
        }
    return {"metrics": metrics, "stages": told}


def _maker(path: Path, stages: dict[str, pipeline.Stage]) -> tuple[str, pipeline.Stage]:
    """The stage of the pipeline that writes `path`."""
    for name, stage in stages.items():
        if pipeline.writes(stage, path):
            return name, stage
    raise UserError(f"{path} is no output of a stage in stages/*/dvc.yaml or paper/*/dvc.yaml; add it there")


def _embedded(content: Any) -> Markup:
    """JSON that may stand in a ``<script>`` element."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))
