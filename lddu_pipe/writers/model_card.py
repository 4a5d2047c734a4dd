"""The card of a model: what it is, what it was trained on, how right it is, how to use it.

A card is Markdown with a head of YAML, as the Hugging Face hub shows it. Nothing in it is made up:
it says so where something is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lddu_pipe.writers.escaping import printable
from lddu_pipe.writers.tables import shown_figure
from lddu_pipe.writers.training import BY_FOLDS

PLACEHOLDER = "USER/MODEL"
"""Stands for the name on the hub while there is none."""
_TAGS = ("lddu", "emotion-recognition", "multi-label", "multimodal", "calibration", "uncertainty")
_LINK_TO_A_FILE = re.compile(r"\[([^\]]+)\]\((?!\w+:|#)[^)]*\)")
"""Files beside a card are not uploaded with it."""
_OVERALL = {
    "micro_f1": "micro-F1",
    "macro_f1": "macro-F1",
    "jaccard_accuracy": "accuracy (Jaccard)",
    "ece": "ECE",
    "brier": "Brier",
    "aurc": "AURC",
    "abstained": "abstained",
}
_BY_LABEL = {
    "support": "rows with it",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "average_precision": "AP",
    "ece": "ECE",
    "threshold": "threshold",
}


@dataclass(frozen=True)
class Training:
    """What is known of how a model was trained."""

    data: str
    """Name of the data set."""
    rows: Mapping[str, int]
    """By split; empty where they are not known."""
    epochs: int
    """At most: it may have stopped early."""
    seed: int
    synthetic: bool = False
    cross_fitted: bool = False


@dataclass(frozen=True)
class Figures:
    """An evaluation of a model."""

    place: tuple[str, ...]
    """The keys under which it stands in its file."""
    values: Mapping[str, Any]
    """Those of `metrics.summarise`, with what the evaluation adds."""

    @property
    def title(self) -> str:
        """Which data it is of."""
        if "data" in self.values:
            folds = self.values["split"] == BY_FOLDS
            split = "cross-fitted" if folds else f"{self.values['split']} split"
            return f"{self.values['data']}, {split}"
        return ", ".join(self.place) or "labelled rows"

    @property
    def modalities(self) -> Mapping[str, int]:
        """Rows by what they had, such as "text+audio"; empty where it is not told."""
        found = self.values.get("modalities")
        return found if isinstance(found, Mapping) else {}

    @property
    def intervals(self) -> Mapping[str, Any]:
        """Low and high end by figure, those of labels under ``per_label``; empty without any."""
        found = self.values.get("intervals")
        return found if isinstance(found, Mapping) else {}

    @property
    def rows(self) -> str:
        """How many, and what they had."""
        kinds = ", ".join(f"{name} {count}" for name, count in self.modalities.items())
        return f"{self.values['n']}" + (f": {kinds}" if kinds else "")

    @property
    def protocol(self) -> str:
        """How its decisions were made."""
        return str(self.values.get("protocol", "not stated"))


@dataclass(frozen=True)
class CardFacts:
    """All that a card says of a model."""

    name: str
    version: str
    labels: Sequence[str]
    feature_sizes: Mapping[str, int]
    """Features a step, by modality."""
    alignment: str
    parameters: int
    annotates: bool
    """Whether it was trained on features of this package's extractors, so that it takes media."""
    encoders: Mapping[str, str] = field(default_factory=dict)
    """By modality, what others than the default ones are called."""
    better_than_base_rates: bool | None = None
    """On rows that training had not learned from; None where nobody looked."""
    knows_small_faces: bool = False
    """Whether its calibration tells what they are worth."""
    training: Training | None = None
    figures: Sequence[Figures] = field(default_factory=tuple)
    languages: Sequence[str] = field(default_factory=tuple)
    licence: str | None = None
    """As the hub writes it, such as cc-by-4.0."""
    written: str | None = None
    """A card that people wrote of this model; it stands for all but the head and the use."""


def find_figures(content: object, place: tuple[str, ...] = ()) -> Iterator[Figures]:
    """Evaluations in what a JSON file holds, however deep: by split, by protocol, by data set."""
    if not isinstance(content, Mapping):
        return
    if {"n", "micro_f1", "per_label"} <= content.keys():
        yield Figures(place, content)
        return
    for key, value in content.items():
        yield from find_figures(value, (*place, str(key)))


def render_card(facts: CardFacts, repo_id: str = PLACEHOLDER) -> str:
    """Return a card as text; `repo_id` is what the model is called on the hub."""
    parts = [_head(facts)]
    if facts.written is not None:
        parts += [_LINK_TO_A_FILE.sub(r"\1", facts.written.strip())]
    else:
        parts += [_what(facts), _training(facts.training), *_figures(facts.figures)]
    parts += [_use(facts, repo_id)]
    if facts.written is None:
        parts += [_limits(facts)]
    return "\n\n".join(parts) + "\n"


def _head(facts: CardFacts) -> str:
    from huggingface_hub import ModelCardData

    licence = None if facts.licence is None else re.sub(r"\s+", "-", facts.licence.strip().lower())
    data = ModelCardData(
        language=list(facts.languages) or None,
        license=licence,
        library_name="lddu-pipe",
        tags=[*_TAGS, *facts.feature_sizes],
        labels=list(facts.labels),
    )
    return f"---\n{data.to_yaml()}\n---"


def _what(facts: CardFacts) -> str:
    labels = ", ".join(map(_cell, facts.labels))
    count = len(facts.labels)
    sizes = ", ".join(
        f"{name} ({size} features a step)" for name, size in facts.feature_sizes.items()
    )
    encoders = "".join(
        f"| {name} encoder | {_cell(source)} |\n" for name, source in facts.encoders.items()
    )
    one = count == 1
    return f"""# {_cell(facts.name)} {_cell(facts.version)}

A model of apparent emotion: what one utterance says, sounds and looks like goes in; whether {
        "its label is" if one else f"each of its {count} labels is"
    } present comes out, with a calibrated probability and two kinds of uncertainty. {
        "It may be absent" if one else "Any number may be present, also none"
    }. It is an LDDU model (Latent Distribution Decoupling, arXiv 2502.13954), made with lddu-pipe.

| | |
|---|---|
| {"label" if one else "labels"} | {labels} |
| reads | {sizes} |
{encoders}| sequences | {_alignment(facts.alignment)} |
| parameters | {facts.parameters:,} |
| licence | {_cell(facts.licence or "not stated: ask before you use it")} |"""


def _alignment(alignment: str) -> str:
    kinds = {"aligned": "one step a word", "unaligned": "each modality at its own rate"}
    return kinds.get(alignment, " or ".join(kinds.values()))


def _training(training: Training | None) -> str:
    lines = ["## What it was trained on", ""]
    if training is None:
        return "\n".join([*lines, "Not recorded beside the model."])
    rows = ", ".join(f"{name} {count:,}" for name, count in training.rows.items())
    data = f"The data set {_cell(training.data)}" + (f" (rows: {rows})" if rows else "")
    if training.cross_fitted:
        lines += [
            f"{data}, train and valid together; {training.epochs} epochs, seed {training.seed}. "
            "Calibration and thresholds were fitted on the scores of models that had each learned "
            "from a part of the rows and judged the others."
        ]
    else:
        lines += [
            f"{data}; at most {training.epochs} epochs, seed {training.seed}. Epoch, calibration "
            "and thresholds were chosen on its valid split.",
        ]
    if training.synthetic:
        lines += ["", "**The data are synthetic: the model knows nothing of emotion.**"]
    return "\n".join(lines)


def _figures(figures: Sequence[Figures]) -> Iterator[str]:
    if not figures:
        yield "## Figures\n\nNone are recorded beside the model."
        return
    lines = ["## Figures", "", _row("data", "protocol", "rows", *_OVERALL.values())]
    lines += [_rule(len(_OVERALL) + 3)]
    for item in figures:
        shown = [_figure(item.values, item.intervals, key) for key in _OVERALL]
        lines.append(_row(item.title, item.protocol, item.rows, *shown))
    notes = [
        "Protocol `validation-selected`: calibration and thresholds come from the valid split or "
        "from other rows; `paper`: the published run's fixed threshold on the model's own "
        "probabilities. ECE: fifteen bins of equal mass, mean over labels. AURC: area under the "
        "curve of risk over coverage, of all decisions."
    ]
    drawn = [item.values.get("resampling") for item in figures if item.intervals]
    if drawn:
        of = drawn[-1].get("units", "rows") if isinstance(drawn[-1], Mapping) else "rows"
        notes.append(f"In brackets: 95 % intervals, of how far figures move with other {of}.")
    if any(item.values.get("synthetic") for item in figures):
        notes.append("**On synthetic data figures say nothing about emotion.**")
    yield "\n".join([*lines, "", *notes])
    chosen = [item for item in figures if item.protocol != "paper"] or list(figures)
    last = chosen[-1]
    table = [_row("label", *_BY_LABEL.values()), _rule(len(_BY_LABEL) + 1)]
    for label, values in last.values["per_label"].items():
        intervals = last.intervals.get("per_label", {}).get(label, {})
        table.append(_row(label, *(_figure(values, intervals, key) for key in _BY_LABEL)))
    yield "\n".join([f"By label, {_cell(last.title)}:", "", *table])


def _figure(values: Mapping[str, Any], intervals: Mapping[str, Any], key: str) -> str:
    """A figure, and its interval where there is one."""
    pair = intervals.get(key)
    ends = f" ({shown_figure(pair[0])} to {shown_figure(pair[1])})" if pair else ""
    return shown_figure(values.get(key)) + ends


def _use(facts: CardFacts, repo_id: str) -> str:
    lines = ["## How to use it", ""]
    if facts.annotates:
        lines += [
            "```console",
            f"$ lddu-pipe annotate talk.mp4 --model {repo_id}",
            "```",
            "",
            "```python",
            "from lddu_pipe import EmotionPipeline",
            "",
            f'pipe = EmotionPipeline.from_pretrained("{repo_id}")',
            'for utterance in pipe("talk.mp4").utterances:',
            "    print(utterance.start, utterance.text, [s.label for s in utterance.present])",
            "```",
            "",
            "It is downloaded once and then used from the cache, also with `--offline`; "
            f"`{repo_id}@REVISION` is one revision of it.",
        ]
    else:
        lines += [
            "It was trained on features of other extractors than lddu-pipe's own, so it takes "
            "feature stores, not media.",
            "",
            "```console",
            f"$ lddu-pipe evaluate --data STORE --model {repo_id}",
            "```",
            "",
            "```python",
            "from lddu_pipe.pipelines.checkpoint import load_checkpoint",
            "",
            f'checkpoint = load_checkpoint("{repo_id}")',
            "```",
        ]
    return "\n".join(lines)


def _limits(facts: CardFacts) -> str:
    points = [
        "**Apparent expression is not inner state.** The model says what people would be likely "
        "to read into words, voice and face, and it is often wrong. Do not use it to judge a "
        "person: not for hiring, grading, policing, insurance, diagnosis or credit. In the "
        "European Union, inferring emotions at work and in schools is forbidden by law (AI Act, "
        "article 5). Ask the people you record.",
        "It knows its own labels alone, and takes every utterance for one like those it was "
        "trained on. On other recordings, people or languages it is worse than its figures, and "
        "its probabilities are off until `lddu-pipe calibrate` has seen labelled rows of them.",
    ]
    if facts.better_than_base_rates is False:
        points.insert(
            0,
            "**It was no better than always answering how frequent each label is**, on rows that "
            "training had not learned from: what it says of an input means little.",
        )
    if facts.annotates and "vision" in facts.feature_sizes:
        points.append(
            "What faces of few pixels are worth was measured when it was calibrated: it is less "
            "sure of them, and abstains more often."
            if facts.knows_small_faces
            else "A face of few pixels is judged as if it were large: what is said of a small one "
            "is surer than it is right."
        )
    had = {name for item in facts.figures for rows in item.modalities for name in rows.split("+")}
    unseen = [name for name in facts.feature_sizes if name not in had] if had else []
    if unseen:
        points.append(
            f"No row of its figures had {' or '.join(unseen)}: how right it is there is not known."
        )
    if facts.annotates and "en" in facts.languages:
        points.append("Words are recognised and read by English models.")
    elif facts.annotates:
        points.append(
            "Speech is recognised in English alone: give transcripts of other languages."
        )
    if not facts.figures:
        points.append("How right it is has not been measured, or not been told.")
    return "\n".join(["## Limits", "", *(f"- {point}" for point in points)])


def _row(*cells: str) -> str:
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _rule(columns: int) -> str:
    return "|---" * columns + "|"


def _cell(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\|`*_<>\[\]])", r"\\\1", printable(text))
