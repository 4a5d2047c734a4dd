"""How the field names the segments of its videos."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import numpy as np

from lddu_pipe.datasets.targets import text_of


def name_of(identifier: Any) -> str:  # noqa: ANN401 - a text, bytes, or several
    """What a row is called: its id, or its video, start and end."""
    if isinstance(identifier, list | tuple | np.ndarray):
        return "_".join(text_of(part) for part in np.ravel(np.asarray(identifier, object)))
    return text_of(identifier)


def segment_of(name: str) -> Hashable:
    """What ``VIDEO$_$3``, ``VIDEO[3]``, ``VIDEO_3`` and ``VIDEO$_$03`` have in common."""
    match = re.fullmatch(r"(.+?)(?:\$_\$|_)(\d+)|(.+)\[(\d+)\]", name.strip())
    if match is None:
        return name.strip()
    return match[1] or match[3], int(match[2] or match[4])
