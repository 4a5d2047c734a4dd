"""What a batch found in a whole corpus: a table, a page, a picture, and a list of failures."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.text import Text

from lddu_pipe.writers.escaping import printable
from lddu_pipe.writers.tables import plain_table
from lddu_pipe.writers.viewer.index import make_index

_BAR = 24  # columns


def print_corpus(found: Mapping[str, Any], console: Console, page: str) -> None:
    """Print the summary that `lddu_pipe.pipelines.batch.summary.summarise` makes.

    Args:
        found: the summary.
        console: to print to.
        page: where the page of the corpus is.
    """
    files = found["files"]
    counts = [f"{files['done']} of {files['total']} files done"]
    counts += [f"{files[state]} {state}" for state in ("failed", "waiting") if files[state]]
    console.print(Text(" · ".join(counts), "bold"))
    facts = [_length(found["hours"]), f"{found['utterances']:,} utterances"]
    if found["people"]:
        facts.append("1 person" if found["people"] == 1 else f"{found['people']:,} people")
    if found["real_time_factor"]:
        facts.append(f"{found['real_time_factor']:.1f} x real time a worker")
    console.print(Text(" · ".join(facts), "dim"))
    console.print()
    if found["utterances"]:
        table = plain_table("of all utterances", "", "", right=(1,))
        for name, share, style in _rows(found):
            bar = "\N{BOX DRAWINGS HEAVY HORIZONTAL}" * round(share * _BAR)
            table.add_row(printable(name), f"{share:.1%}", Text(bar, style))
        console.print(table)
        console.print()
    console.print(Text(f"file by file: {printable(page)}"), soft_wrap=True)


def render_index(
    title: str, found: Mapping[str, Any], labels: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> bytes:
    """Return the page from which every file of a batch opens, UTF-8.

    Args:
        title: of the page.
        found: the summary of all files.
        labels: of the model, in order.
        rows: a file each, as `lddu_pipe.pipelines.batch.summary.rows_of` gives them.
    """
    linked = [{**row, "link": _link(row["result"])} for row in rows]
    page = make_index(printable(title), found, labels, linked)
    return page.encode("utf-8", "backslashreplace")


def _link(result: str | None) -> str | None:
    """The URL of a result as seen from the page; nothing in a name can make it lead elsewhere."""
    return None if result is None else f"./{quote(os.fsencode(result), safe='/')}"


def print_failures(failures: Sequence[tuple[str, str]], console: Console) -> None:
    """Print what could not be annotated and why, a line each.

    Args:
        failures: source and reason.
        console: to print to.
    """
    for source, reason in failures:
        line = reason if source in reason else f"{source}: {reason}"
        console.print(Text.assemble(("failed  ", "red"), printable(line)), soft_wrap=True)


def failures_table(failures: Iterable[tuple[str, str]]) -> bytes:
    """Return a CSV of failures: ``source``, ``error``; UTF-8 with a byte order mark."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(("source", "error"))
    rows.writerows(failures)
    return text.getvalue().encode("utf-8-sig", "backslashreplace")


def people_table(people: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a CSV of people; UTF-8 with a byte order mark.

    Args:
        people: at least one, as `lddu_pipe.pipelines.batch.summary.people_of` gives them.
    """
    text = io.StringIO()
    rows = csv.DictWriter(text, people[0].keys())
    rows.writeheader()
    rows.writerows(people)
    return text.getvalue().encode("utf-8-sig", "backslashreplace")


def draw_corpus(found: Mapping[str, Any]) -> bytes:
    """Return a PNG of how often each label is present, and what was abstained from or missing."""
    from matplotlib.figure import Figure

    from lddu_pipe.writers import charts

    rows = list(_rows(found))
    with charts.shared_style():
        figure = Figure(figsize=(charts.WIDTH, 1.3 + 0.33 * max(len(rows), 1)))
        axes = figure.subplots()
        names = [printable(name) for name, _, _ in rows]
        shares = [share for _, share, _ in rows]
        colours = [charts.GREY if style else charts.BLUE for _, _, style in rows]
        bars = axes.barh(names, shares, color=colours, height=0.62)
        axes.bar_label(bars, [f"{share:.1%}" for share in shares], padding=4, fontsize=9)
        axes.set_xlim(0, min(1.0, max([*shares, 0.05]) * 1.15))
        axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.invert_yaxis()
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        files = found["files"]
        axes.set_title(
            f"{found['utterances']:,} utterances in {files['done']:,} files, "
            f"{_length(found['hours'])}",
            loc="left",
        )
        axes.set_xlabel("share of utterances; several labels may be present in one")
        content = io.BytesIO()
        figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _rows(found: Mapping[str, Any]) -> Iterable[tuple[str, float, str]]:
    """Name, share and style of each bar; what is no label is dim."""
    if not found["utterances"]:
        return
    for label, share in found["prevalence"].items():
        yield label, share, ""
    yield "abstained", found["abstained"], "dim"
    for name, share in found["missing"].items():
        yield f"without {name}", share, "dim"


def _length(hours: float) -> str:
    if hours >= 1:
        return f"{hours:,.1f} hours"
    return f"{hours * 60:.1f} minutes" if hours >= 1 / 60 else f"{hours * 3600:.0f} s"
