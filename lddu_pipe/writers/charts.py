"""Charts of an evaluation, each a matplotlib figure that nothing but its caller holds.

Arrays are those of `lddu_pipe.metrics`, which computes every figure drawn. Axes are in per cent.
This module loads matplotlib; `lddu_pipe.writers.figures` writes its charts to files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from lddu_pipe import metrics
from lddu_pipe.writers.escaping import printable, shortened

WIDTH = 9.0
"""Inches; with `DPI` 1350 pixels, sharp where a page shows them at 900."""
DPI = 150

# Okabe and Ito's colours, which people with any colour vision tell apart; yellow is too pale.
BLUE, ORANGE, GREEN, PINK, AMBER, SKY = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
)
INK, GREY, PALE = "#222222", "#6B6B6B", "#D9D9D9"
_LINES = (BLUE, ORANGE, GREEN, PINK, AMBER, SKY, INK)
_DASHES = ("-", "--", "-.", ":")
_HALVES = (0.0, 0.5, 1.0)
_BARS_IN_LINE = 7
"""Labels beside each other whose bars have room for their figures."""
_WIDEST_PANEL = 4.0  # inches

_STYLE: dict[str, Any] = {
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.titlesize": 12,
    "figure.titleweight": "bold",
    "font.family": "DejaVu Sans",  # matplotlib brings it, so it is the same everywhere
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.labelsize": 9.5,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "grid.color": "#ECECEC",
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "text.parse_math": False,  # a label or a path may hold dollars
}


@contextmanager
def shared_style() -> Iterator[None]:
    """Draw and save in the style of these charts, whatever the user's matplotlib is set to."""
    with style.context(["default", _STYLE]):
        yield


def reliability(
    truth: ArrayLike,
    probabilities: ArrayLike,
    labels: Sequence[str],
    *,
    caption: str = "",
    synthetic: bool = False,
) -> Figure:
    """Frequency against probability, a panel a label, in the bins of the ECE.

    Bars are 95% intervals of the frequency; the strip below shows where the probabilities lie.
    """
    panels = metrics.reliability(truth, probabilities)
    present, scores = np.asarray(truth, dtype=bool), np.asarray(probabilities, dtype=np.float64)
    columns = _columns(len(labels))
    lines = -(-len(labels) // columns)
    # Of a panel, in inches; its strip adds a fifth.
    side = min((WIDTH - 1.9) / columns, _WIDEST_PANEL)
    figure = Figure(figsize=(WIDTH, 0.9 + lines * (0.65 + 1.2 * side)))
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for index, (label, bins) in enumerate(zip(labels, panels, strict=True)):
        panel = axes[index]
        panel.plot([0, 1], [0, 1], color=GREY, linewidth=0.9, linestyle=(0, (4, 3)))
        _frequencies(panel, bins, BLUE)
        panel.set(xlim=(0, 1), ylim=(0, 1), box_aspect=1, xticks=_HALVES, yticks=_HALVES)
        panel.tick_params(labelbottom=False, labelleft=index % columns == 0)
        panel.yaxis.set_major_formatter(_per_cent())
        panel.grid()
        panel.set_title(shortened(label, int(5 * side)), loc="left", weight="bold")
        panel.set_title(f"ECE {bins.error:.1%}", loc="right")
        note = f"{present[:, index].sum():,} of {len(present):,} rows"
        panel.text(0.04, 0.96, note, va="top", color=GREY, size=8.5, transform=panel.transAxes)
        strip = panel.inset_axes((0, -0.2, 1, 0.16), sharex=panel)
        strip.hist(scores[:, index], bins=np.linspace(0, 1, 41).tolist(), color="#9CB8CC")
        strip.set(yticks=[])
        strip.spines["left"].set_visible(False)
        strip.xaxis.set_major_formatter(_per_cent())
        if index % columns == 0:
            panel.set_ylabel("frequency")
        if index + columns >= len(labels):
            strip.set_xlabel("probability")
    for unused in axes[len(labels) :]:
        unused.set_axis_off()
    mean = float(np.mean([bins.error for bins in panels]))
    title = f"Reliability: mean ECE {mean:.1%} over {_count(labels)}"
    explanation = (
        "Point: a bin of about equally many rows, with its 95% interval · dashed: calibrated · "
        "strip: where the probabilities lie"
    )
    _caption(figure, title, caption, synthetic, explanation)
    return figure


def risk_coverage(
    truth: ArrayLike,
    probabilities: ArrayLike,
    decisions: ArrayLike,
    confidence: ArrayLike | None = None,
    *,
    caption: str = "",
    synthetic: bool = False,
) -> Figure:
    """Share of wrong decisions left when only the surest are made, all labels together."""
    if confidence is None:
        confidence = metrics.decision_confidence(probabilities, decisions)
    correct = np.asarray(truth, dtype=bool) == np.asarray(decisions, dtype=bool)
    curve = metrics.risk_coverage_curve(np.ravel(confidence), correct.ravel())
    overall, at_75 = float(curve.risk[-1]), curve.at(0.75)
    figure = Figure(figsize=(WIDTH, 4.6))
    axes = figure.subplots()
    axes.axhline(overall, color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.plot(curve.coverage, curve.risk, color=BLUE, linewidth=2.2, solid_capstyle="butt")
    axes.fill_between(curve.coverage, curve.risk, color=BLUE, alpha=0.08, linewidth=0)
    axes.plot([0.75, 0.75], [0, at_75], color=ORANGE, linewidth=1.0)
    axes.plot([0.75], [at_75], "o", color=ORANGE, markersize=7, clip_on=False)
    # The few surest decisions may all be wrong: they are drawn, but do not set the scale.
    highest = max(float(curve.risk[curve.coverage >= 0.05].max()), 0.01)
    axes.set(xlim=(0, 1), ylim=(0, 1.15 * highest))
    axes.annotate(
        f"random abstention {overall:.1%}",
        *((0, overall), (6, 4)),
        textcoords="offset points",
        color=GREY,
    )
    axes.annotate(
        f"{at_75:.1%} at 75% coverage",
        *((0.75, at_75), (8, -12) if at_75 > 0.2 * highest else (-8, 12)),
        textcoords="offset points",
        color=ORANGE,
        weight="bold",
        ha="left" if at_75 > 0.2 * highest else "right",
        va="top" if at_75 > 0.2 * highest else "bottom",
    )
    axes.set(xlabel="coverage: decisions made, surest first", ylabel="risk: made decisions wrong")
    _percent(axes)
    axes.grid()
    title = f"Risk and coverage: AURC {curve.area:.1%} over {correct.size:,} decisions"
    _caption(figure, title, caption, synthetic)
    return figure


def precision_recall(
    truth: ArrayLike,
    probabilities: ArrayLike,
    labels: Sequence[str],
    *,
    caption: str = "",
    synthetic: bool = False,
) -> Figure:
    """Precision against recall, a line a label whose area is its average precision.

    Light lines join points of equal F1.
    """
    curves = metrics.precision_recall_curves(truth, probabilities)
    support = np.asarray(truth, dtype=bool).sum(axis=0).tolist()
    figure = Figure(figsize=(WIDTH, max(5.0, 0.9 + 0.26 * len(labels))))
    axes = figure.subplots()
    for f1 in (0.2, 0.4, 0.6, 0.8):
        recall = np.linspace(f1 / (2 - f1), 1, 100)
        axes.plot(recall, f1 * recall / (2 * recall - f1), color=PALE, linewidth=1.0, zorder=1)
        axes.annotate(
            f"F1 {f1:.0%}",
            *((1, f1 / (2 - f1)), (5, 0)),
            textcoords="offset points",
            color=GREY,
            size=8.5,
            va="center",
        )
    handles: dict[Line2D, float] = {}
    for index, (label, curve, count) in enumerate(zip(labels, curves, support, strict=True)):
        if curve is None:
            nothing = Line2D(
                [], [], linestyle="none", label=f"{shortened(label, 24)}: never occurs"
            )
            handles[nothing] = -1.0
            continue
        steps = np.diff(curve.recall, prepend=0.0) > 0  # those that add to the area
        (handle,) = axes.plot(
            np.concatenate(([0.0], curve.recall[steps])),
            np.concatenate((curve.precision[steps][:1], curve.precision[steps])),
            drawstyle="steps-pre",
            color=_LINES[index % len(_LINES)],
            linestyle=_DASHES[index // len(_LINES) % len(_DASHES)],
            label=f"{shortened(label, 24)}: AP {curve.area:.1%}, {_rows(count)}",
        )
        handles[handle] = curve.area
    ordered = sorted(handles, key=lambda handle: -handles[handle])
    axes.legend(handles=ordered, loc="center left", bbox_to_anchor=(1.1, 0.5), labelspacing=0.9)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    _percent(axes)
    mean_ap = _mean_ap([None if curve is None else curve.area for curve in curves])
    _caption(figure, f"Precision and recall: {mean_ap}", caption, synthetic)
    return figure


def label_scores(
    per_label: Mapping[str, Mapping[str, Any]], *, caption: str = "", synthetic: bool = False
) -> Figure:
    """F1, precision, recall and average precision of each label as bars, F1 in figures."""
    bars = {
        "F1": ("f1", BLUE),
        "precision": ("precision", SKY),
        "recall": ("recall", GREEN),
        "average precision": ("average_precision", AMBER),
    }
    names = list(per_label)
    lines = -(-len(names) // _BARS_IN_LINE)
    across = -(-len(names) // lines)
    figure = Figure(figsize=(WIDTH, 4.6 + 2.9 * (lines - 1)))
    panels = figure.subplots(lines, 1, squeeze=False).ravel()
    for line, axes in enumerate(panels):
        shown = {name: per_label[name] for name in names[line * across : (line + 1) * across]}
        _label_bars(axes, shown, bars)
        axes.set(xlim=(-0.55, across - 0.45), ylim=(0, 1.05), yticks=np.linspace(0, 1, 6))
    panels[0].legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=4,
        handlelength=1.0,
        columnspacing=1.6,
        borderaxespad=0.2,
        borderpad=0.2,
    )
    macro = float(np.mean([row["f1"] for row in per_label.values()]))
    mean_ap = _mean_ap([row["average_precision"] for row in per_label.values()])
    _caption(figure, f"Scores of each label: macro F1 {macro:.1%}, {mean_ap}", caption, synthetic)
    return figure


def _label_bars(
    axes: Axes, per_label: Mapping[str, Mapping[str, Any]], bars: Mapping[str, tuple[str, str]]
) -> None:
    """Draw the scores of some labels beside each other; `bars` names key and colour of each."""
    places = np.arange(len(per_label), dtype=np.float64)
    wide = 0.2
    for offset, (name, (key, color)) in enumerate(bars.items()):
        values = [row[key] for row in per_label.values()]
        heights = [value or 0.0 for value in values]
        left = places + (offset - 1.5) * wide
        drawn = axes.bar(left, heights, width=0.92 * wide, color=color, label=name)
        texts = ["\N{EN DASH}" if value is None else f"{100 * value:.0f}" for value in values]
        axes.bar_label(drawn, texts, size=7.5, padding=1.5, color=color if key == "f1" else GREY)
    counts = [row["support"] for row in per_label.values()]
    names = [
        f"{shortened(label, 18)}\n" + (_rows(count) if count else "never occurs")
        for label, count in zip(per_label, counts, strict=True)
    ]
    axes.set_xticks(places, names)
    axes.tick_params(axis="x", length=0, labelcolor=INK)
    axes.yaxis.set_major_formatter(_per_cent())
    axes.grid(axis="y")


def uncertainty(
    kinds: Mapping[str, ArrayLike],
    wrong: ArrayLike,
    *,
    caption: str = "",
    synthetic: bool = False,
) -> Figure:
    """Share of wrong decisions against uncertainty in ten bins of equal mass, a panel a kind.

    Bars are 95% intervals that take decisions as independent, which those on one row are not
    quite. The figure in a panel is the chance that a wrong decision is more uncertain than a
    right one (the ROC-AUC): 50% tells nothing.
    """
    mistaken = np.asarray(wrong, dtype=bool).reshape(-1, 1)
    overall = float(mistaken.mean())
    figure = Figure(figsize=(WIDTH, 4.6))
    panels = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    highest = overall
    for panel, (name, values), color in zip(
        panels, kinds.items(), cycle((BLUE, ORANGE, GREEN)), strict=False
    ):
        if np.shape(values) != np.shape(wrong):
            raise ValueError(f"{name} {np.shape(values)} and wrong {np.shape(wrong)} must agree")
        unsure = np.asarray(values, dtype=np.float64).reshape(-1, 1)
        (bins,) = metrics.reliability(mistaken, unsure, bins=10)
        (ranked,) = metrics.roc_auc(mistaken, unsure)
        panel.axhline(overall, color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
        highest = max(highest, float(_frequencies(panel, bins, color).max()))
        panel.set_title(printable(name), loc="left", weight="bold")
        panel.set_title("" if ranked is None else f"ROC AUC {ranked:.1%}", loc="right")
        widest = max(float(bins.value[-1]), 0.01)
        panel.set(xlabel="uncertainty, mean of the bin", xlim=(0, 1.06 * widest))
        panel.xaxis.set_major_locator(MaxNLocator(6))
        _percent(panel)
        panel.grid()
    panels[0].set(ylim=(0, min(1.0, 1.08 * max(highest, 0.01))), ylabel="decisions wrong")
    title = f"Uncertainty and error: {overall:.1%} of {mistaken.size:,} decisions wrong"
    explanation = (
        "Point: a bin of about equally many decisions, with its 95% interval · "
        "dashed: all decisions"
    )
    _caption(figure, title, caption, synthetic, explanation)
    return figure


def _columns(panels: int) -> int:
    """Three columns for six labels, four for seven."""
    return min(panels, 3 if panels in {1, 2, 3, 5, 6, 9} else 4)


def _count(labels: Sequence[str]) -> str:
    return f"{len(labels)} label" + "s" * (len(labels) != 1)


def _rows(count: int) -> str:
    return f"{count:,} row" + "s" * (count != 1)


def _mean_ap(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "no label occurs"
    over = "" if len(known) == len(values) else f" over {len(known)} of {len(values)} labels"
    return f"mean AP {np.mean(known):.1%}{over}"


def _frequencies(axes: Axes, bins: metrics.FrequencyBins, color: str) -> NDArray[np.float64]:
    """Draw a bin a point with its 95% interval; return the intervals' upper ends."""
    hits = np.rint(bins.frequency * bins.count)
    low, high = _interval(hits, bins.count)
    axes.vlines(bins.value, low, high, color=color, alpha=0.35, linewidth=1.6)
    axes.plot(
        bins.value,
        bins.frequency,
        color=color,
        linewidth=1.4,
        marker="o",
        markersize=4.5,
        clip_on=False,
        zorder=3,
    )
    return high


def _interval(
    hits: NDArray[np.float64], count: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson's 95% interval of a binomial share (Wilson 1927)."""
    ends = [
        binomtest(int(hit), int(of)).proportion_ci(0.95, method="wilson")
        for hit, of in zip(hits, count, strict=True)
    ]
    return np.array([end.low for end in ends]), np.array([end.high for end in ends])


def _percent(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(_per_cent())
    axes.yaxis.set_major_formatter(_per_cent())


def _per_cent() -> FuncFormatter:
    """Ticks such as 20% and 2.5%, without idle zeros."""
    return FuncFormatter(lambda share, _: f"{round(100 * share, 6):g}%")


def _caption(
    figure: Figure, title: str, caption: str, synthetic: bool, explanation: str = ""
) -> None:
    """Put the title above and what explains the chart below, both from the left edge."""
    figure.suptitle(title, x=0.012, ha="left")
    parts = [printable(caption)] if caption else []
    if synthetic:
        looks: dict[str, Any] = {"color": ORANGE, "weight": "bold", "size": 12}
        top = 1 - _STYLE["figure.constrained_layout.h_pad"] / figure.get_figheight()
        figure.text(0.988, top, "synthetic data", ha="right", va="top", **looks)
        parts.append("synthetic data: these figures say nothing about emotion")
    lines = [line for line in (explanation, " · ".join(parts)) if line]
    if lines:
        figure.supxlabel("\n".join(lines), x=0.012, ha="left", size=8.5, color=GREY)
