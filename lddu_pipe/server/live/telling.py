"""What a session finds, as messages for its client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lddu_pipe.events import Event, FacesSeen, StreamEnded, UnitJudged
from lddu_pipe.writers.events import event_values


def message_of(event: Event) -> tuple[str, bool] | None:
    """A message, and whether its client can do without it once there are newer ones.

    None for what is no news, and for the end, of which more is to be said.
    """
    values = None if isinstance(event, StreamEnded) else event_values(event)
    if values is None:
        return None
    running = isinstance(event, UnitJudged) and not event.final
    return text_of(values), running or isinstance(event, FacesSeen)


def text_of(values: Mapping[str, Any]) -> str:
    """The text of a message."""
    return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
