"""The annotation of one input, and its JSON: a contract that others build on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.files import write_whole
from lddu_pipe.types import (
    MODALITIES,
    EmotionScore,
    Prediction,
    TimeSpan,
    Uncertainty,
    Utterance,
)

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = "1.0"
SCHEMA_VERSION_WITH_LABEL_SETS = "1.1"
"""1.1 adds ``label_set`` to utterances, and is written only where the model makes such sets."""

COLUMNS = (
    *("utterance", "start", "end", "speaker", "text"),
    *(f"has_{name}" for name in MODALITIES),
    *("label", "probability", "decision", "confidence", "aleatoric", "epistemic"),
)
"""Of an annotation as a table, in order; times are seconds."""


@dataclass(frozen=True)
class SourceInfo:
    """What was annotated."""

    path: str
    """As given by the caller; empty for data passed in memory."""
    sha256: str
    """Of the file's bytes; empty for data passed in memory."""
    duration: float
    """Seconds; 0 for text and stills."""
    has_audio: bool
    has_video: bool


@dataclass(frozen=True)
class ModelInfo:
    """Which model spoke."""

    name: str
    version: str
    labels: tuple[str, ...]
    aligned: bool


@dataclass(frozen=True)
class Provenance:
    """What is needed to get the same annotation again."""

    created: str
    """ISO 8601, UTC."""
    versions: Mapping[str, str]
    weights: Mapping[str, str]
    """sha256 by the name of the weights."""
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Annotation:
    """Everything the pipeline says of one input."""

    media: SourceInfo
    model: ModelInfo
    utterances: Sequence[Prediction]
    provenance: Provenance

    def to_dict(self) -> dict[str, Any]:
        """The annotation as plain values, in the layout of the JSON contract."""
        sets = any(prediction.label_set is not None for prediction in self.utterances)
        return {
            "schema_version": SCHEMA_VERSION_WITH_LABEL_SETS if sets else SCHEMA_VERSION,
            "media": asdict(self.media),
            "model": {**asdict(self.model), "labels": list(self.model.labels)},
            "utterances": [_utterance(prediction) for prediction in self.utterances],
            "provenance": asdict(self.provenance),
        }

    def to_json(self) -> str:
        """`to_dict` as indented JSON text; never NaN or Infinity.

        Raises:
            ValueError: a number is not finite, which would be a defect of the model.
        """
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def of_path(self, path: str) -> Annotation:
        """The same annotation, with its media called by another path."""
        return replace(self, media=replace(self.media, path=path))

    def save(self, path: str | Path) -> Path:
        """Write the JSON; the file appears whole or not at all.

        Raises:
            OSError: the folder does not exist or cannot be written.
        """
        target = Path(path)
        write_whole(target, self.to_json())
        return target

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Annotation:
        """The annotation that `to_dict` made `values` from; its words' own times are not in it.

        Raises:
            UnusableInputError: `values` are not laid out as the JSON contract says.
        """
        known = (SCHEMA_VERSION, SCHEMA_VERSION_WITH_LABEL_SETS)
        version = values.get("schema_version")
        if version not in known:
            raise UnusableInputError(
                f"not an annotation of schema {' or '.join(known)}"
                + ("" if version is None else f", but of {version!r}")
            )
        try:
            return cls(
                media=SourceInfo(**values["media"]),
                model=ModelInfo(**{**values["model"], "labels": tuple(values["model"]["labels"])}),
                utterances=[_prediction(item) for item in values["utterances"]],
                provenance=Provenance(**values["provenance"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            # The parts check themselves; whatever they miss or refuse, the layout is not ours.
            cause = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise UnusableInputError(f"a damaged annotation: {cause}") from None

    @classmethod
    def load(cls, path: str | Path) -> Annotation:
        """Read the JSON that `save` wrote.

        Raises:
            UnusableInputError: the file is missing or not an annotation.
        """
        try:
            return cls.from_json(Path(path).read_bytes(), str(path))
        except OSError as error:
            raise UnusableInputError(f"{path}: {error.strerror or error}") from None

    @classmethod
    def from_json(cls, content: str | bytes, name: str) -> Annotation:
        """Read the text that `to_json` gave.

        Args:
            content: the text, or its bytes.
            name: of what it comes from, for messages.

        Raises:
            UnusableInputError: it is not JSON or not an annotation.
        """
        try:
            values = json.loads(content)
            # Python reads more than JSON has: NaN, Infinity, and 1e999 for it.
            json.dumps(values, allow_nan=False)
        except (ValueError, RecursionError):  # errors of decoding and of JSON are ValueErrors
            raise UnusableInputError(f"{name} is not JSON; give what annotate wrote") from None
        try:
            return cls.from_dict(values if isinstance(values, dict) else {})
        except UnusableInputError as error:
            raise UnusableInputError(f"{name} is {error}") from None

    def to_rows(self) -> list[dict[str, Any]]:
        """One row an utterance and label, sorted by time, with the values of `COLUMNS`."""
        return [
            {
                "utterance": prediction.id,
                "start": prediction.start,
                "end": prediction.end,
                "speaker": prediction.speaker,
                "text": prediction.text,
                **{f"has_{name}": name not in prediction.missing for name in MODALITIES},
                **_emotion(score, flat=True),
            }
            for prediction in self.utterances
            for score in prediction.emotions
        ]

    def to_dataframe(self) -> pd.DataFrame:
        """`to_rows` as a pandas table whose columns are `COLUMNS`, also without a row."""
        import pandas as pd  # a slow import that only this method needs

        return pd.DataFrame(self.to_rows(), columns=list(COLUMNS))


def _utterance(prediction: Prediction) -> dict[str, Any]:
    return {
        "id": prediction.id,
        "start": round(prediction.start, 3),
        "end": round(prediction.end, 3),
        "text": prediction.text,
        "speaker": prediction.speaker,
        "modalities": {
            name: {"present": False, "reason": prediction.missing[name]}
            if name in prediction.missing
            else {"present": True}
            for name in MODALITIES
        },
        "emotions": [_emotion(score) for score in prediction.emotions],
        "abstained": prediction.abstained,
        **({} if prediction.label_set is None else {"label_set": list(prediction.label_set)}),
    }


def _emotion(score: EmotionScore, flat: bool = False) -> dict[str, Any]:
    uncertainty = {
        "aleatoric": round(score.uncertainty.aleatoric, 4),
        "epistemic": round(score.uncertainty.epistemic, 4),
    }
    return {
        "label": score.label,
        "probability": round(score.probability, 4),
        "decision": score.decision,
        "confidence": round(score.confidence, 4),
        **(uncertainty if flat else {"uncertainty": uncertainty}),
    }


def _prediction(values: Mapping[str, Any]) -> Prediction:
    """The opposite of `_utterance`."""
    sets = values.get("label_set")
    return Prediction(
        Utterance(
            str(values["id"]),
            TimeSpan(float(values["start"]), float(values["end"])),
            str(values["text"]),
            speaker=values["speaker"],
        ),
        tuple(
            EmotionScore(**{**score, "uncertainty": Uncertainty(**score["uncertainty"])})
            for score in values["emotions"]
        ),
        {
            name: str(values["modalities"][name]["reason"])
            for name in MODALITIES
            if not values["modalities"][name]["present"]
        },
        bool(values["abstained"]),
        None if sets is None else tuple(sets),
    )
