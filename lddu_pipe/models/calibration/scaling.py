"""Maps from a label's logit to a probability that agrees with frequencies.

Each label is a question of its own, so each has its own map; order is kept within a label, not
between labels. "matrix" alone lets the other labels have a say, for rows in which emotions rarely
come together: what speaks for one then speaks against the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import scipy  # which imports each of its parts when it is used: half a second for `optimize`
from numpy.typing import NDArray

Method = Literal["temperature", "platt", "isotonic", "matrix"]
METHODS: tuple[Method, ...] = get_args(Method)

PRIOR_STRENGTH = 1.0  # pulls the slope towards 1 where a label is rare in the calibration rows
OTHERS_STRENGTH = 3.0
"""Pulls to zero what other labels add in "matrix", per standard deviation of their logits.

Chosen by cross-validated likelihood on calibration rows of faces; voices and texts change little.
"""
FEWEST_OF_A_KIND = 20
"""Rows with, and rows without a label, from which it gets an isotonic curve."""


def sigmoid(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """1 / (1 + exp(-logits)), without overflow."""
    halved: NDArray[np.float64] = 0.5 * (1 + np.tanh(np.asarray(logits, np.float64) / 2))
    return halved


@dataclass(frozen=True)
class Curve:
    """A rising line through knots; level before the first and after the last."""

    logits: tuple[float, ...]
    """Strictly increasing."""
    probabilities: tuple[float, ...]
    """Never falling, above 0 and below 1; as many as `logits`."""

    def __post_init__(self) -> None:
        if not self.logits or len(self.logits) != len(self.probabilities):
            raise ValueError("a curve has as many probabilities as logits, and at least one")
        if np.any(np.diff(self.logits) <= 0) or np.any(np.diff(self.probabilities) < 0):
            raise ValueError("a curve's logits increase and its probabilities never fall")
        if not 0 < self.probabilities[0] <= self.probabilities[-1] < 1:
            raise ValueError("a curve's probabilities lie above 0 and below 1")

    def at(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Heights of the line, of the shape of `logits`."""
        return np.asarray(np.interp(logits, self.logits, self.probabilities), np.float64)

    def widened(self, slope: float, offset: float) -> Curve:
        """The same knots at heights whose log-odds lie on a line over those of their heights."""
        heights = np.array(self.probabilities)
        odds = np.log(heights) - np.log1p(-heights)
        return Curve(self.logits, tuple(sigmoid(slope * odds + offset).tolist()))


class Widening(NamedTuple):
    """A line on the log-odds of probabilities, for rows of other kinds than they were fitted on.

    On such rows a model is wrong more often than on rows like those it knows. A slope below 1
    makes every probability less certain; the offset tells how often a label is there elsewhere.
    """

    slope: float
    offset: tuple[float, ...]
    """One a label."""


@dataclass(frozen=True)
class Scaling:
    """The maps of all labels."""

    slope: tuple[float, ...]
    offset: tuple[float, ...]
    curves: tuple[Curve | None, ...] = ()
    """One a label, which replaces sigmoid(slope * logit + offset) where it is not None; empty
    where no label has one."""
    others: tuple[tuple[float, ...], ...] = ()
    """(labels, labels): what the logits of other labels add to a label's own, zero on the
    diagonal; empty where they add nothing."""

    def probabilities(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probabilities of logits, (..., labels)."""
        exact = np.asarray(logits, np.float64)
        moved = exact * np.array(self.slope) + np.array(self.offset)
        if self.others:
            moved = moved + exact @ np.transpose(self.others)
        scaled = sigmoid(moved)
        for label, curve in enumerate(self.curves):
            if curve is not None:
                scaled[..., label] = curve.at(exact[..., label])
        return scaled

    def widened(self, widening: Widening) -> Scaling:
        """These maps, followed by a line."""
        slope, offset = widening.slope, np.array(widening.offset)
        return Scaling(
            tuple((np.array(self.slope) * slope).tolist()),
            tuple((np.array(self.offset) * slope + offset).tolist()),
            tuple(
                curve and curve.widened(slope, moved)
                for curve, moved in zip(self.curves, offset, strict=False)  # there may be none
            ),
            tuple(map(tuple, (np.array(self.others) * slope).tolist())),
        )


def fit_scaling(
    logits: NDArray[np.floating], truth: NDArray[np.floating], method: Method = "platt"
) -> Scaling:
    """Learn every label's map.

    Args:
        logits: (rows, labels), before calibration.
        truth: (rows, labels) in 0..1, NaN where nobody was asked: a label learns from its other
            rows, of which there must be one.
        method: "temperature", "platt", "isotonic" or "matrix" (see `fit_matrix`). With "isotonic",
            a label that is present or absent in fewer than `FEWEST_OF_A_KIND` rows keeps its Platt
            scaling: a curve has a height for every block of rows, and a handful of positives
            makes these heights accidents of the sample, where two numbers can still be learned.

    Raises:
        ValueError: nobody was asked for a label in any row.
    """
    known = ~np.isnan(truth)
    if not known.any(axis=0).all():
        raise ValueError("nobody was asked for a label in any row")
    if method == "matrix":
        return fit_matrix(logits, truth)
    columns = [
        (x[asked], y[asked])
        for x, y, asked in zip(np.transpose(logits), np.transpose(truth), known.T, strict=True)
    ]
    if method == "temperature":
        return Scaling(tuple(fit_temperature(x, y) for x, y in columns), (0.0,) * len(columns))
    slope, offset = zip(*(fit_platt(x, y) for x, y in columns), strict=True)
    if method == "platt":
        return Scaling(slope, offset)
    return Scaling(
        slope,
        offset,
        tuple(
            fit_isotonic(x, y) if min(y.sum(), (1 - y).sum()) >= FEWEST_OF_A_KIND else None
            for x, y in columns
        ),
    )


def fit_platt(logits: NDArray[np.floating], truth: NDArray[np.floating]) -> tuple[float, float]:
    """Slope and offset that make one label's logits most likely (Platt 1999).

    Args:
        logits: (rows,).
        truth: (rows,) in 0..1.

    Returns:
        A slope of at least 0.05, so that order is kept, and an offset.
    """
    x, y = np.asarray(logits, np.float64), _softened(truth)

    def objective(parameters: NDArray[np.float64]) -> float:
        return _cost(x, y, parameters[0], parameters[1])

    found = scipy.optimize.minimize(
        objective, np.zeros(2), method="L-BFGS-B", bounds=[(-3, 3), (-20, 20)]
    )
    return float(np.exp(found.x[0])), float(found.x[1])


def fit_matrix(logits: NDArray[np.floating], truth: NDArray[np.floating]) -> Scaling:
    """Platt scaling with a regularised say of the other labels.

    Matrix scaling (Guo et al. 2017, section 4.2) for yes-no questions, its off-diagonal weights
    kept small (Kull et al. 2019), so that few rows do not teach accidents.

    Args:
        logits: (rows, labels).
        truth: (rows, labels) in 0..1, NaN where nobody was asked.
    """
    z = np.asarray(logits, np.float64)
    middle, spread = z.mean(axis=0), np.maximum(z.std(axis=0), 1e-6)
    slopes, offsets, others = [], [], np.zeros((z.shape[1], z.shape[1]))
    for label in range(z.shape[1]):
        rest = np.delete(np.arange(z.shape[1]), label)
        asked = ~np.isnan(truth[:, label])
        x, y, rivals = (
            z[asked, label],
            _softened(truth[asked, label]),
            (z - middle)[np.ix_(asked, rest)] / spread[rest],
        )

        def objective(
            parameters: NDArray[np.float64],
            x: NDArray[np.float64] = x,
            y: NDArray[np.float64] = y,
            rivals: NDArray[np.float64] = rivals,
        ) -> tuple[float, NDArray[np.float64]]:
            log_slope, offset, weights = parameters[0], parameters[1], parameters[2:]
            own = x * np.exp(log_slope)
            moved = own + offset + rivals @ weights
            cost = np.sum(np.logaddexp(0, moved) - y * moved) + PRIOR_STRENGTH * log_slope**2
            error = sigmoid(moved) - y
            gradient = [error @ own + 2 * PRIOR_STRENGTH * log_slope, error.sum()]
            drawn = error @ rivals + 2 * OTHERS_STRENGTH * weights
            return float(cost + OTHERS_STRENGTH * weights @ weights), np.append(gradient, drawn)

        bounds = [(-3, 3), (-20, 20), *[(-5, 5)] * len(rest)]
        start = np.zeros(len(bounds))
        found = scipy.optimize.minimize(
            objective, start, jac=True, method="L-BFGS-B", bounds=bounds
        ).x
        others[label, rest] = found[2:] / spread[rest]
        slopes.append(float(np.exp(found[0])))
        offsets.append(float(found[1] - others[label] @ middle))
    return Scaling(tuple(slopes), tuple(offsets), others=tuple(map(tuple, others.tolist())))


def fit_temperature(logits: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """1 / temperature that makes one label's logits most likely (Guo et al. 2017, section 4.2).

    The temperature is the label's own, not shared by all: labels are separate yes-no questions.
    A logit of 0 stays at probability 0.5, so this cures certainty, not a shift in frequency.

    Args:
        logits: (rows,).
        truth: (rows,) in 0..1.

    Returns:
        A slope of 0.05 to 20.
    """
    x, y = np.asarray(logits, np.float64), _softened(truth)

    def objective(parameters: NDArray[np.float64]) -> float:
        return _cost(x, y, parameters[0], 0.0)

    found = scipy.optimize.minimize(objective, np.zeros(1), method="L-BFGS-B", bounds=[(-3, 3)])
    return float(np.exp(found.x[0]))


def fit_isotonic(logits: NDArray[np.floating], truth: NDArray[np.floating]) -> Curve:
    """The rising curve nearest to one label's truth (Zadrozny and Elkan 2002).

    Rows are pooled into blocks of equal frequency (pool adjacent violators). The curve joins the
    blocks at their mean logits, as in centred isotonic regression (Oron and Flournoy 2017): it
    has no level stretches, so two rows that the model ranks stay ranked between its ends.

    One more row with the label is counted at the lowest logit and one without at the highest,
    which is Laplace's rule of succession at both ends: a block of n rows that never had the label
    gets about 1 / (n + 1), and nothing reaches 0 or 1.

    Args:
        logits: (rows,), at least one.
        truth: (rows,) in 0..1.
    """
    x, y = np.asarray(logits, np.float64), np.asarray(truth, np.float64)
    x, y = np.append(x, (x.min(), x.max())), np.append(y, (1.0, 0.0))
    # Rows of the same logit must share a height: they enter as one point of more weight.
    places, tie, counts = np.unique(x, return_inverse=True, return_counts=True)
    means = np.bincount(tie, weights=y) / counts
    fitted = scipy.optimize.isotonic_regression(means, weights=counts)
    first = fitted.blocks[:-1]
    centres = np.add.reduceat(places * counts, first) / np.add.reduceat(counts, first)
    return Curve(tuple(centres.tolist()), tuple(fitted.x[first].tolist()))


def _softened(truth: NDArray[np.floating]) -> NDArray[np.float64]:
    """Platt's targets.

    As if one more row of each kind had been seen, so that a label without any positive row does
    not end at probability 0.
    """
    y = np.asarray(truth, np.float64)
    softened: NDArray[np.float64] = (y * len(y) + 0.5) / (len(y) + 1)
    return softened


def _cost(
    x: NDArray[np.float64], y: NDArray[np.float64], log_slope: float, offset: float
) -> float:
    z = x * np.exp(log_slope) + offset
    nll = np.logaddexp(0, z) - y * z
    return float(nll.sum() + PRIOR_STRENGTH * log_slope**2)
