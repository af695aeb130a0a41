"""Where something was computed: the processor, what torch makes of it, and the commit."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from learned_symmetry import machine as module
from learned_symmetry.machine import commit, machine

LINUX = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: {}\n"


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    module._processor.cache_clear()
    yield
    module._processor.cache_clear()


def test_the_machine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    told = machine()
    assert told["processor"]
    assert told["instruction_set"] == torch.backends.cpu.get_cpu_capability()
    assert told["threads"] == str(torch.get_num_threads())
    assert told["torch"] == torch.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", told["onednn"])
    assert told["onednn"] in torch.__config__.show()


def test_a_limit_of_the_instruction_set_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert machine()["instruction_set"].endswith(", oneDNN at most AVX2")


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        (LINUX.format("AMD EPYC"), "AMD EPYC 25/17"),
        (LINUX.format("Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz"), "Intel Xeon Platinum 8481C 25/17"),
        ("processor\t: 0\nCPU architecture: 8\n", "aarch64"),
        (None, "aarch64"),
    ],
)
def test_the_processor_is_named_with_its_family_where_linux_knows_it(
    cpuinfo: str | None, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path) -> str:
        if cpuinfo is None:
            raise FileNotFoundError(path)
        return cpuinfo

    monkeypatch.setattr(Path, "read_text", read)
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert module._processor() == name


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_and_whether_sources_differ_from_it(tmp_path: Path) -> None:
    def git(*command: str) -> str:
        who = ["-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false"]
        run = subprocess.run(["git", *who, *command], cwd=tmp_path, check=True, capture_output=True, text=True)
        return run.stdout.strip()

    look = commit.__wrapped__
    assert look(tmp_path) == {}
    git("init")
    assert look(tmp_path) == {}
    (tmp_path / "params.yaml").write_text("scale: smoke\n")
    (tmp_path / "result.json").write_text("1\n")
    (tmp_path / "stages/nix2022").mkdir(parents=True)
    lock = tmp_path / "stages/nix2022/dvc.lock"
    lock.write_text("1\n")
    git("add", ".")
    git("commit", "-m", "first")
    (tmp_path / "result.json").write_text("2\n")  # results change with every run; they are no source
    lock.write_text("2\n")  # nor are DVC's locks
    assert look(tmp_path) == {"commit": git("rev-parse", "HEAD"), "dirty": "false"}
    (tmp_path / "params.yaml").write_text("scale: quick\n")
    assert look(tmp_path)["dirty"] == "true"
