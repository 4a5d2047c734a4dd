"""The errors people see. Each message says what is wrong, with which file, and what to do."""

from __future__ import annotations


class LdduPipeError(Exception):
    """Base of every error this package raises on purpose; its text is one line for a person."""

    def __str__(self) -> str:
        # What a message quotes, a name or a key in a file, may hold line breaks of any kind.
        return " ".join(super().__str__().splitlines())


class UnusableInputError(LdduPipeError):
    """The input cannot be used: missing, empty, no media, no transcript, a bad manifest row."""


class MissingAssetError(LdduPipeError):
    """Weights, a program or a system library are not on this machine."""


class IncompatibleModelError(LdduPipeError):
    """A checkpoint does not fit the features, label set or version it is used with."""
