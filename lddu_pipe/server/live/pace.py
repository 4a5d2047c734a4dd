"""How fast a client may send, and how far its clock may be ahead of ours."""

from __future__ import annotations

import time
from collections.abc import Callable

from lddu_pipe.server.limits import LiveLimits
from lddu_pipe.server.live.closing import CloseCode, Closed


class Bucket:
    """Lets so much through in a second, and after a pause what would have come in it."""

    def __init__(self, rate: float, hold: float, clock: Callable[[], float]) -> None:
        """Begin full.

        Args:
            rate: what may pass in a second.
            hold: seconds of a pause that may be made up for.
            clock: of seconds.
        """
        self._rate, self._most, self._clock = rate, rate * hold, clock
        self._left, self._since = self._most, clock()

    def take(self, amount: float) -> bool:
        """Whether `amount` may pass now."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._since) * self._rate) - amount
        self._since = now
        return self._left >= 0


class Pace:
    """The pace of one client."""

    def __init__(self, limits: LiveLimits, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with the session.

        Args:
            limits: of the client.
            clock: of seconds.
        """
        self._limits = limits
        self._clock = clock
        self._messages = Bucket(limits.messages, limits.lead, clock)
        self._bytes = Bucket(limits.bandwidth, limits.lead, clock)
        self._first: tuple[float, float] | None = None

    def sent(self, size: int) -> None:
        """Count a message of `size` bytes.

        Raises:
            Closed: they come too fast.
        """
        if not (self._messages.take(1) and self._bytes.take(size)):
            raise Closed(
                CloseCode.TOO_MUCH,
                f"more than {self._limits.messages} messages or {self._limits.bandwidth} bytes "
                "a second",
            )

    def at(self, moment: float) -> None:
        """Check a time of the client's clock, which goes as ours does from the first time on.

        Else a client could ask for hours of silence to be listened to.

        Raises:
            Closed: it is too far ahead.
        """
        now = self._clock()
        if self._first is None:
            self._first = (moment, now)
        began, then = self._first
        if moment - began > now - then + self._limits.lead:
            raise Closed(
                CloseCode.BROKEN,
                f"a time more than {self._limits.lead:g} s ahead of the clock",
            )
