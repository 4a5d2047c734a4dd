"""The session's time: seconds since the first moment that the caller named."""

from __future__ import annotations

import math
import threading

from lddu_pipe.errors import UnusableInputError


class Clock:
    """Turns moments of the caller's clock into seconds of the session."""

    def __init__(self) -> None:
        """Nothing has begun."""
        self._begin: float | None = None
        self._alone = threading.Lock()

    def seconds(self, at: float) -> float:
        """Seconds since the beginning, which is the first moment that is asked about.

        Raises:
            UnusableInputError: it is no moment.
        """
        try:
            moment = float(at)
        except (TypeError, ValueError):
            moment = math.nan
        if not math.isfinite(moment):
            raise UnusableInputError(f"at is a time in seconds, got {at!r}")
        with self._alone:
            if self._begin is None:
                self._begin = moment
            return moment - self._begin

    def begin(self) -> None:
        """Let the session begin, at second 0 of the caller's clock where none was named."""
        with self._alone:
            self._begin = 0.0 if self._begin is None else self._begin
