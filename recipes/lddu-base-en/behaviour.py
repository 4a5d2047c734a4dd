"""What people would say of some real and some made clips, and whether a model says so, too.

None of the clips is of the training data: voices and faces are of people whom only validation has.
Each case has several clips, since one proves little, and says how many of them must be right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ferplus import Faces, load_faces
from lddu_pipe.annotation import Annotation
from lddu_pipe.extractors.expression import EXPRESSIONS
from lddu_pipe.pipelines.annotate import EmotionPipeline
from voices import SAMPLE_RATE, Clip, list_emogator, list_ravdess, read_waveform

NONE = "none"
SURE = 0.9
FPS = 5.0
Clips = Iterator[dict[str, Any]]
"""Arguments of a pipeline."""
NEWS = (
    "The committee will meet on Tuesday to discuss the budget for next year.",
    "The road between the two towns is closed until the end of the month.",
    "Prices of vegetables have not changed since March.",
    "The library opens at nine and closes at six in the evening.",
    "The new bridge is four hundred metres long and has two lanes.",
    "Rain is expected in the north, with temperatures of about twelve degrees.",
)
GERMAN = (
    "Das ist doch alles ganz furchtbar, ich will sofort nach Hause.",
    "Wir haben gestern die Fenster geputzt und danach Kaffee getrunken.",
    "Ich freue mich so sehr, dass du endlich wieder da bist.",
    "Lass mich in Ruhe, du hast mir schon genug angetan.",
)
BETRAYED = (
    "I can't believe you did this to me, I trusted you.",
    "You lied to me for years, how could you do that?",
    "I told you that in confidence and you told everybody.",
)
FURIOUS = (
    "Get out of my house, I never want to see you again!",
    "How dare you talk to my son like that!",
    "I am sick of your lies, shut up!",
)
DEATH = ("My grandmother died on Sunday.", "We buried our dog this morning.")


@dataclass(frozen=True)
class Found:
    """What a model says of one clip."""

    first: str
    """The most probable label of those that are present anywhere, or `NONE`."""
    probabilities: dict[str, float]
    """Of each label, the highest of all utterances."""
    abstained: bool
    """Whether no utterance is answered."""
    kinds: tuple[str, ...]
    """Of the utterances."""

    @classmethod
    def of(cls, annotation: Annotation) -> Found:
        """Sum an annotation up."""
        highest = dict.fromkeys(annotation.model.labels, 0.0)
        present = {NONE: 0.0}
        for utterance in annotation.utterances:
            for emotion in utterance.emotions:
                highest[emotion.label] = max(highest[emotion.label], emotion.probability)
                if emotion.decision == "present":
                    now = present.get(emotion.label, 0.0)
                    present[emotion.label] = max(now, emotion.probability)
        return cls(
            max(present, key=lambda label: present[label]),
            highest,
            all(utterance.abstained for utterance in annotation.utterances),
            tuple(utterance.kind for utterance in annotation.utterances),
        )


@dataclass(frozen=True)
class Case:
    """Clips of one kind."""

    name: str
    answer: str
    """What people say of them."""
    make: Callable[[Path], Clips]
    """From the folder of the data."""
    right: Callable[[Found], bool]
    share: float = 0.75
    """How many of the clips must be right."""

    def judge(self, pipeline: EmotionPipeline, data: Path) -> list[tuple[bool, Found]]:
        """Whether each clip is right, and what the model says of it."""
        found = [Found.of(pipeline(**clip)) for clip in self.make(data)]
        return [(self.right(item), item) for item in found]


def behaviour_figures(pipeline: EmotionPipeline, data: Path) -> list[dict[str, str | float]]:
    """Of each case, what people say, and how many clips the model is right about."""
    rows: list[dict[str, str | float]] = []
    for case in CASES:
        right = [answer for answer, _ in case.judge(pipeline, data)]
        row = {"clip": case.name, "people": case.answer, "right": sum(right), "n": len(right)}
        rows.append(row | {"wanted": case.share})
    return rows


def first_is(*labels: str) -> Callable[[Found], bool]:
    """One of some labels comes first."""
    return lambda found: found.first in labels


def not_sure_of(*labels: str, limit: float = SURE) -> Callable[[Found], bool]:
    """None of some labels is said to be probable."""
    return lambda found: all(found.probabilities[label] < limit for label in labels)


def no_claim(found: Found) -> bool:
    """Nothing is said surely, or no answer is given."""
    return found.abstained or max(found.probabilities.values()) < 0.75


def bursts(category: str, count: int = 12) -> Callable[[Path], Clips]:
    """Vocal bursts with silence around, one a person."""

    def make(data: Path) -> Clips:
        for clip in _one_a_speaker(_of_category(data, category))[:count]:
            silence = np.zeros(SAMPLE_RATE // 2, np.float32)
            sound = np.concatenate([silence, read_waveform(clip), silence])
            yield {"audio": (sound, SAMPLE_RATE)}

    return make


def laughter_over(line: str) -> Callable[[Path], Clips]:
    """A laugh while a neutral line is read on the screen."""

    def make(data: Path) -> Clips:
        for clip in _one_a_speaker(_of_category(data, "02"))[:8]:
            yield {"audio": (read_waveform(clip), SAMPLE_RATE), "text": line}

    return make


def said(
    lines: Sequence[str], emotion: str | None = None, *, heard: bool = False
) -> Callable[[Path], Clips]:
    """Lines alone, or, `heard`, with the voice of an actor who shows an emotion or none."""

    def make(data: Path) -> Clips:
        voices = [clip for clip in _actors(data) if clip.emotion == emotion]
        for index, line in enumerate(lines):
            if not heard:
                yield {"text": line}
                continue
            for clip in voices[index :: len(lines)][::8]:
                yield {"text": line, "audio": (read_waveform(clip), SAMPLE_RATE)}

    return make


def shown(expression: str, lines: Sequence[str]) -> Callable[[Path], Clips]:
    """Faces with an expression that nearly everybody saw, beside what they say."""

    def make(data: Path) -> Clips:
        faces = load_faces(data / "vision" / "ferplus_valid.npz")
        for index, image in enumerate(_clear(faces, expression)[:8]):
            yield {"frames": ([_picture(image)] * 10, FPS), "text": lines[index % len(lines)]}

    return make


def crowd(data: Path) -> Clips:
    """Twelve people who speak at once."""
    clips = list(_actors(data))
    for seed in range(3):
        random = np.random.default_rng(seed)
        sound = np.zeros(8 * SAMPLE_RATE, np.float32)
        for place in random.choice(len(clips), 12, replace=False):
            voice = read_waveform(clips[int(place)])
            begin = int(random.integers(len(sound) - len(voice)))
            sound[begin : begin + len(voice)] += voice
        yield {"audio": (sound / np.abs(sound).max() * 0.7, SAMPLE_RATE)}


def music(data: Path) -> Clips:
    """Chords and a drum, made here: nobody is heard."""
    for seed in range(4):
        random = np.random.default_rng(seed)
        sound = np.zeros(6 * SAMPLE_RATE, np.float32)
        for beat in range(12):
            time = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
            root = 110 * 2 ** (random.integers(12) / 12)
            notes = [root * 2 ** (step / 12) for step in (0, int(random.choice([3, 4])), 7, 12)]
            tone = sum(
                np.sin(2 * np.pi * note * harmonic * time) / harmonic
                for note in notes
                for harmonic in (1, 2, 3, 4)
            )
            tone = tone * np.exp(-3 * time) / 8
            hit = random.normal(size=len(time)) * np.exp(-40 * time) * 0.3
            begin = beat * len(time)
            sound[begin : begin + len(time)] += (tone + hit).astype(np.float32)
        yield {"audio": (sound / np.abs(sound).max() * 0.5, SAMPLE_RATE)}


def drawing(data: Path) -> Clips:
    """A face that a child might draw."""
    for mouth in (20, -20):
        picture = np.full((240, 320, 3), 255, np.uint8)
        cv2.circle(picture, (160, 120), 80, (40, 40, 40), 3)
        for eye in (130, 190):
            cv2.circle(picture, (eye, 100), 8, (40, 40, 40), -1)
        cv2.line(picture, (160, 110), (155, 135), (40, 40, 40), 2)
        cv2.ellipse(
            picture, (160, 155), (35, abs(mouth)), 0, 0, int(np.sign(mouth)) * 180, (40, 40, 40), 3
        )
        yield {"frames": ([picture] * 10, FPS)}


CASES = (
    Case("a laughing burst", "happy", bursts("02"), first_is("happy")),
    Case("a sob", "sad", bursts("24"), first_is("sad", "fear"), 0.6),
    Case("a scream of fear", "fear", bursts("15"), first_is("fear", "surprise", "anger"), 0.6),
    Case("a growl", "anger", bursts("03"), first_is("anger", "disgust"), 0.6),
    Case(
        *("laughter over a neutral line", "happy"),
        *(laughter_over("I put the bag on the table"), first_is("happy"), 0.6),
    ),
    Case(
        *('"Great, just great." in an angry voice', "anger"),
        *(said(("Great, just great.",), "anger", heard=True), not_sure_of("happy", limit=0.6)),
    ),
    Case(
        "a news reader",
        NONE,
        said(NEWS, heard=True),
        not_sure_of("anger", "fear", "disgust", "happy", limit=0.6),
    ),
    Case("news in print", NONE, said(NEWS), first_is(NONE)),
    Case("betrayal in print", "anger or sad", said(BETRAYED), first_is("anger", "sad", "disgust")),
    Case(
        *("a smile while telling of a death", "sad, or both"),
        *(
            shown("happy", DEATH),
            lambda found: found.abstained or found.probabilities["sad"] > 0.2,
        ),
    ),
    Case(
        "a neutral face that says furious words",
        "anger",
        shown("neutral", FURIOUS),
        first_is("anger"),
    ),
    Case("music alone", "nobody is heard", music, lambda found: "sound" not in found.kinds, 1.0),
    Case("a crowd", "nothing is clear", crowd, not_sure_of("happy", "sad", "anger", "fear")),
    Case("a child's drawing", "nobody", drawing, no_claim, 1.0),
    Case("German sentences in print", "not English", said(GERMAN), no_claim),
)


def _of_category(data: Path, category: str) -> list[Clip]:
    clips = list_emogator(data / "audio" / "emogator.csv")
    return [
        clip
        for clip in clips
        if clip.split == "valid" and clip.path.stem.split("-")[1] == category
    ]


def _one_a_speaker(clips: Sequence[Clip]) -> list[Clip]:
    return list({clip.speaker: clip for clip in reversed(clips)}.values())[::-1]


def _actors(data: Path) -> Iterator[Clip]:
    clips = list_ravdess(data / "audio" / "ravdess")
    return (clip for clip in clips if clip.split == "valid")


def _clear(faces: Faces, expression: str) -> NDArray[np.uint8]:
    shares = faces.votes[:, EXPRESSIONS.index(expression)]
    return faces.images[np.argsort(-shares, kind="stable")[:40:5]]


def _picture(face: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A face in the middle of a grey picture, as large as in a video call."""
    large = cv2.resize(face, (192, 192), interpolation=cv2.INTER_CUBIC)
    picture = np.full((288, 384), int(large.mean()), np.uint8)
    picture[48:240, 96:288] = large
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB), np.uint8)
