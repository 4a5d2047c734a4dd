"""Cut media into utterances while they are heard and seen: a file is a stream that ends."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace

from lddu_pipe.events import WordsHeard
from lddu_pipe.segmentation.cutting import (
    cut_recognised,
    pauses,
    spoken_words,
    utterance_of,
    words_span,
)
from lddu_pipe.types import Cue, TimeSpan, Utterance, Word

SHORTEST_GAP = 0.8
"""Seconds: only a longer gap between utterances is one of its own."""
LONGEST_RUN = 30.0
"""Seconds of words without a pause after which sentences are closed all the same."""
ROUNDING = 1e-6
"""Share of the longest duration by which a silence may be longer: times are rounded, and nobody
wants two halves of what is longer by a microsecond."""


class Segmenter:
    """Closes utterances as soon as nothing that may follow can change them.

    They come in order of start, with ids "0000", "0001", ... Words that were recognised are cut at
    pauses and at the ends of sentences. A short gap joins the utterance before it. A longer one in
    which a face is seen or a voice is heard becomes an utterance of its own, and so do the windows
    of one that is longer than a window, whatever is in it.
    """

    def __init__(
        self,
        media: TimeSpan | None,
        *,
        language: str | None = None,
        max_duration: float = 15.0,
        pause: float = 0.6,
        window: float = 5.0,
        join: bool = True,
        watched: bool = False,
    ) -> None:
        """Begin a stream.

        Args:
            media: All that there is; None where there are words alone, so that the time between
                them means nothing.
            language: Of the words.
            max_duration: Seconds, at most, of words in an utterance.
            pause: Seconds without a word that end an utterance.
            window: Seconds, at most `max_duration`, of a window in a long gap.
            join: Short gaps join a neighbour, since the limits of recognised words are estimates.
                Those that people gave to an utterance stay as they are.
            watched: `see` will tell where faces are.
        """
        self._media = media
        self._language = language
        self._max_duration, self._pause, self._window = max_duration, pause, window
        self._join = join
        self._pending: list[tuple[TimeSpan, Word]] = []
        """Words that are in no utterance yet, in order of their cues' spans."""
        self._spoken: list[Utterance] = []
        """With words or a voice, in order."""
        self._spoken_until = 0.0
        """No more of them begin before."""
        self._voices: list[TimeSpan] = []
        self._faces: list[TimeSpan] = []
        self._seen_until = 0.0 if watched else math.inf
        self._held: list[Utterance] = []
        """Those that a gap may still join, in order."""
        self._covered = 0.0 if media is None else media.start
        """The latest end of an utterance, or of a gap that is none."""
        self._goes_on: float | None = None
        """Where an utterance begins that is not known yet."""
        self._gap: tuple[float, int] | None = None
        """Where a gap begins that is being cut in windows, and how many there are so far."""
        self._count = 0
        self._ended = False

    def hear(self, heard: WordsHeard) -> None:
        """Take in words that were recognised, and voices without words."""
        self._add(voices_without_words(heard.unrecognised, self._window, self._max_duration))
        self._voices += heard.voices
        self._language = heard.language or self._language
        # Of several speakers, one may be told of earlier than another who began before.
        self._pending += [(cue.span, word) for cue in heard.cues for word in spoken_words(cue)]
        self._pending.sort(key=lambda item: item[0])
        words = [word for span, word in self._pending if span.start < heard.until]
        ready, pieces = self._ready(words, heard.until, ended=heard.ended)
        spoken = [utterance_of(piece) for piece in pieces]
        # A voice in a pause that was too short to end an utterance is of that utterance.
        self._spoken = [
            item
            for item in self._spoken
            if item.words
            or not any(
                item.speaker == other.speaker
                and item.voice in (None, other.voice)
                and item.span.overlap(other.span) > 0
                for other in spoken
            )
        ]
        self._add(spoken)
        del self._pending[:ready]
        self._spoken_until = min([heard.until, *(word.span.start for _, word in self._pending)])
        self._goes_on = None if self._pending else heard.goes_on

    def take(self, utterances: Iterable[Utterance]) -> None:
        """Take in all that is said, in utterances already."""
        self._add(utterances)
        self._spoken_until = math.inf

    def see(self, faces: Iterable[TimeSpan], until: float) -> None:
        """Take in where a face is seen, and up to which second of the media all of it is told."""
        self._faces = [face for face in self._faces if face.end > self._covered]
        self._faces += faces
        self._seen_until = until

    def end(self, at: float | None = None) -> None:
        """Nothing will follow.

        Args:
            at: seconds of the media at which it ends, where it was not known before.
        """
        if at is not None and self._media is not None:
            self._media = TimeSpan(self._media.start, at)
        self.hear(WordsHeard(until=math.inf))
        self._seen_until = math.inf
        self._ended = True

    @property
    def begin(self) -> float:
        """No utterance that is still to be closed begins earlier, in seconds of the media."""
        if self._ended:
            return math.inf
        held = [item.span.start for item in (*self._held[:1], *self._spoken[:1])]
        return min([self._spoken_until, *held, math.inf if self._media is None else self._covered])

    def closed(self) -> Iterator[Utterance]:
        """The utterances that have become final since this was last asked."""
        if self._media is None:
            while (following := self._following()) is not None:
                self._spoken.pop(0)
                yield self._numbered(following)
            return
        while (yield from self._gap_before(following := self._following(), self._media)):
            if following is None:
                yield from self._last(self._media)
                return
            self._held.append(self._spoken.pop(0))
            self._covered = max(self._covered, following.span.end)
            # Time after an utterance that another outlasts is no gap.
            while self._held[0].span.end < self._covered:
                yield self._numbered(self._held.pop(0))

    def _gap_before(
        self, following: Utterance | None, media: TimeSpan
    ) -> Generator[Utterance, None, bool]:
        """Deal with the time before what follows, or before the end where nothing does.

        Returns:
            Whether all of it is known.
        """
        final = following is not None or self._ended
        if following is not None:
            limit = following.span.start
        else:
            limit = media.end if self._ended else min(media.end, self._spoken_until)
        if self._gap is None and limit - self._covered <= SHORTEST_GAP:
            if final:
                self._join_short(limit)
            elif self._goes_on is not None:
                # Whatever is said then, what comes next begins there.
                if self._goes_on - self._covered <= SHORTEST_GAP:
                    self._join_short(max(self._covered, self._goes_on))
                self._goes_on = None
                while self._held:
                    yield self._numbered(self._held.pop(0))
            return final
        while self._held:
            yield self._numbered(self._held.pop(0))
        known = yield from self._fill(limit, final=final)
        return known

    def _last(self, media: TimeSpan) -> Iterator[Utterance]:
        """Those that nothing can join any more; one where there are none at all."""
        while self._held:
            yield self._numbered(self._held.pop(0))
        if self._count == 0:
            self._covered = media.start
            for span in windows(media, self._window, self._max_duration):
                yield self._of_gap(span.end)

    def _following(self) -> Utterance | None:
        if self._spoken and self._spoken[0].span.start < self._spoken_until:
            return self._spoken[0]
        return None

    def _add(self, utterances: Iterable[Utterance]) -> None:
        for utterance in utterances:
            inside = utterance if self._media is None else clipped(utterance, self._media)
            insort(self._spoken, inside, key=lambda item: item.span)

    def _ready(
        self, words: Sequence[Word], until: float, *, ended: bool
    ) -> tuple[int, list[list[Word]]]:
        """How many of some words no other word can join any more, and the pieces of them."""
        if not words:
            return 0, []
        ready = max(pauses(words, self._pause), default=0)
        if ended or until - words_span(words).end > self._pause:
            ready = len(words)
        rest = words[ready:]
        pieces = self._cut(words[:ready])
        if rest and words_span(rest).duration > LONGEST_RUN:
            # The end of what was said so far is no end of a sentence.
            whole = self._cut(rest)[:-2]
            pieces += whole
            ready += sum(map(len, whole))
        return ready, pieces

    def _cut(self, words: Sequence[Word]) -> list[list[Word]]:
        return cut_recognised(words, self._language, self._max_duration, self._pause)

    def _join_short(self, limit: float) -> None:
        """Give the time until `limit` to the utterance before it, else to the one after it."""
        if not self._join or limit <= self._covered:
            return
        for index, utterance in enumerate(self._held):
            if utterance.span.end == self._covered:
                self._held[index] = replace(utterance, span=TimeSpan(utterance.span.start, limit))
                self._covered = limit
                return
        if (following := self._following()) is not None:
            span = TimeSpan(self._covered, following.span.end)
            self._spoken[0] = replace(following, span=span)

    def _fill(self, limit: float, *, final: bool) -> Generator[Utterance, None, bool]:
        """Make utterances of a gap that lasts until `limit`, or longer where that is not final.

        Returns:
            Whether nothing of it is left.
        """
        begin, count = self._gap or (self._covered, 0)
        self._gap = begin, count
        # A rest of less than half a window joins the last one.
        while limit - self._covered >= 1.5 * self._window:
            end = begin + (count + 1) * self._window
            if self._seen_until < end:
                return False
            count += 1
            self._gap = begin, count
            yield self._of_gap(end)
        if not final or self._seen_until < limit:
            return False
        rest = TimeSpan(self._covered, limit)
        if count or rest.duration > self._window or self._shows_something(rest):
            for part in halved(rest, self._max_duration):
                yield self._of_gap(part.end)
        self._covered, self._gap = limit, None
        return True

    def _shows_something(self, span: TimeSpan) -> bool:
        return any(other.overlap(span) > 0 for other in (*self._voices, *self._faces))

    def _of_gap(self, end: float) -> Utterance:
        span = TimeSpan(self._covered, end)
        self._covered = end
        heard = any(voice.overlap(span) > 0 for voice in self._voices)
        self._voices = [voice for voice in self._voices if voice.end > end]
        return self._numbered(Utterance("", span, kind="sound" if heard else "silence"))

    def _numbered(self, utterance: Utterance) -> Utterance:
        self._count += 1
        language = (utterance.language or self._language) if utterance.words else None
        return replace(utterance, id=f"{self._count - 1:04d}", language=language)


def voices_without_words(
    cues: Iterable[Cue], window: float, max_duration: float
) -> list[Utterance]:
    """Utterances of voices without words, in windows where they are long."""
    return [
        Utterance("", span, speaker=cue.speaker, kind="sound", voice=cue.voice)
        for cue in cues
        for span in windows(cue.span, window, max_duration)
    ]


def windows(span: TimeSpan, window: float, max_duration: float) -> list[TimeSpan]:
    """Tile a span; the last window may be half as long again, or half as long."""
    found: list[TimeSpan] = []
    start = span.start
    while span.end - start >= 1.5 * window:
        end = span.start + (len(found) + 1) * window
        found.append(TimeSpan(start, end))
        start = end
    return [*found, *halved(TimeSpan(start, span.end), max_duration)]


def halved(span: TimeSpan, max_duration: float) -> list[TimeSpan]:
    """A span in two halves where it lasts too long."""
    if span.duration <= max_duration * (1 + ROUNDING):
        return [span]
    return [TimeSpan(span.start, span.middle), TimeSpan(span.middle, span.end)]


def clipped(utterance: Utterance, media: TimeSpan) -> Utterance:
    """What of an utterance lies inside the media."""
    words = tuple(
        word if word.span == word.span.clip(media) else replace(word, span=word.span.clip(media))
        for word in utterance.words
    )
    return replace(utterance, span=utterance.span.clip(media), words=words)
