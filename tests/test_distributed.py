"""Training under torchrun: two processes, and a training that is killed and goes on."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from PIL import Image
from torch import Tensor, nn

from learned_symmetry.data import imagenet
from learned_symmetry.data.imagenet import Pictures, Preprocessing
from learned_symmetry.distributed import Place, Training, together, train
from learned_symmetry.errors import UserError
from learned_symmetry.invariance_loss import FlipInvariance
from learned_symmetry.models import seeded
from learned_symmetry.models.bottleneck import BottleneckResNet
from learned_symmetry.objective import CrossEntropy
from learned_symmetry.results import result_path
from learned_symmetry.rng import generator, numpy_generator
from learned_symmetry.schedule import Falling

ROOT = Path(__file__).parents[1]
TRAINING = Training(epochs=3, batch=4, lr=0.1, momentum=0.9, weight_decay=1e-4, workers=0, bfloat16=False)
HERE = Place(0, 1, torch.device("cpu"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of ImageNet's shape: 2 classes of 5 pictures of noise."""
    noise = numpy_generator(0, "pictures")
    for wnid in list(imagenet.classes())[:2]:
        (tmp_path / "imagenet/train" / wnid).mkdir(parents=True)
        for number in range(5):
            pixels = noise.integers(0, 256, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "imagenet/train" / wnid / f"{number}.png")
    return tmp_path / "imagenet"


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[None]:
    """A process group of this process."""
    dist.init_process_group("gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


class Killed(Pictures):
    """Pictures of which none is read in epoch 2 any more."""

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if self.epoch == 2:
            raise KeyboardInterrupt
        return super().__getitem__(index)


def pictures(folder: Path, kind: type[Pictures] = Pictures) -> Pictures:
    return kind(imagenet.folder(folder / "train"), Preprocessing(40, 33).training(), seed=0)


def network() -> BottleneckResNet:
    return seeded(lambda: BottleneckResNet((1,), width=4, classes=2, stem=3), generator(0, "net"))


def trained(data: Pictures, checkpoint: Path, net: nn.Module | None = None, **changes: float) -> dict[str, Tensor]:
    training = Training(**{**vars(TRAINING), **changes})
    state, _ = train(net or network(), FlipInvariance(1.0), data, training, Falling(0.1, 4),
                     seed=0, checkpoint=checkpoint, place=HERE)  # fmt: skip
    return state


@pytest.mark.usefixtures("alone")
def test_a_killed_training_goes_on_and_ends_as_if_it_never_had_been(images: Path, tmp_path: Path) -> None:
    whole = trained(pictures(images), tmp_path / "whole.pt")
    with pytest.raises(KeyboardInterrupt):
        trained(pictures(images, Killed), tmp_path / "killed.pt")
    assert torch.load(tmp_path / "killed.pt", weights_only=True)["epochs"] == 2
    resumed = trained(pictures(images), tmp_path / "killed.pt")
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.usefixtures("alone")
def test_one_process_is_plain_sgd(images: Path, tmp_path: Path) -> None:
    """Against PyTorch's own loop: the same pictures in the same order."""
    data, net = pictures(images), network()
    optimiser = torch.optim.SGD(net.parameters(), TRAINING.lr, momentum=0.9, weight_decay=1e-4)
    for epoch in range(TRAINING.epochs):
        data.set_epoch(epoch)
        order = torch.randperm(len(data), generator=generator(0, "order", epoch))
        for step, rows in enumerate(order[:8].split(4)):
            x, y = (torch.stack([torch.as_tensor(data[k][part]) for k in rows]) for part in (0, 1))
            optimiser.param_groups[0]["lr"] = 0.1 * 0.1 ** ((2 * epoch + step) // 4)
            loss = FlipInvariance(1.0).losses(net, {"x": x, "y": y})["total"]
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    found = trained(data, tmp_path / "some.pt")
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("alone")
def test_what_cannot_be_trained_is_told_in_one_sentence(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="10 images do not fill one batch of 16"):
        trained(pictures(images), tmp_path / "a.pt", batch=16)
    with pytest.raises(UserError, match=r"loss \w+ was not finite in epoch 1"):
        trained(pictures(images), tmp_path / "b.pt", lr=1e30)
    with pytest.raises(UserError, match="a batch of 4 has no equal parts for 3 processes"):
        train(network(), CrossEntropy(), pictures(images), TRAINING, Falling(0.1, 4), seed=0,
              checkpoint=tmp_path / "c.pt", place=Place(0, 3, torch.device("cpu")))  # fmt: skip


def test_it_says_so_where_torchrun_did_not_start_it() -> None:
    with pytest.raises(UserError, match="started with torchrun"), together():
        pass


def test_two_processes_train_and_the_first_one_records(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script at scale smoke on a folder of generated pictures, in the environment that torchrun makes.

    This process is one of the two, which saves the seconds that importing torch takes.
    """
    from stages.bokman2023 import imagenet as script

    params = (ROOT / "params.yaml").read_text().replace("scale: quick", "scale: smoke", 1)
    (tmp_path / "params.yaml").write_text(params)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/imagenet_resnet50.yaml").write_text((ROOT / "data/imagenet_resnet50.yaml").read_text())
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    shared = {"MASTER_ADDR": "localhost", "MASTER_PORT": port, "WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "test"}
    shared |= {"LEARNED_SYMMETRY_IMAGENET": str(images), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    for name, value in {**shared, "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["imagenet.py", "tv_old_inv_225"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    other = subprocess.Popen(
        [sys.executable, str(ROOT / "stages/bokman2023/imagenet.py"), "tv_old_inv_225"],
        env=os.environ | {"RANK": "1", "LOCAL_RANK": "1"}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    script.run()
    _, told = other.communicate()
    assert other.returncode == 0, told
    result = json.loads(result_path("smoke", "bokman2023", "imagenet_tv_old_inv_225").read_text())
    (run,) = result["runs"]
    assert run["params"]["processes"] == 2
    assert run["metrics"]["loss.invariance"] > 0
    assert result["metrics"]["training.tv_old_inv_225.loss"]["n"] == 1
    assert result["provenance"]["data"] == "official"
    (weights,) = (tmp_path / "data/runs").rglob("*.pt")
    state = torch.load(weights, weights_only=True)
    assert all(tensor.isfinite().all() for tensor in state.values())
