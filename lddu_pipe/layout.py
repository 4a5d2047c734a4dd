"""The layout of an annotation's JSON: the one place that says which fields there are.

What annotations are read with, their JSON Schema, the description of the HTTP API and the types of
the pages' scripts are all made from these classes; docs/annotation.md explains the fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.predictions import EmotionScore, ScaleValue
from lddu_pipe.schemas import SCHEMA_VERSION, SCHEMA_VERSIONS
from lddu_pipe.types import Flag, Kind, Number, Seconds, Share, TimeSpan


@dataclass(frozen=True)
class SourceInfo:
    """What was annotated."""

    path: str
    """As given by the caller; empty for data passed in memory."""
    sha256: str
    """Of the file's bytes; empty for data passed in memory."""
    duration: Seconds
    """Seconds; 0 for stills and for text without times."""
    has_audio: Flag
    has_video: Flag

    @property
    def is_video(self) -> bool:
        """Whether there are pictures that move."""
        return self.has_video and self.duration > 0

    def kind(self, heard: Kind) -> Kind:
        """What an utterance is: what was heard in it, but in a picture and in text alone."""
        if not (self.has_audio or self.has_video):
            return "text"
        return "still" if self.has_video and not self.duration else heard


@dataclass(frozen=True)
class ModelInfo:
    """Which model spoke."""

    name: str
    version: str
    labels: tuple[str, ...]
    """In the order in which every utterance has them."""
    aligned: Flag
    """Whether every modality was pooled to one step a word."""
    scales: tuple[str, ...] = ()
    """Names of the continuous scales that it gives values of."""


@dataclass(frozen=True)
class Person:
    """Somebody who is seen or heard."""

    id: str
    """Unique in the annotation, such as ``p1``."""
    name: str | None
    """Where it is known."""
    seconds_visible: Seconds
    """For how long the face was followed."""
    seconds_speaking: Seconds
    """For how long this person is known to have spoken."""


@dataclass(frozen=True)
class Face:
    """A face that was followed through the pictures."""

    id: str
    """Unique in the annotation, such as ``f1``."""
    person: str
    """The id of whose face it is."""
    start: Seconds
    """Of the first box, in seconds of the media."""
    fps: Number
    """Boxes a second."""
    boxes: tuple[tuple[Share, Share, Share, Share] | None, ...]
    """Left, top, right and bottom as shares of the picture; null where the face was lost."""
    still: Flag = False
    """Whether it never moved: a drawing, a poster, a picture in the picture."""


@dataclass(frozen=True)
class Provenance:
    """What is needed to get the same annotation again."""

    created: str
    """ISO 8601, UTC."""
    versions: Mapping[str, str]
    weights: Mapping[str, str]
    """sha256 by the name of the weights."""
    config: Mapping[str, Any]
    """The settings, by name."""


class Layout(BaseModel):
    """Base of what stands in the JSON otherwise than in memory; no other fields are allowed."""

    # Building the models takes 0.1 s, which only those wait for who read an annotation.
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, defer_build=True)


class ModalityLayout(Layout):
    """Whether a modality was used, and why not."""

    present: Flag
    reason: str = ""
    """Only where it is absent."""

    @model_validator(mode="after")
    def _says_why(self) -> ModalityLayout:
        if self.present == bool(self.reason):
            raise ValueError("a modality is present, or absent with a reason")
        return self


class ModalitiesLayout(Layout):
    """Each modality of an utterance."""

    text: ModalityLayout
    audio: ModalityLayout
    vision: ModalityLayout


class UtteranceLayout(Layout):
    """One utterance with all labels, in label order."""

    id: str
    """Unique in the annotation."""
    kind: Kind
    """Speech has words, sound is a voice without words, silence is only seen; a still is a
    picture, a text nothing but words."""
    person: str | None
    """The id of one of `people`, where it is known who is seen or heard."""
    start: Number
    """Seconds of the media."""
    end: Number
    text: str
    """What was said, empty where nothing was."""
    language: str | None
    """Of the text, ISO 639-1, where known."""
    speaker: str | None
    """Who said it, as the transcript or the channel of the sound names them."""
    modalities: ModalitiesLayout
    emotions: list[EmotionScore]
    abstained: Flag
    """Whether the model decides nothing here."""
    label_set: list[str] | None = None
    """Only of a model that was calibrated for a coverage."""
    scales: dict[str, ScaleValue] = {}
    """By name, only of a model that has scales."""

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> UtteranceLayout:
        TimeSpan(self.start, self.end)
        return self


class AnnotationLayout(Layout):
    """The annotation; docs/annotation.md is the contract."""

    schema_version: Literal["2.1"]
    media: SourceInfo
    model: ModelInfo
    people: list[Person]
    faces: list[Face]
    utterances: list[UtteranceLayout]
    """In order of their starts; those of one person do not overlap."""
    provenance: Provenance

    @model_validator(mode="after")
    def _knows_everybody(self) -> AnnotationLayout:
        named = {face.person for face in self.faces} | {item.person for item in self.utterances}
        for unknown in named - {None, *(person.id for person in self.people)}:
            raise ValueError(f"{unknown} is not one of the people")
        return self


def read(values: Mapping[str, Any]) -> AnnotationLayout:
    """Check an annotation of any version; what earlier ones do not say is filled in.

    Raises:
        UnusableInputError: `values` are not laid out as the JSON contract says; in one line.
    """
    version = values.get("schema_version")
    if version not in SCHEMA_VERSIONS:
        *others, last = reversed(SCHEMA_VERSIONS)
        raise UnusableInputError(
            f"not an annotation of schema {', '.join(others)} or {last}"
            + ("" if version is None else f", but of {version!r}")
        )
    older = str(version).startswith("1.")
    current = {**values, "schema_version": SCHEMA_VERSION}
    try:
        found = AnnotationLayout.model_validate(_with_blanks(current) if older else current)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place, cause = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
        told = " ".join((f"{place}: {cause}" if place else cause).split())
        raise UnusableInputError(f"a damaged annotation: {told}") from None
    if older:
        _fill_in(found)
    return found


def _with_blanks(values: Mapping[str, Any]) -> dict[str, Any]:
    """An annotation of schema 1 in the layout of today, with nothing said in the new fields."""
    blank = {"kind": "text", "person": None, "language": None}
    known = {**values, "people": [], "faces": []}
    if isinstance(values.get("utterances"), list):
        known["utterances"] = [
            {**item, **blank} if isinstance(item, dict) else item for item in values["utterances"]
        ]
    return known


def _fill_in(found: AnnotationLayout) -> None:
    """Say of an annotation of schema 1 what follows from the rest; who is seen is not in it."""
    language = found.provenance.config.get("language")
    for item in found.utterances:
        # Sound was listened to only where there was a voice.
        heard: Kind = "sound" if item.modalities.audio.present else "silence"
        item.kind = found.media.kind("speech" if item.text else heard)
        item.language = language if item.text and isinstance(language, str) else None
