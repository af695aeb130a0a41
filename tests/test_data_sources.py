"""Mirror, network, stand-in, in this order, and nothing unchecked. The "public" server is one on 127.0.0.1."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pooch
import pytest

from learned_symmetry import config
from learned_symmetry.data import mnist_images, sources
from learned_symmetry.errors import UserError, told_plainly
from stages import data as stage

ROOT = Path(__file__).parents[1]
REGISTRY = config.read(ROOT / "data/sources.yaml")
REAL_MIRROR = os.environ.get(sources.MIRROR, "").split(os.pathsep)[0]
CONTENT = b"the one and only content " * 400
OTHER = b"something else altogether"
DEAD = "http://127.0.0.1:9/file.bin"  # nothing listens there


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Server:
    """Serves `replies[path]`, a list of bodies of which the last is repeated; `asked` lists (path, range)."""

    def __init__(self) -> None:
        self.replies: dict[str, list[bytes]] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.ranges = True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                span = self.headers.get("Range")
                outer.asked.append((self.path, span))
                replies = outer.replies.get(self.path)
                if replies is None:
                    self.send_error(404)
                    return
                body = replies.pop(0) if len(replies) > 1 else replies[0]
                partial = span is not None and outer.ranges
                if partial:
                    body = body[int(span.removeprefix("bytes=").removesuffix("-")) :]
                self.send_response(206 if partial else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http.server_port}{path}"

    def close(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty repository, with nothing from the tester's environment."""
    for name in (sources.MIRROR, "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)


def register(*urls: str, content: bytes = CONTENT, **keys: object) -> None:
    """A registry with the one data set mnist of the one file file.bin."""
    file = {"sha256": sha256(content), "bytes": len(content), "urls": list(urls)}
    entry = {"title": "", "licence": "", "variant": "official", "fetch": True, "stand_in": "digits"} | keys
    Path("data").mkdir(exist_ok=True)
    Path("data/sources.yaml").write_text(json.dumps({"mnist": entry | {"files": {"file.bin": file}}}))


def mirror(content: bytes = CONTENT, folder: str = "mirror") -> str:
    (Path(folder) / "mnist").mkdir(parents=True)
    (Path(folder) / "mnist/file.bin").write_bytes(content)
    return folder


def ensure(scale: str = "quick", mirror: str | None = None) -> sources.Source:
    return sources.ensure("mnist", scale=scale, mirror=mirror)


def cfg(scale: str = "quick", mirror: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(scale=scale, data=SimpleNamespace(mirror=mirror))


FILE = Path("data/raw/mnist/file.bin")


def assert_whole() -> None:
    assert FILE.read_bytes() == CONTENT
    assert not list(FILE.parent.glob("*.part"))


def test_the_mirror_comes_first(server):
    register(server.url("/file.bin"))
    assert ensure("full", mirror()) == sources.Source("mnist", "official", Path("data/raw/mnist"))
    assert_whole()
    assert not server.asked


def test_the_environment_may_name_several_mirrors_and_params_overrules_it(monkeypatch):
    register()
    Path("empty").mkdir()
    monkeypatch.setenv(sources.MIRROR, os.pathsep.join(["empty", mirror()]))
    assert ensure().kind == "official"
    shutil.rmtree("data/raw")
    assert ensure(mirror="empty").kind == "stand-in"


def test_a_mirror_that_is_no_folder_is_an_error_and_not_passed_over(monkeypatch):
    register()
    with pytest.raises(UserError, match=r"data\.mirror in params\.yaml names nowhere"):
        ensure(mirror="nowhere")
    monkeypatch.setenv(sources.MIRROR, "nowhere")
    with pytest.raises(UserError, match=f"{sources.MIRROR} names nowhere"):
        ensure()


def test_what_the_mirror_lacks_is_downloaded(server):
    register(DEAD, server.url("/missing"), server.url("/file.bin"))
    server.replies["/file.bin"] = [CONTENT]
    Path("empty").mkdir()
    assert ensure("full", "empty").kind == "official"
    assert_whole()
    assert [path for path, _ in server.asked] == ["/missing", "/file.bin"]


def test_a_corrupt_mirror_file_is_rejected_and_the_url_used(server):
    register(server.url("/file.bin"))
    server.replies["/file.bin"] = [CONTENT]
    assert ensure("full", mirror(OTHER)).kind == "official"
    assert_whole()


def test_a_corrupt_download_is_fetched_again_once(server):
    register(server.url("/file.bin"))
    server.replies["/file.bin"] = [OTHER, CONTENT]
    assert ensure().kind == "official"
    assert_whole()
    assert len(server.asked) == 2


@pytest.mark.parametrize("scale", ["quick", "full"])
def test_a_download_that_stays_corrupt_is_an_error_with_both_hashes_and_no_stand_in(server, scale):
    register(server.url("/file.bin"))
    server.replies["/file.bin"] = [OTHER]
    with pytest.raises(UserError) as error:
        ensure(scale)
    assert all(part in str(error.value) for part in ("file.bin", sha256(CONTENT), sha256(OTHER), "put the right file"))
    assert len(server.asked) == 2
    assert not list(FILE.parent.glob("file.bin*"))


def test_a_corrupt_mirror_without_network_is_an_error_too():
    register(DEAD)
    with pytest.raises(UserError, match=sha256(OTHER)):
        ensure(mirror=mirror(OTHER))


def test_without_network_and_mirror_a_stand_in_is_used_but_not_at_full():
    register(DEAD)
    assert ensure("smoke") == ensure("quick") == sources.Source("mnist", "stand-in", None)
    with pytest.raises(UserError, match=r"full takes no stand-in; go online, or put file\.bin into FOLDER/mnist/"):
        ensure("full")


def test_a_set_with_neither_url_nor_stand_in_says_how_to_supply_it():
    register(supply="ask a friend")
    entry = json.loads(Path("data/sources.yaml").read_text())
    del entry["mnist"]["stand_in"]
    Path("data/sources.yaml").write_text(json.dumps(entry))
    with pytest.raises(UserError, match=r"no stand-in; put file\.bin \(ask a friend\) into FOLDER/mnist/"):
        ensure("smoke")


def test_an_unknown_name_is_an_error_that_lists_the_known():
    register()
    with pytest.raises(UserError, match="no data set 'mnits'; it has mnist"):
        sources.ensure("mnits", scale="quick", mirror=None)


def test_a_mirror_variant_says_so():
    register(variant="mirror variant")
    assert ensure(mirror=mirror()).kind == "mirror variant"


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_copy_leaves_nothing_behind(monkeypatch, error):
    register()
    place = mirror()

    def interrupted(source: Path, target: Path) -> None:
        target.write_bytes(CONTENT[:100])
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", interrupted)
        with pytest.raises(error):
            ensure(mirror=place)
    assert not list(FILE.parent.glob("file.bin*"))
    assert ensure(mirror=place).kind == "official"


def test_a_download_goes_on_where_it_was_cut_off(server):
    register(server.url("/file.bin"))
    server.replies["/file.bin"] = [CONTENT]
    FILE.parent.mkdir(parents=True)
    FILE.with_name("file.bin.part").write_bytes(CONTENT[:5000])
    ensure()
    assert_whole()
    assert server.asked == [("/file.bin", "bytes=5000-")]


@pytest.mark.parametrize("left", [CONTENT[:5000], OTHER, CONTENT + OTHER])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_bad_beginning_or_a_server_without_ranges_costs_one_more_download(server, left, ranges):
    register(server.url("/file.bin"))
    server.replies["/file.bin"], server.ranges = [CONTENT], ranges
    FILE.parent.mkdir(parents=True)
    FILE.with_name("file.bin.part").write_bytes(left)
    assert ensure().kind == "official"
    assert_whole()


def test_a_checked_file_is_not_hashed_again_but_a_changed_one_is(server, monkeypatch, capsys):
    register(server.url("/file.bin"))
    server.replies["/file.bin"] = [CONTENT]
    ensure()
    with monkeypatch.context() as patch:
        patch.setattr(sources, "digest", lambda path: pytest.fail("hashed again"))
        ensure()
    os.utime(FILE)  # as after a copy: looked at again, found right
    ensure()
    assert len(server.asked) == 1
    FILE.write_bytes(CONTENT[::-1])  # as long as before
    ensure()
    assert_whole()
    assert len(server.asked) == 2
    assert "damaged" in capsys.readouterr().err


def test_a_file_put_in_place_by_hand_is_checked_and_used():
    register(DEAD)
    FILE.parent.mkdir(parents=True)
    FILE.write_bytes(CONTENT)
    assert ensure("full").kind == "official"


def test_two_at_once_download_once(server):
    register(server.url("/file.bin"))
    server.replies["/file.bin"] = [CONTENT]
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(ensure().kind)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["official"] * 4
    assert len(server.asked) == 1


def test_workspaces_of_dvc_share_the_raw_files(monkeypatch, tmp_path):
    register()
    mirror()
    Path("workspace").mkdir()
    shutil.copytree("data", "workspace/data")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir("workspace")
    assert ensure(mirror="mirror").folder == tmp_path / "data/raw/mnist"
    assert (tmp_path / FILE).read_bytes() == CONTENT


def test_manifests_are_the_same_everywhere(server, monkeypatch, tmp_path):
    register()
    first = sources.write_manifest(ensure(mirror=mirror())).read_bytes()
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    register(server.url("/file.bin"))
    server.replies["/file.bin"] = [CONTENT]
    assert sources.write_manifest(ensure()).read_bytes() == first
    assert json.loads(first) == {
        "name": "mnist",
        "source": "official",
        "files": {"file.bin": {"sha256": sha256(CONTENT), "bytes": len(CONTENT)}},
    }


def test_loaders_keep_to_what_the_data_stage_found(server):
    register(server.url("/file.bin"))
    sources.write_manifest(ensure())
    server.replies["/file.bin"] = [CONTENT]  # the network comes back in the middle of a pipeline
    server.asked.clear()
    assert sources.settled("mnist", cfg()).kind == "stand-in"
    assert not server.asked
    assert sources.settled("mnist", cfg("full")).kind == "official"
    assert sources.forget_stand_ins() == ["mnist"]
    assert sources.settled("mnist", cfg()).kind == "official"


def test_files_that_are_gone_are_fetched_again_and_never_replaced_by_a_stand_in():
    register()
    place = mirror()
    sources.write_manifest(ensure(mirror=place))
    shutil.rmtree("data/raw")
    assert sources.settled("mnist", cfg(mirror=place)).kind == "official"
    shutil.rmtree("data/raw")
    with pytest.raises(UserError, match=r"mnist\.json says official, but its files are gone"):
        sources.settled("mnist", cfg())
    assert sources.forget_stand_ins() == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[]", " should be a mapping"),
        (b"{}", ": source is missing"),
        (b'{"source": "sample"}', ": source should be 'official', 'mirror variant' or 'stand-in'"),
        (b"{", " is not valid JSON"),
        (b"\xff", " is not valid JSON"),
    ],
)
def test_a_manifest_that_is_none_says_so(content, told):
    register()
    sources.PREPARED.mkdir(parents=True)
    (sources.PREPARED / "mnist.json").write_bytes(content)
    with pytest.raises(UserError) as error:
        sources.settled("mnist", cfg())
    assert str(error.value) == f"data/prepared/mnist.json{told}; delete it and run `dvc repro`"


@pytest.mark.parametrize("scale", config.SCALES)
@pytest.mark.parametrize("by", ["params", "environment"])
def test_a_set_that_a_mirror_has_in_part_is_an_error_at_every_scale(monkeypatch, scale, by):
    register(DEAD)
    Path("mirror/mnist").mkdir(parents=True)
    if by == "environment":
        monkeypatch.setenv(sources.MIRROR, os.pathsep.join([".", "mirror"]))
    with pytest.raises(UserError) as error:
        ensure(scale, "mirror" if by == "params" else None)
    assert not isinstance(error.value, sources.Missing)  # which some take for a set that nobody has
    assert all(part in str(error.value) for part in ("no mirror/mnist/file.bin", DEAD, "put it into mirror/mnist, or"))


def test_a_file_that_a_mirror_lacks_is_downloaded_or_lies_there_already(server):
    register(server.url("/file.bin"))
    server.replies["/file.bin"] = [CONTENT]
    Path("mirror/mnist").mkdir(parents=True)
    assert ensure(mirror="mirror").kind == "official"
    register(DEAD)
    assert ensure(mirror="mirror").kind == "official"


def test_a_variant_that_a_mirror_has_in_part_is_an_error_too():
    register(instead="mnist-jpeg")
    entries = json.loads(Path("data/sources.yaml").read_text())
    entries["mnist-jpeg"] = {**entries["mnist"], "variant": "mirror variant"}
    del entries["mnist-jpeg"]["instead"]
    Path("data/sources.yaml").write_text(json.dumps(entries))
    assert ensure(mirror=".").kind == "stand-in"
    Path("mnist-jpeg").mkdir()
    with pytest.raises(UserError, match=r"no mnist-jpeg/file\.bin.*; put it into mnist-jpeg, or take that folder away"):
        ensure(mirror=".")
    Path("mnist").mkdir()
    Path("mnist-jpeg/file.bin").write_bytes(CONTENT)
    assert ensure(mirror=".").kind == "mirror variant"


def test_an_mnist_c_that_a_mirror_has_in_part_is_an_error_too(monkeypatch):
    register()
    entries = json.loads(Path("data/sources.yaml").read_text())
    entries["mnist-c"] = {"files": {mnist_images.ARCHIVE: {}}}
    Path("data/sources.yaml").write_text(json.dumps(entries))
    place = mirror()
    assert mnist_images.origin(cfg(mirror=place)) == mnist_images.GENERATED
    Path("mirror/mnist-c").mkdir()
    with pytest.raises(UserError, match=r"mirror/mnist-c has no mnist_c\.zip; put the published file there, or"):
        mnist_images.origin(cfg(mirror=place))


@pytest.mark.parametrize("by", ["params", "environment"])
def test_the_home_of_nobody_is_no_mirror(monkeypatch, by):
    register()
    place = "~nosuchuser/mirror"
    if by == "environment":
        monkeypatch.setenv(sources.MIRROR, place)
    where = {"params": "data.mirror in params.yaml", "environment": f"the environment variable {sources.MIRROR}"}[by]
    with pytest.raises(UserError) as error:
        ensure(mirror=place if by == "params" else None)
    assert str(error.value).startswith(f"{where} names {place}, the home of a user who does not exist; mend it, or")


def test_a_stamp_that_is_no_text_is_none():
    register()
    place = mirror()
    ensure(mirror=place)
    stamp = FILE.with_name("file.bin.sha256")
    stamp.write_bytes(b"\xff\xfe")
    assert ensure(mirror=place).kind == "official"
    assert stamp.read_text().startswith(sha256(CONTENT))


@pytest.mark.parametrize(
    ("make", "at"),
    [
        (Path.touch, "data/raw"),
        (Path.touch, "data/raw/mnist"),
        (Path.mkdir, "data/raw/mnist/file.bin"),
        (Path.mkdir, "data/raw/mnist/file.bin.part"),
        (Path.mkdir, "data/raw/mnist/file.bin.sha256"),
        (Path.mkdir, "data/raw/mnist/.lock"),
        (Path.touch, "data/prepared"),
        (Path.mkdir, "data/prepared/mnist.json"),
        (Path.mkdir, "data/sources.yaml"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("from_mirror", [True, False])
def test_what_is_in_the_way_of_data_is_told(server, capsys, make, at, from_mirror):
    register(server.url("/file.bin"))
    server.replies["/file.bin"] = [CONTENT]
    place = mirror() if from_mirror else None
    if at == "data/sources.yaml":
        Path(at).unlink()
    Path(at).parent.mkdir(parents=True, exist_ok=True)
    make(Path(at))
    with pytest.raises(SystemExit), told_plainly("stages/data.py"):
        stage.main("quick", place)
    kinds = {Path.touch: "a file where a folder belongs", Path.mkdir: "a folder where a file belongs"}
    told = capsys.readouterr().err.splitlines()[-1].replace(f"{Path.cwd()}/", "")  # the lock's path is absolute
    assert told == f"error: stages/data.py: {at} is {kinds[make]}; move it away and run the same command again"


@pytest.mark.parametrize("from_mirror", [True, False])
def test_a_full_disk_names_the_file(server, monkeypatch, capsys, from_mirror):
    register(server.url("/file.bin"))
    server.replies["/file.bin"] = [CONTENT]
    place = mirror() if from_mirror else None

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*((shutil, "copyfile") if from_mirror else (pooch.HTTPDownloader, "__call__")), full)
    with pytest.raises(SystemExit), told_plainly("stages/data.py"):
        stage.main("quick", place)
    assert "No space left on device at data/raw/mnist/file.bin.part; free some space" in capsys.readouterr().err


def test_a_folder_that_may_not_be_written_is_told_and_not_covered_up(monkeypatch):
    register(DEAD)
    opened = Path.open

    def denied(path: Path, *args: object, **kwargs: object) -> object:
        if path.suffix == ".part":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(PermissionError, match=r"file\.bin\.part"):
        ensure()


def test_the_stage_says_what_was_used(capsys):
    register(DEAD)
    stage.main("quick", None)
    assert (
        f"mnist: STAND-IN (digits), because file.bin could not be had ({DEAD}: ConnectionError): nothing"
        in capsys.readouterr().out
    )
    assert json.loads(Path("data/prepared/mnist.json").read_text())["source"] == "stand-in"
    stage.main("quick", mirror())
    assert "mnist: official" in capsys.readouterr().out
    assert json.loads(Path("data/prepared/mnist.json").read_text())["source"] == "official"
    shutil.rmtree("data/raw")
    shutil.rmtree("mirror/mnist")
    stage.main("quick", "mirror")
    assert "because file.bin could not be had (no mirror/mnist/file.bin; http" in capsys.readouterr().out
    register(fetch=False)
    stage.main("full", None)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("scale: qick\ndata: {mirror: null}\n", "scale: 'qick' is none of smoke, quick, full"),
        ("scale: quick\ndata: {mirror: 3}\n", "data: .* must have the keys mirror and imagenet"),
        ("data: {mirror: null}\n", "scale: None is none of"),
    ],
)
def test_bad_settings_are_named(params, message):
    Path("params.yaml").write_text(params)
    with pytest.raises(UserError, match=message):
        stage.settings()


def test_the_command_line_imports_nothing_heavy_and_exits_as_it_should():
    register(DEAD)
    Path("params.yaml").write_text(f"scale: full\ndata: {{mirror: {mirror()}, imagenet: null}}\n")
    heavy = "[name for name in ('torch', 'numpy', 'pooch', 'requests', 'sklearn', 'matplotlib') if name in sys.modules]"
    code = f"import sys; from stages import data; data.cli(); sys.exit(str({heavy}) if {heavy} else 0)"
    run = {"capture_output": True, "text": True, "env": os.environ | {"PYTHONPATH": str(ROOT)}}
    done = subprocess.run([sys.executable, "-c", code], **run)
    assert (done.returncode, done.stderr) == (0, "")
    shutil.rmtree("data/raw")
    shutil.rmtree("mirror")
    done = subprocess.run([sys.executable, "-c", code], **run)
    assert done.returncode == 1
    assert done.stderr.startswith("error: stages/data.py: data.mirror in params.yaml names mirror")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", REGISTRY)
def test_the_registry_is_complete(name):
    entry = REGISTRY[name]
    assert entry["title"]
    assert entry["licence"]
    assert entry["variant"] in ("official", "mirror variant")
    assert isinstance(entry["fetch"], bool)
    assert entry.keys() <= {"title", "licence", "variant", "fetch", "instead", "stand_in", "supply", "files"}
    for file, info in entry["files"].items():
        assert info.keys() == {"sha256", "bytes", "urls"}
        assert len(bytes.fromhex(info["sha256"])) == 32
        assert info["bytes"] > 0
        assert all(url.startswith(("https://", "http://")) and url.endswith(f"/{file}") for url in info["urls"])
        assert info["urls"] or entry["supply"]


@pytest.mark.parametrize("name", REGISTRY)
def test_the_registry_matches_the_mirror(name):
    folder = Path(ROOT, REAL_MIRROR, name)
    if not REAL_MIRROR or not folder.is_dir():
        pytest.skip(f"no mirror of {name}: {sources.MIRROR} is {REAL_MIRROR!r}")
    for file, info in REGISTRY[name]["files"].items():
        assert (folder / file).stat().st_size == info["bytes"]
        assert sources.digest(folder / file) == info["sha256"]


@pytest.mark.parametrize(("name", "published"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
def test_official_means_the_published_md5(name, published):
    folder = Path(ROOT, REAL_MIRROR, name)
    if not REAL_MIRROR or not folder.is_dir():
        pytest.skip(f"no mirror of {name}: {sources.MIRROR} is {REAL_MIRROR!r}")
    datasets = pytest.importorskip("torchvision.datasets")
    resources = getattr(datasets, published).resources
    assert {file for file, _ in resources} == REGISTRY[name]["files"].keys()
    for file, md5 in resources:
        assert hashlib.md5((folder / file).read_bytes()).hexdigest() == md5
