"""What a checkpoint carries: the calibration of each set of present modalities."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.errors import IncompatibleModelError
from lddu_pipe.models.calibration.abstention import expected_error
from lddu_pipe.models.calibration.conformal import label_set
from lddu_pipe.models.calibration.intervals import ScaleInterval
from lddu_pipe.models.calibration.scaling import METHODS, Curve, Method, Scaling
from lddu_pipe.models.calibration.small_faces import SmallFaces
from lddu_pipe.models.calibration.thresholds import decide
from lddu_pipe.types import MODALITIES, Modality

FILE_NAME = "calibration.json"
QUANTILES = 41


def set_name(present: Collection[Modality]) -> str:
    """Name a set of modalities, such as "text+vision"; the order of `present` is no matter."""
    return "+".join(name for name in MODALITIES if name in present)


def modalities_of(present: Iterable[bool]) -> tuple[Modality, ...]:
    """The modalities of a row that are present.

    Args:
        present: (modalities,) bool, in the order of `MODALITIES`.
    """
    return tuple(name for name, here in zip(MODALITIES, present, strict=True) if here)


@dataclass(frozen=True)
class SetCalibration:
    """What was learned from calibration rows of one set of present modalities."""

    slope: tuple[float, ...]
    """Platt scaling (Platt 1999), one a label: p = sigmoid(slope * logit + offset)."""
    offset: tuple[float, ...]
    """Zeros where `method` is "temperature": the slope is 1 / temperature."""
    threshold: tuple[float, ...]
    """Probability from which a label is decided to be present."""
    deviation_quantiles: tuple[tuple[float, ...], ...]
    """(labels, quantiles): |sigma| of the calibration rows at evenly spaced quantiles."""
    abstain_above: float
    """Expected share of wrong decisions from which the model does not answer."""
    rows: int
    """How many calibration rows there were."""
    deviation_errors: tuple[tuple[float, ...], ...] = ()
    """(labels, quantiles): the error to be expected at `deviation_quantiles`, never falling; empty
    in files of earlier versions."""
    method: Method = "platt"
    """How the map from logits to probabilities was learned."""
    curves: tuple[Curve | None, ...] = ()
    """One a label where `method` is "isotonic"; None where the label was too rare for a curve
    and keeps its slope and offset."""
    others: tuple[tuple[float, ...], ...] = ()
    """(labels, labels) where `method` is "matrix": see `Scaling.others`."""
    coverage: float | None = None
    """Share of rows whose `label_set` holds all of their true labels; None where not fitted."""
    conformal_threshold: float | None = None
    """A label is in the set where 1 - p is at most this."""
    abstain_aleatoric: float | None = None
    """Mean of `aleatoric` over the labels from which the model does not answer; None: never."""

    def probabilities(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Calibrated probabilities of logits, (..., labels)."""
        scaling = Scaling(self.slope, self.offset, self.curves, self.others)
        return scaling.probabilities(logits)

    def decide(self, probabilities: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which labels are present, (..., labels) bool."""
        return decide(probabilities, self.threshold)

    def aleatoric(self, deviation: NDArray[np.floating]) -> NDArray[np.float64]:
        """Error to be expected at |sigma|, (batch, labels) in 0..1.

        0.3 says that the probabilities of calibration rows with these modalities and about this
        |sigma| for the label were 0.3 away from the truth, 0 or 1, in the mean. A coin toss is
        0.5 away.

        Raises:
            IncompatibleModelError: see `error_lines`.
        """
        lines = enumerate(self.error_lines)
        return np.stack([np.interp(deviation[:, index], *line) for index, line in lines], axis=1)

    @property
    def error_lines(self) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
        """Of each label, the knots of the line from |sigma| to the error to be expected.

        Raises:
            IncompatibleModelError: the calibration is of a version that knew no errors.
        """
        if not self.deviation_errors:
            raise IncompatibleModelError(
                "the model's calibration is of an earlier lddu-pipe, which knew the rank of sigma "
                "and not the error to expect; run `lddu-pipe calibrate` on the model again"
            )
        return list(zip(self.deviation_quantiles, self.deviation_errors, strict=True))

    def abstains(
        self,
        probabilities: NDArray[np.floating],
        aleatoric: NDArray[np.floating] | None = None,
    ) -> NDArray[np.bool_]:
        """Rows, (batch,) bool, on which the model does not answer.

        Its decisions are expected to be wrong too often there, or its latent distributions are
        so wide that it can make nothing of what it was given, however probable its guess.

        Args:
            probabilities: (batch, labels), calibrated.
            aleatoric: (batch, labels), of `aleatoric`; None judges by the probabilities alone.
        """
        silent = expected_error(probabilities, self.decide(probabilities)) > self.abstain_above
        if aleatoric is None or self.abstain_aleatoric is None:
            return silent
        unclear: NDArray[np.bool_] = np.mean(aleatoric, axis=-1) > self.abstain_aleatoric
        return silent | unclear

    def label_set(self, probabilities: NDArray[np.floating]) -> NDArray[np.bool_] | None:
        """Labels that together hold all true ones in `coverage` of rows, (..., labels) bool.

        None where no coverage was asked for in calibration.
        """
        if self.conformal_threshold is None:
            return None
        return label_set(probabilities, self.conformal_threshold)


@dataclass(frozen=True)
class Calibration:
    """All of a checkpoint's calibration."""

    sets: Mapping[str, SetCalibration]
    """By `set_name`."""
    base_rates: tuple[float, ...]
    """How often each label is present in the calibration rows: the answer without any evidence."""
    scales: Mapping[str, ScaleInterval] = field(default_factory=dict)
    """By name of the scale, of a model that has any."""
    small_faces: Mapping[str, SmallFaces] = field(default_factory=dict)
    """By `set_name`, of a model that knows what small faces are worth."""

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

    def faces_of(self, present: Collection[Modality]) -> SmallFaces:
        """What small faces are worth in a set of modalities: as much as large ones if unknown."""
        known = self.small_faces.get(set_name(present))
        return known or SmallFaces.worth_as_much(len(self.base_rates))

    def intervals(
        self, names: Sequence[str], mean: NDArray[np.floating], deviation: NDArray[np.floating]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper ends around values on scales, NaN where there is no interval.

        Args:
            names: of the scales.
            mean: (rows, scales).
            deviation: (rows, scales), of the model's around its mean.
        """
        low, high = np.full((2, *mean.shape), np.nan)
        for index, name in enumerate(names):
            if name in self.scales:
                ends = self.scales[name].bounds(mean[:, index], deviation[:, index])
                low[:, index], high[:, index] = ends
        return low, high

    def to_json(self) -> dict[str, Any]:
        """What ``calibration.json`` holds, made of what JSON knows."""
        scales = {name: asdict(item) for name, item in self.scales.items()}
        faces = {name: asdict(item) for name, item in self.small_faces.items()}
        return {
            "sets": {name: _to_json(item) for name, item in self.sets.items()},
            "base_rates": self.base_rates,
            **({"scales": scales} if scales else {}),
            **({"small_faces": faces} if faces else {}),
        }

    def save(self, folder: Path) -> None:
        """Write ``calibration.json`` into `folder`."""
        (folder / FILE_NAME).write_text(json.dumps(self.to_json(), indent=1) + "\n")

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
            scales = {name: _interval(item) for name, item in content.get("scales", {}).items()}
            faces = {
                name: SmallFaces.from_json(item)
                for name, item in content.get("small_faces", {}).items()
            }
        except (
            *(OSError, ValueError, TypeError, KeyError, AttributeError, IndexError),
            RecursionError,
        ) as error:
            raise IncompatibleModelError(
                f"{path} is missing or damaged; calibrate the model or get it again"
            ) from error
        return cls(sets, base_rates, scales, faces)


def _to_json(item: SetCalibration) -> dict[str, Any]:
    """All fields but those at their defaults, so that a plain calibration has the plain fields."""
    content = asdict(item)
    return {
        known.name: content[known.name]
        for known in fields(item)
        if getattr(item, known.name) != known.default
    }


def _from_json(item: Mapping[str, Any]) -> SetCalibration:
    content = dict(item)
    for name in ("slope", "offset", "threshold"):
        content[name] = _floats(content[name])
    for name in ("deviation_quantiles", "deviation_errors"):
        content[name] = tuple(map(_floats, content.get(name, ())))
    content["curves"] = tuple(
        None if curve is None else Curve(_floats(curve["logits"]), _floats(curve["probabilities"]))
        for curve in content.get("curves", ())
    )
    content["others"] = tuple(map(_floats, content.get("others", ())))
    if content.get("method", "platt") not in METHODS:
        raise ValueError(f"unknown method {content['method']!r}")
    return SetCalibration(**content)


def _interval(item: Mapping[str, Any]) -> ScaleInterval:
    factor = item["factor"]
    return ScaleInterval(
        int(item["rows"]), None if factor is None else float(factor), float(item["coverage"])
    )


def _floats(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
