"""Tiers of ELAN and Praat to cues: which of them hold speech, whose it is, and word times.

The rule, the same for both programs:

1. A tier is named for what it holds, as ``text``, ``text@Ana``, ``text2@Ana`` or ``Ana - words``;
   in ELAN its linguistic type may say so instead. Any other name is that of a speaker.
2. Where some tiers are named for utterances or words, only those are read. Otherwise all are,
   except those named for something that is not speech: phones, emotions, notes, gestures.
3. Where a speaker has utterances and words, the utterances are read, and the words give them their
   times if they are the same words. Words alone make cues that end at pauses.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from lddu_pipe.transcripts.cues import (
    checked_span,
    join_words,
    remove_descriptions,
    split_words,
    spread_words,
)
from lddu_pipe.types import Cue, TimeSpan, Transcript, Word

PAUSE = 0.6
"""Seconds without a word that end a cue, where a file has words but no utterances."""

Kind = Literal["utterances", "words", "other"]

_NAMES: dict[Kind, tuple[str, ...]] = {
    "utterances": (
        *("text", "utterance", "utt", "transcription", "transcript", "speech", "sentence"),
        *("phrase", "turn", "ipu", "trn", "tx", "orthography"),
    ),
    "words": ("word", "token", "ort", "ort-mau"),
    "other": (
        *("phone", "phoneme", "segment", "syllable", "mau", "kan-mau", "silence", "pitch", "tone"),
        *("pos", "lemma", "gloss", "translation", "emotion", "confidence", "noise", "note"),
        *("comment", "remark", "gesture", "gaze", "action"),
    ),
}
"""In the singular."""
_KINDS: dict[str, Kind] = {name: kind for kind, names in _NAMES.items() for name in names}
_UNNAMED = {"", "default", "tier"}
_SILENCE = {"sil", "sp", "spn", "<eps>", "<sil>", "<p:>", "<p>", "<unk>"}
"""What forced aligners write where there is no word, or none they know."""


@dataclass(frozen=True)
class Tier:
    """A tier of a file, with its intervals in the order of the file."""

    name: str
    kind: Kind | None
    """None where neither name nor type says what it holds."""
    speaker: str | None
    intervals: Sequence[tuple[float, float, str]]
    """Start and end in seconds, as the file has them, and the label."""


def identify(name: str) -> tuple[Kind | None, str | None]:
    """Return what a tier's name says it holds, where it does, and of whom."""
    content, at, speaker = name.partition("@")
    kind = kind_of(content)
    if at and kind:
        return kind, speaker.strip() or None
    aligned_speaker, dash, aligned = name.rpartition(
        " - "
    )  # as the Montreal Forced Aligner has it
    if dash and kind_of(aligned):
        return kind_of(aligned), aligned_speaker.strip() or None
    if kind:
        return kind, None
    named = (speaker if at else name).strip()
    return None, None if named.casefold().rstrip("0123456789 ") in _UNNAMED else named


def kind_of(word: str) -> Kind | None:
    """Return the kind that a word such as ``Words`` or ``text2`` stands for."""
    name = word.strip().casefold().rstrip("0123456789_ ")
    return _KINDS.get(name) or _KINDS.get(name.removesuffix("s"))


def read_tiers(tiers: Iterable[Tier], path: Path) -> Transcript:
    """Return the cues of the tiers that hold speech.

    Args:
        tiers: All tiers of a file.
        path: Named in errors and in the result.

    Raises:
        UnusableInputError: A time is impossible.
    """
    filled = [tier for tier in tiers if any(_said(label) for _, _, label in tier.intervals)]
    utterances = [tier for tier in filled if tier.kind == "utterances"]
    words = [tier for tier in filled if tier.kind == "words"]
    if not utterances and not words:
        utterances = [tier for tier in filled if tier.kind is None]
    speakers = {tier.speaker for tier in utterances}
    anybody = None in speakers
    cues: list[Cue] = []
    for tier in utterances:
        own = [other for other in words if other.speaker in {tier.speaker, None} or anybody]
        timed = [word for other in own for word in _words(other, path)]
        cues += _utterances(tier, sorted(timed, key=lambda word: word.span.middle), path)
    for tier in words:
        if not utterances or not (anybody or tier.speaker in {*speakers, None}):
            cues += _runs(tier, path)
    spoken = sorted((cue for cue in cues if cue.words), key=lambda cue: cue.span.start)
    return Transcript(tuple(spoken), path.name)


def _said(label: str) -> str:
    text = remove_descriptions(label)
    return "" if text.casefold() in _SILENCE else text


def _places(tier: Tier, path: Path) -> Iterator[tuple[str, TimeSpan]]:
    for number, (start, end, label) in enumerate(tier.intervals, start=1):
        text = _said(label)
        if text:
            yield text, checked_span(start, end, f"{path}: tier {tier.name}, annotation {number}")


def _words(tier: Tier, path: Path) -> list[Word]:
    return [
        word
        for text, span in _places(tier, path)
        for word in spread_words(text, span, tier.speaker)
    ]


def _utterances(tier: Tier, timed: Sequence[Word], path: Path) -> Iterator[Cue]:
    """Give the cues of a tier; `timed` are words in the order of their middles."""
    middles = [word.span.middle for word in timed]
    for text, span in _places(tier, path):
        inside = timed[bisect_left(middles, span.start) : bisect_left(middles, span.end)]
        texts = split_words(text)
        if texts and list(map(_bare, texts)) == [_bare(word.text) for word in inside]:
            words = [
                Word(said, word.span, speaker=tier.speaker)
                for said, word in zip(texts, inside, strict=True)
            ]
        else:
            words = spread_words(text, span, tier.speaker)
        yield Cue(text, span, tuple(words), tier.speaker)


def _bare(word: str) -> str:
    """What is left of a word without punctuation and case, in which two tiers may differ."""
    return re.sub(r"\W", "", word).casefold()


def _runs(tier: Tier, path: Path) -> Iterator[Cue]:
    words = sorted(_words(tier, path), key=lambda word: word.span)
    breaks = [
        number
        for number, (before, after) in enumerate(pairwise(words), start=1)
        if after.span.start - before.span.end >= PAUSE
    ]
    for first, last in pairwise([0, *breaks, len(words)]):
        run = words[first:last]
        span = TimeSpan(run[0].span.start, max(word.span.end for word in run))
        yield Cue(join_words(run), span, tuple(run), tier.speaker)
