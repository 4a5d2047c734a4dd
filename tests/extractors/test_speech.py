"""Words from sound: the same ones for the same sound, however long it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from faster_whisper.transcribe import Segment
from faster_whisper.transcribe import Word as FasterWord
from numpy.typing import NDArray

from lddu_pipe.assets import resolve
from lddu_pipe.extractors import blocks, decoding, speech
from lddu_pipe.extractors.decoding import Reader
from lddu_pipe.extractors.polyglot import Languages
from lddu_pipe.extractors.speech import SpeechRecogniser
from lddu_pipe.extractors.turns import cut_at_turns, part_of, with_voices
from lddu_pipe.extractors.whisper import load_whisper
from lddu_pipe.media import Waveform, decode_audio, probe
from lddu_pipe.segmentation import Segmenter
from lddu_pipe.types import Cue, TimeSpan, Turn, Word


def only(model: Any) -> Languages:
    """English alone is read."""
    return Languages(Reader(model))


@pytest.mark.slow
def test_the_same_sound_gives_the_same_words_whatever_was_heard_before(shared_media):
    """A quick rapper, cut so that the first guess repeats itself."""
    media = probe(shared_media / "facerec_hamilton.mp4")
    recogniser = SpeechRecogniser(
        only(load_whisper(resolve("whisper-tiny.en"), "cpu")), "whisper-tiny.en"
    )
    starts = [0.5, 1.0]
    heard = [
        [
            recogniser.transcribe(decode_audio(media, span=TimeSpan(start, start + 2.5))).cues
            for start in starts
        ]
        for _ in range(2)
    ]
    assert any(heard[0])
    assert heard[0] == heard[1]


@pytest.mark.slow
def test_long_sound_is_read_in_blocks_that_end_where_nobody_speaks(
    shared_media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty seconds of reading, in blocks of twelve: the same words, at the same times."""
    waveform = decode_audio(probe(shared_media / "two_cities.wav"))
    recogniser = SpeechRecogniser(
        only(load_whisper(resolve("whisper-tiny.en"), "cpu")), "whisper-tiny.en"
    )
    whole = recogniser.transcribe(waveform).words
    monkeypatch.setattr(speech, "MAX_BLOCK", 12.0)
    monkeypatch.setattr(speech, "SEARCH", 6.0)
    heard = list(recogniser.listen(Waveform([waveform])))
    pieces = tuple(word for news in heard for cue in news.cues for word in cue.words)

    def plain(words: tuple[Word, ...]) -> list[str]:
        return [word.text.lower().strip(".,") for word in words]

    matcher = SequenceMatcher(None, plain(whole), plain(pieces), autojunk=False)
    assert matcher.ratio() > 0.97
    for first, second, size in matcher.get_matching_blocks():
        for index in range(size):
            one, other = whole[first + index], pieces[second + index]
            assert other.span.start == pytest.approx(one.span.start, abs=1.0)
    times = [news.until for news in heard]
    assert times == sorted(times)
    assert times[-1] == pytest.approx(len(waveform) / 16_000)
    # What is told is final: nothing that is told later begins before.
    for news, later in pairwise(heard):
        assert all(
            cue.span.start >= news.until - 0.5 for cue in (*later.cues, *later.unrecognised)
        )
    assert len({round(word.span.start) for word in pieces}) > 25


@pytest.mark.parametrize("quiet_at", [125.0, 150.0, 179.0])
def test_a_block_ends_at_the_quietest_moment(quiet_at: float) -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, 180 * 16_000).astype(np.float32)
    middle = round(quiet_at * 16_000)
    sound[middle - 6000 : middle + 6000] *= 0.01
    assert decoding.quietest_end(sound, 60.0) / 16_000 == pytest.approx(quiet_at, abs=0.2)


class Fake:
    """A recogniser's parts: all sound is speech, and windows of over ten seconds end in a loop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, always: bool = False) -> None:
        self.model = SimpleNamespace(is_multilingual=False)
        self.asked: list[tuple[float, bool]] = []
        self._always = always
        monkeypatch.setattr(decoding, "decode", self.decode)
        monkeypatch.setattr(
            blocks, "get_speech_timestamps", lambda sound, **_: [{"start": 0, "end": len(sound)}]
        )

    def decode(
        self,
        _: object,
        sound: NDArray[np.float32],
        *,
        language: str,
        forbid_repetition: bool = False,
    ) -> Iterator[Segment]:
        seconds = len(sound) / 16_000
        self.asked.append((round(seconds), forbid_repetition))
        looped = self._always or seconds > 10.0
        word = FasterWord(0.2, seconds - 0.2, " again", 0.99)
        yield Segment(
            *(0, 0, 0.0, seconds, " again", [1], -0.1),
            compression_ratio=18.9 if looped else 0.9,
            no_speech_prob=0.1,
            words=[word],
            temperature=0.0,
        )


def test_a_window_that_repeats_itself_is_read_in_shorter_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = Fake(monkeypatch)
    recogniser = SpeechRecogniser(only(fake), "fake")  # type: ignore[arg-type]
    sound = np.random.default_rng(0).normal(0, 0.1, 16_000 * 24).astype(np.float32)
    sound[16_000 * 8 : 16_000 * 9] = 0.0
    heard = recogniser.transcribe(sound)
    assert fake.asked[0] == (24, False)
    assert [forbidden for _, forbidden in fake.asked] == [False] * len(fake.asked)
    first, second, *_ = heard.cues
    assert 7.5 < first.span.end < 9 < second.span.end < 19
    assert heard.cues[-1].span.end == pytest.approx(23.8)
    assert heard.unrecognised == ()


def test_what_repeats_itself_still_is_a_voice_without_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = Fake(monkeypatch, always=True)
    heard = SpeechRecogniser(only(fake), "fake").transcribe(  # type: ignore[arg-type]
        np.ones(16_000 * 6, np.float32)
    )
    assert fake.asked == [(6, False), (6, True)]
    assert heard.cues == ()
    assert heard.unrecognised == (Cue("", TimeSpan(0.0, 6.0), ()),)


def test_where_words_are_not_believed_somebody_speaks_whatever_the_detector_says_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = Fake(monkeypatch, always=True)

    def only_the_end_is_sure(sound: NDArray[np.float32], **options: int) -> list[dict[str, int]]:
        return [{"start": 48_000 if options else 0, "end": len(sound)}]

    monkeypatch.setattr(blocks, "get_speech_timestamps", only_the_end_is_sure)
    heard = SpeechRecogniser(only(fake), "fake").transcribe(  # type: ignore[arg-type]
        np.ones(16_000 * 6, np.float32)
    )
    (unclear,) = heard.unrecognised
    assert (unclear.span.start, unclear.span.end) == (pytest.approx(0.2), pytest.approx(6.0))


class Laughter:
    """Finds bursts at given times, where they are asked for."""

    def __init__(self, *spans: tuple[float, float]) -> None:
        self._spans = [TimeSpan(*span) for span in spans]

    def over(self, *_: object) -> Laughter:
        return self

    def within(self, span: TimeSpan) -> list[TimeSpan]:
        inside = [found.clip(span) for found in self._spans if found.overlap(span)]
        return [found for found in inside if found.duration >= 0.8]


def test_laughter_is_heard_beside_words_and_where_a_word_is_stretched_over_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = Fake(monkeypatch)  # one word from 0.2 to 5.8, in six seconds of sound
    sound = np.zeros(16_000 * 6, np.float32)

    def heard(*spans: tuple[float, float]) -> tuple[list[TimeSpan], list[TimeSpan]]:
        recogniser = SpeechRecogniser(only(fake), "fake", Laughter(*spans))  # type: ignore[arg-type]
        told = recogniser.transcribe(sound)
        return [word.span for word in told.words], [cue.span for cue in told.unrecognised]

    monkeypatch.setattr(
        blocks,
        "get_speech_timestamps",
        lambda sound, **options: [] if options else [{"start": 0, "end": len(sound)}],
    )
    assert heard() == ([TimeSpan(0.2, 5.8)], [])
    assert heard((2.0, 6.0)) == ([TimeSpan(0.2, 2.0)], [TimeSpan(2.0, 6.0)])
    assert heard((0.0, 4.0), (5.5, 6.0)) == ([TimeSpan(4.0, 5.8)], [TimeSpan(0.0, 4.0)])
    assert heard((0.3, 6.0)) == ([TimeSpan(0.2, 5.8)], [])  # the word itself is screamed
    # In the pause between words it ends the utterance before it, wherever the block begins.
    words = Cue(
        "so so",
        TimeSpan(7.3, 9.7),
        tuple(Word("so", TimeSpan(*span)) for span in ((7.3, 7.6), (9.1, 9.7))),
    )
    block = blocks.Block(sound, 7.1, Laughter((0.4, 2.3)))  # type: ignore[arg-type]
    segmenter = Segmenter(TimeSpan(0, 13.1))
    segmenter.hear(block.settle(words))
    segmenter.end()
    said = [(item.kind, item.span) for item in segmenter.closed() if item.kind != "silence"]
    assert said[1] == ("sound", TimeSpan(7.6, 9.1))
    assert [kind for kind, _ in said] == ["speech", "sound", "speech"]
    # Nobody speaks at all.
    monkeypatch.setattr(blocks, "get_speech_timestamps", lambda *_, **__: [])
    assert heard((1.0, 2.0)) == ([], [TimeSpan(1.0, 2.0)])
    assert heard() == ([], [])


def test_words_and_voices_without_words_get_the_turn_they_lie_in() -> None:
    turns = [Turn(TimeSpan(0, 2.1), 0), Turn(TimeSpan(1.9, 5), 1), Turn(TimeSpan(8, 9), 0)]
    times = [(0.2, 0.9), (1.8, 2.0), (2.0, 2.4), (5.2, 5.5), (6.3, 6.5)]
    words = tuple(Word("so", TimeSpan(*span)) for span in times)
    cue = with_voices(Cue("so so so so so", TimeSpan(0.2, 6.5), words), turns)
    assert [word.voice for word in cue.words] == [0, 0, 1, 1, None]
    assert cue.voice is None
    # Parts make up the whole; what is too short to be a part is of the voice before it.
    parts = cut_at_turns(TimeSpan(0.5, 8.3), turns, 0.5)
    assert parts == [(TimeSpan(0.5, 1.9), 0), (TimeSpan(1.9, 8.3), 1)]
    assert cut_at_turns(TimeSpan(5.5, 7.5), turns, 0.5) == [(TimeSpan(5.5, 7.5), None)]
    assert part_of(turns, TimeSpan(2, 4)) == (
        Turn(TimeSpan(2, 2.1), 0),
        Turn(TimeSpan(2, 4), 1),
    )


@pytest.mark.slow
def test_voices_are_told_with_the_words_and_without_them_nothing_changes(
    shared_media: Path,
) -> None:
    waveform = decode_audio(probe(shared_media / "sadtalker_KH.mp4"))
    recogniser = SpeechRecogniser(
        only(load_whisper(resolve("whisper-tiny.en"), "cpu")), "whisper-tiny.en"
    )

    class Two:
        """Says that another speaks from second 4 on."""

        def turns(
            self, samples: NDArray[np.float32], speech: object, offset: float
        ) -> tuple[Turn, ...]:
            return Turn(TimeSpan(0, 4), 0), Turn(TimeSpan(4, len(samples) / 16_000), 1)

    alone = list(recogniser.listen(waveform))
    heard = list(recogniser.listen(waveform, Two()))  # type: ignore[arg-type]
    plain = [replace(news, turns=(), cues=tuple(map(without_voices, news.cues))) for news in heard]
    assert plain == alone
    words = [word for news in heard for cue in news.cues for word in cue.words]
    assert len(words) > 5
    assert all(word.voice == (word.span.middle > 4) for word in words)
    told = sorted(turn for news in heard for turn in news.turns)
    assert sum(turn.span.duration for turn in told) == pytest.approx(len(waveform) / 16_000)
    assert {turn.voice for turn in told} == {0, 1}


def without_voices(cue: Cue) -> Cue:
    words = tuple(replace(word, voice=None) for word in cue.words)
    return replace(cue, words=words, voice=None)
