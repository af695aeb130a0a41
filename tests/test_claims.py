"""Predicates worked out by hand, verdicts on made-up seeds, and the papers' claims on the papers' own numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from learned_symmetry.errors import UserError
from learned_symmetry.report import reference
from learned_symmetry.report.claims import evaluate, verdict
from learned_symmetry.report.measured import Measured
from learned_symmetry.report.predicate import Predicate, spearman
from learned_symmetry.report.reference import Reference
from paper import claims as script
from tests.synthetic import ROOT, metric, settings, write_nix2022

REFERENCES = sorted((ROOT / "paper/reference").glob("*.yaml"))
VALUES = {"t.a.x": 0.5, "t.b.x": 0.25, "t.c.x": -2.0, "t.a.x.std": 0.1, "t.a.x.mean": 0.5}


def measured(data: str = "MNIST-1D, generated", **values: list[float | None]) -> Measured:
    """Metrics t.NAME.x of one stage."""
    metrics = {f"t.{name}.x": metric(seeds) for name, seeds in values.items()}
    return Measured("paper", "quick", metrics, dict.fromkeys(metrics, "stage"), {"stage": {"data": data}})


def judged(predicate: str, results: Measured, resamples: int = 2000) -> dict:
    claims = [{"id": "C1", "statement": "a claim", "predicate": predicate}]
    return evaluate(Reference(Path("x.yaml"), {}, claims), results, resamples=resamples, seed=0)[0]


@pytest.mark.parametrize(
    ("predicate", "answer"),
    [
        ("t.a.x - t.b.x > 0.2", True),
        ("t.a.x - t.b.x > 0.25", False),
        ("t.a.x - t.b.x >= 0.25", True),
        ("t.a.x / t.b.x == 2", True),
        ("t.a.x * t.b.x + t.c.x < -1.8", True),
        ("abs(t.c.x) > 1.5 and abs(t.a.x) < 0.6", True),
        ("not t.a.x < 0.4", True),
        ("t.a.x < 0.4 or t.b.x < 0.3", True),
        ("0.2 < t.b.x < t.a.x", True),
        ("0.2 < t.b.x < t.c.x", False),
        ("-t.c.x > max(t.a.x, t.b.x, 1)", True),
        ("min(t.a.x, t.b.x) < 0.25", False),
        ("mean([t.a.x, t.b.x]) == 0.375", True),
        ("t.a.x.std < 0.2 * t.a.x.mean", False),
        ("all([t.a.x > 0, t.c.x < 0])", True),
        ("t.a.x / (t.b.x - 0.25) > 1e9", True),  # infinity
        ("(t.b.x - 0.25) / (t.b.x - 0.25) == 1", False),  # not a number, so every comparison is false
        ("spearman([1, 2, 3], [t.c.x, t.b.x, t.a.x]) == 1", True),
        ("spearman([1, 2, 3], [t.b.x, t.a.x, t.c.x]) == -0.5", True),
    ],
)
def test_predicate_by_hand(predicate: str, answer: bool) -> None:
    read = Predicate(predicate, "here")
    assert bool(read({name: np.array([VALUES[name]]) for name in read.names})[0]) is answer


@pytest.mark.parametrize(
    ("predicate", "culprit"),
    [
        ("__import__('os').name == t.a.x", "__import__"),
        ("t.a.x ** 2 > 1", "t.a.x ** 2"),
        ("t.a.x", "t.a.x"),
        ("t.a.x > 'b'", "'b'"),
        ("max(t.a.x) > 1", "max(t.a.x)"),
        ("t.a.x > 1 if t.b.x else 2", "if t.b.x"),
        ("t.a.x > True", "True"),
        ("t.a.x >", "no expression"),
        ("1 < 2", "no metric"),
    ],
)
def test_unknown_construct_names_claim_and_file(predicate: str, culprit: str) -> None:
    with pytest.raises(UserError) as error:
        judged(predicate, measured(a=[1.0], b=[1.0]))
    assert culprit in str(error.value)
    assert "x.yaml: claim C1" in str(error.value)


def test_spearman_averages_the_ranks_of_ties() -> None:
    scipy = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    a, b = rng.integers(4, size=(2, 7, 5)).astype(float)
    assert np.allclose(spearman(a, b), [scipy.spearmanr(a[:, k], b[:, k]).statistic for k in range(5)])


@pytest.mark.parametrize(
    ("seeds", "word"), [([0.8, 0.9, 0.7], "holds"), ([0.3, 0.7, 0.52], "undecided"), ([0.3, 0.2, 0.4], "fails")]
)
def test_verdict_on_one_metric(seeds: list[float], word: str) -> None:
    claim = judged("t.a.x > 0.5", measured(a=seeds))
    assert claim["verdict"] == word
    assert claim["seeds"] == 3
    assert claim["missing"] == []


def test_verdict_is_the_share_of_resamples() -> None:
    assert [verdict(share) for share in (1.0, 0.95, 0.949, 0.051, 0.05, 0.0)] == [
        "holds", "holds", "undecided", "undecided", "fails", "fails",
    ]  # fmt: skip
    # both seeds must be drawn alike for a mean of 0 or 1: 1/4 each
    claim = judged("0.25 < t.a.x < 0.75", measured(a=[0.0, 1.0]), resamples=20_000)
    assert claim["share_true"] == pytest.approx(0.5, abs=0.02)
    assert claim["true_on_means"] is True
    assert claim["comparisons"][1]["difference_interval"] == [-0.75, 0.25]


def test_seeds_are_drawn_jointly() -> None:
    a = [0.10, 0.50, 0.90, 0.30, 0.70]
    better = [value + 0.02 for value in a]
    assert judged("t.b.x > t.a.x", measured(a=a, b=better))["verdict"] == "holds"
    assert judged("t.b.x > t.a.x", measured(a=a, b=better[::-1]))["verdict"] == "undecided"


def test_spread_is_resampled_too() -> None:
    claim = judged("t.a.x.std < 0.5", measured(a=[0.0, 1.0]), resamples=20_000)
    assert claim["comparisons"][0]["left"] == pytest.approx(0.5**0.5)
    assert claim["share_true"] == pytest.approx(0.5, abs=0.02)  # 0 where one seed was drawn twice
    assert judged("t.a.x.std < 0.5", measured(a=[0.0]))["missing"] == ["t.a.x.std"]


def test_dropped_runs_do_not_count() -> None:
    claim = judged("t.a.x > 0.5", measured(a=[0.9, None, 0.8]))
    assert (claim["verdict"], claim["seeds"], claim["share_true"]) == ("holds", 2, 1.0)
    assert judged("t.a.x > 0.5", measured(a=[None, None]))["missing"] == ["t.a.x"]


def test_not_run_says_why() -> None:
    claim = judged("t.a.x - t.gone.x.mean > 0.5", measured(a=[0.9, 0.8]))
    assert (claim["verdict"], claim["reason"]) == ("not run", "missing: t.gone.x.mean")
    results = measured(a=[None])
    for number, told in enumerate(
        ("; put it there", "; put it there; and 1 more, listed by the stage's results (not_run)")
    ):
        results.provenance["stage"].setdefault("not_run", {})[f"network{number}"] = f"{number}; put it there"
        assert judged("t.a.x > 0.5", results)["reason"] == f"missing: t.a.x; 0{told}"
    claim = judged("t.a.x > 0.5", measured(data="stand-in: scikit-learn's digits", a=[0.9, 0.8]))
    assert (claim["verdict"], claim["reason"]) == ("not run", "stand-in data: stage")
    assert claim["comparisons"][0]["left"] == pytest.approx(0.85)


def test_interval_needs_two_seeds() -> None:
    claim = judged("t.a.x > 0.5", measured(a=[0.9]))
    assert (claim["verdict"], claim["seeds"]) == ("holds", 1)
    assert claim["comparisons"][0]["difference_interval"] is None


def test_a_claim_does_not_depend_on_the_others() -> None:
    results = measured(a=[0.4, 0.6, 0.53], b=[0.2, 0.1, 0.7, 0.4])
    alone = judged("t.a.x > 0.5", results)
    claims = [{"id": f"C{k}", "statement": "a claim", "predicate": f"t.{m}.x > 0.5"} for k, m in ((2, "b"), (1, "a"))]
    both = evaluate(Reference(Path("x.yaml"), {}, claims), results, resamples=2000, seed=0)
    assert both[1] == alone


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.stem)
def test_claims_hold_on_the_papers_own_numbers(path: Path) -> None:
    paper = reference.read(path)
    metrics = {name: metric([value.mean]) | {"std": value.std} for name, value in paper.metrics.items()}
    results = Measured(path.stem, "full", metrics, dict.fromkeys(metrics, "paper"), {"paper": {"data": "the paper's"}})
    told = evaluate(paper, results, resamples=1, seed=0)  # reads every predicate
    for claim, judgement in zip(paper.claims, told, strict=True):
        if claim["holds_on_metrics"]:
            assert judgement["verdict"] == "holds", judgement


def test_script_writes_verdicts_that_do_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    cfg = settings()
    write_nix2022(tmp_path, cfg)
    script.main(cfg, "nix2022")
    path = Path("paper/results/quick/nix2022/claims.json")
    first = path.read_bytes()
    script.main(cfg, "nix2022")
    assert path.read_bytes() == first
    content = json.loads(first)
    claims = {claim["id"]: claim for claim in content["claims"]}
    assert content["verdict"] == {name: claim["verdict"] for name, claim in claims.items()}
    assert content["mean"]["fig2.kd.s30_unseen"] == pytest.approx(
        claims["N7"]["comparisons"][0]["left"] + content["mean"]["fig2.none.s30_unseen"]
    )
    assert "fig2.kd.s30_seen" not in content["mean"], "no claim is about it"
    assert len(claims) == 33
    assert claims["N4"]["verdict"] == "holds"  # the made-up students reach 0.4, the made-up orbit 0.9
    assert claims["N12"]["verdict"] == "fails"
    assert claims["N33"]["missing"] == ["lemma1.rdl.distance", "lemma1.rdl.shift_invariance_gap"]
    assert claims["N33"]["verdict"] == "not run"
    assert capsys.readouterr().out.startswith("nix2022/claims: ")


def test_script_wants_one_known_paper(capsys: pytest.CaptureFixture) -> None:
    for arguments in ([], ["nix2023"]):
        with pytest.raises(SystemExit) as end:
            script.run(arguments)
        assert end.value.code == 1
        assert "known are nix2022" in capsys.readouterr().err


def test_reference_is_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("metrics: {t.a.x: {mean: 0.5, std: 1e-2}, t.b.x: 1}\nclaims: []\n")
    assert reference.read(path).metrics == {"t.a.x": reference.Value(0.5, 0.01), "t.b.x": reference.Value(1)}
    path.write_text("metrics: {t.a.x: about a half}\nclaims: []\n")
    with pytest.raises(UserError, match=r"t\.a\.x is 'about a half'"):
        reference.read(path)
    path.write_text("metrics: {}\nclaims: [{id: C1, statement: a claim}]\n")
    with pytest.raises(UserError, match="claim C1 has no predicate"):
        reference.read(path)
    with pytest.raises(UserError, match="git checkout"):
        reference.read(tmp_path / "gone.yaml")
