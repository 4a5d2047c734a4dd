"""What is said in one recording, each stretch read in the language that is spoken in it.

Most recordings are in one language, so it is asked for once. It is asked for again where it may
have changed: where the words of a recogniser of English are not believed or it is not sure of
them, and piece by piece while another language is spoken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from faster_whisper.transcribe import Segment
from numpy.typing import NDArray

from lddu_pipe.extractors.credibility import SURE, sureness
from lddu_pipe.extractors.decoding import Reader, quietest_end, shifted
from lddu_pipe.extractors.spoken_language import SHORTEST, LanguageTeller
from lddu_pipe.extractors.whisper import SAMPLE_RATE
from lddu_pipe.extractors.written_language import language_of

PIECE = 8.0
"""Seconds of speech, at most, that are taken to be in one language."""
SEARCH = 5.0
"""Seconds before its end in which a piece is ended, at the quietest moment."""


class Said(NamedTuple):
    """A segment of what was said."""

    segment: Segment
    language: str
    """ISO 639-1, in which it was read."""
    believed: bool


class Languages:
    """What hears and reads languages, for all recordings."""

    def __init__(
        self,
        native: Reader,
        foreign: Callable[[str], Reader] | None = None,
        teller: LanguageTeller | None = None,
        spoken: str | None = None,
    ) -> None:
        """Without more than a native reader, everything is read in its language.

        Args:
            native: of the language that is expected.
            foreign: gives the reader of another language.
            teller: tells languages apart.
            spoken: the language, where it is known.
        """
        self.native = native
        self.foreign = lru_cache(maxsize=8)(foreign) if foreign else None
        self.teller = teller if spoken is None and foreign else None
        self.spoken = spoken or native.language
        self.known = spoken is not None or self.teller is not None
        """Whether the language of speech is looked at, or known."""


class Polyglot:
    """Reads one recording, stretch by stretch."""

    def __init__(self, languages: Languages) -> None:
        """Nothing was heard yet."""
        self._native, self._foreign = languages.native, languages.foreign
        self._teller = languages.teller
        self._spoken = languages.spoken if self._teller is None else None
        """The language that was heard last; None where it is not known."""
        self._mixed = False
        """Whether several languages were heard."""

    @property
    def native(self) -> Reader | None:
        """The native reader, unless another language was heard last."""
        return self._native if self._spoken in {None, self._native.language} else None

    def read(self, speech: NDArray[np.float32]) -> Iterator[Said]:
        """What is said in speech that goes on where the last ended, in order.

        Args:
            speech: (samples,) float32 mono at 16 kHz; the segments' times are seconds of it.
        """
        for begin, end, language in self._runs(speech):
            part, offset = speech[begin:end], begin / SAMPLE_RATE
            if language in {None, self._native.language}:
                said = self._read_native(part)
            else:
                said = self._read_foreign(part, language)
            for item in said:
                yield item._replace(segment=shifted(item.segment, offset)) if offset else item

    def _runs(self, speech: NDArray[np.float32]) -> Iterator[tuple[int, int, str | None]]:
        """Stretches, in samples, with the language of each; what is native is one to the end.

        The language that was heard last is that of what is said now, unless it is another's turn.
        """
        begin = run = 0
        while begin < len(speech):
            if self._teller is None or self._spoken == self._native.language:
                break
            end = _end_of_piece(speech, begin)
            known = self._spoken is not None
            told = self._teller.tell(speech[begin:end], thoroughly=not known) or self._spoken
            if told != self._spoken and run < begin:
                yield run, begin, self._spoken
                run = begin
            self._hear(told)
            if told in {None, self._native.language}:
                break
            begin = end
        if run < len(speech):
            yield run, len(speech), self._spoken

    def _hear(self, language: str | None) -> None:
        self._mixed = self._mixed or (self._spoken not in {None, language})
        self._spoken = language

    def _read_native(self, speech: NDArray[np.float32]) -> Iterator[Said]:
        doubted: list[Segment] = []
        told, before = 0.0, None
        for segment in self._native.segments(speech):
            credible = self._native.credible(segment, speech, before)
            before = segment if credible else None
            if not (segment.words and credible and self._is_native(segment, speech)):
                doubted.append(segment)
                continue
            yield from self._read_doubted(speech, told, segment.words[0].start, doubted)
            yield Said(segment, self._native.language, True)
            told, doubted = segment.words[-1].end, []
        yield from self._read_doubted(speech, told, len(speech) / SAMPLE_RATE, doubted)

    def _is_native(self, segment: Segment, speech: NDArray[np.float32]) -> bool:
        """Whether words that are believed are in the language in which they were read."""
        sure = sureness(segment) > SURE
        expected = self._spoken == self._native.language and not self._mixed
        if self._teller is None or not segment.words or (sure and expected):
            return True
        begin, end = segment.words[0].start, segment.words[-1].end
        part = _cut(speech, begin, end)
        told = self._teller.tell(part, thoroughly=sure and not expected)
        return sure or expected if told is None else told == self._native.language

    def _read_doubted(
        self, speech: NDArray[np.float32], start: float, end: float, doubted: list[Segment]
    ) -> Iterator[Said]:
        """What is said between words that are believed: perhaps something in another language.

        Args:
            speech: all of it.
            start: seconds of `speech`.
            end: seconds of `speech`.
            doubted: segments of the native reader.
        """
        foreign = self._foreign_parts(speech, start, end)
        for begin, until, language in foreign:
            while doubted and _middle(doubted[0]) < begin:
                yield Said(doubted.pop(0), self._native.language, False)
            while doubted and _middle(doubted[0]) < until:
                del doubted[0]
            self._mixed = True
            for item in self._read_foreign(_cut(speech, begin, until), language):
                yield item._replace(segment=shifted(item.segment, begin))
        for segment in doubted:
            yield Said(segment, self._native.language, False)

    def _foreign_parts(
        self, speech: NDArray[np.float32], start: float, end: float
    ) -> list[tuple[float, float, str]]:
        """Where in some seconds another language is spoken for sure."""
        if self._teller is None or end - start < SHORTEST:
            return []
        parts: list[tuple[float, float, str]] = []
        begin, last = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
        while begin < last:
            until = min(last, _end_of_piece(speech[:last], begin))
            told = self._teller.tell(speech[begin:until], thoroughly=False)
            seconds = begin / SAMPLE_RATE, until / SAMPLE_RATE
            if told not in {None, self._native.language}:
                if parts and parts[-1][1:] == (seconds[0], told):
                    parts[-1] = (parts[-1][0], seconds[1], told)
                else:
                    parts.append((*seconds, str(told)))
            begin = until
        return parts

    def _read_foreign(self, speech: NDArray[np.float32], language: str) -> Iterator[Said]:
        if self._foreign is None:
            return
        reader, before = self._foreign(language), None
        for segment in reader.segments(speech):
            credible = reader.credible(segment, speech, before)
            # A translation is not what was said.
            if language_of(segment.text) == self._native.language:
                credible = False
            before = segment if credible else None
            yield Said(segment, language, credible)


def _middle(segment: Segment) -> float:
    return (float(segment.start) + float(segment.end)) / 2


def _cut(speech: NDArray[np.float32], start: float, end: float) -> NDArray[np.float32]:
    return speech[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]


def _end_of_piece(speech: NDArray[np.float32], begin: int) -> int:
    """The sample at which a piece ends that begins at a sample."""
    length = round(PIECE * SAMPLE_RATE)
    if len(speech) - begin <= length:
        return len(speech)
    return begin + quietest_end(speech[begin : begin + length], SEARCH)
