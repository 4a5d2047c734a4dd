"""Who people are, as reviewers say: rows that are added and undone, as corrections are."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from lddu_pipe.database import Database, moment
from lddu_pipe.errors import LdduPipeError
from lddu_pipe.review.sightings import PersonAnchor, Sighting


class ConflictError(LdduPipeError):
    """Somebody else was first to say something of the same utterance or person."""


@dataclass(frozen=True)
class Known:
    """A person of whom something was said."""

    number: int
    """Tells them from all others of the store."""
    anchor: PersonAnchor | None
    """As the model found them; None for somebody whom a reviewer brought in."""


@dataclass(frozen=True)
class Likeness:
    """What a reviewer says of a person."""

    name: str | None
    """None as the model has it."""
    same_as: int | None
    """Number of the person who they are, too; None for nobody but themselves."""
    comment: str = ""
    reviewer: str = ""
    """A name, as they give it."""


@dataclass(frozen=True)
class Identity:
    """One row of what was said of people."""

    number: int
    person: int
    """Number of who is spoken of."""
    said: Likeness
    created: str
    undone: str | None


class IdentityStore:
    """Who the people of one folder's annotations are.

    Of a person, the newest row that is not undone is in force.
    """

    def __init__(self, database: Database) -> None:
        """Keep them in a store of corrections, which is open."""
        self._database = database

    def known(self, owner: str, media: str) -> list[Known]:
        """Everybody of some media of whom something was said, the first of them first."""
        rows = self._database.execute(
            "SELECT * FROM people WHERE owner = ? AND media = ? ORDER BY number", (owner, media)
        )
        return [_known(row) for row in rows]

    def number_of(self, anchor: PersonAnchor, *, owner: str, media: str, item: str) -> int:
        """The number of somebody whom the model found; whoever asks first gives them one."""
        sightings = json.dumps([(each.moment, each.box) for each in anchor.sightings])
        with self._database.transaction() as database:
            database.execute(
                "INSERT OR IGNORE INTO people (owner, media, item, id, key, sightings) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (owner, media, item, anchor.person, anchor.key, sightings),
            )
            row = database.execute(
                "SELECT number FROM people WHERE owner = ? AND media = ? AND key = ?",
                (owner, media, anchor.key),
            ).fetchone()
        return int(row["number"])

    def add(self, person: int, said: Likeness, *, replaces: int | None, who: str) -> Identity:
        """Add what somebody says of a person, which is in force from then on.

        Args:
            person: number of who is spoken of.
            said: what is said.
            replaces: number of the row that the reviewer saw in force; None for none.
            who: is spoken of, for messages.

        Raises:
            ConflictError: another one is in force by now.
        """
        with self._database.transaction() as database:
            now = _in_force(database, person)
            if replaces != (None if now is None else now.number):
                first = (now and now.said.reviewer) or "somebody else"
                raise ConflictError(f"{first} was here first; look at {who} again")
            row = database.execute(
                "INSERT INTO identities (person, name, same_as, comment, reviewer, created) "
                "VALUES (?, ?, ?, ?, ?, ?) RETURNING *",
                (person, said.name, said.same_as, said.comment, said.reviewer, moment()),
            ).fetchone()
        return _identity(row)

    def undo(self, number: int, owner: str, media: str) -> Identity | None:
        """Undo what is in force of somebody of some media.

        Returns:
            What was in force before, and is again; None where there is nothing.

        Raises:
            ConflictError: it is not in force, or not of this owner's media.
        """
        with self._database.transaction() as database:
            row = database.execute(
                "SELECT person FROM identities JOIN people ON people.number = person "
                "WHERE identities.number = ? AND owner = ? AND media = ?",
                (number, owner, media),
            ).fetchone()
            now = None if row is None else _in_force(database, row["person"])
            if now is None or now.number != number:
                raise ConflictError(f"identity {number} is not in force; look again")
            database.execute(
                "UPDATE identities SET undone = ? WHERE number = ?", (moment(), number)
            )
            return _in_force(database, now.person)

    def history(self, owner: str, media: str) -> list[Identity]:
        """All that was ever said of the people of some media, the oldest first."""
        rows = self._database.execute(
            "SELECT identities.* FROM identities JOIN people ON people.number = person "
            "WHERE owner = ? AND media = ? ORDER BY identities.number",
            (owner, media),
        )
        return [_identity(row) for row in rows]


def newcomer(database: sqlite3.Connection, owner: str, media: str, item: str) -> int:
    """The number of a person whom no model found; part of a transaction."""
    row = database.execute(
        "INSERT INTO people (owner, media, item, id, key, sightings) "
        "VALUES (?, ?, ?, NULL, ?, '[]') RETURNING number",
        (owner, media, item, str(uuid4())),
    ).fetchone()
    return int(row["number"])


def identities_in_force(history: Sequence[Identity]) -> dict[int, Identity]:
    """Of each person the newest row that is not undone, by the person's number.

    Args:
        history: the oldest first.
    """
    return {item.person: item for item in history if item.undone is None}


def _in_force(database: sqlite3.Connection, person: int) -> Identity | None:
    row = database.execute(
        "SELECT * FROM identities WHERE person = ? AND undone IS NULL "
        "ORDER BY number DESC LIMIT 1",
        (person,),
    ).fetchone()
    return None if row is None else _identity(row)


def _known(row: sqlite3.Row) -> Known:
    if row["id"] is None:
        return Known(row["number"], None)
    sightings = tuple(
        Sighting(moment, None if box is None else tuple(box))
        for moment, box in json.loads(row["sightings"])
    )
    return Known(row["number"], PersonAnchor(row["id"], sightings))


def _identity(row: sqlite3.Row) -> Identity:
    said = Likeness(row["name"], row["same_as"], row["comment"], row["reviewer"])
    return Identity(row["number"], row["person"], said, row["created"], row["undone"])
