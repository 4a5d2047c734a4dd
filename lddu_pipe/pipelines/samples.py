"""From utterances and raw modalities to the samples a model scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from lddu_pipe.alignment import align_to_words, limit_steps
from lddu_pipe.extractors.prosody import SAMPLE_RATE
from lddu_pipe.media import Sound
from lddu_pipe.pipelines.components import Extractors
from lddu_pipe.types import Modality, ModalitySequence, Sample, Utterance

NO_WORDS = "no words"
SILENCE = "silence"
NO_SPEECH = "no speech found"
NOT_RECOGNISED = "words not recognised"
NO_FACE = "no face found"
NO_PICTURE = "no picture at this time"


Found = dict[Modality, ModalitySequence | str]
"""What was found of each modality of an utterance, or why nothing was."""


def read_and_listen(
    extractors: Extractors,
    utterances: Sequence[Utterance],
    waveform: Sound | None,
    voices: Mapping[str, Sound] | None = None,
) -> list[Found]:
    """Extract the text and the audio of every utterance.

    Sound is listened to only where somebody speaks: the rest is music or noise, which says
    nothing.

    Args:
        extractors: loaded as they are needed.
        utterances: in order.
        waveform: (samples,) float32 mono at 16 kHz from moment 0 of the media, or None.
        voices: the same of single speakers, by name; who has none is listened to in `waveform`.

    Returns:
        One item an utterance, in the same order.
    """
    texts: Sequence[ModalitySequence | None] = [None] * len(utterances)
    if any(utterance.words for utterance in utterances):
        texts = extractors.text.extract(utterances)
    return [
        {
            "text": text if text is not None and text.present else _no_text(utterance),
            "audio": _audio(
                extractors, utterance, (voices or {}).get(utterance.speaker or "", waveform)
            ),
        }
        for utterance, text in zip(utterances, texts, strict=True)
    ]


def look_up(vision: ModalitySequence | None, utterance: Utterance) -> ModalitySequence | str:
    """The frames of an utterance, or why there are none."""
    if vision is None:
        return "no pictures given"
    sequence = cut_sequence(vision, utterance)
    if not len(sequence.spans):
        return NO_PICTURE
    return sequence if sequence.present else NO_FACE


def make_sample(
    utterance: Utterance,
    found: Mapping[Modality, ModalitySequence | str],
    missing: Mapping[Modality, str],
    *,
    aligned: bool = False,
) -> Sample:
    """Put one utterance's modalities together, as long as they were measured.

    Args:
        utterance: what is scored.
        found: a sequence, or why there is none, by modality.
        missing: reasons that hold everywhere and are better than those of `found`.
        aligned: pool to one step a word.
    """
    sequences = {name: item for name, item in found.items() if not isinstance(item, str)}
    reasons = {
        name: missing.get(name) or item for name, item in found.items() if isinstance(item, str)
    }
    if aligned and sequences:
        words = utterance.words
        if words:
            sequences = align_to_words(sequences, words)
        else:
            sequences = {name: limit_steps(sequence, 1) for name, sequence in sequences.items()}
        for name in [name for name, sequence in sequences.items() if not sequence.present]:
            del sequences[name]
            reasons[name] = "nothing at any word"
    return Sample(utterance, sequences, reasons, aligned=aligned)


def _no_text(utterance: Utterance) -> str:
    return NOT_RECOGNISED if utterance.kind == "sound" else NO_WORDS


def _audio(
    extractors: Extractors, utterance: Utterance, waveform: Sound | None
) -> ModalitySequence | str:
    if waveform is None:
        return "no sound given"
    if not (utterance.words or utterance.kind == "sound"):
        return NO_SPEECH
    start, end = (
        round(moment * SAMPLE_RATE) for moment in (utterance.span.start, utterance.span.end)
    )
    sequence = extractors.audio.extract(waveform[start:end], utterance.span.start)
    return sequence if sequence.present else SILENCE


def cut_sequence(sequence: ModalitySequence, utterance: Utterance) -> ModalitySequence:
    """The steps whose start lies in an utterance; for one without length, all that touch it.

    A very short utterance between two frames takes the frame that is shown at its start.
    """
    starts, ends = sequence.spans[:, 0], sequence.spans[:, 1]
    span = utterance.span
    chosen = (starts >= span.start) & (starts < span.end)
    if not chosen.any():
        chosen = (starts <= span.start) & (ends >= span.start)
    return replace(
        sequence,
        values=sequence.values[chosen],
        spans=sequence.spans[chosen],
        valid=sequence.valid[chosen],
    )


def show_throughout(still: ModalitySequence, utterances: Sequence[Utterance]) -> ModalitySequence:
    """The one step of a picture, lasting as long as what is said beside it.

    On its own a picture has no time, and would only be there for the first word.
    """
    ends = [utterance.span.end for utterance in utterances]
    ends += [word.span.end for utterance in utterances for word in utterance.words]
    return replace(still, spans=np.array([[0.0, max(ends, default=0.0)]]))
