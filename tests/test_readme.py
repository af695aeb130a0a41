"""README's results and all claims as text: what they say about made-up results, and about the committed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from learned_symmetry import config
from learned_symmetry.config.nix2022 import Nix2022
from learned_symmetry.errors import UserError
from learned_symmetry.report import papers, summary
from learned_symmetry.report.artefact import latex
from paper import claims, report
from paper.nix2022 import fig2, table1d
from tests.document import Document
from tests.synthetic import ROOT, settings, write_nix2022, write_stage

EMPTY = f"# Title\n\n{summary.BEGIN}\n{summary.END}\nrest\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository without results, whose params give the made-up settings at each scale."""
    monkeypatch.chdir(tmp_path)
    for pattern in (
        "params.yaml",
        "dvc.yaml",
        "stages/**/dvc.yaml",
        "paper/*/dvc.yaml",
        "paper/*/*.py",
        "paper/notes/*",
        "paper/reference/*",
    ):
        for file in ROOT.glob(pattern):
            target = tmp_path / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    Path("README.md").write_text(EMPTY)
    return tmp_path


def test_no_results_yet(here: Path) -> None:
    write_nix2022(here, settings("smoke"))
    claims.main(settings("smoke"), "nix2022")  # smoke is never shown
    report.main()
    text = Path("README.md").read_text()
    assert text.count("| no results yet |") == len(papers.PAPERS)
    assert text.startswith("# Title\n")
    assert text.endswith("\nrest\n")
    assert "No results yet" in Path("paper/report/summary.md").read_text()
    assert not Document(Path("paper/report/index.html").read_text()).json


def test_report_of_both_scales(here: Path) -> None:
    for scale in ("quick", "full"):
        write_nix2022(here, settings(scale))
        claims.main(few(scale), "nix2022")
        table1d.main(settings(scale))
    fig2.main(settings("full"))
    report.main()
    readme = Path("README.md").read_text()
    assert readme.count("paper/notes/nix2022.md") == 1
    assert re.search(r"\| quick \| \d+ \| \d+ \| \d+ \| \d+ \| 3 \| 6 min 15 s \|", readme)  # 30 stages of 12.5 s
    assert re.search(r"\|  \| full \| \d+ \|", readme)
    assert "(paper/artefacts/full/nix2022/fig2.png)](paper/artefacts/full/nix2022/fig2.svg)" in readme
    text = Path("paper/report/summary.md").read_text()
    assert "| claim |  | paper | ours, quick | verdict | ours, full | verdict |" in text
    row = next(line for line in text.splitlines() if line.startswith("| N4 |"))
    assert row.startswith("| N4 | Orbit transfers with the pooling head | 0.846; Fig. 2, notebook | 0.58")
    assert row.count("| **holds** |") == 2
    assert "| N14\\* |" in text  # not required
    row = next(line for line in text.splitlines() if line.startswith("| N33 |"))
    assert row.endswith("|  | not run |  | not run |")
    assert "seeds: 3, data: MNIST-1D, generated, device: CPU, 2 threads, time: 6 min 15 s." in text
    assert "[table](../../paper/artefacts/full/nix2022/table1d.md)" in text
    assert "fig3" not in text  # it was not drawn
    tables = Path("paper/report/tables.tex").read_text()
    assert r"N14* & Unseen accuracy of the plain student recovers only at s = 40 & not given" in tables
    assert tables.count(r"\begin{longtable}") == 1
    assert tables.count(r"\begin{tabular}") == 1  # table1d at full
    html = Path("paper/report/index.html").read_text()
    shown = Document(html)
    assert {"data:nix2022/quick", "data:nix2022/full", "artefact:nix2022/full/fig2"} <= shown.json.keys()
    assert "artefact:nix2022/quick/fig2" not in shown.json
    rows = [named for tag, named in shown.elements if tag == "tr" and named.get("id", "").startswith("nix2022/N")]
    assert html.count("not judged, missing: ") == 2 * sum(row["data-verdicts"] == "not run" for row in rows) > 0
    files = [Path("README.md"), *sorted(Path("paper/report").iterdir())]
    first = [file.read_bytes() for file in files]
    report.main()
    assert [file.read_bytes() for file in files] == first


def few(scale: str) -> Nix2022:
    """The made-up settings with few resamples: no verdict here is close."""
    return settings(scale).model_copy(update={"report": config.Report(resamples=200, seed=0)})


def test_stand_in_data_gives_no_verdict(here: Path) -> None:
    write_nix2022(here, settings())
    write_stage("quick", "lemma1", {}, data="stand-in: made up")
    results = Path("paper/results/quick/nix2022/teacher.json")
    results.write_text(results.read_text().replace("MNIST-1D, generated", "stand-in: made up"))
    claims.main(settings(), "nix2022")
    row = next(line for line in summary.markdown("").splitlines() if line.startswith("| N1 |"))
    assert row.endswith("| not run (stand-in data) |")


@pytest.mark.parametrize("text", ["# Title\n", f"{summary.END}\n{summary.BEGIN}\n"])
def test_markers_are_wanted(here: Path, text: str) -> None:
    Path("README.md").write_text(text)
    with pytest.raises(UserError, match="results:begin"):
        report.main()
    assert Path("README.md").read_text() == text
    Path("README.md").unlink()
    with pytest.raises(UserError, match=r"README\.md is missing"):
        report.main()


def test_committed_text_says_what_the_results_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert summary.glance() in Path("README.md").read_text(), "run `python paper/report.py`"
    assert Path("paper/report/summary.md").read_text() == summary.markdown("../../"), "run `python paper/report.py`"


def test_latex_prints_what_it_would_read() -> None:
    assert latex(r"50 % of x_1 < $2 & a\b {±}") == r"50 \% of x\_1 $<$ \$2 \& a\textbackslash{}b \{$\pm$\}"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3661, "1 h 1 min"), (7199.9, "2 h 0 min")]
)
def test_duration(seconds: float, text: str) -> None:
    assert summary.duration(seconds) == text
