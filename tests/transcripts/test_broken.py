"""What stands in the place of times is no speech; content decides where an ending says little."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lddu_pipe.transcripts import read_transcript

SEGMENTS = [
    {"start": 12.5, "end": 1900.25, "text": "I am very angry about this."},
    {"start": 1900.25, "end": 4100.5, "text": "You never listen to me."},
]
TTML = (
    '<tt xmlns="http://www.w3.org/ns/ttml"><body><div><p begin="1s" end="2s">I am</p>'
    '<p begin="2.5s" dur="500ms">angry</p><p begin="3s">lost</p></div></body></tt>'
)


@pytest.mark.parametrize(
    ("name", "content", "expected", "note"),
    [
        (
            "labels.txt",
            "0.0\t2.0\tI am\n-1.0\t4.0\tlost\n5.0\tNaN\tlost\n6.0\t7.0\tangry\n",
            [(0, 2, "I am"), (6, 7, "angry")],
            "2 cues left out: line 2 has times that cannot be read",
        ),
        (
            "lines.txt",
            "[00:00.000 --> 00:02.000] I am\n[00:02.000 --> NaN] lost\nlost, too\n"
            "[00:05.000 --> 00:06.000] angry\n",
            [(0, 2, "I am"), (5, 6, "angry")],
            "1 cue left out: line 2",
        ),
        (
            "a.sbv",
            "0:00:00.000,0:00:02.000\nI am\n\n0:00:02.900,\nlost\n\n"
            "0:00:05.000,0:00:06.000\nangry\n",
            [(0, 2, "I am"), (5, 6, "angry")],
            "1 cue left out: cue 2 (line 4)",
        ),
        (
            "a.srt",
            "1\n00:00:00,000 00:00:02,000\nI am\n\n2\nxx --> yy\nlost\n\n"
            "3\n00:00:05,000 --> 00:00:06,000\nangry\n",
            [(0, 2, "I am"), (5, 6, "angry")],
            "1 cue left out: cue 2 (line 6)",
        ),
        (
            "a.vtt",
            "WEBVTT\n\n00:00.000 --> 00:02.000\nI am\n\nxx --> yy\nlost\n\n"
            "00:05.000 --> 00:06.000\nangry\n",
            [(0, 2, "I am"), (5, 6, "angry")],
            "1 cue left out: cue 2 (line 6)",
        ),
        (
            "a.ttml",
            TTML,
            [(1, 2, "I am"), (2.5, 3, "angry")],
            "1 cue left out: cue 3 has no times",
        ),
        ("ttml.txt", TTML, [(1, 2, "I am"), (2.5, 3, "angry")], "1 cue left out: cue 3"),
        (
            "json.txt",
            json.dumps(SEGMENTS),
            [(0.0125, 1.90025, SEGMENTS[0]["text"]), (1.90025, 4.1005, SEGMENTS[1]["text"])],
            "milliseconds",
        ),
        (
            "clock.json",
            '[{"start": "0.0", "end": "0:00:02", "text": "I am"}]',
            [(0, 2, "I am")],
            None,
        ),
        (
            "vosk.json",
            '{"text": ""}{"result": [{"word": "angry", "start": 1, "end": 2}], "text": "angry"}',
            [(1, 2, "angry")],
            None,
        ),
    ],
)
def test_the_rest_is_read_and_what_is_lost_is_told(
    tmp_path: Path,
    name: str,
    content: str,
    expected: list[tuple[float, float, str]],
    note: str | None,
) -> None:
    path = tmp_path / name
    path.write_text(content)
    found = read_transcript(path)
    assert [(cue.span.start, cue.span.end, cue.text) for cue in found.cues] == [
        (pytest.approx(start), pytest.approx(end), text) for start, end, text in expected
    ]
    if note is None:
        assert found.notes == ()
    else:
        assert note in found.notes[0]
