"""Bytes of a text file to characters, whatever encoding its author's program wrote."""

from __future__ import annotations

import codecs
from pathlib import Path

from charset_normalizer import from_bytes

from lddu_pipe.errors import UnusableInputError

MAX_BYTES = 64 * 2**20
"""No transcript is longer: a day of speech is about 2 MB."""

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins like UTF-16's mark, so it is tried before that
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Encodings in which subtitles are found. Left to all it knows, the detector takes short German or
# French lines for Mac or HP encodings that nobody has written for decades.
_NATIONAL = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257"),
    *("koi8_r", "gb18030", "big5", "cp932", "euc_jp", "cp949"),
)
_UTF16 = ("utf_16_le", "utf_16_be")


def read_text(path: Path) -> str:
    r"""Return the text of a file with ``\n`` line ends and no byte order mark.

    Args:
        path: A text file in UTF-8, UTF-16, UTF-32 or a national encoding (windows-1252, ...).

    Raises:
        UnusableInputError: The file cannot be opened, is empty, too large, or not text.
    """
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise UnusableInputError(f"{path} {_problem(error)}") from error
    if size > MAX_BYTES:
        raise UnusableInputError(
            f"{path} has {size / 2**20:.0f} MB, too large for a transcript; check the file"
        )
    if not data.strip():
        raise UnusableInputError(f"{path} is empty; give a transcript with words")
    text = decode(data)
    if text is None:
        raise UnusableInputError(f"{path} is not text; save the transcript as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _problem(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist; check the name"
    if isinstance(error, IsADirectoryError):
        return "is a folder; name a transcript file inside it"
    return f"cannot be read: {error.strerror}"


def decode(data: bytes) -> str | None:
    """Return the characters of `data`, or None where it is not text in a known encoding."""
    text = _decode_unicode(data)
    if text is None:
        text = _decode_detected(data)
    return None if text is None or "\0" in text else text


def _decode_unicode(data: bytes) -> str | None:
    encoding = next(
        (name for mark, name in _BYTE_ORDER_MARKS.items() if data.startswith(mark)), "utf-8"
    )
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    # Latin text in UTF-16 without a mark is valid UTF-8, full of NUL.
    return None if "\0" in text else text


def _decode_detected(data: bytes) -> str | None:
    # Every text in UTF-16 has some ASCII (a line end, a digit), hence a NUL; no other has one.
    candidates = _UTF16 if b"\0" in data else _NATIONAL
    matches = from_bytes(data, cp_isolation=list(candidates))
    best = matches.best()
    if best is None:
        return None
    # Among equals the detector goes by the alphabet, and cp1250 comes before cp1252.
    for match in matches:
        tied = (match.chaos, match.coherence) == (best.chaos, best.coherence)
        if tied and match.encoding == "cp1252":
            best = match
    return str(best)
