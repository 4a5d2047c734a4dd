"""The file in which is kept what reviewers say: its tables, and those of earlier versions."""

from __future__ import annotations

from lddu_pipe.database import Schema

STORE_FILE = "corrections.sqlite"

_PEOPLE = """
CREATE TABLE IF NOT EXISTS people (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL,
    media TEXT NOT NULL,
    item TEXT NOT NULL,            -- UUID of the annotation
    id TEXT,                       -- there, when first spoken of; null: a reviewer's own
    key TEXT NOT NULL,             -- the same for all who speak of the same person
    sightings TEXT NOT NULL,       -- JSON: where they are seen and heard
    UNIQUE (owner, media, key)
) STRICT;
"""
_IDENTITIES = """
CREATE TABLE IF NOT EXISTS identities (
    number INTEGER PRIMARY KEY AUTOINCREMENT,  -- order in which they were said
    person INTEGER NOT NULL,       -- number of who is spoken of
    name TEXT,                     -- null: as the model has it
    same_as INTEGER,               -- number of who they are; null: nobody but themselves
    comment TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    created TEXT NOT NULL,         -- ISO 8601, UTC
    undone TEXT
) STRICT;
"""
_OF_PERSON = "CREATE INDEX IF NOT EXISTS identities_person ON identities (person, number);"

SCHEMA = Schema(
    kind="store of corrections",
    version=2,
    advice="use the program that wrote it",
    tables=f"""
CREATE TABLE IF NOT EXISTS corrections (
    number INTEGER PRIMARY KEY AUTOINCREMENT,  -- order in which they were made
    subject TEXT NOT NULL,         -- what all corrections of one utterance share
    owner TEXT NOT NULL,           -- fingerprint of the token, empty without one
    media TEXT NOT NULL,           -- sha256 of the media; item:ID where there is none
    item TEXT NOT NULL,            -- UUID of the annotation
    name TEXT NOT NULL,            -- of what was annotated; only ever shown
    utterance TEXT NOT NULL,       -- its id when it was corrected
    text TEXT NOT NULL,            -- its beginning, where it is long
    repeat INTEGER NOT NULL,       -- utterances of the same text before it
    speaker TEXT,
    model_start REAL,              -- s, as the model cut it; null where there is no time
    model_end REAL,
    labels TEXT,                   -- JSON, those that are present; null: cannot tell
    start REAL,                    -- s, where the reviewer cut it otherwise
    "end" REAL,
    comment TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    model TEXT NOT NULL,           -- JSON, what the model said
    created TEXT NOT NULL,         -- ISO 8601, UTC
    undone TEXT,
    person INTEGER                 -- number of whose it is; null: as the model has it
) STRICT;
CREATE INDEX IF NOT EXISTS corrections_media ON corrections (owner, media);
CREATE INDEX IF NOT EXISTS corrections_subject ON corrections (subject, number);
CREATE INDEX IF NOT EXISTS corrections_item ON corrections (owner, item);
{_PEOPLE}{_IDENTITIES}{_OF_PERSON}
""",
    upgrades={
        1: ("ALTER TABLE corrections ADD COLUMN person INTEGER", _PEOPLE, _IDENTITIES, _OF_PERSON)
    },
)
