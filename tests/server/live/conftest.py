"""Live sessions of the servers in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.server.live.clients import Caller, Lives


@pytest.fixture
def lives(annotator) -> Lives:
    """The sessions of `annotator`."""
    return annotator.lives


@pytest.fixture
def call() -> Callable[..., Any]:
    """Opens a WebSocket to a server of `serve`, in a with block."""

    @contextmanager
    def call(client: Any, **headers: str) -> Iterator[Caller]:
        with client.websocket_connect("ws://localhost/v1/live", headers=headers) as socket:
            yield Caller(socket)

    return call
