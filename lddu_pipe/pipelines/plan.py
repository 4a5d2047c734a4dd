"""Which rows teach a model and which judge it, decided before anything is learned."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.datasets.selection import Selection
from lddu_pipe.datasets.store import FeatureStore
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.pipelines.calibration import MINIMUM_ROWS

FEWEST_ROWS = 20
"""Of train and valid together; with fewer, nothing that is found can be told from chance."""
FEWEST_OF_A_KIND = 2
"""Rows with, and rows without a label: one to learn from, one to see whether it was learned."""
FOLDS = 5
MOST_OF_A_GROUP = 1 - 1 / FOLDS
"""Share of the rows: where one speaker has more, the others are too few to learn from or judge by,
and rows are shared out as if nobody were known."""
LEARNED_FROM = ("train", "valid")
"""The splits that training may use; nothing is chosen on the test split."""


@dataclass(frozen=True)
class LabelledRows:
    """What is known of rows without their features."""

    labels: NDArray[np.floating]
    """(rows, labels) in 0..1; 0.5 and above is present."""
    groups: Sequence[str]
    """(rows,), the same for rows that are alike, such as those of a speaker."""


@dataclass(frozen=True)
class Plan:
    """How a model is trained and judged."""

    rows: int
    """That the model learns from in the end."""
    valid: int
    """Of the valid split."""
    folds: NDArray[np.int64] | None
    """(rows,) for rows of train and valid together, in this order: the training in which a row
    judges and does not teach. None where the valid split judges."""
    groups: int
    """Speakers, recordings and lone rows among the rows; 1 where one has nearly all."""

    def describe(self) -> str:
        """Say in a line why and how the model is cross-fitted; only where it is."""
        if self.folds is None:
            raise ValueError("the valid split judges")
        needed = f"the {MINIMUM_ROWS} rows that a calibration needs"
        found = (
            f"valid has {self.valid} of {needed}" if self.valid else f"no valid split of {needed}"
        )
        return (
            f"{found}; {int(self.folds.max()) + 1} trainings, each judged by the rows it has not "
            f"seen, then one on all {self.rows} rows ({together(self.rows, self.groups)})"
        )


def plan_training(labels: Sequence[str], splits: Mapping[str, LabelledRows], seed: int) -> Plan:
    """Decide how a model is trained on some rows.

    With `MINIMUM_ROWS` valid rows the train split teaches and the valid split judges. With fewer,
    or none, train and valid are put together and cross-fitted: shared out into `FOLDS` parts,
    of which each is scored by a model that has learned from the others. What is fitted on these
    scores goes with a model that has learned from all rows.

    Args:
        labels: names.
        splits: by name; the test split is not looked at.
        seed: of the folds.

    Raises:
        UnusableInputError: there are too few rows, or a label is (nearly) never or always present.
    """
    train, valid = (splits.get(name) for name in LEARNED_FROM)
    count = 0 if valid is None else len(valid.labels)
    if train is not None and len(train.labels) > 1 and count >= MINIMUM_ROWS:
        _check_labels(labels, train.labels, "train", fewest=1)
        return Plan(len(train.labels), count, None, _count_groups(train.groups))
    found = [rows for rows in (train, valid) if rows is not None]
    total = sum(len(rows.labels) for rows in found)
    if total < FEWEST_ROWS:
        raise UnusableInputError(
            f"train and valid have {_counted(total, 'row')} together of the {FEWEST_ROWS} that "
            "training needs at least; add rows"
        )
    targets = np.concatenate([rows.labels for rows in found])
    groups = [name for rows in found for name in rows.groups]
    _check_labels(labels, targets, "train and valid", fewest=FEWEST_OF_A_KIND)
    return Plan(total, count, share_out(targets, groups, seed), _count_groups(groups))


def plan_of_store(store: FeatureStore, seed: int) -> Plan:
    """`plan_training` for the splits of a store.

    Raises:
        UnusableInputError: as there; the message names the store.
    """
    splits = {
        name: LabelledRows(store.split(name).labels, store.split(name).groups)
        for name in LEARNED_FROM
        if name in store.splits
    }
    try:
        plan = plan_training(store.info.labels, splits, seed)
        check_scales(plan, store.info.scales, {name: store.split(name).scales for name in splits})
    except UnusableInputError as error:
        raise UnusableInputError(f"{store.folder}: {error}") from None
    return plan


def check_scales(
    plan: Plan, names: Sequence[str], values: Mapping[str, NDArray[np.floating]]
) -> None:
    """Refuse a scale of which too little is known in the rows that a model learns from.

    Args:
        plan: of the rows.
        names: of the scales.
        values: by split, (rows, scales), NaN where unknown.

    Raises:
        UnusableInputError: a scale has fewer than `FEWEST_ROWS` values there.
    """
    splits = LEARNED_FROM if plan.folds is not None else ("train",)
    taught = np.concatenate([values[name] for name in splits if name in values])
    for name, known in zip(names, (~np.isnan(taught)).sum(axis=0).tolist(), strict=True):
        if known < FEWEST_ROWS:
            raise UnusableInputError(
                f"scale {name!r} has a value in {_counted(known, 'row')} to learn from of the "
                f"{FEWEST_ROWS} that are needed; leave it out of the manifest or add rows"
            )


def rows_to_learn_from(store: FeatureStore) -> Selection:
    """Train and valid together, in this order, as `Plan.folds` counts them."""
    return Selection([store.split(name) for name in LEARNED_FROM if name in store.splits])


def share_out(
    labels: NDArray[np.floating], groups: Sequence[str], seed: int, folds: int = FOLDS
) -> NDArray[np.int64]:
    """Share rows out into parts of about one size, rows of a group into one part.

    Each row counts as one of its rarest label, and each part gets about as many of each.

    Args:
        labels: (rows, labels) in 0..1.
        groups: (rows,); ignored where nearly all rows are of one group.
        seed: of the shuffle.
        folds: parts; fewer where there are fewer groups.

    Returns:
        (rows,) the part of each row, 0 up to the number of parts.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # slow, and few plans need it

    _, members = np.unique(groups, return_inverse=True)
    if _count_groups(groups) == 1:
        members = np.arange(len(labels))
    folds = min(folds, int(members.max()) + 1)
    present = labels >= 0.5
    order = np.argsort(present.sum(axis=0), kind="stable")
    kinds = np.where(present.any(axis=1), order[present[:, order].argmax(axis=1)], -1)
    if np.unique(kinds, return_counts=True)[1].max() < folds:
        kinds = np.zeros_like(kinds)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    found = np.zeros(len(labels), np.int64)
    with warnings.catch_warnings():
        # That a rare label is not in every part: nobody can change that.
        warnings.simplefilter("ignore", UserWarning)
        for part, (_, held) in enumerate(splitter.split(labels, kinds, members)):
            found[held] = part
    return np.unique(found, return_inverse=True)[1]  # a part may have come out empty


def together(rows: int, groups: int) -> str:
    """Say whether rows of a speaker were kept together."""
    if groups == rows:
        return "no two of one speaker or recording, as far as is known"
    if groups == 1:
        return "nearly all of one speaker or recording, so nothing is known of others"
    return f"{groups} speakers or recordings, each kept together"


def _count_groups(groups: Sequence[str]) -> int:
    _, sizes = np.unique(groups, return_counts=True)
    return 1 if sizes.max() > MOST_OF_A_GROUP * len(groups) else len(sizes)


def _check_labels(
    names: Sequence[str], labels: NDArray[np.floating], where: str, *, fewest: int
) -> None:
    counts = (labels >= 0.5).sum(axis=0)
    enough = (counts >= fewest) & (counts <= len(labels) - fewest)
    good = [name for name, kept in zip(names, enough, strict=True) if kept]
    for name, count in zip(names, counts.tolist(), strict=True):
        how = {0: "never", len(labels): "always"}.get(count)
        if how is not None:
            raise UnusableInputError(
                f"label {name!r} is {how} present in {where}, so it cannot be learned; leave it "
                "out of the label set or add rows" + _hint(names, good)
            )
        few = min(count, len(labels) - count)
        if few < fewest:
            kind = "present" if count < fewest else "absent"
            raise UnusableInputError(
                f"label {name!r} is {kind} in {_counted(few, 'row')} of {where}, at least "
                f"{fewest} are needed; leave it out of the label set or add rows"
                + _hint(names, good)
            )


def _hint(names: Sequence[str], good: Sequence[str]) -> str:
    """The option of `extract` that leaves out labels of which there are too few rows."""
    return f" (extract --labels {','.join(good)})" if 0 < len(good) < len(names) else ""


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
