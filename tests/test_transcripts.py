from __future__ import annotations

import json
import logging
import random
import re
from itertools import pairwise
from pathlib import Path

import pysubs2
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.transcripts import join_words, merge_pieces, parse_text, read_transcript
from lddu_pipe.transcripts.cues import share_span, split_words
from lddu_pipe.transcripts.encoding import decode
from lddu_pipe.types import Cue, TimeSpan, Transcript, Word


def write(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def srt(text: str) -> str:
    return f"1\n00:00:01,000 --> 00:00:04,000\n{text}\n\n"


def texts(transcript: Transcript) -> list[str]:
    return [cue.text for cue in transcript.cues]


def bounds(words: tuple[Word, ...]) -> list[tuple[str, float, float]]:
    return [(word.text, word.span.start, word.span.end) for word in words]


# --- words -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello , world !", ["Hello,", "world!"]),
        ("... so what", ["...so", "what"]),
        ("great 😀 ❤️", ["great", "😀", "❤️"]),
        ("oh no :( really :-)", ["oh", "no", ":(", "really", ":-)"]),
        ("I <3 you & me", ["I", "<3", "you", "&", "me"]),
        ("今天很好。我很高兴！", ["今", "天", "很", "好。", "我", "很", "高", "兴！"]),
        ("他说「走」 ok", ["他", "说", "「走」", "ok"]),
        ("ผมดีใจ มาก", ["ผ", "ม", "ดี", "ใจ", "มา", "ก"]),
        ("ຂ້ອຍຮັກເຈົ້າ", ["ຂ້", "ອ", "ຍ", "ຮັ", "ກ", "ເຈົ້າ"]),
        ("ស្រលាញ់ you", ["ស្រ", "លា", "ញ់", "you"]),
        ("나는 행복해요", ["나는", "행복해요"]),
        ("don't e.g. 3.5", ["don't", "e.g.", "3.5"]),
        ("♪ ... ♪", []),
        ("  \n\t", []),
    ],
)
def test_splits_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@settings(deadline=None)
@given(st.text())
def test_splitting_keeps_every_character_of_spoken_text(text: str) -> None:
    words = split_words(text)
    assert all(word and not any(char.isspace() for char in word) for word in words)
    if words:
        assert "".join(words) == "".join(text.split())


@settings(deadline=None)
@given(st.text())
def test_joined_words_split_again_into_the_same_words(text: str) -> None:
    # A blank before a lone vowel sign of these scripts, which nobody writes, is not kept.
    assume(not re.search("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]", text))
    words = split_words(text)
    assert split_words(join_words([Word(word, TimeSpan(0, 0)) for word in words])) == words


def test_joins_chinese_without_spaces() -> None:
    spoken = [Word(text, TimeSpan(0, 0)) for text in ("我", "很", "好。", "OK", "then", "走")]
    assert join_words(spoken) == "我很好。 OK then 走"


@settings(deadline=None)
@given(
    st.lists(st.text(min_size=1), min_size=1),
    st.floats(0, 1e5),
    st.floats(0, 1e3),
)
def test_shared_spans_tile_the_span_by_length(
    words: list[str], start: float, length: float
) -> None:
    span = TimeSpan(start, start + length)
    shares = share_span(words, span)
    assert shares[0].start == span.start
    assert shares[-1].end == span.end
    assert all(a.end == b.start for a, b in pairwise(shares))
    expected = span.duration * len(words[0]) / sum(map(len, words))
    assert shares[0].duration == pytest.approx(expected, abs=1e-9)


# --- subtitles ---------------------------------------------------------------------------------


def test_reads_what_pysubs2_writes(tmp_path: Path) -> None:
    subtitles = pysubs2.SSAFile()
    lines = ["Hello there.", "He is\\N42", "{\\i1}Tilted{\\i0} words", "7"]
    for index, line in enumerate(lines):
        start = index * 2000 + 137
        subtitles.append(pysubs2.SSAEvent(start=start, end=start + 1500, text=line))
    for suffix in ("srt", "vtt"):
        subtitles.save(str(tmp_path / f"a.{suffix}"))
        transcript = read_transcript(tmp_path / f"a.{suffix}")
        assert texts(transcript) == ["Hello there.", "He is 42", "Tilted words", "7"]
        assert transcript.timed
        assert transcript.source == f"a.{suffix}"
        assert [cue.span.start for cue in transcript.cues] == [0.137, 2.137, 4.137, 6.137]
        assert [cue.span.end for cue in transcript.cues] == [1.637, 3.637, 5.637, 7.637]


def test_words_share_the_cue_by_length(tmp_path: Path) -> None:
    transcript = read_transcript(write(tmp_path, "a.srt", srt("ab cdef")))
    assert bounds(transcript.words) == [("ab", 1.0, 2.0), ("cdef", 2.0, 4.0)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r"{\an8}<i>Hello</i> <font color='red'>you</font>", "Hello you"),
        ("[door\nslams] Who's there?", "Who's there?"),
        ("(LAUGHTER)\nStop it", "Stop it"),
        ("I said (quietly) no", "I said (quietly) no"),
        ("♪ Sing with me ♪", "Sing with me"),
        ("- Hi!", "Hi!"),
        (">> Tom &amp; me &lt;3", "Tom & me <3"),
        ("-5 degrees", "-5 degrees"),
        ("BOB: fine", "BOB: fine"),
        ("5 < 7 and 9 > 8", "5 < 7 and 9 > 8"),
    ],
)
def test_keeps_only_what_is_said(tmp_path: Path, text: str, said: str) -> None:
    assert texts(read_transcript(write(tmp_path, "a.srt", srt(text)))) == [said]


def test_drops_cues_without_words(tmp_path: Path) -> None:
    content = srt("♪♪♪") + srt("...") + srt("[music]") + srt("Yes")
    assert texts(read_transcript(write(tmp_path, "a.srt", content))) == ["Yes"]


def test_tolerates_srt_as_found_in_the_wild(tmp_path: Path) -> None:
    content = (
        "\ufeff1\r\n00:00:01,5-->00:00:02\r\nno spaces\r\n\r\nblank line inside\r\n"
        "2\r\n0:00:03.000 --> 0:00:04.000 X1:100\r\n100\r\n\r\n00:05,000 --> 00:06,000\r\nend"
    )
    transcript = read_transcript(write(tmp_path, "a.SRT", content))
    assert texts(transcript) == ["no spaces blank line inside", "100", "end"]
    assert [cue.span for cue in transcript.cues] == [
        TimeSpan(1.5, 2.0),
        TimeSpan(3.0, 4.0),
        TimeSpan(5.0, 6.0),
    ]


WEBVTT = """WEBVTT - title

STYLE
::cue { color: red }

NOTE not said
at all

intro
00:01.000 --> 00:04.000 align:start position:0%
<v Roger Bingham>Hello <00:00:02.000><c.yellow>big</c> <00:00:03.500>world

NOTE nor this

01:00:05.000 --> 01:00:07.000
<v.loud Mary>Two</v>
<v Bob>Fours</v>
"""


def test_webvtt_speakers_word_times_and_notes(tmp_path: Path) -> None:
    transcript = read_transcript(write(tmp_path, "a.vtt", WEBVTT))
    assert texts(transcript) == ["Hello big world", "Two Fours"]
    first, second = transcript.cues
    assert bounds(first.words) == [("Hello", 1.0, 2.0), ("big", 2.0, 3.5), ("world", 3.5, 4.0)]
    assert first.speaker == "Roger Bingham"
    assert second.speaker is None
    assert [word.speaker for word in second.words] == ["Mary", "Bob"]
    assert bounds(second.words) == [("Two", 3605.0, 3605.75), ("Fours", 3605.75, 3607.0)]


def test_word_times_that_run_backward_or_outside_are_ignored(tmp_path: Path) -> None:
    content = "WEBVTT\n\n00:01.000 --> 00:03.000\na<00:02.000>b<00:01.500>c<00:09.000>d\n"
    words = read_transcript(write(tmp_path, "a.vtt", content)).words
    assert [word.text for word in words] == ["a", "b", "c", "d"]
    assert words[0].span == TimeSpan(1.0, 2.0)
    assert words[1].span.start == 2.0
    assert words[3].span.end == 3.0


def test_rolling_captions_are_said_once(tmp_path: Path) -> None:
    content = """WEBVTT
Kind: captions

00:00:00.000 --> 00:00:02.000 align:start position:0%
\x20
hello<00:00:01.000><c> there</c><00:00:01.500><c> no</c>

00:00:02.000 --> 00:00:02.010 align:start position:0%
hello there no
\x20

00:00:02.010 --> 00:00:05.000 align:start position:0%
hello there no
no<00:00:03.000><c> &gt;&gt; what</c>
"""
    transcript = read_transcript(write(tmp_path, "a.vtt", content))
    assert [word.text for word in transcript.words] == ["hello", "there", "no", "no", "what"]
    assert [word.span.start for word in transcript.words] == [0.0, 1.0, 1.5, 2.01, 3.0]


def test_repeated_subtitles_without_word_times_are_said_twice(tmp_path: Path) -> None:
    content = srt("No!") + "2\n00:00:04,000 --> 00:00:05,000\nNo!\nStop\n"
    assert texts(read_transcript(write(tmp_path, "a.srt", content))) == ["No!", "No! Stop"]


def test_overlapping_cues_stay_in_order_of_start(tmp_path: Path) -> None:
    content = "00:00:03,000 --> 00:00:05,000\nlater\n\n00:00:01,000 --> 00:00:04,000\nearlier\n"
    transcript = read_transcript(write(tmp_path, "a.srt", content))
    assert texts(transcript) == ["earlier", "later"]
    assert [cue.span for cue in transcript.cues] == [TimeSpan(1, 4), TimeSpan(3, 5)]


def test_swapped_times_are_put_right_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = srt("one") + "2\n00:00:09,000 --> 00:00:08,000\ntwo\n"
    with caplog.at_level(logging.WARNING):
        transcript = read_transcript(write(tmp_path, "a.srt", content))
    assert transcript.cues[1].span == TimeSpan(8.0, 9.0)
    assert "cue 2" in caplog.text


# --- encodings and unusable files --------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "naïve 😀 你好"),
        ("utf-8-sig", "naïve 😀 你好"),
        ("utf-16", "naïve 😀 你好"),
        ("utf-16-le", "Hello there"),
        ("utf-16-be", "Größe"),
        ("utf-32", "naïve 你好"),
        ("cp1252", "I’m fine – “really”…"),
        ("cp1252", "It’s a naïve résumé."),
        ("cp1252", "It’s fine."),
        ("cp1252", "I had a déjà vu."),
        ("cp1252", "Così è, già."),
        ("cp1252", "Så är det, för fan!"),
        ("cp1257", "Ačiū, gerai. Aš labai laimingas šiandien."),
        ("cp1254", "Nasılsın? Çok güzel, teşekkür ederim."),
        ("cp1252", "Größe und Übermut tun selten gut."),
        ("cp1252", "¿Qué pasa, señor?"),
        ("cp1251", "Привет, как дела? Я так рад тебя видеть."),
        ("cp1250", "Cześć, jak się masz? Bardzo się cieszę, że cię widzę."),
        ("gb18030", "今天我很高兴见到你，你好吗？我们一起去吃饭吧。"),
        ("shift_jis", "今日はとても嬉しいです。会えてよかった。"),
    ],
)
@pytest.mark.parametrize("suffix", ["srt", "txt"])
def test_reads_encodings(tmp_path: Path, encoding: str, text: str, suffix: str) -> None:
    content = (srt(text) if suffix == "srt" else text).encode(encoding)
    assert texts(read_transcript(write(tmp_path, f"a.{suffix}", content))) == [text]


CP1252 = bytes(byte for byte in range(0x80, 0x100) if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D))


@settings(deadline=None)
@given(st.text(alphabet=CP1252.decode("cp1252"), max_size=20))
def test_western_bytes_never_crash_or_lose_a_character(text: str) -> None:
    data = srt(f"He said {text} to me, I know.").encode("cp1252")
    decoded = decode(data)
    assert decoded is None or "\ufffd" not in decoded
    if decoded is not None:
        assert "He said " in decoded


@pytest.mark.parametrize("name", ["a.srt", "a.vtt", "a.json", "a.txt"])
@pytest.mark.parametrize(
    "content",
    [b"", b"  \n\n", random.Random(0).randbytes(3000), b"\x7fELF\x00\x01" * 90],
    ids=["empty", "blank", "random", "program"],
)
def test_empty_and_binary_files_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(UnusableInputError) as caught:
        read_transcript(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.srt", "just a line", "no subtitle cues"),
        ("a.srt", srt("[music]"), "no words"),
        ("a.txt", "... --- ...", "no words"),
        ("a.json", "[]", "no words"),
        ("a.docx", "hello", r"of a kind that is not read; give .* \.srt, \.vtt, .*\.txt"),
    ],
)
def test_names_what_is_wrong(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(UnusableInputError, match=message):
        read_transcript(write(tmp_path, name, content))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    (tmp_path / "folder.srt").mkdir()
    with pytest.raises(UnusableInputError, match=r"missing\.srt does not exist; check the name"):
        read_transcript(tmp_path / "missing.srt")
    with pytest.raises(UnusableInputError, match=r"folder\.srt is a folder; name a transcript"):
        read_transcript(tmp_path / "folder.srt")


# --- JSON --------------------------------------------------------------------------------------


def read_json(tmp_path: Path, content: object) -> Transcript:
    return read_transcript(write(tmp_path, "a.json", json.dumps(content)))


def test_reads_whisper_json(tmp_path: Path) -> None:
    words = [
        {"word": " Hello", "start": 0.1, "end": 0.5, "probability": 0.9},
        {"word": ",", "start": 0.5, "end": 0.5, "probability": 0.2},
        {"word": " you", "start": 0.6, "end": 1.0, "probability": 0.8},
    ]
    content = {
        "text": "...",
        "language": "en",
        "segments": [
            {"id": 0, "start": 0.0, "end": 1.2, "text": " Hello, you", "words": words},
            {"id": 1, "start": 2, "end": 3, "text": " No times"},
            {"id": 2, "start": 3, "end": 4, "text": ""},
        ],
    }
    transcript = read_json(tmp_path, content)
    assert transcript.language == "en"
    assert texts(transcript) == ["Hello, you", "No times"]
    assert transcript.words[:2] == (
        Word("Hello,", TimeSpan(0.1, 0.5), 0.9),
        Word("you", TimeSpan(0.6, 1.0), 0.8),
    )
    assert transcript.words[2].probability is None


def test_pieces_of_a_word_are_merged() -> None:
    raw = [(" in", 0.9), (" D", 0.8), (".C.", 0.3), (" 20", 0.7), ("%", None), (" ...", 0.1)]
    pieces = [
        Word(text, TimeSpan(index, index + 1), probability)
        for index, (text, probability) in enumerate(raw)
    ]
    assert merge_pieces(pieces) == [
        Word("in", TimeSpan(0, 1), 0.9),
        Word("D.C.", TimeSpan(1, 3), 0.3),
        Word("20%...", TimeSpan(3, 6), 0.7),
    ]
    assert merge_pieces([]) == []


def test_words_without_leading_spaces_stay_apart() -> None:
    pieces = [Word(text, TimeSpan(0, 1)) for text in ("我", "😀", "'cause", ".")]
    assert [word.text for word in merge_pieces(pieces)] == ["我", "😀", "'cause."]


def test_reads_a_list_of_segments(tmp_path: Path) -> None:
    content = [
        {"start": 5, "end": 6, "text": "second", "speaker": "B"},
        {"start": 1, "end": 2.5, "text": "[sighs] first", "speaker": "A"},
    ]
    transcript = read_json(tmp_path, content)
    assert transcript.cues[0] == Cue(
        "first", TimeSpan(1, 2.5), (Word("first", TimeSpan(1, 2.5), speaker="A"),), "A"
    )
    assert transcript.cues[1].speaker == "B"


def test_reads_whisperx_json_with_words_without_times(tmp_path: Path) -> None:
    words = [
        {"word": "[door", "start": 0.0, "end": 0.2},
        {"word": "slams]", "start": 0.2, "end": 0.4},
        {"word": "I", "start": 0.5, "end": 0.75, "score": 0.5, "speaker": "S1"},
        {"word": "have"},
        {"word": "2020"},
        {"word": "cats", "start": 1.75, "end": 2.0, "score": float("nan")},
        {"word": "ok"},
    ]
    segment = {"start": 0, "end": 2.5, "text": "", "words": words, "speaker": "S0"}
    cue = read_json(tmp_path, {"segments": [segment], "word_segments": words}).cues[0]
    assert cue.text == "I have 2020 cats ok"
    assert bounds(cue.words) == [
        ("I", 0.5, 0.75),
        ("have", 0.75, 1.25),
        ("2020", 1.25, 1.75),
        ("cats", 1.75, 2.0),
        ("ok", 2.0, 2.5),
    ]
    assert [word.speaker for word in cue.words] == ["S1", "S0", "S0", "S0", "S0"]
    assert cue.words[0].probability == 0.5
    assert cue.words[3].probability is None


@pytest.mark.parametrize("content", ["{", "[" * 100_000, '{"a":\n'])
def test_broken_json_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    with pytest.raises(UnusableInputError, match="not JSON") as caught:
        read_transcript(write(tmp_path, "a.json", content))
    assert "\n" not in str(caught.value)


# --- plain text --------------------------------------------------------------------------------


def test_plain_text_has_places_and_no_times(tmp_path: Path) -> None:
    text = "First line here now.\n\n  \nSecond [NAME].\n"
    transcript = read_transcript(write(tmp_path, "a.txt", text))
    assert not transcript.timed
    assert texts(transcript) == ["First line here now.", "Second [NAME]."]
    assert [cue.span.start for cue in transcript.cues] == [0.0, 1.6]
    assert transcript.cues[1].span.end == pytest.approx(2.4)
    assert parse_text(text).cues == transcript.cues


def test_text_without_words_is_refused() -> None:
    for text in ("", "  \n", "?!"):
        with pytest.raises(UnusableInputError, match="no words"):
            parse_text(text)


def test_text_of_one_emoji_is_enough() -> None:
    assert [word.text for word in parse_text("😡").words] == ["😡"]
