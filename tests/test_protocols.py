"""Comments cite sections ("protocol 2.4") and decisions ("D18") of docs/protocols/KEY.md: each leads to a heading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.synthetic import ROOT

AUTHORS = {  # by whom a file says that it is about a paper, if not by its key
    "nix2022": "Nix",
    "moskalev2023": "Moskalev",
    "huang2024": "Huang",
    "bruintjes2023": "Bruintjes",
    "bokman2023": "Bökman",
}
PLACES = ("src/**/*.py", "stages/**/*.py", "stages/**/*.yaml", "paper/**/*.py", "paper/notes/*.md", "params.yaml",
          "docs/*.md", "data/*.yaml", "tests/*.py", "benchmarks/*.py")  # fmt: skip
NUMBERS = r"(\d+(?:\.\d+)*)"
CITED = re.compile(rf"protocol {NUMBERS}(?:(?: to |, | and |, and |–){NUMBERS})?|\b(D\d+)(?:(?:–| to |-)(D\d+))?\b")
HEADING = re.compile(rf"^#+ (?:{NUMBERS}\.? |(D\d+)\b)", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def headings(paper: str) -> set[str]:
    """Numbers of sections, and of decisions."""
    found = HEADING.findall((ROOT / f"docs/protocols/{paper}.md").read_text())
    return {section or decision for section, decision in found}


def between(first: str, last: str) -> list[str]:
    """What a citation names: D3 to D5 are three, 2.2 to 2.4 too."""
    if not last:
        return [first]
    head, sign = re.fullmatch(r"(.*?)(\d+)", first), re.fullmatch(r"(.*?)(\d+)", last)
    if head is None or sign is None or head[1] != sign[1]:
        return [first, last]
    return [f"{head[1]}{number}" for number in range(int(head[2]), int(sign[2]) + 1)]


def papers(path: Path, text: str, place: int) -> list[str]:
    """Those that a citation may be about: named on its line, or by its path, its block of params.yaml or its file."""
    line = text[text.rfind("\n", 0, place) + 1 : place]
    for said in (line[max(0, len(line) - 60) :], str(path)):
        if named := [key for key in AUTHORS if key in said]:
            return named[-1:]
    if path.name == "params.yaml":
        return re.findall(r"^(\w+2\d{3}):", text[:place], re.MULTILINE)[-1:] or list(AUTHORS)
    return [key for key, name in AUTHORS.items() if key in text or name in text] or list(AUTHORS)


def citations() -> Iterator[tuple[Path, int, list[str], list[str]]]:
    """File, line, cited numbers, and the papers of which one has to have them all."""
    for pattern in PLACES:
        for path in sorted(ROOT.glob(pattern)):
            if path.name == Path(__file__).name:
                continue
            text = path.read_text()
            for cited in CITED.finditer(text):
                first, last = (cited[1], cited[2]) if cited[1] else (cited[3], cited[4])
                about = papers(path.relative_to(ROOT), text, cited.start())
                yield path.relative_to(ROOT), text.count("\n", 0, cited.start()) + 1, between(first, last or ""), about


def test_every_citation_leads_to_a_heading() -> None:
    known = {paper: headings(paper) for paper in AUTHORS}
    all_of_them = list(citations())
    lost = [
        f"{path}:{line}: {', '.join(cited)} in {' or '.join(about)}"
        for path, line, cited, about in all_of_them
        if not any(set(cited) <= known[paper] for paper in about)
    ]
    assert lost == []
    assert len(all_of_them) > 150


@pytest.mark.parametrize("paper", AUTHORS)
def test_every_link_leads_to_a_file(paper: str) -> None:
    page = ROOT / f"docs/protocols/{paper}.md"
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
    assert len(links) > 10


def test_what_is_cited_is_found_as_it_is_written() -> None:
    assert between("D35", "D37") == ["D35", "D36", "D37"]
    assert between("2.2", "2.4") == ["2.2", "2.3", "2.4"]
    assert between("2.4", "3.1") == ["2.4", "3.1"]
    assert papers(Path("src/x.py"), "# of nix2022: protocol 2.4", 16) == ["nix2022"]
    assert papers(Path("params.yaml"), "nix2022:\n  a: 1\nhuang2024:\n  b: 2  # D3", 40) == ["huang2024"]
    assert papers(Path("stages/huang2024/clone.py"), "protocol 2.3", 0) == ["huang2024"]
