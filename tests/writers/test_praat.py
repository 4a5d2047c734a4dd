from __future__ import annotations

from collections import Counter

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from praatio import textgrid

from lddu_pipe.transcripts import read_transcript
from lddu_pipe.transcripts.cues import split_words
from lddu_pipe.writers.escaping import printable
from lddu_pipe.writers.formats import FORMATS

WRITER = FORMATS["TextGrid"]
PROBABILITIES = (0.9, 0.1, 0.1, 0.1, 0.1, 0.1)
UTTERANCES = st.lists(
    st.tuples(
        st.integers(0, 10**8),  # tenths of a millisecond
        st.integers(0, 200_000),
        st.text("aßé日😀<>&\"'{}\\,.! \n-", max_size=12)
        | st.sampled_from(["item [1: x", 'intervals [2\nxmin = 3 "a" 5', "!a"]),
        st.none() | st.text("Ab2é@ '\"", max_size=5),
    ),
    max_size=8,
)


def opened(content: bytes, tmp_path, *, blanks=False):
    path = tmp_path / "a.TextGrid"
    path.write_bytes(content)
    return textgrid.openTextgrid(str(path), includeEmptyIntervals=blanks, reportingMode="error")


def entries(grid, tier):
    return [tuple(entry) for entry in grid.getTier(tier).entries]


def test_praatio_reads_text_emotion_and_confidence_of_each_speaker(make_annotation, tmp_path):
    grid = opened(WRITER.render(make_annotation()), tmp_path)
    assert list(grid.tierNames) == [
        f"{content}{speaker}"
        for speaker in ("@Ana", "@Bo", "")
        for content in ("text", "emotion", "confidence")
    ]
    assert (grid.minTimestamp, grid.maxTimestamp) == (0, 12.5)
    assert entries(grid, "text@Ana") == [
        (0, 3.104, "Größe 😀 <b>“news”</b> & more over two lines"),
        (10.001, 12.3456, "Well…"),
    ]
    assert entries(grid, "emotion@Ana") == [
        (0, 3.104, "happy+surprise"),
        (10.001, 12.3456, "undecided"),
    ]
    assert entries(grid, "confidence@Ana")[0] == (0, 3.104, "0.81+0.63")
    assert entries(grid, "text@Bo") == [(2.5, 4.75, "わかりました")]
    assert entries(grid, "text") == []
    assert entries(grid, "emotion") == [(5, 10, "none")]


def test_the_file_is_in_the_long_form(make_annotation):
    lines = WRITER.render(make_annotation()).decode("utf-8").splitlines()
    assert lines[:2] == ['File type = "ooTextFile"', 'Object class = "TextGrid"']
    assert "item []: " in lines


def test_every_tier_covers_the_whole_duration(make_annotation, tmp_path):
    for utterances in ({}, {"utterances": ()}):
        grid = opened(WRITER.render(make_annotation(**utterances)), tmp_path, blanks=True)
        for tier in grid.tiers:
            assert tier.entries[0].start == 0
            assert tier.entries[-1].end == 12.5
            pairs = zip(tier.entries, tier.entries[1:], strict=False)
            assert all(before.end == after.start for before, after in pairs)
    assert list(grid.tierNames) == ["text", "emotion", "confidence"]
    assert entries(grid, "text") == [(0, 12.5, "")]


def test_a_speaker_over_himself_gets_a_second_tier(make_annotation, predict, tmp_path):
    annotation = make_annotation(
        [
            predict("0", 0.0, 4.0, "one", PROBABILITIES, speaker="Ana"),
            predict("1", 3.5, 5.0, "two", PROBABILITIES, speaker="Ana"),
        ]
    )
    grid = opened(WRITER.render(annotation), tmp_path)
    assert entries(grid, "text@Ana") == [(0, 4, "one")]
    assert entries(grid, "text2@Ana") == [(3.5, 5, "two")]


def test_text_and_stills_without_time_make_a_grid_with_some(make_annotation, predict, tmp_path):
    still = predict("0000", 0.0, 0.0, "", PROBABILITIES)
    grid = opened(WRITER.render(make_annotation([still], duration=0.0)), tmp_path)
    assert entries(grid, "emotion") == [(0, 0.001, "happy")]
    nothing = opened(WRITER.render(make_annotation((), duration=0.0)), tmp_path, blanks=True)
    assert entries(nothing, "text") == [(0, 1, "")]


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
                start / 1e4,
                (start + length) / 1e4,
                text,
                PROBABILITIES,
                speaker=speaker,
            )
            for number, (start, length, text, speaker) in enumerate(utterances)
        ]
    )
    path = tmp_path_factory.getbasetemp() / "back.TextGrid"
    path.write_bytes(WRITER.render(annotation))
    assert Counter(
        (cue.span.start, cue.span.end, cue.text, cue.speaker) for cue in read_transcript(path).cues
    ) == Counter(
        (
            start / 1e4,
            round((start + max(length, 10)) / 1e4, 4),
            " ".join(text.split()),
            printable(speaker or "") or None,
        )
        for start, length, text, speaker in utterances
        if split_words(text)
    )
