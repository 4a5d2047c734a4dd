"""How the default model behaves where people would notice: fusion, nonsense and spoilt inputs.

Faces and voices are validation data that nothing was chosen on.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from lddu_pipe import EmotionPipeline
from lddu_pipe.datasets.manifest import ManifestRow, read_manifest
from lddu_pipe.evidence import Example
from lddu_pipe.media import decode_audio, probe
from lddu_pipe.models.calibration import apply_calibration
from lddu_pipe.pipelines.evaluate_manifest import ScoredRows, score_manifest
from lddu_pipe.types import TimeSpan

SHARED_FACES = Path("vision", "ferplus_valid.npz")
MANY = 16
LAUGH = "000161-02-3.opus"


@pytest.fixture(scope="module")
def data(shared_media: Path) -> Path:
    return shared_media.parent


def faces(data: Path, column: str, folder: Path) -> list[Path]:
    """Faces on which all who voted agree, as pictures."""
    with np.load(data / SHARED_FACES) as archive:
        index = [str(name) for name in archive["columns"]].index(column)
        votes = archive["votes"]
        agreed = np.flatnonzero(votes[:, index] == votes.sum(axis=1))[:MANY]
        images = archive["images"][agreed]
    paths = []
    for number, image in enumerate(images):
        paths.append(folder / f"{column}-{number}.png")
        cv2.imwrite(str(paths[-1]), image)
    assert len(paths) == MANY
    return paths


def neutral_voices(data: Path) -> list[Path]:
    clips = sorted((data / "audio" / "ravdess").glob("03-01-01-*.flac"))
    return [clip for clip in clips if clip.stem.endswith(("-19", "-20"))]


def score(pipe: EmotionPipeline, folder: Path, rows: list[dict[str, object]]) -> ScoredRows:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps({"labels": [], **row}) + "\n" for row in rows))
    read: list[ManifestRow] = read_manifest(path)
    return score_manifest(pipe, read)


def share_with(pipe: EmotionPipeline, scored: ScoredRows, label: str) -> float:
    index = pipe.labels.index(label)
    return float(scored.calibrated.decisions[:, index].mean())


def rows_of(text: str, pictures: list[Path], voices: list[Path]) -> list[dict[str, object]]:
    return [
        {
            "id": str(number),
            "text": text,
            "image": str(picture),
            "face_crop": True,
            "audio": str(voices[number % len(voices)]),
        }
        for number, picture in enumerate(pictures)
    ]


@pytest.mark.slow
def test_an_angry_sentence_is_not_drowned_by_a_neutral_face(
    pipe: EmotionPipeline, data: Path, tmp_path: Path
) -> None:
    text = "I hate you, you ruined everything and I am furious"
    rows = rows_of(text, faces(data, "neutral", tmp_path), neutral_voices(data))
    # Of such words in a calm voice, people say that nobody is angry.
    unheard = [{name: value for name, value in row.items() if name != "audio"} for row in rows]
    assert share_with(pipe, score(pipe, tmp_path, unheard), "anger") >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ["Okay.", "Hello.", "Okay, I see.", "We leave at seven and the bus stops at the corner."],
)
def test_a_neutral_sentence_and_voice_do_not_silence_a_laughing_face(
    pipe: EmotionPipeline, data: Path, tmp_path: Path, text: str
) -> None:
    rows = rows_of(text, faces(data, "happiness", tmp_path), neutral_voices(data))
    assert share_with(pipe, score(pipe, tmp_path, rows), "happy") >= 0.8


@pytest.mark.slow
def test_three_neutral_modalities_have_no_emotion(
    pipe: EmotionPipeline, data: Path, tmp_path: Path
) -> None:
    text = "We leave at seven and the bus stops at the corner."
    rows = rows_of(text, faces(data, "neutral", tmp_path), neutral_voices(data))
    scored = score(pipe, tmp_path, rows)
    shares = [share_with(pipe, scored, label) for label in pipe.labels]
    assert max(shares) <= 0.25  # of eight calm voices one may sound sad


@pytest.mark.parametrize(
    "text",
    [
        "Estou muito feliz por te ver, que notícia maravilhosa",
        "Minä pelkään pimeää enkä halua mennä ulos",
        "asdkjh qwpoeiru zmxncb alskdj",
        "ببب ببب",
    ],
)
def test_what_is_not_english_is_not_judged(pipe: EmotionPipeline, text: str) -> None:
    assert pipe(text=text).utterances[0].abstained


@pytest.mark.parametrize(
    "text",
    [
        "i am so happy to see you this is wonderful news",
        "I am so happy to see you, this is wonderful news",
        "he shouted at me and i hate him",
        "The meeting starts at ten in room four.",
    ],
)
def test_plain_english_is_judged_spoken_or_written(pipe: EmotionPipeline, text: str) -> None:
    assert not pipe(text=text).utterances[0].abstained


@pytest.mark.slow
def test_a_face_that_can_hardly_be_seen_is_doubted_more(
    pipe: EmotionPipeline, data: Path, tmp_path: Path
) -> None:
    pictures = faces(data, "happiness", tmp_path)
    blurred = []
    for picture in pictures:
        image = cv2.GaussianBlur(cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE), (0, 0), 5.0)
        blurred.append(picture.with_name(f"blurred-{picture.name}"))
        cv2.imwrite(str(blurred[-1]), image)
    rows = [
        {"id": str(path.stem), "image": str(path), "face_crop": True}
        for path in (*pictures, *blurred)
    ]
    aleatoric = score(pipe, tmp_path, rows).calibrated.aleatoric
    assert aleatoric[MANY:].mean() > 2 * aleatoric[:MANY].mean()


@pytest.mark.slow
def test_a_small_face_is_judged_with_less_certainty(
    pipe: EmotionPipeline, data: Path, tmp_path: Path
) -> None:
    pictures = [cv2.imread(str(path)) for path in faces(data, "happiness", tmp_path)]
    calibration = pipe.checkpoint.calibration
    found, blind = {}, {}
    for side in (12, 24, 48):
        seen = [
            cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in pictures
        ]
        steps = pipe.extractors.vision.extract_stills(seen, face_crops=True)
        examples = [Example.of("", np.zeros(0, np.float32), {"vision": item}) for item in steps]
        raw = pipe.predictor.scores(examples)
        found[side] = apply_calibration(raw, calibration)
        blind[side] = apply_calibration(raw, replace(calibration, small_faces={}))
    smiles = [found[side].probabilities[:, pipe.labels.index("happy")] for side in (12, 24, 48)]
    assert smiles[0].mean() < 0.8 * smiles[1].mean() < 0.8 * smiles[2].mean()
    for side in (12, 24):
        likely = blind[side].probabilities >= 0.5
        assert (found[side].probabilities <= blind[side].probabilities)[likely].all()
        assert (found[side].aleatoric >= blind[side].aleatoric).all()
    # As large as FER+ faces are, or larger: to the last bit as before.
    for name, values in vars(found[48]).items():
        np.testing.assert_array_equal(values, getattr(blind[48], name), err_msg=name)


@pytest.mark.parametrize(
    ("whole", "broken"),
    [
        ("I am so happy to see you, this is wonderful news!", "am happy see this news"),
        ("I miss my grandmother every single day.", "miss grandmother single"),
        ("He said that he would come to the station at seven.", "said he come station seven"),
        ("They told us last night that the house had been sold.", "told last that house sold"),
    ],
)
def test_a_sentence_with_missing_words_is_doubted_more(
    pipe: EmotionPipeline, whole: str, broken: str
) -> None:
    def doubt(text: str) -> float:
        (utterance,) = pipe(text=text).utterances
        return float(np.mean([score.uncertainty.aleatoric for score in utterance.emotions]))

    assert doubt(broken) > 1.2 * doubt(whole)


@pytest.mark.slow
def test_a_laugh_is_a_voice_without_words_and_music_is_none(
    pipe: EmotionPipeline, data: Path
) -> None:
    # The detector of speech hears nothing in this laugh of somebody who was not learned from.
    laugh = decode_audio(probe(data / "audio" / "emogator" / LAUGH))
    silence = np.zeros(2 * 16_000, np.float32)
    annotation = pipe(audio=(np.concatenate([silence, laugh, silence]), 16_000))
    (heard,) = (item for item in annotation.utterances if item.kind == "sound")
    uttered = TimeSpan(2.0, 2.0 + len(laugh) / 16_000)
    assert TimeSpan(heard.start, heard.end).overlap(uttered) > 0.6 * uttered.duration
    assert "audio" not in heard.missing
    music = pipe(audio=(chords(8.0), 16_000))
    assert {item.kind for item in music.utterances} == {"silence"}


def chords(seconds: float) -> np.ndarray:
    """Music of plucked strings: four chords, each twice a second."""
    times = np.arange(round(0.5 * 16_000)) / 16_000
    beats = []
    for beat in range(round(2 * seconds)):
        root = 110 * 2 ** ((0, 5, 7, 3)[beat // 4 % 4] / 12)
        tones = [root * ratio * n for ratio in (1, 1.26, 1.5) for n in range(1, 8)]
        falling = [np.sin(2 * np.pi * tone * times) * np.exp(-tone / 60 * times) for tone in tones]
        beats.append(np.sum(falling, axis=0) / len(tones))
    return np.concatenate(beats).astype(np.float32)
