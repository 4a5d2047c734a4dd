"""A feature set: one extractor a modality, loaded when it is first needed and then kept.

So are the libraries under it: mediapipe takes most of a second to be imported, which a text does
not need.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

import numpy as np
import torch

from lddu_pipe.assets import ASSETS, resolve
from lddu_pipe.errors import IncompatibleModelError, MissingAssetError
from lddu_pipe.extractors.base import (
    Extractor,
    FeatureSpec,
    FrameExtractor,
    SoundExtractor,
    WordExtractor,
    fingerprint,
)
from lddu_pipe.extractors.companions import ADAPTER_FILE, EXPRESSION_FILE, Companions
from lddu_pipe.extractors.hub import HUB, EncoderSource, FoundEncoder, find_encoder, one_line
from lddu_pipe.extractors.own import find_extractors
from lddu_pipe.extractors.prosody import SAMPLE_RATE
from lddu_pipe.transcripts import parse_text
from lddu_pipe.types import Modality, TimeSpan, Utterance

if TYPE_CHECKING:
    from lddu_pipe.extractors.audio import AudioExtractor
    from lddu_pipe.extractors.identity import FaceIdentity
    from lddu_pipe.extractors.text import TextExtractor, TextSettings
    from lddu_pipe.extractors.vision import VisionExtractor

logger = logging.getLogger(__name__)

WHISPER = "whisper-tiny.en"
MINILM = "all-MiniLM-L6-v2"
LANDMARKER = "face-landmarker"
SFACE = "sface"
_ASSETS: Mapping[Modality, str] = {"text": MINILM, "audio": WHISPER, "vision": LANDMARKER}
NOBODY_KNOWN_AGAIN = (
    "each face that is followed is a person of its own: what compares faces is not here"
)
"""What a result says that was made without the network."""
MAX_LANDMARKERS = 8  # each holds 20 MB and a few pictures


class FeatureSet:
    """One extractor a modality, all lazy; no model of emotion is needed for them.

    Example:
        >>> from lddu_pipe import FeatureSet
        >>> FeatureSet().text.spec.space
        'all-MiniLM-L6-v2'
    """

    def __init__(
        self,
        companions: Companions | None = None,
        *,
        encoders: Mapping[Modality, EncoderSource] | None = None,
        places: Mapping[Modality, Path] | None = None,
        own: Sequence[str] = (),
        device: str = "cpu",
        offline: bool = False,
    ) -> None:
        """Say what will be loaded; nothing is yet, but the code of `own` is imported.

        Args:
            companions: trained parts of the default extractors; by default those that ship.
            encoders: by others, that take the place of the default ones of text or audio.
            places: folders of default encoders that are not where they are looked for.
            own: extractors that are not part of this package; see `find_extractors`. Each takes
                the place of all else of its modality.
            device: where networks run: "cpu", "cuda" or "mps".
            offline: look for weights on this machine only.

        Raises:
            UnusableInputError: one of `own` is no extractor.
        """
        self.companions = companions or Companions.load()
        self._encoders = dict(encoders or {})
        self._places = dict(places or {})
        self._own = find_extractors(own)
        self._device = device
        self._offline = offline
        self._found: dict[Modality, FoundEncoder] = {}
        self._loaded: dict[Modality, Extractor] = {}
        self._checks: list[Callable[[FeatureSpec], None]] = []
        self.used_weights: dict[str, str] = {}
        """sha256 by name of third-party weights that were used since it was last cleared."""

    def require(self, check: Callable[[FeatureSpec], None]) -> None:
        """Have each extractor looked at: those that are loaded now, the others when they are.

        Args:
            check: raises where features are not of use, as `FeatureParts.check` does.
        """
        for extractor in self._loaded.values():
            check(extractor.spec)
        self._checks.append(check)

    def beside(self) -> Self:
        """The same extractors with used weights of its own, for another thread.

        The text encoder is loaded first, so that both have the same one.
        """
        self._load("text")
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
        return {name: self._find(name).source for name in self._encoders if name not in self._own}

    @property
    def text(self) -> WordExtractor:
        """By default token vectors grouped into words, of the encoder with its adapter."""
        return cast(WordExtractor, self.extractor("text"))

    @property
    def audio(self) -> SoundExtractor:
        """By default encoder frames and prosody."""
        return cast(SoundExtractor, self.extractor("audio"))

    @property
    def vision(self) -> FrameExtractor:
        """By default faces, their expression, blendshapes and pose."""
        return cast(FrameExtractor, self.extractor("vision"))

    @property
    def follows_people(self) -> bool:
        """Whether faces in view are told apart; known before anything is loaded."""
        own = self._own.get("vision")
        return own is None or bool(getattr(own, "follows_people", False))

    def extractor(self, modality: Modality) -> Extractor:
        """The extractor of a modality, and a note of its weights in `used_weights`.

        Raises:
            MissingAssetError: its weights are not on this machine.
            IncompatibleModelError: it cannot be used, or a check refuses it.
        """
        if modality in self._own:
            own = self._load(modality)
            self._note(own.name, own.weights)
        elif modality in self._encoders:
            self._note(f"{modality}_encoder", self._find(modality).weights)
        else:
            self._note(_ASSETS[modality], ASSETS[_ASSETS[modality]].files)
        return self._load(modality)

    def identity(self) -> FaceIdentity | None:
        """What tells whose a face is, and a note of its weights; None where they are missing."""
        if self._identity is not None:
            self._note(SFACE, ASSETS[SFACE].files)
        return self._identity

    @cached_property
    def _identity(self) -> FaceIdentity | None:
        from lddu_pipe.extractors.identity import FaceIdentity

        try:
            return FaceIdentity(resolve(SFACE, offline=self._offline))
        except MissingAssetError as error:
            logger.warning("%s (%s)", NOBODY_KNOWN_AGAIN, error)
            return None

    def _note(self, place: str, weights: Mapping[str, str]) -> None:
        self.used_weights |= {f"{place}/{file}": sha for file, sha in weights.items()}

    def _load(self, modality: Modality) -> Extractor:
        if modality not in self._loaded:
            extractor = self._make(modality)
            for check in self._checks:
                check(extractor.spec)
            self._loaded[modality] = extractor
        return self._loaded[modality]

    def _make(self, modality: Modality) -> Extractor:
        own = self._own.get(modality)
        if own is not None:
            with one_line(own.name, f"{modality} extractor"):
                make: Callable[..., Extractor] = own
                extractor = make(device=self._device)
                _ = extractor.spec  # which one that does not call its base's __init__ lacks
                return extractor
        makers: Mapping[Modality, Callable[[], Extractor]] = {
            "text": self._make_text,
            "audio": self._make_audio,
            "vision": self._make_vision,
        }
        return makers[modality]()

    def _make_text(self) -> TextExtractor:
        from lddu_pipe.extractors.text import TextExtractor, TextSettings

        if "text" not in self._encoders:
            from lddu_pipe.extractors.minilm import MiniLM

            settings, weights = _text_settings(self.companions), _weights_of_text(self.companions)
            encoder = MiniLM(
                self._resolve("text"),
                settings.max_tokens,
                context_pieces=settings.context_pieces,
                adapter=self.companions.adapter,
                device=self._device,
            )
            return TextExtractor(encoder, settings, weights, languages=("en",))
        from lddu_pipe.extractors.huggingface_text import HuggingFaceTextEncoder

        found = self._find("text")
        source, settings = found.source.source, TextSettings(encoder=HUB)
        with one_line(source, "text encoder such as BERT"):
            loaded = HuggingFaceTextEncoder(found.folder, settings.max_tokens, device=self._device)
            extractor = TextExtractor(loaded, settings, found.weights, space=source)
            extractor.extract([_long_text()])  # what does not fit shows only in use
        return extractor

    def _make_audio(self) -> AudioExtractor:
        from lddu_pipe.extractors.audio import AudioExtractor, AudioSettings

        if "audio" not in self._encoders:
            from lddu_pipe.extractors.whisper_layers import WhisperLayers

            settings = AudioSettings()
            encoder = WhisperLayers(self._resolve("audio"), settings.layers, device=self._device)
            return AudioExtractor(encoder, settings, ASSETS[WHISPER].files)
        from lddu_pipe.extractors.huggingface_audio import HuggingFaceAudioEncoder

        found = self._find("audio")
        source = found.source.source
        with one_line(source, "sound encoder such as wav2vec 2.0"):
            loaded = HuggingFaceAudioEncoder(found.folder, device=self._device)
            settings = AudioSettings(HUB, layers=(), encoder_size=loaded.size)
            extractor = AudioExtractor(loaded, settings, found.weights, space=source)
            extractor.extract(np.zeros(SAMPLE_RATE, np.float32))  # as with texts
        return extractor

    def _make_vision(self) -> VisionExtractor:
        from lddu_pipe.extractors.vision import VisionExtractor, VisionSettings

        if self.companions.expression is None:
            raise IncompatibleModelError(f"{self.companions.folder} holds no expression network")
        weights = {EXPRESSION_FILE: self.companions.weights[EXPRESSION_FILE]}
        return VisionExtractor(
            self._resolve("vision"),
            self.companions.expression,
            VisionSettings(),
            {**ASSETS[LANDMARKER].files, **weights},
            device=self._device,
            threads=min(MAX_LANDMARKERS, torch.get_num_threads()),
            identity=self.identity,
        )

    def _resolve(self, modality: Modality) -> Path:
        """Where the default encoder of a modality is."""
        given = self._places.get(modality)
        return resolve(_ASSETS[modality], given=given, offline=self._offline)

    def _find(self, modality: Modality) -> FoundEncoder:
        """The encoder by others of a modality, looked for once."""
        if modality not in self._found:
            self._found[modality] = find_encoder(self._encoders[modality], offline=self._offline)
        return self._found[modality]


def default_text_fingerprint(companions: Companions) -> str:
    """The fingerprint of texts as the default encoder gives them; nothing is loaded."""
    from lddu_pipe.extractors.text import TextExtractor

    settings = _text_settings(companions)
    return fingerprint(TextExtractor.name, settings, _weights_of_text(companions))


def _text_settings(companions: Companions) -> TextSettings:
    """What decides the default text features, beside their weights."""
    from lddu_pipe.extractors.text import TextSettings

    return TextSettings(context_pieces=companions.context_pieces)


def _weights_of_text(companions: Companions) -> dict[str, str]:
    """The sha256 of the files that the default text features are made with."""
    weights = dict(ASSETS[MINILM].files)
    if companions.adapter is not None:
        weights[ADAPTER_FILE] = companions.weights[ADAPTER_FILE]
    return weights


def _long_text() -> Utterance:
    """More words than any encoder reads in one pass."""
    words = parse_text("word " * 300).words
    return Utterance("0", TimeSpan(0.0, words[-1].span.end), words=words)
