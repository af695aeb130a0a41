"""The published networks' architectures with random weights, from images to Figures 4 and 7; and the small ones."""

from __future__ import annotations

import errno
import json
import math
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import scipy.stats
import timm
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from learned_symmetry import config, pretrained, record
from learned_symmetry.data import imagenet
from learned_symmetry.data.imagenet import Preprocessing
from learned_symmetry.data.sources import digest
from learned_symmetry.errors import UserError
from learned_symmetry.groups import QuarterTurns
from learned_symmetry.measure.equivariance import PARTS, Similarity, parts
from learned_symmetry.models import features, parameter_count, watch
from learned_symmetry.models.timm_networks import LAYOUTS, Grid, laid_out, small_mixer, small_vit
from learned_symmetry.pretrained import Loaded
from learned_symmetry.published import Absent, Unfit
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
    (tmp_path / "data").mkdir()
    shutil.copy(PARAMS.parent / pretrained.REGISTRY, tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(imagenet.FOLDER, raising=False)
    monkeypatch.delenv("LEARNED_SYMMETRY_MIRROR", raising=False)
    return tmp_path


SMALL = "resnet10t.c3_in1k"  # a small relative of ResNeXt-101 that has the same layout


@pytest.fixture
def mirror(house: Path) -> Path:
    """An empty mirror folder for weights; the registry has `SMALL` too."""
    with (house / pretrained.REGISTRY).open("a") as file:
        file.write(f"\n{SMALL}:\n  revision: null\n  sha256: null\n")
    folder = house / "mirror" / pretrained.FOLDER
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return timm.create_model(SMALL).state_dict()


def save_numpy(state: dict[str, torch.Tensor], path: Path) -> None:
    np.savez(path, **{name: tensor.numpy() for name, tensor in state.items()})


def test_weights_from_a_mirror_folder_are_loaded(mirror: Path, state: dict[str, torch.Tensor]) -> None:
    cfg = settings(mirror.parent, None)
    assert isinstance(pretrained.load("resnext101", SMALL, cfg), Absent)
    file = mirror / f"{SMALL}.safetensors"
    save_file(state, file)
    loaded = pretrained.load("resnext101", SMALL, cfg)
    assert all(torch.equal(weight, state[name]) for name, weight in loaded.network.state_dict().items())
    assert next(iter(loaded.network.strides)) == "layer1.0"
    assert loaded.how == Preprocessing(201, 176, "bicubic")
    assert not loaded.network.training
    assert loaded.weights == {"file": file.name, "sha256": digest(file)}


def test_a_file_of_unknown_sha256_is_to_stay_what_it_was_when_it_was_first_used(
    mirror: Path, state: dict[str, torch.Tensor]
) -> None:
    cfg = settings(mirror.parent, None)
    save_file(state, mirror / f"{SMALL}.safetensors")
    pretrained.load("resnext101", SMALL, cfg)
    save_file(state | {"fc.bias": state["fc.bias"] + 1}, mirror / f"{SMALL}.safetensors")
    with pytest.raises(Unfit, match=rf"as when it was first used; .*delete data/raw/.*/{SMALL}\.safetensors\.sha256"):
        pretrained.load("resnext101", SMALL, cfg)


def test_a_pth_file_with_numbers_of_numpy_is_loaded(mirror: Path, state: dict[str, torch.Tensor]) -> None:
    torch.save({"state_dict": state, "epoch": np.int64(3)}, mirror / f"{SMALL}.pth")
    loaded = pretrained.load("resnext101", SMALL, settings(mirror.parent, None))
    assert torch.equal(loaded.network.state_dict()["fc.bias"], state["fc.bias"])


@pytest.mark.parametrize("suffix", pretrained.SUFFIXES)
@pytest.mark.parametrize("wrong", ["empty", "text", "truncated", "other keys"])
def test_a_wrong_file_is_told_in_one_sentence(
    suffix: str, wrong: str, mirror: Path, state: dict[str, torch.Tensor]
) -> None:
    file = mirror / f"{SMALL}{suffix}"
    kept = {f"other.{name}": tensor for name, tensor in state.items()} if wrong == "other keys" else state
    {".safetensors": save_file, ".pth": torch.save, ".npz": save_numpy}[suffix](kept, file)
    contents = {"empty": b"", "text": b"hello", "truncated": file.read_bytes()[: file.stat().st_size // 2]}
    file.write_bytes(contents.get(wrong, file.read_bytes()))
    with pytest.raises(Unfit, match=rf"{SMALL}{re.escape(suffix)} holds no weights of {SMALL} \(.*delete it") as told:
        pretrained.load("resnext101", SMALL, settings(mirror.parent, None))
    assert "\n" not in str(told.value)
    assert not list((mirror.parents[1] / "data").rglob("*.sha256")), "a wrong file is not remembered"


def test_a_network_that_the_registry_does_not_have_is_told(house: Path) -> None:
    with pytest.raises(
        UserError, match=r"networks\.vit\.tag is 'vit\.nope', which data/imagenet_networks\.yaml does not"
    ):
        pretrained.load("vit", "vit.nope", settings(None, None))


def test_every_network_has_its_revision_and_sha256_or_says_that_none_is_known() -> None:
    registry = config.read(PARAMS.parent / pretrained.REGISTRY)
    assert set(registry) == set(TAGS.values())
    for tag, about in registry.items():
        assert about["revision"] is None or re.fullmatch(r"[0-9a-f]{40}", about["revision"]), tag
        assert about["sha256"] is None or re.fullmatch(r"[0-9a-f]{64}", about["sha256"]), tag
        assert about["revision"] or about["sha256"], "one of them pins the file"


@pytest.mark.parametrize("revision", [None, "a" * 40])
def test_weights_are_downloaded_at_their_revision_and_say_which_it_was(
    revision: str | None, mirror: Path, state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a hub whose newest revision is b."""

    def hub(repository: str, name: str, *, revision: str | None, cache_dir: Path) -> str:
        assert (repository, name) == (f"timm/{SMALL}", "model.safetensors")
        file = Path(cache_dir) / (revision or "b" * 40) / name
        file.parent.mkdir(parents=True)
        save_file(state, file)
        return str(file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub)
    registry = Path(pretrained.REGISTRY)
    registry.write_text(re.sub(r"null(\n  sha256: null\n)$", rf"{revision or 'null'}\1", registry.read_text()))
    loaded = pretrained.load("resnext101", SMALL, settings(None, None, weights="download"))
    assert loaded.weights["revision"] == (revision or "b" * 40)
    assert loaded.weights["file"] == f"{SMALL}.safetensors"
    kept = Path("data/raw") / pretrained.FOLDER / f"{SMALL}.safetensors.sha256"
    assert kept.read_text().startswith(loaded.weights["sha256"])


def test_weights_that_cannot_be_downloaded_are_missing_and_a_full_disk_is_told(
    mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hub(*_: Any, **__: Any) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub)
    cfg = settings(None, None, weights="download")
    error: OSError = LocalEntryNotFoundError("no network")
    told = pretrained.load("resnext101", SMALL, cfg)
    assert f"without the weights of {SMALL}, which could not be downloaded (LocalEntryNotFoundError): go" in told.reason
    error = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="No space left"):
        pretrained.load("resnext101", SMALL, cfg)


def test_a_wrong_file_leaves_the_other_networks_to_be_measured(
    house: Path, mirror: Path, state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """ResNeXt-101's small relative is measured; ViT's file is not the published one."""
    cfg = settings(None, house / "images", images=2)
    networks = {name: cfg.imagenet.networks[name] for name in ("vit", "resnext101", "mixer")}
    networks["resnext101"] = networks["resnext101"].model_copy(update={"tag": SMALL})
    cfg = cfg.model_copy(update={"imagenet": cfg.imagenet.model_copy(update={"networks": networks})})
    raw = house / "data/raw" / pretrained.FOLDER
    raw.mkdir(parents=True)
    save_file(state, raw / f"{SMALL}.safetensors")
    (raw / f"{TAGS['vit']}.safetensors").write_bytes(b"hello")
    (raw / f"{TAGS['mixer']}.pth").write_bytes(b"hello")
    monkeypatch.setattr(stage, "TURNS", (1,))
    stage.main(cfg)
    result = json.loads(result_path("smoke", "bruintjes2023", "imagenet").read_text())
    told = result["provenance"]["not_run"]
    assert told.keys() == {"vit", "mixer"}
    assert f"{TAGS['vit']}.safetensors has a sha256 of " in told["vit"]
    assert f"{TAGS['mixer']}.pth holds no weights of {TAGS['mixer']} (" in told["mixer"]
    assert all(reason.endswith(stage.AGAIN) for reason in told.values())
    assert result["metrics"]["fig7a.resnext101.eqv.late"]["n"] == 1
    sha256 = digest(raw / f"{SMALL}.safetensors")
    assert result["runs"][0]["params"]["weights"] == {"file": f"{SMALL}.safetensors", "sha256": sha256}


def test_the_stage_without_images_or_weights_says_what_to_supply(house: Path) -> None:
    stage.main(settings(None, house / "images"))
    result = json.loads(result_path("smoke", "bruintjes2023", "imagenet").read_text())
    told = result["provenance"]["not_run"]
    assert told.keys() == TAGS.keys()
    for name, tag in TAGS.items():
        assert f"without the weights of {tag}: put " in told[name]
        assert f"{tag}.safetensors into data/raw/{pretrained.FOLDER}/" in told[name]
    assert all(metric["mean"] is None and metric["n"] == 0 for metric in result["metrics"].values())


@pytest.mark.long
def test_real_architectures_from_images_to_correlations(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights, at 96 pixels and for one turn for speed: six networks, both figures, every part."""

    def untrained(name: str, tag: str, cfg: Any) -> Loaded:
        torch.manual_seed(0)
        size = {"img_size": 96} if name in ("vit", "mixer") else {}
        network = timm.create_model(tag, **size)
        nn.init.normal_(network.get_classifier().weight)  # the Mixer's starts at 0
        return Loaded(laid_out(network, LAYOUTS[name], 96).eval(), Preprocessing(100, 96), {})

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
