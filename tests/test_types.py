"""The values that flow through the pipeline, and what they refuse."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lddu_pipe.evidence import (
    Absent,
    Example,
    ModalitySequence,
    Present,
    Reason,
    Steps,
    evidence_of,
)
from lddu_pipe.types import MODALITIES, TimeSpan, Utterance

DOCS = Path(__file__).parents[1] / "docs"


def test_the_docs_list_every_reason_once():
    text = (DOCS / "annotation.md").read_text(encoding="utf-8")
    section = text.split("## Why a modality is absent")[1].split("\n## ")[0]
    listed = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    assert listed == [reason.value for reason in Reason if reason is not Reason.OTHER]


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_known_by_its_words(reason):
    absent = Absent(reason)
    assert str(absent) == reason.value
    assert Absent.read(str(absent)) == absent


def test_a_reason_of_another_version_keeps_its_words():
    absent = Absent.read("the lens was covered")
    assert absent == Absent(Reason.OTHER, "the lens was covered")
    assert str(absent) == "the lens was covered"
    detailed = str(Absent(Reason.NO_FACE, "too dark"))
    assert detailed == str(Absent.read(detailed)) == "no face found: too dark"


def test_what_shows_nothing_is_not_present():
    with pytest.raises(ValueError, match="say why the modality is absent"):
        Present(Steps(np.zeros((2, 1), np.float32), np.zeros(2, np.bool_)))


def test_the_height_of_a_face_is_the_median_of_what_shows_it():
    steps = ModalitySequence(
        values=np.zeros((4, 1), np.float32),
        valid=np.array([True, True, False, True]),
        modality="vision",
        spans=np.zeros((4, 2)),
        feature_names=("a",),
        fingerprint="x",
        heights=np.array([20, 30, 0, 90], np.float32),
    )
    assert evidence_of(steps, Reason.NO_FACE) == Present(steps, 30.0)
    unknown = replace(steps, heights=None)
    assert Present.of(unknown).height is None
    examples = [Example.of("a", np.zeros(0), {"vision": item}) for item in (steps, unknown)]
    assert examples[0].face_height == 30.0
    assert np.isnan(examples[1].face_height)
    assert np.isnan(Example.of("a", np.zeros(0), {"text": unknown}).face_height)
    with pytest.raises(ValueError, match="4 steps, but"):
        replace(steps, heights=np.zeros(3, np.float32))


def test_an_example_has_evidence_of_every_modality():
    utterance = Utterance("0000", TimeSpan(0.0, 1.0))
    nothing = dict.fromkeys(reversed(MODALITIES), Absent(Reason.NO_WORDS))
    assert tuple(Example(utterance, nothing).missing) == MODALITIES
    with pytest.raises(ValueError, match="evidence is of text, audio, vision"):
        Example(utterance, {"text": Absent(Reason.NO_WORDS)})
