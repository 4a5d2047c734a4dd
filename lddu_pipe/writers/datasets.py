"""What a feature store holds, as tables and as a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from lddu_pipe.errors import MissingAssetError
from lddu_pipe.files import write_whole
from lddu_pipe.writers.escaping import printable
from lddu_pipe.writers.tables import plain_table


def print_store(found: Mapping[str, Any], console: Console) -> None:
    """Print `inspect_store`: a line on the whole, then rows, lengths and prevalence by split."""
    kind = "aligned: one step a word" if found["aligned"] else "unaligned"
    console.print(Text.assemble((printable(found["name"]), "bold"), (f"  {kind}", "dim")))
    if found["synthetic"]:
        console.print(Text("synthetic data: figures on it say nothing about emotion", "yellow"))
    console.print()
    sizes = [f"{modality} ({size})" for modality, size in found["feature_sizes"].items()]
    table = plain_table("split", "rows", *sizes, right=range(1, 5))
    for split, part in found["splits"].items():
        cells = [_steps(item) for item in part["modalities"].values()]
        table.add_row(split, str(part["rows"]), *cells)
    console.print(table)
    console.print(Text("steps: least, median, most; share of rows without the modality", "dim"))
    console.print()
    table = plain_table("label", *found["splits"], right=range(1, 4))
    for label in found["labels"]:
        shares = [part["prevalence"][label] for part in found["splits"].values()]
        table.add_row(printable(label), *(f"{share:.1%}" for share in shares))
    table.add_row("none", *(f"{part['without_label']:.1%}" for part in found["splits"].values()))
    console.print(table)
    cleaned = found["notes"].get("cleaned", {})
    for split, notes in cleaned.items():
        broken = ", ".join(f"{name} {count}" for name, count in notes["infinite_or_nan"].items())
        line = f"{split}: {notes['left_out']} rows left out; not finite, set to 0: {broken}"
        console.print(Text(line, "dim"))


def draw_store(found: Mapping[str, Any], path: Path) -> None:
    """Draw prevalence by split, and co-occurrence in the first split, as a PNG.

    Raises:
        MissingAssetError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingAssetError(
            'pictures need matplotlib; run: pip install "lddu-pipe[train]"'
        ) from None
    labels, splits = found["labels"], found["splits"]
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    bars, grid = figure.subplots(1, 2, width_ratios=(1.15, 1))
    places = np.arange(len(labels))
    height = 0.8 / len(splits)
    colours = ("#0072b2", "#e69f00", "#009e73")  # Okabe and Ito: told apart by everybody
    for index, (split, part) in enumerate(splits.items()):
        widths = [100 * part["prevalence"][label] for label in labels]
        offset = (index - (len(splits) - 1) / 2) * height
        name = f"{split} ({part['rows']})"
        bars.barh(places + offset, widths, height * 0.9, label=name, color=colours[index % 3])
    bars.set_yticks(places, labels)
    bars.invert_yaxis()
    bars.set_xlabel("rows with the label, %")
    bars.set_title("Prevalence", loc="left", fontweight="bold")
    bars.legend(frameon=False)
    bars.spines[["top", "right"]].set_visible(False)
    first = next(iter(splits))
    shares = np.array(
        [
            [np.nan if share is None else 100 * share for share in row.values()]
            for row in splits[first]["co_occurrence"].values()
        ]
    )
    np.fill_diagonal(shares, np.nan)
    grid.imshow(shares, cmap="Blues", vmin=0, vmax=max(float(np.nanmax(shares, initial=1)), 1))
    for (row, column), share in np.ndenumerate(shares):
        if np.isfinite(share):
            dark = share > 0.6 * np.nanmax(shares)
            colour = "white" if dark else "black"
            grid.text(column, row, f"{share:.0f}", ha="center", va="center", color=colour)
    grid.set_xticks(places, labels, rotation=35, ha="right")
    grid.set_yticks(places, labels)
    grid.set_title(f"Of rows with … ({first})\n% that also have …", loc="left", fontweight="bold")
    if found["synthetic"]:
        figure.suptitle("synthetic data", color="#a04000", fontsize=10)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    write_whole(path, buffer.getvalue())


def _steps(item: Mapping[str, Any]) -> str:
    if item["steps"] is None:
        return "absent"
    least, median, most = item["steps"]
    return f"{least}, {median:g}, {most}; {item['absent']:.0%}"
