"""The pipeline's files against the code: sources, scripts, parameters, claims; and every stage at scale smoke."""

from __future__ import annotations

import copy
import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from learned_symmetry import config, imports, results
from learned_symmetry.data import imagenet, sources
from learned_symmetry.report import measured, papers, pipeline, reference
from learned_symmetry.report.artefact import artefact_path
from learned_symmetry.report.pipeline import outputs, parameters, resolved, writes
from learned_symmetry.report.predicate import Predicate
from learned_symmetry.results import read_result, result_path, write_json
from learned_symmetry.transfer import METHODS
from stages import params

ROOT = Path(__file__).parents[1]

SUPPLIED = {  # metrics that need weights and images which a user supplies
    "bruintjes2023": ("fig4.", "fig7a.", "fig7b."),
    "bokman2023": ("table3.", "table5.", "notebook."),
}

ALL, SMOKE = pipeline.stages("quick"), pipeline.stages("smoke")


@pytest.fixture(autouse=True)
def _root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("name", ALL)
def test_deps_are_what_the_script_imports(name: str) -> None:
    stage = ALL[name]
    script = Path(stage["cmd"].split()[1])
    wanted = imports.closure(script)
    paper, _, short = name.rpartition("/")
    if short == "draw":  # runs scripts
        for artefact in papers.of(paper).artefacts:
            wanted |= imports.closure(Path(f"paper/{paper}/{artefact}.py"))
    if paper == "nix2022" and short.startswith(
        ("transfer@", "image_transfer_cnn", "image_transfer_gcnn", "image_transfer_resnet", "image_augment")
    ):
        # A method is looked up by name, where no import statement can be read; Augment is no transfer
        method = "none" if short.startswith("image_augment") else short.partition("@")[2]
        module = imports.PACKAGE / "transfer" / f"{method}.py"
        wanted |= {module} | imports.closure(module)
    if name == "nix2022/search":
        modules = {imports.PACKAGE / "transfer" / f"{method}.py" for method in METHODS}
        wanted |= modules.union(*map(imports.closure, modules))
    listed = {Path(dep) for dep in stage["deps"] if dep.startswith("src/")}
    files = {f for dep in listed for f in (dep.rglob("*.py") if dep.is_dir() else [dep])} - imports.NEUTRAL
    if "@" in name and not short.startswith(
        ("image_teacher", "image_orbit", "train", "clone", "mixer", "translated", "rotated")
    ):  # one list for a group: it may hold more
        assert wanted <= files
    else:
        assert {str(path) for path in wanted} == {str(path) for path in files}
    assert str(script) in stage["deps"]


def test_every_dependency_is_a_file_or_made_by_a_stage() -> None:
    made = {output for stage in ALL.values() for output in outputs(stage)}
    for name, stage in ALL.items():
        for dep in stage["deps"]:
            folder = any(output.startswith(f"{dep}/") for output in made)
            assert Path(dep).exists() or dep in made or folder, f"{name}: {dep}"


def test_every_parameter_named_exists() -> None:
    """In the file that the stage names, as the first stage writes it."""
    written = params.parts(YAML(typ="safe").load(Path("params.yaml").read_text()))
    for stage in ALL.values():
        for part in stage.get("params", []):
            for file, keys in part.items():
                assert Path(file).parent == params.FOLDER
                for key in keys:
                    resolved(written[Path(file).stem], key)


def test_another_scales_value_makes_no_stage_stale() -> None:
    """DVC compares what the named files hold."""
    raw = YAML(typ="safe").load(Path("params.yaml").read_text())
    before = copy.deepcopy(params.parts(raw))
    raw["nix2022"]["full"]["seeds"] += 1
    assert params.parts(raw) == before
    raw["nix2022"]["quick"]["seeds"] += 1
    assert {name for name, part in params.parts(raw).items() if part != before[name]} == {"nix2022"}


def test_training_stages_wait_for_the_check_of_the_parameters() -> None:
    for name, stage in ALL.items():
        if any(output.startswith("data/runs/") for output in outputs(stage)):
            assert parameters(stage), name


@pytest.mark.parametrize("paper", config.PAPERS)
def test_stages_and_artefacts_listed_for_a_paper_are_in_the_pipeline(paper: str) -> None:
    made = {output for stage in ALL.values() for output in outputs(stage)}
    listed = papers.of(paper).stages(config.load(paper, scale="quick"))
    results = {str(result_path("quick", paper, stage)) for stage in listed}
    assert results <= made
    assert results <= set(ALL[f"{paper}/claims"]["deps"]), "a result that no claim's stage waits for"
    draw = ALL[f"{paper}/draw"]
    scripts = [str(path) for path in sorted(Path("paper", paper).glob("*.py"))]
    assert scripts == sorted(f"paper/{paper}/{artefact}.py" for artefact in papers.of(paper).artefacts)
    assert set(scripts) <= set(draw["deps"])
    assert writes(draw, artefact_path("quick", paper, "any", "svg"))


@pytest.mark.parametrize("paper", config.PAPERS)
def test_every_claim_is_about_metrics_that_some_stage_produces(paper: str) -> None:
    """Or is to produce, where the paper's entry says so; what it says is to come is not there yet."""
    listed = papers.of(paper).stages(config.load(paper, scale="quick"))
    known = {m for stage in listed for m in json.loads(result_path("quick", paper, stage).read_text())["metrics"]}
    to_come = papers.of(paper).to_come
    assert not [metric for metric in known if metric.startswith(to_come)]
    for claim in reference.of(paper).claims:
        names = {metric for metric, _ in Predicate(claim["predicate"], claim["id"]).names.values()}
        assert names <= known | {name for name in names if name.startswith(to_come)}, claim["id"]


@pytest.mark.parametrize("paper", config.PAPERS)
def test_a_claim_is_not_run_where_its_stages_are_to_come(paper: str) -> None:
    verdicts = json.loads(result_path("quick", paper, "claims").read_text())["claims"]
    for claim in verdicts:
        await_these = papers.of(paper).to_come + SUPPLIED.get(paper, ())
        awaited = [name for name in claim["missing"] if name.startswith(await_these)]
        assert claim["missing"] == awaited, claim["id"]
        assert (claim["verdict"] == "not run") >= bool(awaited), claim["id"]


def test_a_typo_stops_the_pipeline_before_anything_is_lost(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("      temperature: 5.0", "      temprature: 5.0", 1))
    done = subprocess.run(
        [sys.executable, ROOT / "stages/params.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "nix2022.methods.dm" in done.stderr
    assert "did you mean temperature?" in done.stderr
    assert not (tmp_path / "data").exists()


def test_an_unknown_method_is_an_error_and_never_the_baseline() -> None:
    done = subprocess.run(
        [sys.executable, "stages/nix2022/transfer.py", "kdd"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "did you mean kd?" in done.stderr


@pytest.fixture
def smoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """``smoke(paper)``: its settings at scale smoke, on a CPU, in a repository that has no data but stand-ins."""
    shutil.copytree(ROOT / "paper/reference", tmp_path / "paper/reference")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "data", tmp_path / "data", ignore=shutil.ignore_patterns("r*", "prepared", "scratch"))
    for name in ("mnist", "fashion-mnist", "cifar10"):
        write_json(tmp_path / f"data/prepared/{name}.json", {"name": name, "source": "stand-in", "files": {}})
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(sources.MIRROR, raising=False)
    monkeypatch.delenv(imagenet.FOLDER, raising=False)

    def load(paper: str) -> Any:
        cfg = config.load(paper, scale="smoke")
        return cfg.model_copy(update={"engine": cfg.engine.model_copy(update={"device": "cpu"})})

    return load


JUDGED = {  # claims that have a verdict at smoke, where images are stand-ins
    "nix2022": {f"N{number}" for number in (*range(1, 15), 33)},
    "moskalev2023": set(),
    "huang2024": {f"H{number}" for number in range(19, 23)},
    "bruintjes2023": {"B1"},
    "bokman2023": {"R16", *(f"T{number:02}" for number in range(1, 12))},
}
REASONS = {("bruintjes2023", "B4"): "set data.imagenet", ("bokman2023", "R01"): "set data.imagenet"}
TOLD = [  # paper, artefact, text, how often
    ("huang2024", "table1.md", "| rotated MNIST | GCNN |", 1),
    ("huang2024", "table1.md", "not run [not run]", 6),  # frozen clones are not trained to break a symmetry
    ("bruintjes2023", "fig6a_numbers.md", "± standard error", 4),
    ("bruintjes2023", "fig6a_numbers.md", "not run", 0),
    ("bokman2023", "table5.md", "not run [", 70),
    ("bokman2023", "table5.md", "without ImageNet's validation images: set data.imagenet", 1),
]


@pytest.mark.long
@pytest.mark.parametrize("paper", JUDGED)
def test_every_stage_runs_at_smoke_and_a_second_time_gives_the_same_bytes(
    smoke: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, paper: str
) -> None:
    """As ``dvc repro`` runs them, in its order, but through main(cfg); those of stages/ twice."""
    cfg, listed = smoke(paper), in_order(paper)
    trained = {name: stage for name, stage in listed.items() if stage["file"].startswith("stages/")}

    def train() -> dict[str, bytes]:
        for stage in trained.values():
            run(stage, cfg)
        return {name: result_path("smoke", paper, name).read_bytes() for name in papers.of(paper).stages(cfg)}

    first = train()
    assert train() == first
    show(paper, cfg, monkeypatch)
    for name, stage in listed.items():
        assert {path for path in outputs(stage) if not Path(path).exists()} == set(), name
    verdicts = {claim["id"]: claim for claim in json.loads(result_path("smoke", paper, "claims").read_text())["claims"]}
    assert {key for key, claim in verdicts.items() if claim["verdict"] != "not run"} == JUDGED[paper]
    for told, claim in REASONS:
        assert told != paper or REASONS[told, claim] in verdicts[claim]["reason"]
    for told, artefact, text, times in TOLD:
        assert told != paper or Path("paper/artefacts/smoke", paper, artefact).read_text().count(text) == times, text
    assert not list(Path("data/scratch").rglob("*.pt")), "checkpoints of unfinished training are gone at the end"


def in_order(paper: str) -> dict[str, pipeline.Stage]:
    """A paper's stages at smoke, each after those whose outputs it reads."""
    listed = {name: stage for name, stage in SMOKE.items() if name.startswith(f"{paper}/")}
    maker = {output: name for name, stage in listed.items() for output in outputs(stage)}
    needs = {name: {maker[path] for path in stage["deps"] if path in maker} for name, stage in listed.items()}
    return {name: listed[name] for name in TopologicalSorter(needs).static_order()}


def show(paper: str, cfg: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw and judge at smoke; both read the results that their stages wait for, and no others."""
    for short in ("draw", "claims"):
        stage, read = SMOKE[f"{paper}/{short}"], set()

        def recorded(scale: str, key: str, name: str, read: set[str] = read) -> dict[str, Any]:
            read.add(str(result_path(scale, key, name)))
            return read_result(scale, key, name)

        for module in (results, measured):
            monkeypatch.setattr(module, "read_result", recorded)
        run(stage, cfg)
        assert read == {dep for dep in stage["deps"] if dep.startswith("paper/results/")}
    for artefact in papers.of(paper).artefacts:
        assert artefact_path("smoke", paper, artefact, "json").exists()


def run(stage: pipeline.Stage, cfg: Any) -> None:
    _, script, *arguments = stage["cmd"].split()
    importlib.import_module(script.removesuffix(".py").replace("/", ".")).main(cfg, *arguments)


@pytest.mark.long
def test_cross_examination_runs_at_smoke_and_a_second_time_gives_the_same_bytes(
    smoke: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On networks as they are before training: the other tests train them. A few, at least one of each loader."""
    import torch

    from learned_symmetry import cross_digits, cross_photographs, flip_resnets, flip_vgg
    from learned_symmetry.genuine_invariance import Experiment
    from learned_symmetry.models.vgg import plain
    from learned_symmetry.report.examined import NETWORKS
    from stages.cross import flips, shifts, turns
    from stages.huang2024 import clone

    def untrained(network: torch.nn.Module, *_: Any) -> torch.nn.Module:
        return network.requires_grad_(False).eval()

    cfg = smoke("cross")
    clone.main(smoke("huang2024"), "t2")
    for module in (cross_digits, cross_photographs):
        monkeypatch.setattr(module, "restored", untrained)
    monkeypatch.setattr(Experiment, "trained", lambda self, *which: untrained(self.network(*which)))
    monkeypatch.setattr(flip_vgg.Experiment, "trained", lambda self, *which: plain(untrained(self.network(*which))))
    monkeypatch.setattr(flip_resnets.Experiment, "read", lambda self, kind, size, seed: untrained(self.network(seed)))
    monkeypatch.setattr(cross_photographs, "_barriers", lambda *_: [0.25, None])

    shown = {
        "c4": (turns, cross_digits.TURNED, "nix_kd moskalev_wt huang_gcnn huang_mlp bruintjes_roteq"),
        "t2": (shifts, cross_digits.SHIFTED, "nix_kd huang_cnn huang_clone"),
        "cifar": (
            flips,
            cross_photographs.MIRRORED,
            "vgg_cnn vgg_gcnn resnet_simsiam_odd bruintjes_flips bruintjes_vit_s",
        ),
    }
    found = {}
    for group, (stage, subjects, some) in shown.items():
        assert NETWORKS[group].keys() == subjects.keys()
        for name in subjects.keys() - set(some.split()):
            monkeypatch.delitem(subjects, name)
        result = result_path("smoke", "cross", stage.__name__.rpartition(".")[2])
        torch.manual_seed(0)  # of networks whose start comes from no seed of their own
        stage.main(cfg)
        first = result.read_bytes()
        if group == "t2":
            torch.manual_seed(0)
            stage.main(cfg)
            assert result.read_bytes() == first
        found |= {name: metric["mean"] for name, metric in json.loads(first)["metrics"].items()}
    for exact in ("c4.moskalev_wt", "c4.huang_gcnn", "cifar.vgg_gcnn"):  # by construction, whatever was trained
        assert found[f"{exact}.relative"] < 1e-4
        assert found[f"{exact}.si"] > 0.99
        assert found[f"{exact}.moved"] == found[f"{exact}.still"]
        assert found[f"{exact}.eqv"] > 0.999
    assert found["c4.moskalev_wt.inv"] > 0.999
    assert found["c4.huang_mlp.relative"] > 1e-3
    assert found["cifar.vgg_cnn.barrier"] == 0.25
    assert "cifar.bruintjes_flips.barrier" in found
    assert "t2.huang_cnn.si" not in found, "no shift that loses pixels can be undone"
    show("cross", cfg, monkeypatch)
    verdicts = json.loads(result_path("smoke", "cross", "claims").read_text())["claims"]
    assert {claim["verdict"] for claim in verdicts} == {"not run"}, "all on stand-in data"
