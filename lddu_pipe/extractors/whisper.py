"""Whisper through faster-whisper: found, loaded once a process, asked for words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment
from faster_whisper.utils import available_models, download_model
from numpy.typing import NDArray

from lddu_pipe.assets import hub_is_offline
from lddu_pipe.errors import IncompatibleModelError, MissingAssetError
from lddu_pipe.files import sha256_of_file
from lddu_pipe.languages import ENGLISH

SAMPLE_RATE = 16_000  # Hz
LANGUAGE = ENGLISH
"""Of the recogniser that comes with the packages."""

FILES = ("model.bin", "config.json", "tokenizer.json")
"""What a model cannot do without; faster-whisper would download a tokenizer that is missing."""
MORE_FILES = ("vocabulary.*", "preprocessor_config.json")


def find_whisper(name: str, *, offline: bool) -> Path:
    """Return the folder of a model of faster-whisper, downloading what the cache lacks of it.

    Args:
        name: a folder, or a size such as "small.en".
        offline: look on this machine only. ``HF_HUB_OFFLINE`` means the same.

    Raises:
        MissingAssetError: there is no such model, or it cannot be downloaded.
        IncompatibleModelError: it is no model for faster-whisper.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = _from_hub(name, offline=offline or hub_is_offline())
    absent = [file for file in FILES if not (folder / file).is_file()]
    if absent:
        raise IncompatibleModelError(
            f"the recogniser {name} has no {absent[0]}: it takes a Whisper model for "
            "faster-whisper, as ct2-transformers-converter --copy_files tokenizer.json makes one"
        )
    return folder


def weights_of_whisper(folder: Path) -> Mapping[str, str]:
    """The sha256 by file name of all that decides which words a model hears."""
    more = {path.name for pattern in MORE_FILES for path in folder.glob(pattern)}
    return {file: sha256_of_file(folder / file) for file in [*FILES, *sorted(more)]}


_SHORT: ContextVar[bool] = ContextVar("short", default=False)
"""Whether the encoder hears only as much as there is."""
_FRAMES = 1000
"""Frames, 100 a second, that it hears then at least."""
_AFTER = 200
"""Frames of silence after the sound, at least."""


class Whisper(WhisperModel):  # type: ignore[misc]
    """Whisper, of which `skim` may ask for less than 30 s."""

    def encode(self, features: NDArray[np.float32]) -> Any:  # noqa: ANN401 - CTranslate2's array
        """Encode (mels, frames), which end in frames of zeros where there is no sound."""
        if _SHORT.get():
            sound = np.flatnonzero(features.any(axis=0))
            count = max(_FRAMES, int(sound[-1]) + _AFTER if len(sound) else 0)
            features = np.ascontiguousarray(features[:, : count + count % 2])
        return super().encode(features)


@lru_cache(maxsize=3)
def load_whisper(folder: Path, device: str, threads: int = 1) -> WhisperModel:
    """Load a CTranslate2 Whisper model, or return the one that is already in memory.

    Args:
        folder: holds ``model.bin``, ``config.json``, ``tokenizer.json`` and the vocabulary.
        device: "cpu" or "cuda".
        threads: of the processor. The smallest Whisper gains little from a second one, which is
            better spent on faces.

    Raises:
        IncompatibleModelError: it is no Whisper, or a file is damaged.
    """
    # int8 on a processor is twice as fast.
    compute_type = "int8" if device == "cpu" else "float16"
    try:
        return Whisper(str(folder), device=device, compute_type=compute_type, cpu_threads=threads)
    except Exception as error:  # what the libraries raise for damaged files has no common base
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise IncompatibleModelError(f"{folder} is no Whisper of use here: {reason}") from error


def skim(model: WhisperModel, speech: NDArray[np.float32]) -> list[Segment]:
    """Write down speech in about a third of the time that `decode` takes, and less well.

    Whisper hears 30 s, whatever there is. Here it hears no more silence than it must, which it was
    not trained for: of clips of interviews, acted and read speech a sixth of the words came out
    otherwise, their marks more often than that.

    Args:
        model: as `load_whisper` returned it.
        speech: (samples,) float32 mono at 16 kHz, of at most 30 s.
    """
    short = _SHORT.set(True)
    try:
        segments, _ = model.transcribe(
            speech,
            language=LANGUAGE,
            beam_size=1,
            temperature=0.0,
            word_timestamps=True,
            condition_on_previous_text=False,
            max_new_tokens=100,
        )
        return list(segments)
    finally:
        _SHORT.reset(short)


def decode(
    model: WhisperModel,
    speech: NDArray[np.float32],
    *,
    language: str = LANGUAGE,
    forbid_repetition: bool = False,
) -> Iterator[Segment]:
    """Write down speech with the times of words; the same sound gives the same words.

    Args:
        model: of any size.
        speech: (samples,) float32 mono at 16 kHz.
        language: that is spoken, ISO 639-1; of English alone models take no other.
        forbid_repetition: no three tokens may follow each other a second time.

    Returns:
        Segments as they are found, with times in seconds of `speech`.
    """
    segments, _ = model.transcribe(
        speech,
        language=language,
        beam_size=5,
        word_timestamps=True,
        condition_on_previous_text=False,
        # No sampling where the best guess looks wrong.
        temperature=0.0,
        no_repeat_ngram_size=3 if forbid_repetition else 0,
    )
    return iter(segments)


def decode_shortly(
    model: WhisperModel,
    encoded: Any,  # noqa: ANN401 - CTranslate2 has no types
    language: str,
    most: int = 80,
) -> tuple[str, float]:
    """Write down what was encoded, the best token at a time and without times.

    Args:
        model: of many languages.
        encoded: as `model.encode` gives it.
        language: in which it is read, ISO 639-1.
        most: tokens.

    Returns:
        The text and the mean log-probability of its tokens.
    """
    tokenizer = model.hf_tokenizer
    marks = ("<|startoftranscript|>", f"<|{language}|>", "<|transcribe|>", "<|notimestamps|>")
    prompt = [tokenizer.token_to_id(mark) for mark in marks]
    (found,) = model.model.generate(
        encoded, [prompt], beam_size=1, max_length=most, return_scores=True
    )
    return str(tokenizer.decode(found.sequences_ids[0])), float(found.scores[0])


def _from_hub(name: str, *, offline: bool) -> Path:
    # A mistyped folder is nobody else's business.
    if name not in available_models():
        raise MissingAssetError(
            f"there is no recogniser {name}: give the folder of a model for faster-whisper, or "
            f"one of {', '.join(available_models())}"
        )
    try:
        return Path(download_model(name, local_files_only=offline))
    except Exception as error:  # of the hub, its HTTP client or its transfer engine
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise MissingAssetError(
            f"the recogniser {name} is not in the Hugging Face cache"
            + ("" if offline else f", and cannot be downloaded ({reason})")
        ) from error
