"""The pipeline as its files describe it, without DVC: ``dvc.yaml``, and two files or three a paper."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from learned_symmetry import config

Stage = dict[str, Any]  # as in dvc.yaml, with every ${...} filled in, and the file's path under "file"
KINDS = ("outs", "metrics", "plots")  # of outputs


def files_of(paper: str) -> list[str]:
    """The files of a paper's stages: what is run, and what is drawn from it; of no paper (``""``) the root's."""
    if not paper:
        return ["dvc.yaml"]
    return [*sorted(map(str, Path("stages", paper).rglob("dvc.yaml"))), f"paper/{paper}/dvc.yaml"]


def target(name: str, stage: Stage) -> str:
    """What `dvc repro` calls a stage: ``stages/nix2022/dvc.yaml:transfer@kd``."""
    return f"{stage['file']}:{name.rpartition('/')[2]}" if "/" in name else name


def stages(scale: str) -> dict[str, Stage]:
    """Name (a paper's as ``KEY/NAME``, of a group ``KEY/NAME@ITEM``) -> stage at `scale`; from the root."""
    raw = config.read() | {"scale": scale}
    listed: dict[str, Stage] = {}
    for paper in ("", *config.PAPERS):
        prefix = f"{paper}/" if paper else ""
        for file in files_of(paper):
            for name, stage in YAML(typ="safe").load(Path(file).read_text())["stages"].items():
                if "foreach" not in stage:
                    listed[prefix + name] = _filled(stage, raw) | {"file": file}
                    continue
                for key, item in _items(_filled(stage["foreach"], raw)):
                    names = raw | {"key": key, "item": item}
                    listed[f"{prefix}{name}@{key}"] = _filled(stage["do"], names) | {"file": file}
    return listed


def outputs(stage: Stage) -> set[str]:
    """Paths of everything that a stage writes."""
    listed = [entry for kind in KINDS for entry in stage.get(kind, [])]
    return {entry if isinstance(entry, str) else next(iter(entry)) for entry in listed}


def writes(stage: Stage, path: Path) -> bool:
    """Whether `path` is an output of the stage, or in a folder that is one."""
    return not outputs(stage).isdisjoint(map(str, (path, *path.parents)))


def parameters(stage: Stage) -> list[str]:
    """The dotted keys of params.yaml that a stage depends on, through its paper's part of it."""
    return [key for part in stage.get("params", []) for keys in part.values() for key in keys]


def resolved(raw: Mapping[str, Any], path: str) -> Any:
    """What stands under a dotted path; raises `KeyError` where nothing does."""
    found: Any = raw
    for key in path.split("."):
        found = found[key]
    return found


def _items(group: Any) -> Iterator[tuple[str, Any]]:
    return iter(group.items() if isinstance(group, dict) else [(str(item), item) for item in group])


def _filled(part: Any, names: Mapping[str, Any]) -> Any:
    if isinstance(part, dict):
        return {_filled(key, names): _filled(value, names) for key, value in part.items()}
    if isinstance(part, list):
        return [_filled(entry, names) for entry in part]
    if not isinstance(part, str):
        return part
    if whole := re.fullmatch(r"\$\{([\w.]+)\}", part):
        return resolved(names, whole[1])
    return re.sub(r"\$\{([\w.]+)\}", lambda found: str(resolved(names, found[1])), part)
