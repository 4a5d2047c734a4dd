"""A stretch of sound that is recognised at once, and what is heard in it beside words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from faster_whisper.vad import get_speech_timestamps
from numpy.typing import NDArray

from lddu_pipe.events import WordsHeard
from lddu_pipe.extractors.turns import cut_at_turns, part_of, with_voices
from lddu_pipe.extractors.whisper import LANGUAGE, SAMPLE_RATE
from lddu_pipe.types import Cue, TimeSpan, Turn

if TYPE_CHECKING:
    from lddu_pipe.extractors.bursts import Bursts
    from lddu_pipe.extractors.voices import VoiceTeller

MIN_VOICE = 1.0
"""Seconds of speech, at least, that are worth an utterance without words."""
BRIEF_VOICE = 0.3
"""Seconds of speech, at least, that a pause between utterances is listened to for."""
VOICE_PAUSE = 0.5
"""Seconds without a voice that end speech whose words are unknown."""
LONG_WORD = 1.0
"""Seconds from which a word may hold more than itself: recognisers stretch words over laughter."""
SHORTEST_WORD = 0.2
"""Seconds, at least, that are left to a word of which something else is taken."""


class Block:
    """A stretch of sound, and how far it is known where voices without words are in it."""

    def __init__(
        self,
        samples: NDArray[np.float32],
        offset: float,
        bursts: Bursts | None = None,
        chunks: Sequence[dict[str, int]] | None = None,
    ) -> None:
        """Find out where somebody speaks.

        Args:
            samples: (samples,) float32 mono at 16 kHz.
            offset: seconds of the media at which they begin.
            bursts: in these samples.
            chunks: where somebody speaks, if that is known.
        """
        self._samples = samples
        self._bursts = bursts
        self.span = TimeSpan(0.0, len(samples) / SAMPLE_RATE).shift(offset)
        self.chunks = get_speech_timestamps(samples) if chunks is None else chunks
        """Where somebody speaks, "start" and "end" in samples."""
        self.doubted: list[TimeSpan] = []
        """Of words that are not believed, in order."""
        self.turns: tuple[Turn, ...] = ()
        """Who speaks when, where voices are told apart."""
        self._settled = offset

    @property
    def speech(self) -> NDArray[np.float32]:
        """(samples,) in which somebody speaks, one after the other; there is some."""
        # What faster-whisper's own filter does: the decoder gets the speech without the rest.
        return np.concatenate([self._samples[part["start"] : part["end"]] for part in self.chunks])

    def tell_apart(self, voices: VoiceTeller, until: float | None = None) -> None:
        """Find out who speaks when.

        Args:
            voices: of this recording.
            until: seconds of the media, the end of what is listened to; by default the block's.
        """
        end = len(self._samples)
        if until is not None:
            end = min(end, round((until - self.span.start) * SAMPLE_RATE))
        chunks = [
            {**part, "end": min(part["end"], end)} for part in self.chunks if part["start"] < end
        ]
        self.turns = voices.turns(self._samples[:end], chunks, self.span.start)

    def settle(self, cue: Cue | None) -> WordsHeard:
        """Tell of words that are believed and of what comes before them; None: of all the rest."""
        if cue is not None and self._bursts is not None:
            cue = self._shortened(cue)
        unrecognised: list[TimeSpan] = []
        brief: list[TimeSpan] = []
        rest = TimeSpan(
            self._settled, max(self._settled, cue.span.start if cue else self.span.end)
        )
        for chunk in self.chunks:
            voiced = self._placed(chunk, self.span.start)
            if voiced.overlap(rest) > 0:
                unclear = voiced.clip(rest)
                # Whose words are not believed is heard, however unsure the voice detector is.
                said = [span.clip(unclear) for span in self.doubted if span.overlap(unclear) > 0]
                unrecognised += _joined([*self._voices(unclear, MIN_VOICE), *said])
                brief += self._voices(unclear, BRIEF_VOICE)
        if bursts := self._without_words(rest):
            unrecognised = _joined([*unrecognised, *bursts])
        for before, after in pairwise(cue.words if cue else ()):
            if after.span.start - before.span.end > BRIEF_VOICE:
                between = TimeSpan(before.span.end, after.span.start)
                brief += self._voices(between, BRIEF_VOICE)
                unrecognised += self._without_words(between)
        begin, self._settled = rest.start, max(rest.end, cue.span.end) if cue else rest.end
        return WordsHeard(
            () if cue is None else (with_voices(cue, self.turns),),
            tuple(
                Cue("", part, (), voice=voice)
                for span in unrecognised
                for part, voice in cut_at_turns(span, self.turns, MIN_VOICE / 2)
            ),
            tuple(brief),
            until=self._settled,
            language=LANGUAGE,
            turns=part_of(self.turns, TimeSpan(begin, self._settled)),
        )

    def _shortened(self, cue: Cue) -> Cue:
        """A cue whose long words are freed of laughter and the like before or after them."""
        words = list(cue.words)
        for index, word in enumerate(words):
            if word.span.duration < LONG_WORD:
                continue
            start, end = word.span.start, word.span.end
            for burst in self._without_words(word.span):
                if burst.middle > word.span.middle:
                    first, last = start, min(end, burst.start)
                else:
                    first, last = max(start, burst.end), end
                if last - first >= SHORTEST_WORD:  # else the word itself is screamed
                    start, end = first, last
            words[index] = replace(word, span=TimeSpan(start, end))
        span = TimeSpan(words[0].span.start, words[-1].span.end)
        return replace(cue, span=span, words=tuple(words))

    def _without_words(self, span: TimeSpan) -> list[TimeSpan]:
        """Where in a span without words somebody is heard all the same."""
        if self._bursts is None:
            return []
        begin = self.span.start
        found = self._bursts.within(span.shift(-begin))
        # Not even by rounding may one overlap a word: it would be taken for part of what is said.
        return [burst.shift(begin).clip(span) for burst in found]

    def _voices(self, span: TimeSpan, shortest: float) -> list[TimeSpan]:
        """Where in a span somebody really speaks, at least `shortest` seconds at a time."""
        if span.duration < shortest:
            return []
        begin, end = (
            round((moment - self.span.start) * SAMPLE_RATE) for moment in (span.start, span.end)
        )
        found = get_speech_timestamps(
            self._samples[begin:end],
            min_speech_duration_ms=round(shortest * 1000),
            min_silence_duration_ms=round(VOICE_PAUSE * 1000),
            speech_pad_ms=100,
        )
        return [self._placed(part, span.start) for part in found]

    @staticmethod
    def _placed(part: dict[str, int], offset: float) -> TimeSpan:
        return TimeSpan(part["start"] / SAMPLE_RATE, part["end"] / SAMPLE_RATE).shift(offset)


def _joined(spans: Sequence[TimeSpan]) -> list[TimeSpan]:
    """Spans in order, those made one that overlap or have no pause between them."""
    joined: list[TimeSpan] = []
    for span in sorted(spans):
        if joined and span.start - joined[-1].end < VOICE_PAUSE:
            joined[-1] = TimeSpan(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined
