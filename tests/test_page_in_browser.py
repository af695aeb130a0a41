"""The page in headless Chromium: no error, nothing fetched, filters and requests work, and it fits a phone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from learned_symmetry.report import page, papers, reference
from learned_symmetry.results import result_path
from tests.synthetic import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium): the page is not tried in a browser")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the committed results, alone in a folder."""
    path = tmp_path_factory.mktemp("page") / "index.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        path.write_text(page.render())
    return path


@pytest.fixture(params=["light", "dark"])
def shown(request: pytest.FixtureRequest, browser: Browser, file: Path) -> Iterator[Page]:
    """The page at desktop width; a message on its console, or a request for anything else, fails the test."""
    context = browser.new_context(viewport=DESK, color_scheme=request.param)
    tab, wrong = context.new_page(), []
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("request", lambda sent: wrong.append(sent.url) if sent.url.startswith(("http", "file")) else None)
    tab.goto(file.as_uri())
    wrong.remove(file.as_uri())
    yield tab
    context.close()
    assert not wrong


def verdicts() -> list[str]:
    """The verdict on every claim, at quick; a paper without results has no claim that was run."""
    found = []
    for key in papers.PAPERS:
        path = ROOT / result_path("quick", key, "claims")
        listed = json.loads(path.read_text())["claims"] if path.exists() else []
        known = reference.read(ROOT / f"paper/reference/{key}.yaml").claims
        found += [claim["verdict"] for claim in listed] or ["not run"] * len(known)
    return found


def test_pictures_are_drawn_and_nothing_is_wider_than_the_screen(shown: Page) -> None:
    assert shown.evaluate("[...document.images].length") >= 10
    assert shown.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 100)")
    for size in (DESK, PHONE):
        shown.set_viewport_size(size)
        assert shown.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_filters(shown: Page) -> None:
    judged = verdicts()
    visible = "[...document.querySelectorAll('tr.claim')].filter(row => row.offsetParent !== null)"
    for verdict in ("holds", "fails", "not run"):
        shown.click(f".filters button[data-verdict='{verdict}']")
        assert shown.evaluate(f"{visible}.length") == judged.count(verdict)
    shown.click(".overview tfoot button[data-verdict='undecided']")
    assert shown.text_content("#left") == f"{judged.count('undecided')} of {len(judged)} claims"
    shown.click(".filters button[data-verdict='']")
    assert shown.evaluate(f"{visible}.length") == len(judged)
    shown.check("#required")
    assert shown.evaluate(f"{visible}.some(row => 'star' in row.dataset)") is False


def test_numbers_and_figures_open(shown: Page) -> None:
    shown.click("[id='nix2022/table1'] tbody tr:nth-child(4) td:nth-child(3) button")
    told = shown.inner_text("#dialog")
    target = "dvc repro stages/nix2022/images/dvc.yaml:"
    for part in ("table1.kd.cnn_mlp_translated", "seed 0: 0.", target, "tags.result = '"):
        assert part in told
    shown.keyboard.press("Escape")
    assert not shown.is_visible("#dialog")
    for part, text in (
        ("data", '"artefact": "nix2022/fig2"'),
        ("script", "def main(cfg"),
        ("command", "dvc repro paper/nix2022/dvc.yaml"),
    ):
        shown.click(f"[id='nix2022/fig2'] button[data-part='{part}']")
        assert text in shown.inner_text("#dialog")
        shown.click("#dialog form button")
    shown.click("[id='nix2022/N7'] summary")
    shown.click("[id='nix2022/N7'] .metrics button")
    assert "seed 0:" in shown.inner_text("#dialog")
