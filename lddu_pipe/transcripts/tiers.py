"""Tiers of ELAN and Praat to cues: which of them hold speech, whose it is, and word times.

The rule, the same for both programs:

1. A tier is named for what it holds, as ``text``, ``text@Ana``, ``text2@Ana`` or ``Ana - words``;
   in ELAN its linguistic type may say so instead. Any other name is that of a speaker.
2. Where some tiers are named for utterances or words, only those are read. Otherwise all are,
   except those named for something that is not speech: phones, emotions, notes, gestures.
3. Where a speaker has utterances and words, the utterances are read, and the words give them their
   times if they are the same words. Words alone make cues that end at pauses.
4. Whoever names tiers (``--tier``) has these read, whatever they are called. He is asked to where
   two that may be speakers' have the same times, as a text and its translation have.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.transcripts.cues import (
    checked_span,
    remove_descriptions,
    runs,
    spread_words,
    timed_text,
)
from lddu_pipe.transcripts.notes import Notes, UnreadableError
from lddu_pipe.types import Cue, TimeSpan, Transcript, Word

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
        *(
            "comment",
            "remark",
            "gesture",
            "gaze",
            "action",
            "head",
            "hand",
            "face",
            "nod",
            "smile",
        ),
        *("laughter", "posture", "movement", "valence", "arousal", "code", "topic", "scene"),
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
    # As the Montreal Forced Aligner has it
    aligned_speaker, dash, aligned = name.rpartition(" - ")
    if dash and kind_of(aligned):
        return kind_of(aligned), aligned_speaker.strip() or None
    if kind:
        return kind, None
    parts = re.split(r"[-_ .]+", content)
    if len(parts) == 2 and not at:  # "gesture_Ana", "Ana-gaze"
        for part, other in (parts, parts[::-1]):
            if kind_of(part) == "other" and other:
                return "other", other
    named = (speaker if at else name).strip()
    return None, None if named.casefold().rstrip("0123456789 ") in _UNNAMED else named


def kind_of(word: str) -> Kind | None:
    """Return the kind that a word such as ``Words`` or ``text2`` stands for."""
    name = word.strip().casefold().rstrip("0123456789_ ")
    return _KINDS.get(name) or _KINDS.get(name.removesuffix("s"))


def read_tiers(tiers: Iterable[Tier], path: Path, chosen: Sequence[str] = ()) -> Transcript:
    """Return the cues of the tiers that hold speech.

    Args:
        tiers: All tiers of a file.
        path: Named in errors and in the result.
        chosen: Names of the tiers to read; none leaves it to the rule.

    Raises:
        UnusableInputError: A chosen tier is not there, no annotation can be read, or it cannot be
            told which of two tiers is speech.
    """
    notes = Notes(path, "annotation")
    filled = [tier for tier in tiers if any(_said(label) for _, _, label in tier.intervals)]
    if chosen:
        filled = _chosen(filled, path, chosen)
    utterances = [tier for tier in filled if tier.kind == "utterances"]
    words = [tier for tier in filled if tier.kind == "words"]
    if not utterances and not words:
        utterances = [tier for tier in filled if tier.kind is None]
        _check_speakers(utterances, path)
        doubtful = [tier.name for tier in utterances if _may_be_codes(tier)]
        if doubtful and len(utterances) > 1:
            notes.say(
                f"what stands in {_listed(doubtful)} may be codes and is read as speech; "
                "--tier names what is to be read"
            )
    speakers = {tier.speaker for tier in utterances}
    anybody = None in speakers
    cues: list[Cue] = []
    for tier in utterances:
        own = [other for other in words if other.speaker in {tier.speaker, None} or anybody]
        timed = [word for other in own for word in _words(other, notes)]
        cues += _utterances(tier, sorted(timed, key=lambda word: word.span.middle), notes)
    for tier in words:
        if not utterances or not (anybody or tier.speaker in {*speakers, None}):
            cues += runs(sorted(_words(tier, notes), key=lambda word: word.span))
    spoken = sorted((cue for cue in cues if cue.words), key=lambda cue: cue.span.start)
    return Transcript(tuple(spoken), path.name, notes=notes.sentences(len(spoken)))


def _chosen(tiers: Sequence[Tier], path: Path, chosen: Sequence[str]) -> list[Tier]:
    """The tiers that a person named; they hold utterances unless they are known for words."""
    names = [tier.name for tier in tiers]
    for name in chosen:
        if name not in names:
            raise UnusableInputError(
                f"{path} has no tier {name!r} with text; it has {_listed(names)}"
            )
    return [
        tier if tier.kind == "words" else replace(tier, kind="utterances")
        for tier in tiers
        if tier.name in chosen
    ]


def _check_speakers(tiers: Sequence[Tier], path: Path) -> None:
    """Refuse tiers that cannot all be speakers': nobody speaks in another's very times."""
    spans = [
        {(start, end) for start, end, label in tier.intervals if _said(label)} for tier in tiers
    ]
    for later, tier in enumerate(tiers):
        for earlier in range(later):
            shared = len(spans[later] & spans[earlier])
            if shared > 1 and 2 * shared > min(len(spans[later]), len(spans[earlier])):
                raise UnusableInputError(
                    f"{path} has {_listed([tiers[earlier].name, tier.name])} with the same times, "
                    "so they are not of two speakers; name those that hold speech with --tier"
                )


def _may_be_codes(tier: Tier) -> bool:
    """True where few labels come again and again, as those of an annotation scheme do."""
    labels = [text.casefold() for _, _, label in tier.intervals if (text := _said(label))]
    return len(labels) >= 4 and 2 * len(set(labels)) <= len(labels)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names[:12]) + (", ..." if len(names) > 12 else "")


def _said(label: str) -> str:
    text = remove_descriptions(label)
    return "" if text.casefold() in _SILENCE else text


def _places(tier: Tier, notes: Notes) -> Iterator[tuple[str, TimeSpan]]:
    for number, (start, end, label) in enumerate(tier.intervals, start=1):
        text = _said(label)
        place = f"tier {tier.name}, annotation {number}"
        try:
            if text:
                yield text, checked_span(start, end, place, notes)
        except UnreadableError as error:
            notes.leave_out(place, error)


def _words(tier: Tier, notes: Notes) -> list[Word]:
    return [
        word
        for text, span in _places(tier, notes)
        for word in spread_words(text, span, tier.speaker)
    ]


def _utterances(tier: Tier, timed: Sequence[Word], notes: Notes) -> Iterator[Cue]:
    """Give the cues of a tier; `timed` are words in the order of their middles."""
    middles = [word.span.middle for word in timed]
    for text, span in _places(tier, notes):
        inside = timed[bisect_left(middles, span.start) : bisect_left(middles, span.end)]
        words = timed_text(text, inside) or spread_words(text, span, tier.speaker)
        said = [Word(word.text, word.span, speaker=tier.speaker) for word in words]
        yield Cue(text, span, tuple(said), tier.speaker)
