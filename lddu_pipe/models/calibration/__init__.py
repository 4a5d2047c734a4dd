"""From a model's logits to probabilities that mean what they say, decisions and doubt.

Calibration is kept per set of present modalities, since a model that only hears is unsure in
other places than one that also reads. `sets` holds what a checkpoint carries; `scaling`,
`thresholds`, `abstention` and `conformal` are the choices that go into it, `small_faces` is what
comes before them, and `fitting` learns one set from its rows. `intervals` are those of continuous
scales, which all sets share. `applying` makes of a model's scores all that is said of rows.
"""

from lddu_pipe.models.calibration.abstention import Abstention, abstain_for_risk, expected_error
from lddu_pipe.models.calibration.applying import CalibratedScores, apply_calibration, as_if_large
from lddu_pipe.models.calibration.conformal import label_set, label_set_threshold
from lddu_pipe.models.calibration.fitting import (
    UNCLEAR_SHARE,
    ShownRows,
    fit_set,
    fit_small_faces,
)
from lddu_pipe.models.calibration.intervals import ScaleInterval, fit_intervals
from lddu_pipe.models.calibration.scaling import (
    METHODS,
    Curve,
    Method,
    Scaling,
    Widening,
    fit_isotonic,
    fit_platt,
    fit_scaling,
    fit_temperature,
    sigmoid,
)
from lddu_pipe.models.calibration.sets import (
    FILE_NAME,
    QUANTILES,
    Calibration,
    SetCalibration,
    modalities_of,
    set_name,
)
from lddu_pipe.models.calibration.small_faces import SmallFaces
from lddu_pipe.models.calibration.thresholds import (
    NEVER,
    TARGETS,
    Target,
    choose_thresholds,
    decide,
    parse_target,
)

__all__ = [
    "FILE_NAME",
    "METHODS",
    "NEVER",
    "QUANTILES",
    "TARGETS",
    "UNCLEAR_SHARE",
    "Abstention",
    "CalibratedScores",
    "Calibration",
    "Curve",
    "Method",
    "ScaleInterval",
    "Scaling",
    "SetCalibration",
    "ShownRows",
    "SmallFaces",
    "Target",
    "Widening",
    "abstain_for_risk",
    "apply_calibration",
    "as_if_large",
    "choose_thresholds",
    "decide",
    "expected_error",
    "fit_intervals",
    "fit_isotonic",
    "fit_platt",
    "fit_scaling",
    "fit_set",
    "fit_small_faces",
    "fit_temperature",
    "label_set",
    "label_set_threshold",
    "modalities_of",
    "parse_target",
    "set_name",
    "sigmoid",
]
