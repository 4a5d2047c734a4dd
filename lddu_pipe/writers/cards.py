"""What somebody shows now, as a card on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from lddu_pipe.predictions import EmotionScore, Prediction
from lddu_pipe.types import MODALITIES, Modality
from lddu_pipe.writers.escaping import printable
from lddu_pipe.writers.terminal import WORDLESS, flag
from lddu_pipe.writers.wording import UNDECIDED, percent

MOST_LABELS = 6
"""Lines of labels in a card; of more, the most probable are shown."""
HEIGHT = MOST_LABELS + 3
"""Lines of a card at most: labels, words, and the border."""
NARROWEST = 40
"""Columns below which a card is no use."""
UNCERTAIN = "uncertain"
_EDGE = 4  # columns of a border and of the space beside it
_BARS = (4, 40)  # columns
_SOURCES: Mapping[Modality, str] = {"text": "words", "audio": "voice", "vision": "face"}


def card(
    prediction: Prediction,
    name: str,
    colours: Mapping[str, str],
    console: Console,
    width: int,
    *,
    colour: str = "default",
    running: bool,
) -> Panel:
    """Draw what a person shows.

    Each label has a bar up to its probability, whose end is broken where the passes of the model
    differ. Labels that are decided to be present stand out; doubt is said beside them.

    Args:
        prediction: what was found last.
        name: of the person; may be empty.
        colours: of the labels.
        console: that it will be shown on.
        width: columns.
        colour: of the person.
        running: it goes on.
    """
    inside = width - _EDGE
    lines = [*_scores(prediction, colours, console, inside), _words(prediction, inside)]
    title = Text(printable(name), f"bold {colour}")
    if prediction.abstained:
        title.append(" · " if name else "").append(UNDECIDED, "yellow")
    return Panel(
        Text("\n").join(lines),
        title=title or None,
        title_align="left",
        subtitle=_sources(prediction),
        subtitle_align="right",
        box=box.ROUNDED if console.encoding.startswith("utf") else box.ASCII,
        border_style=colour if running else "dim",
        width=width,
        height=min(len(prediction.emotions), MOST_LABELS) + 3,
    )


def _scores(
    prediction: Prediction, colours: Mapping[str, str], console: Console, width: int
) -> list[Text]:
    shown = _shown(prediction.emotions)
    labels = [printable(score.label) for score in shown]
    wide = max(map(cell_len, labels), default=0)
    blind = prediction.missing.keys() >= set(MODALITIES)
    notes = ["" if prediction.abstained else _doubt(score) for score in shown]
    room = width - wide - len("   100 %  ") - len(UNDECIDED)
    bar_width = min(max(room, _BARS[0]), _BARS[1])
    lines = []
    for label, score, note in zip(labels, shown, notes, strict=True):
        there = score.decision == "present" and not prediction.abstained
        colour = colours[score.label]
        line = Text(label + " " * (wide - cell_len(label) + 2), f"bold {colour}" if there else "")
        line += _bar(score, bar_width, colour, console, faint=blind)
        line.append(f" {percent(score.probability):>5}", "bold" if there else "")
        line.append(f"  {note}", "yellow")
        if not there:
            line.stylize("dim" if score.decision == "absent" or prediction.abstained else "")
        line.truncate(width)
        lines.append(line)
    return lines


def _shown(scores: Sequence[EmotionScore]) -> list[EmotionScore]:
    """Those with a place in a card, in label order, so that each keeps its line."""
    likeliest = sorted(scores, key=lambda score: -score.probability)[:MOST_LABELS]
    return [score for score in scores if score in likeliest]


def _doubt(score: EmotionScore) -> str:
    """A word on a label that may be there; of what is not there, nobody asks."""
    if score.decision == "abstain":
        return UNDECIDED
    return UNCERTAIN if score.decision == "present" and flag(score.uncertainty) else ""


def _bar(score: EmotionScore, width: int, colour: str, console: Console, *, faint: bool) -> Text:
    """A bar: sure up to the probability less its spread, doubtful up to that much more."""
    full, doubtful, empty = "━╍─" if console.encoding.startswith("utf") else "=~-"
    spread = score.uncertainty.epistemic
    begin = round(max(score.probability - spread, 0) * width)
    end = round(min(score.probability + spread, 1) * width)
    if end - begin < 2:  # too little to be seen
        begin = end = round(score.probability * width)
    style = "dim" if faint else colour
    parts = (
        (full * begin, style),
        (doubtful * (end - begin), style),
        (empty * (width - end), "dim"),
    )
    return Text.assemble(*parts)


def _words(prediction: Prediction, width: int) -> Text:
    """The end of what is said, which is what is new."""
    said = printable(prediction.text)
    if not said:
        return Text(WORDLESS.get(prediction.kind, ""), "dim italic")
    line = Text(said)
    if line.cell_len <= width:
        return line
    while said and cell_len(said) > width - 2:
        said = said.partition(" ")[2] or said[1:]
    return Text(f"… {said}")


def _sources(prediction: Prediction) -> Text:
    """By what it was judged."""
    there = [words for name, words in _SOURCES.items() if name not in prediction.missing]
    return Text(f"by {', '.join(there)}" if there else "nothing to go by", "dim")
