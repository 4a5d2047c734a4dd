"""Figures, models and checks as plain tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from lddu_pipe.diagnostics import Check
from lddu_pipe.writers.escaping import printable, shortened

_CAPITALS = {
    "f1": "F1",
    "brier": "Brier",
    "ece": "ECE",
    "nll": "NLL",
    "gap": "GAP",
    "aurc": "AURC",
    "roc": "ROC",
    "auc": "AUC",
}


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
    overall = [
        (_name(key), shown_figure(value))
        for key, value in figures.items()
        if key != "n" and (value is None or isinstance(value, float))
    ]
    half = (len(overall) + 1) // 2
    table = plain_table("figure", "value", "figure", "value", right=(1, 3))
    for index in range(half):
        second = overall[half + index] if half + index < len(overall) else ("", "")
        table.add_row(*overall[index], *second)
    console.print(table)
    console.print()
    console.print(_per_label(figures["per_label"], console))


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


def _per_label(per_label: Mapping[str, Mapping[str, Any]], console: Console) -> Group:
    """One row a label; columns that find no room are named below, as half a number is none."""
    columns = list(next(iter(per_label.values()), {}))
    left_out: list[str] = []
    unlimited = console.options.update(width=10_000)
    while True:
        table = plain_table("label", *map(_name, columns), right=range(1, len(columns) + 1))
        for label, of_label in per_label.items():
            table.add_row(
                shortened(label, 24), *(shown_figure(of_label[column]) for column in columns)
            )
        if not columns or console.measure(table, options=unlimited).maximum <= console.width:
            break
        left_out.insert(0, _name(columns.pop()))
    note = f"too narrow for {', '.join(left_out)}: see --json"
    return Group(table, *([Text(note, "dim")] if left_out else []))


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


def shown_figure(value: float | int | None) -> str:
    """Three digits, a whole number as it is, or a dash where a figure is not defined."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
