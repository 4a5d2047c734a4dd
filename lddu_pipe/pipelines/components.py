"""The feature set that a checkpoint was trained on, and the recogniser of words."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from lddu_pipe.assets import ASSETS, WHISPER_BASE, resolve
from lddu_pipe.errors import IncompatibleModelError, MissingAssetError, UnusableInputError
from lddu_pipe.extractors.base import Extractor
from lddu_pipe.extractors.features import SFACE, WHISPER, FeatureSet
from lddu_pipe.extractors.hub import EncoderSource, FoundEncoder
from lddu_pipe.pipelines.checkpoint import FeatureParts
from lddu_pipe.pipelines.folder import CONFIG_FILE
from lddu_pipe.pipelines.settings import AUTO, RECOGNISER
from lddu_pipe.types import Modality, Transcript

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

    from lddu_pipe.extractors.bursts import BurstFinder
    from lddu_pipe.extractors.polyglot import Languages
    from lddu_pipe.extractors.speech import SpeechRecogniser
    from lddu_pipe.extractors.voices import Voices

logger = logging.getLogger(__name__)

VOICES_NOT_TOLD_APART = "voices are not told apart: what compares them is not here"
"""What a result says that was made without these networks."""
LANGUAGES_NOT_TOLD = (
    "languages are not told apart, all speech is taken for English: what hears others is not here"
)
"""What a result says that was made without a recogniser of many languages."""


class Extractors(FeatureSet):
    """Text, audio and vision extractors and the speech recogniser, all lazy."""

    def __init__(
        self,
        parts: FeatureParts,
        device: torch.device,
        *,
        offline: bool = False,
        places: Mapping[Modality, str | Path] | None = None,
        own: Sequence[str] = (),
        recogniser: str = RECOGNISER,
        language: str = AUTO,
    ) -> None:
        """Say what will be loaded; nothing is yet.

        Args:
            parts: what was trained of extractors, the encoders under them, and the fingerprints
                that features must have.
            device: where networks run; speech recognition knows "cpu" and "cuda" only.
            offline: look for weights on this machine only.
            places: where the encoder of a modality is, where it is not where `parts` say: a
                folder, or, of an encoder by others, an id on the Hugging Face hub.
            own: extractors that are not part of this package.
            recogniser: of words: a size of faster-whisper, or the folder of a model for it.
            language: that is spoken, ISO 639-1, or "auto".

        Raises:
            UnusableInputError: one of `own` is no extractor.
        """
        encoders, given = dict(parts.encoders), dict(places or {})
        for name in encoders.keys() & given.keys():
            encoders[name] = EncoderSource(str(given.pop(name)))
        super().__init__(
            parts.companions,
            encoders=encoders,
            places={name: Path(place) for name, place in given.items()},
            own=own,
            device=device.type,
            offline=offline,
        )
        self.parts = parts
        self._recogniser = recogniser
        self._language = language
        self._warm: set[str] = set()
        """What was used once: "sound", "pictures"."""
        self._known: dict[Path, Mapping[str, NDArray[np.float32]]] = {}
        self.require(parts.check)

    def reads(self, language: str) -> bool:
        """Whether the text extractor was made for a language, ISO 639-1, as far as is known."""
        languages = self.extractor("text").spec.languages
        return not languages or language in languages

    @property
    def speech(self) -> SpeechRecogniser:
        """Words with times; by default of the Whisper that audio features come from."""
        if self._recogniser == RECOGNISER or self.companions.sound is not None:
            self._note(WHISPER, ASSETS[WHISPER].files)
        if self._recogniser != RECOGNISER:
            self._note("recogniser", self._recogniser_weights)
        speech = self._speech
        if self.__dict__.get("_multilingual") is not None:  # it was looked for, and found
            self._note(WHISPER_BASE, ASSETS[WHISPER_BASE].files)
        return speech

    def recognised(self, heard: Mapping[str, int]) -> Transcript:
        """What is to be said of words that were recognised; the words are not in it.

        Args:
            heard: how many words were heard of each language, ISO 639-1.
        """
        speech = self._speech
        language = max(heard, key=lambda name: heard[name], default=speech.language)
        notes = () if speech.tells_languages else (LANGUAGES_NOT_TOLD,)
        return Transcript((), speech.name, language, notes=notes)

    def voices(self) -> Voices | None:
        """What tells voices apart, and a note of its weights; None where they are missing."""
        if self._voices is not None:
            from lddu_pipe.extractors.voices import CHANGE_ASSET, VOICE_ASSET

            for name in (VOICE_ASSET, CHANGE_ASSET):
                self._note(name, ASSETS[name].files)
        return self._voices

    @cached_property
    def _voices(self) -> Voices | None:
        from lddu_pipe.extractors.voices import Voices

        try:
            return Voices.load()
        except MissingAssetError as error:
            logger.warning("%s (%s)", VOICES_NOT_TOLD_APART, error)
            return None

    def warm_up(self, *, sound: bool, pictures: bool) -> None:
        """Load what a live session takes, and use it once: the first use takes longer.

        Args:
            sound: somebody will be heard.
            pictures: somebody will be seen.

        Raises:
            MissingAssetError: weights are not on this machine.
            IncompatibleModelError: an extractor is not the model's.
        """
        if sound and "sound" not in self._warm:
            noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
            speech = self.speech
            list(speech.believed(speech.block(noise, 0.0), speech.polyglot()))
            self.audio.extract(noise)
            self.voices()
            self._warm.add("sound")
        if pictures and "pictures" not in self._warm:
            self.vision.look(np.zeros((64, 64, 3), np.uint8), 2 if self.follows_people else 1)
            self.identity()
            self._warm.add("pictures")

    def known(self, folder: Path) -> Mapping[str, NDArray[np.float32]]:
        """Vectors of the people of whom there are pictures in a folder, by name.

        Raises:
            UnusableInputError: a picture cannot be used.
            MissingAssetError: the weights that tell faces apart are missing.
        """
        if folder not in self._known:
            from lddu_pipe.pipelines.people.known import read_known

            identity = self.identity()
            if identity is None:
                resolve(SFACE, offline=self._offline)  # says what is missing
                raise MissingAssetError(f"{SFACE} appeared while it was looked for; try again")
            self._known[folder] = read_known(folder, identity, self._resolve("vision"))
        return self._known[folder]

    def find_recogniser(self) -> None:
        """Look for the recogniser before anything is annotated.

        Raises:
            MissingAssetError: one that was named cannot be found.
            IncompatibleModelError: it is none of faster-whisper's.
        """
        if self._recogniser != RECOGNISER:
            _ = self._recogniser_folder

    @cached_property
    def _speech(self) -> SpeechRecogniser:
        from lddu_pipe.extractors.speech import SpeechRecogniser
        from lddu_pipe.extractors.whisper import load_whisper

        device, threads = "cuda" if self._device == "cuda" else "cpu", torch.get_num_threads()
        if self._recogniser == RECOGNISER:
            folder, name = self._resolve("audio"), WHISPER
            threads = max(1, threads // 2)  # it gains little from more
        else:
            folder, name = self._recogniser_folder, self._recogniser
        model = load_whisper(folder, device, threads)
        return SpeechRecogniser(self._languages(model), name, self._bursts())

    def _languages(self, model: WhisperModel) -> Languages:
        """What reads languages: the recogniser itself where it knows many."""
        from lddu_pipe.extractors.decoding import Reader
        from lddu_pipe.extractors.polyglot import Languages
        from lddu_pipe.extractors.spoken_language import LanguageTeller

        native, spoken = Reader(model), None if self._language == AUTO else self._language
        if spoken == native.language:
            return Languages(native, spoken=spoken)
        many = model if model.model.is_multilingual else self._multilingual
        if many is None:
            return Languages(native)
        return Languages(native, partial(Reader, many), LanguageTeller(many), spoken)

    @cached_property
    def _multilingual(self) -> WhisperModel | None:
        """A recogniser of many languages, beside one of English; None where it is not here."""
        from lddu_pipe.extractors.whisper import load_whisper

        try:
            folder = resolve(WHISPER_BASE, offline=self._offline)
        except MissingAssetError as error:
            if self._language != AUTO:
                raise
            logger.info("%s (%s)", LANGUAGES_NOT_TOLD, error)
            return None
        device, threads = "cuda" if self._device == "cuda" else "cpu", torch.get_num_threads()
        return load_whisper(folder, device, threads)

    def _bursts(self) -> BurstFinder | None:
        """What finds voices without words; None where the checkpoint has no such part."""
        if self.companions.sound is None:
            return None
        from lddu_pipe.extractors.bursts import BurstFinder

        return BurstFinder.load(self._resolve("audio"), self.companions.sound, device=self._device)

    @cached_property
    def _recogniser_folder(self) -> Path:
        from lddu_pipe.extractors.whisper import find_whisper

        return find_whisper(self._recogniser, offline=self._offline)

    @cached_property
    def _recogniser_weights(self) -> Mapping[str, str]:
        from lddu_pipe.extractors.whisper import weights_of_whisper

        return weights_of_whisper(self._recogniser_folder)

    def _make(self, modality: Modality) -> Extractor:
        own = self.parts.own.get(modality)
        if own is not None and modality not in self._own:
            raise IncompatibleModelError(
                f"{self.parts.name} was trained on {modality} features of {own}, which is no part "
                "of lddu-pipe: name that extractor with --extractor, or in Python with "
                "own_extractors of PipelineSettings"
            )
        lacking = modality == "vision" and self.companions.expression is None
        if lacking and modality not in self._own:
            raise IncompatibleModelError(
                f"{self.parts.name} has no expression network: it was trained on "
                "other vision features and cannot look at pictures"
            )
        return super()._make(modality)

    def _find(self, modality: Modality) -> FoundEncoder:
        try:
            return super()._find(modality)
        except MissingAssetError as error:
            if modality not in self.parts.fingerprints:  # a person has just named it
                raise
            raise MissingAssetError(
                f"{self.parts.name} needs the {modality} encoder it was trained with, but "
                f"{error}; put it there, or name its place under encoders in "
                f"{self.companions.folder / CONFIG_FILE}"
            ) from error


def choose_device(name: str) -> torch.device:
    """Return the device that `name` means: "auto" takes a GPU where there is one.

    Raises:
        UnusableInputError: the device is not known or not on this machine.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
        if name == "cpu" and torch.backends.mps.is_available():
            name = "mps"
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    kind = name.partition(":")[0]
    if kind not in available:
        raise UnusableInputError(f"unknown device {name!r}; choose auto, cpu, cuda or mps")
    if not available[kind]:
        raise UnusableInputError(f"this machine has no {name} device that torch can use; try cpu")
    return torch.device(name)
