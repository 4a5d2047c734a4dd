"""What is offered next, and that the sample in it is a fair one."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lddu_pipe.review.matching import anchors_of
from lddu_pipe.review.queue import Doubt, lot, offers, sample


def review(by_lot, by_doubt, times, judged=()):
    """Judge what is offered, one after the other."""
    judged = dict.fromkeys(judged)
    for _ in range(times):
        key, why = next(offers(by_lot, by_doubt, judged.keys()))
        judged[key] = why
    return judged


def test_every_fourth_is_random_and_the_others_the_most_doubtful():
    by_lot, by_doubt = list(range(40)), list(reversed(range(40)))
    offered = list(islice(offers(by_lot, by_doubt, set()), 9))
    assert offered == [
        (0, "random"),
        *((key, "uncertain") for key in (39, 38, 37)),
        (1, "random"),
        *((key, "uncertain") for key in (36, 35, 34)),
        (2, "random"),
    ]
    assert list(review(by_lot, by_doubt, 9).items()) == offered


def test_all_are_offered_once_and_then_nothing():
    by_lot, by_doubt = list(range(10)), [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    offered = [key for key, _ in offers(by_lot, by_doubt, {4, 7})]
    assert sorted(offered) == [0, 1, 2, 3, 5, 6, 8, 9]
    assert list(offers(by_lot, by_doubt, set(by_lot))) == []
    assert list(offers([], [], set())) == []


def test_what_was_judged_as_doubtful_counts_when_its_turn_comes():
    by_lot = list(range(20))
    judged = review(by_lot, by_lot, 8)  # both orders are the same: 0 random, then 1, 2, 3 ...
    assert sample(by_lot, judged.keys()) == [0, 1]
    assert judged[1] == "uncertain"


def test_what_is_left_out_ends_the_sample():
    by_lot = list(range(100))
    assert sample(by_lot, set(range(20, 60))) == []
    assert sample(by_lot, {0, 1, *range(20, 58)}) == [0, 1]
    # The queue catches up with the order, as after new items came.
    offered = list(islice(offers(by_lot, by_lot[::-1], set(range(20, 60))), 15))
    assert [key for key, why in offered[:14]] == list(range(14))
    assert {why for _, why in offered[:14]} == {"random"}
    assert offered[14] == (99, "uncertain")


@given(st.permutations(range(12)), st.permutations(range(12)), st.integers(0, 12))
def test_the_sample_has_a_size_that_depends_on_the_count_alone(by_lot, by_doubt, times):
    judged = review(by_lot, by_doubt, times)
    assert len(judged) == times
    assert sample(by_lot, judged.keys()) == by_lot[: times // 4]


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_estimate_is_unbiased_where_that_of_all_that_was_judged_is_far_off(
    annotate_text, share
):
    """A model that is right where it is sure; reviewed through the queue, many times.

    Oracle: the agreement over all utterances, which the simulation knows.
    """
    random = np.random.default_rng(7)
    size = 300
    doubt = random.random(size)
    right = random.random(size) > doubt
    truth = right.mean()
    by_doubt = sorted(range(size), key=lambda key: -doubt[key])
    anchors = anchors_of(annotate_text(*(f"text {index}" for index in range(size))))
    estimates, naive = [], []
    for seed in range(400):
        lots = [lot("media", anchor, f"seed {seed}") for anchor in anchors]
        by_lot = sorted(range(size), key=lots.__getitem__)
        judged = review(by_lot, by_doubt, int(size * share))
        estimates.append(right[sample(by_lot, judged.keys())].mean())
        naive.append(right[list(judged)].mean())
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - truth) < 3 * error
    assert 3 * error < 0.05
    assert np.mean(naive) < truth - 0.1


def test_a_sample_taken_by_why_it_was_offered_would_be_no_fair_one(annotate_text):
    """Why the prefix of the order is the sample, and not what was offered as random.

    The latter leaves out those of the order that were judged as doubtful before their turn, so
    that it holds too few of them and the model looks better than it is.
    """
    random = np.random.default_rng(3)
    size = 60
    doubt = random.random(size)
    right = random.random(size) > doubt
    by_doubt = sorted(range(size), key=lambda key: -doubt[key])
    anchors = anchors_of(annotate_text(*(f"text {index}" for index in range(size))))
    fair, unfair = [], []
    for seed in range(300):
        lots = [lot("media", anchor, f"seed {seed}") for anchor in anchors]
        by_lot = sorted(range(size), key=lots.__getitem__)
        judged = review(by_lot, by_doubt, 40)
        fair.append(right[sample(by_lot, judged.keys())].mean())
        unfair.append(right[[key for key, why in judged.items() if why == "random"]].mean())
    assert abs(np.mean(fair) - right.mean()) < 0.02
    assert np.mean(unfair) > right.mean() + 0.05


def test_the_order_is_fixed_and_does_not_go_by_ids_or_what_the_model_says(annotate, say):
    one = anchors_of(annotate([say("a", 0, 1), say("b", 1, 2)]))
    other = anchors_of(annotate([say("B!", 1, 2, present=["sad"], confidence=0.6)]))
    assert lot("m", one[1]) == lot("m", other[0])
    assert len({lot("m", one[0]), lot("n", one[0]), lot("m", one[1])}) == 3
    # Pinned: another order would make another sample of corrections that were made already.
    assert lot("m", one[0]) == 17972437777387250483


def test_lots_are_even(annotate_text):
    anchors = anchors_of(annotate_text(*["same"] * 4000))
    tenths = Counter(int(lot("m", anchor) / 2**64 * 10) for anchor in anchors)
    assert len(tenths) == 10
    assert all(abs(count - 400) < 80 for count in tenths.values())


def test_doubt_is_the_number_of_decisions_expected_to_be_wrong(say):
    doubt = Doubt.of(say("a", confidence=0.7))
    assert doubt.wrong == pytest.approx(3 * 0.3)
    surer = Doubt.of(say("a", confidence=0.9))
    shakier = Doubt.of(say("a", confidence=0.7, epistemic=0.2))
    blind = Doubt.of(say("", confidence=0.5, missing=["text", "audio", "vision"]))
    half = Doubt.of(say("", confidence=0.6, missing=["text", "audio"]))
    ranked = sorted([doubt, surer, shakier, blind, half], key=lambda item: item.rank)
    assert ranked == [half, shakier, doubt, surer, blind]
