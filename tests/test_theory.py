"""The checks of Bökman and Kahl's statements: known answers, and that each would notice what it is to notice."""

from __future__ import annotations

import itertools

import pytest
import torch

from learned_symmetry import config, theory
from learned_symmetry.report import reference
from learned_symmetry.report.predicate import Predicate
from learned_symmetry.rng import generator
from learned_symmetry.theory import actions, small
from learned_symmetry.theory.check import invertible, scaled_permutations
from learned_symmetry.theory.groups import GROUPS, axiom_failures, disjoint, matrices, relabelled
from learned_symmetry.theory.relu import defect, layer_residual, rotation, two_layer
from tests.synthetic import ROOT


@pytest.fixture(scope="module")
def cfg() -> config.Settings:
    return config.load("bokman2023", ROOT / "params.yaml", "smoke").theory


@pytest.mark.parametrize("key", theory.STATEMENTS)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_statement_holds(key: str, seed: int, cfg: config.Settings) -> None:
    found = theory.STATEMENTS[key].check(cfg, generator(seed, key))
    values = {f"theory.{key}.{name}": value for name, value in found.quantities.items()}
    for claim in reference.read(ROOT / "paper/reference/bokman2023.yaml").claims:
        predicate = Predicate(claim["predicate"], claim["id"])
        if all(metric.startswith(f"theory.{key}.") for metric, _ in predicate.names.values()):
            assert predicate(values), (claim["id"], values)
    assert found.residual < 1e-9
    assert found.witness is None or found.witness > 1e-3
    assert found.cases > 0


def test_every_claim_on_theory_has_a_statement() -> None:
    claims = reference.read(ROOT / "paper/reference/bokman2023.yaml").claims
    about = {claim["id"]: claim["predicate"] for claim in claims if claim["id"].startswith("T")}
    assert len(about) == 11
    for id_, predicate in about.items():
        keys = {metric.split(".")[1] for metric, _ in Predicate(predicate, id_).names.values()}
        assert keys <= theory.STATEMENTS.keys()


def test_defect_by_hand() -> None:
    """[[0, 2], [3, 0]] commutes with ReLU; one more entry, a turn and -I do not."""
    good = [[0.0, 2.0], [3.0, 0.0]]
    more = [[1.0, 1.0], [1.0, 0.0]]  # on e_2 - e_1: A x = (0, -1), so 0 against B (0, 1) = (1, 0)
    minus = [[-1.0, 0.0], [0.0, -1.0]]  # on -e_k: 1 against 0
    found = defect(torch.tensor([good, more, minus, rotation(1 / 3).tolist()], dtype=torch.float64))
    assert found[0] == 0
    assert found[1] == 1
    assert found[2] == 1
    assert found[3] >= 1  # on -e_2, whose image's first entry is sin(120 degrees), the largest of A


def test_defect_is_what_the_witnesses_say() -> None:
    """Vectorised against one matrix and one input at a time."""
    matrices_ = invertible(5, 4, 100.0, generator(0, "a"))
    for a, found in zip(matrices_ / matrices_.abs().amax((1, 2), keepdim=True), defect(matrices_), strict=True):
        eye, gaps = torch.eye(4, dtype=torch.float64), []
        inputs = [-eye[k] for k in range(4)]
        inputs += [
            a[i, k] * eye[j] - a[i, j] * eye[k] for i in range(4) for k, j in itertools.permutations(range(4), 2)
        ]
        for x in inputs:
            gaps.append(((a @ x).relu() - a.relu() @ x.relu()).abs().max())
        assert found == pytest.approx(max(gaps).item(), rel=1e-12)


def test_scaled_permutations_have_one_positive_entry_a_row_and_column() -> None:
    drawn = scaled_permutations(50, 5, generator(0, "pd"))
    assert ((drawn > 0).sum(1) == 1).all()
    assert ((drawn > 0).sum(2) == 1).all()
    assert (drawn >= 0).all()


def test_example_21_by_hand() -> None:
    """rho_1 (1, 0) = (rho_1, 0) is to be (0, 1): the least distance is 1, at rho_1 = 0."""
    swap = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    assert layer_residual(torch.tensor([[1.0, 0.0]], dtype=torch.float64), swap) == 1
    assert layer_residual(torch.tensor([[1.0, 1.0]], dtype=torch.float64), swap) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("name", GROUPS)
def test_groups_and_their_transitive_actions(name: str) -> None:
    group = GROUPS[name]
    order = {"S2": 2, "C3": 3, "C4": 4, "S3": 6}[name]
    assert group.table.shape == (order, order)
    products = group.table[group.table], group.table[:, group.table]  # (gh)k and g(hk)
    assert torch.equal(*products)
    for action in group.transitive:
        assert axiom_failures(action, group) == 0
        assert set(action[:, 0].tolist()) == set(range(action.shape[1])), "one orbit"
        rho = matrices(action)
        assert torch.equal(rho[:, None] @ rho, rho[group.table])


def test_broken_actions_are_counted() -> None:
    group = GROUPS["C3"]
    good = disjoint([group.transitive[1], group.transitive[0]])  # a turn of three points, and a fixed one
    assert good.tolist() == [[0, 1, 2, 3], [1, 2, 0, 3], [2, 0, 1, 3]]
    wrong = good.clone()
    wrong[2] = good[1]  # the inverse of a turn is not the turn
    assert axiom_failures(wrong, group) > 0
    renamed = relabelled(good, torch.tensor([3, 0, 1, 2]))
    assert renamed[1].tolist() == [1, 3, 2, 0]  # 3 -> 0 -> 1 -> 3, and 2 stays
    phi = torch.tensor([[3, 0, 1, 2]])
    assert actions.equivariance_failures(phi, good[None], renamed[None]) == 0
    assert actions.equivariance_failures(phi, good[None], good[None]) > 0


def test_involutions_are_all_of_them() -> None:
    for n, count in enumerate([1, 1, 2, 4, 10, 26, 76]):
        listed = actions.involutions(n)
        assert len(listed) == len(set(map(tuple, listed))) == count
        assert all(perm[perm[x]] == x for perm in listed for x in range(n))


def test_a_map_that_does_not_factor_is_noticed() -> None:
    """phi merges points over different z: the classes that it names are moved to more than one class."""
    group = GROUPS["S2"]
    on_x = torch.tensor([[[0, 1, 2, 3], [1, 0, 3, 2]]])
    on_z = torch.tensor([[[0, 1], [1, 0]]])
    phi, psi = torch.tensor([[0, 1, 0, 1]]), torch.tensor([[0, 1]])
    assert actions.quotient_failures(group, on_x, on_z, phi, psi) == (0, 0)
    assert actions.quotient_failures(group, on_x, on_z, torch.tensor([[0, 0, 0, 1]]), psi) != (0, 0)


def test_rewritten_networks_by_hand() -> None:
    """|x - y| is (ii), x + y is (i), ReLU(x + 2y) - ReLU(x + 2y) is (iii), ReLU(x + 2y) is none."""
    w1 = torch.tensor([[[1, -1], [-1, 1]], [[1, 1], [-1, -1]], [[1, 2], [1, 2]], [[1, 2], [0, 0]]], dtype=torch.float64)
    w2 = torch.tensor([[[1, 1]], [[1, -1]], [[1, -1]], [[1, 1]]], dtype=torch.float64)
    kind, u, s, rho1 = small.rewritten(w1, w2)
    assert kind.tolist() == [2, 1, 3, 0]
    assert rho1[0].tolist() == [[0, 1], [1, 0]]
    assert u[2].abs().max() == 0
    x = torch.randn(2, 30, generator=generator(0, "x"), dtype=torch.float64)
    torch.testing.assert_close(two_layer(s, u, x)[:3], two_layer(w2, w1, x)[:3], rtol=0, atol=1e-14)


def test_of_the_integer_networks_2233_are_invariant(cfg: config.Settings) -> None:
    found = small.propd1(cfg, generator(0, "propd1")).quantities
    assert found["invariant_of_integer_networks"] == 2233  # counted independently, protocol section 3


def test_best_threshold() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    assert small.accuracy(torch.tensor([2.0, 3.0, 1.0, 0.0]), labels) == 1
    assert small.accuracy(torch.tensor([1.0, 2.0, 1.0, 2.0]), labels) == 0.5
    assert small.accuracy(torch.ones(4), labels) == 0.5


def test_images_hold_each_shape_as_often_as_its_mirror_image(cfg: config.Settings) -> None:
    shown = small.examplec2(cfg, generator(0, "examplec2")).shown
    for label, shape in small.SHAPES.items():
        image = torch.tensor(shown[f"class{label}"], dtype=torch.float64)
        cells = image.unfold(0, 2, 2).unfold(1, 2, 2).flatten(0, 1)
        counts = [int((cells == wanted).all((1, 2)).sum()) for wanted in (shape, shape.flip(-1))]
        assert counts == [cfg.cooccurrence.shapes] * 2
        assert image.sum() == 2 * 2 * cfg.cooccurrence.shapes
