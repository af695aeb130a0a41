"""The results section: what it says about made-up results, and that README.md says what the committed results say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from learned_symmetry.errors import UserError
from learned_symmetry.report import summary
from paper import claims, readme
from paper.nix2022 import fig2, table1d
from tests.synthetic import ROOT, settings, write_nix2022, write_stage

EMPTY = f"# Title\n\n{summary.BEGIN}\n{summary.END}\nrest\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository whose params give the made-up settings at each scale."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    Path("README.md").write_text(EMPTY)
    return tmp_path


def test_no_results_yet(here: Path) -> None:
    write_nix2022(here, settings("smoke"))
    claims.main(settings("smoke"), "nix2022")  # smoke is never shown
    readme.main()
    text = Path("README.md").read_text()
    assert "No results yet" in text
    assert text.startswith("# Title\n")
    assert text.endswith("\nrest\n")


def test_section_of_both_scales(here: Path) -> None:
    for scale in ("quick", "full"):
        write_nix2022(here, settings(scale))
        claims.main(settings(scale), "nix2022")
        table1d.main(settings(scale))
    fig2.main(settings("full"))
    readme.main()
    text = Path("README.md").read_text()
    assert "| claim |  | paper | ours, quick | verdict | ours, full | verdict |" in text
    row = next(line for line in text.splitlines() if line.startswith("| N4 |"))
    assert row.startswith("| N4 | Orbit transfers with the pooling head | 0.846; Fig. 2, notebook | 0.58")
    assert row.count("| **holds** |") == 2
    assert "| N14\\* |" in text  # not required
    row = next(line for line in text.splitlines() if line.startswith("| N33 |"))
    assert row.endswith("|  | not run |  | not run |")
    assert "seeds: 3, data: MNIST-1D, generated, device: CPU, 2 threads; 375 s in all." in text  # 30 stages of 12.5 s
    assert "(paper/artefacts/full/nix2022/fig2.png)](paper/artefacts/full/nix2022/fig2.svg)" in text
    assert "[table](paper/artefacts/full/nix2022/table1d.md)" in text
    assert "fig3" not in text  # it was not drawn
    elsewhere = Path("paper/report/summary.md").read_text()
    assert "[table](../../paper/artefacts/full/nix2022/table1d.md)" in elsewhere
    assert elsewhere.replace("../../", "") == summary.render()
    readme.main()
    assert Path("README.md").read_text() == text


def test_stand_in_data_gives_no_verdict(here: Path) -> None:
    write_nix2022(here, settings())
    write_stage("quick", "lemma1", {}, data="stand-in: made up")
    results = Path("paper/results/quick/nix2022/teacher.json")
    results.write_text(results.read_text().replace("MNIST-1D, generated", "stand-in: made up"))
    claims.main(settings(), "nix2022")
    row = next(line for line in summary.render().splitlines() if line.startswith("| N1 |"))
    assert row.endswith("| not run (stand-in data) |")


@pytest.mark.parametrize("text", ["# Title\n", f"{summary.END}\n{summary.BEGIN}\n"])
def test_markers_are_wanted(here: Path, text: str) -> None:
    Path("README.md").write_text(text)
    with pytest.raises(UserError, match="results:begin"):
        readme.main()
    assert Path("README.md").read_text() == text
    Path("README.md").unlink()
    with pytest.raises(UserError, match=r"README\.md is missing"):
        readme.main()


@pytest.mark.parametrize(("path", "to_root"), [("README.md", ""), ("paper/report/summary.md", "../../")])
def test_committed_text_says_what_the_results_say(path: str, to_root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = Path(path).read_text() if Path(path).exists() else ""
    if path == "README.md" and summary.BEGIN not in text:
        pytest.skip(f"README.md has no line {summary.BEGIN}: it cannot be compared with the results")
    if not text:
        pytest.skip(f"{path} was not made yet: run `python paper/readme.py`")
    assert summary.render(to_root) in text, "run `python paper/readme.py`"
