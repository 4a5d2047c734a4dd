"""The whole path on real and generated media, with the model that ships."""

from __future__ import annotations

import json
import math
import shutil
import wave
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest

from lddu_pipe import Annotation, EmotionPipeline, PipelineSettings
from lddu_pipe.assets import resolve
from lddu_pipe.errors import IncompatibleModelError, MissingAssetError, UnusableInputError
from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.extractors.features import FeatureSet
from lddu_pipe.layout import AnnotationLayout
from lddu_pipe.media import decode_audio, decode_frames, probe
from lddu_pipe.pipelines.components import Extractors
from lddu_pipe.pipelines.folder import find_checkpoint
from lddu_pipe.pipelines.sources import open_memory, read_waveform
from lddu_pipe.types import TimeSpan

LABELS = ["happy", "sad", "anger", "surprise", "disgust", "fear"]


def top(annotation: Annotation, utterance: int = 0) -> str:
    emotions = annotation.utterances[utterance].emotions
    return max(emotions, key=lambda score: score.probability).label


def missing(annotation: Annotation) -> dict[str, str]:
    return {name: str(why) for name, why in annotation.utterances[0].missing.items()}


def no_nan(value: Any) -> bool:
    if isinstance(value, dict):
        return all(no_nan(item) for item in value.values())
    if isinstance(value, list):
        return all(no_nan(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)


def test_the_sample_has_words_a_face_and_a_voice(sample: Annotation) -> None:
    assert missing(sample) == {}
    text = " ".join(prediction.text for prediction in sample.utterances).lower()
    assert "happy" in text
    assert "happy" in [score.label for score in sample.utterances[0].present]
    ends = [prediction.end for prediction in sample.utterances]
    assert ends == sorted(ends)
    assert ends[-1] <= sample.media.duration + 0.01


def test_the_json_keeps_its_contract(sample: Annotation, tmp_path: Path) -> None:
    content = json.loads(sample.save(tmp_path / "a.json").read_text())
    assert content == sample.to_dict()
    assert no_nan(content)
    assert content["schema_version"] == "2.1"
    AnnotationLayout.model_validate(content)
    assert set(content["media"]) == {"path", "sha256", "duration", "has_audio", "has_video"}
    assert content["model"]["labels"] == LABELS
    assert len(content["media"]["sha256"]) == 64
    for utterance in content["utterances"]:
        assert set(utterance["modalities"]) == {"text", "audio", "vision"}
        assert [emotion["label"] for emotion in utterance["emotions"]] == LABELS
        for emotion in utterance["emotions"]:
            assert emotion["decision"] in ("present", "absent", "abstain")
            assert 0 <= emotion["probability"] <= 1
            expected = {
                "present": emotion["probability"],
                "absent": 1 - emotion["probability"],
                "abstain": max(emotion["probability"], 1 - emotion["probability"]),
            }[emotion["decision"]]
            assert emotion["confidence"] == pytest.approx(expected, abs=2e-4)
            assert 0 <= emotion["uncertainty"]["aleatoric"] <= 1
            assert 0 <= emotion["uncertainty"]["epistemic"] <= 0.5
    provenance = content["provenance"]
    assert provenance["config"]["fps"] == 10.0
    assert "model.safetensors" in provenance["weights"]
    assert "whisper-tiny.en/model.bin" in provenance["weights"]


def test_the_table_has_a_row_an_utterance_and_label(sample: Annotation) -> None:
    table = sample.to_dataframe()
    assert len(table) == 6 * len(sample.utterances)
    assert set(table["label"]) == set(LABELS)
    assert table["has_vision"].all()


@pytest.mark.slow
def test_twice_is_the_same_and_how_far_it_is_is_told_in_order_and_to_the_end(
    pipe: EmotionPipeline, sample: Annotation, sample_video: Path
) -> None:
    told: list[tuple[str, object, float, float]] = []
    again = pipe(sample_video, hook=lambda *news: told.append(news))
    assert again.to_dict()["utterances"] == sample.to_dict()["utterances"]
    # Which of the two is behind the other, and so is named, depends on how quick the threads are.
    steps = {step for step, *_ in told}
    assert "judge" in steps
    assert steps - {"judge"}
    assert steps <= {"transcribe", "look at faces", "judge"}
    done = [completed for *_, completed, _ in told]
    assert done == sorted(done)
    assert 0 < done[-1] == told[-1][-1] == sample.media.duration
    judged = [artifact for step, artifact, *_ in told if step == "judge"]
    assert judged == again.utterances


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I am so happy to see you, this is wonderful news", "happy"),
        ("He shouted at me and I hate him", "anger"),
        ("I miss her so much, I have been crying all night", "sad"),
        ("I am terrified, someone is in the house", "fear"),
    ],
)
def test_plain_words_say_the_plain_emotion(pipe: EmotionPipeline, text: str, label: str) -> None:
    annotation = pipe(text=text)
    assert top(annotation) == label
    assert label in [score.label for score in annotation.utterances[0].present]
    assert missing(annotation) == {"audio": "no sound given", "vision": "no pictures given"}


def test_a_neutral_sentence_has_no_emotion(pipe: EmotionPipeline) -> None:
    annotation = pipe(text="The meeting starts at ten in room four.")
    assert annotation.utterances[0].present == ()


def test_a_silent_smile_is_happy(pipe: EmotionPipeline, shared_media: Path) -> None:
    annotation = pipe(shared_media / "pyfeat_single.mp4")
    assert top(annotation) == "happy"
    assert set(missing(annotation)) == {"text", "audio"}


@pytest.mark.slow
def test_speech_is_recognised(pipe: EmotionPipeline, shared_media: Path) -> None:
    annotation = pipe(shared_media / "two_cities.wav")
    text = " ".join(prediction.text for prediction in annotation.utterances).lower()
    assert "best of times" in text
    assert "worst of times" in text
    assert missing(annotation) == {"vision": "no picture stream"}


@pytest.mark.slow
def test_what_is_absent_is_named(pipe: EmotionPipeline, shared_media: Path) -> None:
    silent = pipe(shared_media / "pyfeat_pexels.mp4")
    assert "vision" not in missing(silent)
    assert set(missing(silent)) == {"text", "audio"}
    heard = pipe(shared_media / "rishi_audio_happy.mp4")
    assert missing(heard)["vision"] == "no picture stream"
    assert not heard.media.has_video


@pytest.mark.slow
def test_what_the_model_does_not_take_is_not_looked_at(
    pipe: EmotionPipeline, sample_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe.checkpoint.config, "modalities", ["text"])
    for modality in ("audio", "vision"):
        monkeypatch.delattr(FeatureSet, modality)
    found = pipe(sample_video)
    reason = "the model does not take it"
    assert missing(found) == {"audio": reason, "vision": reason}


def test_memory_and_file_agree(
    pipe: EmotionPipeline, sample: Annotation, sample_video: Path
) -> None:
    media = probe(sample_video)
    waveform = decode_audio(media)
    frames = [frame.image for frame in decode_frames(media, 10.0)]
    annotation = pipe(audio=(waveform, 16_000), frames=(np.stack(frames), 10.0))
    assert [p.text for p in annotation.utterances] == [p.text for p in sample.utterances]
    for mine, theirs in zip(annotation.utterances, sample.utterances, strict=True):
        for one, other in zip(mine.emotions, theirs.emotions, strict=True):
            assert one.probability == pytest.approx(other.probability, abs=0.1)


@pytest.mark.slow
def test_stereo_and_other_rates_are_resampled(pipe: EmotionPipeline, sample_video: Path) -> None:
    waveform = decode_audio(probe(sample_video))
    stereo = np.repeat(np.repeat(waveform, 3)[:, None], 2, axis=1)
    annotation = pipe(audio=(stereo, 48_000))
    assert "happy" in annotation.utterances[0].text.lower()


@pytest.mark.xdist_group("librosa")  # as in tests/extractors/test_audio.py
@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100])
@pytest.mark.parametrize("samples", [1, 1001])
def test_sound_is_resampled_as_librosa_does_it(rate: int, samples: int) -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)
    expected = librosa.resample(sound, orig_sr=rate, target_sr=16_000)
    np.testing.assert_array_equal(read_waveform(sound, rate), expected)


@pytest.mark.slow
def test_a_transcript_replaces_recognition(
    pipe: EmotionPipeline, sample_video: Path, tmp_path: Path
) -> None:
    srt = tmp_path / "s.srt"
    srt.write_text("1\n00:00:00,500 --> 00:00:02,500\nThis is awful, I am scared.\n")
    annotation = pipe(sample_video, transcript=srt)
    first = annotation.utterances[0]
    assert (first.start, first.end) == (0.5, 2.5)
    assert first.text == "This is awful, I am scared."
    assert annotation.provenance.config["transcript"] == "s.srt"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is not JSON"),
        ('[{"start": 900, "end": 901, "text": "of another"}]', "after the media has ended"),
    ],
)
def test_a_sidecar_that_is_of_no_use_costs_the_media_nothing(
    pipe: EmotionPipeline, tmp_path: Path, caplog: pytest.LogCaptureFixture, content, reason
) -> None:
    sound = tmp_path / "s.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(16_000))
    words = tmp_path / "s.json"
    words.write_text(content)
    with caplog.at_level("WARNING", logger="lddu_pipe"):
        annotation = pipe(sound, sidecar=words)
    assert "s.json is not used, words are recognised" in caplog.text
    (note,) = annotation.provenance.config["transcript_notes"]
    assert note.startswith("s.json is not used: s.json ")
    assert reason in note
    assert missing(annotation)["text"] == "no speech found"
    with pytest.raises(UnusableInputError, match=reason):
        pipe(sound, transcript=words)
    words.write_text('[{"start": 0, "end": 0.4, "text": "ok"}, {"start": -1, "text": "lost"}]')
    annotation = pipe(sound, sidecar=words)
    assert annotation.utterances[0].text == "ok"
    assert "1 segment left out" in annotation.provenance.config["transcript_notes"][0]


def test_a_transcript_alone_is_annotated(pipe: EmotionPipeline, tmp_path: Path) -> None:
    srt = tmp_path / "alone.srt"
    srt.write_text("1\n00:00:01,000 --> 00:00:02,000\nI am so happy!\n")
    annotation = pipe(srt)
    assert top(annotation) == "happy"
    assert annotation.utterances[0].start == 1.0
    assert not annotation.media.has_audio


def test_a_transcript_alone_lasts_to_its_last_end_and_has_no_silence(
    pipe: EmotionPipeline, tmp_path: Path
) -> None:
    srt = tmp_path / "alone.srt"
    srt.write_text(
        "1\n00:00:01,000 --> 00:00:09,000\nI am so happy!\n\n"
        "2\n00:00:02,000 --> 00:00:05,000\nWhat?\n\n"
        "3\n00:01:00,000 --> 00:01:01,000\nYes.\n\n"
        "4\n00:01:00,500 --> 00:01:00,800\nNo.\n"
    )
    annotation = pipe(srt)
    spans = [(prediction.start, prediction.end) for prediction in annotation.utterances]
    assert spans == [(1.0, 9.0), (2.0, 5.0), (60.0, 61.0), (60.5, 60.8)]
    assert annotation.media.duration == 61.0


@pytest.mark.parametrize("aligned", [False, True])
def test_a_picture_is_seen_as_long_as_what_is_said(
    sample_video: Path, tmp_path: Path, run_ffmpeg: Callable[..., None], aligned: bool
) -> None:
    picture, srt = tmp_path / "face.png", tmp_path / "said.srt"
    run_ffmpeg("-i", sample_video, "-frames:v", "1", picture)
    srt.write_text(
        "1\n00:00:00,000 --> 00:00:02,000\nI am here.\n\n"
        "2\n00:00:02,000 --> 00:00:04,000\nYou are there.\n"
    )
    settings = PipelineSettings(aligned=aligned)
    pipe = EmotionPipeline.from_pretrained(device="cpu", offline=True, settings=settings)
    for prediction in pipe(picture, transcript=srt).utterances:
        assert prediction.missing == {"audio": Absent(Reason.NO_SOUND)}


@pytest.mark.slow
def test_aligned_and_unaligned_both_work(sample_video: Path, sample: Annotation) -> None:
    aligned = EmotionPipeline.from_pretrained(
        device="cpu", offline=True, settings=PipelineSettings(aligned=True)
    )
    annotation = aligned(sample_video)
    assert annotation.model.aligned
    assert not sample.model.aligned
    assert top(annotation) == top(sample) == "happy"


@pytest.mark.slow
def test_several_threads_may_use_one_pipeline(pipe: EmotionPipeline, sample_video: Path) -> None:
    """Each gets the answer to its own question, as if it had asked alone."""
    texts = ["What wonderful news!", "I am so angry with you!", "He died, and I miss him so much."]

    def ask(number: int) -> dict[str, Any]:
        annotation = pipe(sample_video) if number == 1 else pipe(text=texts[number % 3])
        found = annotation.to_dict()
        del found["provenance"]["created"]
        return found

    alone = [ask(number) for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(ask, range(6)))
    assert together == alone
    assert alone[0]["provenance"]["weights"] != alone[1]["provenance"]["weights"]


def test_silence_and_black_give_no_decision(
    pipe: EmotionPipeline, tmp_path: Path, run_ffmpeg: Callable[..., None]
) -> None:
    path = tmp_path / "nothing.mp4"
    run_ffmpeg(
        *("-f", "lavfi", "-i", "color=black:s=64x64:d=3:r=10"),
        *("-f", "lavfi", "-i", "anullsrc=r=16000:d=3", "-shortest", path),
    )
    annotation = pipe(path)
    assert missing(annotation) == {
        "text": "no speech found",
        "audio": "no speech found",
        "vision": "no face found",
    }
    prediction = annotation.utterances[0]
    assert prediction.abstained
    assert {score.decision for score in prediction.emotions} == {"abstain"}


@pytest.mark.slow
def test_speech_that_is_not_understood_keeps_its_voice(
    pipe: EmotionPipeline, sample_video: Path
) -> None:
    """Played backwards, English is a language that nobody knows."""
    backwards = decode_audio(probe(sample_video), span=TimeSpan(0.0, 4.0))[::-1].copy()
    found = pipe(audio=(backwards, 16_000)).utterances
    voices = [prediction for prediction in found if "audio" not in prediction.missing]
    assert sum(prediction.end - prediction.start for prediction in voices) > 2.5
    for prediction in voices:
        assert prediction.missing["text"] == Absent(Reason.NOT_RECOGNISED)
        assert prediction.text == ""


def test_a_recogniser_that_is_named_is_used_and_recorded(pipe: EmotionPipeline) -> None:
    folder = str(resolve("whisper-tiny.en"))
    make = partial(Extractors, pipe.checkpoint.parts, pipe.device, offline=True, language="en")
    named = make(recogniser=folder)
    named.find_recogniser()
    assert named.speech.transcribe(np.zeros(16_000, np.float32)).source == folder
    expected = make()
    _ = expected.speech
    assert {name.split("/")[1]: sha for name, sha in named.used_weights.items()} == {
        name.split("/")[1]: sha for name, sha in expected.used_weights.items()
    }
    heard = {name for name in named.used_weights if not name.startswith("whisper-tiny.en/")}
    assert heard
    assert all(name.startswith("recogniser/") for name in heard)
    with pytest.raises(MissingAssetError, match="no recogniser huge"):
        EmotionPipeline(pipe.checkpoint, settings=PipelineSettings(recogniser="huge"))


def test_noise_is_not_speech(pipe: EmotionPipeline) -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, 48_000).astype(np.float32)
    annotation = pipe(audio=(noise, 16_000))
    assert annotation.utterances[0].text == ""
    assert annotation.utterances[0].abstained


def test_a_tenth_of_a_second_is_enough(
    pipe: EmotionPipeline, tmp_path: Path, run_ffmpeg: Callable[..., None]
) -> None:
    path = tmp_path / "short.mp4"
    run_ffmpeg(*("-f", "lavfi", "-i", "testsrc=s=64x64:d=0.1:r=10", path))
    annotation = pipe(path)
    assert len(annotation.utterances) == 1
    assert missing(annotation)["audio"] == "no sound stream"


def test_a_still_face_is_annotated(
    pipe: EmotionPipeline, sample_video: Path, tmp_path: Path, run_ffmpeg: Callable[..., None]
) -> None:
    picture = tmp_path / "face.png"
    run_ffmpeg("-i", sample_video, "-frames:v", "1", picture)
    annotation = pipe(picture)
    assert top(annotation) == "happy"
    assert annotation.media.duration == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "nothing to annotate"),
        ({"text": "  "}, "no words"),
        ({"audio": (np.zeros(0, np.float32), 16_000)}, "empty"),
        ({"audio": (np.array([np.nan], np.float32), 16_000)}, "NaN"),
        ({"audio": (np.zeros((2, 16_000), np.float32), 16_000)}, "transpose"),
        ({"audio": (np.zeros(100, np.float32), 3)}, "Hz"),
        ({"audio": (np.zeros(100, np.int64), 16_000)}, "int16"),
        ({"frames": (np.zeros((2, 8, 8), np.uint8), 10.0)}, "RGB"),
        ({"frames": ([], 10.0)}, "empty"),
        ({"frames": (np.zeros((1, 8, 8, 3), np.uint8), 0.0)}, "a second"),
        ({"text": "hello", "transcript": "x.srt"}, "goes with a file"),
    ],
)
def test_wrong_data_is_refused_in_one_line(
    pipe: EmotionPipeline, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnusableInputError, match=message) as raised:
        pipe(**arguments)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"audio": np.zeros(100, np.float32)}, "audio is .* got ndarray alone"),
        ({"audio": (np.zeros(100, np.float32), "16000")}, "audio is .* got str"),
        ({"frames": np.zeros((2, 8, 8, 3), np.uint8)}, "frames are .* got ndarray alone"),
        ({"frames": (np.zeros((2, 8, 8, 3), np.uint8), None)}, "frames are .* got NoneType"),
        ({"text": ["hello"]}, "text is .* got list"),
    ],
)
def test_data_without_a_rate_are_a_mistake_that_is_named(
    pipe: EmotionPipeline, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        pipe(**arguments)


@pytest.mark.parametrize(("fps", "count"), [(4.0, 8), (10.0, 20), (25.0, 20), (30.0, 20)])
def test_pictures_in_memory_are_reduced_as_those_of_a_file(fps: float, count: int) -> None:
    pictures = np.zeros((round(2 * fps), 100, 400, 3), np.uint8)
    settings = PipelineSettings(fps=10.0, max_side=200)
    source = open_memory(None, None, (pictures, fps), settings)
    assert source.frames is not None
    frames = list(source.frames)
    assert {frame.image.shape for frame in frames} == {(50, 200, 3)}
    times = [frame.time for frame in frames]
    assert len(times) == count
    assert np.diff(times).min() > 1 / 10.0 - 1 / fps
    assert source.info.duration == 2.0


def test_wrong_models_and_devices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingAssetError, match="lddu-base-en"):
        EmotionPipeline.from_pretrained("no-such-model")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(IncompatibleModelError, match=r"calibration\.json"):
        EmotionPipeline.from_pretrained(tmp_path)
    with pytest.raises(UnusableInputError, match="unknown device"):
        EmotionPipeline.from_pretrained(device="abacus")


def test_features_of_another_recipe_are_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(find_checkpoint("lddu-base-en"), tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["fingerprints"]["text"] = "text:of-another-encoder"
    (folder / "config.json").write_text(json.dumps(config))
    pipe = EmotionPipeline.from_pretrained(folder, device="cpu", offline=True)
    with pytest.raises(IncompatibleModelError, match="text:of-another-encoder"):
        pipe(text="hello there")


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="fps lies in"):
        PipelineSettings(fps=0)


@pytest.mark.slow
def test_an_annotation_does_not_depend_on_what_came_before(
    pipe: EmotionPipeline, sample: Annotation
) -> None:
    alone = EmotionPipeline.from_pretrained(device="cpu", offline=True)(text="What a day!")
    after = pipe(text="What a day!")
    assert after.provenance.weights == alone.provenance.weights
    assert len(alone.provenance.weights) < len(sample.provenance.weights)  # by the same pipeline
    assert after.utterances == alone.utterances


@pytest.mark.slow
def test_a_batch_gives_annotations_and_errors_in_turn(
    pipe: EmotionPipeline, sample_video: Path, tmp_path: Path
) -> None:
    words = tmp_path / "words.srt"
    words.write_text("1\n00:00:00,000 --> 00:00:02,000\nI am so happy!\n")
    sources = [words, tmp_path / "gone.mp4", sample_video]
    found = list(pipe.batch(sources, transcripts={sample_video: words}))
    assert [source for source, _ in found] == sources
    first, second, third = (item for _, item in found)
    assert isinstance(first, Annotation)
    assert isinstance(second, UnusableInputError)
    assert isinstance(third, Annotation)
    assert third.utterances[0].text == "I am so happy!"


def test_a_batch_that_no_weights_are_there_for_raises(pipe: EmotionPipeline, monkeypatch) -> None:
    def missing(*arguments: object, **options: object) -> Annotation:
        raise MissingAssetError("whisper-tiny.en was not found")

    monkeypatch.setattr(EmotionPipeline, "__call__", missing)
    with pytest.raises(MissingAssetError):
        list(pipe.batch(["a.mp4"]))
