from __future__ import annotations

import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysubs2 import SSAFile

from lddu_pipe.transcripts import read_transcript
from lddu_pipe.writers.formats import FORMATS

PROBABILITIES = (0.9, 0.1, 0.1, 0.1, 0.1, 0.1)
JOINER = "\u2060"
LINES = st.text("aß日😀<>/bi&\"'{}\\nNh.,!-\n 1", max_size=16)
UTTERANCES = st.lists(
    st.tuples(st.integers(0, 3 * 10**8), st.integers(0, 20_000), LINES, st.none() | LINES),
    max_size=6,
)


def cues(content: bytes, file_format: str):
    """(start, end, lines) of each cue that pysubs2 reads, times in milliseconds."""
    read = SSAFile.from_string(content.decode("utf-8"), format_=file_format)
    return [(cue.start, cue.end, cue.text.split(r"\N")) for cue in read]


def test_pysubs2_reads_words_and_emotions_from_subrip(make_annotation):
    found = cues(FORMATS["srt"].render(make_annotation()), "srt")
    assert [
        (start, end, [line.replace(JOINER, "") for line in lines]) for start, end, lines in found
    ] == [
        (
            0,
            3104,
            [
                "Ana: Größe 😀 <b>“news”</b> & more",
                "over two lines",
                "[happy 81 %, surprise 63 %]",
            ],
        ),
        (2500, 4750, ["Bo: わかりました", "[sad 70 %]"]),
        (5000, 10000, ["[no emotion]"]),
        (10001, 12346, ["Ana: Well…", "[undecided]"]),
    ]


def test_pysubs2_reads_words_and_emotions_from_webvtt(make_annotation):
    content = FORMATS["vtt"].render(make_annotation())
    assert content.startswith(b"WEBVTT\n\n")
    found = cues(content, "vtt")
    assert [
        (start, end, [html.unescape(line) for line in lines]) for start, end, lines in found
    ] == [
        (
            0,
            3104,
            ["Größe 😀 <b>“news”</b> & more", "over two lines", "[happy 81 %, surprise 63 %]"],
        ),
        (2500, 4750, ["わかりました", "[sad 70 %]"]),
        (5000, 10000, ["[no emotion]"]),
        (10001, 12346, ["Well…", "[undecided]"]),
    ]


def test_speakers_are_voices_in_webvtt(make_annotation, predict, tmp_path):
    annotation = make_annotation(
        [
            predict("0", 0.0, 1.0, "one\ntwo", PROBABILITIES, speaker="Ana >\n& Bo"),
            predict("1", 1.0, 2.0, "", PROBABILITIES, speaker="Ana"),
        ]
    )
    path = FORMATS["vtt"].save(annotation, tmp_path / "a.vtt")
    assert "<v Ana &gt; &amp; Bo>one\ntwo</v>\n[happy 90 %]" in path.read_text("utf-8")
    (cue,) = read_transcript(path).cues
    assert (cue.speaker, cue.text) == ("Ana > & Bo", "one two")


@pytest.mark.parametrize("text", ["<i>x</i>", r"{\an8}x", "1 --> 2", r"C:\new\Nine\h", "a\n\n\nb"])
def test_markup_in_the_text_is_text_for_players(make_annotation, predict, text):
    annotation = make_annotation([predict("0", 0.0, 1.0, text, PROBABILITIES)])
    ((_, _, lines),) = cues(FORMATS["srt"].render(annotation), "srt")
    words = [line for line in text.split("\n") if line]
    assert [line.replace(JOINER, "") for line in lines[:-1]] == words
    webvtt = FORMATS["vtt"].render(annotation).decode("utf-8").split("\n\n")[1]
    shown = webvtt.split("\n")[2:-1]
    assert [html.unescape(line) for line in shown] == words
    assert not re.search(r"[<>\\]|&(?!lt;|gt;|amp;|#92;)", "".join(shown))


def test_without_utterances_a_player_sees_nothing(make_annotation):
    assert FORMATS["srt"].render(make_annotation(utterances=())) == b""
    assert FORMATS["vtt"].render(make_annotation(utterances=())).strip() == b"WEBVTT"


@settings(deadline=None)
@given(UTTERANCES)
def test_times_and_emotions_survive_whatever_is_said(make_annotation, predict, utterances):
    annotation = make_annotation(
        [
            predict(
                str(number),
                start / 1000,
                (start + length) / 1000,
                text,
                PROBABILITIES,
                speaker=speaker,
            )
            for number, (start, length, text, speaker) in enumerate(
                sorted(utterances, key=lambda item: item[0])
            )
        ]
    )
    expected = [
        (start, start + max(length, 1), "[happy 90 %]")
        for start, length, _, _ in sorted(utterances, key=lambda item: item[0])
    ]
    for name in ("srt", "vtt"):
        found = cues(FORMATS[name].render(annotation), name)
        assert [(start, end, lines[-1]) for start, end, lines in found] == expected
