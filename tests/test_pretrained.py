"""The published networks' architectures with random weights, from images to Figures 4 and 7; and the small ones."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from learned_symmetry import config, pretrained, record
from learned_symmetry.data import imagenet
from learned_symmetry.data.imagenet import Preprocessing
from learned_symmetry.groups import QuarterTurns
from learned_symmetry.measure.equivariance import PARTS, Similarity, parts
from learned_symmetry.models import features, parameter_count, watch
from learned_symmetry.models.timm_networks import LAYOUTS, Grid, laid_out, small_mixer, small_vit
from learned_symmetry.rank_correlation import rank_correlations
from learned_symmetry.results import result_path
from stages.bruintjes2023 import imagenet as stage

PARAMS = Path(__file__).parents[1] / "params.yaml"
PUBLISHED = config.load("bruintjes2023", PARAMS).imagenet.networks
TAGS = {name: published.tag for name, published in PUBLISHED.items()}
SIZES = {"effnet_b6": 528, "effnet_b7": 600, "inception_v3": 299}  # the others' is 224
UNITS = {  # protocol 2.6: units by part, and parameters in millions (3.6)
    "effnet_b6": ((15, 15, 15), 43.04),
    "effnet_b7": ((19, 18, 18), 66.35),
    "resnext101": ((11, 11, 11), 88.79),
    "inception_v3": ((6, 5, 5), 23.83),
    "vit": ((4, 4, 4), 86.57),
    "mixer": ((4, 4, 4), 59.88),
}


@pytest.mark.parametrize("name", TAGS)
def test_published_networks_have_the_protocols_units_and_strides(name: str) -> None:
    size = SIZES.get(name, 224)
    with torch.device("meta"):
        network = laid_out(timm.create_model(TAGS[name]), LAYOUTS[name], size).eval()
    cut = parts(network.strides)
    units, millions = UNITS[name]
    assert tuple(len(cut[part]) for part in PARTS[:3]) == units
    assert parameter_count(network) / 1e6 == pytest.approx(millions, abs=0.006)
    view, seen = getattr(network, "view", lambda activation: activation), {}
    x = torch.zeros(2, 3, size, size, device="meta")
    watch(network, x, network.strides, lambda layer, output: seen.update({layer: tuple(view(output).shape)}))
    for layer, stride in network.strides.items():
        if layer in ("pool", "logits"):
            assert len(seen[layer]) == 2
        else:
            assert len(seen[layer]) == 4
            assert 2 ** round(math.log2(size / seen[layer][-1])) == stride, layer
    assert seen["logits"] == (2, 1000)


def test_preprocessing_is_what_the_checkpoint_was_published_with() -> None:
    how = {name: pretrained.preprocessing(timm.get_pretrained_cfg(tag).to_dict()) for name, tag in TAGS.items()}
    assert how["resnext101"] == Preprocessing(256, 224)
    assert how["vit"] == Preprocessing(248, 224, "bicubic", (0.5,) * 3, (0.5,) * 3)
    assert (how["effnet_b6"].resize, how["effnet_b6"].crop, how["effnet_b6"].interpolation) == (560, 528, "bicubic")


def test_tokens_lie_on_the_grid_as_their_patches_in_the_image() -> None:
    network = small_vit(8, 1, 1).eval()
    x = torch.zeros(1, 3, 32, 32)
    x[..., 4:8, 8:12] = 1  # the patch in row 1, column 2
    with torch.no_grad():
        tokens = network.patch_embed(x) - network.patch_embed(torch.zeros_like(x))
    prefixed = torch.cat([torch.ones(1, 1, 8), tokens], 1)
    maps = Grid(1)(prefixed)
    assert maps.shape == (1, 8, 8, 8)
    assert maps.abs().sum(1).nonzero().tolist() == [[0, 1, 2]]
    assert Grid(1)(tokens.mean(1)).shape == (1, 8)


@pytest.mark.parametrize(
    ("make", "count"), [(lambda: small_vit(32, 6, 2), 80_298), (lambda: small_mixer(32, 6), 65_610)]
)
def test_the_head_reads_the_pooled_features(make: Any, count: int) -> None:
    network = make().eval()
    with torch.no_grad():
        found = features(network, torch.rand(3, 3, 32, 32), tuple(network.strides))
        torch.testing.assert_close(network.head(found["pool"]), found["logits"])
    assert [layer for layer in network.strides if layer.startswith("blocks")] == [f"blocks.{k}" for k in range(6)]
    assert parameter_count(network) == count


def test_few_elements_at_a_time_give_the_scores_of_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network, x = small_vit(8, 2, 1).eval(), torch.rand(4, 3, 32, 32)
    found = []
    for at_once in (1, 3):
        monkeypatch.setattr(pretrained, "AT_ONCE", at_once)
        arguments = (lambda: x.split(2), QuarterTurns(), (1, 2, 3), Similarity(1e-8))
        found.append(pretrained.measure(network, *arguments))
    for layer in network.strides:
        one, other = (scores[layer] for scores in found)
        torch.testing.assert_close(one.inv, other.inv, atol=1e-6, rtol=0)
        torch.testing.assert_close(one.eqv["sample"], other.eqv["sample"], atol=1e-6, rtol=0)


def settings(mirror: Path | None, folder: Path | None, **block: Any) -> Any:
    cfg = config.load("bruintjes2023", PARAMS, "smoke")
    data = config.Data(mirror=mirror and str(mirror), imagenet=folder and str(folder))
    engine = cfg.engine.model_copy(update={"device": "cpu"})
    return cfg.model_copy(
        update={"data": data, "engine": engine, "imagenet": cfg.imagenet.model_copy(update={"shifts": [4], **block})}
    )


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository without data, and in ``images`` a folder of six images of two classes."""
    generator = np.random.default_rng(0)
    for wnid in ("n01440764", "n15075141"):
        (tmp_path / "images" / wnid).mkdir(parents=True)
        for k in range(3):
            coarse = generator.integers(0, 256, (12, 14, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((140, 120)).save(tmp_path / f"images/{wnid}/{k}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(imagenet.FOLDER, raising=False)
    monkeypatch.delenv("LEARNED_SYMMETRY_MIRROR", raising=False)
    return tmp_path


def test_weights_from_a_mirror_folder_are_loaded(house: Path) -> None:
    """By a small relative of ResNeXt-101 that has the same layout."""
    tag = "resnet10t.c3_in1k"
    cfg = settings(house / "mirror", None)
    (house / "mirror" / pretrained.FOLDER).mkdir(parents=True)
    assert pretrained.load("resnext101", tag, cfg) is None
    torch.manual_seed(0)
    state = timm.create_model(tag).state_dict()
    save_file(state, house / "mirror" / pretrained.FOLDER / f"{tag}.safetensors")
    network, how = pretrained.load("resnext101", tag, cfg)
    assert all(torch.equal(weight, state[name]) for name, weight in network.state_dict().items())
    assert next(iter(network.strides)) == "layer1.0"
    assert how == Preprocessing(201, 176, "bicubic")
    assert not network.training


def test_the_stage_without_images_or_weights_says_what_to_supply(house: Path) -> None:
    stage.main(settings(None, house / "images"))
    result = json.loads(result_path("smoke", "bruintjes2023", "imagenet").read_text())
    told = result["provenance"]["not_run"]
    assert told.keys() == TAGS.keys()
    for name, tag in TAGS.items():
        assert f"without the weights of {tag}: put " in told[name]
        assert f"{tag}.safetensors into data/raw/{pretrained.FOLDER}/" in told[name]
    assert all(metric["mean"] is None and metric["n"] == 0 for metric in result["metrics"].values())


def test_real_architectures_from_images_to_correlations(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights, at 96 pixels and for one turn for speed: six networks, both figures, every part."""

    def untrained(name: str, tag: str, cfg: Any) -> tuple[nn.Module, Preprocessing]:
        torch.manual_seed(0)
        size = {"img_size": 96} if name in ("vit", "mixer") else {}
        network = timm.create_model(tag, **size)
        nn.init.normal_(network.get_classifier().weight)  # the Mixer's starts at 0
        return laid_out(network, LAYOUTS[name], 96).eval(), Preprocessing(100, 96)

    monkeypatch.setattr(stage, "TURNS", (1,))
    monkeypatch.setattr(pretrained, "load", untrained)
    stage.main(settings(None, house / "images", images=3))
    result = json.loads(result_path("smoke", "bruintjes2023", "imagenet").read_text())
    metrics = {name: metric["mean"] for name, metric in result["metrics"].items()}
    assert result["provenance"]["data"] == "ImageNet, official"
    assert "not_run" not in result["provenance"]
    for figure in ("fig7a", "fig7b"):
        for name in TAGS:
            for part in PARTS:
                inv, eqv = (metrics[f"{figure}.{name}.{kind}.{part}"] for kind in ("inv", "eqv"))
                assert -1 <= inv <= eqv + 1e-6 <= 1 + 2e-6, (figure, name, part)
    for group, figure in (("trans", "fig7a"), ("rot", "fig7b")):
        scores = [metrics[f"{figure}.{name}.eqv.late"] for name in TAGS]
        top1 = [published.top1 for published in PUBLISHED.values()]
        assert metrics[f"fig4.{group}.eqv.late"] == pytest.approx(scipy.stats.spearmanr(scores, top1).statistic)


def test_a_seed_without_one_of_the_networks_has_no_correlation() -> None:
    def told(values: Sequence[float | None]) -> list[dict[str, dict[str, float]] | None]:
        return [None if v is None else {part: {"inv": v, "eqv": -v} for part in PARTS} for v in values]

    out = record.Stage(config.load("bruintjes2023", PARAMS), "bruintjes2023", "test", source="none")
    networks = {"a": told([0.1, None]), "b": told([0.2, 0.3]), "c": told([0.2, 0.1])}
    rank_correlations(out, "x", networks, {"a": [0.5, 0.5], "b": [0.6, 0.6], "c": [0.8, 0.8]})
    rho = scipy.stats.spearmanr([0.1, 0.2, 0.2], [0.5, 0.6, 0.8]).statistic
    assert out.metrics["x.inv.late"]["values"] == [pytest.approx(rho), None]
    assert out.metrics["x.eqv.final"]["values"] == [pytest.approx(-rho), None]
