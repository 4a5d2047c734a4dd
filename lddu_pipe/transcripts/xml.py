"""What no transcript in XML needs and an attacker does."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.parsers import expat

from lddu_pipe.errors import UnusableInputError


def check_xml(path: Path, root: str = "", program: str = "") -> None:
    """Refuse a file that is not XML, or has a document type: it may hide endless text or files.

    Args:
        path: of the file.
        root: the name of its first element; any where this is empty.
        program: that writes such files.

    Raises:
        UnusableInputError: It is such a file.
    """

    def refuse(*_: Any) -> None:
        raise UnusableInputError(
            f"{path} has a document type, which no transcript needs; remove it"
        )

    def begin(name: str, _: object) -> None:
        parser.StartElementHandler = None
        if root and name != root:
            raise UnusableInputError(
                f"{path} is not a transcript of {program} (it begins with {name}); save it there"
            )

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = begin
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    # The others are of an encoding that is declared and that Python does not know or cannot use.
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise UnusableInputError(
            f"{path} is not XML ({error}); save it again where it is from"
        ) from error
