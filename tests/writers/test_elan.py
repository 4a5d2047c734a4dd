from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pympi.Elan import Eaf

from lddu_pipe.transcripts import read_transcript
from lddu_pipe.transcripts.cues import split_words
from lddu_pipe.writers.escaping import printable
from lddu_pipe.writers.formats import FORMATS

WRITER = FORMATS["eaf"]
PROBABILITIES = (0.9, 0.1, 0.1, 0.1, 0.1, 0.1)

# The order of the elements in the schema, EAFv3.0.xsd.
ORDER = ("HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "CONSTRAINT")
UTTERANCES = st.lists(
    st.tuples(
        st.integers(0, 10**7),
        st.integers(0, 20_000),
        st.text("aßé日😀<>&\"'{}\\,.! \n-", max_size=12),
        st.none() | st.text("Ab2é@ '<", max_size=5),
    ),
    max_size=8,
)


def opened(content: bytes, tmp_path) -> Eaf:
    """What pympi reads, after a look at what it does not check."""
    check_structure(content)
    path = tmp_path / "a.eaf"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # pympi warns of versions it does not know
        return Eaf(str(path))


def check_structure(content: bytes) -> None:
    """What the schema and ELAN want of the elements we write, and of how they refer."""
    root = ElementTree.fromstring(content)
    assert root.tag == "ANNOTATION_DOCUMENT"
    assert {"AUTHOR", "DATE", "VERSION", "FORMAT"} <= set(root.attrib)
    places = [ORDER.index(element.tag) for element in root]
    assert places == sorted(places)
    slots = {
        slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) for slot in root.iter("TIME_SLOT")
    }
    assert list(slots.values()) == sorted(slots.values())
    assert min(slots.values(), default=0) >= 0
    types = {kind.get("LINGUISTIC_TYPE_ID"): kind for kind in root.iter("LINGUISTIC_TYPE")}
    stereotypes = {constraint.get("STEREOTYPE") for constraint in root.iter("CONSTRAINT")}
    tiers = {tier.get("TIER_ID"): tier for tier in root.iter("TIER")}
    assert len(tiers) == len(root.findall("TIER"))
    identities = Counter(
        element.get("ANNOTATION_ID") for element in root.iter() if element.get("ANNOTATION_ID")
    )
    assert set(identities.values()) <= {1}
    for tier in tiers.values():
        kind = types[tier.get("LINGUISTIC_TYPE_REF")]
        aligned = [
            (slots[item.get("TIME_SLOT_REF1")], slots[item.get("TIME_SLOT_REF2")])
            for item in tier.iter("ALIGNABLE_ANNOTATION")
        ]
        assert all(start < end for start, end in aligned)
        assert all(a[1] <= b[0] for a, b in pairwise(aligned))
        if tier.get("PARENT_REF") is None:
            assert kind.get("TIME_ALIGNABLE") == "true"
            continue
        assert kind.get("TIME_ALIGNABLE") == "false"
        assert kind.get("CONSTRAINTS") in stereotypes
        above = {
            item.get("ANNOTATION_ID")
            for item in tiers[tier.get("PARENT_REF")].iter("ALIGNABLE_ANNOTATION")
        }
        references = [item.get("ANNOTATION_REF") for item in tier.iter("REF_ANNOTATION")]
        assert sorted(references) == sorted(above)


def test_pympi_reads_text_emotion_and_confidence_of_each_speaker(make_annotation, tmp_path):
    eaf = opened(WRITER.render(make_annotation()), tmp_path)
    assert list(eaf.get_tier_names()) == [
        f"{content}{speaker}"
        for speaker in ("@Ana", "@Bo", "")
        for content in ("text", "emotion", "confidence")
    ]
    text = "Größe 😀 <b>“news”</b> & more\nover two lines"
    assert eaf.get_annotation_data_for_tier("text@Ana") == [
        (0, 3104, text),
        (10001, 12346, "Well…"),
    ]
    assert eaf.get_annotation_data_for_tier("emotion@Ana") == [
        (0, 3104, "happy+surprise", text),
        (10001, 12346, "undecided", "Well…"),
    ]
    assert eaf.get_annotation_data_for_tier("confidence@Ana")[0][:3] == (0, 3104, "0.81+0.63")
    assert eaf.get_annotation_data_for_tier("emotion@Bo") == [(2500, 4750, "sad", "わかりました")]
    assert eaf.get_annotation_data_for_tier("emotion") == [(5000, 10000, "none", "")]
    assert eaf.get_annotation_data_for_tier("confidence") == [(5000, 10000, "0.80", "")]
    assert eaf.get_parameters_for_tier("text@Bo")["PARTICIPANT"] == "Bo"
    assert eaf.get_parameters_for_tier("emotion@Bo")["PARENT_REF"] == "text@Bo"


def test_the_date_is_that_of_the_annotation(make_annotation, tmp_path):
    annotation = make_annotation()
    assert opened(WRITER.render(annotation), tmp_path).adocument["DATE"] == (
        annotation.provenance.created
    )
    undated = replace(annotation, provenance=replace(annotation.provenance, created=""))
    assert opened(WRITER.render(undated), tmp_path).adocument["DATE"].startswith("1970-01-01T")


@pytest.mark.parametrize(
    ("name", "mime"),
    [
        ("a talk.mp4", "video/mp4"),
        ("Größe & 100%.wav", "audio/x-wav"),
        ("b.MP3", "audio/mpeg"),
        ("c.mkv", "video/x-matroska"),
        ("without", "video/*"),
    ],
)
def test_the_media_are_linked_as_elan_links_them(make_annotation, tmp_path, name, mime):
    (tmp_path / "out").mkdir()
    media = tmp_path / "clips" / name
    path = WRITER.save(make_annotation(path=str(media)), tmp_path / "out" / "a.eaf")
    (link,) = Eaf(str(path)).get_linked_files()
    # ELAN takes "file:" off and looks for the rest: nothing may be percent-encoded.
    assert link["MEDIA_URL"] == f"file://{media}"
    assert link["RELATIVE_MEDIA_URL"] == f"../clips/{name}"
    assert link["MIME_TYPE"] == mime
    beside = WRITER.save(make_annotation(path=str(media)), media.parent.parent / "b.eaf")
    assert Eaf(str(beside)).get_linked_files()[0]["RELATIVE_MEDIA_URL"] == f"./clips/{name}"


def test_data_in_memory_and_standard_output_have_fewer_links(make_annotation, tmp_path):
    transcript = make_annotation(path="a.srt", has_audio=False, has_video=False)
    assert opened(WRITER.render(transcript), tmp_path).get_linked_files() == []
    sound = WRITER.render(make_annotation(path="/a.opus", has_video=False))
    assert opened(sound, tmp_path).get_linked_files()[0]["MIME_TYPE"] == "audio/*"
    assert opened(WRITER.render(make_annotation(path="")), tmp_path).get_linked_files() == []
    (link,) = opened(WRITER.render(make_annotation(path="/a.mp4")), tmp_path).get_linked_files()
    assert link == {"MEDIA_URL": "file:///a.mp4", "MIME_TYPE": "video/mp4"}


def test_a_speaker_over_himself_gets_a_second_tier(make_annotation, predict, tmp_path):
    spans = [(0, 4), (1, 2), (2, 5), (4, 6), (4.5, 7)]
    annotation = make_annotation(
        [
            predict(f"{start}", start, end, f"from {start}", PROBABILITIES, speaker="Ana")
            for start, end in spans
        ]
    )
    eaf = opened(WRITER.render(annotation), tmp_path)
    texts = {
        tier: [text for *_, text in eaf.get_annotation_data_for_tier(tier)]
        for tier in eaf.get_tier_names()
        if tier.startswith("text")
    }
    assert texts == {
        "text@Ana": ["from 0", "from 4"],
        "text2@Ana": ["from 1", "from 2"],
        "text3@Ana": ["from 4.5"],
    }
    assert len(eaf.get_annotation_data_for_tier("emotion2@Ana")) == 2
    assert eaf.get_parameters_for_tier("text2@Ana")["PARTICIPANT"] == "Ana"


def test_without_utterances_there_are_empty_tiers(make_annotation, tmp_path):
    eaf = opened(WRITER.render(make_annotation(utterances=())), tmp_path)
    assert list(eaf.get_tier_names()) == ["text", "emotion", "confidence"]
    assert eaf.get_annotation_data_for_tier("text") == []


def test_utterances_without_length_get_one_millisecond(make_annotation, predict, tmp_path):
    still = predict("0000", 0.0, 0.0, "", PROBABILITIES)
    eaf = opened(WRITER.render(make_annotation([still, still], duration=0.0)), tmp_path)
    assert eaf.get_annotation_data_for_tier("text") == [(0, 1, "")]
    assert eaf.get_annotation_data_for_tier("emotion2") == [(0, 1, "happy", "")]


def test_characters_that_xml_cannot_hold_are_marked(make_annotation, predict, tmp_path):
    odd = predict("0", 0.0, 1.0, "a\x00b\x1b\ud800c", PROBABILITIES, speaker="A\x01 \n B")
    content = WRITER.render(make_annotation([odd], path="a\udcff.mp4"))
    eaf = opened(content, tmp_path)
    assert eaf.get_annotation_data_for_tier(r"text@A\x01 B") == [
        (0, 1000, "a\ufffdb\ufffd\ufffdc")
    ]


@settings(deadline=None, max_examples=50)
@given(UTTERANCES)
def test_transcripts_read_back_as_they_were_written(
    make_annotation, predict, tmp_path_factory, utterances
):
    assume(any(split_words(text) for _, _, text, _ in utterances))
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
            for number, (start, length, text, speaker) in enumerate(utterances)
        ]
    )
    content = WRITER.render(annotation, Path("/"))
    check_structure(content)
    path = tmp_path_factory.getbasetemp() / "back.eaf"
    path.write_bytes(content)
    cues = read_transcript(path).cues
    assert Counter(
        (round(cue.span.start * 1000), round(cue.span.end * 1000), cue.text, cue.speaker)
        for cue in cues
    ) == Counter(
        (start, start + max(length, 1), " ".join(text.split()), printable(speaker or "") or None)
        for start, length, text, speaker in utterances
        if split_words(text)
    )
