"""Public files from the nearest place that has them: a mirror folder, their public homes, or else a stand-in.

``data/sources.yaml`` says which files there are. They are copied to ``data/raw/NAME/``, and none is used before its
sha256 was checked. `ensure` searches; the data stage writes what it found to ``data/prepared/NAME.json``; and
`settled`, which every loader calls, keeps to that, so that all stages of one pipeline read the same data.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from learned_symmetry import config
from learned_symmetry.errors import UserError
from learned_symmetry.results import Shape, read_json, write_json

Kind = Literal["official", "mirror variant", "stand-in"]
REGISTRY = Path("data/sources.yaml")
PREPARED = Path("data/prepared")
MIRROR = "LEARNED_SYMMETRY_MIRROR"  # environment: folders to search, separated like those of PATH
TIMEOUT = (10, 60)  # seconds: to connect, and between two bytes


@dataclass(frozen=True)
class Source:
    """What a data set is read from. A stand-in is generated (`standins`) and has no folder."""

    name: str
    kind: Kind
    folder: Path | None
    reason: str = field(default="", compare=False)  # why it is a stand-in: which file was missing, and where


class Manifest(Shape):
    """What is kept in ``data/prepared/NAME.json``."""

    source: Kind


class Missing(UserError):
    """A data set's files are nowhere to be had; nothing is wrong with any that were found."""


class _Nowhere(Exception):
    """No place had the file; the message lists the places and what was wrong with each."""


def registered(name: str) -> dict[str, Any]:
    """The registry's entry. Raises `UserError` for a name that has none."""
    registry = config.read(REGISTRY)
    if name not in registry:
        raise UserError(f"{REGISTRY} has no data set {name!r}; it has {', '.join(registry)}")
    return registry[name]


def fetched() -> list[str]:
    """The data sets that the data stage gets, in the registry's order."""
    return [name for name, entry in config.read(REGISTRY).items() if entry["fetch"]]


def raw_folder(name: str) -> Path:
    """``data/raw/NAME`` of the repository."""
    return _root() / "data" / "raw" / name


def ensure(name: str, *, scale: str, mirror: str | None) -> Source:
    """Get a data set's files, or those of the variant that its entry names under ``instead``, or settle for its
    stand-in where neither can be had and `scale` is not full.

    `mirror` is ``data.mirror`` of params.yaml. Raises `Missing` where nothing is possible. Raises `UserError` for a
    file whose sha256 is wrong from two places in turn (or twice from the only one), and for one that is missing beside
    others of its data set in a mirror: neither is ever covered up by a stand-in.
    """
    entry, reasons = registered(name), []
    for wanted in candidates(name):
        try:
            return Source(name, registered(wanted)["variant"], _gathered(wanted, mirror))
        except _Nowhere as why:
            reasons.append(str(why))
    if places := incomplete(name, mirror):
        raise UserError(
            f"{name}: {', '.join(reasons)}; put it into {places[0]}, or take that folder away, and run again"
        )
    if scale != "full" and "stand_in" in entry:
        return Source(name, "stand-in", None, ", ".join(reasons))
    reason = "the scale full takes no stand-in" if "stand_in" in entry else "it has no stand-in"
    raise Missing(f"{name}: {', '.join(reasons)}, and {reason}; {how_to_supply(name)}, and run again")


def candidates(name: str) -> list[str]:
    """The registry's entries whose files can serve as data set `name`, the official ones first."""
    entry = registered(name)
    return [name, entry["instead"]] if "instead" in entry else [name]


def incomplete(name: str, mirror: str | None) -> list[Path]:
    """The mirrors' copies of a data set (or of the one that serves instead) that lack one of its files."""
    copies = [(place / wanted, wanted) for wanted in candidates(name) for place in mirror_folders(mirror)]
    return [
        copy
        for copy, wanted in copies
        if os.path.lexists(copy) and not all((copy / file).is_file() for file in registered(wanted)["files"])
    ]


def _gathered(name: str, mirror: str | None) -> Path:
    """The folder of an entry's files, all there and checked. Raises `_Nowhere`."""
    entry, folder = registered(name), raw_folder(name)
    waiting = {file: info for file, info in entry["files"].items() if not _stamped(folder / file, info["sha256"])}
    if waiting:
        mirrors = mirror_folders(mirror)
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            for file, info in waiting.items():
                if not _verified(folder / file, info["sha256"]):
                    _fetch(folder / file, info, [place / name / file for place in mirrors])
    return folder


def settled(name: str, cfg: config.Settings) -> Source:
    """What the data stage settled on, its files fetched again if they are gone; without its manifest as `ensure`."""
    path = PREPARED / f"{name}.json"
    planned = _planned(path)
    if planned == "stand-in" and cfg.scale != "full":
        return Source(name, "stand-in", None)
    wanted = next((entry for entry in candidates(name) if registered(entry)["variant"] == planned), name)
    source = replace(ensure(wanted, scale=cfg.scale, mirror=cfg.data.mirror), name=name)
    if planned is not None and source.kind == "stand-in":
        raise UserError(f"{path} says {planned}, but its files are gone; {how_to_supply(name)}, and run again")
    return source


def how_to_supply(name: str) -> str:
    """A clause that tells the user where to put which files."""
    entry = registered(name)
    online = "go online, or " if all(info["urls"] for info in entry["files"].values()) else ""
    supply = f" ({entry['supply']})" if "supply" in entry else ""
    where = f"set data.mirror in params.yaml, or the environment variable {MIRROR}, to FOLDER"
    return f"{online}put {', '.join(entry['files'])}{supply} into FOLDER/{name}/ and {where}"


def write_manifest(source: Source) -> Path:
    """Write ``data/prepared/NAME.json``: what was used, without times or places, so that it is the same everywhere."""
    files = {} if source.folder is None else registered(source.folder.name)["files"]
    kept = {file: {"sha256": info["sha256"], "bytes": info["bytes"]} for file, info in files.items()}
    path = PREPARED / f"{source.name}.json"
    write_json(path, {"name": source.name, "source": source.kind, "files": kept})
    return path


def forget_stand_ins() -> list[str]:
    """Remove the manifests that say stand-in, so that the data stage searches again. Returns the data sets' names."""
    names = [name for name in config.read(REGISTRY) if _planned(PREPARED / f"{name}.json") == "stand-in"]
    for name in names:
        (PREPARED / f"{name}.json").unlink()
    return names


def _root() -> Path:
    """The repository; DVC's temporary workspaces use the raw files and the mirror of the main one."""
    return Path(os.environ.get("DVC_ROOT", ""))


def _planned(manifest: Path) -> Kind | None:
    try:
        return read_json(manifest, Manifest, "delete it and run `dvc repro`")["source"]
    except FileNotFoundError:
        return None


def mirror_folders(mirror: str | None) -> list[Path]:
    """That of params.yaml, else those of the environment. Raises `UserError` for one that is no folder."""
    named = [mirror] if mirror else [part for part in os.environ.get(MIRROR, "").split(os.pathsep) if part]
    where = "data.mirror in params.yaml" if mirror else f"the environment variable {MIRROR}"
    return [named_folder(folder, where, "a mirror") for folder in named]


def named_folder(name: str, where: str, what: str) -> Path:
    """The folder of `what` that a user named in a setting, `where`. Raises `UserError` for one that is no folder."""
    mend = f"mend it, or unset it to go without {what}"
    try:
        folder = _root() / Path(name).expanduser()
    except RuntimeError:
        raise UserError(f"{where} names {name}, the home of a user who does not exist; {mend}") from None
    if not folder.is_dir():
        raise UserError(f"{where} names {folder}, which is no folder; {mend}")
    return folder


def digest(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp(path: Path, sha256: str) -> str:
    stat = path.stat()
    return f"{sha256} {stat.st_size} {stat.st_mtime_ns}\n"


def _stamped(path: Path, sha256: str) -> bool:
    """Whether the file is the very one whose sha256 was found right: as long, and written at the same moment."""
    try:
        return _stamp_file(path).read_bytes() == _stamp(path, sha256).encode()
    except FileNotFoundError:
        return False


def _put_stamp(path: Path, sha256: str) -> None:
    with _naming(_stamp_file(path)):
        _stamp_file(path).write_text(_stamp(path, sha256))


def _stamp_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _verified(path: Path, sha256: str) -> bool:
    """Whether the file is there and right; a wrong one is deleted. Only to be called under the folder's lock."""
    if _stamped(path, sha256):
        return True
    if not path.exists():
        return False
    found = digest(path)
    if found == sha256:
        _put_stamp(path, sha256)
        return True
    print(f"{path} was damaged (sha256 {found}, not {sha256}) and is fetched again", file=sys.stderr)
    path.unlink()
    return False


def _fetch(target: Path, info: dict[str, Any], copies: list[Path]) -> None:
    """Put the file in place from the first of the mirrors' `copies` and the URLs that has it whole and right."""
    part = target.with_name(f"{target.name}.part")
    tried = [f"no {copy}" for copy in copies if not copy.is_file()]
    places: list[Path | str] = [*(copy for copy in copies if copy.is_file()), *info["urls"]]
    wrong: list[str] = []
    while places and len(wrong) < 2:
        place = places.pop(0)
        try:
            if isinstance(place, Path):
                _copy(place, part)
            else:
                _download(place, part, info["bytes"])
        except _Nowhere as why:
            tried.append(str(why))
            continue
        found = digest(part)
        if found == info["sha256"]:
            part.replace(target)
            _put_stamp(target, info["sha256"])
            return
        part.unlink()
        wrong.append(f"{place} has {found}")
        places.append(place)  # once more, after the places that were not tried yet
    if wrong:
        raise UserError(
            f"{target.name} should have sha256 {info['sha256']}, but {' and '.join(dict.fromkeys(wrong))}; "
            f"put the right file at {target} or into a mirror folder, and run the same command again"
        )
    raise _Nowhere(
        f"{target.name} could not be had ({'; '.join(tried) or 'it has no URL and no mirror folder is set'})"
    )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Where a full disk cuts off a file that is being written, the system's error names none: then it is `path`."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def _copy(source: Path, part: Path) -> None:
    try:
        with _naming(part):
            shutil.copyfile(source, part)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _download(url: str, part: Path, size: int) -> None:
    """Download to `part`, going on where an earlier download was cut off. Raises `_Nowhere` with the reason."""
    import requests  # these two here, because nothing needs them once the files are there
    from pooch import HTTPDownloader

    done = part.stat().st_size if part.exists() else 0
    if done >= size:
        part.unlink()
        done = 0
    # A server that ignores the range sends the whole file again; then the sha256 is wrong and the next try starts anew.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    print(f"fetching {url} ({size / 1e6:.1f} MB)", file=sys.stderr, flush=True)
    download = HTTPDownloader(progressbar=sys.stderr.isatty(), chunk_size=1 << 16, timeout=TIMEOUT, headers=headers)
    try:
        with _naming(part), part.open("ab") as file:
            download(url, file, None)
    except requests.RequestException as error:
        raise _Nowhere(f"{url}: {type(error).__name__}") from error
    finally:
        if part.is_file() and part.stat().st_size == 0:
            part.unlink()
