"""What a feature store holds, as tables and as a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from lddu_pipe.files import write_whole
from lddu_pipe.writers.escaping import printable, shortened
from lddu_pipe.writers.tables import plain_table

_MOST_FIGURES = 14
"""Labels in whose grid there is room for figures."""
_MOST_PAIRS = 10


def print_store(found: Mapping[str, Any], console: Console) -> None:
    """Print `inspect_store`: the whole, rows, lengths and labels by split, labels together."""
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
    console.print()
    _print_co_occurrence(found, console)
    for line in cleaned_lines(found["notes"]):
        console.print(Text(line, "dim"), soft_wrap=True)


def cleaned_lines(notes: Mapping[str, Any]) -> list[str]:
    """What an import remarked, cleaned and left out, a line each; none for other stores."""
    lines = [printable(remark) for remark in notes.get("remarks", ())]
    for split, of_split in notes.get("cleaned", {}).items():
        counts = of_split["infinite_or_nan"]
        broken = ", ".join(f"{name} {count}" for name, count in counts.items())
        count = of_split["left_out"]
        lines.append(
            f"{split}: values not finite, set to 0: {broken}; "
            f"rows without any modality, left out: {count}"
        )
    return lines


def _print_co_occurrence(found: Mapping[str, Any], console: Console) -> None:
    split, part = next(iter(found["splits"].items()))
    labels = [printable(label) for label in found["labels"]]
    if len(labels) == 1:
        return
    table = plain_table("of rows with", *labels, right=range(1, len(labels) + 1))
    for label, shares in part["co_occurrence"].items():
        cells = [
            "" if other == label else "-" if share is None else f"{share:.0%}"
            for other, share in shares.items()
        ]
        table.add_row(printable(label), *cells)
    unlimited = console.options.update(width=10_000)
    if console.measure(table, options=unlimited).maximum > console.width:
        _print_pairs(part["co_occurrence"], split, console)
        return
    console.print(table)
    console.print(Text(f"share that also has the label above, {split}", "dim"))


def _print_pairs(
    shares: Mapping[str, Mapping[str, float | None]], split: str, console: Console
) -> None:
    """Print what comes together most often, where the whole table finds no room."""
    pairs = [
        (share, label, other)
        for label, row in shares.items()
        for other, share in row.items()
        if share and other != label
    ]
    table = plain_table("of rows with", "so many also have", "", right=(1,))
    for share, label, other in sorted(pairs, key=lambda pair: -pair[0])[:_MOST_PAIRS]:
        table.add_row(printable(label), f"{share:.0%}", printable(other))
    console.print(table)
    console.print(Text(f"the largest shares, {split}", "dim"))


def draw_store(found: Mapping[str, Any], path: Path) -> None:
    """Draw prevalence by split, and co-occurrence in the first split, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    labels, splits = found["labels"], found["splits"]
    crowded = len(labels) > _MOST_FIGURES
    names = [shortened(label, 18) for label in labels]
    figure = Figure(figsize=(10, max(4.2, 1.4 + 0.26 * len(labels))), layout="constrained")
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
    bars.set_yticks(places, names)
    bars.invert_yaxis()
    bars.set_xlabel("rows with the label, %")
    bars.set_title("Prevalence", loc="left", fontweight="bold")
    bars.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, columnspacing=1)
    bars.spines[["top", "right"]].set_visible(False)
    first = next(iter(splits))
    shares = np.array(
        [
            [np.nan if share is None else 100 * share for share in row.values()]
            for row in splits[first]["co_occurrence"].values()
        ]
    )
    np.fill_diagonal(shares, np.nan)
    grid.imshow(
        shares,
        cmap="Blues",
        aspect="auto" if crowded else "equal",
        vmin=0,
        vmax=max(float(np.nanmax(shares, initial=1)), 1),
    )
    for (row, column), share in np.ndenumerate(shares):
        if np.isfinite(share) and not crowded:
            dark = share > 0.6 * np.nanmax(shares)
            colour = "white" if dark else "black"
            grid.text(column, row, f"{share:.0f}", ha="center", va="center", color=colour)
    looks: dict[str, Any] = {"rotation": 90, "fontsize": 7} if crowded else {"rotation": 35}
    grid.set_xticks(places, names, ha="center" if crowded else "right", **looks)
    grid.set_yticks(places, names)
    grid.set_visible(len(labels) > 1)
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
