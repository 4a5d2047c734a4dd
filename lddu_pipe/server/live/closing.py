"""How a live session ends: a code of the WebSocket, and why in words."""

from __future__ import annotations

from enum import IntEnum

_LONGEST = 123
"""Bytes of a reason, at most (RFC 6455, section 5.5)."""


class CloseCode(IntEnum):
    """Codes of our own are those of HTTP, and 4000."""

    DONE = 1000, "The session was ended, and everything was said."
    TOO_LARGE = 1009, "A message is larger than the server takes."
    RESTART = 1012, "The server stops."
    BROKEN = 4400, "A message is not as this page has it, or holds what cannot be used."
    NO_TOKEN = 4401, "The token is missing or wrong."
    TOO_SLOW = 4408, "The first message did not come in time, or results were not taken."
    TOO_MUCH = 4429, "Too many sessions, messages, bytes or wrong tokens."
    DEFECT = 4500, "A defect of the server, whose log says more."
    NOT_READY = 4503, "The model is being loaded, or what the session needs is not there."

    meaning: str

    def __new__(cls, code: int, meaning: str) -> CloseCode:
        """A code with what it means."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member


class Closed(Exception):  # noqa: N818 - it tells what happens, and need not be an error
    """Ends a session."""

    def __init__(self, code: CloseCode, reason: str = "") -> None:
        """Say why.

        Args:
            code: for programs.
            reason: for people; what does not fit is cut off.
        """
        super().__init__(reason)
        self.code = code
        self.reason = " ".join(reason.split()).encode()[:_LONGEST].decode(errors="ignore")


class GoneError(Exception):
    """The client went away: there is nobody to be told anything."""
