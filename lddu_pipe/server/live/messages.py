"""What goes over the WebSocket of a live session as JSON, either way."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lddu_pipe.layout import ModelInfo, Person, Provenance, UtteranceLayout
from lddu_pipe.pipelines.settings import SETTINGS
from lddu_pipe.server.limits import NAME
from lddu_pipe.server.live.closing import CloseCode, Closed
from lddu_pipe.types import Kind, Share

_MODALITY = Literal["text", "audio", "vision"]
_PEOPLE = SETTINGS["people"]

LineOfContext = Annotated[str, Field(max_length=1000)]
Label = Annotated[str, Field(max_length=NAME)]


class LiveMessage(BaseModel):
    """Base of all of them."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


# From the client


class OpenMessage(LiveMessage):
    """The first message of a client. Send nothing else before `ready` has come."""

    type: Literal["open"]
    token: str = Field("", max_length=1000, repr=False)
    """Of the server, where it has tokens."""
    audio_rate: int | None = Field(None, ge=8000, le=192_000, strict=True)
    """Hz of the sound that will come; null: there is no microphone."""
    camera: bool = Field(False, strict=True)
    """Whether pictures will come."""
    people: int | None = Field(None, ge=_PEOPLE.low, le=_PEOPLE.high, strict=True)
    """Who are followed at once, at most; null: as many as the server was told."""
    context: list[LineOfContext] = Field([], max_length=32)
    """What was said right before, the oldest line first."""
    label: Label = ""
    """What the session is called where it is saved."""
    keep: bool = Field(False, strict=True)
    """Wait for `save` once it has ended, some minutes at most."""


class EndMessage(LiveMessage):
    """Nothing more comes: what is open is judged, and `ended` follows."""

    type: Literal["end"]


class SaveMessage(LiveMessage):
    """After `ended`: keep the annotation, to be reviewed as that of any job.

    No sound and no picture is kept with it.
    """

    type: Literal["save"]
    label: Label | None = None
    """Instead of that of `open`."""


# From the server


class ReadyMessage(LiveMessage):
    """The networks are loaded; sound and pictures may come."""

    type: Literal["ready"]
    session: UUID
    """Of the log; it opens nothing."""
    seconds: float
    """How long the session may last."""
    pixels: int
    """How many a picture may have."""


class OpenedMessage(LiveMessage):
    """Which model speaks."""

    type: Literal["opened"]
    model: ModelInfo
    missing: dict[_MODALITY, str]
    """Modalities that all utterances will lack, and why."""


class LiveWord(LiveMessage):
    """A word that was recognised."""

    text: str
    start: float
    """Seconds of the session, as all times: since the first one that the client sent."""
    end: float
    speaker: str | None


class WordsMessage(LiveMessage):
    """What was heard since the message before."""

    type: Literal["words"]
    words: list[LiveWord]
    voices: list[tuple[float, float]]
    """Start and end of voices without words."""
    until: float
    """All that was said up to here has been told."""


class LiveFace(LiveMessage):
    """A face, in the pictures since the message before."""

    track: int
    """Its number; never another face's."""
    person: str | None
    """The id of whose it is, where that is known already."""
    still: bool
    """It never moved: a drawing, a poster."""
    times: list[float]
    boxes: list[tuple[Share, Share, Share, Share] | None]
    """One a time: left, top, right and bottom as shares of the picture; null where it was lost."""


class FacesMessage(LiveMessage):
    """What was seen since the message before; the server may leave out some for a slow client."""

    type: Literal["faces"]
    faces: list[LiveFace]
    until: float


class LiveUnit(LiveMessage):
    """An utterance whose limits are known."""

    id: str
    kind: Kind
    person: str | None
    start: float
    end: float
    text: str
    language: str | None
    speaker: str | None


class ClosedMessage(LiveMessage):
    """An utterance has ended; its emotions follow."""

    type: Literal["closed"]
    utterance: LiveUnit


class JudgedMessage(LiveMessage):
    """The emotions of an utterance."""

    type: Literal["judged"]
    final: bool
    """False while the utterance lasts; its id then begins with "~"."""
    replaces: str | None
    """The id of the running result whose place this one takes."""
    utterance: UtteranceLayout
    """As in an annotation."""


class LiveStatusMessage(LiveMessage):
    """How the session goes, once a second."""

    type: Literal["status"]
    delay: float
    """Seconds by which results are behind what was sent."""
    dropped: Share
    """Of the pictures, those that nobody had time to look at."""


class EndedMessage(LiveMessage):
    """Everything was judged."""

    type: Literal["ended"]
    why: Literal["asked", "time", "idle"]
    """The client said so, the session lasted as long as it may, or nothing came any more."""
    duration: float
    """Seconds."""
    people: list[Person]
    provenance: Provenance


class SavedMessage(LiveMessage):
    """The session is among the annotations: `/v1/annotations/{id}`, and a job that is done."""

    type: Literal["saved"]
    id: UUID


FROM_CLIENT: tuple[type[LiveMessage], ...] = (OpenMessage, EndMessage, SaveMessage)
FROM_SERVER: tuple[type[LiveMessage], ...] = (
    *(ReadyMessage, OpenedMessage, WordsMessage, FacesMessage, ClosedMessage, JudgedMessage),
    *(LiveStatusMessage, EndedMessage, SavedMessage),
)
PARTS: tuple[type[LiveMessage], ...] = (LiveWord, LiveFace, LiveUnit)
"""Of which these consist."""


def type_of(message: type[LiveMessage]) -> str:
    """The value of its field `type`."""
    return str(get_args(message.model_fields["type"].annotation)[0])


_Given = TypeVar("_Given", bound=LiveMessage)


def parse(kind: type[_Given], text: str) -> _Given:
    """Read a message of a client.

    Raises:
        Closed: it is no such message; what was sent is not repeated.
    """
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise Closed(
            CloseCode.BROKEN, f"no message {type_of(kind)!r}: {place} {first['msg']}"
        ) from None
