"""What stands on a frame in words: who a face is and what it shows, and captions.

The letters are those of matplotlib's DejaVu Sans, as in the format png: the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, groupby, pairwise
from pathlib import Path
from typing import NamedTuple

import matplotlib
from PIL import Image, ImageColor, ImageDraw, ImageFont

from lddu_pipe.annotation import Annotation
from lddu_pipe.predictions import EmotionScore, Prediction
from lddu_pipe.transcripts.cues import join_texts, split_words
from lddu_pipe.types import MODALITIES
from lddu_pipe.writers.colours import PEOPLE, share_out
from lddu_pipe.writers.escaping import is_right_to_left, printable, shortened
from lddu_pipe.writers.overlay.scene import Caption, ShownFace
from lddu_pipe.writers.overlay.sprites import Colour
from lddu_pipe.writers.people import Names
from lddu_pipe.writers.terminal import HIGH_ALEATORIC, HIGH_EPISTEMIC
from lddu_pipe.writers.wording import UNDECIDED, absence, percent, summary

EMOTIONS: Sequence[Colour] = (
    *((242, 176, 30), (88, 166, 232), (240, 105, 60), (226, 140, 194), (64, 196, 154)),
    *((150, 206, 244), (176, 176, 176)),
)
"""As those of the format png, lighter: they lie on dark ground."""
_PEOPLE = [ImageColor.getrgb(colour)[:3] for colour in PEOPLE]
_GROUND = (16, 16, 16, 184)
_WHITE, _DIM, _DOUBT, _TRACK = (255, 255, 255), (196, 196, 196), (255, 190, 60), (84, 84, 84)
_LEAST_LETTERS = 12
"""Pixels of the smallest letters that are legible."""
_LETTERS = 0.026
"""Size of letters as a share of the picture's shorter side."""
_ROWS, _MOST_ROWS = 3, 5
"""Emotions beside a face: so many of the most probable ones, and more where more are present."""
_LONGEST_NAME, _LONGEST_LABEL = 24, 14  # characters
_LINES = 2
"""Of words in a caption at once, at most."""


class _Word(NamedTuple):
    text: str
    colour: Colour
    bold: bool = False


class Panels:
    """Draws panels and captions for frames of one size."""

    def __init__(self, annotation: Annotation, width: int, height: int) -> None:
        """Load the letters.

        Args:
            annotation: whose people and labels are shown.
            width: pixels of the frames.
            height: pixels of the frames.
        """
        self._width = width
        self.unit = max(_LEAST_LETTERS, round(_LETTERS * min(width, height)))
        """Pixels of the letters' size."""
        folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        self._fonts = {
            bold: ImageFont.truetype(folder / name, self.unit)
            for bold, name in ((False, "DejaVuSans.ttf"), (True, "DejaVuSans-Bold.ttf"))
        }
        self._names = Names.in_annotation(annotation)
        self._labels = share_out(annotation.model.labels, EMOTIONS)
        people = annotation.people if self._names.several else ()
        self._people = {person.id: _PEOPLE[at % len(_PEOPLE)] for at, person in enumerate(people)}
        self._pages: dict[tuple[str, bool], list[list[list[_Word]]]] = {}

    def colour_of(self, person: str | None) -> Colour:
        """The colour of a person's box and name; white where there are not several people."""
        return self._people.get(person or "", _WHITE)

    def of_face(self, shown: ShownFace) -> Image.Image:
        """Who it is, and what of emotions is seen and heard, as bars; RGBA."""
        prediction, person = shown.prediction, shown.face.person
        name = shortened(self._names.of_person(person), _LONGEST_NAME)
        head = [_Word(name, self.colour_of(person), bold=True)]
        if shown.face.still:
            head.append(_Word("· does not move", _DIM))
        lines, rows = [head], []
        if prediction is not None:
            rows = _told(prediction)
            nothing = not rows or not prediction.present
            if nothing:
                told = absence(prediction) if rows else "nothing to go by"
                head.append(_Word(f"· {told}", _DOUBT if told == UNDECIDED else _DIM))
            doubt = _doubt(prediction) if rows else ""
            if doubt:
                lines.append([_Word(f"unsure: {doubt}", _DOUBT)])
        return self._panel(lines, rows, self.colour_of(person))

    def page_of(self, caption: Caption, time: float) -> int:
        """Which of the pages of a caption is to be seen: words that are said one after another."""
        pages = self._pages_of(caption)
        lengths = [sum(len(word.text) for line in page for word in line) for page in pages]
        prediction = caption.prediction
        share = (time - prediction.start) / max(prediction.end - prediction.start, 1e-3)
        ends = accumulate(lengths)
        return next((at for at, end in enumerate(ends) if share * sum(lengths) < end), -1)

    def of_caption(self, caption: Caption, page: int) -> Image.Image:
        """Who says what and, of whom no face is in the picture, with which emotions; RGBA."""
        lines = [*self._pages_of(caption)[page]]
        if not caption.seen:
            told = [_Word(summary(caption.prediction), _DIM)]
            doubt = _doubt(caption.prediction)
            if doubt:
                told.append(_Word(f"unsure: {doubt}", _DOUBT))
            lines += self._broken(told)
        return self._panel(lines, [], None)

    def _pages_of(self, caption: Caption) -> list[list[list[_Word]]]:
        """What a caption says in words, in pages of lines; at least one page."""
        key = (caption.prediction.id, caption.seen)
        if key not in self._pages:
            who, words = self._words_of(caption)
            pages: list[list[list[_Word]]] = []
            while words or not pages:
                lines = self._broken([*who, *words])[:_LINES]
                pages.append(lines)
                words = words[max(1, sum(map(len, lines)) - len(who)) :]
            self._pages[key] = pages
        return self._pages[key]

    def _words_of(self, caption: Caption) -> tuple[list[_Word], list[_Word]]:
        """Who it is, and what is said."""
        prediction = caption.prediction
        who = self._names.of(prediction)
        away = prediction.person is not None and not caption.seen
        words = [_Word(word, _WHITE) for word in split_words(printable(prediction.text))]
        if not words and prediction.kind == "sound":
            words = [_Word("a voice without words", _DIM)]
        if not (who or away):
            return [], words
        name = shortened(who or "voice", _LONGEST_NAME)
        whole = name + (" (off screen)" if away else "") + (":" if words else "")
        colour = self.colour_of(prediction.person)
        return [_Word(part, colour, bold=True) for part in whole.split()], words

    def _panel(
        self, lines: Sequence[Sequence[_Word]], rows: Sequence[EmotionScore], edge: Colour | None
    ) -> Image.Image:
        """Draw the first line of words, rows of emotions, and the other lines below them."""
        unit = self.unit
        padding, line_height, bar = unit // 2, round(1.32 * unit), round(4.5 * unit)
        left = padding + (max(2, unit // 6) if edge else 0)
        names = [shortened(score.label, _LONGEST_LABEL) for score in rows]
        label_width = max((self._length(name, bold=True) for name in names), default=0)
        number_width = self._length(">99 %", bold=True) if rows else 0
        width = label_width + number_width + bar + unit if rows else 0
        width = max([width, *(self._length_of(line) for line in lines)]) + left + padding
        height = line_height * (len(lines) + len(rows)) + padding
        image = Image.new("RGBA", (width, height), (0, 0, 0, 0))
        drawing = ImageDraw.Draw(image)
        drawing.rounded_rectangle((0, 0, width - 1, height - 1), unit // 4, fill=_GROUND)
        if edge:
            drawing.rectangle((0, 0, max(2, unit // 6) - 1, height - 1), fill=(*edge, 255))
        y = padding // 2 + line_height // 2
        for number, line in enumerate(lines):
            self._write(drawing, left, y, line)
            y += line_height
            if number == 0:
                for name, score in zip(names, rows, strict=True):
                    self._row(drawing, left, y, score, name, label_width + unit // 2, bar)
                    y += line_height
        return image

    def _row(
        self,
        drawing: ImageDraw.ImageDraw,
        left: int,
        middle: int,
        score: EmotionScore,
        name: str,
        indent: int,
        bar: int,
    ) -> None:
        """Draw a label, its probability as a bar, and in figures; strong where it is present."""
        present, colour = score.decision == "present", self._labels[score.label]
        ink = _WHITE if present else _DIM
        self._write(drawing, left, middle, [_Word(name, ink, bold=present)])
        x, half = left + indent, max(2, round(0.3 * self.unit))
        drawing.rectangle((x, middle - half, x + bar, middle + half), fill=(*_TRACK, 255))
        end = x + max(1, round(bar * score.probability))
        if score.decision == "abstain":
            thick = max(1, self.unit // 10)
            drawing.rectangle(
                (x, middle - half, end, middle + half), outline=(*colour, 255), width=thick
            )
        else:
            fill = colour if present else tuple((part + 2 * 84) // 3 for part in colour)
            drawing.rectangle((x, middle - half, end, middle + half), fill=(*fill, 255))
        figure = [_Word(percent(score.probability), ink, bold=present)]
        self._write(drawing, x + bar + self.unit // 2, middle, figure)

    def _write(
        self, drawing: ImageDraw.ImageDraw, left: int, middle: int, words: Iterable[_Word]
    ) -> None:
        line = _in_order(words)
        for word, text in zip(line, _spaced(line), strict=True):
            font = self._fonts[word.bold]
            drawing.text((left, middle), word.text, (*word.colour, 255), font, anchor="lm")
            left += self._length(text, bold=word.bold)

    def _broken(self, words: Sequence[_Word]) -> list[list[_Word]]:
        """Break words into lines that fit into the picture."""
        room = round(0.92 * self._width) - 2 * self.unit
        lines: list[list[_Word]] = [[]]
        for word in words:
            if lines[-1] and self._length_of([*lines[-1], word]) > room:
                lines.append([])
            lines[-1].append(self._cut(word, room))
        return [line for line in lines if line]

    def _cut(self, word: _Word, room: int) -> _Word:
        kept = len(word.text)
        while kept > 1 and self._length(word.text, bold=word.bold) > room:
            kept = kept * 3 // 4
            word = word._replace(text=f"{word.text[:kept].rstrip('…')}…")
        return word

    def _length_of(self, line: Sequence[_Word]) -> int:
        pairs = zip(_spaced(line), line, strict=True)
        return sum(self._length(text, bold=word.bold) for text, word in pairs)

    def _length(self, text: str, *, bold: bool) -> int:
        return round(self._fonts[bold].getlength(text))


def _spaced(line: Sequence[_Word]) -> list[str]:
    """Words with the space that follows each: none between those of Chinese or Japanese."""
    if not line:
        return []
    gaps = [join_texts([first.text, second.text]) for first, second in pairwise(line)]
    return [
        *(gap.removesuffix(second.text) for gap, second in zip(gaps, line[1:], strict=True)),
        line[-1].text,
    ]


def _in_order(line: Iterable[_Word]) -> list[_Word]:
    """Words from left to right: those of Arabic or Hebrew, one after the other, are turned round.

    The letters of each are put in order as it is drawn.
    """
    ordered: list[_Word] = []
    for backwards, run in groupby(line, key=lambda word: is_right_to_left(word.text)):
        words = list(run)
        ordered += reversed(words) if backwards else words
    return ordered


def _told(prediction: Prediction) -> list[EmotionScore]:
    """The emotions that are shown: the present ones, then the most probable.

    None where the figures say nothing of the utterance.
    """
    if prediction.abstained and prediction.missing.keys() >= set(MODALITIES):
        return []
    present = prediction.present
    others = [score for score in prediction.emotions if score not in present]
    others.sort(key=lambda score: -score.probability)
    return [*present, *others][: min(max(_ROWS, len(present)), _MOST_ROWS)]


def _doubt(prediction: Prediction) -> str:
    """Where the doubt lies that the terminal flags, too: of what is present, or undecided."""
    telling = [score for score in prediction.emotions if score.decision != "absent"]
    telling = telling or _told(prediction)[:1]
    sources = [
        ("data", any(score.uncertainty.aleatoric >= HIGH_ALEATORIC for score in telling)),
        ("model", any(score.uncertainty.epistemic >= HIGH_EPISTEMIC for score in telling)),
    ]
    return ", ".join(name for name, high in sources if high)
