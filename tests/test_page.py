"""The page of the committed results: everything is on it, its links resolve, and a number leads to what made it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from learned_symmetry.errors import UserError
from learned_symmetry.report import page, papers, pipeline, reference, summary
from learned_symmetry.report.artefact import artefact_path
from learned_symmetry.results import result_path
from tests.document import Document
from tests.synthetic import ROOT

TABLE = ("table", "thead", "tbody", "tr", "th", "td")  # elements


@pytest.fixture(scope="module")
def html() -> str:
    """The page of the committed results."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return page.render()


@pytest.fixture(scope="module")
def committed(html: str) -> Document:
    return Document(html)


def test_every_claim_and_every_artefact_is_on_the_page(committed: Document) -> None:
    for key, paper in papers.PAPERS.items():
        assert {f"{key}/{claim['id']}" for claim in reference.read(ROOT / f"paper/reference/{key}.yaml").claims} <= set(
            committed.ids
        )
        for name in paper.artefacts:
            assert f"{key}/{name}" in committed.ids
            if (ROOT / artefact_path("quick", key, name, "json")).exists():
                assert committed.json[f"artefact:{key}/quick/{name}"]["source"].startswith('"""')


def test_the_page_needs_nothing_else_and_its_links_resolve(committed: Document) -> None:
    assert len(committed.ids) == len(set(committed.ids))
    for tag, named in committed.elements:
        assert not named.get("src", "data:").startswith(("http", "/")), tag
        assert tag not in ("iframe", "object", "embed")
        if tag == "img":
            assert named["src"].startswith("data:image/svg+xml;base64,")
            assert named["alt"]
        if tag == "a" and named["href"].startswith("#"):
            assert named["href"][1:] in committed.ids
        elif tag in ("a", "link"):
            assert tag == "link", named["href"]


def test_a_number_leads_to_its_seeds_stage_parameters_and_runs(committed: Document) -> None:
    numbers = [named for _, named in committed.elements if "data-metric" in named]
    assert len(numbers) > 300
    for named in numbers:
        at = committed.json[f"data:{named['data-at']}"]
        metric = at["metrics"][named["data-metric"]]
        assert metric["shown"][2] == sum(value is not None for value in metric["values"])
        assert at["stages"][metric["stage"]]["command"].startswith("python stages/")
    teacher = committed.json["data:nix2022/quick"]["stages"]["image_teacher_cnn_mlp"]
    assert teacher["target"] == "stages/nix2022/images/dvc.yaml:image_teacher@cnn_mlp"
    assert "nix2022.quick.images" in " ".join(teacher["params"])
    assert len(teacher["runs"]) == 2
    assert len(teacher["digest"]) == 16


def test_the_policy_allows_what_the_page_uses_and_nothing_else(html: str, committed: Document) -> None:
    (policy,) = (named["content"] for _, named in committed.elements if "http-equiv" in named)
    allowed = dict(part.split(" ", 1) for part in policy.split("; "))
    for tag in ("script", "style"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert allowed.pop(f"{tag}-src") == f"'sha256-{digest}'"
    assert allowed == {"default-src": "'none'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}
    assert html.index("http-equiv") < html.index("<style>")
    for tag, named in committed.elements:  # none of which the policy would let act
        assert not {name for name in named if name == "style" or name.startswith("on")}, tag


def test_notes_bring_no_html_script_or_image_and_link_to_the_web_or_along_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(page, "NOTES", tmp_path)
    links = ["https://a.b/c", "../docs/claims.md#x", "#top"]
    bad = ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//evil.com", "&#106;avascript:x", "m:x"]
    (tmp_path / "nix2022.md").write_text(
        "# Title\n\na <script>alert(1)</script> <b onclick='x'>b</b>\n\n<script>alert(2)</script>\n\n"
        + " ".join(f"[x]({link})" for link in [*links, *bad])
        + " <javascript:alert(3)> ![x](https://evil.com/x.png)\n\n| a | b |\n| :-- | --: |\n| 1 | 2 |\n"
    )
    html = page.render()
    (notes,) = re.findall(r'<details class="notes".*?</details>', html, re.DOTALL)
    shown = Document(notes)
    assert {tag for tag, _ in shown.elements} == {"details", "summary", "p", "a", *TABLE}
    assert [named["href"] for tag, named in shown.elements if tag == "a"] == [*links, "https://evil.com/x.png"]
    assert notes.count("&lt;script&gt;alert(") == 2
    assert [named for tag, named in shown.elements if tag == "td"] == [{}, {"class": "r"}]
    assert html.count("<script>") == 1  # the page's own


def test_json_cannot_end_its_script() -> None:
    text = page._embedded({"a": "</script><b>&"})
    assert "<" not in text
    assert json.loads(text) == {"a": "</script><b>&"}


def test_the_report_waits_for_every_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    stages = pipeline.stages("quick")
    assert {f"paper/{key}" for key in papers.PAPERS} <= set(stages["report"]["deps"])
    shown = {result_path("quick", key, "claims") for key in papers.PAPERS}
    assert all(any(pipeline.writes(stage, path) for stage in stages.values()) for path in shown)


def test_groups_of_stages_are_read_as_dvc_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    stages = pipeline.stages("full")
    transfer = stages["nix2022/transfer@kd"]
    assert transfer["cmd"] == "python stages/nix2022/transfer.py kd"
    assert "paper/results/full/nix2022/transfer_kd.json" in pipeline.outputs(transfer)
    assert pipeline._filled("x/${item.a}/${scale}", {"scale": "full", "item": {"a": 3}}) == "x/3/full"
    assert pipeline._filled("${item}", {"item": [1, 2]}) == [1, 2]


# ---- files of another shape ------------------------------------------------------------------------------------------


def broken(content: Any, *path: str | int) -> str:
    """As JSON, without the last key of `path`."""
    copy = json.loads(json.dumps(content))
    within = copy
    for key in path[:-1]:
        within = within[key]
    del within[path[-1]]
    return json.dumps(copy)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (("claims",), ": claims is missing"),
        (("claims", 0, "verdict"), ": claims: 0: verdict is missing"),
        (("claims", 0, "comparisons", 0, "left"), ": claims: 0: comparisons: 0: left is missing"),
    ],
)
def test_verdicts_of_another_shape_are_told_with_what_makes_them(
    path: tuple[str | int, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = result_path("quick", "nix2022", "claims")
    whole = json.loads((ROOT / file).read_text())
    monkeypatch.chdir(tmp_path)
    file.parent.mkdir(parents=True)
    file.write_text(broken(whole, *path))
    with pytest.raises(UserError) as raised:
        summary.outcomes("nix2022")
    again = "delete it and run `dvc repro` (stage claims of nix2022) at scale quick"
    assert str(raised.value) == f"{file}{told}; {again}"


@pytest.mark.parametrize(
    ("name", "path", "told"),
    [
        ("fig2", ("artefact",), "fig2.json: artefact is missing; delete it and"),
        ("table1", ("about",), "table1.json: about is missing; delete it and"),
        ("table1", ("rows", 0, "cells", 0, "shown"), "table1.json: rows: 0: cells: 0: shown is missing; delete it and"),
        ("table1", ("rows", 0, "cells", 0, "shown", 1), "shown should have at least 2 items"),
        ("table1", None, "table1.md is missing;"),
    ],
)
def test_artefacts_of_another_shape_are_told_with_what_draws_them(
    name: str, path: tuple[str | int, ...] | None, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {kind: artefact_path("quick", "nix2022", name, kind) for kind in ("json", "svg", "md", "tex")}
    whole = json.loads((ROOT / files["json"]).read_text())
    monkeypatch.chdir(ROOT)
    stages = pipeline.stages("quick")
    monkeypatch.chdir(tmp_path)
    files["json"].parent.mkdir(parents=True)
    files["json"].write_text(json.dumps(whole) if path is None else broken(whole, *path))
    if name == "fig2":
        files["svg"].touch()
    with pytest.raises(UserError) as raised:
        page._drawn(files, stages)
    assert told in str(raised.value)
    assert "run `dvc repro paper/nix2022/dvc.yaml:draw`" in str(raised.value)
