"""What README.md and docs/ say is true: links lead somewhere, commands name what is there, and the examples run."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML

from learned_symmetry import config, data, transfer
from learned_symmetry.groups import QuarterTurns
from learned_symmetry.models import features
from learned_symmetry.models.perceptron import Perceptron, TiedPerceptron
from learned_symmetry.report import pipeline, reference
from learned_symmetry.report.claims import evaluate
from learned_symmetry.report.measured import measured
from tests.synthetic import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "paper/notes").glob("*.md"))]
EXAMPLES = {  # the file that an example's first line names -> the example
    found[1]: found[2]
    for found in re.finditer(
        r"```(?:python|yaml)\n# ([^\n]+)\n(.*?)```", (ROOT / "docs/extend.md").read_text(), re.DOTALL
    )
}


def example(path: str, name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that an example is, importable as `name` until the test's end."""
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(EXAMPLES[path], path, "exec", dont_inherit=True), module.__dict__)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_commands_name_what_is_there(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text, raw = page.read_text(), config.read()
    for link in re.findall(r"\]\(([^)#\s]+)\)", text):
        assert link.startswith("http") or (page.parent / link).exists(), link
    for key in re.findall(r"-S ['\"]?([a-z]+2\d{3}\.[\w.]+)=", text):
        pipeline.resolved(raw, key)
    made = re.compile(r"^([\w-]+):", re.MULTILINE).findall((ROOT / "Makefile").read_text())
    for named in re.findall(r"`make ([\w-]+)`", text):
        assert named in made
    for script in re.findall(r"python ((?:stages|paper)/[a-z]\w*(?:/\w+)*\.py)", text):
        assert Path(script).exists(), script


WRITTEN = ("README.md", "Makefile", ".ci/*", "dvc.yaml", "params.yaml", "data/*.yaml", "docs/*.md", "paper/**/*.md")
SCRIPTS = ("src/**/*.py", "stages/**/*.py", "paper/**/*.py", "stages/**/dvc.yaml", "paper/**/dvc.yaml")
FILES = [path for pattern in WRITTEN + SCRIPTS for path in sorted(ROOT.glob(pattern))]
COMMAND = re.compile(r"\bdvc (?:repro|exp run)\b((?:[ ]+\S+)*)")
PLACEHOLDER = re.compile(r"\b(?:KEY|PAPER|STAGE|NAME|TARGET|METHOD|SETTING|GROUP|ITEM)\b")  # any paper, stage, ...
VALUED = {"-S", "--set-param", "-n", "--name", "-j", "--jobs"}  # options that are followed by a value


def targets_in(text: str) -> list[str]:
    """What ``dvc repro`` and ``dvc exp run`` are told to make: in code spans, and on lines that are commands.

    What a program fills in is left out.
    """
    spans = re.findall(r"(`+)(.+?)\1", re.sub(r"\s*\n[#\s]*", " ", text))
    lines = re.findall(r"^[#$\s]*(.*\bdvc .*)$", text, re.MULTILINE)
    commands = [span for _, span in spans if span.startswith("dvc ")]
    commands += [line for line in lines if re.match(r"(?:\S.* && )?dvc ", line) and "`" not in line]
    found = []
    for command in commands:
        for words in COMMAND.findall(command):
            given = iter(re.split(r" #| &&| \|", words)[0].split())
            for word in given:
                if word in VALUED:
                    next(given)
                elif not word.startswith("-") and not re.search(r"[{}$]", word):
                    found.append(word.rstrip(".,;"))
    return found


def test_targets_are_found_as_they_are_written() -> None:
    text = """
    dvc repro stages/a/dvc.yaml:b@c     # this and what it needs
    $EDITOR params.yaml && dvc repro     # all
    $ dvc exp run --queue stages/a/dvc.yaml:d -S 'a.b=3,5' --name e
    See `dvc repro -f -s stages/a/dvc.yaml:f`, then `dvc repro`, and ``dvc repro
    # data`` or `dvc repro STAGE`, `dvc repro stages/KEY/dvc.yaml:NAME` and `dvc repro {target}`; dvc repro does so.
    """
    paths = {f"stages/a/dvc.yaml:{name}" for name in ("b@c", "d", "f")}
    assert set(targets_in(text)) == paths | {"data", "STAGE", "stages/KEY/dvc.yaml:NAME"}


def test_every_target_that_is_named_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    known = {pipeline.target(*named) for scale in config.SCALES for named in pipeline.stages(scale).items()}
    known |= {target.partition("@")[0] for target in known}  # a whole group
    known |= {file for key in ("", *config.PAPERS) for file in pipeline.files_of(key)}
    named = {(str(path.relative_to(ROOT)), target) for path in FILES for target in targets_in(path.read_text())}
    mentioned = re.compile(r"(?:stages|paper)/[\w/]+/dvc\.yaml:[\w@-]+")  # with or without a command
    named |= {(str(path.relative_to(ROOT)), target) for path in FILES for target in mentioned.findall(path.read_text())}
    assert len({target for _, target in named}) > 40
    assert len({path for path, _ in named}) > 40

    def exists(target: str) -> bool:
        pattern = "[\\w@]+".join(map(re.escape, PLACEHOLDER.split(target)))
        return any(re.fullmatch(pattern, one) for one in known)

    assert {pair for pair in named if not exists(pair[1])} == set()


def test_every_example_is_tried() -> None:
    assert len(EXAMPLES) == 8


def test_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example("src/learned_symmetry/transfer/hint.py", "learned_symmetry.transfer.hint", monkeypatch)
    monkeypatch.setitem(transfer.METHODS, "hint", "Hint")
    block = "".join(f"    {line}\n" for line in EXAMPLES["params.yaml, under nix2022.methods"].splitlines())
    params = tmp_path / "params.yaml"
    params.write_text((ROOT / "params.yaml").read_text().replace("  methods:\n", f"  methods:\n{block}", 1))
    settings = config.load("nix2022", params).methods["hint"]
    given = settings.head("pooling").model_dump(exclude={"linear", "images"})
    hint = transfer.method("hint", given, "nix2022.methods.hint")
    a, b = torch.randn(2, 5, 10)
    assert hint.omega({"logits": a}, {"logits": a}) == 0
    torch.testing.assert_close(hint.omega({"logits": a}, {"logits": b}), (a - b).square().mean())


def test_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    agreement = example("src/learned_symmetry/measure/agreement.py", "agreement", monkeypatch).agreement
    torch.manual_seed(0)
    x = torch.rand(40, 1, 6, 6)
    assert agreement(TiedPerceptron(QuarterTurns(), "max", 6, 2, 16, 4, bias=False), x, QuarterTurns()) == 1
    assert agreement(Perceptron(6, 2, 16, 4, bias=False), x, QuarterTurns()) < 0.99


def test_model(monkeypatch: pytest.MonkeyPatch) -> None:
    averaged = example("src/learned_symmetry/models/averaged.py", "averaged", monkeypatch).Averaged
    torch.manual_seed(0)
    model = averaged(Perceptron(6, 2, 16, 4, bias=True), QuarterTurns()).double()
    x = torch.rand(8, 1, 6, 6, dtype=torch.float64)
    for g in range(4):
        torch.testing.assert_close(model(QuarterTurns().act(x, g)), model(x), rtol=0, atol=1e-12)
    assert features(model, x, ["base"])["base"].shape == (32, 4)


def test_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    example("src/learned_symmetry/data/digits.py", "learned_symmetry.data.digits", monkeypatch)
    monkeypatch.setitem(data.LOADERS, "digits", "digits")
    for split, size in (("train", 1437), ("test", 360)):
        images, labels = data.load("digits", split, None)
        assert images.shape == (size, 1, 8, 8)
        assert images.dtype == torch.uint8
        assert images.max() == 255
        assert labels.shape == (size,)


def test_paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cfg: Any = SimpleNamespace(scale="quick", seeds=2, engine=SimpleNamespace(device="cpu"))
    path = Path("paper/reference/toy2026.yaml")
    path.parent.mkdir(parents=True)
    path.write_text(EXAMPLES[str(path)])
    example("stages/toy2026/measure.py", "toy_measure", monkeypatch).main(cfg)
    (claim,) = evaluate(reference.of("toy2026"), measured("quick", "toy2026", ["measure"]), resamples=100, seed=0)
    assert claim["verdict"] == "holds"
    example("paper/toy2026/table1.py", "toy_table1", monkeypatch).main(cfg)
    table = Path("paper/artefacts/quick/toy2026/table1.md").read_text()
    assert "| mean | 0.000 ± 0.000 (2) [0.000] |" in table


def test_the_claim_that_is_explained_is_the_papers() -> None:
    text = re.search(r"```yaml\n(.*?)```", (ROOT / "docs/claims.md").read_text(), re.DOTALL)
    (shown,) = YAML(typ="safe").load(text[1])
    kept = next(c for c in reference.read(ROOT / "paper/reference/nix2022.yaml").claims if c["id"] == shown["id"])
    assert shown.items() <= kept.items()
