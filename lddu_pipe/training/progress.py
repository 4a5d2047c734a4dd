"""How far a training is: a callback for a progress bar, and lines for a log."""

from __future__ import annotations

from collections.abc import Callable

ProgressCallback = Callable[[str, float], None]
"""Called with the stage and the share of it that is done, at every step."""
Log = Callable[[str], None]
"""Called with a line once an epoch, or less often where epochs are short."""


def ignore(*news: object) -> None:
    """A log, a progress callback or a hook of a caller who does not want one."""


def prefixed(progress: ProgressCallback, prefix: str) -> ProgressCallback:
    """A callback whose stages begin with what they belong to."""
    return lambda stage, share: progress(f"{prefix} · {stage}", share)


def prefixed_log(log: Log, prefix: str) -> Log:
    """The same for a log."""
    return lambda line: log(f"{prefix} · {line}")


def shown_time(seconds: float) -> str:
    """A length of time for people, such as 0.4 s, 38 s, 12 min or 3 h 5 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
