"""One live session: a WebSocket on one side, the pipeline on the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lddu_pipe.annotation import Annotation
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.events import Event, StreamEnded, StreamOpened, UnitJudged, annotation_of
from lddu_pipe.server.limits import LiveLimits
from lddu_pipe.server.live.closing import CloseCode, Closed
from lddu_pipe.server.live.line import Line
from lddu_pipe.server.live.messages import EndMessage, OpenMessage, SaveMessage, parse
from lddu_pipe.server.live.outbox import Outbox
from lddu_pipe.server.live.pace import Pace
from lddu_pipe.server.live.pictures import decode
from lddu_pipe.server.live.telling import message_of, text_of
from lddu_pipe.server.live.wire import PictureFrame, SoundFrame, read_frame
from lddu_pipe.writers.events import end_values

if TYPE_CHECKING:
    from lddu_pipe.pipelines.live import Live

_STATUS = 1.0  # s between messages of how it goes

Why = Literal["asked", "time", "idle"]


@dataclass(frozen=True)
class Saved:
    """What a client wants kept."""

    annotation: Annotation
    label: str


class Session:
    """Passes on what a client sends, and tells it what is found, until either ends it."""

    def __init__(
        self,
        line: Line,
        live: Live,
        opening: OpenMessage,
        limits: LiveLimits,
        decoders: Executor,
    ) -> None:
        """Begin nothing yet.

        Args:
            line: to the client.
            live: the session of the pipeline; its owner leaves it.
            opening: what the client said of itself.
            limits: of the client.
            decoders: threads for pictures.
        """
        self._line = line
        self._live = live
        self._opening = opening
        self._limits = limits
        self._decoders = decoders
        self._outbox = Outbox(limits.waiting)
        self._pace = Pace(limits)
        self._over: asyncio.Future[Why] = asyncio.get_running_loop().create_future()
        self._saving: asyncio.Future[SaveMessage] = asyncio.get_running_loop().create_future()
        self._waiting: PictureFrame | None = None  # one at most: a newer picture takes its place
        self._arrived = asyncio.Event()
        self._pictures = self._overtaken = 0
        self._kept: list[Event] = []

    async def run(self, ended: Callable[[], None]) -> Saved | None:
        """Run it to its end.

        Args:
            ended: called once the pipeline has nothing more to do for it.

        Returns:
            What is to be kept, if anything is.

        Raises:
            Closed: something ends it before its time.
            GoneError: the client went away.
        """
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(work())
                    for work in (self._listen, self._look, self._tell_status)
                ]
                telling = group.create_task(self._tell())
                sending = group.create_task(self._send())
                why = await self._wait_for_end()
                self._live.close()
                last = await self._last_of(telling)
                ended()
                self._tell_end(why, last)
                asked = await self._asked_to_save()
                self._outbox.end()
                await sending
                for helper in helpers:
                    helper.cancel()
        except BaseExceptionGroup as errors:
            # The first one ended the others; what they met on their way out says nothing new.
            raise errors.exceptions[0] from None
        if asked is None:
            return None
        label = self._opening.label if asked.label is None else asked.label
        return Saved(annotation_of(self._kept), label)

    async def _wait_for_end(self) -> Why:
        try:
            # Not `wait_for`, which before Python 3.12 may swallow that the group is given up.
            async with asyncio.timeout(self._limits.duration):
                return await self._over
        except TimeoutError:
            return "time"

    async def _last_of(self, telling: asyncio.Task[StreamEnded]) -> StreamEnded:
        try:
            async with asyncio.timeout(self._limits.finishing):
                return await telling
        except TimeoutError:
            raise Closed(CloseCode.DEFECT, "the end of the session took too long") from None

    async def _asked_to_save(self) -> SaveMessage | None:
        if not self._opening.keep:
            return None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.keeping):
                return await self._saving
        return None

    async def _listen(self) -> None:
        """Take what the client sends, for as long as the line lasts."""
        while True:
            try:
                async with asyncio.timeout(None if self._over.done() else self._limits.idle):
                    message = await self._line.receive()
            except TimeoutError:
                self._end("idle")
                continue
            self._pace.sent(len(message))
            if isinstance(message, str):
                self._read(message)
            elif not self._over.done():
                self._take(read_frame(message))

    def _read(self, text: str) -> None:
        """Do what a message of JSON says."""
        if not self._over.done():
            parse(EndMessage, text)
            self._end("asked")
            return
        asked = parse(SaveMessage, text)
        if not self._opening.keep or self._saving.done():
            raise Closed(CloseCode.BROKEN, "there is nothing to save, or it was asked for before")
        self._saving.set_result(asked)

    def _end(self, why: Why) -> None:
        if not self._over.done():
            self._over.set_result(why)

    def _take(self, frame: SoundFrame | PictureFrame) -> None:
        self._pace.at(frame.at)
        if isinstance(frame, SoundFrame):
            with _usable():
                self._live.hear(frame.samples, frame.at)
            return
        if not self._opening.camera:
            raise Closed(CloseCode.BROKEN, "a picture in a session without a camera")
        self._pictures += 1
        self._overtaken += self._waiting is not None
        self._waiting = frame
        self._arrived.set()

    async def _look(self) -> None:
        """Decode pictures, the newest first; those that are overtaken meanwhile are left out."""
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            frame, self._waiting = self._waiting, None
            if frame is None or self._over.done():
                continue
            image = await loop.run_in_executor(
                self._decoders, decode, frame.content, frame.kind, self._limits.pixels
            )
            if not self._over.done():
                with _usable():
                    self._live.see(image, frame.at)

    async def _tell(self) -> StreamEnded:
        """Pass on what is found; return what closes it."""
        async for event in self._live.events():
            if isinstance(event, StreamEnded):
                self._kept.append(event)
                return event
            if self._opening.keep and (
                isinstance(event, StreamOpened) or (isinstance(event, UnitJudged) and event.final)
            ):
                self._kept.append(event)
            told = message_of(event)
            if told is not None:
                text, spare = told
                self._outbox.put(text, spare=spare)
                await asyncio.sleep(0)  # also where events come at once, they are sent meanwhile
        raise Closed(CloseCode.DEFECT, "the session ended too early")

    async def _tell_status(self) -> None:
        while not self._over.done():
            await asyncio.sleep(_STATUS)
            looked = self._pictures - self._overtaken
            lost = self._overtaken + self._live.dropped * looked
            status = {
                "type": "status",
                "delay": round(max(self._live.delay, 0.0), 3),
                "dropped": round(lost / self._pictures, 4) if self._pictures else 0.0,
            }
            self._outbox.put(text_of(status), spare=True)

    def _tell_end(self, why: Why, last: StreamEnded) -> None:
        self._outbox.put(text_of({**end_values(last), "why": why}))

    async def _send(self) -> None:
        async for text in self._outbox.messages():
            await self._line.send(text)


@contextlib.contextmanager
def _usable() -> Iterator[None]:
    """Within it, what the pipeline cannot use ends the session."""
    try:
        yield
    except UnusableInputError as error:
        raise Closed(CloseCode.BROKEN, str(error)) from None
