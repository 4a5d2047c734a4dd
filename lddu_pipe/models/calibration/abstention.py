"""When not to answer: rows whose decisions are expected to be wrong too often."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.errors import UnusableInputError


@dataclass(frozen=True)
class Abstention:
    """A limit on the expected error, and what it does to the rows it was chosen on."""

    above: float
    """Expected share of wrong decisions from which the model does not answer."""
    answered: float
    """Share of rows that are answered: what the risk costs."""
    risk: float
    """Share of wrong decisions in these."""


def expected_error(
    probabilities: NDArray[np.floating], decided: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Share of a row's decisions that are wrong if the probabilities are right, (batch,)."""
    wrong: NDArray[np.float64] = np.where(decided, 1 - probabilities, probabilities)
    mean: NDArray[np.float64] = wrong.mean(axis=-1)
    return mean


def abstain_for_risk(
    expected: NDArray[np.floating], wrong: NDArray[np.floating], risk: float
) -> Abstention:
    """The limit that answers most rows while their risk is at most `risk`.

    Of n answered rows the risk is taken as (sum of `wrong` + 1) / (n + 1): as if one more row had
    been answered, wrong in every decision. This is the correction of conformal risk control
    (Angelopoulos et al. 2024, equation 4); it keeps the mean over draws of the calibration rows,
    not every draw, and is exact for one limit that is fixed beforehand (here it is chosen).

    Args:
        expected: (rows,) expected error, as `expected_error`.
        wrong: (rows,) share of the row's decisions that are wrong, 0..1.
        risk: above 0 and below 1.

    Raises:
        UnusableInputError: no limit reaches the risk; the text names the best that one does.
    """
    order = np.argsort(expected, kind="stable")
    ranked = np.asarray(expected, np.float64)[order]
    total = np.asarray(wrong, np.float64)[order].cumsum()
    # Rows of equal expected error are answered together or not at all.
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    bound = (total[last] + 1) / (last + 2)
    good = np.flatnonzero(bound <= risk)
    if not len(good):
        reachable = ceil(bound.min() * 1000) / 1000
        raise UnusableInputError(
            f"no abstention keeps the risk at {risk:g} on {len(ranked)} rows; the best reachable "
            f"is {reachable:g}: ask for that or more, or calibrate on more rows"
        )
    cut = last[good[-1]]
    return Abstention(
        above=float(ranked[cut]),
        answered=float((cut + 1) / len(ranked)),
        risk=float(total[cut] / (cut + 1)),
    )
