"""The extractors of a pipeline, each loaded when it is first needed and then kept.

So are the libraries under them: mediapipe takes most of a second to be imported, and speech
recognition half of one, which a text does not need.
"""

from __future__ import annotations

from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from lddu_pipe.assets import ASSETS, resolve
from lddu_pipe.errors import IncompatibleModelError, UnusableInputError
from lddu_pipe.pipelines.checkpoint import ADAPTER_FILE, EXPRESSION_FILE, Checkpoint
from lddu_pipe.types import Modality

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

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
        checkpoint: Checkpoint,
        device: torch.device,
        *,
        offline: bool = False,
        text_encoder: str | None = None,
        audio_encoder: str | None = None,
    ) -> None:
        """Say what will be loaded; nothing is yet.

        Args:
            checkpoint: brings the parts of extractors that were trained for it, and says which
                features it was trained on.
            device: where networks run; speech recognition knows "cpu" and "cuda" only.
            offline: look for weights on this machine only.
            text_encoder: a Hugging Face id or folder in place of the default text encoder.
            audio_encoder: the same for the audio encoder.
        """
        self._checkpoint = checkpoint
        self._device = device
        self._offline = offline
        self._text_encoder = text_encoder
        self._audio_encoder = audio_encoder
        self.used_assets: list[str] = []
        """Names of the third-party weights that were used since the list was last cleared."""

    def beside(self) -> Extractors:
        """The same extractors with a list of used weights of its own, for another thread.

        The text encoder is loaded first, so that both have the same one.
        """
        _ = self._text
        other = copy(self)
        other.used_assets = []
        return other

    @property
    def text(self) -> TextExtractor:
        """Token vectors grouped into words, of the encoder with the checkpoint's adapter."""
        if self._text_encoder is None:
            self._note(MINILM)
        return self._text

    @property
    def audio(self) -> AudioExtractor:
        """Encoder frames and prosody."""
        if self._audio_encoder is None:
            self._note(WHISPER)
        return self._audio

    @property
    def vision(self) -> VisionExtractor:
        """Faces, their expression, blendshapes and pose."""
        self._note(LANDMARKER)
        return self._vision

    @property
    def speech(self) -> SpeechRecogniser:
        """Words with times, by the same Whisper that the default audio features come from."""
        self._note(WHISPER)
        return self._speech

    @cached_property
    def _text(self) -> TextExtractor:
        from lddu_pipe.extractors.text import TextExtractor, TextSettings

        adapter: Path | None = None
        if self._text_encoder is None:
            source: str | Path = self._resolve(MINILM)
            settings, weights = TextSettings(), _weights_of_text(self._checkpoint)
            adapter = self._checkpoint.adapter
        else:
            source = self._text_encoder
            settings, weights = TextSettings(encoder=source), {}
        extractor = TextExtractor(
            source,
            settings,
            weights,
            adapter=adapter,
            offline=self._offline or self._text_encoder is None,
            device=self._device.type,
        )
        self._check("text", extractor.fingerprint)
        return extractor

    @cached_property
    def _audio(self) -> AudioExtractor:
        from lddu_pipe.extractors.audio import AudioExtractor, AudioSettings

        if self._audio_encoder is None:
            from lddu_pipe.extractors.whisper_layers import WhisperLayers

            settings = AudioSettings()
            encoder = WhisperLayers(
                self._resolve(WHISPER), settings.layers, device=self._device.type
            )
            extractor = AudioExtractor(encoder, settings, dict(ASSETS[WHISPER].files))
        else:
            from lddu_pipe.extractors.huggingface_audio import HuggingFaceAudioEncoder

            loaded = HuggingFaceAudioEncoder(
                self._audio_encoder, offline=self._offline, device=self._device.type
            )
            settings = AudioSettings(self._audio_encoder, layers=(), encoder_size=loaded.size)
            extractor = AudioExtractor(loaded, settings, {})
        self._check("audio", extractor.fingerprint)
        return extractor

    @cached_property
    def _vision(self) -> VisionExtractor:
        from lddu_pipe.extractors.vision import VisionExtractor, VisionSettings

        if self._checkpoint.expression is None:
            raise IncompatibleModelError(
                f"{self._checkpoint.config.name} has no expression network: it was trained on "
                "other vision features and cannot look at pictures"
            )
        extractor = VisionExtractor(
            self._resolve(LANDMARKER),
            self._checkpoint.expression,
            VisionSettings(),
            {
                **ASSETS[LANDMARKER].files,
                EXPRESSION_FILE: self._checkpoint.weights[EXPRESSION_FILE],
            },
            device=self._device.type,
            threads=min(MAX_LANDMARKERS, torch.get_num_threads()),
        )
        self._check("vision", extractor.fingerprint)
        return extractor

    @cached_property
    def _speech(self) -> SpeechRecogniser:
        from lddu_pipe.extractors.speech import SpeechRecogniser

        return SpeechRecogniser(self._whisper, WHISPER)

    @cached_property
    def _whisper(self) -> WhisperModel:
        from lddu_pipe.extractors.whisper import load_whisper

        device = "cuda" if self._device.type == "cuda" else "cpu"
        return load_whisper(
            self._resolve(WHISPER), device, threads=max(1, torch.get_num_threads() // 2)
        )

    def _resolve(self, name: str) -> Path:
        return resolve(name, offline=self._offline)

    def _note(self, name: str) -> None:
        if name not in self.used_assets:
            self.used_assets.append(name)

    def _check(self, modality: Modality, fingerprint: str) -> None:
        """Refuse features of another recipe than the model was trained on."""
        expected = self._checkpoint.config.fingerprints.get(modality)
        if expected != fingerprint:
            raise IncompatibleModelError(
                f"{self._checkpoint.config.name} was trained on {modality} features "
                f"{expected}, not {fingerprint}; use the extractor it was trained with, "
                f"or train a model on these features"
            )


def reads_with_the_default_encoder(checkpoint: Checkpoint) -> bool:
    """Whether a model was trained on texts as the default encoder gives them."""
    from lddu_pipe.extractors.base import fingerprint
    from lddu_pipe.extractors.text import TextExtractor, TextSettings

    default = fingerprint(TextExtractor.name, TextSettings(), _weights_of_text(checkpoint))
    return bool(checkpoint.config.fingerprints.get("text") == default)


def _weights_of_text(checkpoint: Checkpoint) -> dict[str, str]:
    """The sha256 of the files that the default text features are made with."""
    weights = dict(ASSETS[MINILM].files)
    if checkpoint.adapter is not None:
        weights[ADAPTER_FILE] = checkpoint.weights[ADAPTER_FILE]
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
