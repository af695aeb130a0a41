"""Figures and tables from made-up results: what they hold, that they do not change, and what a missing result says."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from learned_symmetry.errors import UserError
from learned_symmetry.report import parts, style
from learned_symmetry.report.artefact import Cell, Table, numbered, save_table
from learned_symmetry.report.measured import measured
from learned_symmetry.report.papers import PAPERS
from learned_symmetry.report.reference import Value
from tests.synthetic import ROOT, metric, settings, write_nix2022, write_stage

ARTEFACTS = [(key, name) for key, paper in PAPERS.items() for name in paper.artefacts]
FOLDER = Path("paper/artefacts/quick/nix2022")


def script(name: str) -> ModuleType:
    return importlib.import_module(f"paper.nix2022.{name}")


@pytest.mark.parametrize(("paper", "name"), ARTEFACTS)
def test_each_artefact_has_a_script(paper: str, name: str) -> None:
    assert (ROOT / "paper" / paper / f"{name}.py").exists()


@pytest.mark.parametrize("paper", PAPERS)
def test_each_paper_asks_in_two_sentences_and_has_notes(paper: str) -> None:
    assert len(re.findall(r"[.?](?= |$)", PAPERS[paper].question)) == 2
    assert (ROOT / f"paper/notes/{paper}.md").read_text().startswith("# ")


@pytest.mark.parametrize("name", PAPERS["nix2022"].artefacts)
def test_same_results_same_bytes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cfg = settings()
    write_nix2022(tmp_path, cfg)
    script(name).main(cfg)
    first = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    suffixes = ("md", "tex", "json") if name.startswith(("table", "search")) else ("svg", "png", "json")
    assert set(first) == {f"{name}.{suffix}" for suffix in suffixes}
    script(name).main(cfg)
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == first
    told = b"".join(first.values())
    assert not any(word in told for word in (b"dc:date", b"Matplotlib v", b"tEXt"))  # no dates, no versions


def test_the_last_digit_of_a_layout_is_not_in_a_drawing() -> None:
    one, other = (
        f'<g clip-path="url(#p{a})"/><g clip-path="url(#p{b})"/><clipPath id="p{a}"/><clipPath id="p{b}"/>'.encode()
        for a, b in (("65e57fff20", "0123456789"), ("298bad68d9", "abcdef0123"))
    )
    assert numbered(one) == numbered(other)
    assert numbered(one).count(b"clip0") == numbered(one).count(b"clip1") == 2


def test_figure_holds_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cfg = settings()
    write_nix2022(tmp_path, cfg)
    for name in ("fig2", "fig3"):
        script(name).main(cfg)
    kept = json.loads((FOLDER / "fig2.json").read_text())
    assert kept["facts"] == {"scale": "quick", "seeds": "3", "data": "MNIST-1D, generated", "device": "CPU, 2 threads"}
    assert set(kept["data"]) == {"none", "kd", "dm", "attention", "rdl", "orbit", "cka", "teacher"}
    line = kept["data"]["orbit"]["unseen"]
    ours = measured("quick", "nix2022", ["transfer_orbit"]).metric("fig2.orbit.s30_unseen")
    assert line["s"][3] == 30
    assert line["mean"][3] == pytest.approx(100 * ours["mean"])
    assert line["seeds"][3] == pytest.approx([100 * value for value in ours["values"]])
    assert line["reference"] == [[10, 96.0], [30, 95.7]]
    linear = json.loads((FOLDER / "fig3.json").read_text())["data"]
    assert "teacher" not in linear
    assert linear["orbit"]["all"]["reference"] == [[25, 77.5], [30, 77.3]]
    footer = "nix2022/fig2 · scale: quick · seeds: 3 · data: MNIST-1D, generated · device: CPU, 2 threads"
    assert footer in (FOLDER / "fig2.svg").read_text()  # as the comment beside the glyphs


def test_one_seed_few_shifts_and_dropped_runs_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cfg = settings(shifts=(0, 30))
    write_nix2022(tmp_path, cfg, seeds=1)
    names = [f"fig2.teacher.s{s}_{shifts}" for s in (0, 30) for shifts in ("seen", "unseen", "all")]
    write_stage("quick", "teacher", {name: metric([None]) for name in names})
    few = {name: block for name, block in cfg.methods.items() if name not in ("cka", "attention")}
    cfg = cfg.model_copy(update={"methods": few})  # six panels in two rows of which one is short
    for name in PAPERS["nix2022"].artefacts:
        script(name).main(cfg)
    assert json.loads((FOLDER / "fig2.json").read_text())["data"]["teacher"]["seen"]["mean"] == [None, None]
    assert "| Teacher | pooling | all | not run | not run [98.2] |" in (FOLDER / "table1d.md").read_text()


READ = {  # artefact -> a stage whose results it reads
    "search1d": "search",
    "table1": "image_transfer_cnn_mlp_kd",
    "table2": "image_transfer_gcnn_mlp_kd",
    "table6": "ablation",
    "fig5": "image_orbit_cnn_mlp",
}


@pytest.mark.parametrize("name", PAPERS["nix2022"].artefacts)
def test_missing_result_names_the_stage(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cfg = settings()
    write_nix2022(tmp_path, cfg)
    stage = READ.get(name, "transfer_kd")
    Path(f"paper/results/quick/nix2022/{stage}.json").unlink()
    with pytest.raises(UserError, match=rf"stage {stage} of nix2022\) at scale quick"):
        script(name).main(cfg)
    assert not FOLDER.exists()


def test_missing_metric_names_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_nix2022(tmp_path, settings(shifts=(0, 30)))
    with pytest.raises(UserError, match=r"s10_seen is in no result .* run `dvc repro`"):
        script("fig2").main(settings(shifts=(0, 10, 30)))


def test_two_stages_may_not_write_one_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for stage in ("a", "b"):
        write_stage("quick", stage, {"t.a.x": metric([1.0])})
    with pytest.raises(ValueError, match=r"t\.a\.x is written by a and by b"):
        measured("quick", "nix2022", ["a", "b"])


def test_table_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        (("KD",), [Cell(metric([0.5, 0.7]), Value(0.4114)), Cell(metric([0.25]), None)]),
        (("A & B",), [Cell(None, Value(0.4106, 0.0012)), Cell(metric([None]), None)]),
    ]
    save_table(Table("100 % of it", ("method",), ("x", "y_1"), rows), "nix2022", "t", "quick", {"scale": "quick"})
    markdown = (FOLDER / "t.md").read_text()
    assert "| KD | 60.0 ± 14.1 (2) [41.1] | 25.0 (1) [not run] |" in markdown
    assert "| A & B | not run [41.1 ± 0.1] | not run [not run] |" in markdown
    assert markdown.rstrip().endswith("scale: quick.")
    latex = (FOLDER / "t.tex").read_text()
    assert r"KD & 60.0 $\pm$ 14.1 (2) [41.1] & 25.0 (1) [not run] \\" in latex
    assert r"A \& B & not run" in latex
    assert r"method & x & y\_1 \\" in latex
    assert r"\caption{100 \% of it." in latex
    kept = json.loads((FOLDER / "t.json").read_text())
    assert kept["rows"][0]["cells"][0]["ours"] == pytest.approx({"mean": 0.6, "std": 0.02**0.5, "n": 2})
    paper = {"mean": 0.4106, "std": 0.0012}
    shown = kept["rows"][1]["cells"][0].pop("shown")
    assert kept["rows"][1]["cells"][0] == {"metric": None, "ours": None, "paper": paper}
    assert shown == ["not run", "41.1 ± 0.1"]


def test_values_that_are_no_fractions_are_printed_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cells = [Cell(metric([93.0, 95.0]), Value(94.6, 0.1)), Cell(metric([-1e-9]), Value(0.02)), Cell(None, None)]
    table = Table("LI", ("net",), ("acc", "li", "si"), [(("WT",), cells)], decimals=(1, 3, 2))
    save_table(table, "nix2022", "t", "quick", {"scale": "quick"})
    markdown = (FOLDER / "t.md").read_text()
    assert "| WT | 94.0 ± 1.4 (2) [94.6 ± 0.1] | 0.000 (1) [0.020] | not run [not run] |" in markdown
    assert "Ours as mean" in markdown


def test_scripts_start_without_torch() -> None:
    names = [f"paper.{key}.{name}" for key, name in ARTEFACTS] + ["paper.claims", "paper.report"]
    code = f"import sys, {', '.join(names)}; sys.exit('torch' in sys.modules or 'matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_an_empty_cell_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = Table("t", ("of",), ("x", "y"), [(("a",), [Cell(metric([0.5]), None), None])], absent="")
    save_table(table, "nix2022", "t", "quick", {"scale": "quick"})
    assert "| a | 50.0 (1) |  |" in (FOLDER / "t.md").read_text()
    cell = json.loads((FOLDER / "t.json").read_text())["rows"][0]["cells"][1]
    assert cell == {"metric": None, "ours": None, "paper": None, "shown": ["", ""]}


def test_scores_by_part_as_figure_and_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of bruintjes2023; a difference has its standard error: 0.1 and 0.4 differ from their mean by 0.15 each."""
    monkeypatch.chdir(tmp_path)
    made = {f"f.a.{kind}.{part}": metric([0.25, 0.75]) for kind in parts.KINDS for part in parts.PARTS}
    made |= {f"f.a.gain.{part}": metric([0.1, 0.4]) for part in parts.PARTS}
    made |= {f"f.a.{kind}.more": metric([1.0, None]) for kind in parts.KINDS}
    write_stage("quick", "a", made)
    results, rows = measured("quick", "nix2022", ["a"]), {"f.a": style.TASKS["mnist6"]}
    _, drawn = parts.figure(results, rows, "rotation")
    assert drawn["f.a"]["eqv"]["late"] == {"mean": 0.5, "std": 0.125**0.5, "n": 2}
    table = parts.table(results, "t", "task", rows, {"more": "More"})
    assert table.columns == ("Early", "Middle", "Late", "Pool", "Final", "More")
    assert [labels for labels, _ in table.rows] == [("MNIST6", "invariance"), ("MNIST6", "equivariance")]
    assert table.rows[1][1][-1].ours["n"] == 1
    ((labels, cells),) = parts.differences(results, rows, "less")
    assert labels == ("MNIST6", "less")
    assert [cell.ours["std"] for cell in cells] == pytest.approx([0.15] * 5)
