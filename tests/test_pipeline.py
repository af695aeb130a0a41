"""The pipeline's files against the code: sources, scripts, parameters, claims; and every stage at scale smoke."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from learned_symmetry import config, imports
from learned_symmetry.data import imagenet, sources
from learned_symmetry.report import papers, pipeline, reference
from learned_symmetry.report.pipeline import outputs, resolved
from learned_symmetry.report.predicate import Predicate
from learned_symmetry.results import result_path, write_json
from learned_symmetry.transfer import METHODS

ROOT = Path(__file__).parents[1]
ON_IMAGES = {f"N{number}" for number in range(15, 33)}  # never judged on stand-in data


SUPPLIED = {  # metrics that need weights and images which a user supplies
    "bruintjes2023": ("fig4.", "fig7a.", "fig7b."),
    "bokman2023": ("table3.", "table5.", "notebook."),
}

ALL = pipeline.stages("quick")
READS = {  # artefact -> what the paths of the results have in common that it reads
    "nix2022": {"fig5": ("/image_orbit_cnn_mlp",)}
    | dict.fromkeys(("table1", "table2", "table6"), ("/image_transfer_",))
    | dict.fromkeys(("fig2", "fig3", "table1d", "search1d"), ("/transfer_",)),
    "moskalev2023": {"table1": ("/measure",), "fig4": ("/drift",), "fig5": ("/measure",), "prop31": ("/proposition",)}
    | dict.fromkeys(("fig1", "fig2", "fig3"), ("/orbits",)),
    "huang2024": {"table1": ("/t2_", "/c4_"), "clones": ("/clone_", "/mixer_"), "fig6": ("/clone_c4", "/pictures")}
    | {"fig7": ("/mixer_t2",), "fig8": ("/mixer_so2",)}
    | dict.fromkeys(("fig2", "fig4", "fig5"), ("/clone_t2", "/pictures")),
    "bruintjes2023": {"fig3": ("/controlled",)}
    | dict.fromkeys(("fig2a", "fig2b", "fig2_numbers"), ("/similarity",))
    | dict.fromkeys(("fig5", "fig5_numbers"), ("/measure_mnist6",))
    | dict.fromkeys(("fig6a", "fig6a_numbers"), ("/measure_augmentations",))
    | dict.fromkeys(("fig6b", "fig6b_numbers"), ("/measure_widths",))
    | dict.fromkeys(("fig4", "fig4_numbers", "fig7a", "fig7b", "fig7_numbers"), ("/imagenet",))
    | {f"{name}_small": ("/small",) for name in ("fig4", "fig7a", "fig7b")}
    | dict.fromkeys(("fig4_small_numbers", "fig7_small_numbers"), ("/small",)),
    "bokman2023": {"table5_small": ("/small_merge",), "fig9": ("/small_merge", "/resnet50")}
    | dict.fromkeys(("table3", "table5"), ("/resnet50",))
    | {"theory": ("/theory",), "fig10": ("/theory",), "table4": ("/vgg_pairs",), "path": ("/vgg_path",)}
    | dict.fromkeys(("table1", "table2", "fig1", "fig4", "fig5", "fig6", "fig7", "fig8", "scatter"), ("/vgg_merge",)),
    "cross": dict.fromkeys(("table", "genuine"), ("/examine",)),
}


@pytest.fixture(autouse=True)
def _root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("name", ALL)
def test_deps_are_what_the_script_imports(name: str) -> None:
    stage = ALL[name]
    script = Path(stage["cmd"].split()[1])
    wanted = imports.closure(script)
    paper, _, short = name.rpartition("/")
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
    raw = YAML(typ="safe").load(Path("params.yaml").read_text())
    for stage in ALL.values():
        for path in stage.get("params", []):
            resolved(raw, path)


def test_training_stages_wait_for_the_check_of_the_parameters() -> None:
    for name, stage in ALL.items():
        if any(output.startswith("data/runs/") for output in outputs(stage)):
            assert "data/params.ok" in stage["deps"], name


@pytest.mark.parametrize("paper", config.PAPERS)
def test_stages_and_artefacts_listed_for_a_paper_are_in_the_pipeline(paper: str) -> None:
    made = {output for stage in ALL.values() for output in outputs(stage)}
    listed = papers.of(paper).stages(config.load(paper, scale="quick"))
    results = {str(result_path("quick", paper, stage)) for stage in listed}
    assert results <= made
    assert results <= set(ALL[f"{paper}/claims"]["deps"]), "a result that no claim's stage waits for"
    for artefact in papers.of(paper).artefacts:
        assert Path(f"paper/{paper}/{artefact}.py").exists()
        drawn = [stage for stage in ALL.values() if f"paper/{paper}/{artefact}.py" in stage["deps"]]
        assert len(drawn) == 1
        read = {result for result in results if any(name in result for name in READS[paper][artefact])}
        assert read <= set(drawn[0]["deps"]), artefact


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


def test_every_stage_of_nix2022_runs_at_smoke_and_a_second_time_gives_the_same_bytes(
    smoke: Callable[[str], Any],
) -> None:
    """Through main(cfg), without DVC; then figures, tables, claims. The training stages are run twice."""
    from paper import claims
    from paper.nix2022 import fig2, fig3, fig5, search1d, table1, table1d, table2, table6
    from stages.nix2022 import (
        ablation,
        image_orbit,
        image_teacher,
        image_transfer,
        image_transfer_orbit,
        lemma1,
        orbit,
        search,
        teacher,
        transfer,
        transfer_orbit,
    )

    cfg = smoke("nix2022")

    def train() -> dict[str, bytes]:
        teacher.main(cfg)
        orbit.main(cfg)
        for method in cfg.methods:
            transfer.main(cfg, method)
        transfer_orbit.main(cfg)
        search.main(cfg)
        lemma1.main(cfg)
        for setting in cfg.images.settings:
            image_teacher.main(cfg, setting)
            image_orbit.main(cfg, setting)
            for method in papers.TAUGHT[setting]:
                image_transfer.main(cfg, setting, method)
            image_transfer_orbit.main(cfg, setting)
        ablation.main(cfg)
        listed = papers.of("nix2022").stages(cfg)
        return {stage: result_path("smoke", "nix2022", stage).read_bytes() for stage in listed}

    first = train()
    assert train() == first
    for artefact in (fig2, fig3, table1d, search1d, table1, table2, table6, fig5):
        artefact.main(cfg)
    claims.main(cfg, "nix2022")
    drawn = {path.name for path in Path("paper/artefacts/smoke/nix2022").iterdir()}
    assert {"fig2.svg", "fig3.png", "table1d.tex", "search1d.md", "table1.md", "table6.json", "fig5.svg"} <= drawn
    verdicts = json.loads(result_path("smoke", "nix2022", "claims").read_text())["claims"]
    assert {claim["id"] for claim in verdicts if claim["verdict"] == "not run"} == ON_IMAGES
    assert not list(Path("data/scratch").rglob("*.pt")), "checkpoints of unfinished training are gone at the end"


def test_every_stage_of_moskalev2023_runs_at_smoke_and_a_second_time_gives_the_same_bytes(
    smoke: Callable[[str], Any],
) -> None:
    """Through main(cfg), without DVC; then figures, the table, claims. All stages are run twice."""
    from paper import claims
    from paper.moskalev2023 import fig1, fig2, fig3, fig4, fig5, prop31, table1
    from stages.moskalev2023 import drift, measure, orbits, proposition, train, tune

    cfg = smoke("moskalev2023")

    def run() -> dict[str, bytes]:
        for kind in ("WT", "DA"):
            train.main(cfg, kind)
        tune.main(cfg)
        train.main(cfg, "IR")
        for stage in (measure, drift, orbits, proposition):
            stage.main(cfg)
        listed = papers.of("moskalev2023").stages(cfg)
        return {stage: result_path("smoke", "moskalev2023", stage).read_bytes() for stage in listed}

    first = run()
    assert run() == first
    for artefact in (table1, fig1, fig2, fig3, fig4, fig5, prop31):
        artefact.main(cfg)
    claims.main(cfg, "moskalev2023")
    drawn = {path.name for path in Path("paper/artefacts/smoke/moskalev2023").iterdir()}
    assert {"table1.tex", "fig1.svg", "fig2.png", "fig3.svg", "fig4.json", "fig5.svg", "prop31.png"} <= drawn
    verdicts = json.loads(result_path("smoke", "moskalev2023", "claims").read_text())["claims"]
    assert {claim["verdict"] for claim in verdicts} == {"not run"}, "all on stand-in data"
    assert not list(Path("data/scratch").rglob("*.pt")), "checkpoints of unfinished training are gone at the end"


def test_every_stage_of_huang2024_runs_at_smoke_and_a_second_time_gives_the_same_bytes(
    smoke: Callable[[str], Any],
) -> None:
    from paper import claims
    from paper.huang2024 import clones, fig2, fig4, fig5, fig6, fig7, fig8, table1
    from stages.huang2024 import classify, clone, mixer, pictures

    cfg = smoke("huang2024")

    def train() -> dict[str, bytes]:
        for group in ("t2", "c4"):
            clone.main(cfg, group)
            for kind in papers.CLASSIFIED:
                classify.main(cfg, group, kind)
        for target in ("t2", "so2"):
            mixer.main(cfg, target)
        pictures.main(cfg)
        listed = papers.of("huang2024").stages(cfg)
        return {stage: result_path("smoke", "huang2024", stage).read_bytes() for stage in listed}

    first = train()
    assert train() == first
    for artefact in (table1, clones, fig2, fig4, fig5, fig6, fig7, fig8):
        artefact.main(cfg)
    claims.main(cfg, "huang2024")
    table = Path("paper/artefacts/smoke/huang2024/table1.md").read_text()
    assert "| rotated MNIST | GCNN |" in table
    assert table.count("not run [not run]") == 6  # frozen clones are not trained to break a symmetry
    drawn = {path.name for path in Path("paper/artefacts/smoke/huang2024").iterdir()}
    assert {"clones.tex", "fig2.svg", "fig4.png", "fig5.json", "fig6.svg", "fig7.png", "fig8.svg"} <= drawn
    verdicts = json.loads(result_path("smoke", "huang2024", "claims").read_text())["claims"]
    unjudged = {f"H{number}" for number in range(1, 19)}  # on stand-in images
    assert {claim["id"] for claim in verdicts if claim["verdict"] == "not run"} == unjudged
    assert not list(Path("data/scratch").rglob("*.pt")), "checkpoints of unfinished training are gone at the end"


def test_every_stage_of_bruintjes2023_runs_at_smoke_and_a_second_time_gives_the_same_bytes(
    smoke: Callable[[str], Any],
) -> None:
    from paper import claims
    from paper.bruintjes2023 import (
        fig2_numbers,
        fig2a,
        fig2b,
        fig3,
        fig4,
        fig4_numbers,
        fig4_small,
        fig4_small_numbers,
        fig5,
        fig5_numbers,
        fig6a,
        fig6a_numbers,
        fig6b,
        fig6b_numbers,
        fig7_numbers,
        fig7_small_numbers,
        fig7a,
        fig7a_small,
        fig7b,
        fig7b_small,
    )
    from stages.bruintjes2023 import (
        controlled,
        imagenet,
        measure_cifar10,
        measure_mnist6,
        similarity,
        small,
        train_cifar10,
        train_mnist6,
    )

    cfg = smoke("bruintjes2023")

    def run() -> dict[str, bytes]:
        controlled.main(cfg)
        train_mnist6.main(cfg)
        for kind in papers.RESIDUAL:
            train_cifar10.main(cfg, kind)
        measure_mnist6.main(cfg)
        measure_cifar10.main(cfg, "augmentations")
        measure_cifar10.main(cfg, "widths")
        similarity.main(cfg)
        imagenet.main(cfg)
        small.main(cfg)
        listed = papers.of("bruintjes2023").stages(cfg)
        return {stage: result_path("smoke", "bruintjes2023", stage).read_bytes() for stage in listed}

    first = run()
    assert run() == first
    figures, tables = (
        (fig2a, fig2b, fig3, fig4, fig4_small, fig5, fig6a, fig6b, fig7a, fig7a_small, fig7b, fig7b_small),
        (
            *(fig2_numbers, fig4_numbers, fig4_small_numbers, fig5_numbers, fig6a_numbers, fig6b_numbers),
            *(fig7_numbers, fig7_small_numbers),
        ),
    )
    for artefact in (*figures, *tables):
        artefact.main(cfg)
    drawn = {path.name for path in Path("paper/artefacts/smoke/bruintjes2023").iterdir()}
    names = [
        (module.__name__.rpartition(".")[2], kinds)
        for modules, kinds in ((figures, "svg png json"), (tables, "md tex json"))
        for module in modules
    ]
    assert drawn == {f"{name}.{kind}" for name, kinds in names for kind in kinds.split()}
    claims.main(cfg, "bruintjes2023")
    verdicts = json.loads(result_path("smoke", "bruintjes2023", "claims").read_text())["claims"]
    assert [claim["id"] for claim in verdicts if claim["verdict"] != "not run"] == ["B1"]
    assert verdicts[0]["verdict"] == "holds"
    assert "without ImageNet's validation images: set data.imagenet" in verdicts[3]["reason"]
    told = Path("paper/artefacts/smoke/bruintjes2023/fig6a_numbers.md").read_text()
    assert "± standard error" in told
    assert "not run" not in told
    assert not list(Path("data/scratch").rglob("*.pt")), "checkpoints of unfinished training are gone at the end"


def test_every_stage_of_bokman2023_runs_at_smoke_and_a_second_time_gives_the_same_bytes(
    smoke: Callable[[str], Any],
) -> None:
    from paper import claims
    from paper.bokman2023 import (
        fig1,
        fig4,
        fig5,
        fig6,
        fig7,
        fig8,
        fig9,
        fig10,
        path,
        scatter,
        table1,
        table2,
        table3,
        table4,
        table5,
        table5_small,
    )
    from paper.bokman2023 import theory as table
    from stages.bokman2023 import resnet50, small, small_merge, theory, vgg_merge, vgg_pairs, vgg_path, vgg_train

    cfg = smoke("bokman2023")

    def run() -> dict[str, bytes]:
        for loss in ("plain", "invariance"):
            vgg_train.main(cfg, loss)
        for kind in papers.SMALL:
            small.main(cfg, kind)
        for stage in (vgg_merge, vgg_pairs, vgg_path, theory, small_merge, resnet50):
            stage.main(cfg)
        listed = papers.of("bokman2023").stages(cfg)
        return {stage: result_path("smoke", "bokman2023", stage).read_bytes() for stage in listed}

    first = run()
    assert run() == first
    for artefact in (
        table1,
        table2,
        table4,
        fig1,
        fig4,
        fig5,
        fig6,
        fig7,
        fig8,
        scatter,
        path,
        table,
        table3,
        table5,
        table5_small,
        fig9,
        fig10,
    ):
        artefact.main(cfg)
    drawn = {path.name for path in Path("paper/artefacts/smoke/bokman2023").iterdir()}
    assert {"table3.md", "table5.tex", "table5_small.json", "fig9.svg"} <= drawn
    told = Path("paper/artefacts/smoke/bokman2023/table5.md").read_text()
    assert told.count("not run [") == 70
    assert "without ImageNet's validation images: set data.imagenet" in told
    assert {"theory.md", "theory.tex", "table2.json", "table4.md", "fig1.png", "fig4.svg", "scatter.json"} <= drawn
    claims.main(cfg, "bokman2023")
    verdicts = json.loads(result_path("smoke", "bokman2023", "claims").read_text())["claims"]
    proved = {claim["id"] for claim in verdicts if claim["id"].startswith("T") and not claim["missing"]}
    assert {claim["id"] for claim in verdicts if claim["verdict"] == "holds"} == proved | {"R16"}
    assert "data.imagenet" in next(claim["reason"] for claim in verdicts if claim["id"] == "R01")


def test_cross_examination_runs_at_smoke_and_a_second_time_gives_the_same_bytes(
    smoke: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On networks as they are before training: the other tests train them."""
    import torch

    from learned_symmetry import cross
    from learned_symmetry.genuine_invariance import Experiment
    from learned_symmetry.report import style
    from paper import claims
    from paper.cross import genuine, table
    from stages.cross import examine
    from stages.huang2024 import clone

    cfg = smoke("cross")
    clone.main(smoke("huang2024"), "c4")
    monkeypatch.setattr(cross, "_restored", lambda network, *_: network.requires_grad_(False).eval())
    monkeypatch.setattr(Experiment, "trained", lambda self, *which: self.network(*which).requires_grad_(False).eval())

    result = result_path("smoke", "cross", "examine")
    torch.manual_seed(0)
    examine.main(cfg)
    first = result.read_bytes()
    torch.manual_seed(0)
    examine.main(cfg)
    assert result.read_bytes() == first
    assert style.EXAMINED.keys() == cross.SUBJECTS.keys()
    found = json.loads(first)["metrics"]
    for exact in ("moskalev_wt", "huang_gcnn"):  # by construction, whatever was trained
        assert found[f"c4.{exact}.relative"]["mean"] < 1e-4
        assert found[f"c4.{exact}.si"]["mean"] > 0.99
        assert found[f"c4.{exact}.turned"]["mean"] == found[f"c4.{exact}.upright"]["mean"]
    assert found["c4.huang_mlp.relative"]["mean"] > 1e-3
    table.main(cfg)
    genuine.main(cfg)
    claims.main(cfg, "cross")
    verdicts = json.loads(result_path("smoke", "cross", "claims").read_text())["claims"]
    assert {claim["verdict"] for claim in verdicts} == {"not run"}, "all on stand-in data"
