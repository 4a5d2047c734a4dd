"""Live sessions of the servers in this process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
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
        # The test client cancels the session of who goes away, which no server does, and takes
        # it for an error where the session is being given up at that very moment.
        with (
            contextlib.suppress(CancelledError),
            client.websocket_connect("ws://localhost/v1/live", headers=headers) as socket,
        ):
            yield Caller(socket)

    return call
