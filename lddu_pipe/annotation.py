"""The annotation of one input, and its JSON: a contract that others build on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lddu_pipe import layout
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.evidence import Absent
from lddu_pipe.files import write_whole
from lddu_pipe.layout import Face, ModelInfo, Person, Provenance, SourceInfo, UtteranceLayout
from lddu_pipe.predictions import EmotionScore, Prediction, ScaleValue
from lddu_pipe.schemas import SCHEMA_VERSION, SchemaVersion, in_version
from lddu_pipe.types import MODALITIES, TimeSpan, Utterance

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COLUMNS",
    "Annotation",
    "Face",
    "ModelInfo",
    "Person",
    "Provenance",
    "SourceInfo",
]

COLUMNS = (
    *("utterance", "kind", "person", "person_name", "start", "end"),
    *("speaker", "language", "text"),
    *(f"has_{name}" for name in MODALITIES),
    *("label", "probability", "decision", "confidence", "aleatoric", "epistemic"),
)
"""Of an annotation as a table, in order; times are seconds."""


@dataclass(frozen=True)
class Annotation:
    """Everything the pipeline says of one input."""

    media: SourceInfo
    model: ModelInfo
    utterances: Sequence[Prediction]
    provenance: Provenance
    people: Sequence[Person] = ()
    """Who is seen or heard, as far as that was found out."""
    faces: Sequence[Face] = ()
    """Where the faces of these people are in the pictures."""

    def to_dict(self, schema: SchemaVersion = SCHEMA_VERSION) -> dict[str, Any]:
        """The annotation as plain values, in the layout of the JSON contract.

        Args:
            schema: its version; an earlier one leaves out what it has no place for.

        Raises:
            ValueError: there is no such version.
        """
        model = {**asdict(self.model), "labels": list(self.model.labels)}
        scales = list(model.pop("scales"))
        values = {
            "schema_version": SCHEMA_VERSION,
            "media": asdict(self.media),
            "model": {**model, **({"scales": scales} if scales else {})},
            "people": [_person(person) for person in self.people],
            "faces": [_face(face) for face in self.faces],
            "utterances": [utterance_values(prediction) for prediction in self.utterances],
            "provenance": asdict(self.provenance),
        }
        return in_version(values, schema)

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the annotation as a table: `COLUMNS`, and for each scale its value and interval."""
        return (*COLUMNS, *(name for scale in self.model.scales for name in _columns(scale)))

    def to_json(self, schema: SchemaVersion = SCHEMA_VERSION) -> str:
        """`to_dict` as indented JSON text; never NaN or Infinity.

        Raises:
            ValueError: a number is not finite, which would be a defect of the model, or there is
                no such version.
        """
        values = self.to_dict(schema)
        return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def of(self, person: str) -> Annotation:
        """What is said of one person alone: the utterances, the faces and the person.

        Args:
            person: the id, or the name where nobody else has it.

        Raises:
            UnusableInputError: it is nobody's, or the name of several.
        """
        ids = [one.id for one in self.people if one.id == person]
        ids = ids or [one.id for one in self.people if one.name == person]
        if len(ids) > 1:
            raise UnusableInputError(f"{person!r} is the name of {' and '.join(ids)}; give an id")
        if not ids:
            known = ", ".join(one.id for one in self.people) or "nobody"
            raise UnusableInputError(f"{person!r} is not one of the people, who are: {known}")
        return replace(
            self,
            people=[one for one in self.people if one.id in ids],
            faces=[face for face in self.faces if face.person in ids],
            utterances=[item for item in self.utterances if item.person in ids],
        )

    def of_path(self, path: str) -> Annotation:
        """The same annotation, with its media called by another path."""
        return replace(self, media=replace(self.media, path=path))

    def save(self, path: str | Path, schema: SchemaVersion = SCHEMA_VERSION) -> Path:
        """Write the JSON; the file appears whole or not at all.

        Raises:
            OSError: the folder does not exist or cannot be written.
        """
        target = Path(path)
        write_whole(target, self.to_json(schema))
        return target

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Annotation:
        """The annotation that `to_dict` made `values` from, in any version of the contract.

        The words' own times are not in it.

        Raises:
            UnusableInputError: `values` are not laid out as the JSON contract says.
        """
        found = layout.read(values)
        return cls(
            found.media,
            found.model,
            [_prediction(item) for item in found.utterances],
            found.provenance,
            found.people,
            found.faces,
        )

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
        names = {person.id: person.name for person in self.people}
        return [
            {
                "utterance": prediction.id,
                "kind": prediction.kind,
                "person": prediction.person,
                "person_name": names.get(prediction.person or ""),
                "start": prediction.start,
                "end": prediction.end,
                "speaker": prediction.speaker,
                "language": prediction.language,
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


def utterance_values(prediction: Prediction) -> dict[str, Any]:
    """One utterance as plain values, as it stands in the JSON contract."""
    scales = {name: _scale(place) for name, place in prediction.scales.items()}
    return {
        "id": prediction.id,
        "kind": prediction.kind,
        "person": prediction.person,
        "start": round(prediction.start, 3),
        "end": round(prediction.end, 3),
        "text": prediction.text,
        "language": prediction.language,
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


def _person(person: Person) -> dict[str, Any]:
    seconds = {
        "seconds_visible": round(person.seconds_visible, 3),
        "seconds_speaking": round(person.seconds_speaking, 3),
    }
    return {**asdict(person), **seconds}


def _face(face: Face) -> dict[str, Any]:
    boxes = [
        None if box is None else [round(float(edge), 4) for edge in box] for box in face.boxes
    ]
    return {**asdict(face), "start": round(face.start, 3), "boxes": boxes}


def _prediction(item: UtteranceLayout) -> Prediction:
    """The opposite of `utterance_values`."""
    said = (item.text, (), item.speaker, item.kind, item.language, item.person)
    reasons = {name: getattr(item.modalities, name).reason for name in MODALITIES}
    return Prediction(
        Utterance(item.id, TimeSpan(item.start, item.end), *said),
        tuple(item.emotions),
        {name: Absent.read(reason) for name, reason in reasons.items() if reason},
        item.abstained,
        None if item.label_set is None else tuple(item.label_set),
        item.scales,
    )
