"""Subtitles as they are found: rolling, with broken times, with names, in other formats."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.transcripts import read_transcript
from lddu_pipe.types import Transcript


def read(tmp_path: Path, name: str, text: str) -> Transcript:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return read_transcript(tmp_path / name)


def said(transcript: Transcript) -> list[tuple]:
    return [
        (round(cue.span.start, 2), round(cue.span.end, 2), cue.speaker, cue.text)
        for cue in transcript.cues
    ]


def texts(transcript: Transcript) -> list[str]:
    return [cue.text for cue in transcript.cues]


def srt(*lines: str) -> str:
    """Cues of two seconds each, one after the other."""
    return "".join(
        f"{n}\n00:00:{2 * n:02},000 --> 00:00:{2 * n + 2:02},000\n{line}\n\n"
        for n, line in enumerate(lines, 1)
    )


# --- rolling ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "once"),
    [
        (["a b", "a b\nc d", "c d\ne f"], ["a b", "c d", "e f"]),
        (["a b", "a b", "a b\nc d", "c d", "c d\ne f", "e f"], ["a b", "c d", "e f"]),
        (["<i>a b</i>", "a b\nc d", "c d\ne f"], ["a b", "c d", "e f"]),
        (["I", "I am", "I am angry", "You", "You never"], ["I", "am", "angry", "You", "never"]),
        (["one two three", "two three four five", "four five six"],
         ["one two three", "four five", "six"]),
        # People who say the same again, or nearly, do not roll.
        (["No!", "No!\nStop", "Stop it", "No", "No"], ["No!", "No! Stop", "Stop it", "No", "No"]),
        (["Ha ha", "Ha ha", "Ha ha", "Go"], ["Ha ha", "Ha ha", "Ha ha", "Go"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", ["srt", "vtt"])
def test_what_rolls_is_said_once(tmp_path, shown, once, suffix):
    head = "WEBVTT\n\n" if suffix == "vtt" else ""
    content = srt(*shown).replace(",000", ".000") if head else srt(*shown)
    assert texts(read(tmp_path, f"a.{suffix}", head + content)) == once


# --- times -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "times",
    [
        *(f"00:00:01,500 {sign} 00:00:02,000" for sign in ("->", "-- >", "—>", "→", "- ->", "=>")),
        *("00:00:01,500 --&gt; 00:00:02,000", "00:00:01,500 – 00:00:02,000"),
        *("0:00:01.500000 --> 0:00:02.000000", "00:00:01:500 --> 00:00:02:000"),
        "00: 00: 01,500 -> 00: 00: 02, 000",
    ],
)  # fmt: skip
def test_times_in_other_hands_are_read_and_not_said(tmp_path, times):
    content = f"1\n{times}\nhello\n\n2\n{times.replace('01', '03').replace('02', '04')}\nyou\n"
    assert said(read(tmp_path, "a.srt", content)) == [
        (1.5, 2.0, None, "hello"),
        (3.5, 4.0, None, "you"),
    ]


@pytest.mark.parametrize(
    "times", ["-00:00:01,000 --> 00:00:04,000", "NaN --> 00:00:04,000", "00:00:04,000 -->"]
)
def test_a_cue_that_cannot_be_placed_is_left_out_and_told(tmp_path, times, caplog):
    with caplog.at_level(logging.WARNING):
        transcript = read(tmp_path, "a.srt", srt("one") + f"2\n{times}\ntwo\n\n" + srt("three"))
    assert texts(transcript) == ["one", "three"]
    assert len(caplog.records) == 1
    assert "a.srt: 1 cue left out: cue 2 (line 6) has times that cannot be read" in caplog.text
    with pytest.raises(UnusableInputError, match=r"a\.srt: cue 1 \(line 2\) has times"):
        read(tmp_path, "a.srt", f"1\n{times}\ntwo\n")


def test_an_arrow_in_the_words_is_said_and_no_length_is_that_of_the_words(tmp_path):
    content = srt("go --> there\nnow") + "2\n00:00:09,000 --> 00:00:09,000\nand stay there\n"
    transcript = read(tmp_path, "a.srt", content)
    assert texts(transcript) == ["go --> there now", "and stay there"]
    assert transcript.cues[1].span.duration == pytest.approx(1.2)
    assert "no length" in transcript.notes[0]


# --- speakers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["Anna Smith: I am", "Bob van Dyk (Guest): No: you"],
         [("Anna Smith", "I am"), ("Bob van Dyk (Guest)", "No: you")]),
        (["[SPEAKER_00]: I am", "ok"], [("SPEAKER_00", "I am"), (None, "ok")]),
        (["(speaker on) I am", "so"], [(None, "(speaker on) I am"), (None, "so")]),
        (["Speaker 1: I am", "so"], [("Speaker 1", "I am"), (None, "so")]),
        (["ANNA: I am\nBOB: You", "ANNA: so"], [("ANNA", "I am"), ("BOB", "You"), ("ANNA", "so")]),
        (["- I am.\n- You", "so"], [(None, "I am."), (None, "You"), (None, "so")]),
        ([">> I am. >> You", "so"], [(None, "I am."), (None, "You"), (None, "so")]),
        # A colon alone names nobody.
        (["BOB: fine"], [(None, "BOB: fine")]),
        (["Look: there", "it", "is"], [(None, "Look: there"), (None, "it"), (None, "is")]),
        (["one: two", "three: four"], [(None, "one: two"), (None, "three: four")]),
    ],
)  # fmt: skip
def test_names_before_what_is_said_are_speakers(tmp_path, lines, found):
    transcript = read(tmp_path, "a.srt", srt(*lines))
    assert [(cue.speaker, cue.text) for cue in transcript.cues] == found
    assert all(word.speaker == cue.speaker for cue in transcript.cues for word in cue.words)


def test_names_in_plain_text_hold_to_the_end_of_the_paragraph(tmp_path):
    transcript = read(tmp_path, "a.txt", "Anna: I am\nso angry\n\nwell\nBob: You\nAnna: no\n")
    assert not transcript.timed
    assert [(cue.speaker, cue.text) for cue in transcript.cues] == [
        ("Anna", "I am"), ("Anna", "so angry"), (None, "well"), ("Bob", "You"), ("Anna", "no"),
    ]  # fmt: skip


# --- text with times in it ---------------------------------------------------------------------

OTTER = (
    "Speaker 1  0:00\nI am\n\nAnna Smith  0:02\nYou\nnever\n\nTranscribed by https://otter.ai\n"
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[00:00.000 --> 00:02.000]  I am\n[00:02.000 --> 00:04.500]  You never\n",
         [(0, 2, None, "I am"), (2, 4.5, None, "You never")]),
        ("[00:00:00.000 --> 00:00:02.000]   I am\n", [(0, 2, None, "I am")]),
        ("0.000000\t2.500000\tI am\n\\\t100.0\t200.0\n2,500000\t4,000000\tYou\n",
         [(0, 2.5, None, "I am"), (2.5, 4, None, "You")]),
        (OTTER, [(0, 2, "Speaker 1", "I am"), (2, 2.8, "Anna Smith", "You never")]),
        ("Anna (00:02):\nI am\n\nBob (00:03):\nYou\n",
         [(2, 3, "Anna", "I am"), (3, 3.4, "Bob", "You")]),
        ("0:00\nI am\n0:02\nYou never\n", [(0, 2, None, "I am"), (2, 2.8, None, "You never")]),
        ("[0:01] Anna: I am\n[0:02] Bob: You\n", [(1, 2, "Anna", "I am"), (2, 2.8, "Bob", "You")]),
        (srt("I am", "You"), [(2, 4, None, "I am"), (4, 6, None, "You")]),
        ("WEBVTT\n\n00:00.000 --> 00:02.000\nI am\n", [(0, 2, None, "I am")]),
    ],
)  # fmt: skip
def test_text_with_times_in_it_is_read_with_them(tmp_path, text, found):
    transcript = read(tmp_path, "a.txt", text)
    assert transcript.timed
    assert said(transcript) == found


@pytest.mark.parametrize(
    "text",
    ["We met at 10:30.\nThen we left.", "10:30 we met\nand left", "I am\n7:00\n6:00\n5:00"],
)
def test_times_of_day_in_a_text_are_part_of_it(tmp_path, text):
    assert not read(tmp_path, "a.txt", text).timed


# --- other formats -----------------------------------------------------------------------------

ASS = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname
Style: Default,Arial

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:03.00,Default,Anna,0,0,0,,{\\i1}I am{\\i0}\\Nangry
Comment: 0,0:00:01.00,0:00:03.00,Default,,0,0,0,,not said
Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,{\\p1}m 0 0 l 1 1
Dialogue: 0,0:00:04.00,0:00:05.00,Default,Bob,0,0,0,,You
"""
TTML = """<?xml version="1.0" encoding="UTF-8"?>
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter"
 ttp:frameRate="25" ttp:tickRate="1000"><body><div>
<p begin="00:00:01.000" end="3s">I am<br/>angry</p><p begin="soon" end="4s">lost</p>
<p begin="00:00:04:00" end="5000t"><span>You</span></p></div></body></tt>
"""
CHAT = """@Begin
@Languages:\teng
@Participants:\tAnna Target_Child, Bob Father
*Anna:\tI am &-um <very> [//] angry [=! yells] . \x151000_3000\x15
%mor:\tpro|I cop|be
*Bob:\txxx (be)cause you
\tnever@c ! \x154000_5000\x15
*Bob:\t0 &=laughs . \x155000_6000\x15
@End
"""
ANGRY = [(1, 3, "Anna", "I am angry"), (4, 5, "Bob", "You")]
UNNAMED = [(1, 3, None, "I am angry"), (4, 5, None, "You")]


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.ass", ASS, ANGRY),
        ("a.ass", f"{ASS}Dialogue: 0,soon,0:00:09.00,Default,,0,0,0,,lost\n", ANGRY),
        ("a.ttml", TTML, UNNAMED),
        ("a.dfxp", TTML.replace("ns/ttml\"", "2006/10/ttaf1\""), UNNAMED),
        ("a.sbv", "0:00:01.000,0:00:03.000\nI am\nangry\n\n0:00:04.000,0:00:05.000\nYou\n",
         UNNAMED),
        ("a.lrc", "[ti:Song]\n[offset:500]\n[00:01.50][00:09.50]I am\n[00:02.00]\n"
         "[00:04.50]You <00:05.00>two\n",
         [(1, 1.5, None, "I am"), (4, 4.8, None, "You two"), (9, 9.8, None, "I am")]),
        ("a.tsv", "start\tend\ttext\n1000\t3000\tI am\nx\ty\tlost\n4000\t5000\tYou\n",
         [(1, 3, None, "I am"), (4, 5, None, "You")]),
        ("a.tsv", "start\tend\tspeaker\ttext\n1.0\t3.0\tAnna\tI am\n", [(1, 3, "Anna", "I am")]),
        ("a.cha", CHAT,
         [(1, 3, "Anna", "I am um very angry."), (4, 5, "Bob", "because you never!")]),
    ],
)  # fmt: skip
def test_other_formats(tmp_path, name, content, found):
    transcript = read(tmp_path, name, content)
    assert said(transcript) == found
    assert bool(transcript.notes) == ("lost" in content)


def test_chat_without_times_is_text(tmp_path):
    transcript = read(tmp_path, "a.cha", "@Begin\n*CHI:\tI am .\n*MOT:\tYou .\n")
    assert not transcript.timed
    assert [(cue.speaker, cue.text) for cue in transcript.cues] == [
        ("CHI", "I am."),
        ("MOT", "You."),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "id\ttext\na\tb\n", "columns start, end and text"),
        ("a.cha", "hello", "is not CHAT"),
        ("a.ttml", "<!DOCTYPE x><tt/>", "document type"),
        ("a.ttml", "<tt", "is not XML"),
        ("a.ass", "hello", "no subtitle cues"),
        ("a.lrc", "hello", "no subtitle cues"),
        ("a.stl", "hello", "of a kind that is not read"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, name, content, message):
    with pytest.raises(UnusableInputError, match=message) as caught:
        read(tmp_path, name, content)
    assert "\n" not in str(caught.value)


def test_the_name_of_a_file_may_tell_the_language(tmp_path):
    assert read(tmp_path, "talk.de-AT.srt", srt("Hallo")).language == "de"
    assert read(tmp_path, "talk.final.srt", srt("Hallo")).language is None
    assert (
        read(tmp_path, "a.vtt", "WEBVTT\nLanguage: fr\n\n00:00.000 --> 00:01.000\noui\n").language
        == "fr"
    )
