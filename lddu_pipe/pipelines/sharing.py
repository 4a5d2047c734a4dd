"""Checkpoints for others: a card of what is known of one, and its way to the hub."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lddu_pipe.datasets.store import open_store
from lddu_pipe.errors import LdduPipeError, MissingAssetError, UnusableInputError
from lddu_pipe.extractors.features import default_text_fingerprint
from lddu_pipe.extractors.hub import EncoderSource, find_encoder
from lddu_pipe.pipelines.checkpoint import (
    CHECKPOINT_FILES,
    Checkpoint,
    load_checkpoint,
    load_parts,
)
from lddu_pipe.pipelines.folder import CONFIG_FILE, check_complete
from lddu_pipe.pipelines.hub import CARD_FILE, HubName, fetch, push, target_of
from lddu_pipe.training.run import MODEL_FOLDER, SETTINGS_FILE
from lddu_pipe.writers.model_card import (
    PLACEHOLDER,
    CardFacts,
    Figures,
    Training,
    find_figures,
    render_card,
)
from lddu_pipe.writers.training import BY_FOLDS

FIGURES_FILES = ("metrics.json", "evaluation.json")
"""What `train` leaves, and where the figures of ``lddu-pipe evaluate --json`` are looked for."""
WRITTEN_CARD = "MODEL_CARD.md"


@dataclass(frozen=True)
class Pushed:
    """A model that was uploaded."""

    repo_id: str
    revision: str
    """The commit."""
    files: tuple[str, ...]


def fetch_model(name: HubName) -> Path:
    """Download a model, or what is new of it, and the encoders by others that it reads with.

    Returns:
        Its folder in the cache.

    Raises:
        MissingAssetError: there is no such model or encoder, or it cannot be downloaded.
        IncompatibleModelError: a file is damaged.
    """
    folder = fetch(name)
    check_complete(folder, name)
    for modality, source in load_parts(folder).encoders.items():
        try:
            find_encoder(source, offline=False)
        except MissingAssetError as error:
            raise MissingAssetError(
                f"{name} is here, but not the {modality} encoder that it needs: {error}"
            ) from error
    return folder


def make_card(
    model: Path,
    repo_id: str = PLACEHOLDER,
    *,
    licence: str | None = None,
    languages: Sequence[str] = (),
) -> str:
    """Return the model card of a checkpoint, Markdown with a head of YAML.

    Args:
        model: a checkpoint's folder or a run's, or the name of one that ships.
        repo_id: ``user/model``, for the examples.
        licence: of the weights, such as "cc-by-4.0".
        languages: codes such as "en"; where none is given, that of the default text encoder, if
            the model was trained on its features.

    Raises:
        MissingAssetError: there is no such checkpoint.
        IncompatibleModelError: it is damaged.
        UnusableInputError: a file of figures beside it is no JSON.
    """
    checkpoint = load_checkpoint(model)
    return render_card(_facts(checkpoint, licence, languages), repo_id)


def push_checkpoint(
    model: Path,
    repo_id: str,
    *,
    private: bool = False,
    card: str | None = None,
    licence: str | None = None,
    languages: Sequence[str] = (),
) -> Pushed:
    """Upload a checkpoint with a model card; nothing is written into its folder.

    Only `CHECKPOINT_FILES` and the card go: no settings, no figures, no paths of this machine.

    Args:
        model: a checkpoint's folder or a run's, or the name of one that ships.
        repo_id: ``user/model``.
        private: only people who are allowed see it.
        card: in place of `make_card`'s.
        licence: as for `make_card`.
        languages: as for `make_card`.

    Raises:
        UnusableInputError: `repo_id` is no name of a model, or is public and was to be private; or
            the model reads with an encoder that is a folder here, which others would not find.
        MissingAssetError: there is no checkpoint or no token, or the upload failed.
        IncompatibleModelError: the checkpoint is damaged.
    """
    target_of(repo_id)
    checkpoint = load_checkpoint(model)
    for modality, source in checkpoint.parts.encoders.items():
        if not source.is_on_hub:
            raise UnusableInputError(
                f"others would not find the {modality} encoder of this model, the folder "
                f"{source.source}; upload it, and name it as on the hub under encoders in "
                f"{checkpoint.folder / CONFIG_FILE}"
            )
    if card is None:
        card = render_card(_facts(checkpoint, licence, languages), repo_id)
    files = tuple(name for name in CHECKPOINT_FILES if (checkpoint.folder / name).is_file())
    with tempfile.TemporaryDirectory() as work:
        staged = Path(work)
        for name in files:
            (staged / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(checkpoint.folder / name, staged / name)
        (staged / CARD_FILE).write_text(card, encoding="utf-8")
        revision = push(repo_id, staged, private=private)
    return Pushed(repo_id, revision, (*files, CARD_FILE))


def _facts(checkpoint: Checkpoint, licence: str | None, languages: Sequence[str]) -> CardFacts:
    config = checkpoint.config
    folder = checkpoint.folder.absolute()  # "." has neither a name nor a parent
    beside = [folder.parent, folder] if folder.name == MODEL_FOLDER else [folder]
    figures = [item for place in beside for item in _figures(place)]
    written = folder / WRITTEN_CARD
    parts = checkpoint.parts
    english = parts.fingerprints["text"] == default_text_fingerprint(parts.companions)
    return CardFacts(
        name=config.name,
        version=config.version,
        labels=config.labels,
        feature_sizes=config.feature_sizes,
        alignment=config.alignment,
        parameters=sum(item.numel() for item in checkpoint.model.parameters()),
        annotates=parts.companions.expression is not None or "vision" in parts.own,
        encoders={
            **{modality: _shown_encoder(source) for modality, source in parts.encoders.items()},
            **{
                modality: f"{name}, which is no part of lddu-pipe (--extractor)"
                for modality, name in parts.own.items()
            },
        },
        better_than_base_rates=config.better_than_base_rates,
        knows_small_faces=bool(checkpoint.calibration.small_faces),
        training=_training(beside[0], config.labels, figures),
        figures=figures,
        languages=tuple(languages) or (("en",) if english else ()),
        licence=licence,
        written=written.read_text(encoding="utf-8") if written.is_file() else None,
    )


def _shown_encoder(source: EncoderSource) -> str:
    """What an encoder is called; no path of this machine."""
    if not source.is_on_hub:
        return f"{Path(source.source).name}, which is not published"
    return source.source + (f" at {source.revision}" if source.revision else "")


def _figures(folder: Path) -> list[Figures]:
    return [
        item
        for name in FIGURES_FILES
        if (folder / name).is_file()
        for item in find_figures(_read(folder / name))
    ]


def _training(folder: Path, labels: Sequence[str], figures: Sequence[Figures]) -> Training | None:
    """What a run's folder tells of it; of the data their name and rows, and no path."""
    path = folder / SETTINGS_FILE
    if not path.is_file():
        return None
    settings = _read(path)
    try:
        data, epochs, seed = settings["data"], int(settings["epochs"]), int(settings["seed"])
    except (KeyError, TypeError, ValueError):
        return None
    synthetic = any(bool(item.values.get("synthetic")) for item in figures)
    folds = any(item.values.get("split") == BY_FOLDS for item in figures)
    try:
        info = open_store(Path(data)).info
    except LdduPipeError:  # gone, or elsewhere now
        return Training(Path(data).name, {}, epochs, seed, synthetic, folds)
    rows = info.rows if tuple(info.labels) == tuple(labels) else {}
    return Training(info.name, dict(rows), epochs, seed, synthetic or info.synthetic, folds)


def _read(path: Path) -> Any:  # noqa: ANN401 - whatever the JSON holds
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UnusableInputError(f"{path} is no JSON ({error}); remove or mend it") from None
