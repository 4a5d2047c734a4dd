"""What training found, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lddu_pipe.bootstrap import FEW_UNITS
from lddu_pipe.writers.escaping import printable, shortened
from lddu_pipe.writers.tables import plain_table, shown_figure, shown_interval

HELD_OUT = "held_out"
BY_FOLDS = "folds"
SPLITS = ("valid", BY_FOLDS, "test")
_COLUMNS = {
    "micro_f1": "micro-F1",
    "macro_f1": "macro-F1",
    "jaccard_accuracy": "Acc (Jaccard)",
    "ece": "ECE",
    "aurc": "AURC",
}
_OF_SCALES = {"ccc": "CCC", "mae": "MAE", "covered": "in interval", "width": "its width"}


def print_run(metrics: Mapping[str, Any], folder: str, console: Console) -> None:
    """Print the figures of a finished run, a row for each split and protocol."""
    table = _table("split", "protocol", "rows")
    for split, protocols in _splits(metrics).items():
        for protocol, figures in protocols.items():
            cells = [shown_figure(figures[key]) for key in _COLUMNS]
            table.add_row(split, protocol, str(figures["n"]), *cells)
            synthetic = figures["synthetic"]
    console.print(table)
    _print_scales(metrics, console)
    _print_held_out(metrics.get(HELD_OUT), console)
    _warn(console, synthetic=synthetic)
    console.print(Text(f"model: {printable(folder)}/model", "dim"), soft_wrap=True)


def print_seeds(summary: Mapping[str, Any], console: Console) -> None:
    """Print mean and spread over seeds, a row for each split and protocol."""
    table = _table("split", "protocol")
    for split, protocols in _splits(summary).items():
        for protocol, figures in protocols.items():
            table.add_row(split, protocol, *(_mean_and_spread(figures[key]) for key in _COLUMNS))
    console.print(table)
    console.print(Text(_over_seeds(summary), "dim"))
    for seed, held_out in zip(summary["seeds"], summary.get(HELD_OUT, ()), strict=False):
        _print_held_out(held_out, console, f"seed {seed}: ")
    _warn(console, synthetic=summary["synthetic"])


def print_ablations(results: Mapping[str, Any], console: Console) -> None:
    """Print one row an ablation, on the test split where there is one."""
    shown = ("micro_f1", "macro_f1", "jaccard_accuracy")  # with the interval, as wide as a page
    heads = ("micro-F1 - full", *(_COLUMNS[key] for key in shown))
    table = plain_table("model", *heads, right=range(1, len(heads) + 1))
    protocol = "validation-selected"
    for name, summary in results.items():
        split = next(name for name in reversed(SPLITS) if name in summary)
        figures = summary[split][protocol]
        cells = (_mean_and_spread(figures[key]) for key in shown)
        table.add_row(name, _difference(summary.get("minus_full")), *cells)
    console.print(table)
    console.print(Text(f"{split} split, protocol {protocol}, {_over_seeds(summary)}", "dim"))
    if any("minus_full" in summary for summary in results.values()):
        note = "differences: mean over seeds, with 95 % of what other test rows would give"
        console.print(Text(note, "dim"))
    _warn(console, synthetic=summary["synthetic"])


def _splits(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: metrics[name] for name in SPLITS if name in metrics}


def _print_scales(metrics: Mapping[str, Any], console: Console) -> None:
    """Print how near values on scales come, a row for each split and scale; none where none is."""
    table = plain_table("split", "scale", "rows", *_OF_SCALES.values(), right=range(2, 7))
    for split, protocols in _splits(metrics).items():
        figures = next(iter(protocols.values()))  # protocols are of labels
        for name, found in figures.get("per_scale", {}).items():
            cells = [shown_figure(found[key]) for key in _OF_SCALES]
            table.add_row(split, shortened(name, 24), str(found["n"]), *cells)
    if table.row_count:
        console.print(table)


def _print_held_out(found: Mapping[str, Any] | None, console: Console, subject: str = "") -> None:
    """Say how the model compares with base rates on rows it has not learned from, and how surely.

    Args:
        found: fields of `pipelines.held_out.HeldOut`; None where a run of before has none.
        console: where to.
        subject: what the line begins with.
    """
    if found is None:
        return
    if found["split"] == BY_FOLDS and not subject:
        half = 1.96 * (0.25 / found["rows"]) ** 0.5
        text = (
            "folds: each row is scored and calibrated by what has not seen it; the model "
            f"has learned from all {found['rows']}. At best, a share near a half is known to "
            f"\N{PLUS-MINUS SIGN} {half:.2f}"
        )
        console.print(Text(text, "dim"), soft_wrap=True)
    own, plain, interval = (found[key] for key in ("brier", "brier_of_base_rates", "interval"))
    better = found["better_than_base_rates"]
    doubt = ", as far as they can tell" if plain > own and not better else ""
    apart = f", {shown_interval(interval)} apart" if interval else ""
    few = "; so few speakers or recordings that this is too narrow"
    text = (
        f"{'' if better else 'no '}better than always answering each label's frequency, on "
        f"{found['rows']} rows it had not learned from{doubt}: Brier score {own:.3f}, of the "
        f"frequencies {plain:.3f}{apart}{few if apart and 1 < found['groups'] < FEW_UNITS else ''}"
    )
    console.print(Text(subject + text, "dim" if better else "yellow"), soft_wrap=True)


def _warn(console: Console, *, synthetic: bool) -> None:
    if synthetic:
        console.print(Text("synthetic data: these figures say nothing about emotion", "yellow"))


def _over_seeds(summary: Mapping[str, Any]) -> str:
    seeds = summary["seeds"]
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    return f"mean \N{PLUS-MINUS SIGN} standard deviation over seeds {', '.join(map(str, seeds))}"


def _table(*first: str) -> Table:
    count = len(first)
    return plain_table(*first, *_COLUMNS.values(), right=range(count, count + len(_COLUMNS)))


def _difference(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    figure = found["micro_f1"]
    if figure["interval"] is None:
        return f"{figure['difference']:+.3f}"
    low, high = figure["interval"]
    return f"{figure['difference']:+.3f} [{low:+.3f}, {high:+.3f}]"


def _mean_and_spread(figure: Mapping[str, float | None]) -> str:
    spread = figure["std"]
    return shown_figure(figure["mean"]) + (f" \N{PLUS-MINUS SIGN} {spread:.3f}" if spread else "")
