"""Two real heads side by side, of which one speaks after the other."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import ffmpeg
import pytest

from lddu_pipe import EmotionPipeline
from lddu_pipe.annotation import Annotation
from lddu_pipe.media import find_ffmpeg

LEFT_SPEAKS = 8.0
"""Seconds; then the other one, who did not move before."""


@pytest.fixture(scope="module")
def talk(
    pipe: EmotionPipeline,
    shared_media: Path,
    sample_video: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Annotation:
    left, right = (
        ffmpeg.input(str(path)) for path in (shared_media / "sadtalker_KH.mp4", sample_video)
    )
    pictures = [
        clip.video.filter("fps", 25)
        .filter("scale", -2, 360)
        .filter("crop", 360, 360)
        .filter("tpad", start_mode="clone", stop_mode="clone", **still)
        for clip, still in (
            (left, {"stop_duration": 8.7}),
            (right, {"start_duration": LEFT_SPEAKS}),
        )
    ]
    voices = [
        clip.audio.filter("aresample", 16_000).filter("aformat", channel_layouts="mono")
        for clip in (left, right)
    ]
    first = voices[0].filter("apad", whole_dur=LEFT_SPEAKS).filter("atrim", 0, LEFT_SPEAKS)
    path = tmp_path_factory.mktemp("heads") / "talk.mp4"
    sound = ffmpeg.concat(first, voices[1], v=0, a=1)
    made = ffmpeg.output(ffmpeg.filter(pictures, "hstack"), sound, str(path), pix_fmt="yuv420p")
    made.run(cmd=find_ffmpeg(), quiet=True)
    return pipe(path)


@pytest.mark.slow
def test_each_has_what_was_said_and_what_was_shown_meanwhile(talk: Annotation) -> None:
    left, right = (face.boxes[5] for face in talk.faces)
    assert left is not None
    assert right is not None
    assert (left[2] < 0.5, right[0] > 0.5) == (True, True)
    assert [face.still for face in talk.faces] == [False, False]
    spoken = [(item.person, item.start) for item in talk.utterances if item.text]
    assert len(spoken) >= 4
    # The limit between two voices is right to within a second.
    assert {person for person, start in spoken if start < LEFT_SPEAKS - 1} == {"p1"}
    assert {person for person, start in spoken if start > LEFT_SPEAKS} == {"p2"}
    for person in ("p1", "p2"):
        own = talk.of(person)
        assert {item.kind for item in own.utterances} == {"speech", "silence"}
        assert not any("vision" in item.missing for item in own.utterances)
        spans = [item.utterance.span for item in own.utterances]
        assert not any(one.overlap(other) > 0 for one, other in combinations(spans, 2))
        assert own.people[0].seconds_visible == pytest.approx(16.7, abs=0.3)
        assert own.people[0].seconds_speaking == pytest.approx(8.0, abs=1.0)
