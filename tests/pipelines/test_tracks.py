"""Which tracks of a file are used, and what is said of it; speakers that have a channel each."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from lddu_pipe import EmotionPipeline
from lddu_pipe.events import WordsHeard
from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.media import WaveformLike, probe
from lddu_pipe.pipelines.settings import PipelineSettings
from lddu_pipe.pipelines.sources import open_file
from lddu_pipe.pipelines.tracks import choose_tracks
from lddu_pipe.pipelines.voices import listen_to_all
from lddu_pipe.types import Cue, TimeSpan, Word
from tests.recordings import HIGH, LOW, ffmpeg, several_tracks

ANY = PipelineSettings()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, sample_video: Path) -> Path:
    """Silence, a tone and speech; black and colours; the first of each is the default."""
    path = tmp_path_factory.mktemp("tracks") / "film.mkv"
    ffmpeg(
        *("-f", "lavfi", "-i", "anullsrc=r=16000:d=3", "-f", "lavfi", "-i", "sine=d=3:r=16000"),
        *("-t", "3", "-i", sample_video, "-f", "lavfi", "-i", "color=black:s=64x48:r=5:d=3"),
        *("-f", "lavfi", "-i", "testsrc=s=64x48:r=5:d=3", "-map", "0", "-map", "1"),
        *("-map", "2:a", "-map", "3", "-map", "4", "-c:v", "libx264", "-c:a", "pcm_s16le", path),
    )
    return path


def chosen(path: Path, settings: PipelineSettings = ANY) -> tuple[int, int]:
    media = choose_tracks(path, settings)
    assert media.audio is not None
    assert media.video is not None
    return media.audio.number, media.video.number


def test_the_first_that_says_and_shows_something_is_taken_and_told(
    film: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert chosen(film) == (3, 2)
    assert "track 3 is used, --audio-track takes another" in caplog.text
    assert "track 2 is used, --video-track takes another" in caplog.text
    caplog.clear()
    assert chosen(film, PipelineSettings(audio_track=1, video_track="1")) == (1, 1)
    assert caplog.text == ""


def test_what_is_not_silent_is_better_than_nothing(tmp_path: Path) -> None:
    sounds = {"anullsrc=r=16000:d=1": "deu", "sine=d=1:r=16000": "eng"}
    pictures = {f"color=black:s=32x32:r=5:d={seconds}": "und" for seconds in (1, 2)}
    path = several_tracks(tmp_path / "tone.mkv", sounds, pictures)
    assert chosen(path) == (2, 1)


def test_one_track_is_taken_without_a_word(
    sample_video: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert chosen(sample_video) == (1, 1)
    assert caplog.text == ""


@pytest.mark.slow
def test_provenance_has_the_tracks_and_the_ffmpeg(pipe: EmotionPipeline, film: Path) -> None:
    provenance = pipe(film).provenance
    assert (provenance.config["audio_track"], provenance.config["video_track"]) == (3, 2)
    assert provenance.versions["ffmpeg"]
    assert "ffmpeg" not in pipe(text="Hello there").provenance.versions


class Recogniser:
    """Hears one word in each sound, at the moment at which it is loudest."""

    name, language = "made up", "en"

    def listen(self, waveform: WaveformLike) -> Iterator[WordsHeard]:
        span = TimeSpan(0.5, 1.0) if abs(waveform[:8000]).max() < 0.05 else TimeSpan(0.0, 0.4)
        yield WordsHeard((Cue("Word", span, (Word("Word", span),)),), until=span.end)


@pytest.mark.slow
def test_each_channel_is_a_speaker(
    pipe: EmotionPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "call.wav"
    late = f"sine=f={HIGH}:d=1:r=16000,volume='gt(t,0.5)':eval=frame"
    graph = f"sine=f={LOW}:d=1:r=16000[l];{late}[r];[r][l]join=inputs=2:map=0.0-FL|1.0-FR"
    ffmpeg("-f", "lavfi", "-i", graph, path)
    monkeypatch.setattr(type(pipe.extractors), "speech", Recogniser())
    heard: dict[str | None, float] = {}

    def extract(part: WaveformLike, start: float) -> object:
        heard[start] = float(abs(part[:]).mean())
        return original(part, start)

    original = pipe.extractors.audio.extract
    monkeypatch.setattr(pipe.extractors.audio, "extract", extract)
    annotation = pipe.adjusted(PipelineSettings(speakers="channels"))(path)
    assert [(item.speaker, item.start) for item in annotation.utterances] == [
        ("right", 0.0),
        ("left", 0.5),
    ]
    # Each is listened to in the own channel, at its own level and not at half of it.
    assert heard[0.0] == pytest.approx(heard[0.5], rel=0.1)
    assert annotation.provenance.config["speakers"] == "channels"


def test_one_channel_has_no_speakers(sample_video: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = open_file(sample_video, None, PipelineSettings(speakers="channels"), "sample.mp4")
    assert source.voices == {}
    assert "has one channel" in caplog.text


# --- false alarms, and reasons -----------------------------------------------------------


@pytest.mark.parametrize("kind", ["late", "subtitles", "mp3"])
def test_what_is_whole_is_not_called_cut_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    tone = ("-f", "lavfi", "-i", "sine=d=3:r=16000")
    if kind == "late":
        path = tmp_path / "late.mkv"
        late = ("-itsoffset", "4", "-f", "lavfi", "-i", "testsrc=s=32x32:r=5:d=3")
        ffmpeg(*tone, *late, "-c:v", "ffv1", path)
    elif kind == "subtitles":
        path = tmp_path / "titled.mkv"
        (tmp_path / "a.srt").write_text("1\n00:00:08,000 --> 00:00:09,000\nThe end\n\n")
        ffmpeg(*tone, "-i", tmp_path / "a.srt", path)
    else:
        path = tmp_path / "speech.mp3"
        # The bit rate of a quiet beginning says little of the rest.
        noise = "anoisesrc=d=3:r=16000,adelay=3000"
        ffmpeg("-f", "lavfi", "-i", noise, "-q:a", "9", "-write_xing", "0", path)
    with caplog.at_level(logging.WARNING):
        assert probe(path).duration > 2.5
    assert caplog.text == ""


def test_sound_that_cannot_be_decoded_is_not_called_absent(tmp_path: Path, clip: Path) -> None:
    ffmpeg("-i", clip, "-c", "copy", tmp_path / "clip.mkv")
    content = (tmp_path / "clip.mkv").read_bytes().replace(b"A_AAC", b"A_XYZ")
    (tmp_path / "clip.mkv").write_bytes(content)
    source = open_file(tmp_path / "clip.mkv", None, ANY, "clip.mkv")
    assert source.missing == {"audio": Absent(Reason.SOUND_NOT_DECODED)}


@pytest.mark.slow
def test_before_the_first_picture_no_face_is_looked_for(
    pipe: EmotionPipeline, tmp_path: Path
) -> None:
    path = tmp_path / "late.mkv"
    late = ("-itsoffset", "6", "-f", "lavfi", "-i", "testsrc=s=64x48:r=5:d=5")
    ffmpeg("-f", "lavfi", "-i", "anullsrc=r=16000:d=11", *late, "-c:v", "ffv1", path)
    reasons = [item.missing["vision"] for item in pipe(path).utterances]
    assert reasons == [Absent(Reason.NO_PICTURE), Absent(Reason.NO_FACE)]


def test_speakers_are_listened_to_in_step():
    taken = []

    def listen(name, *moments):
        for moment in moments:
            taken.append(name)
            span = TimeSpan(moment, moment + 1)
            unclear = Cue("", span.shift(2), ())
            yield WordsHeard((Cue(name, span, (Word(name, span),)),), (unclear,), (), moment + 3)

    both = {"left": listen("left", 1.0, 9.0), "right": listen("right", 0.0, 3.0, 6.0)}
    found = list(listen_to_all(both))
    assert taken == ["left", "right", "right", "left", "right"]
    assert [item.until for item in found] == [0.0, 3.0, 4.0, 6.0, 9.0]
    assert {(cue.text, cue.speaker) for item in found for cue in item.cues} == {
        ("left", "left"),
        ("right", "right"),
    }
    assert {word.speaker for item in found for cue in item.cues for word in cue.words} == {
        *("left", "right")
    }
    assert found[0].unrecognised[0].speaker == "left"
