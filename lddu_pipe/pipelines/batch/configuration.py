"""What results depend on beside their source, and its name in the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from typing import Any

from lddu_pipe.assets import ASSETS, WHISPER_BASE, locate
from lddu_pipe.extractors.own import find_extractors
from lddu_pipe.files import sha256_of_file
from lddu_pipe.pipelines.batch.work import Plan
from lddu_pipe.pipelines.folder import find_checkpoint, hub_name
from lddu_pipe.pipelines.settings import AUTO, RECOGNISER
from lddu_pipe.schemas import SCHEMA_VERSION


def describe_configuration(plan: Plan) -> dict[str, str | float]:
    """Name everything results depend on beside their source.

    Raises:
        MissingAssetError: there is no such model or recogniser, or it cannot be downloaded.
        IncompatibleModelError: the recogniser is none of faster-whisper's.
        UnusableInputError: an extractor of one's own is not there, or is none, or there are no
            pictures of known people.
    """
    find_extractors(plan.settings.own_extractors)
    folder = find_checkpoint(plan.model, offline=plan.offline)
    shared = hub_name(plan.model)
    weights = {
        path.relative_to(folder).as_posix(): sha256_of_file(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".safetensors", ".json") and path.name != "evaluation.json"
    }
    assets = {name: dict(asset.files) for name, asset in ASSETS.items()}
    return {
        **{
            name: value for name, value in plan.settings.describe().items() if name != "batch_size"
        },
        "recogniser": _describe_recogniser(plan),
        "language": _describe_language(plan),
        **_describe_known(plan),
        "model": f"{shared.repo_id if shared else folder.name} {digest(weights)[:12]}",
        "extractors": digest(assets)[:12],
        "lddu-pipe": version("lddu-pipe"),
        # What an earlier release has written is read as well as what this one writes.
        **({} if plan.schema == SCHEMA_VERSION else {"schema": plan.schema}),
    }


def _describe_recogniser(plan: Plan) -> str:
    name = plan.settings.recogniser
    if name == RECOGNISER:
        return name
    from lddu_pipe.extractors.whisper import find_whisper, weights_of_whisper

    weights = weights_of_whisper(find_whisper(name, offline=plan.offline))
    return f"{name} {digest(weights)[:12]}"


def _describe_language(plan: Plan) -> str:
    """Which language is expected; without what hears others, speech is taken for English."""
    chosen = plan.settings.language
    known = chosen != AUTO or locate(WHISPER_BASE).verified
    return chosen if known else f"{chosen}, speech in English"


def _describe_known(plan: Plan) -> dict[str, str]:
    folder = plan.settings.known
    if folder is None:
        return {}
    from lddu_pipe.pipelines.people.known import digests_of

    return {"known": f"{folder.name} {digest(digests_of(folder))[:12]}"}


def digest(values: Mapping[str, Any]) -> str:
    """Return the sha256 of plain values, 64 hexadecimal digits."""
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
