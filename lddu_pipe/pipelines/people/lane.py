"""What somebody shows who does not speak, cut into stretches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.evidence import ModalitySequence
from lddu_pipe.segmentation import SHORTEST_GAP
from lddu_pipe.types import TimeSpan

SIDE = 1.0
"""Seconds before and after a moment that are compared to tell whether an expression changes."""
CHANGE = 0.5
"""Share of an expression's probabilities, 0..1, that must move for it to be another one."""
_PROFILE = "log_probability_"
"""Begins the names of features that say which expression is shown."""


class Lane:
    """The time in which one person is seen and does not speak.

    It is cut where the expression changes, and else after a window. Stretches do not depend on
    how often they are asked for: each is cut by what lies before its end and a second after it.
    """

    def __init__(self, window: float, shortest: float = SHORTEST_GAP) -> None:
        """Nothing is seen yet.

        Args:
            window: seconds, at most, of a stretch.
            shortest: seconds, at least.
        """
        self._window = window
        self._shortest = min(shortest, window / 2)
        self._spans: NDArray[np.float64] = np.zeros((0, 2))
        """Of each step that is in no stretch yet."""
        self._profiles: NDArray[np.float32] = np.zeros((0, 0), np.float32)
        """Of each of these steps, the probabilities of the expressions."""
        self._spoken: list[TimeSpan] = []

    @property
    def begin(self) -> float:
        """No stretch that is still to come begins earlier, in seconds."""
        return float(self._spans[0, 0]) if len(self._spans) else np.inf

    def speak(self, span: TimeSpan) -> None:
        """Take in when the person speaks, before `closed` is asked for that time."""
        self._spoken.append(span)

    def see(self, steps: ModalitySequence) -> None:
        """Take in steps of the face; only those count in which an expression can be read."""
        columns = [name.startswith(_PROFILE) for name in steps.feature_names]
        found = np.exp(steps.values[steps.valid][:, columns])
        kept = self._profiles if len(self._spans) else np.zeros((0, found.shape[1]), np.float32)
        spans = np.concatenate([self._spans, steps.spans[steps.valid]])
        order = np.argsort(spans[:, 0], kind="stable")
        self._spans = spans[order]
        self._profiles = np.concatenate([kept, found])[order]

    def closed(self, until: float) -> Iterator[TimeSpan]:
        """The stretches that have become final, in order, and let go of their steps.

        Args:
            until: seconds of the media up to which everything was taken in.
        """
        self._leave_out_speech(until)
        while len(self._spans) and (cut := self._next(until)) is not None:
            count, end = cut
            span = TimeSpan(self.begin, end)
            self._spans, self._profiles = self._spans[count:], self._profiles[count:]
            if span.duration >= self._shortest - 1e-9:
                yield span

    def _leave_out_speech(self, until: float) -> None:
        for span in self._spoken:
            starts, ends = self._spans.T
            free = (starts < span.start) | (starts >= span.end)
            ends[(starts < span.start) & (ends > span.start)] = span.start
            self._spans, self._profiles = self._spans[free], self._profiles[free]
        # A step that begins later may be one of those that `until` leaves out.
        self._spoken = [span for span in self._spoken if span.end > until or span.end > self.begin]

    def _next(self, until: float) -> tuple[int, float] | None:
        """How many steps the next stretch has, and its end; None while that may change."""
        starts, ends = self._spans[self._spans[:, 0] < until].T
        broken = np.flatnonzero(starts[1:] - ends[:-1] > SHORTEST_GAP)
        spoken = [span.start for span in self._spoken if span.start > self.begin]
        cut_off = np.flatnonzero(starts >= min(spoken)) if spoken else np.zeros(0, np.intp)
        count = min([len(starts), *(broken[:1] + 1), *cut_off[:1]])
        if count == 0:
            return None
        whole = count < len(starts) or until - ends[count - 1] > SHORTEST_GAP
        duration = float(ends[count - 1] - starts[0])
        if duration >= self._window + SIDE:
            latest, otherwise = self._window, self._window
        elif whole:
            latest = duration - SIDE
            otherwise = duration if duration <= self._window else duration / 2
        else:
            return None
        moment = self._change(starts[:count] - starts[0], latest) or otherwise
        until_moment = np.searchsorted(ends[:count] - starts[0], moment + 1e-6, side="right")
        taken = max(1, int(until_moment))
        if taken == count:
            return count, float(ends[count - 1])
        return taken, min(float(ends[taken - 1]), float(starts[taken]))

    def _change(self, times: NDArray[np.float64], latest: float) -> float | None:
        """The first moment, in seconds after the first step, at which the expression changes."""
        moments = times[(times >= SIDE) & (times <= latest)]
        moved = np.array([self._moved(times, moment) for moment in moments])
        if not len(moved) or moved.max() < CHANGE:
            return None
        first = int((moved >= CHANGE).argmax())
        # It goes on to change while the second that follows fills with the new expression.
        near = moments <= moments[first] + SIDE / 2
        return float(moments[int(np.where(near, moved, -1.0).argmax())])

    def _moved(self, times: NDArray[np.float64], moment: float) -> float:
        """Total variation between the second before a moment and the one after it, 0..1."""
        profiles = self._profiles[: len(times)]
        before = profiles[(times >= moment - SIDE) & (times < moment)]
        after = profiles[(times >= moment) & (times < moment + SIDE)]
        if not len(before) or not profiles.shape[1]:
            return 0.0
        return float(np.abs(before.mean(axis=0) - after.mean(axis=0)).sum() / 2)
