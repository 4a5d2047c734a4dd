"""Utterances of the default model's recipe: put together as people judged such ones."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from lddu_pipe.evidence import Example, Steps
from lddu_pipe.labels import MOSEI
from lddu_pipe.types import MODALITIES

RECIPE = Path(__file__).parents[2] / "recipes" / "lddu-base-en"
sys.path.append(str(RECIPE))

from composer import Composer  # noqa: E402
from corpora import CORPUS_OF, ExampleRows  # noqa: E402
from judgements import NONE, read_judgements  # noqa: E402

HAPPY, SAD, ANGER = (MOSEI.index(label) for label in ("happy", "sad", "anger"))
KINDS = [*np.eye(6), np.zeros(6), np.eye(6)[HAPPY] + np.eye(6)[SAD], np.eye(6)[ANGER]]
SPOILT = len(KINDS) - 1
EMOTIONTALK = """id,split,voice,face,words,joint
G1_01_01_001,train,sad,happy,neutral,happy
G1_01_01_002,train,neutral,happy,happy,happy
G2_01_03_001,train,anger,anger,sad,anger
G2_01_03_002,train,anger,anger,neutral,anger
G3_01_05_001,train,sad,neutral,sad,sad
G4_01_07_001,valid,sad,sad,happy,sad
G4_01_07_002,valid,sad,sad,neutral,sad
"""
CREMAD = """clip,seen,A,D,F,H,N,S
1000_IEO_ANG_HI,voice,6,0,0,0,2,0
1000_IEO_ANG_HI,face,1,0,0,0,6,1
1000_IEO_ANG_HI,both,6,0,0,0,2,0
1004_IEO_ANG_HI,voice,4,0,0,0,4,0
1004_IEO_ANG_HI,face,1,0,0,0,6,1
1004_IEO_ANG_HI,both,6,0,0,0,2,0
1002_IEO_SAD_HI,voice,0,0,0,0,1,7
1002_IEO_SAD_HI,face,0,0,0,0,1,7
1002_IEO_SAD_HI,both,0,0,0,0,0,8
1003_IEO_SAD_HI,voice,0,0,0,0,1,7
1003_IEO_SAD_HI,face,0,0,0,0,1,7
1003_IEO_SAD_HI,both,0,0,0,0,0,8
"""


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    (tmp_path / "emotiontalk.csv").write_text(EMOTIONTALK)
    (tmp_path / "cremad_votes.csv").write_text(CREMAD)
    return tmp_path


def test_nobody_who_is_judged_is_in_two_parts_and_votes_are_shares(answers: Path) -> None:
    parts = {part: read_judgements(answers, part) for part in ("train", "calibrate", "report")}
    three = tuple(MODALITIES)
    # By pairs of actors: G1 and G3 train, G2 calibrates; words, voice, face.
    expected = {
        "train": [[NONE, SAD, HAPPY], [HAPPY, NONE, HAPPY], [SAD, SAD, NONE]],
        "calibrate": [[SAD, ANGER, ANGER], [NONE, ANGER, ANGER]],
        "report": [[HAPPY, SAD, SAD], [NONE, SAD, SAD]],
    }
    for part, rows in expected.items():
        np.testing.assert_array_equal(parts[part][three].channels, rows)
    # Two channels: where the third says nothing, or what one of the two does.
    heard = parts["train"]["text", "audio"]
    np.testing.assert_array_equal(heard.channels, [[HAPPY, NONE], [SAD, SAD]])
    # A voice and a face: also CREMA-D's, whose actors 1000 and 1004 train; 1004's voice is a draw.
    both = parts["train"]["audio", "vision"]
    expected_pairs = [[SAD, HAPPY], [NONE, HAPPY], [SAD, NONE], [ANGER, NONE]]
    np.testing.assert_array_equal(both.channels, expected_pairs)
    assert both.joint[-1].tolist() == [0.75 if label == "anger" else 0.0 for label in MOSEI]
    np.testing.assert_allclose(both.weights, [1 / 6, 1 / 6, 1 / 6, 1 / 2])
    assert parts["train"][three].conflict.tolist() == [True, False, False]


def rows_of(modality: str) -> ExampleRows:
    """A row of each label alone, of none, of two, and one spoilt; its first value is its place."""
    examples = []
    for place, labels in enumerate(KINDS):
        steps = Steps(np.full((2, 4), place, np.float32), np.ones(2, np.bool_))
        spoilt = float(place == SPOILT and modality != "vision")
        examples.append(
            Example.of(f"a:{place}", labels.astype(np.float32), {modality: steps}, damage=spoilt)
        )
    return ExampleRows(examples)


def test_each_part_shows_what_was_said_of_it_and_the_answer_is_peoples(answers: Path) -> None:
    corpora = {name: CORPUS_OF[name](rows_of(name)) for name in MODALITIES}
    people = read_judgements(answers, "train")
    composer = Composer(corpora, people, vary=False)
    random = np.random.default_rng(0)
    for present, judged in people.items():
        for place, channels in enumerate(judged.channels.tolist()):
            made = composer.judged(present, place, random)
            shown = [int(made.sequences[name].values[0, 0]) for name in present]
            assert shown == channels  # never the row of two, nor the spoilt one
            np.testing.assert_array_equal(made.labels, judged.joint[place])
    # Of what training draws, two labels meet only in unions, and what is spoilt says nothing.
    sets = np.array([[True, True, False, False, False, False]])
    composer = Composer(corpora, people, sets, vary=False)
    drawn = [composer.draw(random, 50) for _ in range(600)]
    composed = [row for row in drawn if len(row.sequences) > 1]
    assert any(row.labels[HAPPY] and row.labels[SAD] for row in composed)
    spoilt = [row for row in composed if row.damage and len(row.sequences) == 2]
    assert spoilt
    for row in spoilt:
        shown = sorted(int(part.values[0, 0]) for part in row.sequences.values())
        assert shown[1] == SPOILT  # sorted: the other part is any
        np.testing.assert_array_equal(row.labels, KINDS[shown[0]])
