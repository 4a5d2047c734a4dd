"""Models of the hub: what is asked of huggingface_hub, which a folder stands for here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from click.testing import CliRunner
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from lddu_pipe import EmotionPipeline
from lddu_pipe.cli import main
from lddu_pipe.commands.inventory import inventory
from lddu_pipe.errors import LdduPipeError, MissingAssetError, UnusableInputError
from lddu_pipe.files import sha256_of_file
from lddu_pipe.pipelines.batch.configuration import describe_configuration
from lddu_pipe.pipelines.batch.work import Plan
from lddu_pipe.pipelines.folder import SHIPPED, find_checkpoint, pinned
from lddu_pipe.pipelines.hub import HubName, cached_models, fetch
from lddu_pipe.pipelines.settings import PipelineSettings
from lddu_pipe.pipelines.sharing import push_checkpoint

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL_FILES = {
    *("config.json", "model.safetensors", "calibration.json", "README.md"),
    *("expression.json", "expression.safetensors", "sound.json", "sound.safetensors"),
    *("text_adapter/adapter_config.json", "text_adapter/adapter_model.safetensors"),
    "text_adapter/context.json",
}


class Hub:
    """The hub and its cache as two folders; it notes what it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "hub"
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.public: set[str] = set()
        self.failure: Exception | None = None

    def snapshot_download(
        self,
        repo_id: str,
        *,
        revision: str | None,
        allow_patterns: list[str],
        local_files_only: bool,
    ) -> str:
        snapshots = self.cache / f"models--{repo_id.replace('/', '--')}" / "snapshots"
        there = snapshots / COMMIT
        if local_files_only:
            if not there.exists():
                raise LocalEntryNotFoundError("not in the cache")
            return str(there)
        asked = {"revision": revision, "allow_patterns": allow_patterns}
        self.asked.append((repo_id, asked))
        if self.failure:
            raise self.failure
        for path in (self.folder / repo_id).rglob("*"):
            name = path.relative_to(self.folder / repo_id).as_posix()
            if path.is_file() and any(fnmatch(name, pattern) for pattern in allow_patterns):
                (there / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, there / name)
        return str(there)

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        self.asked.append(("create", {"repo_id": repo_id, "private": private}))
        assert exist_ok
        if not private:
            self.public.add(repo_id)

    def model_info(self, repo_id: str) -> SimpleNamespace:
        return SimpleNamespace(private=repo_id not in self.public)

    def upload_folder(
        self, *, repo_id: str, folder_path: Path, commit_message: str, delete_patterns: list[str]
    ) -> SimpleNamespace:
        self.asked.append(("upload", {"repo_id": repo_id, "delete_patterns": delete_patterns}))
        assert commit_message
        if self.failure:
            raise self.failure
        shutil.copytree(folder_path, self.folder / repo_id)
        return SimpleNamespace(oid=COMMIT)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A hub that has ``user/model``, which is the one that ships and a program beside it."""
    hub = Hub(tmp_path / "hub")
    shutil.copytree(SHIPPED / "lddu-base-en", hub.folder / "user/model")
    (hub.folder / "user/model/modeling.py").write_text("raise RuntimeError('ran')")
    (hub.folder / "user/model/README.md").write_text("---\nlicense: mit\n---\n# Mine\n")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub.snapshot_download)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "hf_token")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub.cache))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.chdir(tmp_path)
    return hub


def failing(kind: type[Exception]) -> Exception:
    return kind("no\nluck", response=SimpleNamespace(headers={}, request=None))


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def test_a_model_is_downloaded_once_and_annotates(hub: Hub) -> None:
    pipe = EmotionPipeline.from_pretrained("user/model@v2", device="cpu")
    wanted = {"revision": "v2", "allow_patterns": ["*.safetensors", "*.json", "README.md"]}
    assert hub.asked == [("user/model", wanted)]
    folder = pipe.checkpoint.folder
    assert folder.name == COMMIT
    assert not (folder / "modeling.py").exists()
    assert (folder / "text_adapter/adapter_model.safetensors").is_file()
    for offline in (False, True):
        assert EmotionPipeline.from_pretrained("user/model", offline=offline).labels == pipe.labels
    assert len(hub.asked) == 1
    assert fetch(HubName("user/model")) == folder  # asks for what is new
    assert len(hub.asked) == 2


def test_offline_a_model_that_is_not_in_the_cache_is_one_line(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, told = run("annotate", __file__, "--model", "user/model", "--offline")
    assert (code, told.count("\n"), hub.asked) == (2, 1, [])
    assert 'run "lddu-pipe models fetch user/model" while connected' in told
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingAssetError, match="downloads are off"):
        find_checkpoint("user/model")
    assert run("models", "fetch", "user/model")[0] == 2
    with pytest.raises(MissingAssetError, match="HF_HUB_OFFLINE"):
        push_checkpoint(SHIPPED / "lddu-base-en", "user/other")
    assert hub.asked == []


def test_a_folder_wins_and_what_is_mistyped_is_not_asked_of_the_hub(
    hub: Hub, tmp_path: Path
) -> None:
    mine = shutil.copytree(SHIPPED / "lddu-base-en", tmp_path / "user/model")
    assert find_checkpoint("user/model") == Path("user/model")
    (mine / "config.json").unlink()
    for name in ("user/model", "user/modle", Path("user/other"), "user", "a/b/c", "../user/x"):
        with pytest.raises(MissingAssetError, match="give a folder"):
            find_checkpoint(name)
    assert hub.asked == []
    assert find_checkpoint("user/model@main").name == COMMIT


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (RepositoryNotFoundError, 'if it is private, log in with "hf auth login"'),
        (GatedRepoError, "user/model@v2 cannot be downloaded: its owner wants to be asked"),
        (RevisionNotFoundError, "user/model has no revision 'v2'"),
        (TimeoutError("took\ntoo long"), r"could not be downloaded \(took too long\)"),
    ],
)
def test_what_the_hub_refuses_is_one_line(
    hub: Hub, failure: type[Exception] | Exception, told: str
) -> None:
    hub.failure = failing(failure) if isinstance(failure, type) else failure
    with pytest.raises(MissingAssetError, match=told) as caught:
        find_checkpoint("user/model@v2")
    assert "\n" not in str(caught.value)


def test_a_repository_that_holds_no_model_is_one_line(hub: Hub) -> None:
    (hub.folder / "user/model/model.safetensors").rename(hub.folder / "user/model/model.bin")
    with pytest.raises(MissingAssetError, match=r"no model: no model\.safetensors in it"):
        find_checkpoint("user/model")


def test_a_batch_is_made_with_one_commit(hub: Hub) -> None:
    name = pinned("user/model")
    assert name == f"user/model@{COMMIT}"
    assert pinned("lddu-base-en") == "lddu-base-en"
    plan = Plan("out", ("json",), name, "cpu", True, PipelineSettings())
    assert str(describe_configuration(plan)["model"]).startswith("user/model ")


def test_models_of_the_cache_are_listed_and_verified(hub: Hub) -> None:
    assert list(cached_models()) == []
    code, _, told = run("models", "fetch", "user/model")
    assert (code, "user/model is at " in told) == (0, True)
    (cached,) = [item for item in inventory() if item["name"].startswith("user/")]
    assert cached["source"] == "Hugging Face cache"
    assert cached["name"] == f"user/model@{COMMIT}"
    assert (cached["licence"], cached["verified"]) == ("mit", True)
    # The real cache keeps a file under its published sha256 and links to it.
    weights = Path(cached["path"]) / "model.safetensors"
    blob = weights.rename(weights.with_name(sha256_of_file(weights)))
    weights.symlink_to(blob)
    assert inventory()[1]["verified"]
    with blob.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"x")
    assert "is not the file that the hub has; remove it" in inventory()[1]["problem"]


def test_a_model_is_pushed_and_taken_by_others(hub: Hub, tmp_path: Path) -> None:
    run_folder = tmp_path / "run"
    shutil.copytree(SHIPPED / "lddu-base-en", run_folder / "model")
    (run_folder / "model" / "MODEL_CARD.md").unlink()
    (run_folder / "model" / "notes.txt").write_text("private")
    before = sorted(run_folder.rglob("*"))
    code, out, told = run(
        *("models", "push", "run", "me/mine", "--private", "--licence", "CC BY 4.0", "--json")
    )
    assert (code, json.loads(out)["revision"]) == (0, COMMIT)
    assert "use it with --model me/mine" in told
    assert hub.asked == [
        ("create", {"repo_id": "me/mine", "private": True}),
        ("upload", {"repo_id": "me/mine", "delete_patterns": ["*.safetensors", "*.json"]}),
    ]
    sent = hub.folder / "me/mine"
    names = {path.relative_to(sent).as_posix() for path in sent.rglob("*") if path.is_file()}
    assert names == MODEL_FILES
    card = (sent / "README.md").read_text()
    assert "license: cc-by-4.0" in card
    assert 'from_pretrained("me/mine")' in card
    assert sorted(run_folder.rglob("*")) == before
    (tmp_path / "card.md").write_text("---\nlicense: mit\n---\n# Written by hand\n")
    assert run("models", "push", "run", "me/other", "--card", "card.md", "-q") == (0, "", "")
    assert "by hand" in (hub.folder / "me/other/README.md").read_text()
    assert EmotionPipeline.from_pretrained("me/mine").checkpoint.folder.is_relative_to(hub.cache)


def test_a_push_that_fails_leaves_no_trace(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(SHIPPED / "lddu-base-en", tmp_path / "mine")
    before = sorted(path for path in tmp_path.rglob("*"))

    def push(name: str = "me/mine", *, private: bool = False) -> Callable[[], object]:
        return lambda: push_checkpoint(folder, name, private=private)

    def refused(work: Callable[[], object], kind: type[LdduPipeError], told: str) -> None:
        with pytest.raises(kind, match=told) as caught:
            work()
        assert "\n" not in str(caught.value)

    for name in ("mine", "me/mine/x", "me/mine@main", "/me/mine"):
        refused(push(name), UnusableInputError, "is no name of a model to push to")
    hub.public.add("me/mine")
    refused(push(private=True), UnusableInputError, "is public already")
    hub.failure = OSError("broke\noff")
    refused(push(), MissingAssetError, r"could not be uploaded \(broke off\)")
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    refused(push(), MissingAssetError, "without a token: log in")
    assert sorted(path for path in tmp_path.rglob("*")) == before
