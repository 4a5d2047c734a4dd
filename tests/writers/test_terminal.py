from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from lddu_pipe.annotation import Annotation, ModelInfo, Provenance, SourceInfo
from lddu_pipe.events import StreamOpened
from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.predictions import EmotionScore, Prediction, Uncertainty
from lddu_pipe.types import MODALITIES, Kind, Modality, TimeSpan, Utterance
from lddu_pipe.writers.terminal import Timeline, open_console

CALM = Uncertainty(0.3, 0.02)
NO_FACE: Mapping[Modality, Absent] = {"vision": Absent(Reason.NO_FACE)}


def score(label, probability, decision=None, *, confidence=None, uncertainty=CALM):
    decision = decision or ("present" if probability >= 0.5 else "absent")
    sure = max(probability, 1 - probability) if confidence is None else confidence
    return EmotionScore(label, probability, decision, sure, uncertainty)


def prediction(
    *scores,
    span=(0.0, 3.1),
    text="",
    speaker=None,
    missing: Mapping[Modality, Absent] | None = None,
    abstained=False,
    kind: Kind = "speech",
):
    utterance = Utterance("0000", TimeSpan(*span), text, (), speaker, kind)
    return Prediction(utterance, scores, missing or {}, abstained)


def annotation(predictions: Sequence[Prediction], *, path="clip.mp4", duration=8.06, **streams):
    media = SourceInfo(
        path, "", duration, streams.get("has_audio", True), streams.get("has_video", True)
    )
    model = ModelInfo("lddu-base-en", "0.1.0", ("happy",), streams.get("aligned", False))
    return Annotation(media, model, predictions, Provenance("", {}, {}, {}))


def print_timeline(what: Annotation, console: Console, missing=None) -> None:
    timeline = Timeline(StreamOpened(what.media, what.model, missing or {}), console)
    for item in what.utterances:
        timeline.add(item)
    timeline.end()


def show(what: Annotation, width=100, missing=None, **options) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None, **options)
    print_timeline(what, console, missing)
    return file.getvalue()


def test_timeline_beside_the_times():
    first = prediction(
        score("happy", 0.81),
        score("sad", 0.1),
        score("surprise", 0.97, confidence=0.9, uncertainty=Uncertainty(0.95, 0.2)),
        text="What wonderful news!",
        speaker="Anna",
    )
    second = prediction(score("happy", 0.21), score("sad", 0.003), span=(3.1, 8.06), text="Well.")
    assert show(annotation([first, second])) == (
        "clip.mp4\n"
        "8.1 s · sound and pictures · lddu-base-en\n"
        "\n"
        "0:00.0 – 0:03.1   Anna: What wonderful news!\n"
        "                  surprise  ━━━━━━━━━━━━━━━━━━━─  97 %  confidence  90 %"
        "  uncertain: data, model\n"
        "                  happy     ━━━━━━━━━━━━━━━━────  81 %  confidence  81 %\n"
        "\n"
        "0:03.1 – 0:08.1   Well.\n"
        "                  no emotion present; most probable is happy, 21 %\n"
    )


def test_words_from_right_to_left_leave_the_times_where_they_are():
    """Isolates keep them apart; the letters stay in the order in which they are read."""
    hebrew = "\u05e9\u05dc\u05d5\u05dd, \u05de\u05d4 \u05e0\u05e9\u05de\u05e2?"
    said = prediction(score("happy", 0.21), text=hebrew, speaker="Anna")
    line = f"0:00.0 – 0:03.1   Anna: \u2068{hebrew}\u2069\n"
    assert line in show(annotation([said]))
    long = prediction(score("happy", 0.21), text=" ".join([hebrew] * 20))
    lines = [line for line in show(annotation([long])).splitlines() if "\u05e9" in line]
    assert len(lines) > 2
    assert all(line.count("\u2068") == line.count("\u2069") == 1 for line in lines)


def test_timeline_below_the_times_where_it_is_narrow():
    spoken = prediction(score("happy", 0.81), text="What wonderful news this is, and so late!")
    assert show(annotation([spoken]), width=40) == (
        "clip.mp4\n"
        "8.1 s · sound and pictures ·\n"
        "lddu-base-en\n"
        "\n"
        "0:00.0 – 0:03.1\n"
        "  What wonderful news this is, and so\n"
        "  late!\n"
        "  happy  ━━━━━━─  81 %  confidence  81 %\n"
    )


def test_what_is_known_to_lack_throughout_stands_once_at_the_top():
    without_sound = {"audio": Absent(Reason.NO_SOUND)}
    lines = show(
        annotation(
            [
                prediction(score("happy", 0.9), missing={**without_sound, **NO_FACE}),
                prediction(score("happy", 0.9), missing=without_sound),
            ]
        ),
        missing=without_sound,
    ).splitlines()
    assert lines[2] == "missing throughout: audio (no sound stream)"
    assert [line.strip() for line in lines if "missing: " in line] == [
        "missing: vision (no face found)"
    ]


def test_abstained_utterance_names_its_most_probable_label():
    doubt = [score("sad", 0.4, "abstain"), score("anger", 0.6, "abstain")]
    shown = show(annotation([prediction(*doubt, abstained=True)]))
    assert "abstained: too unsure to decide; most probable is anger, 60 %" in shown
    assert "━" not in shown


def test_utterance_without_any_modality_names_no_label():
    nothing = {**dict.fromkeys(["text", "audio"], Absent(Reason.NO_SPEECH)), **NO_FACE}
    shown = show(annotation([prediction(score("sad", 0.4), abstained=True, missing=nothing)]))
    assert "abstained: nothing to go by\n" in shown
    assert "most probable" not in shown


def test_single_undecided_label_stands_below_those_present():
    shown = show(annotation([prediction(score("sad", 0.6, "abstain"), score("anger", 0.55))]))
    first, second = (line for line in shown.splitlines() if "confidence" in line)
    assert " anger " in first
    assert " sad " in second
    assert second.endswith("  undecided")


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(0, "0 %"), (0.002, "<1 %"), (0.006, "1 %"), (0.444, "44 %")],
)
def test_low_percentages(probability, expected):
    shown = show(annotation([prediction(score("sad", probability))]))
    assert f"most probable is sad, {expected}\n" in shown


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(1, " 100 % "), (0.9951, " >99 % "), (0.994, "  99 % ")],
)
def test_high_percentages(probability, expected):
    shown = show(annotation([prediction(score("sad", probability))]))
    assert shown.count(expected.rstrip()) == 2  # probability and confidence
    assert f"━{expected}" in shown


@pytest.mark.parametrize(
    ("duration", "span", "expected"),
    [
        (59.0, (0.04, 59.96), "59.0 s|0:00.0 – 1:00.0"),
        (90.0, (61.0, 89.94), "1:30.0|1:01.0 – 1:29.9"),
        (4000.0, (3599.99, 3661.5), "1:06:40.0|1:00:00.0 – 1:01:01.5"),
    ],
)
def test_times(duration, span, expected):
    lines = show(annotation([prediction(span=span)], duration=duration)).splitlines()
    assert f"{lines[1].split(' · ')[0]}|{lines[3].split('   ')[0]}" == expected


def test_input_without_time_shows_ids():
    only_text = annotation(
        [prediction(score("happy", 0.9), text="Hello")],
        path="",
        duration=0.0,
        has_audio=False,
        has_video=False,
        aligned=True,
    )
    lines = show(only_text).splitlines()
    assert lines[:2] == ["data in memory", "text · lddu-base-en, aligned"]
    assert lines[3] == "0000   Hello"


def test_no_utterances():
    assert show(annotation([])).splitlines()[-1] == "no utterances"


def test_bar_is_ascii_where_the_output_is():
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    print_timeline(annotation([prediction(score("happy", 0.5), text="日本")]), open_console(file))
    shown = file.buffer.getvalue().decode("ascii")
    assert f"happy  {'=' * 10}{'-' * 10}  50 %" in shown
    assert r"\u65e5\u672c" in shown


def test_file_gets_100_columns_and_no_colour(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    file = io.StringIO()
    long = prediction(score("happy", 0.9), text="word " * 60)
    print_timeline(annotation([long]), open_console(file))
    lines = file.getvalue().splitlines()
    assert "\x1b" not in file.getvalue()
    assert 95 <= max(map(len, lines)) <= 100


def test_terminal_gets_its_own_width_and_colour(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    console = open_console(Terminal())
    print_timeline(annotation([prediction(score("happy", 0.9))]), console)
    assert console.width == 60
    assert "\x1b[1;33mhappy" in console.file.getvalue()


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
SCORES = st.lists(
    st.builds(
        score,
        st.text(min_size=1, max_size=30),
        st.floats(0, 1),
        st.sampled_from(["present", "absent", "abstain"]),
        uncertainty=st.builds(Uncertainty, st.floats(0, 1), st.floats(0, 1)),
    ),
    max_size=8,
)


@given(
    predictions=st.lists(
        st.builds(
            lambda scores, abstained, **rest: prediction(*scores, abstained=abstained, **rest),
            SCORES,
            st.booleans(),
            text=WORDS,
            speaker=st.none() | WORDS,
            missing=st.dictionaries(st.sampled_from(MODALITIES), WORDS.map(Absent.read)),
        ),
        max_size=3,
    ),
    path=WORDS,
    duration=st.sampled_from([0.0, 8.0, 4000.0]),
    width=st.integers(30, 200),
)
def test_no_line_is_too_wide_or_ends_in_blanks(predictions, path, duration, width):
    shown = show(annotation(predictions, path=path, duration=duration), width=width)
    for line in shown.split("\n"):
        assert cell_len(line) <= width
        assert line == line.rstrip(" ")
    assert not set(shown) & {chr(code) for code in range(32) if code != 10}


def test_nobody_expects_words_of_somebody_who_is_only_seen() -> None:
    missing: dict[Modality, Absent] = dict.fromkeys(("text", "audio"), Absent(Reason.NO_SPEECH))
    seen = prediction(score("happy", 0.9), missing=missing, kind="silence")
    assert "missing" not in show(annotation([seen]))
    unseen = prediction(missing=NO_FACE | missing, kind="silence")
    assert "missing: vision (no face found)" in show(annotation([unseen]))
