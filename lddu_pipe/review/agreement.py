"""How far a review is, and how often model and reviewer agree.

Agreement is that of the present annotation with the corrections in force, and is estimated from
the random sample alone (see `lddu_pipe.review.queue`): those that were looked at because they are
doubtful would make any model look bad. A decision that the model abstained from is no agreement
and no disagreement; it is counted apart. So is an utterance of which the reviewer cannot tell, and
one that was judged for a model without some of the present labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lddu_pipe.review.candidates import Candidate, Key
from lddu_pipe.review.queue import sample
from lddu_pipe.review.store import Correction

LEVEL = 0.95
"""Of the confidence intervals."""


@dataclass(frozen=True)
class Share:
    """A part of a whole, with a Wilson interval where it was drawn at random.

    The interval assumes an endless whole, and so is a little too wide where most of it was looked
    at.
    """

    __pydantic_config__: ClassVar = {"use_attribute_docstrings": True}  # in the API's schema

    count: int
    total: int
    share: float | None
    """None where the total is 0."""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class LabelAgreement:
    """Agreement on one label, over the decisions of the random sample."""

    __pydantic_config__: ClassVar = {"use_attribute_docstrings": True}  # in the API's schema

    label: str
    agreed: Share
    expected: float | None
    """Mean calibrated confidence of the same decisions: what the share should be, 0..1."""
    abstained: int
    """Decisions that the model left open; not among the others."""
    model: int
    """Decisions where the model says present."""
    reviewer: int
    """Where the reviewer does."""
    both: int
    """Where both do."""
    precision: Share
    """Of what the model says is present, the part that is."""
    recall: Share
    """Of what is present, the part that the model says is."""
    kappa: float | None
    """Cohen's: agreement beyond chance, at most 1; None where only one answer was ever given."""


@dataclass(frozen=True)
class ReviewProgress:
    """How far a review is, and how often model and reviewer agree: see docs/review.md."""

    __pydantic_config__: ClassVar = {"use_attribute_docstrings": True}  # in the API's schema

    utterances: int
    judged: int
    """Those that were looked at, with a verdict or without."""
    unsure: int
    """Those among them of which the reviewer cannot tell."""
    sample: int
    """Utterances of the random sample with a verdict."""
    sample_unsure: int
    """Utterances of the random sample of which the reviewer cannot tell."""
    sets: Share
    """Of the sample, those whose labels are all right; without those that cannot be compared."""
    sets_abstained: int
    """Of the sample, those that cannot be compared: the model left a decision open, or it has a
    label that the reviewer was not asked for."""
    decisions: Share
    """Of single decisions of the sample, those that are right. Those of one utterance hang
    together, so that there is no interval."""
    expected: float | None
    """Mean calibrated confidence of the same decisions."""
    people: Share
    """Of the sample, those of which the model had the right person, among the files in which it
    found several. As it was when they were judged; people who were made one count as right."""
    labels: Sequence[LabelAgreement]
    doubtful: Share
    """As `sets`, of what was judged beside the sample. Not representative: mostly what the model
    was least sure of."""


@dataclass(frozen=True)
class _Decision:
    """One decision of the model, and what the reviewer says."""

    label: str
    model: bool
    reviewer: bool
    confidence: float


def measure(candidates: Sequence[Candidate], judged: Mapping[Key, Correction]) -> ReviewProgress:
    """Measure progress and agreement.

    Args:
        candidates: all utterances, in the random order.
        judged: the corrections in force.
    """
    by_key = {candidate.key: candidate for candidate in candidates}
    drawn = sample(list(by_key), judged.keys())
    told = {key: said for key, said in judged.items() if said.verdict.labels is not None}
    of_sample = [(by_key[key], told[key]) for key in drawn if key in told]
    apart = told.keys() - set(drawn)
    others = [(by_key[key], said) for key, said in told.items() if key in apart]
    rows = [decision for pair in of_sample for decision in _decisions(*pair)]
    sets = [_agrees(*pair) for pair in of_sample]
    labels = dict.fromkeys(label for candidate in candidates for label in candidate.labels)
    return ReviewProgress(
        utterances=len(by_key),
        judged=len(judged),
        unsure=len(judged) - len(told),
        sample=len(of_sample),
        sample_unsure=len(drawn) - len(of_sample),
        sets=_estimate(item for item in sets if item is not None),
        sets_abstained=sets.count(None),
        decisions=_share(row.model == row.reviewer for row in rows),
        expected=_mean(row.confidence for row in rows),
        people=_estimate(
            judged[key].verdict.person is None
            for key in drawn
            if judged[key].model.person is not None
        ),
        labels=[
            _of_label(
                label,
                [row for row in rows if row.label == label],
                sum(_abstains(candidate, label) for candidate, _ in of_sample),
            )
            for label in labels
        ],
        doubtful=_share(item for item in (_agrees(*pair) for pair in others) if item is not None),
    )


def _of_label(label: str, rows: Sequence[_Decision], abstained: int) -> LabelAgreement:
    model, reviewer = (sum(row.model for row in rows), sum(row.reviewer for row in rows))
    both = sum(row.model and row.reviewer for row in rows)
    return LabelAgreement(
        label,
        _estimate(row.model == row.reviewer for row in rows),
        _mean(row.confidence for row in rows),
        abstained,
        model,
        reviewer,
        both,
        _estimate(row.reviewer for row in rows if row.model),
        _estimate(row.model for row in rows if row.reviewer),
        _kappa(len(rows), model, reviewer, both),
    )


def _decisions(candidate: Candidate, correction: Correction) -> list[_Decision]:
    """The decisions on labels that the reviewer was asked for, without those left open."""
    present = correction.verdict.labels or ()
    return [
        _Decision(label, decision == "present", label in present, confidence)
        for label, decision, confidence in zip(
            candidate.labels, candidate.decisions, candidate.confidences, strict=True
        )
        if decision != "abstain" and label in correction.model.decisions
    ]


def _agrees(candidate: Candidate, correction: Correction) -> bool | None:
    """Whether all labels are right; None where one was left open or not asked for."""
    asked = correction.model.decisions.keys()
    if "abstain" in candidate.decisions or not asked >= set(candidate.labels):
        return None
    return all(item.model == item.reviewer for item in _decisions(candidate, correction))


def _abstains(candidate: Candidate, label: str) -> bool:
    return (label, "abstain") in zip(candidate.labels, candidate.decisions, strict=True)


def _kappa(total: int, model: int, reviewer: int, both: int) -> float | None:
    if not total:
        return None
    observed = (total - model - reviewer + 2 * both) / total
    by_chance = (model * reviewer + (total - model) * (total - reviewer)) / total**2
    return None if by_chance == 1 else (observed - by_chance) / (1 - by_chance)


def _share(hits: Iterable[bool]) -> Share:
    values = list(hits)
    return Share(sum(values), len(values), sum(values) / len(values) if values else None)


def _estimate(hits: Iterable[bool]) -> Share:
    """A share of a random sample (Wilson 1927)."""
    from scipy.stats import binomtest  # a slow import that only this function needs

    found = _share(hits)
    if not found.total:
        return found
    interval = binomtest(found.count, found.total).proportion_ci(LEVEL, method="wilson")
    return Share(found.count, found.total, found.share, float(interval.low), float(interval.high))


def _mean(values: Iterable[float]) -> float | None:
    items = list(values)
    return sum(items) / len(items) if items else None
