import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from lddu_pipe.database import Database, Schema, moment
from lddu_pipe.errors import UnusableInputError

NOTES = Schema(
    kind="store of notes",
    version=3,
    tables="CREATE TABLE IF NOT EXISTS notes (text TEXT) STRICT;",
    advice="use another pencil",
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "notes.sqlite"


def put(database, text):
    database.execute("INSERT INTO notes VALUES (?)", (text,))


def test_rows_outlive_whoever_wrote_them_and_deleted_ones_leave_no_bytes(path):
    with closing(Database(path, NOTES)) as database:
        put(database, "a secret of hers")
    with closing(Database(path, NOTES)) as database:
        assert [row["text"] for row in database.execute("SELECT * FROM notes")] == [
            "a secret of hers"
        ]
        assert b"a secret of hers" in path.read_bytes()
        database.execute("DELETE FROM notes")
    assert b"a secret of hers" not in path.read_bytes()


def test_a_file_of_something_else_or_another_version_is_refused_in_one_line(path):
    path.write_text("dear diary, " * 100)
    with pytest.raises(UnusableInputError, match=r"notes\.sqlite is no store of notes \(file is"):
        Database(path, NOTES)
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 9")
    with pytest.raises(UnusableInputError, match=r"of version 9, .* knows 3; use another pencil"):
        Database(path, NOTES)
    with pytest.raises(UnusableInputError, match="cannot be opened"):
        Database(path.parent / "nowhere" / path.name, NOTES)


def test_reading_makes_and_changes_nothing(path):
    with pytest.raises(UnusableInputError, match="cannot be opened"):
        Database(path, NOTES, read_only=True)
    assert not path.exists()
    with closing(Database(path, NOTES)) as database:
        put(database, "a")
    before = path.read_bytes()
    with (
        closing(Database(path, NOTES, read_only=True)) as database,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        put(database, "b")
    assert path.read_bytes() == before


def test_many_may_make_it_at_once(path):
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: Database(path, NOTES), range(8)))
    before = opened[0].changes()
    for index, database in enumerate(opened):
        put(database, str(index))
    assert len(opened[0].execute("SELECT * FROM notes")) == 8
    assert opened[0].changes() != before
    for database in opened:
        database.close()


def test_of_a_transaction_that_fails_nothing_is_left(path):
    with closing(Database(path, NOTES)) as database:
        with pytest.raises(sqlite3.IntegrityError), database.transaction() as statements:
            statements.executemany("INSERT INTO notes VALUES (?)", [("half",), (b"no text",)])
        assert database.execute("SELECT * FROM notes") == []


def test_moments_are_text_in_order():
    assert moment(60) < moment() < moment(-60)
    assert moment().endswith("+00:00")
