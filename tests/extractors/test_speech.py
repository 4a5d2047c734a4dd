from __future__ import annotations

import pytest

from lddu_pipe.assets import resolve
from lddu_pipe.extractors.speech import SpeechRecogniser
from lddu_pipe.extractors.whisper import load_whisper
from lddu_pipe.media import decode_audio, probe
from lddu_pipe.types import TimeSpan


@pytest.mark.slow
def test_the_same_sound_gives_the_same_words_whatever_was_heard_before(shared_media):
    """A quick rapper, cut so that the first guess repeats itself."""
    media = probe(shared_media / "facerec_hamilton.mp4")
    recogniser = SpeechRecogniser(
        load_whisper(resolve("whisper-tiny.en"), "cpu"), "whisper-tiny.en"
    )
    starts = [0.5 + 0.25 * index for index in range(10)]
    heard = [
        [
            recogniser.transcribe(decode_audio(media, span=TimeSpan(start, start + 2.5))).cues
            for start in starts
        ]
        for _ in range(2)
    ]
    assert any(heard[0])
    assert heard[0] == heard[1]
