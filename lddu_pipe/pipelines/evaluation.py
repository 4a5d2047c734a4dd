"""From a model's answers to figures, their intervals, and whether they beat base rates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lddu_pipe import bootstrap, metrics
from lddu_pipe.models.calibration import CalibratedScores, decide, modalities_of, set_name
from lddu_pipe.pipelines.checkpoint import Checkpoint
from lddu_pipe.predictions import Answers, ScaleAnswers


@dataclass(frozen=True)
class Evaluation:
    """Figures of an evaluation, and what they were computed from."""

    figures: dict[str, Any]
    answers: Answers
    label_sets: NDArray[np.bool_] | None
    """(rows, labels); None where label sets were not calibrated for every row's modalities."""
    base_rates: Answers
    """To each row: how frequent each label is in the calibration rows, decided on as
    `answers`."""
    scales: ScaleAnswers | None = None
    """None where the model has none, or no row knows the truth of any."""


def evaluate_calibrated(
    checkpoint: Checkpoint,
    found: CalibratedScores,
    *,
    protocol: str,
    ids: tuple[str, ...],
    splits: tuple[str | None, ...],
    speakers: tuple[str | None, ...],
    truth: NDArray[np.bool_],
    scales: NDArray[np.floating],
    **source: str | bool,
) -> Evaluation:
    """What `evaluate_answers` returns, of what a checkpoint says.

    Args:
        checkpoint: whose base rates are compared with.
        found: of the rows.
        protocol: how scores became `found`.
        ids: of the rows.
        splits: of the rows, where known.
        speakers: of the rows, where known.
        truth: (rows, labels).
        scales: (rows, scales) in -1..1, the truth, NaN where unknown.
        source: what the rows are, to stand between the model and its figures.
    """
    config = checkpoint.config
    answers = Answers(
        model=f"{config.name} {config.version}",
        protocol=protocol,
        labels=tuple(config.labels),
        ids=ids,
        splits=splits,
        speakers=speakers,
        truth=truth,
        probabilities=found.probabilities,
        decisions=found.decisions,
        abstained=found.abstained,
        uncertainty=found.uncertainty,
        present=found.present,
    )
    return evaluate_answers(
        answers,
        thresholds=found.thresholds,
        base_rates=checkpoint.calibration.base_rates,
        label_sets=found.label_sets,
        scales=ScaleAnswers(tuple(config.scales), scales, found.values, found.low, found.high),
        **source,
    )


def evaluate_answers(
    answers: Answers,
    *,
    thresholds: NDArray[np.float64],
    base_rates: ArrayLike,
    label_sets: NDArray[np.bool_] | None = None,
    scales: ScaleAnswers | None = None,
    **source: str | bool,
) -> Evaluation:
    """Compare answers with the truth.

    Decisions are counted on all rows, also where the model abstains. What abstaining is worth
    stands beside them: ``abstained`` (share of rows) and ``risk_of_answered`` (share of wrong
    decisions on the others); and, where label sets were calibrated, ``label_set_coverage`` (share
    of rows whose set holds all true labels) and ``label_set_size`` (mean).

    ``brier_of_base_rates`` and ``macro_f1_of_base_rates`` are those of always answering how
    frequent each label was in the rows of the calibration, decided at the same thresholds. The
    rows that are evaluated have other rates, but no model could know them.

    ``per_scale`` has the figures of `metrics.scale_figures` and ``n``, the rows that they are of.

    Args:
        answers: with the modalities of each row.
        thresholds: (rows, labels), of the decisions.
        base_rates: (labels,), of the calibration rows.
        label_sets: (rows, labels), where there are such sets.
        scales: of the same rows, where the model has scales.
        source: what the rows are, to stand between the model and its figures.
    """
    rates = np.broadcast_to(np.asarray(base_rates, np.float64), answers.truth.shape)
    constant = replace(answers, probabilities=rates, decisions=decide(rates, thresholds))
    if scales is not None and np.isnan(scales.truth).all():
        scales = None
    same = bool((thresholds == thresholds[0]).all())
    figures = {
        "model": answers.model,
        **source,
        "protocol": answers.protocol,
        **plain_figures(answers, thresholds[0].tolist() if same else None),
        **({} if label_sets is None else _of_label_sets(label_sets, answers.truth)),
        "brier_of_base_rates": float(metrics.brier_score(answers.truth, rates).mean()),
        "macro_f1_of_base_rates": metrics.classification_scores(
            answers.truth, constant.decisions
        ).macro.f1,
        "modalities": _count_sets(answers),
        **({} if scales is None else {"per_scale": _of_scales(scales)}),
    }
    return Evaluation(figures, answers, label_sets, constant, scales)


def plain_figures(answers: Answers, thresholds: list[float] | None = None) -> dict[str, Any]:
    """The figures of `metrics.summarise`, ``abstained`` and ``risk_of_answered``.

    Args:
        answers: of a model.
        thresholds: of each label, to be reported; None where they differ between rows.
    """
    answered = ~answers.abstained
    wrong = (answers.decisions != answers.truth)[answered]
    return {
        **metrics.summarise(
            answers.truth,
            answers.probabilities,
            answers.decisions,
            labels=answers.labels,
            thresholds=thresholds or [None] * len(answers.labels),
        ),
        "abstained": float(answers.abstained.mean()),
        "risk_of_answered": float(wrong.mean()) if wrong.size else None,
    }


def with_intervals(found: Evaluation, *, resamples: int = bootstrap.RESAMPLES) -> dict[str, Any]:
    """The figures of an evaluation with 95 % intervals, and whether they beat base rates.

    Args:
        found: of a model.
        resamples: how many draws; the same answers give the same intervals.

    Returns:
        The figures as they are, and

        - ``intervals``: by figure, those of labels under ``per_label`` and of scales under
          ``per_scale``, a list of two numbers, or
          None where there is no interval, see `lddu_pipe.bootstrap`. Beside those of the figures
          stand ``brier_minus_base_rates`` and ``macro_f1_minus_base_rates``: of the differences
          to what base rates reach, row for row.
        - ``resampling``: ``level``, ``resamples``, ``seed``, and ``count`` of the ``units`` that
          were drawn, "rows" or "speakers".
        - ``better_than_base_rates``: True where the whole interval of ``brier_minus_base_rates``
          lies below 0, None where there is only one row.
    """
    constant, answers = found.base_rates, found.answers
    of_model = figures_of_draws(answers, found.label_sets)
    of_rates = bootstrap.DecisionFigures(
        constant.truth, constant.probabilities, constant.decisions
    )

    def figures(counts: bootstrap.Counts) -> bootstrap.Draws:
        model, rates = of_model(counts), of_rates(counts)
        paired: bootstrap.Draws = {
            (None, f"{name}_minus_base_rates"): model[None, name] - rates[None, name]
            for name in ("brier", "macro_f1")
        }
        named: bootstrap.Draws = {
            (None, f"{name}_of_base_rates"): values for (_, name), values in rates.items()
        }
        return {**model, **named, **paired}

    drawn, resampling = resampled(figures, answers, resamples)
    intervals = _nested_intervals(drawn)
    scales = found.scales
    if scales is not None:
        drawn_scales, _ = resampled(lambda counts: _of_draws(scales, counts), answers, resamples)
        intervals["per_scale"] = _nested_intervals(drawn_scales)["per_label"]
    differences = drawn[None, "brier_minus_base_rates"]
    return {
        **found.figures,
        "intervals": intervals,
        "resampling": resampling,
        "better_than_base_rates": bootstrap.lies_below_zero(differences),
    }


def figures_of_draws(
    answers: Answers, label_sets: NDArray[np.bool_] | None = None
) -> bootstrap.Figures:
    """What `plain_figures` would be for other draws of the rows."""
    return bootstrap.Figures(
        answers.truth,
        answers.probabilities,
        answers.decisions,
        labels=answers.labels,
        abstained=answers.abstained,
        label_sets=label_sets,
    )


def resampled(
    figures: Callable[[bootstrap.Counts], bootstrap.Draws], answers: Answers, resamples: int
) -> tuple[bootstrap.Draws, dict[str, Any]]:
    """Figures of draws of the rows or speakers of `answers`, and what was drawn, for JSON.

    One row, or one speaker and no other, cannot be drawn in different ways: all are NaN.
    """
    units = bootstrap.units(answers.speakers)
    drawn = bootstrap.resample(figures, units, items=len(answers.labels), resamples=resamples)
    if units.count == 1:
        drawn = {key: np.full_like(values, np.nan) for key, values in drawn.items()}
    return drawn, {
        "level": bootstrap.LEVEL,
        "resamples": resamples,
        "seed": bootstrap.SEED,
        "units": units.kind,
        "count": units.count,
    }


def _of_label_sets(members: NDArray[np.bool_], truth: NDArray[np.bool_]) -> dict[str, float]:
    return {
        "label_set_coverage": float((members | ~truth).all(axis=1).mean()),
        "label_set_size": float(members.sum(axis=1).mean()),
    }


def _of_draws(scales: ScaleAnswers, counts: bootstrap.Counts | None) -> bootstrap.Draws:
    """`metrics.scale_figures` of each scale; keys are its name and that of a figure."""
    return {
        (name, figure): values
        for index, name in enumerate(scales.names)
        for figure, values in metrics.scale_figures(
            *(scales.truth[:, index], scales.values[:, index]),
            *(scales.low[:, index], scales.high[:, index]),
            counts=counts,
        ).items()
    }


def _of_scales(scales: ScaleAnswers) -> dict[str, dict[str, float | int | None]]:
    known = (~(np.isnan(scales.truth) | np.isnan(scales.values))).sum(axis=0)
    found: dict[str, dict[str, float | int | None]] = {
        name: {"n": int(count)} for name, count in zip(scales.names, known, strict=True)
    }
    for (name, figure), (value,) in _of_draws(scales, None).items():
        found[str(name)][figure] = None if np.isnan(value) else float(value)
    return found


def _nested_intervals(drawn: bootstrap.Draws) -> dict[str, Any]:
    intervals = {key: bootstrap.interval(values) for key, values in drawn.items()}
    return bootstrap.nested(
        {key: None if item is None else list(item) for key, item in intervals.items()}
    )


def _count_sets(answers: Answers) -> dict[str, int]:
    """Rows by the set of modalities that they have."""
    if answers.present is None:
        return {}
    names = [set_name(modalities_of(row)) or "none" for row in answers.present]
    return {name: names.count(name) for name in sorted(set(names))}
