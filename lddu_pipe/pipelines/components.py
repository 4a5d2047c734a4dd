"""The extractors of a pipeline, each loaded when it is first needed and then kept.

So are the libraries under them: mediapipe takes most of a second to be imported, and speech
recognition half of one, which a text does not need.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from lddu_pipe.assets import ASSETS, resolve
from lddu_pipe.errors import IncompatibleModelError, MissingAssetError, UnusableInputError
from lddu_pipe.extractors.hub import HUB, EncoderSource, FoundEncoder, find_encoder, one_line
from lddu_pipe.extractors.prosody import SAMPLE_RATE
from lddu_pipe.pipelines.checkpoint import ADAPTER_FILE, EXPRESSION_FILE, FeatureParts
from lddu_pipe.pipelines.folder import CONFIG_FILE
from lddu_pipe.pipelines.settings import RECOGNISER
from lddu_pipe.transcripts import parse_text
from lddu_pipe.types import Modality, TimeSpan, Utterance

if TYPE_CHECKING:
    from lddu_pipe.extractors.audio import AudioExtractor
    from lddu_pipe.extractors.speech import SpeechRecogniser
    from lddu_pipe.extractors.text import TextExtractor
    from lddu_pipe.extractors.vision import VisionExtractor

WHISPER = "whisper-tiny.en"
MINILM = "all-MiniLM-L6-v2"
LANDMARKER = "face-landmarker"
MAX_LANDMARKERS = 8  # each holds 20 MB and a few pictures


class Extractors:
    """Text, audio and vision extractors and the speech recogniser, all lazy."""

    def __init__(
        self,
        parts: FeatureParts,
        device: torch.device,
        *,
        offline: bool = False,
        places: Mapping[Modality, str | Path] | None = None,
        recogniser: str = RECOGNISER,
    ) -> None:
        """Say what will be loaded; nothing is yet.

        Args:
            parts: what was trained of extractors, the encoders under them, and the fingerprints
                that features must have.
            device: where networks run; speech recognition knows "cpu" and "cuda" only.
            offline: look for weights on this machine only.
            places: where the encoder of a modality is, where it is not where `parts` say: a
                folder, or, of an encoder by others, an id on the Hugging Face hub.
            recogniser: of words: a size of faster-whisper, or the folder of a model for it.
        """
        self.parts = parts
        self._device = device
        self._offline = offline
        self._places = dict(places or {})
        self._found: dict[Modality, FoundEncoder] = {}
        self._recogniser = recogniser
        self.used_weights: dict[str, str] = {}
        """sha256 by name of third-party weights that were used since it was last cleared."""

    def beside(self) -> Extractors:
        """The same extractors with used weights of its own, for another thread.

        The text encoder is loaded first, so that both have the same one.
        """
        _ = self._text
        other = copy(self)
        other.used_weights = {}
        return other

    @property
    def encoders(self) -> dict[Modality, EncoderSource]:
        """Where encoders by others are, by modality; of the others, the default ones are used.

        Raises:
            MissingAssetError: one cannot be found.
            IncompatibleModelError: one cannot be used.
        """
        return {modality: self._encoder(modality).source for modality in self.parts.encoders}

    @property
    def text(self) -> TextExtractor:
        """Token vectors grouped into words, of the encoder with the checkpoint's adapter."""
        self._note_encoder("text", MINILM)
        return self._text

    @property
    def audio(self) -> AudioExtractor:
        """Encoder frames and prosody."""
        self._note_encoder("audio", WHISPER)
        return self._audio

    @property
    def vision(self) -> VisionExtractor:
        """Faces, their expression, blendshapes and pose."""
        self._note(LANDMARKER)
        return self._vision

    @property
    def speech(self) -> SpeechRecogniser:
        """Words with times; by default of the Whisper that audio features come from."""
        if self._recogniser == RECOGNISER:
            self._note(WHISPER)
        else:
            self.used_weights |= self._recogniser_weights
        return self._speech

    def find_recogniser(self) -> None:
        """Look for the recogniser before anything is annotated.

        Raises:
            MissingAssetError: one that was named cannot be found.
            IncompatibleModelError: it is none of faster-whisper's.
        """
        if self._recogniser != RECOGNISER:
            _ = self._recogniser_folder

    @cached_property
    def _text(self) -> TextExtractor:
        from lddu_pipe.extractors.text import TextExtractor, TextSettings

        device = self._device.type
        if "text" in self.parts.encoders:
            from lddu_pipe.extractors.huggingface_text import HuggingFaceTextEncoder

            found = self._encoder("text")
            with one_line(found.source.source, "text encoder such as BERT"):
                settings = TextSettings(encoder=HUB)
                loaded = HuggingFaceTextEncoder(found.folder, settings.max_tokens, device=device)
                extractor = TextExtractor(loaded, settings, dict(found.weights))
                extractor.extract([_long_text()])  # what does not fit shows only in use
        else:
            from lddu_pipe.extractors.minilm import MiniLM

            settings = TextSettings()
            encoder = MiniLM(
                self._resolve(MINILM, "text"),
                settings.max_tokens,
                adapter=self.parts.adapter,
                device=device,
            )
            extractor = TextExtractor(encoder, settings, _weights_of_text(self.parts))
        self._check("text", extractor.fingerprint)
        return extractor

    @cached_property
    def _audio(self) -> AudioExtractor:
        from lddu_pipe.extractors.audio import AudioExtractor, AudioSettings

        if "audio" in self.parts.encoders:
            from lddu_pipe.extractors.huggingface_audio import HuggingFaceAudioEncoder

            found = self._encoder("audio")
            with one_line(found.source.source, "sound encoder such as wav2vec 2.0"):
                loaded = HuggingFaceAudioEncoder(found.folder, device=self._device.type)
                settings = AudioSettings(HUB, layers=(), encoder_size=loaded.size)
                extractor = AudioExtractor(loaded, settings, dict(found.weights))
                extractor.extract(np.zeros(SAMPLE_RATE, np.float32))  # as with texts
        else:
            from lddu_pipe.extractors.whisper_layers import WhisperLayers

            settings = AudioSettings()
            encoder = WhisperLayers(
                self._resolve(WHISPER, "audio"), settings.layers, device=self._device.type
            )
            extractor = AudioExtractor(encoder, settings, dict(ASSETS[WHISPER].files))
        self._check("audio", extractor.fingerprint)
        return extractor

    @cached_property
    def _vision(self) -> VisionExtractor:
        from lddu_pipe.extractors.vision import VisionExtractor, VisionSettings

        if self.parts.expression is None:
            raise IncompatibleModelError(
                f"{self.parts.name} has no expression network: it was trained on "
                "other vision features and cannot look at pictures"
            )
        extractor = VisionExtractor(
            self._resolve(LANDMARKER),
            self.parts.expression,
            VisionSettings(),
            {**ASSETS[LANDMARKER].files, EXPRESSION_FILE: self.parts.weights[EXPRESSION_FILE]},
            device=self._device.type,
            threads=min(MAX_LANDMARKERS, torch.get_num_threads()),
        )
        self._check("vision", extractor.fingerprint)
        return extractor

    @cached_property
    def _speech(self) -> SpeechRecogniser:
        from lddu_pipe.extractors.speech import SpeechRecogniser
        from lddu_pipe.extractors.whisper import load_whisper

        device, threads = "cuda" if self._device.type == "cuda" else "cpu", torch.get_num_threads()
        if self._recogniser == RECOGNISER:
            folder, name = self._resolve(WHISPER, "audio"), WHISPER
            threads = max(1, threads // 2)  # it gains little from more
        else:
            folder, name = self._recogniser_folder, self._recogniser
        return SpeechRecogniser(load_whisper(folder, device, threads), name)

    @cached_property
    def _recogniser_folder(self) -> Path:
        from lddu_pipe.extractors.whisper import find_whisper

        return find_whisper(self._recogniser, offline=self._offline)

    @cached_property
    def _recogniser_weights(self) -> dict[str, str]:
        from lddu_pipe.extractors.whisper import weights_of_whisper

        weights = weights_of_whisper(self._recogniser_folder)
        return {f"recogniser/{file}": sha for file, sha in weights.items()}

    def _resolve(self, name: str, modality: Modality | None = None) -> Path:
        given = None
        if modality is not None and modality not in self.parts.encoders:
            given = self._places.get(modality)
        return resolve(name, given=None if given is None else Path(given), offline=self._offline)

    def _encoder(self, modality: Modality) -> FoundEncoder:
        """The encoder by others of a modality, looked for once."""
        if modality not in self._found:
            place = self._places.get(modality)
            wanted = self.parts.encoders[modality] if place is None else EncoderSource(str(place))
            try:
                self._found[modality] = find_encoder(wanted, offline=self._offline)
            except MissingAssetError as error:
                if modality not in self.parts.fingerprints:  # a person has just named it
                    raise
                raise MissingAssetError(
                    f"{self.parts.name} needs the {modality} encoder it was trained with, but "
                    f"{error}; put it there, or name its place under encoders in "
                    f"{self.parts.folder / CONFIG_FILE}"
                ) from error
        return self._found[modality]

    def _note(self, name: str) -> None:
        self.used_weights |= {f"{name}/{file}": sha for file, sha in ASSETS[name].files.items()}

    def _note_encoder(self, modality: Modality, default: str) -> None:
        if modality not in self.parts.encoders:
            self._note(default)
            return
        weights = self._encoder(modality).weights
        self.used_weights |= {f"{modality}_encoder/{file}": sha for file, sha in weights.items()}

    def _check(self, modality: Modality, fingerprint: str) -> None:
        """Refuse features of another recipe than the model was trained on."""
        expected = self.parts.fingerprints.get(modality, fingerprint)
        if expected == fingerprint:
            return
        which, cure = "these are", "use the extractor it was trained with"
        if modality in self.parts.encoders:
            encoder = self._encoder(modality).source.source
            which = f"the encoder {encoder} has other content now and gives"
            cure = "put back what it was trained with"
        raise IncompatibleModelError(
            f"{self.parts.name} was trained on {modality} features {expected}; {which} "
            f"{fingerprint}: {cure}, or train a model on these features"
        )


def _long_text() -> Utterance:
    """More words than any encoder reads in one pass."""
    words = parse_text("word " * 300).words
    return Utterance("0", TimeSpan(0.0, words[-1].span.end), words=words)


def reads_with_the_default_encoder(parts: FeatureParts) -> bool:
    """Whether a model was trained on texts as the default encoder gives them."""
    from lddu_pipe.extractors.base import fingerprint
    from lddu_pipe.extractors.text import TextExtractor, TextSettings

    default = fingerprint(TextExtractor.name, TextSettings(), _weights_of_text(parts))
    return parts.fingerprints.get("text") == default


def _weights_of_text(parts: FeatureParts) -> dict[str, str]:
    """The sha256 of the files that the default text features are made with."""
    weights = dict(ASSETS[MINILM].files)
    if parts.adapter is not None:
        weights[ADAPTER_FILE] = parts.weights[ADAPTER_FILE]
    return weights


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
