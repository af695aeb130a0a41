"""The page of the committed results: everything is on it, its links resolve, and a number leads to what made it."""

from __future__ import annotations

import json

import pytest

from learned_symmetry.report import page, papers, pipeline, reference
from learned_symmetry.report.artefact import artefact_path
from learned_symmetry.results import result_path
from tests.document import Document
from tests.synthetic import ROOT


@pytest.fixture(scope="module")
def committed() -> Document:
    """The page of the committed results."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return Document(page.render())


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
