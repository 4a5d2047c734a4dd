"""Running results: what people show right now, and which result takes whose place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lddu_pipe.events import UnitJudged
from lddu_pipe.pipelines.judging import Judge
from lddu_pipe.pipelines.people import SPOKEN, Everybody, LargestFace
from lddu_pipe.predictions import Prediction
from lddu_pipe.transcripts import join_words
from lddu_pipe.types import Kind, TimeSpan, Utterance, Word

EVERY = 0.5
"""Seconds from one running result of somebody to the next, at least."""
SELDOM = 0.7
"""The same while words are being read, which are wanted more."""
LONGEST = 5.0
"""Seconds before now that running results tell of, at most."""
SHORTEST = 0.1
"""Seconds of an utterance so far that are worth a result."""
IN_VIEW = 0.5
"""Seconds ago at which somebody who is in view now was seen."""
LATE = 30.0
"""Seconds after which no final result is expected any more for a moment."""


@dataclass(eq=False)
class _Told:
    """The last running result of somebody and some stretch of time."""

    id: str
    span: TimeSpan
    spoken: bool


class Running:
    """Judges what goes on, and remembers what each result takes the place of."""

    def __init__(self, judge: Judge, people: Everybody | LargestFace) -> None:
        """Nothing was told yet.

        Args:
            judge: of the session.
            people: of the session.
        """
        self._judge = judge
        self._people = people
        self._count = 0
        self._told: dict[str | None, list[_Told]] = {}
        """Results in whose place none has come yet, by person, the last at the end."""
        self._over: dict[str | None, list[_Told]] = {}
        """Of them, those of moments that are past and of which nothing final came."""
        self._since: dict[str | None, tuple[float, bool]] = {}
        """Seconds at which what goes on began, and whether somebody speaks, by person."""

    def results(
        self, seen: float, speech: TimeSpan | None, words: Sequence[Word]
    ) -> list[UnitJudged]:
        """Judge what is shown and heard now.

        Args:
            seen: seconds of the session up to which everything was seen.
            speech: where somebody speaks now whose words are not told yet.
            words: of this speech, as far as they were read.
        """
        utterances = self._utterances(seen, speech, words)
        if not utterances:
            return []
        return [self._numbered(item) for item in self._judge.glance(utterances)]

    def final(self, prediction: Prediction) -> UnitJudged:
        """A final result, with the running one that it takes the place of."""
        utterance = prediction.utterance
        span = utterance.span
        own = self._told.get(utterance.person, [])
        found = _most_alike(own, span)
        if found is None and utterance.kind in SPOKEN:
            # Whose it is may be known better now.
            spoken = [item for told in self._told.values() for item in told if item.spoken]
            found = _most_alike(spoken, span)
        for person, told in self._told.items():
            if found in told:
                told.remove(found)
                begin, spoke = self._since.get(person, (0.0, False))
                self._since[person] = max(begin, span.end), spoke
        # In their place nothing final will come.
        self._over[utterance.person] = [item for item in own if item.span.end <= span.end]
        own[:] = [item for item in own if item.span.end > span.end]
        return UnitJudged(prediction, replaces=None if found is None else found.id)

    def _utterances(
        self, seen: float, speech: TimeSpan | None, words: Sequence[Word]
    ) -> list[Utterance]:
        """What everybody does who is seen or heard, so far."""
        found: list[Utterance] = []
        speaker = None
        if speech is not None:
            speaker = self._people.speaker(speech)
            span = self._span(speaker, speech.end, speech.start)
            said = tuple(word for word in words if word.span.middle in span)
            kind: Kind = "speech" if said else "sound"
            found.append(Utterance("", span, join_words(said), said, kind=kind, person=speaker))
        shown = self._people.in_view(TimeSpan(max(0.0, seen - IN_VIEW), seen + IN_VIEW))
        found += [
            Utterance("", self._span(person, seen), kind="silence", person=person)
            for person in shown
            if speech is None or person != speaker
        ]
        return [item for item in found if item.span.duration >= SHORTEST]

    def _span(self, person: str | None, now: float, start: float | None = None) -> TimeSpan:
        """Since when somebody has done what they do now: spoken, where that has a start."""
        spoken = start is not None
        begin, before = self._since.get(person) or (0.0, None)
        if before != spoken:
            begin = max(begin, now - 2 * SHORTEST) if start is None else start
        begin = min(max(begin, start or 0.0), now)
        self._since[person] = begin, spoken
        return TimeSpan(max(begin, now - LONGEST), now)

    def _numbered(self, prediction: Prediction) -> UnitJudged:
        utterance = replace(prediction.utterance, id=f"~{self._count}")
        self._count += 1
        spoken, span = utterance.kind != "silence", utterance.span
        told = self._told.setdefault(utterance.person, [])
        told[:] = [item for item in told if item.span.end > span.end - LATE]
        before = next(
            (item for item in told if item.spoken == spoken and item.span.overlap(span) > 0), None
        )
        replaced = None
        if before is not None:
            replaced, before.id = before.id, utterance.id
            before.span = TimeSpan(before.span.start, max(before.span.end, span.end))
        else:
            told.append(_Told(utterance.id, span, spoken))
            if over := self._over.get(utterance.person):
                replaced = over.pop().id
        return UnitJudged(replace(prediction, utterance=utterance), final=False, replaces=replaced)


def _most_alike(told: Sequence[_Told], span: TimeSpan) -> _Told | None:
    """The one of which most lies in a span, if any does."""
    best = max(told, key=lambda item: item.span.overlap(span), default=None)
    return best if best is not None and best.span.overlap(span) > 0 else None
