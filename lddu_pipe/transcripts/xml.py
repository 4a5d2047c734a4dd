"""What no transcript in XML needs and an attacker does."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.parsers import expat

from lddu_pipe.errors import UnusableInputError


def check_xml(path: Path) -> None:
    """Refuse a file that is not XML, or has a document type: it may hide endless text or files.

    Raises:
        UnusableInputError: It is such a file.
    """

    def refuse(*_: Any) -> None:
        raise UnusableInputError(
            f"{path} has a document type, which no transcript needs; remove it"
        )

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise UnusableInputError(
            f"{path} is not XML ({error}); save it again where it is from"
        ) from error
