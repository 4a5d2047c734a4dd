"""Transcripts of ELAN and Praat, made with pympi and praatio."""

from __future__ import annotations

import logging
import re
import struct
from pathlib import Path

import pytest
from praatio.data_classes.interval_tier import IntervalTier
from praatio.data_classes.point_tier import PointTier
from praatio.data_classes.textgrid import Textgrid
from pympi.Elan import Eaf

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.transcripts import read_transcript
from lddu_pipe.transcripts.tiers import identify
from lddu_pipe.types import Transcript


def grid(path: Path, tiers: dict[str, list], *, form="long_textgrid", encoding="utf-8") -> Path:
    """A TextGrid of ten seconds; entries of two parts are points."""
    made = Textgrid(0, 10)
    for name, entries in tiers.items():
        kind = PointTier if entries and len(entries[0]) == 2 else IntervalTier
        made.addTier(kind(name, entries, 0, 10))
    made.save(str(path), form, includeBlankSpaces=True)
    if encoding != "utf-8":
        path.write_bytes(path.read_text("utf-8").encode(encoding))
    return path


def said(transcript: Transcript) -> list[tuple]:
    return [(cue.span.start, cue.span.end, cue.speaker, cue.text) for cue in transcript.cues]


def words(transcript: Transcript) -> list[tuple]:
    return [(word.text, word.span.start, word.span.end) for word in transcript.words]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("text", ("utterances", None)),
        ("Utterances", ("utterances", None)),
        ("text2", ("utterances", None)),
        ("text@Ana", ("utterances", "Ana")),
        ("text2@Ana@home", ("utterances", "Ana@home")),
        ("words", ("words", None)),
        ("ORT-MAU", ("words", None)),
        ("Ana - words", ("words", "Ana")),
        ("Ana - phones", ("other", "Ana")),
        ("phones", ("other", None)),
        ("emotion@Ana", ("other", "Ana")),
        ("confidence2@Ana", ("other", "Ana")),
        ("Ana", (None, "Ana")),
        ("K-Spch", (None, "K-Spch")),
        ("ref@SP1", (None, "SP1")),
        ("default", (None, None)),
        ("Tier 1", (None, None)),
        ("", (None, None)),
    ],
)
def test_names_of_tiers(name, expected):
    assert identify(name) == expected


# --- Praat -------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["long_textgrid", "short_textgrid"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("suffix", [".TextGrid", ".textgrid"])
def test_reads_both_forms_of_textgrids_in_every_encoding(tmp_path, form, encoding, suffix):
    entries = [(0.5, 1.25, 'Grüße, sagte "sie"'), (3, 4, "item [1: ok")]
    path = grid(
        tmp_path / f"a{suffix}",
        {'the "best" Ana': entries, "marks": [(2, "text")]},
        form=form,
        encoding=encoding,
    )
    transcript = read_transcript(path)
    assert said(transcript) == [
        (0.5, 1.25, 'the "best" Ana', 'Grüße, sagte "sie"'),
        (3, 4, 'the "best" Ana', "item [1: ok"),
    ]
    assert transcript.timed
    assert transcript.source == path.name


def test_line_ends_of_other_systems_and_exponents(tmp_path):
    path = grid(tmp_path / "a.TextGrid", {"text": [(1, 2, "one two")]})
    content = path.read_text("utf-8").replace("xmin = 1 \n", "xmin = 1e-05 \n")
    for end in ("\r\n", "\r"):
        path.write_bytes(content.replace("\n", end).encode())
        assert said(read_transcript(path)) == [(0.00001, 2, None, "one two")]


def test_phones_and_our_own_tiers_are_no_speech(tmp_path):
    path = grid(
        tmp_path / "a.TextGrid",
        {
            "Ana": [(0, 1, "hello there")],
            "phones": [(0, 0.5, "HH"), (0.5, 1, "AH")],
            "emotion@Ana": [(0, 1, "happy")],
            "confidence@Ana": [(0, 1, "0.81")],
            "notes": [(2, 3, "she laughs")],
        },
    )
    assert said(read_transcript(path)) == [(0, 1, "Ana", "hello there")]


def test_words_give_utterances_their_times(tmp_path):
    path = grid(
        tmp_path / "a.TextGrid",
        {
            "words": [(0.1, 0.4, "hello"), (0.6, 1.7, "THERE"), (1.7, 1.9, "sp"), (2, 3, "um")],
            "utterances": [(0, 2, "Hello, there!"), (2, 4, "Something else.")],
        },
    )
    transcript = read_transcript(path)
    assert said(transcript) == [(0, 2, None, "Hello, there!"), (2, 4, None, "Something else.")]
    assert words(transcript)[:2] == [("Hello,", 0.1, 0.4), ("there!", 0.6, 1.7)]
    # These are not the words that were said: they share the time as elsewhere.
    assert [word[0] for word in words(transcript)[2:]] == ["Something", "else."]
    assert words(transcript)[3][2] == 4


def test_words_of_somebody_without_utterances_are_read(tmp_path):
    path = grid(
        tmp_path / "a.TextGrid",
        {
            "Ana - words": [(0, 0.5, "good"), (0.5, 1, "morning")],
            "Ana - phones": [(0, 0.5, "G"), (0.5, 1, "M")],
            "utterance@Bo": [(1, 2, "hi Ana")],
            "Bo - words": [(1.2, 1.5, "hi"), (1.5, 2, "ana")],
        },
    )
    transcript = read_transcript(path)
    assert said(transcript) == [(0, 1, "Ana", "good morning"), (1, 2, "Bo", "hi Ana")]
    assert words(transcript)[2:] == [("hi", 1.2, 1.5), ("Ana", 1.5, 2)]


def test_nothing_is_said_twice_by_tiers_without_speaker(tmp_path):
    single = [(0, 1, "hello")]
    for names in (("text", "words@Ana"), ("text@Ana", "words"), ("text@Ana", "Ana", "words")):
        path = grid(tmp_path / "a.TextGrid", dict.fromkeys(names, single))
        assert [cue.text for cue in read_transcript(path).cues] == ["hello"]


def test_words_alone_make_cues_that_end_at_pauses(tmp_path):
    entries = [(0, 0.5, "one"), (0.5, 0.9, "<eps>"), (1, 1.5, "two"), (2.1, 2.5, "three")]
    path = grid(tmp_path / "a.TextGrid", {"words": entries, "phones": [(0, 1, "W")]})
    transcript = read_transcript(path)
    assert said(transcript) == [(0, 1.5, None, "one two"), (2.1, 2.5, None, "three")]


def test_descriptions_and_silences_are_nobodys_words(tmp_path):
    entries = [(0, 1, "[laughter]"), (1, 2, "sil"), (2, 3, "[sighs] well ♪"), (3, 4, "...")]
    path = grid(tmp_path / "a.TextGrid", {"text": entries})
    assert said(read_transcript(path)) == [(2, 3, None, "well")]


def test_swapped_times_are_put_right_with_a_warning(tmp_path, caplog):
    path = grid(tmp_path / "a.TextGrid", {"text": [(1, 2, "one")]}, form="short_textgrid")
    path.write_text(path.read_text().replace('1\n2\n"one"', '2\n1\n"one"'))
    with caplog.at_level(logging.WARNING, logger="lddu_pipe"):
        assert said(read_transcript(path)) == [(1, 2, None, "one")]
    assert "tier text, annotation 2 ends before it starts" in caplog.text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("hello", "is not a TextGrid"),
        ('"ooTextFile"\n"Spectrum"', "is not a TextGrid"),
        ('"ooTextFile"\n"TextGrid"\n0\n10\n<exists>\n99999999\n', "ends too early"),
        ('"ooTextFile"\n"TextGrid"\n0\n10\n<exists>\n1\n"Weird"\n', "class 'Weird'"),
        ('"ooTextFile"\n"TextGrid"\n0\n10\n<exists>\n1\n2\n', "2.0 is where text goes"),
        ('"ooTextFile"\n"TextGrid"\n0\n"a"\n', "'a' is where a number goes"),
        ('"ooTextFile"\n"TextGrid"\n0\n10\n<absent>\n', "has no words"),
        (
            '"ooTextFile"\n"TextGrid"\n0\n9\n<exists>\n1\n"IntervalTier"\n"text"\n0\n9\n0\n',
            "no words",
        ),
        (
            '"ooTextFile"\n"TextGrid"\n0\n9\n<exists>\n1\n"IntervalTier"\n"text"\n0\n9\n1\n-2\n1\n"a"',
            "impossible time",
        ),
        ('"' * 100_001, "is not a TextGrid"),
    ],
)
def test_what_is_no_textgrid_is_one_line(tmp_path, content, reason):
    path = tmp_path / "a.TextGrid"
    path.write_text(content)
    with pytest.raises(UnusableInputError, match=reason) as caught:
        read_transcript(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def binary(path: Path, tiers: dict[str, list]) -> Path:
    """The same in Praat's binary form, as its manual has it."""

    def text(value: str) -> bytes:
        if value.isascii():
            return struct.pack(">H", len(value)) + value.encode("ascii")
        return struct.pack(">HH", 0xFFFF, len(value)) + value.encode("utf-16-be")

    data = b"ooBinaryFile\x08TextGrid" + struct.pack(">dd?i", 0, 10, True, len(tiers))
    for name, entries in tiers.items():
        data += b"\x0cIntervalTier" + text(name) + struct.pack(">ddi", 0, 10, len(entries))
        for start, end, label in entries:
            data += struct.pack(">dd", start, end) + text(label)
    path.write_bytes(data)
    return path


def test_the_binary_form_of_textgrids(tmp_path):
    tiers = {"Ana": [(0, 0.5, ""), (0.5, 1.25, "Grüße 日本")], "phones": [(0, 1, "HH")]}
    path = binary(tmp_path / "a.TextGrid", tiers)
    assert said(read_transcript(path)) == [(0.5, 1.25, "Ana", "Grüße 日本")]
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UnusableInputError, match="ends too early"):
        read_transcript(path)


def test_one_impossible_interval_does_not_lose_the_others(tmp_path, caplog):
    path = grid(tmp_path / "a.TextGrid", {"text": [(1, 2, "one"), (3, 4, "two")]})
    path.write_text(path.read_text("utf-8").replace("xmin = 1 ", "xmin = -1 "), "utf-8")
    with caplog.at_level(logging.WARNING, logger="lddu_pipe"):
        assert said(read_transcript(path)) == [(3, 4, None, "two")]
    assert "1 annotation left out: tier text, annotation 2 has an impossible time" in caplog.text


# --- which tiers -------------------------------------------------------------------------------


def test_tiers_that_are_named_are_read_whatever_they_are_called(tmp_path):
    entries = {"Ana": [(0, 1, "hello")], "notes": [(1, 2, "hi")], "text": [(0, 1, "hallo")]}
    path = grid(tmp_path / "a.TextGrid", entries)
    assert said(read_transcript(path)) == [(0, 1, None, "hallo")]
    chosen = read_transcript(path, ["Ana", "notes"])
    assert said(chosen) == [(0, 1, "Ana", "hello"), (1, 2, None, "hi")]
    with pytest.raises(UnusableInputError, match="has no tier 'Bo' with text; it has 'Ana', 'no"):
        read_transcript(path, ["Bo"])


def test_two_tiers_of_the_same_times_are_asked_about(tmp_path):
    own, other = ([(n, n + 1, f"{word} {n}") for n in range(4)] for word in ("yes", "oui"))
    path = grid(tmp_path / "a.TextGrid", {"Ana": own, "French": other})
    with pytest.raises(
        UnusableInputError, match=r"'Ana', 'French' with the same times, .* --tier"
    ):
        read_transcript(path)
    assert {cue.speaker for cue in read_transcript(path, ["Ana"]).cues} == {"Ana"}


def test_tiers_of_codes_are_told(tmp_path):
    codes = [(n, n + 1, "AB"[n % 2]) for n in range(6)]
    spoken = [(6, 7, "hello there"), (8, 9, "so")]
    path = grid(tmp_path / "a.TextGrid", {"Ana": spoken, "scheme": codes, "gaze_Ana": codes})
    transcript = read_transcript(path)
    assert {cue.speaker for cue in transcript.cues} == {"Ana", "scheme"}
    assert "'scheme' may be codes" in transcript.notes[0]


# --- ELAN --------------------------------------------------------------------------------------


def elan(path: Path, *, top=(), types=("default-lt",)) -> Eaf:
    """An EAF without tiers but those of `top`: (name, type, participant, annotations in ms)."""
    made = Eaf()
    made.remove_tier("default")
    for kind in types:
        made.add_linguistic_type(kind)
    for name, kind, participant, spoken in top:
        made.add_tier(name, ling=kind, part=participant)
        for start, end, text in spoken:
            made.add_annotation(name, start, end, text)
    return made


def read(made: Eaf, path: Path) -> Transcript:
    made.to_file(str(path))
    return read_transcript(path)


def test_tiers_without_parent_are_speakers(tmp_path):
    made = elan(
        tmp_path,
        top=[
            ("Ana", "default-lt", None, [(0, 1500, "Grüße & <küsse>"), (3000, 4001, "bye")]),
            ("B-Spch", "default-lt", "Bo", [(1000, 2000, "日本")]),
            ("gestures", "default-lt", None, [(0, 900, "waves")]),
        ],
    )
    assert said(read(made, tmp_path / "a.EAF")) == [
        (0, 1.5, "Ana", "Grüße & <küsse>"),
        (1, 2, "Bo", "日本"),
        (3, 4.001, "Ana", "bye"),
    ]


def test_the_linguistic_type_says_what_a_tier_holds(tmp_path):
    made = elan(
        tmp_path,
        types=("utterance", "handling"),
        top=[
            ("K-Spch", "utterance", None, [(0, 1000, "so you go out")]),
            ("K-LH", "handling", "K", [(0, 500, "stroke")]),
        ],
    )
    assert said(read(made, tmp_path / "a.eaf")) == [(0, 1, "K-Spch", "so you go out")]


def test_values_of_a_vocabulary_are_no_speech_and_children_can_be_named(tmp_path):
    made = elan(
        tmp_path,
        types=("scheme",),
        top=[
            ("Ana", "default-lt", None, [(0, 1000, "hello")]),
            ("how", "scheme", None, [(0, 900, "loud")]),
        ],
    )
    made.add_controlled_vocabulary("loudness")
    made.linguistic_types["scheme"]["CONTROLLED_VOCABULARY_REF"] = "loudness"
    made.add_linguistic_type("sub", constraints="Symbolic_Association", timealignable=False)
    made.add_tier("French", ling="sub", parent="Ana")
    made.add_ref_annotation("French", "Ana", 500, "bonjour")
    path = tmp_path / "a.eaf"
    assert said(read(made, path)) == [(0, 1, "Ana", "hello")]
    assert [cue.text for cue in read_transcript(path, ["French"]).cues] == ["bonjour"]


def test_children_are_read_where_the_parent_is_no_speech(tmp_path):
    made = elan(
        tmp_path,
        types=("reference", "child"),
        top=[("ref@Ana", "reference", "Ana", [(0, 1000, "doc.001"), (1000, 2000, "doc.002")])],
    )
    made.add_linguistic_type("sub", constraints="Symbolic_Association", timealignable=False)
    for name, values in {"tx@Ana": ("hello", "world"), "ft@Ana": ("hallo", "welt")}.items():
        made.add_tier(name, ling="sub", parent="ref@Ana")
        for number, value in enumerate(values):
            made.add_ref_annotation(name, "ref@Ana", 500 + 1000 * number, value)
    assert said(read(made, tmp_path / "a.eaf")) == [(0, 1, "Ana", "hello"), (1, 2, "Ana", "world")]


def test_words_below_an_utterance_give_it_times(tmp_path):
    made = elan(tmp_path, top=[("text@Ana", "default-lt", None, [(0, 2000, "Hello, you!")])])
    made.add_linguistic_type("inside", constraints="Included_In")
    made.add_tier("words@Ana", ling="inside", parent="text@Ana")
    made.add_annotation("words@Ana", 100, 700, "hello")
    made.add_annotation("words@Ana", 900, 1400, "you")
    transcript = read(made, tmp_path / "a.eaf")
    assert said(transcript) == [(0, 2, "Ana", "Hello, you!")]
    assert words(transcript) == [("Hello,", 0.1, 0.7), ("you!", 0.9, 1.4)]
    for slot in made.tiers["words@Ana"][0].values():
        made.timeslots[slot[1]] = None  # as ELAN subdivides without aligning
    assert words(read(made, tmp_path / "b.eaf"))[0][1:] == pytest.approx((0, 2 * 6 / 10))


def test_a_document_needs_no_place_of_its_schema(tmp_path):
    path = tmp_path / "a.eaf"
    elan(path, top=[("Ana", "default-lt", None, [(0, 1000, "hello")])]).to_file(str(path))
    cut, count = re.subn(r' xsi:noNamespaceSchemaLocation="[^"]*"', "", path.read_text())
    assert count == 1
    path.write_text(cut)
    assert said(read_transcript(path)) == [(0, 1, "Ana", "hello")]


def test_times_that_elan_leaves_out_lie_between_the_others(tmp_path):
    path = tmp_path / "a.eaf"
    spoken = [(0, 1000, "I"), (1000, 1900, "am"), (1900, 3000, "angry")]
    elan(path, top=[("Ana", "default-lt", None, spoken)]).to_file(str(path))
    path.write_text(re.sub(r' TIME_VALUE="1[09]00"', "", path.read_text()))
    assert said(read_transcript(path)) == [
        (0, 1, "Ana", "I"), (1, 2, "Ana", "am"), (2, 3, "Ana", "angry"),
    ]  # fmt: skip


def test_documents_with_a_type_are_refused_before_anything_is_expanded(tmp_path):
    made = elan(tmp_path, top=[("Ana", "default-lt", None, [(0, 1000, "XX")])])
    path = tmp_path / "a.eaf"
    made.to_file(str(path))
    content = path.read_text("utf-8")
    head, body = content.split("<ANNOTATION_DOCUMENT", 1)
    lines = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    for kind in (
        f'<!DOCTYPE a [<!ENTITY e0 "ha">{lines}]>',
        '<!DOCTYPE a [<!ENTITY e11 SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE a SYSTEM "http://example.org/a.dtd">',
    ):
        bomb = f"{head}{kind}<ANNOTATION_DOCUMENT{body}".replace("XX", "&e11;")
        for encoding in ("utf-8", "utf-16"):
            path.write_bytes(bomb.replace("UTF-8", encoding).encode(encoding))
            with pytest.raises(UnusableInputError, match="has a document type"):
                read_transcript(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("</TIER>", ""), "is not XML"),
        (("encoding='UTF-8'", "encoding='TF-8'"), "is not XML"),
        (("encoding='UTF-8'", "encoding='UTF-7'"), "is not XML"),
        (("ANNOTATION_DOCUMENT", "svg"), "is not a transcript of ELAN"),
        (("TIME_SLOT_REF1", "SLOT"), "is not a transcript of ELAN"),
        (('TIME_VALUE="0"', 'TIME_VALUE="early"'), "is not a transcript of ELAN"),
        (('TIME_VALUE="0"', ""), "impossible time"),
        (('TIME_VALUE="0"', 'TIME_VALUE="-4"'), "impossible time"),
        (("milliseconds", "PAL-frames"), "counts time in PAL-frames"),
        (("hello", ""), "has no words"),
    ],
)
def test_what_is_no_eaf_is_one_line(tmp_path, change, reason):
    made = elan(tmp_path, top=[("Ana", "default-lt", None, [(0, 1000, "hello")])])
    made.header = {"TIME_UNITS": "milliseconds"}
    path = tmp_path / "a.eaf"
    made.to_file(str(path))
    path.write_text(path.read_text("utf-8").replace(*change), "utf-8")
    with pytest.raises(UnusableInputError, match=reason) as caught:
        read_transcript(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.eaf", "a.TextGrid"])
def test_files_that_are_empty_or_absent_are_one_line(tmp_path, name):
    with pytest.raises(UnusableInputError, match="does not exist"):
        read_transcript(tmp_path / name)
    (tmp_path / name).touch()
    with pytest.raises(UnusableInputError, match="is empty"):
        read_transcript(tmp_path / name)
