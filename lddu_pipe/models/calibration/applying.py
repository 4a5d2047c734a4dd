"""From a model's raw scores to all that is said of rows: calibration is applied here alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.models.calibration.sets import Calibration, SetCalibration, modalities_of
from lddu_pipe.models.scores import RawScores, Scores

NOTHING_TO_SEE = 0.5
"""Both uncertainties of a row in which every modality is missing: as of a coin toss."""
LIKELY = 0.5
"""Probability from which a label is more likely there than not."""


@dataclass(frozen=True)
class CalibratedScores:
    """What is said of rows, in their order.

    Where every modality is missing, that is how frequent each label is in the calibration rows,
    without a decision, a label set or a place on a scale.
    """

    present: NDArray[np.bool_]
    """(rows, modalities)."""
    probabilities: NDArray[np.float64]
    """(rows, labels) in 0..1."""
    thresholds: NDArray[np.float64]
    """(rows, labels): the probability from which a label is present."""
    decisions: NDArray[np.bool_]
    """(rows, labels), True where present; made also where the model abstains."""
    abstained: NDArray[np.bool_]
    """(rows,)."""
    aleatoric: NDArray[np.float64]
    """(rows, labels) in 0..1."""
    epistemic: NDArray[np.float64]
    """(rows, labels) in 0..1; without dropout passes as where every modality is missing."""
    members: NDArray[np.bool_]
    """(rows, labels), True where the label is in the row's label set."""
    has_set: NDArray[np.bool_]
    """(rows,), False where no label sets were calibrated for the row's modalities."""
    values: NDArray[np.float64]
    """(rows, scales) in -1..1; NaN where nothing is said."""
    low: NDArray[np.float64]
    """(rows, scales) in -1..1, with `high` the interval of the value; NaN where there is none."""
    high: NDArray[np.float64]

    @property
    def label_sets(self) -> NDArray[np.bool_] | None:
        """(rows, labels); None where some rows have no label set."""
        return self.members if self.has_set.all() else None

    @property
    def uncertainty(self) -> dict[str, NDArray[np.float64]]:
        """By name, "aleatoric" and "epistemic"."""
        return {"aleatoric": self.aleatoric, "epistemic": self.epistemic}

    def at(self, chosen: Sequence[int]) -> CalibratedScores:
        """Those of some rows, in their order."""
        places = np.asarray(chosen, np.int64)
        return CalibratedScores(**{name: item[places] for name, item in vars(self).items()})


def apply_calibration(
    raw: RawScores,
    calibrations: Calibration | Sequence[tuple[NDArray[np.bool_], Calibration]],
    scales: Sequence[str] = (),
) -> CalibratedScores:
    """Calibrate each row by the set of modalities that it has.

    Args:
        raw: scores of a model.
        calibrations: of that model; or, where rows are judged by what was fitted on others, some
            rows, (rows,) bool, and the calibration that is theirs, each row once.
        scales: names of the model's.

    Raises:
        IncompatibleModelError: there is no calibration for a set of modalities.
    """
    if isinstance(calibrations, Calibration):
        calibrations = [(np.ones(len(raw.logits), np.bool_), calibrations)]
    shape = raw.logits.shape
    probabilities, thresholds = np.zeros(shape), np.ones(shape)
    aleatoric, epistemic = np.full((2, *shape), NOTHING_TO_SEE)
    decisions, members = np.zeros((2, *shape), np.bool_)
    abstained, has_set = np.ones(len(raw.logits), np.bool_), np.zeros(len(raw.logits), np.bool_)
    values, low, high = np.full((3, *raw.scale_mean.shape), np.nan)
    for rows, calibration in calibrations:
        probabilities[rows] = calibration.base_rates
        seen = as_if_large(raw, calibration)
        for pattern in np.unique(raw.present[rows], axis=0):
            if not pattern.any():
                continue
            chosen = rows & (raw.present == pattern).all(axis=1)
            of_set = calibration.of(modalities_of(pattern))
            probabilities[chosen] = _never_surer(of_set, raw.logits[chosen], seen.logits[chosen])
            thresholds[chosen] = of_set.threshold
            decisions[chosen] = of_set.decide(probabilities[chosen])
            doubt = calibration.faces_of(modalities_of(pattern)).doubt_at(raw.height[chosen])
            expected = of_set.aleatoric(raw.deviation[chosen]) * doubt[:, None]
            aleatoric[chosen] = np.minimum(expected, 1.0)
            if raw.sampled.shape[1]:
                passes = _never_surer(of_set, raw.sampled[chosen], seen.sampled[chosen])
                epistemic[chosen] = passes.std(axis=1)
            abstained[chosen] = of_set.abstains(probabilities[chosen], aleatoric[chosen])
            found = of_set.label_set(probabilities[chosen])
            if found is not None:
                members[chosen], has_set[chosen] = found, True
            values[chosen] = raw.scale_mean[chosen]
            low[chosen], high[chosen] = calibration.intervals(
                scales, raw.scale_mean[chosen], raw.scale_deviation[chosen]
            )
    return CalibratedScores(
        *(raw.present, probabilities, thresholds, decisions, abstained, aleatoric, epistemic),
        *(members, has_set, values, low, high),
    )


def as_if_large(raw: Scores, calibration: Calibration) -> Scores:
    """Scores whose logits mean what they would if the faces were large; see `SmallFaces`."""
    if not calibration.small_faces:
        return raw
    logits, sampled = raw.logits.copy(), raw.sampled.copy()
    for pattern in np.unique(raw.present, axis=0):
        chosen = (raw.present == pattern).all(axis=1)
        faces = calibration.faces_of(modalities_of(pattern))
        for scores in (logits, sampled):
            scores[chosen] = faces.logits(scores[chosen], raw.height[chosen])
    return replace(raw, logits=logits, sampled=sampled)


def _never_surer(
    of_set: SetCalibration, logits: NDArray[np.floating], as_if_large: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Probabilities by the second logits, but of what is likely no more than by the first.

    Of many small faces those are right; of one, to be small is no reason to be surer of a smile.
    """
    likely = np.maximum(of_set.probabilities(logits), LIKELY)
    return np.minimum(of_set.probabilities(as_if_large), likely)
