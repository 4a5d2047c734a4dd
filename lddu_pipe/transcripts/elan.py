"""ELAN's EAF, read with pympi."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, groupby
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
        found = [item[:3] for item in eaf.get_annotation_data_for_tier(name)]
        if kind == "words":  # those without times get them from their utterance
            found = [item for item in found if None not in item[:2]]
        times = _filled([time for item in found for time in item[:2]])
        intervals = list(zip(times[::2], times[1::2], (item[2] for item in found), strict=True))
        yield Tier(name, kind, speaker, intervals)


def _identify(name: str, attributes: Mapping[str, str]) -> tuple[Kind | None, str | None]:
    kind, speaker = identify(name)
    participant = " ".join(attributes.get("PARTICIPANT", "").split())
    kind = kind or kind_of(attributes["LINGUISTIC_TYPE_REF"])
    return kind, participant or speaker


def _filled(milliseconds: Sequence[int | None]) -> list[float]:
    """The seconds at which annotations begin and end, in turn.

    ELAN leaves a time out where an annotation was split without saying when; it shows such times
    at equal distances between those that are known. NaN where there is none on one side.
    """
    times = [math.nan if time is None else time / 1000 for time in milliseconds]
    first = 0
    for known, group in groupby(milliseconds, lambda time: time is not None):
        end = first + len(list(group))
        if not known and first > 0 and end < len(times):
            # The end of one annotation is the beginning of the next.
            begins = [place == first or place % 2 == 1 for place in range(first, end)]
            step = (times[end] - times[first - 1]) / (sum(begins) + 1)
            for place, number in zip(range(first, end), accumulate(begins), strict=True):
                times[place] = times[first - 1] + number * step
        first = end
    return times
