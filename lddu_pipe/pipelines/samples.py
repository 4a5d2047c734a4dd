"""From utterances and raw modalities to the samples a model scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from lddu_pipe.alignment import align_to_words, concatenate, limit_steps
from lddu_pipe.evidence import (
    Absent,
    Evidence,
    Example,
    ModalitySequence,
    Present,
    Reason,
    evidence_of,
)
from lddu_pipe.extractors.prosody import SAMPLE_RATE
from lddu_pipe.media import WaveformLike
from lddu_pipe.pipelines.components import Extractors
from lddu_pipe.types import Modality, Utterance


def read_and_listen(
    extractors: Extractors,
    utterances: Sequence[Utterance],
    waveform: WaveformLike | None,
    voices: Mapping[str, WaveformLike] | None = None,
    *,
    without_words: Reason = Reason.NO_WORDS,
) -> list[dict[Modality, Evidence]]:
    """Extract the text and the audio of every utterance.

    Sound is listened to only where somebody is heard: the rest is music or noise, which says
    nothing.

    Args:
        extractors: loaded as they are needed.
        utterances: in order, with their context.
        waveform: (samples,) float32 mono at 16 kHz from moment 0 of the media, or None.
        voices: the same of single speakers, by name; who has none is listened to in `waveform`.
        without_words: why an utterance in which nobody speaks has no text.

    Returns:
        One item an utterance, in the same order.
    """
    texts = _texts(extractors, utterances)
    return [
        {
            "text": text or Absent(_why_no_words(utterance, without_words)),
            "audio": _audio(
                extractors, utterance, (voices or {}).get(utterance.speaker or "", waveform)
            ),
        }
        for utterance, text in zip(utterances, texts, strict=True)
    ]


class FaceSteps:
    """What a face showed, as long as it may still be asked for."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._parts: list[ModalitySequence] = []

    def add(self, steps: ModalitySequence) -> None:
        """Hold steps that come after all others."""
        if len(steps):
            self._parts.append(steps)

    def since(self, moment: float) -> ModalitySequence | None:
        """What is held of the time since `moment`, if anything; all before it is let go."""
        self._parts = [part for part in self._parts if part.spans[-1, 1] >= moment]
        return self.held

    @property
    def held(self) -> ModalitySequence | None:
        """All that is held, if anything."""
        return concatenate(self._parts) if self._parts else None


def look_up(vision: ModalitySequence | None, utterance: Utterance) -> Evidence:
    """The frames of an utterance, or why there are none."""
    if vision is None:
        return Absent(Reason.PICTURES_NOT_GIVEN)
    sequence = cut_sequence(vision, utterance)
    return evidence_of(sequence, Reason.NO_FACE if len(sequence) else Reason.NO_PICTURE)


def make_sample(
    utterance: Utterance,
    found: Mapping[Modality, Evidence],
    missing: Mapping[Modality, Absent],
    *,
    aligned: bool = False,
) -> Example:
    """Put one utterance's modalities together, as long as they were measured.

    Args:
        utterance: what is scored.
        found: of every modality.
        missing: reasons that hold everywhere and are better than those of `found`.
        aligned: pool to one step a word.
    """
    evidence = {
        name: missing.get(name, item) if isinstance(item, Absent) else item
        for name, item in found.items()
    }
    if aligned:
        steps = {
            name: item.steps
            for name, item in evidence.items()
            if isinstance(item, Present) and isinstance(item.steps, ModalitySequence)
        }
        if utterance.words:
            steps = align_to_words(steps, utterance.words)
        else:
            steps = {name: limit_steps(sequence, 1) for name, sequence in steps.items()}
        for name, sequence in steps.items():
            pooled, whole = evidence_of(sequence, Reason.NOTHING_AT_WORDS), evidence[name]
            if isinstance(pooled, Present) and isinstance(whole, Present):
                pooled = replace(pooled, height=whole.height)
            evidence[name] = pooled
    return Example(utterance, evidence, aligned=aligned)


def _texts(extractors: Extractors, utterances: Sequence[Utterance]) -> list[Evidence | None]:
    """What is read of each utterance; None of those in which nothing is to be read."""
    spoken = [index for index, utterance in enumerate(utterances) if utterance.words]
    found: list[Evidence | None] = [None] * len(utterances)
    read = []
    for index in spoken:
        language = utterances[index].language
        if language is None or extractors.reads(language):
            read.append(index)
        else:
            found[index] = Absent.unread(language, extractors.parts.name)
    steps = extractors.text.extract([utterances[index] for index in read]) if read else ()
    for index, item in zip(read, steps, strict=True):
        if item.present:
            found[index] = Present.of(item)
    return found


def _why_no_words(utterance: Utterance, without_words: Reason) -> Reason:
    return Reason.NOT_RECOGNISED if utterance.kind == "sound" else without_words


def _audio(
    extractors: Extractors, utterance: Utterance, waveform: WaveformLike | None
) -> Evidence:
    if waveform is None:
        return Absent(Reason.SOUND_NOT_GIVEN)
    if not (utterance.words or utterance.kind == "sound"):
        return Absent(Reason.NO_SPEECH)
    start, end = (
        round(moment * SAMPLE_RATE) for moment in (utterance.span.start, utterance.span.end)
    )
    sequence = extractors.audio.extract(waveform[start:end], utterance.span.start)
    return evidence_of(sequence, Reason.SILENCE)


def cut_sequence(sequence: ModalitySequence, utterance: Utterance) -> ModalitySequence:
    """The steps whose start lies in an utterance; for one without length, all that touch it.

    A very short utterance between two frames takes the frame that is shown at its start.
    """
    starts, ends = sequence.spans[:, 0], sequence.spans[:, 1]
    span = utterance.span
    chosen = (starts >= span.start) & (starts < span.end)
    if not chosen.any():
        chosen = (starts <= span.start) & (ends >= span.start)
    return sequence.rows(chosen)


def show_throughout(still: ModalitySequence, utterance: Utterance) -> ModalitySequence:
    """The one step of a picture, lasting as long as what is said beside it.

    On its own a picture has no time, and would only be there for the first word.
    """
    ends = [utterance.span.end, *(word.span.end for word in utterance.words)]
    return replace(still, spans=np.array([[0.0, max(ends)]]))
