"""The probability from which a label is decided to be present, chosen for what is wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray

from lddu_pipe.errors import UnusableInputError

TargetName = Literal["f1", "micro-f1", "label-f1", "top-1", "half", "precision"]
PLAIN_TARGETS: tuple[TargetName, ...] = ("f1", "micro-f1", "label-f1", "top-1", "half")
TARGETS = (*PLAIN_TARGETS, "precision:P")
"""As people write them."""

GRID = np.linspace(0.1, 0.7, 61)
"""Thresholds that are tried where labels depend on each other."""
NEVER = 1.0
"""A threshold that no probability reaches."""
NOBODY_ASKED = -1.0
"""Instead of a probability: what reaches no threshold and is not present is in no count."""
PRECISION_CONFIDENCE = 0.9
"""How sure it must be that a label's precision is at least what was asked for."""


@dataclass(frozen=True)
class Target:
    """What thresholds are chosen for."""

    name: TargetName = "f1"
    precision: float | None = None
    """For "precision" alone: the smallest precision wanted, above 0 and below 1."""

    def __str__(self) -> str:
        return self.name if self.precision is None else f"{self.name}:{self.precision:g}"


F1 = Target()


def parse_target(text: str) -> Target:
    """Read "f1", "micro-f1", "label-f1", "top-1", "half" or "precision:0.8".

    Raises:
        UnusableInputError: it is none of them.
    """
    name, colon, number = text.strip().lower().replace("=", ":").partition(":")
    if name == "precision":
        return Target("precision", _precision(text, number))
    for known in PLAIN_TARGETS:
        if name == known and not colon:
            return Target(known)
        if name == known:
            raise UnusableInputError(f"target {text!r}: {known} takes no number; write {known!r}")
    nearest = get_close_matches(name.replace("_", "-"), [t.split(":")[0] for t in TARGETS], n=1)
    if nearest:
        meant = nearest[0] + (f":{number or 0.8}" if nearest[0] == "precision" else "")
        raise UnusableInputError(f"unknown target {text!r}; did you mean {meant!r}?")
    raise UnusableInputError(f"unknown target {text!r}; known are: {', '.join(TARGETS)}")


def decide(
    probabilities: NDArray[np.floating], thresholds: NDArray[np.floating] | Sequence[float]
) -> NDArray[np.bool_]:
    """Which labels are present, of the shape of `probabilities`: those that reach a threshold.

    Args:
        probabilities: (..., labels), calibrated.
        thresholds: (labels,), or one for each probability.
    """
    limits = np.asarray(thresholds)
    # A sigmoid of 40 is rounded to 1, and `NEVER` shall mean never.
    present: NDArray[np.bool_] = (probabilities >= limits) & (limits < NEVER)
    return present


def choose_thresholds(
    probabilities: NDArray[np.floating],
    truth: NDArray[np.floating],
    *,
    target: Target = F1,
    rounds: int = 3,
) -> NDArray[np.float64]:
    """Thresholds, one a label.

    - "f1": the best sum of micro-F1 and macro-F1; "micro-f1": the best micro-F1. Labels depend on
      each other, so: coordinate ascent over a grid of 0.1 to 0.7. Each label in turn takes the
      threshold that is best given the others, starting from one common threshold.
    - "top-1": one threshold for all, with the best sum of accuracy and macro-F1 where the answer
      to a row is its most probable present label, or none; rows with several labels are left out.
      Labels compete for a row, so what each gains by a threshold of its own is mostly accident.
    - "label-f1": each label's own best F1, over all cuts between its probabilities.
    - "half": 0.5 for all, which needs no rows: present is what is more likely than not.
    - "precision": for each label the lowest threshold whose precision is at least the target
      with `PRECISION_CONFIDENCE`, by the one-sided bound of Clopper and Pearson (1934). The plain
      share would be met by luck: a cut above which three of three rows are right says little.
      The bound is that of one cut looked at alone; to take the lowest of many costs some of it.

    A label that cannot gain ("label-f1" without a positive row) or cannot keep the precision is
    never decided: its threshold is `NEVER`.

    Args:
        probabilities: (rows, labels), calibrated.
        truth: (rows, labels) in 0..1; 0.5 and above is present. NaN where nobody was asked: what
            is decided there counts neither for nor against, and "top-1" leaves the row out.
        target: what is wanted.
        rounds: passes over the labels, for "f1" and "micro-f1".

    Returns:
        (labels,) float64 in 0..1.
    """
    present, known = np.asarray(truth) >= 0.5, ~np.isnan(truth)
    scores = np.where(known, probabilities, NOBODY_ASKED)
    if target.name == "f1":
        return _jointly(scores, present, macro_weight=1.0, rounds=rounds)
    if target.name == "micro-f1":
        return _jointly(scores, present, macro_weight=0.0, rounds=rounds)
    if target.name == "half":
        return np.full(present.shape[1], 0.5)
    if target.name == "top-1":
        whole = known.all(axis=1)
        return _for_top1(scores[whole], present[whole])
    columns = zip(scores.T, present.T, known.T, strict=True)
    return np.array(
        [_alone(score[asked], real[asked], target.precision) for score, real, asked in columns]
    )


def _precision(text: str, number: str) -> float:
    try:
        value = float(number.rstrip("%"))
    except ValueError:
        raise UnusableInputError(
            f"target {text!r} needs a number above 0 and below 1, such as 'precision:0.8'"
        ) from None
    if 0 < value < 1 and not number.endswith("%"):
        return value
    hint = f"'precision:{value / 100:g}'" if 1 < value < 100 else "such as 'precision:0.8'"
    raise UnusableInputError(f"target {text!r}: precision lies above 0 and below 1; write {hint}")


def _alone(
    score: NDArray[np.floating], present: NDArray[np.bool_], precision: float | None
) -> float:
    """One label's threshold: for its F1, or its precision where one is given."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    # Rows of equal probability are decided together: a cut lies after the last of them.
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    hits, found = present[order].cumsum()[last], last + 1
    if precision is None:
        f1 = 2 * hits / (found + present.sum())
        cut = int(np.argmax(f1))
        reached = bool(f1[cut] > 0)
    else:
        # The beta quantile needs a hit; without one the bound is 0.
        lower = scipy.special.betaincinv(
            np.maximum(hits, 1), found - hits + 1, 1 - PRECISION_CONFIDENCE
        )
        good = np.flatnonzero((hits > 0) & (lower >= precision))
        reached = len(good) > 0
        cut = int(good[-1]) if reached else 0
    if not reached:
        return NEVER
    if cut + 1 == len(last):
        return float(ranked[last[cut]])
    # Half-way to the next row, so that rounding of a probability does not change a decision.
    return float((ranked[last[cut]] + ranked[last[cut + 1]]) / 2)


def _jointly(
    probabilities: NDArray[np.floating],
    present: NDArray[np.bool_],
    *,
    macro_weight: float,
    rounds: int,
) -> NDArray[np.float64]:
    # Counts at every grid point, so that a candidate costs a few additions.
    above = probabilities[None] >= GRID[:, None, None]
    hits = (above & present).sum(axis=1).astype(np.float64)
    decided = above.sum(axis=1).astype(np.float64)
    actual = present.sum(axis=0).astype(np.float64)

    def score(choices: NDArray[np.int64]) -> NDArray[np.float64]:
        columns = np.arange(present.shape[1])
        tp, found = hits[choices, columns], decided[choices, columns]
        macro = np.mean(2 * tp / np.maximum(found + actual, 1), axis=1)
        micro = 2 * tp.sum(axis=1) / np.maximum(found.sum(axis=1) + actual.sum(), 1)
        return np.asarray(micro + macro_weight * macro)

    return _ascend(score, present.shape[1], rounds)


def _for_top1(
    probabilities: NDArray[np.floating], present: NDArray[np.bool_]
) -> NDArray[np.float64]:
    single = present.sum(axis=1) <= 1
    probabilities, present = probabilities[single], present[single]
    labels = present.shape[1]
    none = labels
    truth = np.where(present.any(axis=1), present.argmax(axis=1), none)
    actual = np.bincount(truth, minlength=labels + 1)

    def score(threshold: float) -> float:
        open_to = np.where(probabilities >= threshold, probabilities, -1.0)
        guess = np.where(open_to.max(axis=1) >= 0, open_to.argmax(axis=1), none)
        right = guess == truth
        hits = np.bincount(truth[right], minlength=labels + 1)
        found = np.bincount(guess, minlength=labels + 1)
        macro = np.mean(2 * hits / np.maximum(found + actual, 1))
        return float(right.mean() + macro)

    # Of thresholds that are equally good, the one nearest to "more likely than not".
    return np.full(labels, max(GRID, key=lambda limit: (score(limit), -abs(limit - 0.5))))


def _ascend(
    score: Callable[[NDArray[np.int64]], NDArray[np.float64]], labels: int, rounds: int
) -> NDArray[np.float64]:
    """Coordinate ascent from the best common threshold.

    Args:
        score: of (choices, labels) places in `GRID`, one a choice.
        labels: how many there are.
        rounds: passes over them.
    """
    points = np.arange(len(GRID))
    common = np.repeat(points[:, None], labels, axis=1)
    choice = common[np.argmax(score(common))]
    for _ in range(rounds):
        for label in range(labels):
            changed = np.tile(choice, (len(GRID), 1))
            changed[:, label] = points
            choice[label] = np.argmax(score(changed))
    return np.asarray(GRID[choice], dtype=np.float64)
