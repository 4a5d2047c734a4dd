"""Figures, models and checks as plain tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from lddu_pipe.bootstrap import FEW_UNITS
from lddu_pipe.diagnostics import Check
from lddu_pipe.writers.escaping import printable, shortened

_CAPITALS = {
    "f1": "F1",
    "brier": "Brier",
    "ece": "ECE",
    "nll": "NLL",
    "gap": "GAP",
    "ccc": "CCC",
    "mae": "MAE",
    "aurc": "AURC",
    "roc": "ROC",
    "auc": "AUC",
}

_IN_A_SENTENCE = ("brier_of_base_rates", "macro_f1_of_base_rates", "better_than_base_rates")
"""Figures that stand below the tables."""


def print_evaluation(figures: Mapping[str, Any], console: Console) -> None:
    """Print the figures of an evaluation: over all labels, then label by label."""
    rows = f"{figures['n']} rows"
    skipped = f", {len(figures['skipped'])} skipped" if figures.get("skipped") else ""
    model = printable(figures["model"])
    console.print(Text.assemble((model, "bold"), (f"  {rows}{skipped}", "dim")))
    stored = "data" in figures  # else from a manifest, which has neither name nor split
    if "protocol" in figures:
        source = f"{printable(figures['data'])}, {figures['split']} split, " if stored else ""
        console.print(Text(f"{source}protocol {figures['protocol']}", "dim"))
    if figures.get("synthetic"):
        console.print(Text("synthetic data: these figures say nothing about emotion", "yellow"))
    counts = [f"{name} {count}" for name, count in figures["modalities"].items()]
    console.print(Text("rows with " + ", ".join(counts), "dim"))
    console.print()
    intervals = figures.get("intervals", {})
    overall = {
        key: value
        for key, value in figures.items()
        if key not in _IN_A_SENTENCE and (value is None or isinstance(value, float))
    }
    table = _overall(overall, intervals, halves=2)
    if _width(table, console) > console.width:
        table = _overall(overall, intervals, halves=1)
    console.print(table)
    console.print()
    console.print(_per_item("label", figures["per_label"], console))
    if "per_scale" in figures:
        console.print()
        console.print(_per_item("scale", figures["per_scale"], console))
    if intervals:
        for kind in ("label", "scale"):
            shown = {
                item: {name: shown_interval(pair) for name, pair in row.items()}
                for item, row in intervals.get(f"per_{kind}", {}).items()
            }
            if shown:
                console.print()
                console.print(_per_item(kind, shown, console))
        console.print(Text(_drawn(figures["resampling"]), "dim"), soft_wrap=True)
    if "better_than_base_rates" in figures:
        console.print()
        style = "yellow" if figures["better_than_base_rates"] is False else ""
        console.print(Text(against_base_rates(figures), style))


def against_base_rates(figures: Mapping[str, Any]) -> str:
    """Whether a model beats always answering how frequent each label is, in a line.

    Args:
        figures: with intervals, of `lddu_pipe.pipelines.evaluation`.
    """
    verdict = {
        True: "better than answering how frequent each label is",
        False: "no better than answering how frequent each label is",
        None: "too few rows to tell it from answering how frequent each label is",
    }[figures["better_than_base_rates"]]
    interval = figures["intervals"]["brier_minus_base_rates"]
    difference = f", {shown_interval(interval)} apart" if interval else ""
    return (
        f"{verdict}: Brier {shown_figure(figures['brier'])}, with the rates of the calibration "
        f"{shown_figure(figures['brier_of_base_rates'])}{difference}; macro F1 "
        f"{shown_figure(figures['macro_f1'])}, with these rates "
        f"{shown_figure(figures['macro_f1_of_base_rates'])}"
    )


def print_comparison(found: Mapping[str, Any], console: Console) -> None:
    """Print what two models reach on the same rows, and how surely they differ."""
    for name in ("a", "b"):
        one = found[name]
        facts = ", ".join(printable(one[key]) for key in ("model", "protocol") if one[key])
        line = Text.assemble((f"{name.upper()}  ", "bold"), printable(one["file"]))
        console.print(line + Text(f"  {facts}", "dim"), soft_wrap=True)
    console.print(Text(f"{found['n']} rows", "dim"))
    console.print()
    console.print(_differences({"": found["figures"]}, console))
    console.print()
    chosen = {
        label: {name: row[name] for name in ("f1", "average_precision", "brier")}
        for label, row in found["per_label"].items()
    }
    console.print(_differences(chosen, console))
    console.print(Text("* the interval leaves out 0", "dim"))
    console.print(Text(_drawn(found["resampling"]), "dim"), soft_wrap=True)


def print_models(models: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print name, licence, size, place and state of each model."""
    table = plain_table("model", "licence", "size", "state", "found in", right=(2,))
    for model in models:
        table.add_row(
            printable(model["name"]),
            printable(model["licence"] or "not stated"),
            f"{model['size'] / 1e6:.1f} MB",
            Text("verified", "green") if model["verified"] else Text(_state(model), "red"),
            printable(model["source"] or "nowhere"),
        )
    console.print(table)
    for model in models:
        if model["path"]:
            console.print()
            console.print(Text(printable(model["path"])), soft_wrap=True)
            for name, digest in model["sha256"].items():
                if not name.endswith((".json", ".txt")):  # the weights are what matters here
                    line = Text(f"  sha256 {digest}  {printable(name)}", "dim")
                    console.print(line, soft_wrap=True)


def print_calibration(
    report: Mapping[str, Mapping[str, Any]], labels: Sequence[str], console: Console
) -> None:
    """Print what a calibration is worth, a table for each set of modalities it was fitted on."""
    for name, figures in report.items():
        console.print(Text.assemble((name, "bold"), (f"  {figures['rows']} rows", "dim")))
        table = plain_table("label", "ECE before", "ECE after", "threshold", right=(1, 2, 3))
        columns = (figures["ece_before"], figures["ece_after"], figures["thresholds"])
        for label, before, after, threshold in zip(labels, *columns, strict=True):
            shown = "never" if threshold >= 1 else shown_figure(threshold)
            table.add_row(printable(label), shown_figure(before), shown_figure(after), shown)
        console.print(table)
        parts = [f"answers {figures['answered']:.0%} of rows"]
        if figures["risk"] is not None:
            parts.append(f"{figures['risk']:.1%} of their decisions wrong")
        if figures["covered"] is not None:
            size = figures["label_set_size"]
            parts.append(f"label sets cover {figures['covered']:.0%} with {size:.1f} labels")
        console.print(Text(" · ".join(parts), "dim"))
        console.print()


def print_checks(checks: Sequence[Check], console: Console) -> None:
    """Print each check, and under those that failed what to do."""
    width = max((len(check.name) for check in checks), default=0)
    for check in checks:
        state = Text("ok     ", "green") if check.ok else Text("failed ", "bold red")
        found = Text(f"{check.name.ljust(width)}  {printable(check.detail)}")
        console.print(state + found, soft_wrap=True)
        if check.cure:
            console.print(Text(f"       {printable(check.cure)}", "yellow"), soft_wrap=True)


def _overall(
    figures: Mapping[str, float | None], intervals: Mapping[str, Any], *, halves: int
) -> Table:
    """Figures over all labels with their intervals, one or two beside each other."""
    header = ("figure", "value", *(["95 % interval"] if intervals else []))
    size = len(header)
    table = plain_table(
        *header * halves, right=[place for place in range(size * halves) if place % size]
    )
    cells = [
        (_name(key), shown_figure(value), shown_interval(intervals.get(key)))[:size]
        for key, value in figures.items()
    ]
    length = -(-len(cells) // halves)
    cells += [("",) * size] * (length * halves - len(cells))
    for row in range(length):
        parts = [cells[row + half * length] for half in range(halves)]
        table.add_row(*(cell for part in parts for cell in part))
    return table


def _per_item(kind: str, per_item: Mapping[str, Mapping[str, Any]], console: Console) -> Group:
    """One row a label or scale; columns for which there is no room are named below the table."""
    columns = list(next(iter(per_item.values()), {}))
    left_out: list[str] = []
    while True:
        names = [_name(column).replace(" ", "\n") for column in columns]  # narrow
        table = plain_table(kind, *names, right=range(1, len(columns) + 1))
        for name, of_item in per_item.items():
            cells = [of_item[column] for column in columns]
            table.add_row(
                shortened(name, 24),
                *(cell if isinstance(cell, str) else shown_figure(cell) for cell in cells),
            )
        if not columns or _width(table, console) <= console.width:
            break
        left_out.insert(0, _name(columns.pop()))
    note = f"too narrow for {', '.join(left_out)}: see --json"
    return Group(table, *([Text(note, "dim")] if left_out else []))


def _differences(figures: Mapping[str, Mapping[str, Any]], console: Console) -> Table:
    """One row a figure, those of a label together; without a label, "" is no column."""
    labelled = "" not in figures
    header = (*(["label"] if labelled else []), "figure", "A", "B", "B - A", "95 % interval", "")
    first = header.index("A")
    table = plain_table(*header, right=range(first, first + 4))
    for label, row in figures.items():
        name = [printable(label)] if labelled else []
        for key, item in row.items():
            table.add_row(
                *name,
                _name(key),
                *(shown_figure(item[part]) for part in ("a", "b", "difference")),
                shown_interval(item["interval"]),
                "*" if item["leaves_out_zero"] else "",
            )
            name = [""] if labelled else []
    return table


def _drawn(resampling: Mapping[str, Any]) -> str:
    units, count = resampling["units"], resampling["count"]
    text = f"95 % intervals: {resampling['resamples']} draws of {count} {units}"
    if count < FEW_UNITS:
        text += "; so few that the intervals are too narrow"
    return text


def _width(table: Table, console: Console) -> int:
    return console.measure(table, options=console.options.update(width=10_000)).maximum


def plain_table(*columns: str, right: Sequence[int] = ()) -> Table:
    """A table without lines; the columns whose places are in `right` hold numbers."""
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for index, name in enumerate(columns):
        table.add_column(name, justify="right" if index in right else "left")
    return table


def _state(model: Mapping[str, Any]) -> str:
    return "damaged" if model["path"] else "missing"


def _name(key: str) -> str:
    return " ".join(_CAPITALS.get(word, word) for word in key.split("_"))


def shown_interval(interval: Sequence[float] | None) -> str:
    """Both ends, or a dash where a figure has no interval."""
    if interval is None:
        return "-"
    between = "\N{EN DASH}" if min(interval) >= 0 else " to "  # beside a minus it is hard to read
    return between.join(map(shown_figure, interval))


def shown_figure(value: float | int | None) -> str:
    """Three digits, a whole number as it is, or a dash where a figure is not defined."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
