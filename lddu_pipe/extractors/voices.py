"""Who speaks when: voices are told apart, and known again through a recording.

In each block of a recording one network (`voice_changes`) says where voices begin, end and
overlap, another (`voice_network`) what the pieces in between sound like, and `voice_groups` which
of them are of one voice. Of each voice only sums are kept, and nothing once the recording ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.assets import resolve
from lddu_pipe.extractors.voice_changes import PLACES, ChangeNetwork, speaking
from lddu_pipe.extractors.voice_groups import (
    LEAST,
    Group,
    centres,
    find_groups,
    likeness,
    split,
)
from lddu_pipe.extractors.voice_network import DIMENSIONS, FRAME_SHIFT, SAMPLE_RATE, VoiceNetwork
from lddu_pipe.types import TimeSpan, Turn

__all__ = ["Turn", "VoiceTeller", "Voices"]

VOICE_ASSET, CHANGE_ASSET = "campplus", "segmentation-3.0"

STRETCH = 10.0
"""Seconds, at most, that the networks hear at once."""
SHORTEST = 0.5
"""Seconds of speech, at least, that are worth the question whose it is."""
PIECE = 2.0
"""Seconds, at most, of the pieces that are first compared."""
LONG_PIECE = 3.5
"""Likewise, once it is better known where voices change."""
SPEAKS = 0.1
"""Probability from which somebody speaks: it is asked only where a voice is heard."""
TOGETHER = 0.5
"""Probability from which two speak at a time."""
PAUSE = 0.5
"""Seconds without a voice that end a turn."""
BRIEF = 0.3
"""Seconds: a shorter turn is none."""
JOIN = 0.3
"""Seconds without a voice inside a piece."""
HEARD = 0.6
"""Seconds before and after a moment that tell whose voice it is."""
CHANGE = 0.2
"""How much more similar another voice must be, at least, in sum over moments 0.1 s apart."""
_HOP = 5  # steps from one such moment to the next


class Voices:
    """The two networks, which all recordings share."""

    def __init__(self, voice: VoiceNetwork, change: ChangeNetwork) -> None:
        """Use networks that were loaded."""
        self.voice, self.change = voice, change

    @classmethod
    def load(cls) -> Voices:
        """Read the weights, the assets `VOICE_ASSET` and `CHANGE_ASSET`.

        Raises:
            MissingAssetError: they are not on this machine; nothing is downloaded.
        """
        return cls(
            VoiceNetwork.load(resolve(VOICE_ASSET)), ChangeNetwork.load(resolve(CHANGE_ASSET))
        )

    def teller(self) -> VoiceTeller:
        """One for one recording."""
        return VoiceTeller(self)


class VoiceTeller:
    """Tells the voices of one recording apart, block by block."""

    def __init__(self, voices: Voices) -> None:
        """Know no voice yet."""
        self._voices = voices
        self._known: list[Group] = []

    def copy(self) -> VoiceTeller:
        """One that knows the same voices; what either hears next, the other does not know."""
        other = VoiceTeller(self._voices)
        other._known = list(self._known)
        return other

    def turns(
        self, samples: NDArray[np.float32], speech: Sequence[Mapping[str, int]], offset: float
    ) -> tuple[Turn, ...]:
        """Say who speaks when in the next block of the recording.

        A voice is new where it speaks for some seconds and is like none before. Whoever speaks
        less is the most similar of those who are known.

        Args:
            samples: (samples,) float32 mono at 16 kHz.
            speech: where somebody speaks, "start" and "end" in samples, in order.
            offset: second of the recording at which the block begins.

        Returns:
            In order of start; those of two voices may overlap, those of one have a pause between
            them. Voices are numbered from 0 in order of appearance in the recording.
        """
        places = [np.arange(part["start"], part["end"]) for part in speech]
        if sum(map(len, places)) < SHORTEST * SAMPLE_RATE:
            return ()
        heard = _Heard(self._voices, samples, np.concatenate(places))
        points, seconds = heard.pieces(PIECE)
        if not len(points):
            return ()
        # What sounds alike says better where voices change than what was heard first.
        heard.place(centres(split(points), points, seconds))
        points, seconds = heard.pieces(LONG_PIECE)
        if not len(points):
            return ()
        voices = self._recognise(find_groups(points, seconds), points, seconds)
        names = np.unique(voices)
        return tuple(
            Turn(span.shift(offset), int(names[number]))
            for span, number in heard.turns(centres(voices, points, seconds))
        )

    def _recognise(
        self, groups: NDArray[np.intp], points: NDArray[np.float32], seconds: NDArray[np.float64]
    ) -> NDArray[np.intp]:
        """The voice of each piece, given its group in this block."""
        before = len(self._known)
        voice_of: list[int] = []
        for number in range(groups.max() + 1):
            own = groups == number
            group = Group.of(points[own], seconds[own])
            alike = [likeness(group, known) for known in self._known]
            nearest = int(np.argmax(alike)) if alike else -1
            if max(alike[:before], default=-1.0) >= 0:
                nearest = int(np.argmax(alike[:before]))
                self._known[nearest] += group
            elif group.seconds >= LEAST or nearest < 0:
                nearest = len(self._known)
                self._known.append(group)
            voice_of.append(nearest)
        return np.array(voice_of, np.intp)[groups]


class _Heard:
    """The speech of a block, as the networks describe it, at even moments."""

    def __init__(
        self, voices: Voices, samples: NDArray[np.float32], places: NDArray[np.intp]
    ) -> None:
        self._embed = voices.voice.embed
        bounds = np.linspace(0, len(places), 1 + -(-len(places) // round(STRETCH * SAMPLE_RATE)))
        steps, activity, moments, stretch = [], [], [], []
        for number, (begin, end) in enumerate(pairwise(bounds.astype(int))):
            sound = samples[places[begin:end]]
            found = voices.voice.steps(sound)
            middles = (np.arange(len(found)) + 0.5) * FRAME_SHIFT
            steps.append(found)
            activity.append(voices.change.activity(sound, middles))
            inside = (middles * SAMPLE_RATE).astype(int).clip(0, len(sound) - 1)
            moments.append(places[begin:end][inside] / SAMPLE_RATE)
            stretch.append(np.full(len(found), number))
        self._steps = np.concatenate(steps).astype(np.float64)
        found = np.concatenate(activity)
        self._speaks = found[:, 0] < 1 - SPEAKS
        self._together = found[:, 1 + PLACES :].sum(1) > TOGETHER
        self._moments = np.concatenate(moments)
        """Seconds of the block."""
        self._section = np.cumsum(np.diff(self._moments, prepend=0.0) > PAUSE)
        """Which stretch without a long silence a step is of."""
        place = speaking(found).argmax(1)
        self._place = np.where(self._speaks, 1 + place + PLACES * np.concatenate(stretch), 0)
        """Which voice of a stretch speaks, another number in each; 0: nobody."""

    def pieces(self, longest: float) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """What each stretch sounds like in which one voice speaks alone.

        Args:
            longest: seconds, at most, of a stretch.

        Returns:
            (n, d) points of unit length, and the (n,) seconds that each is of.
        """
        points, seconds = [], []
        for piece in self._alone(longest):
            steps = self._steps[piece]
            points.append(self._embed(steps.mean(0)[None], steps.std(0, ddof=1)[None]))
            seconds.append(len(piece) * FRAME_SHIFT)
        return np.concatenate([np.empty((0, DIMENSIONS), np.float32), *points]), np.array(seconds)

    def _alone(self, longest: float) -> list[NDArray[np.intp]]:
        """Steps at which one voice speaks alone, in runs."""
        runs: list[tuple[int, int, int]] = []
        for begin, end, place in _runs(self._place):
            if not place:
                continue
            near = runs and begin - runs[-1][1] <= round(JOIN / FRAME_SHIFT)
            if near and runs[-1][2] == place:
                runs[-1] = runs[-1][0], end, place
            else:
                runs.append((begin, end, place))
        found = []
        for begin, end, place in runs:
            parts = int(np.ceil((end - begin) * FRAME_SHIFT / longest))
            bounds = np.linspace(begin, end, parts + 1).astype(int)
            for first, last in pairwise(bounds):
                alone = (self._place[first:last] == place) & ~self._together[first:last]
                piece = first + np.flatnonzero(alone)
                if len(piece) >= SHORTEST / FRAME_SHIFT:
                    found.append(piece)
        return found

    def place(self, middles: NDArray[np.float32]) -> None:
        """Let changes of voice be where another of some (n, d) points is nearer."""
        nearest, _ = self._nearest(middles)
        self._place = np.where(self._speaks, 1 + nearest, 0)

    def _nearest(
        self, middles: NDArray[np.float32]
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The nearest of some points at each step, with few changes; and how near at each hop."""
        likenesses = self._points @ middles.T
        path = _best_path(likenesses, self._speaks[::_HOP])
        return np.repeat(path, _HOP)[: len(self._place)], likenesses

    def turns(self, middles: NDArray[np.float32]) -> list[tuple[TimeSpan, int]]:
        """Where each of some voices speaks, given (voices, d) points of unit length."""
        first, likenesses = self._nearest(middles)
        active = np.zeros((len(middles), len(self._place)), bool)
        steps = np.flatnonzero(self._speaks)
        active[first[steps], steps] = True
        if len(middles) > 1:
            steps = np.flatnonzero(self._together & self._speaks)
            others = likenesses[steps // _HOP].copy()
            others[np.arange(len(steps)), first[steps]] = -np.inf
            active[others.argmax(1), steps] = True
        found = [
            (span, number)
            for number, moments in enumerate(active)
            for span in self._spans(moments)
        ]
        return sorted(found)

    @cached_property
    def _points(self) -> NDArray[np.float32]:
        """(n, d) what every `_HOP`th step sounds like, with what is around it."""
        length, around = len(self._steps), round(HEARD / FRAME_SHIFT)
        sums = np.cumsum(np.pad(self._steps, ((1, 0), (0, 0))), axis=0)
        squares = np.cumsum(np.pad(self._steps**2, ((1, 0), (0, 0))), axis=0)
        at = np.arange(0, length, _HOP)
        begin, end = (at - around).clip(0), (at + around).clip(max=length)
        count = (end - begin)[:, None]
        mean = (sums[end] - sums[begin]) / count
        variance = (squares[end] - squares[begin]) / count - mean**2
        deviation = np.sqrt(variance.clip(1e-10) * count / (count - 1).clip(1))
        return self._embed(mean, deviation)

    def _spans(self, active: NDArray[np.bool_]) -> list[TimeSpan]:
        """Where one voice speaks, without its pauses."""
        spans: list[TimeSpan] = []
        for begin, end, section in _runs(np.where(active, self._section, -1)):
            if section < 0:
                continue
            span = TimeSpan(
                float(self._moments[begin]) - FRAME_SHIFT / 2,
                float(self._moments[end - 1]) + FRAME_SHIFT / 2,
            )
            if spans and span.start - spans[-1].end < PAUSE:
                spans[-1] = TimeSpan(spans[-1].start, span.end)
            else:
                spans.append(span)
        return [span for span in spans if span.duration >= BRIEF]


def _runs(values: NDArray[np.intp]) -> list[tuple[int, int, int]]:
    """First index, the one after the last, and the value, of each run of equal ones."""
    bounds = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return [(begin, end, int(values[begin])) for begin, end in pairwise(bounds)]


def _best_path(likenesses: NDArray[np.float32], speaks: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The voice at each moment: the most similar ones, with few changes (Viterbi)."""
    count, voices = likenesses.shape
    score = likenesses[0].astype(np.float64)
    came = np.zeros((count, voices), np.intp)
    for moment in range(1, count):
        best = int(score.argmax())
        stays = score >= score[best] - CHANGE
        came[moment] = np.where(stays, np.arange(voices), best)
        score = np.where(stays, score, score[best] - CHANGE)
        if speaks[moment]:
            score += likenesses[moment]
    path = np.empty(count, np.intp)
    path[-1] = int(score.argmax())
    for moment in range(count - 1, 0, -1):
        path[moment - 1] = came[moment, path[moment]]
    return path
