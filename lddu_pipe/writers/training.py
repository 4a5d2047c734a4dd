"""What training found, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lddu_pipe.writers.escaping import printable
from lddu_pipe.writers.tables import plain_table, shown_figure

_COLUMNS = {
    "micro_f1": "micro-F1",
    "macro_f1": "macro-F1",
    "jaccard_accuracy": "Acc (Jaccard)",
    "ece": "ECE",
    "aurc": "AURC",
}


def print_run(metrics: Mapping[str, Any], folder: str, console: Console) -> None:
    """Print the figures of a finished run, a row for each split and protocol."""
    table = _table("split", "protocol", "rows")
    for split, protocols in metrics.items():
        for protocol, figures in protocols.items():
            cells = [shown_figure(figures[key]) for key in _COLUMNS]
            table.add_row(split, protocol, str(figures["n"]), *cells)
            synthetic = figures["synthetic"]
    console.print(table)
    _warn(console, synthetic=synthetic)
    console.print(Text(f"model: {printable(folder)}/model", "dim"), soft_wrap=True)


def print_seeds(summary: Mapping[str, Any], console: Console) -> None:
    """Print mean and spread over seeds, a row for each split and protocol."""
    table = _table("split", "protocol")
    for split in ("valid", "test"):
        for protocol, figures in summary.get(split, {}).items():
            table.add_row(split, protocol, *(_mean_and_spread(figures[key]) for key in _COLUMNS))
    console.print(table)
    console.print(Text(_over_seeds(summary), "dim"))
    _warn(console, synthetic=summary["synthetic"])


def print_ablations(results: Mapping[str, Any], console: Console) -> None:
    """Print one row an ablation, on the test split where there is one."""
    table = _table("model")
    protocol = "validation-selected"
    for name, summary in results.items():
        split = "test" if "test" in summary else "valid"
        figures = summary[split][protocol]
        table.add_row(name, *(_mean_and_spread(figures[key]) for key in _COLUMNS))
    console.print(table)
    console.print(Text(f"{split} split, protocol {protocol}, {_over_seeds(summary)}", "dim"))
    _warn(console, synthetic=summary["synthetic"])


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


def _mean_and_spread(figure: Mapping[str, float | None]) -> str:
    spread = figure["std"]
    return shown_figure(figure["mean"]) + (f" \N{PLUS-MINUS SIGN} {spread:.3f}" if spread else "")
