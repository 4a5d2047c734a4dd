"""A timeline as a picture: a lane a label, how unsure the model is, and what was missing.

Of several people each has a group of such lanes.

This module loads matplotlib.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, MultipleLocator

from lddu_pipe.annotation import Annotation
from lddu_pipe.predictions import EmotionScore, Prediction
from lddu_pipe.types import MODALITIES
from lddu_pipe.writers.charts import (
    AMBER,
    BLUE,
    DPI,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    PINK,
    SKY,
    WIDTH,
    shared_style,
)
from lddu_pipe.writers.colours import share_out
from lddu_pipe.writers.escaping import printable, shortened
from lddu_pipe.writers.people import NOBODY, Names
from lddu_pipe.writers.terminal import HIGH_ALEATORIC, HIGH_EPISTEMIC
from lddu_pipe.writers.wording import percent

_COLOURS = (AMBER, BLUE, ORANGE, PINK, GREEN, SKY, GREY)
_MISSING = "#8C8C8C"
_LANE = 0.86  # of the room of a lane, the rest parts it from the next
_SIDES = 1.75  # inches beside the lanes
_NAME = 0.3  # inches above the lanes of a person
_FIGURE = 0.5  # inches that a percentage needs
_LONGEST_NAME = 60  # characters of the title

_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
"""Seconds between marks of the time."""
_MOST_TICKS = 10

_Box = tuple[float, float, float, float]
"""x, y, width and height of a rectangle."""


def render(annotation: Annotation, folder: Path | None = None) -> bytes:
    """Return the picture as PNG, 1350 pixels wide. The same annotation gives the same bytes."""
    labels = annotation.model.labels
    content = io.BytesIO()
    with shared_style(), warnings.catch_warnings():
        # Letters that the font lacks become boxes; that is no reason for a warning.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        groups = list(_by_person(annotation))
        heights = (max(len(labels), 1), 2, len(MODALITIES))
        rows = (len(labels) + 2 + len(MODALITIES)) * len(groups)
        names = _NAME * len(groups) if len(groups) > 1 else 0.0
        figure = Figure(figsize=(WIDTH, 1.75 + 0.34 * rows + names))
        panels = figure.subplots(
            3 * len(groups), 1, sharex=True, height_ratios=heights * len(groups)
        )
        limits, everywhere = _limits(annotation), _spans(annotation)
        for (name, own), first in zip(groups, range(0, len(panels), 3), strict=True):
            spans = [everywhere[item.id] for item in own.utterances]
            _draw_labels(panels[first], own, spans, limits)
            panels[first].set_title(shortened(name, _LONGEST_NAME), loc="left", weight="bold")
            _draw_uncertainty(panels[first + 1], own.utterances, spans)
            _draw_missing(panels[first + 2], own.utterances, spans)
        _explain(panels[0])
        _draw_time(panels[-1], annotation, limits)
        _draw_words_around(figure, annotation)
        # The release of matplotlib is no part of a picture.
        figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _by_person(annotation: Annotation) -> Iterator[tuple[str, Annotation]]:
    """Name and utterances of each person; all together, without a name, where there is only one.

    Those of whom it is not known whose they are come last.
    """
    names = Names.in_annotation(annotation)
    if not names.several:
        yield "", annotation
        return
    for person in annotation.people:
        own = annotation.of(person.id)
        if own.utterances:  # of a face that is seen and never read there is nothing to draw
            yield names.of_person(person.id), own
    others = [item for item in annotation.utterances if item.person is None]
    if others:
        yield NOBODY, replace(annotation, utterances=others)


def _spans(annotation: Annotation) -> dict[str, tuple[float, float]]:
    """Start and end of each utterance in seconds, or its number where the media has no time."""
    utterances = annotation.utterances
    if not annotation.media.duration:
        return {item.id: (at - 0.5, at + 0.5) for at, item in enumerate(utterances)}
    least = annotation.media.duration / (WIDTH * DPI)  # a pixel, so that nothing is invisible
    return {item.id: (item.start, max(item.end, item.start + least)) for item in utterances}


def _limits(annotation: Annotation) -> tuple[float, float]:
    """Where the lanes begin and end, in the unit of `_spans`."""
    spans = _spans(annotation)
    if not annotation.media.duration:
        return -0.5, max(len(spans), 1) - 0.5
    return 0.0, max([annotation.media.duration, *(end for _, end in spans.values())])


def _draw_labels(
    axes: Axes,
    annotation: Annotation,
    spans: Sequence[tuple[float, float]],
    limits: tuple[float, float],
) -> None:
    """Draw the probability of each label as the height of a bar, strong where it is present."""
    labels = annotation.model.labels
    first, last = limits
    room = (WIDTH - _SIDES) / (last - first)  # inches a unit of time
    for row, (label, colour) in enumerate(share_out(labels, _COLOURS).items()):
        floor = len(labels) - 1 - row
        scores = [_score(item, label) for item in annotation.utterances]
        kinds: dict[str, list[_Box]] = {"present": [], "absent": [], "abstain": []}
        for (start, end), score in zip(spans, scores, strict=True):
            if score is not None:
                box = (start, floor, end - start, score.probability * _LANE)
                kinds[score.decision].append(box)
        _add(axes, kinds["absent"], facecolor=colour, alpha=0.28)
        _add(axes, kinds["present"], facecolor=colour)
        _add(axes, kinds["abstain"], facecolor="white", edgecolor=colour, hatch="//////")
        for (start, end), score in zip(spans, scores, strict=True):
            if (
                score is not None
                and score.decision == "present"
                and (end - start) * room > _FIGURE
            ):
                _write_percent(axes, (start + end) / 2, floor, score.probability)
        axes.axhline(floor, color=PALE, linewidth=0.8, zorder=0)
    axes.set(ylim=(-0.04, max(len(labels), 1)), yticks=[n + _LANE / 2 for n in range(len(labels))])
    axes.set_yticklabels(
        [shortened(label, 24) for label in reversed(labels)], color=INK, weight="bold"
    )
    _clear(axes)


def _explain(axes: Axes) -> None:
    """Say above the topmost lanes what the looks of bars mean."""
    axes.legend(
        handles=[
            Patch(facecolor=INK, label="present"),
            Patch(facecolor=INK, alpha=0.28, label="absent"),
            Patch(facecolor="white", edgecolor=INK, hatch="//////", label="undecided"),
            Patch(facecolor=ORANGE, label="very unsure"),
            Patch(facecolor=_MISSING, label="missing"),
        ],
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=5,
        handlelength=1.4,
        columnspacing=1.6,
        borderaxespad=0.2,
        borderpad=0.2,
    )


def _score(prediction: Prediction, label: str) -> EmotionScore | None:
    return next((score for score in prediction.emotions if score.label == label), None)


def _write_percent(axes: Axes, middle: float, floor: float, probability: float) -> None:
    inside = probability > 0.45  # else the bar is too low for figures
    axes.text(
        middle,
        floor + _LANE * (probability / 2 if inside else probability) + (0 if inside else 0.06),
        percent(probability),
        ha="center",
        va="center" if inside else "bottom",
        size=8,
        weight="bold",
        color="white" if inside else INK,
    )


def _draw_uncertainty(
    axes: Axes, predictions: Sequence[Prediction], spans: Sequence[tuple[float, float]]
) -> None:
    """Draw the uncertainty of what was decided: darker is more, orange is flagged."""
    kinds = {"data": ("aleatoric", HIGH_ALEATORIC), "model": ("epistemic", HIGH_EPISTEMIC)}
    for floor, (kind, high) in zip((1, 0), kinds.values(), strict=True):
        values = [
            max((getattr(score.uncertainty, kind) for score in _telling(item)), default=0.0)
            for item in predictions
        ]
        for (start, end), value in zip(spans, values, strict=True):
            shade = 0.95 - 0.5 * min(value / high, 1.0)
            colour = ORANGE if value >= high else (shade, shade, shade)
            box = Rectangle((start, floor), end - start, _LANE, facecolor=colour, linewidth=0)
            axes.add_patch(box)
    axes.set(ylim=(-0.1, 2), yticks=[1 + _LANE / 2, _LANE / 2])
    axes.set_yticklabels([f"unsure: {name}" for name in kinds])
    _clear(axes)


def _telling(prediction: Prediction) -> Sequence[EmotionScore]:
    """The labels that are present or undecided, else the most probable one, as on a terminal."""
    shown = [score for score in prediction.emotions if score.decision != "absent"]
    return shown or sorted(prediction.emotions, key=lambda score: -score.probability)[:1]


def _draw_missing(
    axes: Axes, predictions: Sequence[Prediction], spans: Sequence[tuple[float, float]]
) -> None:
    for row, name in enumerate(MODALITIES):
        floor = len(MODALITIES) - 1 - row
        boxes = [
            (start, floor, end - start, _LANE)
            for (start, end), item in zip(spans, predictions, strict=True)
            if name in item.missing
        ]
        _add(axes, boxes, facecolor=_MISSING)
        axes.axhline(floor, color=PALE, linewidth=0.8, zorder=0)
    axes.set(ylim=(-0.1, len(MODALITIES)), yticks=[n + _LANE / 2 for n in range(len(MODALITIES))])
    axes.set_yticklabels([f"no {name}" for name in reversed(MODALITIES)])
    _clear(axes)


def _draw_time(axes: Axes, annotation: Annotation, limits: tuple[float, float]) -> None:
    axes.set_xlim(*limits)
    axes.tick_params(axis="x", length=3, labelbottom=True)
    axes.spines["bottom"].set_visible(True)
    if annotation.media.duration:
        last = axes.get_xlim()[1]
        step = next((step for step in _STEPS if last / step <= _MOST_TICKS), _STEPS[-1])
        axes.xaxis.set_major_locator(MultipleLocator(max(step, last / 100)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: _clock(seconds)))
        return
    names = [printable(item.id) for item in annotation.utterances]
    every = max(1, -(-len(names) // 12))
    axes.set_xticks(range(0, len(names), every), names[::every])
    axes.set_xlabel("utterance")


def _clock(seconds: float) -> str:
    """Write 75.5 as 1:15.5, and whole seconds without a fraction."""
    minutes, rest = divmod(round(seconds, 3), 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{rest:06.3f}".rstrip("0").rstrip(".")
    return f"{hours}:{minutes:02}:{text}" if hours else f"{minutes}:{text}"


def _draw_words_around(figure: Figure, annotation: Annotation) -> None:
    name = shortened(Path(annotation.media.path).name, _LONGEST_NAME) or "data in memory"
    count = len(annotation.utterances)
    title = f"{name}: {count or 'no'} utterance{'' if count == 1 else 's'}"
    figure.suptitle(title, x=0.012, ha="left")
    model = f"{printable(annotation.model.name)} {printable(annotation.model.version)}"
    explanation = f"Height of a bar: calibrated probability, a lane from 0 to 100% · {model}"
    figure.supxlabel(explanation, x=0.012, ha="left", size=8.5, color=GREY)


def _add(axes: Axes, boxes: Iterable[_Box], **looks: Any) -> None:
    """Draw many rectangles as one, edges only where the colour of one is given."""
    patches = [Rectangle((x, y), width, height) for x, y, width, height in boxes]
    linewidth = 0.6 if "edgecolor" in looks else 0.0
    axes.add_collection(PatchCollection(patches, linewidth=linewidth, **looks))


def _clear(axes: Axes) -> None:
    """Take away what a lane does not need."""
    axes.tick_params(length=0, labelbottom=False)
    for side in axes.spines.values():
        side.set_visible(False)
