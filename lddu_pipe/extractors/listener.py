"""Words from sound that goes on: told soon after they were said.

The same recogniser that reads files reads here, a stretch at a time. A stretch ends where nobody
speaks for a while; as speech that goes on is read again and again, what is certain of it ends
where a sentence does.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.events import WordsHeard
from lddu_pipe.extractors.activity import VoiceActivity
from lddu_pipe.extractors.blocks import Block
from lddu_pipe.extractors.bursts import is_loud
from lddu_pipe.extractors.cores import one_core
from lddu_pipe.extractors.decoding import quietest_end
from lddu_pipe.extractors.prosody import HOP_LENGTH, loudness_db
from lddu_pipe.extractors.speech import SpeechRecogniser
from lddu_pipe.extractors.voices import VoiceTeller
from lddu_pipe.extractors.whisper import LANGUAGE, SAMPLE_RATE
from lddu_pipe.media import RecentSound
from lddu_pipe.segmentation.cutting import SHORT, cut_recognised, words_span
from lddu_pipe.transcripts import join_words
from lddu_pipe.types import Cue, TimeSpan, Word

PAUSE = 0.6
"""Seconds without a voice that end a stretch: utterances are cut at such pauses, too."""
EARLY = 0.16
"""Seconds without a voice after which a stretch is read, in case that it has ended."""
SENTENCE_PAUSE = 0.35
"""The same where a sentence ends before them."""
MARKS = (".", "?", "!")
"""That end a sentence."""
AGAIN = 0.8
"""Seconds of speech after which a stretch that goes on is read again, roughly."""
LEAD = 0.4
"""Seconds before a voice that are heard with it: beginnings are soft."""
NEWS = 0.2
"""Seconds of silence after which it is told that nobody spoke."""
ONSET = 0.1
"""Seconds of a voice, at least: less is a knock."""
AFTER = 0.08
"""Seconds at the end of what was heard in which a voice may begin that is not noticed yet."""
MOST_LOUD = 2.5
"""Seconds of loud sound without speech that are listened to at once for laughter and the like."""
LONGEST = 14.0
"""Seconds of speech without an end of a sentence after which it is cut all the same."""
LONGEST_UNCLEAR = 8.0
"""The same where no words are understood."""
SEARCH = 4.0
"""Seconds before its end in which speech without an end is cut, at the quietest moment."""
LEVELS = 30 * SAMPLE_RATE // HOP_LENGTH
"""Frames before a stretch whose loudness counts for what is loud in it."""


@dataclass
class _Reading:
    """What a stretch was read as, from its beginning to a moment."""

    block: Block
    cues: Sequence[Cue]
    voices: VoiceTeller | None = None
    """As it is after the whole block, whose turns the block has then."""
    settled: bool = False
    """It was looked at for what of it is certain."""

    @property
    def end(self) -> float:
        return self.block.span.end

    @property
    def words(self) -> list[Word]:
        return [word for cue in self.cues for word in cue.words]


class Listener:
    """Listens to one session; one thread gives sound, another asks for news."""

    def __init__(
        self,
        recogniser: SpeechRecogniser,
        sound: RecentSound,
        voices: VoiceTeller | None = None,
        *,
        max_duration: float = 15.0,
    ) -> None:
        """Nothing was heard yet.

        Args:
            recogniser: of words.
            sound: of the session, mono at 16 kHz, to which `hear` adds.
            voices: tells the voices of this session apart; without it they are not.
            max_duration: seconds, at most, of an utterance.
        """
        self._recogniser = recogniser
        self._polyglot = recogniser.polyglot()
        self._sound = sound
        self._voices = voices
        self._pool = ThreadPoolExecutor(1, "voices")
        self._max_duration = max_duration
        self._activity = VoiceActivity()
        self._alone = threading.Lock()
        self._begin = 0.0
        """Seconds before which everything was told."""
        self._reading: _Reading | None = None
        self._words: Sequence[Word] = ()
        """What was read last of the stretch, well or not."""
        self._skimmed = 0.0
        """Seconds up to which it was read roughly."""
        self._levels: deque[NDArray[np.float32]] = deque()
        self._ended = False
        self._fresh = threading.Event()
        self._took = 0.0
        """Seconds that the last reading took."""
        self.reads = False
        """Whether a stretch is being read, which others should not hold up."""
        self.examined = 0.0
        """Seconds of sound that were given when all of it had been dealt with."""

    def hear(self, samples: NDArray[np.float32]) -> None:
        """Take in what comes next, (samples,) float32 mono at 16 kHz; quick."""
        with self._alone:
            self._sound.append(samples)
            self._activity.hear(samples)
        self._fresh.set()

    def end(self) -> None:
        """Nothing more comes."""
        self._ended = True
        self._fresh.set()

    def close(self) -> None:
        """Let go of what is not needed once everything was told."""
        self._pool.shutdown(wait=False)

    def wait(self, timeout: float) -> None:
        """Wait for more to come, so many seconds at most."""
        self._fresh.wait(timeout)
        self._fresh.clear()

    @property
    def over(self) -> bool:
        """Whether everything was told, and nothing more comes."""
        return self._ended and self._begin >= self.heard

    @property
    def heard(self) -> float:
        """Seconds of sound that were given."""
        return len(self._sound) / SAMPLE_RATE

    @property
    def begin(self) -> float:
        """Seconds up to which everything was told."""
        return self._begin

    @property
    def speaking(self) -> TimeSpan | None:
        """Where somebody speaks now, or did less than `PAUSE` ago, and it is not told yet."""
        runs, heard, _ = self._look()
        if not runs or heard - runs[-1][1] >= PAUSE:
            return None
        begin = runs[-1][0]
        for start, end in reversed(runs):
            if begin - end >= PAUSE:
                break
            begin = start
        return TimeSpan(begin, max(begin, heard))

    @property
    def words(self) -> tuple[Word, ...]:
        """What was read of the stretch that goes on; it may be read otherwise later."""
        return tuple(self._words)

    def news(self) -> list[WordsHeard]:
        """What can be told now; it may take as long as reading a stretch does."""
        given = self.heard
        told = [] if self.over else self._news()
        self.examined = given
        return told

    def _news(self) -> list[WordsHeard]:
        runs, heard, voiced = self._look()
        if not runs:
            return self._quiet(self.heard if self._ended else heard - AFTER, ended=self._ended)
        first, last = runs[0][0], runs[-1][1]
        if first - LEAD > self._begin + NEWS:
            return self._quiet(first - LEAD, ended=True, goes_on=first)
        if self._ended or heard - last >= PAUSE:
            return self._finish(self.heard if self._ended else heard - AFTER, last)
        if not voiced and heard - last >= EARLY and self._unread(last):
            self._read(heard)
            return self._settled()
        read = max(first, self._skimmed, self._reading.end if self._reading else 0.0)
        # Whoever is slow reads less often, so that the end of a stretch finds them at leisure.
        if voiced and heard - read >= max(AGAIN, 2 * self._took):
            return self._look_ahead(heard)
        return self._settled() if self._reading else []

    def _look_ahead(self, heard: float) -> list[WordsHeard]:
        """See roughly what is said, and read it well where something of it seems to be over."""
        began = time.monotonic()
        block = self._block(heard)
        self._words = self._recogniser.skim(block, self._polyglot)
        self._skimmed = heard
        self._took = time.monotonic() - began
        longest = LONGEST if self._words else LONGEST_UNCLEAR
        if block.span.duration < longest and self._certain(self._words) is None:
            return []
        self._read(heard)
        return self._settled()

    def _unread(self, moment: float) -> bool:
        """Whether nothing was read of what was said before a moment."""
        return self._reading is None or self._reading.end < moment

    def _certain(self, words: Sequence[Word]) -> int | None:
        """How many words of a stretch that goes on are of sentences that are over."""
        pieces = cut_recognised(words, LANGUAGE, self._max_duration, PAUSE) if words else []
        if len(pieces) < 2 or _is_brief(pieces[-1]):
            return None
        return len(words) - len(pieces[-1])

    def _look(self) -> tuple[list[tuple[float, float]], float, bool]:
        """Where voices are of which nothing was told, the second heard last, if one goes on."""
        with self._alone:
            runs, heard = self._activity.runs(self._begin), self._activity.heard
            voiced = self._activity.voiced
        # A knock is no voice, but one that has just begun may become one.
        runs = [run for run in runs if run[1] - run[0] >= ONSET or run[1] >= heard]
        if runs and runs[0][1] - runs[0][0] < ONSET:
            return [], min(heard, runs[0][0]), False
        return runs, heard, voiced

    def _read(self, until: float) -> _Reading:
        """Recognise the words of the stretch up to a moment."""
        self.reads = True
        block = self._block(until)
        apart = self._pool.submit(_tell_apart, block, self._voices) if self._voices else None
        reading = _Reading(block, list(self._recogniser.believed(block, self._polyglot)))
        if apart is not None:
            reading.voices = apart.result()
        self._reading, self._words = reading, reading.words
        self.reads = False
        return reading

    def _block(self, until: float, *, silent: bool = False) -> Block:
        samples = self._sound[round(self._begin * SAMPLE_RATE) : round(until * SAMPLE_RATE)]
        return self._recogniser.block(
            samples, self._begin, levels=self._levels_before, silent=silent
        )

    def _finish(self, until: float, last: float) -> list[WordsHeard]:
        """Tell of a stretch that is over."""
        reading = self._reading
        if reading is None or reading.end < last:
            reading = self._read(until)
        self._voices = reading.voices
        told = [reading.block.settle(cue) for cue in reading.cues]
        told.append(reading.block.settle(None))
        self._advance(reading.end)
        return told

    def _settled(self) -> list[WordsHeard]:
        """Tell what is certain of a stretch that goes on, and let the rest be the stretch."""
        reading = self._reading
        if reading is None:
            return []
        told = self._over(reading)
        if told:
            return told
        if reading.settled:
            return []
        reading.settled = True
        duration, words = reading.block.span.duration, reading.words
        if (count := self._certain(words)) is not None:
            return self._tell_words(reading, count, ended=True)
        if not words and duration >= LONGEST_UNCLEAR:
            return self._cut_short(reading)
        if len(words) > 1 and duration >= LONGEST:
            gaps = [b.span.start - a.span.end for a, b in pairwise(words)]
            half = len(gaps) // 2
            place = half + int(np.argmax(gaps[half:]))
            return self._tell_words(reading, place + 1, ended=False)
        return []

    def _over(self, reading: _Reading) -> list[WordsHeard]:
        """Tell of a whole reading, where a sentence and a voice end with it."""
        runs, heard, _ = self._look()
        words = reading.words
        if not words or not words[-1].text.rstrip().endswith(MARKS):
            return []
        last = max((end for _, end in runs if end <= reading.end), default=reading.end)
        following = min((start for start, _ in runs if start >= reading.end), default=None)
        split = any(start < reading.end < end for start, end in runs)
        pieces = cut_recognised(words, LANGUAGE, self._max_duration, PAUSE)
        pause = (heard if following is None else following) - last
        if split or pause < SENTENCE_PAUSE or _is_brief(pieces[-1]):
            return []
        told = self._finish(reading.end, last)
        return [*told[:-1], replace(told[-1], ended=True, goes_on=following)]

    def _tell_words(self, reading: _Reading, count: int, *, ended: bool) -> list[WordsHeard]:
        """Tell the first words of a stretch that goes on."""
        words = reading.words
        begin, end = words[count - 1].span.end, words[count].span.start
        cut = self._quietest(min(begin, end), max(begin, end))
        told: list[WordsHeard] = []
        if self._voices is not None and reading.block.chunks:
            reading.block.tell_apart(self._voices, cut)
        left = count
        for cue in reading.cues:
            if left <= 0:
                break
            taken = cue.words[:left]
            left -= len(taken)
            part = cue
            if len(taken) < len(cue.words):
                part = Cue(join_words(taken), words_span(taken), taken)
            told.append(reading.block.settle(part))
        told[-1] = replace(told[-1], until=max(cut, told[-1].until), ended=ended, goes_on=end)
        self._advance(max(cut, told[-1].until))
        return told

    def _cut_short(self, reading: _Reading) -> list[WordsHeard]:
        """Tell of a voice whose words are not understood, and which goes on."""
        begin, end = (
            round(moment * SAMPLE_RATE) for moment in (self._begin, reading.block.span.end)
        )
        until = self._begin + quietest_end(self._sound[begin:end], SEARCH) / SAMPLE_RATE
        block = self._block(until)
        if self._voices is not None and block.chunks:
            block.tell_apart(self._voices)
        self._advance(until)
        return [block.settle(None)]

    def _quietest(self, begin: float, end: float) -> float:
        """The quietest moment between two words, or close to where one follows the other."""
        start = max(self._begin, begin - 0.06)
        frames = loudness_db(
            self._sound[round(start * SAMPLE_RATE) : round((end + 0.06) * SAMPLE_RATE)]
        )
        return start + int(frames.argmin()) * HOP_LENGTH / SAMPLE_RATE

    def _quiet(
        self, until: float, *, ended: bool = False, goes_on: float | None = None
    ) -> list[WordsHeard]:
        """Tell of time in which nobody speaks, and whether somebody laughs in it."""
        if until - self._begin < (1e-6 if ended else NEWS):
            return []
        samples = self._sound[round(self._begin * SAMPLE_RATE) : round(until * SAMPLE_RATE)]
        if not ended and until - self._begin < MOST_LOUD:
            loud = np.flatnonzero(is_loud(loudness_db(samples), self._levels_before))
            quiet = PAUSE * SAMPLE_RATE / HOP_LENGTH
            # What goes on loud may become a burst of laughter, which is told whole.
            if len(loud) and len(samples) / HOP_LENGTH - loud[-1] < quiet:
                until = self._begin + max(0.0, loud[0] * HOP_LENGTH / SAMPLE_RATE - NEWS)
                if until - self._begin < NEWS:
                    return []
        told = self._block(until, silent=True).settle(None)
        self._advance(until)
        return [replace(told, goes_on=goes_on)]

    @property
    def _levels_before(self) -> NDArray[np.float32]:
        return np.concatenate([np.zeros(0, np.float32), *self._levels])

    def _advance(self, until: float) -> None:
        """Everything before a moment was told."""
        samples = self._sound[round(self._begin * SAMPLE_RATE) : round(until * SAMPLE_RATE)]
        if len(samples):
            self._levels.append(loudness_db(samples))
        while len(self._levels) > 1 and sum(map(len, self._levels)) > LEVELS:
            self._levels.popleft()
        self._begin = until
        self._reading = None
        self._words = [word for word in self._words if word.span.start >= until]


def _tell_apart(block: Block, voices: VoiceTeller) -> VoiceTeller:
    """Find out who speaks when in a block, of which it is not known whether it will be told."""
    with one_core():
        after = voices.copy()
        if block.chunks:
            block.tell_apart(after)
        return after


def _is_brief(words: Sequence[Word]) -> bool:
    """Whether words may still join the sentence before them, or that one them."""
    return len(words) == 1 or words_span(words).duration < SHORT * 0.6
