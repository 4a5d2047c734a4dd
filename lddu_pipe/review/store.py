"""Corrections: a SQLite file to which rows are only ever added."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lddu_pipe.database import Database, moment
from lddu_pipe.predictions import Decision, Prediction
from lddu_pipe.review.identities import ConflictError, IdentityStore, newcomer
from lddu_pipe.review.matching import Anchor
from lddu_pipe.review.tables import SCHEMA


@dataclass(frozen=True)
class Snapshot:
    """What the model said of an utterance when it was corrected."""

    name: str
    version: str
    decisions: Mapping[str, Decision]
    """By label, in label order; so are the others."""
    probabilities: Mapping[str, float]
    confidences: Mapping[str, float]
    person: str | None = None
    """The id of whose it is, where the model found several people to choose from."""

    @classmethod
    def of(
        cls, name: str, version: str, prediction: Prediction, *, person: str | None = None
    ) -> Snapshot:
        """What a model of this name and version says in a prediction.

        Args:
            name: of the model.
            version: of it.
            prediction: what it says.
            person: the id of whose it is, where there are several.
        """
        scores = prediction.emotions
        return cls(
            name,
            version,
            {score.label: score.decision for score in scores},
            {score.label: score.probability for score in scores},
            {score.label: score.confidence for score in scores},
            person,
        )


@dataclass(frozen=True)
class Verdict:
    """What a reviewer says of an utterance."""

    labels: tuple[str, ...] | None
    """Those that are present; None for "cannot tell"."""
    start: float | None = None
    """Seconds; None where the model's cut is left as it is."""
    end: float | None = None
    comment: str = ""
    reviewer: str = ""
    """A name, as they give it."""
    person: int | None = None
    """Number of whose it is, among those whom the store knows; None as the model has it."""


@dataclass(frozen=True)
class Correction:
    """One row of the store."""

    number: int
    subject: str
    owner: str
    media: str
    item: str
    name: str
    anchor: Anchor
    verdict: Verdict
    model: Snapshot
    created: str
    undone: str | None


class CorrectionStore:
    """The corrections of one folder. Any thread may use it, and other processes theirs.

    Rows are added and marked as undone, never changed. Of a subject, the newest row that is not
    undone is in force.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open it, or make it unless it is only to be read.

        Raises:
            UnusableInputError: the file is of another version, holds something else, or cannot be
                opened or made.
        """
        self._database = Database(path, SCHEMA, read_only=read_only)
        self.people = IdentityStore(self._database)
        """Who people are; kept in the same file."""

    def __enter__(self) -> CorrectionStore:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing is lost without it."""
        self._database.close()

    def add(
        self,
        subject: str,
        verdict: Verdict,
        anchor: Anchor,
        model: Snapshot,
        *,
        owner: str,
        media: str,
        item: str,
        name: str,
        replaces: int | None,
        somebody_new: bool = False,
    ) -> Correction:
        """Add a correction, which is in force from then on.

        Args:
            subject: of the utterance.
            verdict: what the reviewer says.
            anchor: the utterance as the model cut it.
            model: what the model says.
            owner: whose the annotation is.
            media: sha256 of what was annotated, or what stands for it.
            item: UUID of the annotation.
            name: of what was annotated.
            replaces: number of the correction that the reviewer saw in force; None for none.
            somebody_new: the utterance is of a person who is not known so far, and is from then.

        Raises:
            ConflictError: another one is in force by now.
        """
        cut = asdict(anchor)
        values = {
            **{"subject": subject, "owner": owner, "media": media, "item": item, "name": name},
            **{"model_start": cut.pop("start"), "model_end": cut.pop("end")},
            **cut,
            **asdict(verdict),
            "labels": None if verdict.labels is None else _json(verdict.labels),
            "model": _json(asdict(model)),
            "created": moment(),
        }
        columns = ", ".join(f'"{name}"' for name in values)
        places = ", ".join(f":{name}" for name in values)
        with self._database.transaction() as database:
            now = _in_force(database, subject)
            if replaces != (None if now is None else now.number):
                who = (now and now.verdict.reviewer) or "somebody else"
                raise ConflictError(
                    f"{who} was here first; look at utterance {anchor.utterance} again"
                )
            if somebody_new:
                values["person"] = newcomer(database, owner, media, item)
            row = database.execute(
                f"INSERT INTO corrections ({columns}) VALUES ({places}) RETURNING *", values
            ).fetchone()
        return _correction(row)

    def undo(self, number: int, owner: str) -> Correction | None:
        """Undo a correction that is in force.

        Returns:
            The one that was in force before, and is again; None where there is none.

        Raises:
            ConflictError: it is not in force, or not this owner's.
        """
        with self._database.transaction() as database:
            row = database.execute(
                "SELECT subject FROM corrections WHERE number = ? AND owner = ?", (number, owner)
            ).fetchone()
            now = None if row is None else _in_force(database, row["subject"])
            if now is None or now.number != number:
                raise ConflictError(f"correction {number} is not in force; look again")
            database.execute(
                "UPDATE corrections SET undone = ? WHERE number = ?", (moment(), number)
            )
            return _in_force(database, now.subject)

    def changes(self) -> tuple[int, int]:
        """Differs from an earlier answer where anybody, in any process, changed it since."""
        return self._database.changes()

    def history(self, owner: str, media: str, item: str) -> list[Correction]:
        """Every correction of some media or under an annotation's id, the oldest first.

        Those of the same annotation but other media are of a file that has changed since.
        """
        return self._corrections(
            "SELECT * FROM corrections WHERE owner = ? AND (media = ? OR item = ?) "
            "ORDER BY number",
            (owner, media, item),
        )

    def in_force(self, owner: str | None = None) -> list[Correction]:
        """The corrections in force, the oldest first.

        Args:
            owner: whose; None for everybody's.
        """
        return self._corrections(
            "SELECT * FROM corrections WHERE number IN (SELECT max(number) FROM corrections "
            "WHERE undone IS NULL AND (? IS NULL OR owner = ?) GROUP BY subject) ORDER BY number",
            (owner, owner),
        )

    def owners(self) -> list[str]:
        """Everybody who said something, in order."""
        rows = self._database.execute(
            "SELECT owner FROM corrections UNION SELECT owner FROM people ORDER BY owner"
        )
        return [row["owner"] for row in rows]

    def media_of(self, owner: str, item: str) -> set[str]:
        """All media of which something was said under an annotation's id."""
        rows = self._database.execute(
            "SELECT media FROM corrections WHERE owner = :owner AND item = :item "
            "UNION SELECT media FROM people WHERE owner = :owner AND item = :item",
            {"owner": owner, "item": item},
        )
        return {row["media"] for row in rows}

    def delete(self, owner: str, media: str) -> int:
        """Forget all that was said of some media, and return how many corrections there were."""
        with self._database.transaction() as database:
            database.execute(
                "DELETE FROM identities WHERE person IN "
                "(SELECT number FROM people WHERE owner = ? AND media = ?)",
                (owner, media),
            )
            database.execute("DELETE FROM people WHERE owner = ? AND media = ?", (owner, media))
            return database.execute(
                "DELETE FROM corrections WHERE owner = ? AND media = ?", (owner, media)
            ).rowcount

    def _corrections(self, query: str, values: Sequence[Any]) -> list[Correction]:
        return [_correction(row) for row in self._database.execute(query, values)]


def in_force(corrections: Sequence[Correction]) -> dict[str, Correction]:
    """Of each subject the newest correction that is not undone.

    Args:
        corrections: the oldest first.
    """
    return {item.subject: item for item in corrections if item.undone is None}


def _in_force(database: sqlite3.Connection, subject: str) -> Correction | None:
    row = database.execute(
        "SELECT * FROM corrections WHERE subject = ? AND undone IS NULL "
        "ORDER BY number DESC LIMIT 1",
        (subject,),
    ).fetchone()
    return None if row is None else _correction(row)


def _correction(row: sqlite3.Row) -> Correction:
    labels = row["labels"]
    return Correction(
        **{
            name: row[name]
            for name in ("number", "subject", "owner", "media", "item", "name", "created")
        },
        undone=row["undone"],
        anchor=Anchor(
            row["utterance"],
            row["text"],
            row["repeat"],
            row["speaker"],
            row["model_start"],
            row["model_end"],
        ),
        verdict=Verdict(
            None if labels is None else tuple(json.loads(labels)),
            row["start"],
            row["end"],
            row["comment"],
            row["reviewer"],
            row["person"],
        ),
        model=Snapshot(**json.loads(row["model"])),
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
