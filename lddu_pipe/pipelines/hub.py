"""Models on the Hugging Face hub: what they are called, the cache, downloads and uploads.

All of it goes through huggingface_hub, with its cache and its token. Of a repository only
safetensors, JSON and the card are asked for. A model that is in the cache is used as it is there,
and nobody is asked for a newer one until `fetch` is called.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lddu_pipe.assets import hub_is_offline
from lddu_pipe.errors import LdduPipeError, MissingAssetError, UnusableInputError

_Result = TypeVar("_Result")

CARD_FILE = "README.md"
WANTED = ("*.safetensors", "*.json", CARD_FILE)
"""Patterns of the files that are downloaded; a pattern reaches into folders, too."""
LOGIN = 'log in with "hf auth login", or set HF_TOKEN'

_NAME = re.compile(r"([A-Za-z0-9][\w.-]*/\w[\w.-]*)(?:@(\S+))?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubName:
    """A model of the hub as people write it: ``user/model`` or ``user/model@revision``."""

    repo_id: str
    revision: str | None = None
    """A branch, a tag or a commit; None is the newest commit of the main branch."""

    def __str__(self) -> str:
        return f"{self.repo_id}@{self.revision}" if self.revision else self.repo_id

    @classmethod
    def parse(cls, text: str) -> HubName | None:
        """Read a name; None where the text cannot be one."""
        found = _NAME.fullmatch(text)
        if found is None or "--" in found[1] or ".." in found[1] or found[1].endswith(".git"):
            return None  # the hub takes no such name
        return cls(found[1], found[2])

    def pinned(self, folder: Path) -> HubName:
        """The same model at the very commit that lies in `folder`, as the cache names it."""
        commit = folder.name
        return HubName(self.repo_id, commit) if _COMMIT.fullmatch(commit) else self


@dataclass(frozen=True)
class CachedModel:
    """A model of ours in the cache."""

    name: HubName
    folder: Path


def locate_or_fetch(name: HubName, *, offline: bool = False) -> Path:
    """Return the folder of a model: from the cache, and only where it is not there, downloaded.

    Args:
        name: of the model.
        offline: never download. ``HF_HUB_OFFLINE`` in the environment means the same.

    Raises:
        MissingAssetError: it is not in the cache and cannot be downloaded.
    """
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return _snapshot(name, local_files_only=True)
    except LocalEntryNotFoundError:  # absent, or a download that was interrupted
        if not (offline or hub_is_offline()):
            return fetch(name)
    raise MissingAssetError(
        f"no model {str(name)!r} on this machine, neither as a folder nor in the Hugging Face "
        f'cache, and downloads are off; run "lddu-pipe models fetch {name}" while connected'
    )


def fetch(name: HubName) -> Path:
    """Download a model, or what is new of it, into the cache; return its folder.

    Raises:
        MissingAssetError: there is no such model, or it cannot be downloaded.
    """
    if hub_is_offline():
        raise MissingAssetError(f"{name} cannot be downloaded: HF_HUB_OFFLINE is set")
    return _told("downloaded", name, lambda: _snapshot(name, local_files_only=False))


def push(repo_id: str, folder: Path, *, private: bool) -> str:
    """Upload all files of a folder as one commit; return its id.

    Safetensors and JSON of the repository that the folder lacks are removed by the same commit, so
    that parts of an older model do not become parts of this one.

    Args:
        repo_id: ``user/model``; the repository is made where there is none.
        folder: is only read.
        private: only people who are allowed see it; refused where it is public already.

    Raises:
        UnusableInputError: `repo_id` is no name of a model, or the repository is public.
        MissingAssetError: there is no token, or the upload failed.
    """
    name = target_of(repo_id)
    from huggingface_hub import HfApi, get_token

    if hub_is_offline():
        raise MissingAssetError(f"{name} cannot be uploaded: HF_HUB_OFFLINE is set")
    if not get_token():
        raise MissingAssetError(f"{name} cannot be uploaded without a token: {LOGIN}")
    hub = HfApi()

    def upload() -> str:
        hub.create_repo(repo_id, private=private, exist_ok=True)
        if private and not hub.model_info(repo_id).private:
            raise UnusableInputError(
                f"{name} is public already and stays so; push to another name, or make it "
                "private on its page first"
            )
        done = hub.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            commit_message="Upload a model of lddu-pipe",
            delete_patterns=["*.safetensors", "*.json"],
        )
        return str(done.oid)

    return _told("uploaded", name, upload)


def target_of(repo_id: str) -> HubName:
    """The name of a model to push to.

    Raises:
        UnusableInputError: it is none, or names a revision.
    """
    name = HubName.parse(repo_id)
    if name is None or name.revision:
        raise UnusableInputError(f"{repo_id!r} is no name of a model to push to; write user/model")
    return name


def cached_models() -> Iterator[CachedModel]:
    """Every revision of a model of ours in the cache, by name; other models are passed over."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return
    for repository in sorted(repositories, key=lambda item: item.repo_id):
        if repository.repo_type != "model":
            continue
        for revision in sorted(repository.revisions, key=lambda item: item.commit_hash):
            if _is_ours(revision.snapshot_path):
                known = sorted(revision.refs) or [revision.commit_hash]
                shown = None if "main" in known else known[0]
                yield CachedModel(HubName(repository.repo_id, shown), revision.snapshot_path)


def published_digest(path: Path) -> str | None:
    """The sha256 that the hub published of a file in the cache, None where none is known there."""
    blob = path.resolve().name
    return blob if re.fullmatch(r"[0-9a-f]{64}", blob) else None


def metadata_of(card: Path) -> Mapping[str, Any]:
    """What stands in the head of a model card; nothing where there is no head to be read."""
    from huggingface_hub import metadata_load

    try:
        return metadata_load(card) or {}
    except Exception:  # a stranger wrote it, and the YAML library raises what it likes
        return {}


def _is_ours(folder: Path) -> bool:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and config.get("model_type") == "lddu"


def _snapshot(name: HubName, *, local_files_only: bool) -> Path:
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(
            name.repo_id,
            revision=name.revision,
            allow_patterns=list(WANTED),
            local_files_only=local_files_only,
        )
    )


def _told(what: str, name: HubName, work: Callable[[], _Result]) -> _Result:
    """Do what needs the hub; a failure is one line."""
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return work()
    except LdduPipeError:
        raise
    except GatedRepoError as error:
        reason = f"its owner wants to be asked first: ask on its page, then {LOGIN}"
        raise MissingAssetError(f"{name} cannot be {what}: {reason}") from error
    except RepositoryNotFoundError as error:
        raise MissingAssetError(
            f"no model {name.repo_id!r}: there is no such folder, and none on the Hugging Face "
            f"hub that you may see; if it is private, {LOGIN}"
        ) from error
    except RevisionNotFoundError as error:
        raise MissingAssetError(f"{name.repo_id} has no revision {name.revision!r}") from error
    except Exception as error:
        # Its own errors, its HTTP client's and its transfer engine's have no base in common, and
        # differ between versions.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MissingAssetError(f"{name} could not be {what} ({reason})") from error
