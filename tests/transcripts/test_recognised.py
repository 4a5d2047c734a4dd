"""JSON of recognisers: whole, with a broken field, in another unit, and of no known kind."""

from __future__ import annotations

import json
import logging
import random
from pathlib import Path

import pytest

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.transcripts import read_transcript
from lddu_pipe.types import TimeSpan, Transcript
from tests.transcripts.recognisers import (
    RECOGNISERS,
    TEXTS,
    WORDS,
    assemblyai,
    aws,
    azure,
    bare,
    deepgram,
    google,
    hugging_face,
    json3,
    whisper,
    with_a_broken_field,
)

SPEAKERS = {
    "whisper": ("SPEAKER_00", "SPEAKER_01"),
    "assemblyai": ("A", "B"),
    "aws": ("spk_0", "spk_1"),
    "deepgram": ("speaker 0", "speaker 1"),
    "deepgram_utterances": ("speaker 0", "speaker 1"),
    "google": ("speaker 1", "speaker 2"),
    "azure": ("speaker 1", "speaker 2"),
    "rev": ("speaker 0", "speaker 1"),
}
SHARED = {"hugging_face", "whisper_cpp"}
"""Which give no times of words."""
ENGLISH = {
    *("whisper", "assemblyai", "aws", "deepgram", "deepgram_utterances", "google", "azure"),
    "whisper_cpp",
}


def read(tmp_path: Path, content: object, name: str = "a.json") -> Transcript:
    path = tmp_path / name
    path.write_text(json.dumps(content))
    return read_transcript(path)


@pytest.mark.parametrize("name", RECOGNISERS)
def test_who_says_what_and_when_of_each_recogniser(tmp_path, name, caplog):
    with caplog.at_level(logging.WARNING):
        transcript = read(tmp_path, RECOGNISERS[name]())
    said = [bare(text) for text in TEXTS] if name == "vosk" else list(TEXTS)
    assert [cue.text for cue in transcript.cues] == said
    assert [cue.speaker for cue in transcript.cues] == list(SPEAKERS.get(name, (None, None)))
    spans = [(word.span.start, word.span.end) for word in transcript.words]
    for place, (_, start, end) in zip(spans, WORDS, strict=True):
        if name not in SHARED:
            assert place == pytest.approx((start, end))
    cues = [time for cue in transcript.cues for time in (cue.span.start, cue.span.end)]
    assert cues == pytest.approx([0.5, 2.0, 3.0, 3.8])
    assert transcript.language == ("en" if name in ENGLISH else None)
    assert not transcript.notes
    assert not caplog.text


@pytest.mark.parametrize("name", RECOGNISERS)
def test_a_broken_field_costs_little_and_is_never_a_crash(tmp_path, name):
    dice = random.Random(name)
    refused = 0
    for _ in range(25):
        try:
            transcript = read(tmp_path, with_a_broken_field(RECOGNISERS[name](), dice))
        except UnusableInputError:
            refused += 1
        else:
            starts = [cue.span.start for cue in transcript.cues]
            assert starts == sorted(starts)
            assert len(transcript.words) >= 2
            assert all(cue.span.end < 1e6 for cue in transcript.cues)
    assert refused <= 12


@pytest.mark.parametrize("value", [None, "soon", -1, float("nan"), 10**400, True])
def test_a_segment_that_cannot_be_placed_is_left_out_and_told(tmp_path, value, caplog):
    content = [
        {"start": 1, "end": 2, "text": "first"},
        {"start": value, "text": "second"},
        {"start": 3, "end": 4, "text": "third"},
    ]
    with caplog.at_level(logging.WARNING):
        transcript = read(tmp_path, content)
    assert [cue.text for cue in transcript.cues] == ["first", "third"]
    assert "1 segment left out: segment 2 has" in caplog.text
    assert len(caplog.records) == 1
    assert "segment 2" in transcript.notes[0]
    with pytest.raises(UnusableInputError, match=r"a\.json: segment 1 has"):
        read(tmp_path, {"segments": content[1:2]})


def test_words_and_probabilities_that_are_none_keep_their_segment(tmp_path):
    words = [
        {"word": "good", "start": float("nan"), "end": 0.5, "score": 7},
        {"word": "day", "start": 0.5, "end": 1.0, "score": 0.5},
    ]
    transcript = read(tmp_path, [{"start": 0, "end": 1, "text": "Good day!", "words": words}])
    assert [(word.text, word.probability) for word in transcript.words] == [
        ("Good", None),
        ("day!", 0.5),
    ]
    assert transcript.words[0].span.end == 0.5
    assert len(transcript.notes) == 1


def test_a_missing_end_is_that_of_the_words_or_the_next_start(tmp_path):
    content = hugging_face()
    content["chunks"][-1]["timestamp"][1] = None  # as it is where the sound is cut off
    assert read(tmp_path, content).cues[-1].span.end == pytest.approx(3.8)
    starts = [{"start": 1, "text": "one two"}, {"start": 2, "text": "three"}]
    assert read(tmp_path, starts).cues[0].span.end == 2


def test_milliseconds_are_known_by_the_pace(tmp_path):
    content = whisper()["segments"]
    for segment in content:
        for item in (segment, *segment["words"]):
            item.update(start=round(item["start"] * 1000), end=round(item["end"] * 1000))
    assert "milliseconds" in read(tmp_path, content).notes[0]
    assert read(tmp_path, content).cues[1].span.start == pytest.approx(3.0)
    slow = [{"start": 0, "end": 30, "text": "Oh"}, {"start": 2000, "end": 2030, "text": "no"}]
    assert read(tmp_path, [{"start": 0, "end": 30, "text": "Oh"}]).cues[0].span.end == 30
    assert read(tmp_path, [*slow, {"start": 2040, "end": 2041, "text": "I did not"}]).cues[1].span


def test_channels_are_speakers_where_there_are_several(tmp_path):
    content = deepgram()
    (channel,) = content["results"]["channels"]
    words = channel["alternatives"][0]["words"]
    first, second = (
        {"alternatives": [{"transcript": text, "words": own}]}
        for text, own in zip(TEXTS, (words[:4], words[4:]), strict=True)
    )
    for item in (first, second):
        for word in item["alternatives"][0]["words"]:
            del word["speaker"]
    content["results"]["channels"] = [first, second]
    assert [cue.speaker for cue in read(tmp_path, content).cues] == ["channel 0", "channel 1"]
    phrases = azure()
    for number, phrase in enumerate(phrases["recognizedPhrases"]):
        phrase.update(speaker=None, channel=number)
    assert [cue.speaker for cue in read(tmp_path, phrases).cues] == ["channel 0", "channel 1"]


def test_older_output_of_aws_has_speakers_in_a_list_of_their_own(tmp_path):
    content = aws()
    for item in content["results"]["items"]:
        del item["speaker_label"]
    assert [cue.speaker for cue in read(tmp_path, content).cues] == ["spk_0", "spk_1"]


def test_what_google_writes_in_other_places(tmp_path):
    untagged = google()["results"][:2]
    del untagged[0]["alternatives"][0]["words"][0]["startTime"]  # as it does with zero
    assert read(tmp_path, {"results": untagged}).words[0].span == TimeSpan(0.0, 0.7)
    assert [cue.text for cue in read(tmp_path, {"results": untagged}).cues] == list(TEXTS)
    for result in untagged:
        del result["alternatives"][0]["words"]
    spans = [cue.span for cue in read(tmp_path, {"response": {"results": untagged}}).cues]
    assert [(span.start, span.end) for span in spans] == [(0.0, 2.0), (2.0, 3.8)]


def test_turns_of_minutes_are_cut_as_recognised_speech_is(tmp_path):
    assert read(tmp_path, assemblyai()).running
    assert not read(tmp_path, whisper()).running


def test_captions_of_youtube_that_people_wrote_are_whole_lines(tmp_path):
    events = [
        {"tStartMs": 0, "dDurationMs": 2000, "segs": [{"utf8": "I am angry,\nvery"}]},
        {"tStartMs": 2000, "dDurationMs": 1000, "segs": [{"utf8": "[door slams]"}]},
    ]
    (cue,) = read(tmp_path, {"events": events}, "talk.en.json3").cues
    assert cue.text == "I am angry, very"
    assert [word.text for word in cue.words] == ["I", "am", "angry,", "very"]
    overlapping = json3()
    overlapping["events"][1]["dDurationMs"] = 9000
    assert read(tmp_path, overlapping).cues[0].span.end == 2.0  # where the line breaks


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"foo": [1]}, "of a kind that is not read; JSON is read of Whisper, .* and YouTube"),
        ("text", "of a kind that is not read"),
        ([["a", "b"]], "of a kind that is not read"),
        ({"utterances": []}, "of a kind that is not read"),
        ([{"start": 0, "end": 1}], "segment 1 has no text"),
        ({"schema_version": "1.0", "provenance": {}, "utterances": []}, "is an annotation"),
    ],
)
def test_what_is_no_transcript_is_refused_in_one_line(tmp_path, content, message):
    with pytest.raises(UnusableInputError, match=message) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)
    assert "a.json" in str(caught.value)
