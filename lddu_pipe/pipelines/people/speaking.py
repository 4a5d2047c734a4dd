"""Whose voice is heard: the mouths in view against the sound, over the whole recording."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

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
from lddu_pipe.types import TimeSpan

REMEMBERED = 1200.0
"""Seconds for which mouths and sound are kept, so that no recording is too long."""
MOST_ROWS = 1200
"""Rows, the latest, from which it is learnt how a mouth goes with a voice: two minutes of it."""
SPACING = 0.08
"""Seconds between rows, at least: all is made for 10 frames a second."""
CONTIGUOUS = 0.3
"""Seconds between rows, at most, of which one follows the other."""
NEARBY = 0.5
"""Seconds on either side over which movement is averaged."""

SPEAKS = 0.12
"""Movement of a mouth that speaks as likely as not."""
PER_SECOND = 1.5
"""Nats, at most, that a second of movement or of rest says for or against a mouth."""
FAMILIAR = 1.0
"""Seconds without a voice after which half of what a mouth does then is held against it."""
UNCOMPARED = 2.0
"""Nats from which a mouth moves; and, at most, for one of several that do, before it was seen what
it does while the voice is not heard."""
SETTLED = 10.0
"""Seconds after which half of that bound is gone."""
GAINED = 0.25
"""Nats of evidence in a nat of coherence: what one row says, the next mostly says, too."""
EXPECTED = 0.15
"""Nats a row, at least, by which a voice foretells its own mouth."""
LEARNT = 50.0
"""Rows after which half of what coherence says counts."""
COHERENT = (-6.0, 40.0)
"""Nats, at least and at most, of coherence: a mouth that is read badly goes with no voice."""
MOST_EVIDENCE = 40.0
"""Nats, at most, of all that was seen of a mouth while a voice was heard."""
MOST_LOCAL = 3.0
"""Nats, at most, of what is seen of it in one utterance."""
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
    def voice(self) -> int | None:
        """Which voice, None where that is not known."""
        ...


class _Mouth(NamedTuple):
    """What was seen of one mouth, in order of time."""

    times: NDArray[np.float64]
    """(n,) seconds."""
    shapes: NDArray[np.float32]
    """(n, SHAPES)."""
    moved: NDArray[np.float32]
    """(n,) movement since the row before; NaN where none is known."""

    def between(self, start: float, end: float) -> _Mouth:
        """The rows from one moment to before another."""
        rows = slice(*np.searchsorted(self.times, (start, end)))
        return _Mouth(self.times[rows], self.shapes[rows], self.moved[rows])


class _Moves(NamedTuple):
    """How the mouths of people move, one after the other; (people,) each."""

    elsewhere: NDArray[np.float64]
    """Nats for them to be who is heard, of movement while the voice is heard at other times."""
    here: NDArray[np.float64]
    """Nats, of movement in the utterance that is asked for."""
    uncompared: NDArray[np.float64]
    """Nats of both, whatever the mouth does while the voice is not heard."""
    quiet: NDArray[np.float64]
    """Seconds in which the mouth was seen and the voice not heard."""

    @property
    def several(self) -> NDArray[np.bool_]:
        """Whose mouths move while the voice is heard, where that is more than one."""
        moving = self.uncompared > UNCOMPARED
        return np.asarray(moving & (moving.sum() > 1))


_NO_MOUTH = _Mouth(np.zeros(0), np.zeros((0, SHAPES), np.float32), np.zeros(0, np.float32))


class _Voice:
    """When a voice is heard."""

    def __init__(self, turns: Iterable[tuple[float, float, int | None]]) -> None:
        spans = np.array([turn[:2] for turn in turns]).reshape(-1, 2)
        self._starts = spans[:, 0]
        self._ends = np.maximum.accumulate(np.append(-np.inf, spans[:, 1]))

    def at(self, times: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether it is heard, at each of some moments."""
        return np.asarray(times < self._ends[np.searchsorted(self._starts, times, side="right")])


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
        self._mouths: dict[int, _Mouth] = {}
        self._voices: dict[int | None, float] = {}
        self._turns: list[tuple[float, float, int | None]] = []
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
        known = self._mouths.get(track, _NO_MOUTH)
        shapes = shapes_of(mouth[read])
        seconds = np.diff(times[read], prepend=known.times[-1] if len(known.times) else -np.inf)
        last = known.shapes[-1:] if len(known.times) else np.zeros((1, SHAPES), np.float32)
        moved = np.where(seconds <= CONTIGUOUS, movement(np.concatenate([last, shapes])), np.nan)
        rows = _Mouth(times[read], shapes, moved.astype(np.float32))
        self._mouths[track] = _joined([known, rows])

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
        voice: int | None,
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
        seen = [[track for track in owned if track in self._views] for owned in tracks.values()]
        in_view = [self._in_view(owned, span) for owned in seen]
        if all(track is None for track in in_view):
            return None
        turns = [turn for turn in self._turns if turn[1] <= until]
        # Beyond the last turn that has ended another may have begun.
        told = max((end for _, end, _ in turns), default=0.0)
        own = _Voice(turn for turn in turns if voice is not None and turn[2] == voice)
        any_voice = _Voice(turns) if voice is None else own
        mouths = [
            _joined([self._mouths[track] for track in owned]).between(until - REMEMBERED, until)
            for owned in seen
        ]
        moves = _Moves(
            *np.array([_movement(mouth, span, own, any_voice, told) for mouth in mouths]).T
        )
        coherent = np.zeros(len(mouths))
        for person in np.flatnonzero(moves.several).tolist():
            coherent[person] = self._coherence(mouths[person], own, until)
        voices = sum(ended <= until for ended in self._voices.values())
        unseen = NOBODY if len(tracks) > 1 else ONE_PERSON if voices > 1 else ALONE
        chosen = _choose(
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

    def _coherence(self, mouth: _Mouth, voice: _Voice, until: float) -> float:
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


def _joined(parts: Sequence[_Mouth]) -> _Mouth:
    """The rows of several mouths as one's, in order of time."""
    times = np.concatenate([np.zeros(0), *(part.times for part in parts)])
    shapes = np.concatenate([_NO_MOUTH.shapes, *(part.shapes for part in parts)])
    moved = np.concatenate([_NO_MOUTH.moved, *(part.moved for part in parts)])
    order = np.argsort(times, kind="stable")
    return _Mouth(times[order], shapes[order], moved[order])


def _movement(
    mouth: _Mouth, span: TimeSpan, own: _Voice, any_voice: _Voice, told: float
) -> tuple[float, float, float, float]:
    """How a mouth moves while a voice is heard, against what it does otherwise.

    Args:
        mouth: what was seen of it.
        span: of the utterance.
        own: the voice; while it is heard, its mouth moves.
        any_voice: while this is not heard, it need not.
        told: seconds up to which it is known who was heard.

    Returns:
        What `_Moves` holds of each person.
    """
    known = np.flatnonzero(np.isfinite(mouth.moved))
    times, moved = mouth.times[known], mouth.moved[known]
    sums = np.append(0.0, np.cumsum(moved, dtype=np.float64))
    first = np.searchsorted(times, times - NEARBY)
    last = np.searchsorted(times, times + NEARBY, side="right")
    mean = np.maximum((sums[last] - sums[first]) / (last - first), 1e-6)
    rate = PER_SECOND * np.clip(np.log(mean / SPEAKS), -1, 1)
    seconds = np.minimum(np.diff(mouth.times, prepend=-np.inf)[known], CONTIGUOUS)
    here = (times >= span.start) & (times < span.end)
    heard = own.at(times)
    otherwise = ~here & ~any_voice.at(times) & (times < told)
    quiet = float(seconds[otherwise].sum())
    usual = float((rate * seconds)[otherwise].sum()) / (quiet + FAMILIAR)
    nats = (rate - max(0.0, usual)) * seconds
    now = nats[here & heard] if (here & heard).any() else nats[here]
    uncompared = float((rate * seconds)[heard | here].sum())
    return float(nats[heard & ~here].sum()), float(now.sum()), uncompared, quiet


def _choose(
    moves: _Moves,
    coherent: NDArray[np.float64],
    in_view: NDArray[np.bool_],
    unseen: float,
    doubt: float,
) -> int | None:
    """Whose voice it most likely is.

    Args:
        moves: of people.
        coherent: (people,) nats, of movement with the sound of the voice.
        in_view: (people,) who could be meant.
        unseen: nats of somebody out of view against somebody in view, before anything was seen.
        doubt: how often one voice is taken for another.

    Returns:
        The place of who speaks; None: somebody out of view.
    """
    compared = np.where(moves.several, moves.quiet / (moves.quiet + SETTLED), 1.0)
    most = UNCOMPARED + (MOST_EVIDENCE - UNCOMPARED) * compared
    elsewhere = np.clip(moves.elsewhere, -MOST_EVIDENCE, most)
    here = np.clip(moves.here, -MOST_LOCAL, np.minimum(MOST_LOCAL, most - elsewhere))
    out_of_view = unseen - np.log(1 + (~in_view).sum())
    nats = elsewhere + coherent + np.where(in_view, 0, out_of_view)
    nats = np.append(nats, out_of_view)
    owns = np.exp(nats - nats.max())
    speaks = (1 - doubt) * owns / owns.sum() + doubt / len(owns)
    nobody = np.log(speaks[~np.append(in_view, False)].sum())
    scores = np.where(in_view, np.log(speaks[:-1]) + here, -np.inf)
    best = int(scores.argmax())
    return best if scores[best] > nobody else None
