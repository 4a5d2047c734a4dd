"""How far a review is, and how often model and reviewer agree."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import cohen_kappa_score, precision_score, recall_score

from lddu_pipe.review.agreement import measure
from lddu_pipe.review.candidates import open_annotation
from lddu_pipe.review.store import Correction, Snapshot, Verdict

LABELS = ("happy", "sad", "anger")


@pytest.fixture
def judge(annotate, say):
    """Makes candidates in the order given and judges them.

    Each is what the model says, and what the reviewer does: labels that are present, "?" for an
    abstention; None for a reviewer who cannot tell, and "" for an utterance not looked at.
    """

    def make(*pairs, confidence=0.9, known=LABELS):
        predictions = [
            say(
                f"{index}",
                present=[label for label in model if label in LABELS],
                abstained=[label[1:] for label in model if label.startswith("?")],
                confidence=confidence,
            )
            for index, (model, _) in enumerate(pairs)
        ]
        opened = open_annotation("item", annotate(predictions))
        candidates = list(opened.candidates.values())
        snapshot = Snapshot("m", "1", dict.fromkeys(known, "absent"), {}, {})
        judged = {
            candidate.key: Correction(
                1,
                "s",
                "",
                "m",
                "item",
                "n",
                candidate.anchor,
                Verdict(None if said is None else tuple(said)),
                snapshot,
                "",
                None,
            )
            for candidate, (_, said) in zip(candidates, pairs, strict=True)
            if said != ""
        }
        return measure(candidates, judged)

    return make


def test_without_corrections_there_are_no_figures(judge):
    found = judge((["happy"], ""), ([], ""))
    assert (found.utterances, found.judged, found.sample) == (2, 0, 0)
    assert (found.sets.share, found.sets.low, found.expected) == (None, None, None)
    assert [label.label for label in found.labels] == list(LABELS)
    assert all(label.kappa is None for label in found.labels)


def test_the_sample_is_a_quarter_and_the_rest_is_told_apart(judge):
    right, wrong = (["happy"], ["happy"]), (["happy"], ["sad"])
    found = judge(right, wrong, *[right] * 3, *[wrong] * 3, *[(["happy"], "")] * 8)
    assert (found.utterances, found.judged, found.sample) == (16, 8, 2)
    assert (found.sets.count, found.sets.total, found.sets.share) == (1, 2, 0.5)
    assert (found.doubtful.count, found.doubtful.total) == (3, 6)
    assert found.doubtful.low is None  # no random sample, no interval
    assert (found.decisions.count, found.decisions.total) == (4, 6)


def test_who_cannot_tell_is_no_agreement_and_no_disagreement(judge):
    found = judge(([], None), ([], []), *[([], [])] * 6)
    assert (found.judged, found.unsure) == (8, 1)
    assert (found.sample, found.sample_unsure) == (1, 1)
    assert (found.sets.count, found.sets.total) == (1, 1)
    assert found.doubtful.total == 6


def test_abstained_decisions_are_counted_apart(judge):
    found = judge((["?sad", "happy"], ["happy", "sad"]), (["happy"], []), *[([], [])] * 6)
    assert (found.sets.count, found.sets.total, found.sets_abstained) == (0, 1, 1)
    by_label = {label.label: label for label in found.labels}
    assert (by_label["sad"].agreed.total, by_label["sad"].abstained) == (1, 1)
    assert (by_label["happy"].agreed.count, by_label["happy"].agreed.total) == (1, 2)
    assert found.decisions.total == 5


def test_a_label_that_the_reviewer_was_not_asked_for_is_left_out(judge):
    """As after the model was exchanged for one with more labels."""
    found = judge(*[(["anger", "sad"], ["sad"])] * 4, known=("happy", "sad"))
    by_label = {label.label: label for label in found.labels}
    assert by_label["anger"].agreed.total == 0
    assert (by_label["sad"].agreed.count, by_label["sad"].agreed.total) == (1, 1)
    # What nobody was asked is not right: neither is the whole set.
    assert (found.sets.total, found.sets_abstained, found.doubtful.total) == (0, 1, 0)


def test_labels_that_the_model_has_no_longer_are_no_hindrance(judge):
    found = judge(*[(["sad"], ["sad"])] * 4, known=(*LABELS, "disgust"))
    assert (found.sets.count, found.sets.total, found.sets_abstained) == (1, 1, 0)


def test_the_figures_of_a_label_are_those_of_scikit_learn(judge):
    random = np.random.default_rng(5)
    model = random.random(60) < 0.4
    reviewer = np.where(random.random(60) < 0.75, model, ~model)
    pairs = [
        (["happy"] if one else [], ["happy"] if other else [])
        for one, other in zip(model, reviewer, strict=True)
    ]
    found = judge(*pairs, *[([], [])] * 180, confidence=0.8)  # all judged: the sample is the first
    happy = found.labels[0]
    assert (happy.agreed.count, happy.agreed.total) == ((model == reviewer).sum(), 60)
    assert (happy.model, happy.reviewer, happy.both) == (
        model.sum(),
        reviewer.sum(),
        (model & reviewer).sum(),
    )
    assert happy.kappa == pytest.approx(cohen_kappa_score(model, reviewer))
    assert happy.precision.share == pytest.approx(precision_score(reviewer, model))
    assert happy.recall.share == pytest.approx(recall_score(reviewer, model))
    assert happy.expected == pytest.approx(0.8)
    assert found.expected == pytest.approx(0.8)
    assert found.labels[1].kappa is None  # nobody ever says sad


def test_the_interval_is_wilsons(judge):
    found = judge(*[([], [])] * 9, ([], ["sad"]), *[([], [])] * 30)
    share, total, z = 0.9, 10, norm.ppf(0.975)
    middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * np.sqrt(share * (1 - share) / total + (z / (2 * total)) ** 2)
    assert (found.sets.low, found.sets.high) == pytest.approx((middle - half, middle + half))
