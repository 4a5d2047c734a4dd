"""ELAN's EAF 3.0: the media linked, and a tier of text, emotion and confidence a person.

ELAN's tiers may not overlap, so what somebody says over themselves stands on further tiers,
``text2@Ana`` and so on. https://www.mpi.nl/tools/elan/EAFv3.0.xsd is the schema.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pympi.Elan import Eaf, to_string

from lddu_pipe.annotation import Annotation, SourceInfo
from lddu_pipe.writers.escaping import xml_text
from lddu_pipe.writers.lanes import Lane, Placed, lanes, whole_milliseconds
from lddu_pipe.writers.people import Names
from lddu_pipe.writers.wording import confidence, emotion

# Those that ELAN knows, and the common ones beside them; the system's own list is not the same
# everywhere.
_MIME_TYPES = {
    ".wav": "audio/x-wav",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".ogg": "audio/ogg",
    ".flac": "audio/flac",
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".mpg": "video/mpeg",
    ".mpeg": "video/mpeg",
    ".avi": "video/x-msvideo",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
}
_ASSOCIATION = "Symbolic_Association"


def render(annotation: Annotation, folder: Path | None = None) -> bytes:
    """Return the EAF. Times are whole milliseconds; an utterance without length gets one.

    The tiers ``emotion`` and ``confidence`` hold what `lddu_pipe.writers.wording` says.
    """
    eaf = Eaf(author="lddu-pipe")
    eaf.remove_tier("default")
    eaf.remove_linguistic_type("default-lt")
    eaf.adocument |= {
        "DATE": _date(annotation.provenance.created),
        "FORMAT": "3.0",
        "VERSION": "3.0",
        "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
    }
    eaf.header = {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"}
    media = annotation.media
    if media.path and (media.has_audio or media.has_video):
        _link(eaf, media, folder)
    eaf.add_linguistic_type("text")
    for kind in ("emotion", "confidence"):
        eaf.add_linguistic_type(kind, constraints=_ASSOCIATION, timealignable=False)
    sorted_lanes = lanes(
        [Placed(*whole_milliseconds(item), item) for item in annotation.utterances],
        Names.in_annotation(annotation),
    )
    slots = _slots(eaf, sorted_lanes)
    for lane in sorted_lanes:
        _fill(eaf, lane, slots)
    eaf.properties = [("lastUsedAnnotationId", eaf.maxaid)]
    content: bytes = to_string(eaf, encoding="UTF-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + content + b"\n"


def _date(created: str) -> str:
    """The schema wants a date, which an annotation made by hand may lack."""
    try:
        return datetime.fromisoformat(created).isoformat()
    except ValueError:
        return datetime.fromtimestamp(0, UTC).isoformat()


def _link(eaf: Eaf, media: SourceInfo, folder: Path | None) -> None:
    """Link the media. ELAN only takes ``file:`` off: percent signs would not be found."""
    path = Path(media.path).absolute()
    relative = None
    if folder is not None:
        steps = Path(os.path.relpath(path, folder.absolute())).as_posix()
        relative = xml_text(steps if steps.startswith("../") else f"./{steps}")
    kind = _MIME_TYPES.get(path.suffix.lower(), "video/*" if media.has_video else "audio/*")
    eaf.add_linked_file(xml_text(f"file://{path.as_posix()}"), relpath=relative, mimetype=kind)


def _slots(eaf: Eaf, all_lanes: Sequence[Lane]) -> dict[tuple[str, int, bool], str]:
    """Make time slots in order of time; their keys: lane, number in the lane, whether an end."""
    moments = sorted(
        (moment, lane.name("text"), number, is_end)
        for lane in all_lanes
        for number, place in enumerate(lane.places)
        for moment, is_end in ((place.start, False), (place.end, True))
    )
    return {
        (name, number, is_end): eaf.generate_ts_id(moment)
        for moment, name, number, is_end in moments
    }


def _fill(eaf: Eaf, lane: Lane, slots: dict[tuple[str, int, bool], str]) -> None:
    """Add the three tiers of a lane.

    The tiers are filled as pympi's documentation lays them out: its own methods look for the
    parent of each annotation by time, which takes minutes in a long recording.
    """
    name = lane.name("text")
    children = {"emotion": emotion, "confidence": confidence}
    eaf.add_tier(name, ling="text", part=lane.who)
    for kind in children:
        eaf.add_tier(lane.name(kind), ling=kind, parent=name, part=lane.who)
    for number, place in enumerate(lane.places):
        parent = eaf.generate_annotation_id()
        begin, end = slots[name, number, False], slots[name, number, True]
        eaf.tiers[name][0][parent] = (begin, end, xml_text(place.prediction.text), None)
        for kind, describe in children.items():
            child = eaf.generate_annotation_id()
            value = xml_text(describe(place.prediction))
            eaf.tiers[lane.name(kind)][1][child] = (parent, value, None, None)
