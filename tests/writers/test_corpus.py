from __future__ import annotations

import csv
import io

from rich.console import Console

from lddu_pipe.writers.corpus import (
    draw_corpus,
    failures_table,
    people_table,
    print_corpus,
    print_failures,
)

FOUND = {
    "files": {"total": 5, "done": 3, "failed": 1, "waiting": 1},
    "hours": 2.5,
    "people": 12,
    "utterances": 1200,
    "prevalence": {"happy": 0.5, "sad": 0.125},
    "abstained": 0.01,
    "missing": {"text": 0.25, "audio": 0.0, "vision": 1.0},
    "work_seconds": 900.0,
    "real_time_factor": 10.0,
}
EMPTY = {**FOUND, "utterances": 0, "abstained": None, "prevalence": {}, "real_time_factor": None}


def shown(print_it, what, *more) -> str:
    file = io.StringIO()
    print_it(what, Console(file=file, width=100, color_system=None), *more)
    return file.getvalue()


def test_the_corpus_as_a_table():
    lines = shown(print_corpus, FOUND, "out/index.html").splitlines()
    assert lines[0] == "3 of 5 files done · 1 failed · 1 waiting"
    assert lines[1] == "2.5 hours · 1,200 utterances · 12 people · 10.0 x real time a worker"
    assert any(line.split()[:2] == ["happy", "50.0%"] for line in lines)
    assert any(line.split()[:3] == ["without", "vision", "100.0%"] for line in lines)
    assert lines[-1] == "file by file: out/index.html"


def test_a_corpus_without_utterances_has_no_shares():
    assert "%" not in shown(print_corpus, EMPTY, "out/index.html")
    assert draw_corpus(EMPTY).startswith(b"\x89PNG")


def test_the_picture_is_the_same_every_time():
    assert draw_corpus(FOUND) == draw_corpus(FOUND)


def test_failures_are_a_line_each_and_a_table():
    failures = [("a.mp4", "a.mp4 is empty; copy it again"), ("b\n.mp4", "took, too long")]
    assert shown(print_failures, failures).splitlines() == [
        "failed  a.mp4 is empty; copy it again",
        "failed  b .mp4: took, too long",
    ]
    table = list(csv.reader(io.StringIO(failures_table(failures).decode("utf-8-sig"))))
    assert table == [["source", "error"], *map(list, failures)]


def test_people_are_a_table():
    people = [{"file": "a, b.mp4", "person": "p1", "name": None, "present_happy": 3}]
    table = list(csv.reader(io.StringIO(people_table(people).decode("utf-8-sig"))))
    assert table == [list(people[0]), ["a, b.mp4", "p1", "", "3"]]
