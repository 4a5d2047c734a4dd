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
    Absent,
    EmotionScore,
    Prediction,
    ScaleValue,
    TimeSpan,
    Uncertainty,
    Utterance,
)

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = "1.0"
SCHEMA_VERSION_WITH_LABEL_SETS = "1.1"
"""1.1 adds ``label_set`` to utterances, and is written only where the model makes such sets."""
SCHEMA_VERSION_WITH_SCALES = "1.2"
"""1.2 adds ``scales`` to model and utterances, and is written only where the model has scales."""

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
    scales: tuple[str, ...] = ()
    """Names of the continuous scales that it gives values of."""


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
        model = {**asdict(self.model), "labels": list(self.model.labels)}
        scales = list(model.pop("scales"))
        return {
            "schema_version": self.schema_version,
            "media": asdict(self.media),
            "model": {**model, **({"scales": scales} if scales else {})},
            "utterances": [_utterance(prediction) for prediction in self.utterances],
            "provenance": asdict(self.provenance),
        }

    @property
    def schema_version(self) -> str:
        """The earliest version of the JSON contract that has all that is said here."""
        if self.model.scales:
            return SCHEMA_VERSION_WITH_SCALES
        sets = any(prediction.label_set is not None for prediction in self.utterances)
        return SCHEMA_VERSION_WITH_LABEL_SETS if sets else SCHEMA_VERSION

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the annotation as a table: `COLUMNS`, and for each scale its value and interval."""
        return (*COLUMNS, *(name for scale in self.model.scales for name in _columns(scale)))

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
        known = (SCHEMA_VERSION, SCHEMA_VERSION_WITH_LABEL_SETS, SCHEMA_VERSION_WITH_SCALES)
        version = values.get("schema_version")
        if version not in known:
            raise UnusableInputError(
                f"not an annotation of schema {', '.join(known[:-1])} or {known[-1]}"
                + ("" if version is None else f", but of {version!r}")
            )
        try:
            return cls(
                media=SourceInfo(**values["media"]),
                model=_model(values["model"]),
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
        """One row an utterance and label, sorted by time, with the values of `columns`.

        The place on a scale is the same in all rows of an utterance, and None where unknown.
        """
        return [
            {
                "utterance": prediction.id,
                "start": prediction.start,
                "end": prediction.end,
                "speaker": prediction.speaker,
                "text": prediction.text,
                **{f"has_{name}": name not in prediction.missing for name in MODALITIES},
                **_emotion(score, flat=True),
                **{
                    column: value
                    for name in self.model.scales
                    for column, value in zip(
                        _columns(name), _scale(prediction.scales.get(name)).values(), strict=True
                    )
                },
            }
            for prediction in self.utterances
            for score in prediction.emotions
        ]

    def to_dataframe(self) -> pd.DataFrame:
        """`to_rows` as a pandas table whose columns are `columns`, also without a row."""
        import pandas as pd  # a slow import that only this method needs

        return pd.DataFrame(self.to_rows(), columns=list(self.columns))


def _columns(scale: str) -> tuple[str, str, str]:
    """Of the place on a scale in a table; no two scales share one, whatever they are called."""
    return f"scale_{scale}", f"low_{scale}", f"high_{scale}"


def _scale(place: ScaleValue | None) -> dict[str, float | None]:
    """Value, low and high, None where unknown."""
    parts = {name: getattr(place, name, None) for name in ("value", "low", "high")}
    return {name: None if part is None else round(part, 4) for name, part in parts.items()}


def _utterance(prediction: Prediction) -> dict[str, Any]:
    scales = {name: _scale(place) for name, place in prediction.scales.items()}
    return {
        "id": prediction.id,
        "start": round(prediction.start, 3),
        "end": round(prediction.end, 3),
        "text": prediction.text,
        "speaker": prediction.speaker,
        "modalities": {
            name: {"present": False, "reason": str(prediction.missing[name])}
            if name in prediction.missing
            else {"present": True}
            for name in MODALITIES
        },
        "emotions": [_emotion(score) for score in prediction.emotions],
        "abstained": prediction.abstained,
        **({} if prediction.label_set is None else {"label_set": list(prediction.label_set)}),
        **({"scales": scales} if scales else {}),
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


def _model(values: Mapping[str, Any]) -> ModelInfo:
    names = {"labels": tuple(values["labels"]), "scales": tuple(values.get("scales", ()))}
    return ModelInfo(**{**values, **names})


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
            name: Absent.read(str(values["modalities"][name]["reason"]))
            for name in MODALITIES
            if not values["modalities"][name]["present"]
        },
        bool(values["abstained"]),
        None if sets is None else tuple(sets),
        {name: ScaleValue(**place) for name, place in values.get("scales", {}).items()},
    )
