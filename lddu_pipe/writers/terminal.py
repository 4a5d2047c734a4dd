"""Annotations as a timeline for people, on a terminal, in a file or in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import TextIOWrapper
from typing import IO

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from lddu_pipe.annotation import SourceInfo
from lddu_pipe.events import StreamOpened
from lddu_pipe.evidence import Absent
from lddu_pipe.predictions import EmotionScore, Prediction, ScaleValue, Uncertainty
from lddu_pipe.types import MODALITIES, Kind, Modality
from lddu_pipe.writers.colours import share_out
from lddu_pipe.writers.escaping import (
    FIRST_STRONG_ISOLATE,
    POP_ISOLATE,
    is_right_to_left,
    printable,
)
from lddu_pipe.writers.people import Names
from lddu_pipe.writers.wording import percent

HIGH_ALEATORIC = 0.33
"""Flagged from here: the error of the probability to be expected at this sigma."""
HIGH_EPISTEMIC = 0.1
"""Flagged from here: the spread of the probability over passes of the head."""

WIDTH_OF_FILES = 100  # columns, where the output is no terminal and so has no width
TO = "\u2013"  # en dash
_NARROW = 72  # columns below which the times stand above the words, not beside them
_READABLE = 100  # columns: longer lines of words are hard to follow
_BAR_WIDTHS = (6, 20)  # columns: with less room than the first there is no bar
WORDLESS: Mapping[Kind, str] = {"sound": "a voice without words", "silence": "only seen"}
"""What stands in place of words."""
COLOURS = ("yellow", "blue", "red", "magenta", "green", "cyan", "default")
"""Of labels, as `share_out` takes them."""


def open_console(file: IO[str]) -> Console:
    """Return a console for `file`: the terminal's own width, or 100 columns without colour."""
    if isinstance(file, TextIOWrapper):
        file.reconfigure(errors="backslashreplace")  # for terminals that do not speak UTF-8
    width = None if file.isatty() else WIDTH_OF_FILES
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)


class Timeline:
    """Prints a header and, as they come, utterances: time, words, emotions, what was missing.

    Whose an utterance is stands before its words from the one on in which a second person is met.
    """

    def __init__(self, opened: StreamOpened, console: Console) -> None:
        """Print the header.

        Args:
            opened: what is annotated.
            console: see `open_console`.
        """
        self._opened = opened
        self._console = console
        self._count = 0
        self._names = Names()
        self._alone: str | None = None
        """Who was there before anybody else was."""
        # Where the last utterance ends, and with it the widest of times, is known by the duration.
        last = clock(opened.media.duration, opened.media.duration >= 3600)
        width = 2 * len(last) + 3 if opened.media.duration else 4
        self._narrow = console.width < _NARROW
        self._indent = 2 if self._narrow else width + 3
        header = [
            Text(printable(opened.media.path) or "data in memory", "bold"),
            Text(_facts(opened), "dim"),
        ]
        if opened.missing:
            header.append(Text("missing throughout: " + _reasons(opened.missing), "dim"))
        for line in header:
            self._print(_wrapped(line, console, console.width))

    def add(self, prediction: Prediction) -> None:
        """Print an utterance."""
        self._count += 1
        self._names.meet(prediction)
        if self._names.several and self._alone is not None:
            first = f"so far {printable(self._names.of_person(self._alone))}; now others, too"
            self._print([Text(), Text(first, "dim")])
            self._alone = None
        elif not self._names.several:
            self._alone = self._alone or prediction.person
        self._print(self._lines(prediction))

    def end(self) -> None:
        """Print that there is nothing, where there is."""
        if self._count == 0:
            self._print([Text("no utterances", "dim")])

    def _lines(self, prediction: Prediction) -> Iterator[Text]:
        yield Text()
        width = min(self._console.width - self._indent, _READABLE)
        margin = Text(_time(self._opened.media, prediction), "dim")
        if self._narrow:
            yield margin
            margin = Text()
        who = self._names.of(prediction)
        for line in _utterance(prediction, who, self._opened.missing, self._console, width):
            margin.pad_right(self._indent - len(margin))
            yield margin + line
            margin = Text()

    def _print(self, lines: Iterable[Text]) -> None:
        for line in lines:
            line.rstrip()  # where nothing fits beside a margin, the margin is left
            self._console.print(line, no_wrap=True, overflow="ignore", crop=False)


def _facts(opened: StreamOpened) -> str:
    media, model = opened.media, opened.model
    facts = [_kind(media), printable(model.name) + (", aligned" if model.aligned else "")]
    if media.duration >= 60:
        facts.insert(0, clock(media.duration, media.duration >= 3600))
    elif media.duration:
        facts.insert(0, f"{media.duration:.1f} s")
    return " · ".join(facts)


def _kind(media: SourceInfo) -> str:
    kinds = [("sound", media.has_audio), ("pictures", media.has_video)]
    return " and ".join(kind for kind, there in kinds if there) or "text"


def _reasons(missing: Mapping[Modality, Absent]) -> str:
    return "; ".join(f"{name} ({printable(str(reason))})" for name, reason in missing.items())


def _time(media: SourceInfo, prediction: Prediction) -> str:
    """The utterance's times, or its id where the source has no time: plain text and stills."""
    if not media.duration:
        return printable(prediction.id)
    with_hours = media.duration >= 3600
    return f"{clock(prediction.start, with_hours)} {TO} {clock(prediction.end, with_hours)}"


def clock(seconds: float, with_hours: bool) -> str:
    """Write a time such as 1:02.5, or 0:01:02.5 with hours."""
    minutes, tenths = divmod(round(seconds * 10), 600)
    if with_hours:
        return f"{minutes // 60}:{minutes % 60:02}:{tenths / 10:04.1f}"
    return f"{minutes}:{tenths / 10:04.1f}"


def _utterance(
    prediction: Prediction,
    who: str | None,
    common: Mapping[Modality, Absent],
    console: Console,
    width: int,
) -> Iterator[Text]:
    spoken = Text(printable(prediction.text))
    if who:
        if not spoken:
            spoken.append(WORDLESS.get(prediction.kind, ""), "dim")
        spoken = Text.assemble((printable(who) + ": ", "bold"), spoken)
    prefix = len(spoken) - len(printable(prediction.text)) if prediction.text else 0
    for line in _wrapped(spoken, console, width) if spoken else ():
        yield _isolated(line, prefix)
        prefix = 0
    for line in _emotions(prediction, console, width):
        yield from _wrapped(line, console, width)
    if prediction.scales:
        yield from _wrapped(_scales(prediction.scales), console, width)
    # Of somebody who is only seen nobody expects words or a voice.
    expected = set(MODALITIES) - ({"text", "audio"} if prediction.kind == "silence" else set())
    missing = {
        name: why
        for name, why in prediction.missing.items()
        if name in expected and name not in common
    }
    if missing:
        yield from _wrapped(Text("missing: " + _reasons(missing), "dim"), console, width)


def _isolated(line: Text, prefix: int) -> Text:
    """A line whose words, after some letters, do not decide in which direction the rest goes."""
    if not is_right_to_left(line.plain[prefix:]):
        return line
    words = line[prefix:] if prefix < len(line) else Text()
    return Text.assemble(line[:prefix], FIRST_STRONG_ISOLATE, words, POP_ISOLATE)


def _emotions(prediction: Prediction, console: Console, width: int) -> Iterator[Text]:
    if prediction.abstained and prediction.missing.keys() >= set(MODALITIES):
        # Its probabilities are base rates and say nothing of this utterance.
        yield Text("abstained: nothing to go by", "yellow")
        return
    undecided = [score for score in prediction.emotions if score.decision == "abstain"]
    shown = [*prediction.present, *sorted(undecided, key=lambda score: -score.probability)]
    if shown and not prediction.abstained:
        colours = share_out([score.label for score in prediction.emotions], COLOURS)
        yield from _rows(shown, colours, console, width)
        return
    why = "abstained: too unsure to decide" if prediction.abstained else "no emotion present"
    line = Text(why, "yellow" if prediction.abstained else "dim")
    if prediction.emotions:
        best = max(prediction.emotions, key=lambda score: score.probability)
        most = f"; most probable is {printable(best.label)}, {percent(best.probability)}"
        line.append(most, "dim")
        line.append(flag(best.uncertainty), "yellow")
    yield line


def _scales(scales: Mapping[str, ScaleValue]) -> Text:
    """Places on scales, each with its interval, in a line."""
    line = Text()
    for name, place in scales.items():
        line.append("  " if line else "")
        line.append(f"{printable(name)} ", "bold")
        line.append(f"{place.value:+.2f}")
        if place.low is not None:
            line.append(f" ({place.low:+.2f} to {place.high:+.2f})", "dim")
    return line


def _rows(
    scores: Sequence[EmotionScore], colours: Mapping[str, str], console: Console, width: int
) -> Iterator[Text]:
    labels = [printable(score.label) for score in scores]
    label_width = max(map(cell_len, labels))
    tails = [_tail(score) for score in scores]
    free = width - label_width - 2 - max(map(cell_len, (tail.plain for tail in tails)))
    least, most = _BAR_WIDTHS
    bar_width = min(free, most) if free >= least else 0
    for label, score, tail in zip(labels, scores, tails, strict=True):
        colour = colours[score.label]
        line = Text(label + " " * (label_width - cell_len(label) + 2), f"bold {colour}")
        yield line + _bar(score.probability, bar_width, colour, console) + tail


def _bar(probability: float, width: int, colour: str, console: Console) -> Text:
    full, empty = "━─" if console.encoding.startswith("utf") else "=-"
    filled = round(probability * width)
    return Text.assemble((full * filled, colour), (empty * (width - filled), "dim"))


def _tail(score: EmotionScore) -> Text:
    undecided = "  undecided" if score.decision == "abstain" else ""
    return Text.assemble(
        (f" {percent(score.probability):>5}", "bold"),
        (f"  confidence {percent(score.confidence):>5}", "dim"),
        (undecided + flag(score.uncertainty), "yellow"),
    )


def flag(uncertainty: Uncertainty) -> str:
    """Say which uncertainty of a score is high; empty where none is."""
    sources = [
        ("data", uncertainty.aleatoric >= HIGH_ALEATORIC),
        ("model", uncertainty.epistemic >= HIGH_EPISTEMIC),
    ]
    found = ", ".join(name for name, high in sources if high)
    return f"  uncertain: {found}" if found else ""


def _wrapped(text: Text, console: Console, width: int) -> Iterator[Text]:
    for line in text.wrap(console, max(width, 1)):
        line.rstrip()
        yield line
