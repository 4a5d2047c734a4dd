"""ELAN's EAF, read with pympi."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pympi import Elan
from pympi.Elan import Eaf

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.transcripts.tiers import Kind, Tier, identify, kind_of, read_tiers
from lddu_pipe.transcripts.xml import check_xml
from lddu_pipe.types import Transcript

_SCHEMA = "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation"


def parse_eaf(text: str, path: Path, chosen: Sequence[str] = ()) -> Transcript:
    """Read the tiers of an EAF that hold speech, as `lddu_pipe.transcripts.tiers` says.

    Tiers without a parent are read, and others only where they alone are named for utterances
    (as ``tx`` below ``ref``), or where they have the times of words. The speaker is the tier's
    participant, or else named by the tier.

    Args:
        text: Not used: the parser of XML finds out the encoding itself.
        path: The file.
        chosen: Names of the tiers to read; none leaves it to the rule.

    Raises:
        UnusableInputError: It is not XML, has a document type (which may hide endless text or
            other files), is not EAF, or no annotation can be read.
    """
    check_xml(path, "ANNOTATION_DOCUMENT", "ELAN")
    try:
        eaf = Eaf()
        eaf.remove_tier("default")
        # pympi deletes this attribute, which some programs leave out.
        eaf.adocument[_SCHEMA] = ""
        Elan.parse_eaf(str(path), eaf, suppress_version_warning=True)
        tiers = list(_tiers(eaf, chosen))
    except Exception as error:
        # pympi checks nothing: whatever a file lacks shows as an error of any kind.
        raise UnusableInputError(
            f"{path} is not a transcript of ELAN ({type(error).__name__}: {error}); "
            "open it in ELAN and save it again"
        ) from error
    units = eaf.header.get("TIME_UNITS", "milliseconds")
    if units != "milliseconds":
        raise UnusableInputError(f"{path} counts time in {units}; save it with milliseconds")
    return read_tiers(tiers, path, chosen)


def _tiers(eaf: Eaf, chosen: Sequence[str]) -> Iterator[Tier]:
    for name, (aligned, _, attributes, _) in eaf.tiers.items():
        kind, speaker = _identify(name, attributes)
        described = eaf.linguistic_types.get(attributes["LINGUISTIC_TYPE_REF"]) or {}
        if kind is None and described.get("CONTROLLED_VOCABULARY_REF"):
            kind = "other"  # labels that are chosen from a list
        parent = attributes.get("PARENT_REF")
        if parent is not None and name not in chosen:
            above, _ = _identify(parent, eaf.tiers[parent][2])
            named_here = kind == "utterances" and above in {None, "other"}
            timed_words = kind == "words" and aligned
            if not (named_here or timed_words):
                continue
        intervals = [
            (_seconds(start), _seconds(end), value)
            for start, end, value, *_ in eaf.get_annotation_data_for_tier(name)
            # Words between two times need none; utterances without one are an error further on.
            if kind != "words" or None not in (start, end)
        ]
        yield Tier(name, kind, speaker, intervals)


def _identify(name: str, attributes: Mapping[str, str]) -> tuple[Kind | None, str | None]:
    kind, speaker = identify(name)
    participant = " ".join(attributes.get("PARTICIPANT", "").split())
    kind = kind or kind_of(attributes["LINGUISTIC_TYPE_REF"])
    return kind, participant or speaker


def _seconds(milliseconds: int | None) -> float:
    return math.nan if milliseconds is None else milliseconds / 1000
