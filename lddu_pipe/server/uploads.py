"""Multipart forms streamed to the disk: a piece in memory at most, and never a client's path."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from lddu_pipe.server.folders import media_name, transcript_name
from lddu_pipe.server.jobs import Upload
from lddu_pipe.server.limits import NAME, PIECE, TEXT_FIELD, Limits
from lddu_pipe.server.options import JobOptions, form_schema
from lddu_pipe.server.problems import Problem
from lddu_pipe.transcripts import TRANSCRIPT_SUFFIXES
from lddu_pipe.writers.escaping import printable

_LONGEST_BOUNDARY = 70
"""Characters, says RFC 2046."""

FILES = ("media", "transcript")
FORM_SCHEMA = {
    "type": "object",
    "required": ["media"],
    "additionalProperties": False,
    "properties": {
        "media": {
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": "A video, sound, a picture, or a transcript alone.",
        },
        "transcript": {
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": "What is said in the media, in place of speech recognition; its name "
            f"ends in {', '.join(TRANSCRIPT_SUFFIXES)}, or has no ending and is plain text.",
        },
        **form_schema(),
    },
}
"""The form of an upload, for the schema."""


@dataclass
class _Part:
    """One part of a form."""

    name: str = ""
    file_name: str = ""
    size: int = 0
    value: bytearray = field(default_factory=bytearray)
    """Of a part that is no file."""


async def receive(
    stream: AsyncIterator[bytes],
    content_type: str,
    folder: Path,
    job_id: str,
    limits: Limits,
) -> Upload:
    """Write the files of a form to a folder, under names of our own.

    Args:
        stream: the body of the request.
        content_type: of the request; says where its parts end.
        folder: for the files; empty.
        job_id: of the job this becomes.
        limits: of sizes; a body that goes beyond is not read to its end.

    Raises:
        Problem: the form is too large, broken, or not as the schema has it.
        OSError: the disk refuses.
    """
    boundary = _boundary(content_type)
    with ExitStack() as opened:
        form = _Form(boundary, folder, limits, opened)
        async for data in stream:
            form.parse(data)
            if form.pending >= PIECE:
                await asyncio.to_thread(form.write)
        form.end()
        await asyncio.to_thread(form.write)
    return form.upload(job_id)


class _Form:
    """Takes a form apart as it comes; what belongs to files waits for `write`."""

    def __init__(self, boundary: bytes, folder: Path, limits: Limits, opened: ExitStack) -> None:
        self._folder = folder
        self._limits = {"media": limits.upload, "transcript": limits.transcript}
        self._opened = opened
        self._files: dict[str, IO[bytes]] = {}
        self._parts: dict[str, _Part] = {}
        self._part = _Part()
        self._header = bytearray(), bytearray()
        self._disposition = b""
        self._pieces: list[tuple[IO[bytes], bytes]] = []
        self._ended = False
        self.pending = 0
        """Bytes that wait to be written."""
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": lambda data, start, end: self._header[0].extend(
                    data[start:end]
                ),
                "on_header_value": lambda data, start, end: self._header[1].extend(
                    data[start:end]
                ),
                "on_header_end": self._end_header,
                "on_headers_finished": self._open,
                "on_part_data": self._take,
                "on_end": self._end,
            },
        )

    def parse(self, data: bytes) -> None:
        """Take a piece of the body."""
        try:
            self._parser.write(data)
        except FormParserError:
            raise Problem(422, "the form is broken; send multipart/form-data") from None

    def end(self) -> None:
        """Note that the body is over."""
        if not self._ended:
            raise Problem(422, "the form ends before its last boundary; send it again")

    def write(self) -> None:
        """Write what waits; blocks."""
        pieces, self._pieces, self.pending = self._pieces, [], 0
        for file, data in pieces:
            file.write(data)

    def upload(self, job_id: str) -> Upload:
        """What was sent."""
        media = self._parts.get("media")
        if media is None or not media.size:
            raise _unfit("media", "a file with at least one byte is required")
        transcript = self._parts.get("transcript")
        return Upload(
            id=job_id,
            name=media.file_name,
            suffix=_suffix(media.file_name),
            size=media.size,
            transcript=None if transcript is None else transcript.file_name,
            transcript_suffix=(
                None if transcript is None else _transcript_suffix(transcript.file_name)
            ),
            options=self._options(),
        )

    def _options(self) -> dict[str, Any]:
        values = {
            name: part.value.decode("utf-8", "replace")
            for name, part in self._parts.items()
            if name not in FILES
        }
        try:
            return JobOptions.model_validate(values).model_dump()
        except ValidationError as error:
            raise Problem(
                422,
                "the form is not as /openapi.json has it",
                fields=[
                    {"field": ".".join(map(str, item["loc"])), "problem": item["msg"]}
                    for item in error.errors(include_input=False, include_url=False)
                ],
            ) from None

    def _begin(self) -> None:
        self._part = _Part()
        self._disposition = b""

    def _end_header(self) -> None:
        name, value = map(bytes, self._header)
        if name.strip().lower() == b"content-disposition":
            self._disposition = value
        self._header = bytearray(), bytearray()

    def _open(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name not in self._limits and name not in JobOptions.model_fields:
            raise _unfit(printable(name)[:TEXT_FIELD], "there is no such field")
        if name in self._parts:
            raise _unfit(name, "is there twice")
        self._part.name = name
        self._part.file_name = _shown(options.get(b"filename", b"").decode("utf-8", "replace"))
        self._parts[name] = self._part
        if name in self._limits:
            if name == "media":
                ours = media_name(_suffix(self._part.file_name))
            else:
                ours = transcript_name(_transcript_suffix(self._part.file_name))
            # "x" fails where the file exists: our own names never do.
            self._files[name] = self._opened.enter_context((self._folder / ours).open("xb"))

    def _take(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        part.size += end - start
        if part.name in self._files:
            if part.size > self._limits[part.name]:
                raise Problem(
                    413, f"the {part.name} is larger than {self._limits[part.name]} bytes"
                )
            self._pieces.append((self._files[part.name], data[start:end]))
            self.pending += end - start
            return
        if part.size > TEXT_FIELD:
            raise _unfit(part.name, "is too long")
        part.value += data[start:end]

    def _end(self) -> None:
        self._ended = True


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 0 < len(boundary) <= _LONGEST_BOUNDARY:
        raise Problem(415, "send multipart/form-data with a boundary of 70 characters at most")
    return boundary


def _shown(name: str) -> str:
    """The last part of a file's name, as one short line of text; nothing opens it."""
    return printable(name.replace("\\", "/").rpartition("/")[2])[-NAME:]


def _suffix(name: str) -> str:
    """The ending that says that a file is a transcript, from the list of those we know, or ""."""
    ending = f".{name.rpartition('.')[2]}".lower() if "." in name else ""
    return next((known for known in TRANSCRIPT_SUFFIXES if known == ending), "")


def _transcript_suffix(name: str) -> str:
    """The same for what has to be a transcript: one without an ending is plain text."""
    suffix = _suffix(name) or (".txt" if "." not in name else "")
    if not suffix:
        raise _unfit("transcript", f"its name ends in none of {', '.join(TRANSCRIPT_SUFFIXES)}")
    return suffix


def _unfit(name: str, problem: str) -> Problem:
    return Problem(
        422,
        "the form is not as /openapi.json has it",
        fields=[{"field": name, "problem": problem}],
    )
