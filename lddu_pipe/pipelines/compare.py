"""Two models on the same rows: how far apart, and how surely."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lddu_pipe import bootstrap
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.pipelines.evaluation import figures_of_draws, plain_figures, resampled
from lddu_pipe.predictions import Answers

_NO_FIGURES = ("n", "per_label", "support", "threshold")


def compare(
    first: Answers,
    second: Answers,
    *,
    names: tuple[str, str] = ("A", "B"),
    resamples: int = bootstrap.RESAMPLES,
) -> dict[str, Any]:
    """Compare two models by their answers to the same rows, on the same draws of them.

    Args:
        first: A.
        second: B, to the same ids in any order, with the same labels in any order and the same
            truth. Speakers are those of A, and B's where A knows none.
        names: of A and B, in messages.
        resamples: how many draws.

    Returns:
        ``n``, ``figures`` and ``per_label``; for each figure of `plain_figures` ``a``, ``b``,
        ``difference`` (b - a), its ``interval`` or None, and ``leaves_out_zero``, None without an
        interval; ``resampling`` as of `with_intervals`.

    Raises:
        UnusableInputError: ids, labels or truths differ; the message is one line.
    """
    second = _in_order_of(first, second, names)
    speakers = tuple(
        other if own is None else own
        for own, other in zip(first.speakers, second.speakers, strict=True)
    )
    of_first, of_second = figures_of_draws(first), figures_of_draws(second)

    def differences(counts: bootstrap.Counts) -> bootstrap.Draws:
        one, other = of_first(counts), of_second(counts)
        return {key: other[key] - one[key] for key in one}

    drawn, resampling = resampled(differences, replace(first, speakers=speakers), resamples)
    values_of_first, values_of_second = _by_key(first), _by_key(second)
    found = {}
    for key, value in values_of_first.items():
        other = values_of_second[key]
        interval = bootstrap.interval(drawn[key]) if key in drawn else None
        found[key] = {
            "a": value,
            "b": other,
            "difference": None if value is None or other is None else other - value,
            "interval": None if interval is None else list(interval),
            "leaves_out_zero": None if interval is None else not interval[0] <= 0 <= interval[1],
        }
    nested = bootstrap.nested(found)
    per_label = nested.pop("per_label")
    return {
        "n": len(first.ids),
        "figures": nested,
        "per_label": per_label,
        "resampling": resampling,
    }


def _in_order_of(first: Answers, second: Answers, names: tuple[str, str]) -> Answers:
    """The second answers, with rows and labels in the order of the first."""
    _check_same("ids", first.ids, second.ids, names)
    _check_same("labels", first.labels, second.labels, names)
    rows = _places(first.ids, second.ids)
    table = np.ix_(rows, _places(first.labels, second.labels))
    truth = second.truth[table]
    apart = np.argwhere(truth != first.truth)
    if len(apart):
        row, label = apart[0]
        where = names[0] if first.truth[row, label] else names[1]
        count = len(np.unique(apart[:, 0]))
        raise UnusableInputError(
            f"{names[0]} and {names[1]} have other truths in {count} of {len(truth)} rows: id "
            f"{first.ids[row]!r} has {first.labels[label]!r} in {where} alone"
        )
    return replace(
        second,
        ids=first.ids,
        labels=first.labels,
        splits=tuple(second.splits[row] for row in rows),
        speakers=tuple(second.speakers[row] for row in rows),
        truth=truth,
        probabilities=second.probabilities[table],
        decisions=second.decisions[table],
        abstained=second.abstained[rows],
        uncertainty={name: values[table] for name, values in second.uncertainty.items()},
        present=None if second.present is None else second.present[rows],
    )


def _check_same(
    kind: str, first: tuple[str, ...], second: tuple[str, ...], names: tuple[str, str]
) -> None:
    """Refuse ids or labels that only one side has."""
    known_first, known_second = set(first), set(second)
    lacking = [
        (name, [item for item in own if item not in others])
        for name, own, others in (
            (names[0], first, known_second),
            (names[1], second, known_first),
        )
    ]
    if any(items for _, items in lacking):
        told = ", ".join(
            f"{len(items)} in {name} alone (such as {items[0]!r})"
            for name, items in lacking
            if items
        )
        raise UnusableInputError(f"{names[0]} and {names[1]} have other {kind}: {told}")


def _places(wanted: tuple[str, ...], found: tuple[str, ...]) -> NDArray[np.intp]:
    """Where each of `wanted` stands in `found`, which holds the same."""
    place = {item: index for index, item in enumerate(found)}
    return np.array([place[item] for item in wanted], np.intp)


def _by_key(answers: Answers) -> dict[bootstrap.Key, float | None]:
    figures = plain_figures(answers)
    of_labels = figures["per_label"].items()
    rows = [(None, figures), *((label, row) for label, row in of_labels)]
    return {
        (label, name): value
        for label, row in rows
        for name, value in row.items()
        if name not in _NO_FIGURES
    }
