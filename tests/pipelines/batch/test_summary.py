"""What a corpus looks like, from its ledger."""

from __future__ import annotations

import pytest

from lddu_pipe.pipelines.batch.ledger import Entry
from lddu_pipe.pipelines.batch.summary import why_failed


def failed(error, **facts):
    values = {"key": "/data/Ada B/talk.mp4", "source": "Ada B/talk.mp4", "transcript": None}
    state = {"size": 1, "version": "1", "sha256": None, "config": "c", "state": "failed"}
    times = {"attempts": 1, "statistics": None, "started": None, "finished": None, "seconds": 1}
    return Entry(**values | facts, name="talk", **state, **times, error=error, outputs=())


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
