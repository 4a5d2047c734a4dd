"""Whose voice is heard: on mouths and sounds that are made up, and on filmed heads."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from lddu_pipe.assets import resolve
from lddu_pipe.extractors.faces import BLENDSHAPE_NAMES, FaceLandmarker
from lddu_pipe.extractors.prosody import SAMPLE_RATE
from lddu_pipe.media import decode_frames, decode_waveform, probe
from lddu_pipe.pipelines.people import speaking
from lddu_pipe.pipelines.people.articulation import MOUTH
from lddu_pipe.pipelines.people.speaking import SpeakerFinder
from lddu_pipe.types import TimeSpan

FPS = 10
JAW = MOUTH.index("jaw_open")
NOISE = MOUTH.index("mouth_upper_up_left")


class Turn(NamedTuple):
    span: TimeSpan
    voice: int | None


def turns(*voices: int | None, seconds: float = 4.0) -> list[Turn]:
    """One after the other, without a pause."""
    return [
        Turn(TimeSpan(place * seconds, (place + 1) * seconds), voice)
        for place, voice in enumerate(voices)
    ]


class Scene:
    """Mouths that are at rest or talk, and a sound; syllables are drawn by chance."""

    def __init__(self, seconds: float, faces: int, seed: int = 0) -> None:
        self.generator = np.random.default_rng(seed)
        self.times = np.arange(round(seconds * FPS)) / FPS
        shape = (faces, len(self.times), len(MOUTH))
        self.mouths = np.zeros(shape, np.float32)
        self.mouths[..., NOISE] = self.generator.uniform(0.5, 0.55, shape[:2])
        self.loudness = np.full(len(self.times), 0.001)

    def talk(self, face: int, span: TimeSpan, *, heard: bool = True) -> None:
        rows = slice(round(span.start * FPS), round(span.end * FPS))
        opening = self.generator.uniform(0, 0.35, len(self.times[rows]))
        self.mouths[face, rows, JAW] = opening
        if heard:
            self.loudness[rows] = 0.003 * 10 ** (5 * opening)

    def say(self, span: TimeSpan) -> None:
        """Somebody who is not in view."""
        rows = slice(round(span.start * FPS), round(span.end * FPS))
        self.loudness[rows] = 0.003 * 10 ** self.generator.uniform(0, 1.75, len(self.times[rows]))

    @property
    def sound(self) -> NDArray[np.float32]:
        samples = np.repeat(self.loudness, SAMPLE_RATE // FPS)
        return (samples * self.generator.normal(size=len(samples))).astype(np.float32)

    def finder(self, told: list[Turn], *, still: tuple[int, ...] = ()) -> SpeakerFinder:
        finder = SpeakerFinder()
        shown = np.ones(len(self.times), np.bool_)
        for track, mouth in enumerate(self.mouths):
            finder.see(track, self.times, mouth, shown, still=track in still)
        finder.hear(reversed(told), self.sound)  # two that overlap end in either order
        return finder


def answers(finder: SpeakerFinder, told: list[Turn]) -> list[int | None]:
    end = told[-1].span.end
    return [finder.who(turn.span, turn.voice, end) for turn in told]


def test_who_is_alone_with_one_voice_speaks_unless_the_mouth_rests_for_long() -> None:
    told = turns(0, 0)
    assert answers(Scene(8, 1).finder(told), told) == [0, 0]
    long = turns(*[0] * 12)
    assert answers(Scene(48, 1).finder(long), long) == [None] * 12
    assert answers(Scene(8, 1).finder(told, still=(0,)), told) == [None, None]
    assert SpeakerFinder().who(TimeSpan(0, 1), None, 1.0) is None


def test_a_mouth_that_cannot_be_read_leaves_its_face_the_only_voice() -> None:
    scene, told = Scene(8, 1), turns(0, 0)
    finder = SpeakerFinder()
    finder.see(7, scene.times, scene.mouths[0], np.zeros(len(scene.times), np.bool_))
    finder.hear(told, scene.sound)
    assert answers(finder, told) == [7, 7]


@pytest.mark.parametrize("known", [True, False])
def test_the_mouth_that_moves_speaks_and_a_voice_from_elsewhere_is_nobodys(known: bool) -> None:
    told = turns(0, 1, 2, 0, 1, 2)
    scene = Scene(24, 2)
    for span, voice in told:
        if voice == 2:
            scene.say(span)
        else:
            scene.talk(voice, span)
    told = told if known else [turn._replace(voice=None) for turn in told]
    assert answers(scene.finder(told), told) == [0, 1, None, 0, 1, None]


def test_whose_voice_it_was_elsewhere_tells_where_a_mouth_is_hidden() -> None:
    told = turns(0, 1, 0, 1, 0)
    scene = Scene(20, 3)
    for span, voice in told[:-1]:
        scene.talk(voice, span)
    finder = SpeakerFinder()
    # After a cut at 16 s face 0 is track 2, and its mouth is behind a hand.
    early, late = scene.times < 16, scene.times >= 16
    for track, rows, read in ((0, early, True), (1, scene.times >= 0, True), (2, late, False)):
        shown = np.full(int(rows.sum()), read)
        finder.see(track, scene.times[rows], scene.mouths[track, rows], shown)
    finder.hear(told, scene.sound)
    span, voice = told[-1]
    assert finder.who(span, voice, 20.0, {0: 5, 1: 6, 2: 5}) == 2
    # Where it is not known who track 2 is, track 0 is somebody who is out of view now.
    assert finder.who(span, voice, 20.0, {0: 5, 1: 6}) is None


def test_of_mouths_that_all_move_the_one_speaks_that_goes_with_the_sound() -> None:
    told = turns(*[0, 1, 2] * 5)
    scene = Scene(60, 2, seed=3)
    for span, voice in told:
        for face in range(2):
            scene.talk(face, span, heard=face == voice)
        if voice == 2:
            scene.say(span)
    assert answers(scene.finder(told), told) == [0, 1, None] * 5


def test_what_is_told_early_or_in_other_parts_changes_no_answer() -> None:
    told = turns(0, 1, 0, 1, 0, 0)
    scene = Scene(24, 2, seed=4)
    for span, voice in told:
        scene.talk(voice, span)
    sound = scene.sound
    early, apace = SpeakerFinder(), SpeakerFinder()
    shown = np.ones(len(scene.times), np.bool_)
    for track, mouth in enumerate(scene.mouths):
        early.see(track, scene.times, mouth, shown)
    early.hear(told, sound)
    for number, turn in enumerate(told):
        rows = (scene.times >= turn.span.start) & (scene.times < turn.span.end)
        for track, mouth in enumerate(scene.mouths):
            apace.see(track, scene.times[rows], mouth[rows], shown[rows])
        samples = slice(*(round(edge * SAMPLE_RATE) for edge in (turn.span.start, turn.span.end)))
        apace.hear([turn], sound[samples])
        for asked in told[: number + 1]:
            question = (asked.span, asked.voice, turn.span.end)
            assert apace.who(*question) == early.who(*question)
    assert apace._mouths[0].moved == pytest.approx(early._mouths[0].moved, nan_ok=True)


def test_memory_does_not_grow_with_the_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaking, "REMEMBERED", 20.0)
    finder, scene = SpeakerFinder(), Scene(5, 1)
    shown, sound = np.ones(len(scene.times), np.bool_), scene.sound
    for start in range(0, 200, 5):
        # Face 0 stays; of others each is in view for a while.
        for track in (0, 1 + start):
            finder.see(track, start + scene.times, scene.mouths[0], shown)
        finder.hear([Turn(TimeSpan(start, start + 4), 0)], sound)
        finder.who(TimeSpan(start, start + 4), 0, start + 5.0)
    assert max(len(mouth.times) for mouth in finder._mouths.values()) <= 20 * FPS
    assert len(finder._mouths) == len(finder._views) <= 1 + 5
    assert len(finder._sound._sums) <= 22 * 50
    assert len(finder._turns) <= 5


@pytest.mark.slow
def test_filmed_heads_speak_listen_and_are_dubbed(shared_media: Path) -> None:
    end = 4.6
    finder, dubbed = SpeakerFinder(), SpeakerFinder()
    columns = [BLENDSHAPE_NAMES.index(name) for name in MOUTH]
    for track, name in enumerate(("sadtalker_KH.mp4", "pyfeat_pexels.mp4")):
        with FaceLandmarker(resolve("face-landmarker"), video=True) as landmarker:
            for frame in decode_frames(probe(shared_media / name), FPS, 640):
                if frame.time >= end:
                    break
                face = next(iter(landmarker.detect(frame.image, frame.time)))
                row = np.array([frame.time]), face.blendshapes[None, columns], np.ones(1, bool)
                finder.see(track, *row)
                for listener in range(2 * track):
                    dubbed.see(listener, *row)
    told = [Turn(TimeSpan(*span), 0) for span in ((0.0, 1.0), (1.5, 4.5))]
    finder.hear(told, decode_waveform(probe(shared_media / "sadtalker_KH.mp4"))[:])
    assert answers(finder, told) == [0, 0]
    dubbed.hear(told, decode_waveform(probe(shared_media / "two_cities.wav"))[: 5 * SAMPLE_RATE])
    assert answers(dubbed, told) == [None, None]
