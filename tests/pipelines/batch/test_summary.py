"""What a corpus looks like, from its ledger."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lddu_pipe.pipelines.batch.ledger import Entry
from lddu_pipe.pipelines.batch.summary import people_of, rows_of, summarise, why_failed


def failed(error, **facts):
    values = {"key": "/data/Ada B/talk.mp4", "source": "Ada B/talk.mp4", "transcript": None}
    state = {"size": 1, "version": "1", "sha256": None, "config": "c", "state": "failed"}
    times = {"attempts": 1, "statistics": None, "started": None, "finished": None, "seconds": 1}
    return Entry(**values | facts, name="talk", **state, **times, error=error, outputs=())


def person(identity, **facts):
    counts = {"utterances": 4, "abstained": 1, "present": {"happy": 3}, "missing": {}}
    seconds = {"seconds_visible": 9.0, "seconds_speaking": 2.5}
    return {"id": identity, "name": None, **seconds, **counts, **facts}


def test_people_are_counted_and_have_a_table():
    counts = {"duration": 9.0, "utterances": 8, "abstained": 2, "present": {"happy": 6}}
    counts["missing"] = {"text": 0, "audio": 0, "vision": 0}
    done = replace(failed(None), state="done", outputs=("talk.json",))
    two = replace(done, statistics={**counts, "people": [person("p1", name="Ana"), person("p2")]})
    older = replace(done, statistics=counts)  # of a release that knew of nobody
    entries = [two, older, failed("it is empty")]
    found = list(people_of(entries, ["happy", "sad"]))
    assert [(row["file"], row["person"], row["name"]) for row in found] == [
        ("talk.mp4", "p1", "Ana"),
        ("talk.mp4", "p2", None),
    ]
    assert list(found[0])[3:] == [
        *("seconds_visible", "seconds_speaking", "utterances", "abstained"),
        *("present_happy", "present_sad"),
    ]
    assert list(found[0].values())[3:] == [9.0, 2.5, 4, 1, 3, 0]
    assert summarise(entries, ["happy"])["people"] == 2
    assert [row.get("people") for row in rows_of(entries)] == [2, None, None]


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ("Ada B/talk.mp4: no picture", "talk.mp4: no picture"),
        ("/data/Ada B/talk.mp4: no picture", "talk.mp4: no picture"),
        ("/data/texts/talk.srt: line 3", "talk.srt: line 3"),
        ("texts/talk.srt: line 3", "talk.srt: line 3"),
        ("'../data/texts/talk.srt' beside /data/Ada B/x", "'talk.srt' beside x"),
        ("codec text/x, see texts/other", "codec text/x, see texts/other"),
        ("", ""),
        (None, None),
    ],
)
def test_why_it_failed_tells_no_folders(error, shown):
    entry = failed(error, transcript=f"/data/texts/talk.srt {'a' * 64}")
    assert why_failed(entry) == shown


def test_of_a_row_the_manifest_is_named_without_its_folders():
    entry = failed(
        "/home/ada/rows.jsonl#a: /home/ada/clips/a.mp4 of /home/ada/rows.jsonl: no picture",
        key="/home/ada/rows.jsonl#a",
        source="/home/ada/clips/a.mp4",
    )
    assert why_failed(entry) == "rows.jsonl#a: a.mp4 of rows.jsonl: no picture"


def test_of_a_text_there_are_no_folders():
    assert why_failed(failed("it is empty", key="rows.jsonl#1", source="")) == "it is empty"


def test_a_remote_place_loses_its_folders_too():
    entry = failed(
        "s3://bucket/private/a.mp4: gone; s3://bucket/private/a.srt",
        key="s3://bucket/private/a.mp4",
        source="s3://bucket/private/a.mp4",
        transcript="s3://bucket/private/a.srt",
    )
    assert why_failed(entry) == "a.mp4: gone; a.srt"
