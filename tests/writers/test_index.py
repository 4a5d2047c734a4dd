"""The page of a batch as text: what is in it, where it leads, and that nothing else runs."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re

import pytest

from lddu_pipe.writers.corpus import render_index

HOSTILE = "</script><script>hacked = 1</script><!-- \u2028 ${title} 'x' \"y\" &amp;"
CORPUS = {
    "files": {"total": 2, "done": 1, "failed": 1, "waiting": 0},
    "hours": 0.5,
    "utterances": 4,
    "prevalence": {"happy": 0.5},
    "abstained": 0.25,
    "missing": {"text": 0.0, "audio": 0.0, "vision": 1.0},
    "work_seconds": 9.0,
    "real_time_factor": 2.0,
}


def done(name="a.mp4", result: str | None = "a.json") -> dict:
    return {
        "name": name,
        "state": "done",
        "error": None,
        "result": result,
        "duration": 12.5,
        "utterances": 4,
        "abstained": 1,
        "present": {"happy": 2},
        "missing": {"text": 0, "audio": 0, "vision": 4},
    }


def page(*rows: dict, title="annotations", labels=("happy",)) -> str:
    return render_index(title, CORPUS, labels, rows).decode("utf-8")


def scripts(text: str) -> list[str]:
    return re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL)


def data(text: str) -> dict:
    return json.loads(scripts(text)[0])


def source(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def test_the_page_holds_the_corpus_and_its_files():
    found = data(page(done()))
    assert found["corpus"] == CORPUS
    assert found["labels"] == ["happy"]
    assert found["rows"] == [{**done(), "link": "./a.json"}]


@pytest.mark.parametrize(
    ("result", "link"),
    [
        ("a.html", "./a.html"),
        ("deep/day one/b.html", "./deep/day%20one/b.html"),
        ("50%#1?.html", "./50%25%231%3F.html"),
        ("Größe.html", "./Gr%C3%B6%C3%9Fe.html"),
        ("javascript:alert(1).html", "./javascript%3Aalert%281%29.html"),
        ("//host/a.html", ".///host/a.html"),
        ("b\udcffd.html", "./b%FFd.html"),
        (None, None),
    ],
)
def test_links_lead_to_results_and_nowhere_else(result, link):
    (row,) = data(page(done(result=result)))["rows"]
    assert row["link"] == link


def test_nothing_is_loaded_and_only_its_own_script_and_style_hold():
    text = page(done())
    policy = html.unescape(re.search(r'Policy" content="([^"]*)"', text)[1])
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    _, script = scripts(text)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert rules == {
        "default-src": "'none'",
        "script-src": source(script),
        "style-src": source(style),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert "http" not in policy
    assert not re.search(r"\ssrc=|<link|<iframe|\son\w+=|\sstyle=", text)


def test_hostile_names_stay_texts():
    row = {**done(HOSTILE), "error": HOSTILE, "present": {HOSTILE: 2}}
    text = page(row, title=HOSTILE, labels=(HOSTILE,))
    assert len(scripts(text)) == 2
    assert data(text)["rows"][0]["name"] == HOSTILE
    assert data(text)["labels"] == [HOSTILE]
    assert not re.search(r"[<>&\u2028]", scripts(text)[0])
    assert "<title>&lt;/script&gt;" in text


def test_a_page_without_files_is_light():
    assert data(page(labels=()))["rows"] == []
    assert len(page()) < 40_000
