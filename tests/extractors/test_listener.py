"""Words of sound that goes on: told once, in order, and soon."""

from __future__ import annotations

import numpy as np
import pytest
from faster_whisper.vad import get_speech_timestamps
from numpy.typing import NDArray

from lddu_pipe.events import WordsHeard
from lddu_pipe.extractors.activity import VoiceActivity
from lddu_pipe.extractors.blocks import Block
from lddu_pipe.extractors.listener import LONGEST_UNCLEAR, PAUSE, Listener
from lddu_pipe.media import RecentSound, decode_waveform, probe
from lddu_pipe.segmentation import Segmenter
from lddu_pipe.types import Cue, TimeSpan, Word

RATE = 16_000
SCRIPT = [
    *[("One", 1.0), ("is", 1.4), ("enough.", 1.8), ("Two", 2.6), ("are", 3.0), ("better.", 3.4)],
    *[("So", 5.2), ("it", 5.6), ("goes.", 6.0)],
]
"""Words of 0.3 s each, and when they begin."""


class Recogniser:
    """Knows what is said, and reads a sound by the words that lie in it."""

    def __init__(self, script: list[tuple[str, float]]) -> None:
        self.script = script
        self.reads = 0

    def block(self, samples, offset, *, levels=None, silent=False):
        chunks = [] if silent else [{"start": 0, "end": len(samples)}]
        return Block(samples, offset, None, chunks)

    def polyglot(self):
        return None

    def skim(self, block, polyglot=None):
        return [
            Word(text, TimeSpan(start, start + 0.3))
            for text, start in self.script
            if block.span.start <= start and start + 0.3 <= block.span.end
        ]

    def believed(self, block, polyglot):
        self.reads += 1
        words = tuple(self.skim(block))
        if words:
            span = TimeSpan(words[0].span.start, words[-1].span.end)
            yield Cue(" ".join(word.text for word in words), span, words)


class Activity:
    """Hears a voice where words of a script are, and up to 0.3 s beside."""

    def __init__(self, script: list[tuple[str, float]]) -> None:
        self.script, self.heard, self.voiced = script, 0.0, False

    def hear(self, samples: NDArray[np.float32]) -> None:
        self.heard += len(samples) / RATE
        runs = self.runs(0.0)
        self.voiced = bool(runs) and runs[-1][1] >= self.heard - 1e-9

    def runs(self, since: float) -> list[tuple[float, float]]:
        runs: list[tuple[float, float]] = []
        for _, start in self.script:
            begin, end = max(start, since), min(start + 0.4, self.heard)
            if begin < end and runs and begin - runs[-1][1] < 0.05:
                runs[-1] = runs[-1][0], end
            elif begin < end:
                runs.append((begin, end))
        return runs


def told_of(script, seconds):
    """What is told at which second, of sound that comes in tenths of a second."""
    listener = Listener(Recogniser(script), RecentSound())  # type: ignore[arg-type]
    listener._activity = Activity(script)  # type: ignore[assignment]
    told: list[tuple[float, WordsHeard]] = []
    for number in range(round(seconds * 10)):
        listener.hear(np.zeros(1600, np.float32))
        while news := listener.news():
            told += [(number / 10 + 0.1, item) for item in news]
    listener.end()
    while not listener.over:
        told += [(seconds, item) for item in listener.news()]
    return told, listener


def test_all_words_are_told_once_and_in_order():
    told, listener = told_of(SCRIPT, 8.0)
    words = [word.text for _, news in told for cue in news.cues for word in cue.words]
    assert words == [text for text, _ in SCRIPT]
    until = [news.until for _, news in told]
    assert until == sorted(until)
    assert until[-1] == pytest.approx(8.0)
    assert listener.speaking is None


def test_a_sentence_is_told_while_the_next_one_is_spoken():
    told, _ = told_of(SCRIPT, 8.0)
    first, moment = next((news, at) for at, news in told if news.cues)
    assert [word.text for word in first.cues[0].words] == ["One", "is", "enough."]
    assert moment < 4.0
    segmenter = Segmenter(TimeSpan(0.0, 1e6))
    closed = {}
    for at, news in told:
        segmenter.hear(news)
        for item in segmenter.closed():
            closed.setdefault(item.text, at)
    assert closed["One is enough."] < 4.0
    assert closed["Two are better."] < 3.7 + PAUSE + 0.5


def test_nothing_is_read_where_nobody_speaks():
    told, listener = told_of([], 5.0)
    assert listener._recogniser.reads == 0
    assert not any(news.cues or news.unrecognised for _, news in told)
    assert np.diff([at for at, _ in told]).max() < 0.5


def test_a_voice_that_nobody_understands_holds_up_nothing(monkeypatch):
    script = [("", start / 10) for start in range(10, 300, 4)]
    monkeypatch.setattr(Recogniser, "skim", lambda *_: [])
    told, _ = told_of(script, 30.0)
    gaps = np.diff([news.until for _, news in told])
    assert gaps.max() <= LONGEST_UNCLEAR + 1


def test_the_detector_hears_the_same_however_sound_is_cut(sample_video):
    sound = decode_waveform(probe(sample_video))[:]
    whole, pieces, random = VoiceActivity(), VoiceActivity(), np.random.default_rng(0)
    whole.hear(sound)
    place = 0
    while place < len(sound):
        count = int(random.integers(1, 3000))
        pieces.hear(sound[place : place + count])
        place += count
    assert pieces.runs(0.0) == whole.runs(0.0)
    chunks = get_speech_timestamps(sound, speech_pad_ms=0, min_silence_duration_ms=0)
    assert whole.runs(0.0) == [(part["start"] / RATE, part["end"] / RATE) for part in chunks]
