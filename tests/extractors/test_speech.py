"""Words from sound: the same ones for the same sound, however long it is."""

from __future__ import annotations

from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pytest

from lddu_pipe.assets import resolve
from lddu_pipe.extractors import speech
from lddu_pipe.extractors.speech import SpeechRecogniser
from lddu_pipe.extractors.whisper import load_whisper
from lddu_pipe.media import Waveform, decode_audio, probe
from lddu_pipe.types import TimeSpan, Word


@pytest.mark.slow
def test_the_same_sound_gives_the_same_words_whatever_was_heard_before(shared_media):
    """A quick rapper, cut so that the first guess repeats itself."""
    media = probe(shared_media / "facerec_hamilton.mp4")
    recogniser = SpeechRecogniser(
        load_whisper(resolve("whisper-tiny.en"), "cpu"), "whisper-tiny.en"
    )
    starts = [0.5 + 0.5 * index for index in range(5)]
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
        load_whisper(resolve("whisper-tiny.en"), "cpu"), "whisper-tiny.en"
    )
    whole = recogniser.transcribe(waveform).words
    monkeypatch.setattr(speech, "MAX_BLOCK", 12.0)
    monkeypatch.setattr(speech, "SEARCH", 6.0)
    shares: list[float] = []
    pieces = recogniser.transcribe(Waveform([waveform]), shares.append).words

    def plain(words: tuple[Word, ...]) -> list[str]:
        return [word.text.lower().strip(".,") for word in words]

    matcher = SequenceMatcher(None, plain(whole), plain(pieces), autojunk=False)
    assert matcher.ratio() > 0.97
    for first, second, size in matcher.get_matching_blocks():
        for index in range(size):
            one, other = whole[first + index], pieces[second + index]
            assert other.span.start == pytest.approx(one.span.start, abs=1.0)
    assert shares == sorted(shares)
    assert shares[-1] <= 1.0
    assert len({round(word.span.start) for word in pieces}) > 25


@pytest.mark.parametrize("quiet_at", [125.0, 150.0, 179.0])
def test_a_block_ends_at_the_quietest_moment(quiet_at: float) -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, 180 * 16_000).astype(np.float32)
    middle = round(quiet_at * 16_000)
    sound[middle - 6000 : middle + 6000] *= 0.01
    assert speech._quietest_end(sound) / 16_000 == pytest.approx(quiet_at, abs=0.2)
