"""A checkpoint on disk: the LDDU model, its calibration and what its extractors learned."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors.torch import save_file

from lddu_pipe.errors import IncompatibleModelError, UnusableInputError
from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.extractors.base import OWN, FeatureSpec
from lddu_pipe.extractors.companions import COMPANIONS, Companions, copy_companions
from lddu_pipe.extractors.features import FeatureSet
from lddu_pipe.extractors.hub import EncoderSource
from lddu_pipe.files import sha256_of_file, share, write_whole
from lddu_pipe.models.calibration import FILE_NAME as CALIBRATION_FILE
from lddu_pipe.models.calibration import Calibration
from lddu_pipe.models.config import LDDUConfig
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.pipelines.folder import CONFIG_FILE, WEIGHTS_FILE, find_checkpoint
from lddu_pipe.types import MODALITIES, Modality
from lddu_pipe.weights import load_weights

CHECKPOINT_FILES = (
    *(CONFIG_FILE, WEIGHTS_FILE, CALIBRATION_FILE),
    *(name for weights, beside in COMPANIONS.items() for name in (weights, *beside)),
)
"""All that a checkpoint can consist of."""


@dataclass(frozen=True)
class FeatureParts:
    """What a checkpoint says of features; its model of emotion is not among it."""

    name: str
    """Of the checkpoint."""
    companions: Companions
    encoders: Mapping[Modality, EncoderSource]
    """Encoders by others that took the place of the default ones."""
    fingerprints: Mapping[Modality, str | None]
    """Of the features that were trained on; of a modality that is not here, any will do."""

    @property
    def own(self) -> dict[Modality, str]:
        """Names of extractors that are not part of this package, by modality."""
        return {
            modality: mark.removeprefix(OWN).rpartition(":")[0]
            for modality, mark in self.fingerprints.items()
            if mark is not None and mark.startswith(OWN)
        }

    def replaced(
        self, encoders: Mapping[Modality, EncoderSource], own: Collection[Modality] = ()
    ) -> FeatureParts:
        """The same with other extractors of some modalities, whose features no model knows yet.

        Args:
            encoders: by others, that take the place of those that the checkpoint names.
            own: modalities of extractors that are not part of this package.
        """
        new = {*encoders, *own}
        kept = {name: source for name, source in self.encoders.items() if name not in new}
        return replace(
            self,
            companions=self.companions.without(new),
            encoders={**kept, **encoders},
            fingerprints={
                name: mark for name, mark in self.fingerprints.items() if name not in new
            },
        )

    def check(self, spec: FeatureSpec) -> None:
        """Refuse features of another recipe than the model was trained on.

        Raises:
            IncompatibleModelError: these are others.
        """
        modality, expected = spec.modality, self.fingerprints.get(spec.modality, spec.fingerprint)
        if expected == spec.fingerprint:
            return
        which, cure = "these are", "use the extractor it was trained with"
        if modality in self.encoders and not spec.fingerprint.startswith(OWN):
            which = f"the encoder {spec.space} has other content now and gives"
            cure = "put back what it was trained with"
        raise IncompatibleModelError(
            f"{self.name} was trained on {modality} features {expected}; {which} "
            f"{spec.fingerprint}: {cure}, or train a model on these features"
        )


@dataclass(frozen=True)
class Checkpoint:
    """Everything that was trained, in memory."""

    folder: Path
    model: LDDUModel
    calibration: Calibration
    parts: FeatureParts
    weights: dict[str, str]
    """sha256 by file name."""

    @property
    def config(self) -> LDDUConfig:
        """The model's configuration."""
        return self.model.config

    @property
    def not_taken(self) -> dict[Modality, Absent]:
        """Modalities that the model does not take, and that as the reason why they are absent."""
        unused = [name for name in MODALITIES if name not in self.config.modalities]
        return dict.fromkeys(unused, Absent(Reason.NOT_TAKEN))

    def accept(self, features: FeatureSet) -> None:
        """Refuse features that the model was not trained on, now or when they are first made.

        Raises:
            IncompatibleModelError: an extractor that is loaded gives others.
        """
        features.require(self.parts.check)


def load_checkpoint(model: str | Path, *, offline: bool = False) -> Checkpoint:
    """Read a checkpoint, safetensors and JSON only.

    Args:
        model: what `find_checkpoint` takes.
        offline: never download.

    Raises:
        MissingAssetError: there is no such checkpoint, or it cannot be downloaded.
        IncompatibleModelError: a file in it is missing, damaged or of another kind of model.
    """
    folder = find_checkpoint(model, offline=offline)
    calibration = Calibration.load(folder)
    with _one_line(folder):
        network = read_model(folder)
        parts = _parts(folder, network.config)
        weights = {WEIGHTS_FILE: sha256_of_file(folder / WEIGHTS_FILE), **parts.companions.weights}
    return Checkpoint(folder, network, calibration, parts, weights)


def load_parts(model: str | Path, *, offline: bool = False) -> FeatureParts:
    """Read what features need of a checkpoint, and nothing else.

    Args:
        model: what `find_checkpoint` takes.
        offline: never download.

    Raises:
        MissingAssetError: there is no such checkpoint, or it cannot be downloaded.
        IncompatibleModelError: a file in it is damaged.
    """
    folder = find_checkpoint(model, offline=offline)
    with _one_line(folder):
        return _parts(folder, _read_config(folder))


def _parts(folder: Path, config: LDDUConfig) -> FeatureParts:
    return FeatureParts(
        name=config.name,
        companions=Companions.load(folder),
        encoders={
            modality: EncoderSource.from_json(config.encoders[modality])
            for modality in MODALITIES
            if modality in config.encoders
        },
        fingerprints={modality: config.fingerprints.get(modality) for modality in MODALITIES},
    )


@contextmanager
def _one_line(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # what libraries raise for damaged files has no common base
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise IncompatibleModelError(
            f"the checkpoint {folder} cannot be loaded ({reason}); get it again"
        ) from error


def read_model(folder: Path) -> LDDUModel:
    """Read the model of emotion in a folder, in single precision, without its calibration.

    Raises:
        ValueError: the configuration or the weights are not such a model's.
    """
    config = _read_config(folder)
    return load_weights(folder / WEIGHTS_FILE, lambda: LDDUModel(config))


def write_model(folder: Path, model: LDDUModel) -> None:
    """Write what `read_model` reads into an existing folder, in the model's own precision."""
    write_whole(folder / CONFIG_FILE, model.config.to_json_string())
    save_file(model.state_dict(), folder / WEIGHTS_FILE, metadata={"format": "pt"})


def _read_config(folder: Path) -> LDDUConfig:
    return LDDUConfig.from_dict(json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8")))


def save_checkpoint(
    folder: Path, model: LDDUModel, calibration: Calibration, companions: Sequence[Path] = ()
) -> None:
    """Write a checkpoint that `load_checkpoint` reads; it appears whole or not at all.

    Args:
        folder: an existing one is replaced.
        model: with its configuration.
        calibration: of that model.
        companions: folders with `COMPANIONS` whose features the model was trained on.
    """
    with _whole_folder(folder) as work:
        write_model(work, model)
        calibration.save(work)
        for source in companions:
            copy_companions(source, work, COMPANIONS)


def copy_checkpoint(checkpoint: Checkpoint, folder: Path, calibration: Calibration) -> None:
    """Write a checkpoint with the same weights, to the byte, and another calibration."""
    with _whole_folder(folder) as work:
        for name in (WEIGHTS_FILE, CONFIG_FILE):
            shutil.copyfile(checkpoint.folder / name, work / name)
        calibration.save(work)
        copy_companions(checkpoint.folder, work, checkpoint.parts.companions.weights)


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into, which takes the place of `folder` if nothing is raised."""
    work = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(work, ignore_errors=True)
    try:
        work.mkdir(parents=True)
    except OSError as error:
        raise UnusableInputError(f"{folder} cannot be made: {error.strerror}") from error
    try:
        yield work
        for path in work.rglob("*"):
            if path.is_file():
                share(path)
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
