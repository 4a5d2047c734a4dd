"""From a model's logits to probabilities that mean what they say, decisions and doubt.

Calibration is kept per set of present modalities, since a model that only hears is unsure in
other places than one that also reads.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from lddu_pipe.errors import IncompatibleModelError
from lddu_pipe.types import MODALITIES, Modality

FILE_NAME = "calibration.json"
QUANTILES = 41
PRIOR_STRENGTH = 1.0  # pulls the slope towards 1 where a label is rare in the calibration rows


def set_name(present: Collection[Modality]) -> str:
    """Name a set of modalities, such as "text+vision"; the order of `present` is no matter."""
    return "+".join(name for name in MODALITIES if name in present)


@dataclass(frozen=True)
class SetCalibration:
    """What was learned from calibration rows of one set of present modalities."""

    slope: tuple[float, ...]
    """Platt scaling (Platt 1999), one a label: p = sigmoid(slope * logit + offset)."""
    offset: tuple[float, ...]
    threshold: tuple[float, ...]
    """Probability from which a label is decided to be present."""
    deviation_quantiles: tuple[tuple[float, ...], ...]
    """(labels, quantiles): |sigma| of the calibration rows at evenly spaced quantiles."""
    abstain_above: float
    """Expected share of wrong decisions from which the model does not answer."""
    rows: int
    """How many calibration rows there were."""

    def probabilities(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Calibrated probabilities of logits, (..., labels)."""
        scaled = np.asarray(logits, np.float64) * np.array(self.slope) + np.array(self.offset)
        return sigmoid(scaled)

    def decide(self, probabilities: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which labels are present, (..., labels) bool."""
        decided: NDArray[np.bool_] = probabilities >= np.array(self.threshold)
        return decided

    def aleatoric(self, deviation: NDArray[np.floating]) -> NDArray[np.float64]:
        """Place of |sigma| among the calibration rows, (batch, labels) in 0..1.

        0.9 says that nine of ten calibration rows with these modalities had a narrower
        distribution for this label.
        """
        levels = np.linspace(0, 1, QUANTILES)
        columns = [
            np.interp(deviation[:, index], quantiles, levels)
            for index, quantiles in enumerate(self.deviation_quantiles)
        ]
        return np.stack(columns, axis=1)

    def abstains(self, probabilities: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Rows, (batch,) bool, whose decisions are expected to be wrong too often."""
        return expected_error(probabilities, self.decide(probabilities)) > self.abstain_above


@dataclass(frozen=True)
class Calibration:
    """All of a checkpoint's calibration."""

    sets: Mapping[str, SetCalibration]
    """By `set_name`."""
    base_rates: tuple[float, ...]
    """How often each label is present in the calibration rows: all that is known of nothing."""

    def of(self, present: Collection[Modality]) -> SetCalibration:
        """The calibration of a set of modalities.

        Raises:
            IncompatibleModelError: the checkpoint was not calibrated for this set.
        """
        name = set_name(present)
        if name not in self.sets:
            known = ", ".join(self.sets)
            raise IncompatibleModelError(
                f"the model has no calibration for {name or 'no modality'}; it has: {known}"
            )
        return self.sets[name]

    def save(self, folder: Path) -> None:
        """Write ``calibration.json`` into `folder`."""
        (folder / FILE_NAME).write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Calibration:
        """Read what `save` wrote.

        Raises:
            IncompatibleModelError: the file is missing or not a calibration.
        """
        path = folder / FILE_NAME
        try:
            content = json.loads(path.read_text())
            sets = {name: _from_json(item) for name, item in content["sets"].items()}
            base_rates = tuple(float(rate) for rate in content["base_rates"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise IncompatibleModelError(
                f"{path} is missing or damaged; calibrate the model or install it again"
            ) from error
        return cls(sets, base_rates)


def sigmoid(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """1 / (1 + exp(-logits)), without overflow."""
    halved: NDArray[np.float64] = 0.5 * (1 + np.tanh(np.asarray(logits, np.float64) / 2))
    return halved


def expected_error(
    probabilities: NDArray[np.floating], decided: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Share of a row's decisions that are wrong if the probabilities are right, (batch,)."""
    wrong: NDArray[np.float64] = np.where(decided, 1 - probabilities, probabilities)
    mean: NDArray[np.float64] = wrong.mean(axis=-1)
    return mean


def fit_platt(logits: NDArray[np.floating], truth: NDArray[np.floating]) -> tuple[float, float]:
    """Slope and offset that make one label's logits most likely.

    Args:
        logits: (rows,).
        truth: (rows,) in 0..1.

    Returns:
        A slope of at least 0.05, so that order is kept, and an offset.
    """
    x, y = np.asarray(logits, np.float64), np.asarray(truth, np.float64)
    # Platt's targets: as if one more row of each kind had been seen, so that a label without
    # any positive row does not end at probability 0.
    y = (y * len(y) + 0.5) / (len(y) + 1)

    def objective(parameters: NDArray[np.float64]) -> float:
        z = x * np.exp(parameters[0]) + parameters[1]
        nll = np.logaddexp(0, z) - y * z
        return float(nll.sum() + PRIOR_STRENGTH * parameters[0] ** 2)

    found = minimize(objective, np.zeros(2), method="L-BFGS-B", bounds=[(-3, 3), (-20, 20)])
    return float(np.exp(found.x[0])), float(found.x[1])


def choose_thresholds(
    probabilities: NDArray[np.floating], truth: NDArray[np.floating], *, rounds: int = 3
) -> NDArray[np.float64]:
    """Thresholds, one a label, for the best sum of micro-F1 and macro-F1.

    Coordinate ascent over a grid: each label in turn takes the threshold that is best given
    the others, starting from one common threshold.

    Args:
        probabilities: (rows, labels), calibrated.
        truth: (rows, labels) in 0..1; 0.5 and above is present.
        rounds: passes over the labels.
    """
    present = np.asarray(truth) >= 0.5
    grid = np.linspace(0.1, 0.7, 61)
    # Counts at every grid point, so that a candidate costs a few additions.
    above = probabilities[None] >= grid[:, None, None]
    hits = (above & present).sum(axis=1).astype(np.float64)
    decided = above.sum(axis=1).astype(np.float64)
    actual = present.sum(axis=0).astype(np.float64)

    def score(choice: NDArray[np.int64]) -> float:
        columns = np.arange(present.shape[1])
        tp, found = hits[choice, columns], decided[choice, columns]
        macro = np.mean(2 * tp / np.maximum(found + actual, 1))
        return float(2 * tp.sum() / max(found.sum() + actual.sum(), 1) + macro)

    labels = present.shape[1]
    choice = max((np.full(labels, point) for point in range(len(grid))), key=score)
    for _ in range(rounds):
        for label in range(labels):
            options = []
            for point in range(len(grid)):
                changed = choice.copy()
                changed[label] = point
                options.append(score(changed))
            choice[label] = int(np.argmax(options))
    return np.asarray(grid[choice], dtype=np.float64)


def fit_set(
    logits: NDArray[np.floating],
    truth: NDArray[np.floating],
    deviation: NDArray[np.floating],
    *,
    abstain_share: float = 0.05,
) -> SetCalibration:
    """Learn the calibration of one set of modalities.

    Args:
        logits: (rows, labels), before calibration.
        truth: (rows, labels) in 0..1.
        deviation: (rows, labels), |sigma| as in `losses.deviation_size`.
        abstain_share: share of these rows on which the model shall not answer.
    """
    pairs = [fit_platt(logits[:, index], truth[:, index]) for index in range(truth.shape[1])]
    slope, offset = zip(*pairs, strict=True)
    scaled = sigmoid(np.asarray(logits, np.float64) * np.array(slope) + np.array(offset))
    threshold = choose_thresholds(scaled, truth)
    errors = expected_error(scaled, scaled >= threshold)
    quantiles = np.quantile(deviation, np.linspace(0, 1, QUANTILES), axis=0).T
    return SetCalibration(
        slope=slope,
        offset=offset,
        threshold=tuple(float(value) for value in threshold),
        deviation_quantiles=tuple(tuple(float(q) for q in row) for row in quantiles),
        abstain_above=float(np.quantile(errors, 1 - abstain_share)),
        rows=len(truth),
    )


def _from_json(item: Mapping[str, object]) -> SetCalibration:
    fields = dict(item)
    for name in ("slope", "offset", "threshold"):
        fields[name] = tuple(float(value) for value in fields[name])  # type: ignore[attr-defined]
    fields["deviation_quantiles"] = tuple(
        tuple(float(value) for value in row)
        for row in fields["deviation_quantiles"]  # type: ignore[attr-defined]
    )
    return SetCalibration(**fields)  # type: ignore[arg-type]
