"""Bytes of a text file to characters, whatever encoding its author's program wrote."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from charset_normalizer import from_bytes

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.files import why_absent

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
# What a short file says to the detector is a matter of luck ("déjà" is "déją" to it, and the
# apostrophe of "It's" an ideograph): letters that all belong to one language settle it without
# asking. English and its western neighbours come first, as they do among the files of the world.
_ALPHABETS = {
    "cp1252": (
        "àâæçèéêëîïôœùûüÿ",  # French
        "äöüßé",  # German
        "áéíñóúü¿¡",  # Spanish
        "àèéìíîòóù",  # Italian
        "àáâãçéêíóôõúü",  # Portuguese
        "åäöé",  # Swedish, Finnish
        "æøåé",  # Danish, Norwegian
        "ëïéèöüáó",  # Dutch
    ),
    "cp1250": (
        "ąćęłńóśźż",  # Polish
        "áčďéěíňóřšťúůýžäľĺŕô",  # Czech, Slovak
        "áéíóöőúüű",  # Hungarian
        "ăâîşţ",  # Romanian
        "čćđšž",  # Croatian, Slovene
    ),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž"),  # Lithuanian, Latvian
    "cp1254": ("çğıöşüâîû\u0307",),  # Turkish; the dot is what İ leaves in lower case
}
_LOANS = "àáâäåçèéêëíîïñóôöøüœ"
_RARE = 0.03
"""Share of letters, at most, that English takes from elsewhere."""
_SIGNS = "’‘“”„–—…«»‹›€£§©®™°ºª·•´½¼¾×\u00a0"  # noqa: RUF001 - these are meant
_RUN_OF_FOREIGN = re.compile(rf"[^\x00-\x7f{_SIGNS}]{{3}}")


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a transcript.

    Raises:
        UnusableInputError: The file cannot be opened, is empty or too large.
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
    return data


def to_text(data: bytes, path: Path) -> str:
    r"""Return the text of a file with ``\n`` line ends and no byte order mark.

    Args:
        data: Text in UTF-8, UTF-16, UTF-32 or a national encoding (windows-1252, ...).
        path: Of the file, named in errors.

    Raises:
        UnusableInputError: It is not text.
    """
    text = decode(data)
    if text is None:
        raise UnusableInputError(f"{path} is not text; save the transcript as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _problem(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return why_absent(Path(error.filename))
    if isinstance(error, IsADirectoryError):
        return "is a folder; name a transcript file inside it"
    return f"cannot be read: {error.strerror}"


def decode(data: bytes) -> str | None:
    """Return the characters of `data`, or None where it is not text in a known encoding."""
    text = _decode_unicode(data)
    if text is None:
        text = _decode_latin(data) or _decode_detected(data)
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


def _decode_latin(data: bytes) -> str | None:
    """Text whose letters beyond ASCII are all those of one language, in its encoding."""
    for encoding, alphabets in _ALPHABETS.items():
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        # Other scripts, read so, are words of nothing but such letters.
        if "\0" in text or _RUN_OF_FOREIGN.search(text):
            continue
        foreign = [char for char in text.lower() if ord(char) > 127 and char not in _SIGNS]
        loans = len(foreign) <= _RARE * sum(map(str.isalpha, text))
        known = (*alphabets, _LOANS) if loans and encoding == "cp1252" else alphabets
        if any(set(foreign) <= set(alphabet) for alphabet in known):
            return text
    return None


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
