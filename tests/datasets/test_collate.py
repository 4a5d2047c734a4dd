"""Batches: what is longer than the model takes is pooled there, in training and in use alike."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from lddu_pipe.datasets.collate import RowCollator
from lddu_pipe.evidence import Example, ModalitySequence, Present
from lddu_pipe.models.batch import collate_rows
from lddu_pipe.pipelines.samples import make_sample
from lddu_pipe.types import MODALITIES, TimeSpan, Utterance, Word

LIMITS = {"text": 256, "audio": 160, "vision": 160}
TIMES = np.arange(301) / 10
WORDS = tuple(Word("so", TimeSpan(*pair)) for pair in pairwise(TIMES))


def sequence(modality, seed):
    random = np.random.default_rng(seed)
    return ModalitySequence(
        modality=modality,
        values=random.normal(size=(300, 2)).astype(np.float32),
        spans=np.array([(word.span.start, word.span.end) for word in WORDS]),
        valid=random.random(300) < 0.95,
        feature_names=("a", "b"),
        fingerprint="test",
    )


@pytest.mark.parametrize("aligned", [False, True])
def test_sequences_stay_as_measured_until_a_model_takes_them(aligned):
    found = {name: Present(sequence(name, seed)) for seed, name in enumerate(MODALITIES)}
    utterance = Utterance("0", TimeSpan(0.0, 30.0), words=WORDS)
    sample = make_sample(utterance, found, {}, aligned=aligned)
    assert [len(item) for item in sample.sequences.values()] == [300] * 3
    used = collate_rows([sample.sequences], LIMITS, aligned=aligned)
    row = Example.of("0", np.zeros(6, np.float32), sample.sequences)
    trained = RowCollator(LIMITS, aligned=aligned)([row])
    for name in MODALITIES:
        # A step of all words is one of all modalities, so the shortest limit holds for them.
        most = 160 if aligned else LIMITS[name]
        assert most - 30 <= used.values[name].shape[1] <= most
        torch.testing.assert_close(used.values[name], trained["values"][name], rtol=0, atol=0)
        assert torch.equal(used.masks[name], trained["masks"][name])
