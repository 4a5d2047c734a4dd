"""Whose voice is heard: the mouths in view against the sound, over the whole recording."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.pipelines.people.articulation import (
    SHAPES,
    HeardSound,
    coherence,
    movement,
    shapes_of,
    without_trend,
)
from lddu_pipe.pipelines.people.attribution import (
    CONTIGUOUS,
    NO_MOUTH,
    Mouth,
    Moves,
    Voice,
    choose,
    joined,
    moves_of,
)
from lddu_pipe.types import TimeSpan

REMEMBERED = 1200.0
"""Seconds for which mouths and sound are kept, so that no recording is too long."""
MOST_ROWS = 1200
"""Rows, the latest, from which it is learnt how a mouth goes with a voice: two minutes of it."""
SPACING = 0.095
"""Seconds between rows, at least: all is made for 10 frames a second."""
GAINED = 0.25
"""Nats of evidence in a nat of coherence: what one row says, the next mostly says, too."""
EXPECTED = 0.15
"""Nats a row, at least, by which a voice foretells its own mouth."""
LEARNT = 50.0
"""Rows after which half of what coherence says counts."""
COHERENT = (-6.0, 40.0)
"""Nats, at least and at most, of coherence: a mouth that is read badly goes with no voice."""
NOBODY = -1.0
"""Nats of somebody out of view against a face in view, before anything was seen of it."""
ONE_PERSON = -6.0
"""The same where nobody else was seen so far."""
ALONE = -30.0
"""The same where nobody else was seen, and one voice is all that was heard."""
DOUBT = 0.1
"""How often one voice is taken for another."""


class Turn(Protocol):
    """A stretch in which one voice is heard."""

    @property
    def span(self) -> TimeSpan:
        """Where it is heard, in seconds of the media."""
        ...

    @property
    def voice(self) -> int | str | None:
        """Which voice, by number or name; None where that is not known."""
        ...


class SpeakerFinder:
    """Finds whose of the faces in view a voice is.

    A mouth moves while its voice is heard, less while it is not, and with the sound. Of each voice
    all that was seen while it was heard tells whose it is; what moves within an utterance may
    overrule that. A question names a moment, and what is told early of later changes no answer.
    """

    def __init__(self) -> None:
        """Nothing is seen or heard yet."""
        self._appeared: dict[int, float] = {}
        self._views: dict[int, NDArray[np.float64]] = {}
        self._mouths: dict[int, Mouth] = {}
        self._voices: dict[int | str | None, float] = {}
        self._turns: list[tuple[float, float, int | str | None]] = []
        self._sound = HeardSound()

    def see(
        self,
        track: int,
        times: NDArray[np.float64],
        mouth: NDArray[np.float32],
        shown: NDArray[np.bool_],
        *,
        still: bool = False,
    ) -> None:
        """Take in what was seen next of one face.

        Args:
            track: which face.
            times: (n,) seconds of the media, in order.
            mouth: (n, len(MOUTH)), the blendshapes that `articulation.MOUTH` names.
            shown: (n,) False where the face is in view and its mouth cannot be read.
            still: the face has not moved since it appeared: a picture, which does not speak.
        """
        if still or not len(times):
            return
        self._appeared.setdefault(track, float(times[0]))
        before = self._views.get(track, np.zeros(0))
        kept = _spaced(times, before[-1] if len(before) else -np.inf)
        self._views[track] = np.concatenate([before, times[kept]])
        read = kept[shown[kept]]
        known = self._mouths.get(track, NO_MOUTH)
        shapes = shapes_of(mouth[read])
        seconds = np.diff(times[read], prepend=known.times[-1] if len(known.times) else -np.inf)
        last = known.shapes[-1:] if len(known.times) else np.zeros((1, SHAPES), np.float32)
        moved = np.where(seconds <= CONTIGUOUS, movement(np.concatenate([last, shapes])), np.nan)
        rows = Mouth(times[read], shapes, moved.astype(np.float32))
        self._mouths[track] = joined([known, rows])

    def hear(self, turns: Iterable[Turn], sound: NDArray[np.float32]) -> None:
        """Take in what was heard next.

        Args:
            turns: where voices are heard; each is told once, when it has ended.
            sound: (samples,) mono at 16 kHz, from the beginning of the media on: what follows the
                sound of the call before.
        """
        for turn in turns:
            self._turns.append((turn.span.start, turn.span.end, turn.voice))
            ended = self._voices.get(turn.voice, np.inf)
            self._voices[turn.voice] = min(ended, turn.span.end)
        self._sound.add(sound)

    def who(
        self,
        span: TimeSpan,
        voice: int | str | None,
        until: float,
        people: Mapping[int, int] | None = None,
    ) -> int | None:
        """Whose voice is heard in an utterance.

        Args:
            span: of the utterance.
            voice: which voice it is, None where that is not known.
            until: seconds of the media up to which everything was told; what is later, and a turn
                that ends later, changes nothing. From call to call it never decreases.
            people: by track, whose face it is, as far as that is known: what is seen of one of a
                person's tracks counts for all. A track that is not named is somebody else's.

        Returns:
            The track of the face in view whose voice it is; None where it is nobody's.
        """
        self._forget(until - REMEMBERED)
        tracks: dict[tuple[bool, int], list[int]] = {}
        for track, appeared in self._appeared.items():
            if appeared < until:
                person = (people or {}).get(track)
                key = (False, track) if person is None else (True, person)
                tracks.setdefault(key, []).append(track)
        remembered = [[one for one in owned if one in self._views] for owned in tracks.values()]
        seen = [owned for owned in remembered if owned]
        in_view = [self._in_view(owned, span) for owned in seen]
        if all(track is None for track in in_view):
            return None
        turns = [turn for turn in self._turns if turn[1] <= until]
        # Beyond the last turn that has ended another may have begun.
        told = max((end for _, end, _ in turns), default=0.0)
        own = Voice(turn for turn in turns if voice is not None and turn[2] == voice)
        any_voice = Voice(turns) if voice is None else own
        mouths = [
            joined([self._mouths[track] for track in owned]).between(until - REMEMBERED, until)
            for owned in seen
        ]
        moves = Moves(
            *np.array([moves_of(mouth, span, own, any_voice, told) for mouth in mouths]).T
        )
        coherent = np.zeros(len(mouths))
        for person in np.flatnonzero(moves.several).tolist():
            coherent[person] = self._coherence(mouths[person], own, until)
        voices = sum(ended <= until for ended in self._voices.values())
        unseen = NOBODY if len(tracks) > 1 else ONE_PERSON if voices > 1 else ALONE
        chosen = choose(
            moves,
            coherent,
            np.array([track is not None for track in in_view]),
            unseen,
            DOUBT if voices > 1 else 0.0,
        )
        return None if chosen is None else in_view[chosen]

    def _in_view(self, tracks: Sequence[int], span: TimeSpan) -> int | None:
        """Which of a person's tracks is in view the longest in a span; None: none is."""
        rows = {
            track: int(np.diff(np.searchsorted(self._views[track], (span.start, span.end)))[0])
            for track in tracks
        }
        longest = max(rows, key=lambda track: rows[track], default=None)
        return longest if longest is not None and rows[longest] else None

    def _coherence(self, mouth: Mouth, voice: Voice, until: float) -> float:
        """Nats for a mouth of how it goes with the sound of a voice."""
        rows = np.flatnonzero(voice.at(mouth.times))[-MOST_ROWS:]
        sound = self._sound.around(mouth.times[rows], until)
        if sound is None or not len(rows):
            return 0.0
        gain = coherence(sound, without_trend(mouth.shapes, mouth.times)[rows])
        counts = len(rows) / (len(rows) + LEARNT)
        return float(np.clip(GAINED * (gain - EXPECTED * len(rows)), *COHERENT)) * counts

    def _forget(self, before: float) -> None:
        """Let go of what happened before a moment."""
        self._sound.forget(before)
        self._turns = [turn for turn in self._turns if turn[1] > before]
        for track, times in list(self._views.items()):
            if times[-1] < before:
                del self._views[track], self._mouths[track]
            else:
                self._views[track] = times[np.searchsorted(times, before) :]
                self._mouths[track] = self._mouths[track].between(before, np.inf)


def _spaced(times: NDArray[np.float64], last: float) -> NDArray[np.intp]:
    """Which rows are at least `SPACING` after the one that was taken before them."""
    kept = []
    for index, time in enumerate(times.tolist()):
        if time - last >= SPACING:
            kept.append(index)
            last = time
    return np.array(kept, np.intp)
