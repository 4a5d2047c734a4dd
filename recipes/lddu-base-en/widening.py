"""By how much probabilities are made less certain for data of kinds that a model never met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from lddu_pipe.metrics import (
    decision_confidence,
    expected_calibration_error,
    risk_coverage_curve,
)
from lddu_pipe.models.calibration import (
    Widening,
    decide,
    sigmoid,
)

SHARES = tuple(np.linspace(0, 1, 11).round(1).tolist())
"""How much of the line, as it was fitted, is taken."""
SURE, SURELY_WRONG = 0.95, 0.1
"""Of what is more probable than the first, at most the second may be wrong where the share is
chosen, so that it is at most one in eight elsewhere."""
ECE_ELSEWHERE, COST = 0.08, 0.02
"""What is wanted on data left out, and by how much own data may be further off for it, each in the
mean of corpora."""
NO_WORSE = 0.002
"""A difference in ECE that is none."""
PULL = 0.02
"""Holds the line back to none, per corpus and label."""


class Part(NamedTuple):
    """Rows of one corpus, as one reader sees them."""

    corpus: str
    odds: NDArray[np.float64]
    """(rows, labels), log-odds of probabilities that are right on the reader's own data."""
    truth: NDArray[np.float64]
    """(rows, labels) 0 or 1, NaN where nobody was asked."""
    chosen: NDArray[np.bool_]
    """(rows,) whether the row chooses; the others are reported on."""
    thresholds: NDArray[np.float64]
    """(labels,) of the reader's own data."""

    def half(self, *, choosing: bool) -> Part:
        """The rows that choose, or the others."""
        kept = self.chosen == choosing
        return self._replace(
            odds=self.odds[kept], truth=self.truth[kept], chosen=self.chosen[kept]
        )


@dataclass(frozen=True)
class Reader:
    """What a model that never saw some corpora says of these and of others."""

    strange: tuple[Part, ...]
    own: tuple[Part, ...]


def fit_widening(parts: Sequence[Part]) -> Widening:
    """The line that makes strangers' probabilities most likely; every corpus counts the same."""
    odds, truth = (
        np.concatenate([getattr(part, name) for part in parts]) for name in Part._fields[1:3]
    )
    weights = np.concatenate([np.full(len(part.truth), 1 / len(part.truth)) for part in parts])
    known = ~np.isnan(truth)
    real = np.where(known, truth, 0.0)

    def cost(line: NDArray[np.float64]) -> float:
        moved = odds * np.exp(line[0]) + line[1:]
        misses = np.where(known, np.logaddexp(0, moved) - real * moved, 0.0)
        return float(weights @ misses.sum(axis=1) + PULL * len(parts) * line @ line)

    found = scipy.optimize.minimize(cost, np.zeros(1 + truth.shape[1]), method="L-BFGS-B").x
    return Widening(float(np.exp(found[0])), tuple(found[1:].tolist()))


def part_of(widening: Widening, share: float) -> Widening:
    """A share of a line, the rest being none."""
    slope = 1 - share + share * widening.slope
    return Widening(slope, tuple(share * moved for moved in widening.offset))


def probabilities(part: Part, widening: Widening) -> NDArray[np.float64]:
    """(rows, labels) after a line."""
    return sigmoid(part.odds * widening.slope + np.array(widening.offset))


def figures_of(part: Part, widening: Widening) -> dict[str, float]:
    """What a reader's answers are worth on one corpus, with its probabilities widened.

    ``risk_at_75`` is the risk of the surer three quarters of decisions over that of all.
    """
    found, known = probabilities(part, widening), ~np.isnan(part.truth)
    asked = np.flatnonzero(known.any(axis=0))
    errors = [
        expected_calibration_error(part.truth[rows, label][:, None], found[rows, label][:, None])[
            0
        ]
        for label in asked
        for rows in [known[:, label]]
    ]
    moved = sigmoid(log_odds(part.thresholds) * widening.slope + np.array(widening.offset))
    decided = decide(found, moved)
    right = decided == (part.truth >= 0.5)
    curve = risk_coverage_curve(decision_confidence(found, decided)[known], right[known])
    sure = known & (found >= SURE)
    return {
        "n": len(part.truth),
        "ece": float(np.mean(errors)),
        "risk_at_75": curve.at(0.75) / max(1 - right[known].mean(), 1e-9),
        "sure": int(sure.sum()),
        "surely_wrong": int((part.truth[sure] < 0.5).sum()),
    }


def summary(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Figures of several corpora together."""
    return {
        "ece": float(np.mean([item["ece"] for item in found])),
        "largest_ece": max(item["ece"] for item in found),
        "risk_at_75": float(np.mean([item["risk_at_75"] for item in found])),
        "sure": sum(item["sure"] for item in found),
        "surely_wrong": sum(item["surely_wrong"] for item in found),
    }


@dataclass(frozen=True)
class Lines:
    """The lines of one modality, fitted on the rows that choose."""

    readers: Sequence[Reader]
    of_all: Widening
    """Of all corpora that were left out: what is shipped."""
    without: Mapping[str, Widening]
    """By corpus, of the others: what it is judged with. Its own where it is the only one."""

    @classmethod
    def fit(cls, readers: Sequence[Reader]) -> Lines:
        """Learn them of readers of one modality."""
        parts = [part.half(choosing=True) for reader in readers for part in reader.strange]
        of_all = fit_widening(parts)
        names = {part.corpus for part in parts}
        others = {name: [part for part in parts if part.corpus != name] for name in names}
        without = {name: fit_widening(rest) if rest else of_all for name, rest in others.items()}
        return cls(readers, of_all, without)

    def of_strange(self, share: float, *, choosing: bool) -> dict[str, dict[str, float]]:
        """Figures of each corpus that was left out."""
        return {
            part.corpus: figures_of(
                part.half(choosing=choosing), part_of(self.without[part.corpus], share)
            )
            for reader in self.readers
            for part in reader.strange
        }

    def trade(self, share: float, *, choosing: bool) -> dict[str, dict[str, float]]:
        """What a share of the line does on data left out, and on readers' own."""
        line = part_of(self.of_all, share)
        own = [
            figures_of(part.half(choosing=choosing), line)
            for reader in self.readers
            for part in reader.own
        ]
        strange = [*self.of_strange(share, choosing=choosing).values()]
        return {"left_out": summary(strange), "own": summary(own)}


def choose_share(traded: Mapping[float, Mapping[str, Mapping[str, float]]]) -> float:
    """The smallest share with which both bars hold on data left out, as own data allow.

    Where none does: of those with which what is sure is right, the smallest whose ECE is as good.
    """
    most = traded[SHARES[0]]["own"]["ece"] + COST
    allowed = [share for share in SHARES if traded[share]["own"]["ece"] <= most]
    honest = [share for share in allowed if _is_honest(traded[share]["left_out"])]
    good = [s for s in honest if traded[s]["left_out"]["ece"] <= ECE_ELSEWHERE]
    if good:
        return good[0]
    if not honest:
        return allowed[-1]
    least = min(traded[share]["left_out"]["ece"] for share in honest)
    return next(s for s in honest if traded[s]["left_out"]["ece"] <= least + NO_WORSE)


def _is_honest(found: Mapping[str, float]) -> bool:
    """Whether what is sure is seldom wrong; once may be bad luck."""
    return found["surely_wrong"] <= max(1.0, SURELY_WRONG * found["sure"])


def measure(readers: Sequence[Reader]) -> dict[str, Any]:
    """The line of one modality, and the tables of it."""
    lines = Lines.fit(readers)
    share = choose_share({share: lines.trade(share, choosing=True) for share in SHARES})
    return {
        "share": share,
        "widening": part_of(lines.of_all, share)._asdict(),
        "trade": {str(share): lines.trade(share, choosing=False) for share in SHARES},
        "before": lines.of_strange(0.0, choosing=False),
        "after": lines.of_strange(share, choosing=False),
    }


def log_odds(values: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.clip(values, 1e-9, 1 - 1e-9)
    odds: NDArray[np.float64] = np.log(inside) - np.log1p(-inside)
    return odds
