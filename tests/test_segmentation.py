from __future__ import annotations

import logging
import math
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Literal
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.events import WordsHeard
from lddu_pipe.segmentation import Segmenter, segment
from lddu_pipe.segmentation.segmenter import ROUNDING, SHORTEST_GAP
from lddu_pipe.transcripts import join_words, parse_text
from lddu_pipe.types import Cue, TimeSpan, Transcript, Utterance, Word


def said(
    text: str, start: float, end: float, *, pauses: dict[int, float] | None = None
) -> tuple[Word, ...]:
    """Words of equal length over a span; before the word i the pause `pauses[i]`, in seconds."""
    texts = text.split()
    gaps = [(pauses or {}).get(index, 0.0) for index in range(len(texts))]
    length = (end - start - sum(gaps)) / len(texts)
    words, moment = [], start
    for word, gap in zip(texts, gaps, strict=True):
        moment += gap
        words.append(Word(word, TimeSpan(moment, moment + length)))
        moment += length
    return tuple(words)


def cue(
    text: str,
    start: float,
    end: float,
    speaker: str | None = None,
    pauses: dict[int, float] | None = None,
) -> Cue:
    return Cue(text, TimeSpan(start, end), said(text, start, end, pauses=pauses), speaker)


def unclear(start: float, end: float, speaker: str | None = None) -> Cue:
    return Cue("", TimeSpan(start, end), (), speaker)


def transcript(*cues: Cue) -> Transcript:
    return Transcript(cues, "test.srt", "en")


def spans(utterances: list[Utterance]) -> list[tuple[float, float]]:
    return [(utterance.span.start, utterance.span.end) for utterance in utterances]


def texts(utterances: list[Utterance]) -> list[str]:
    return [utterance.text for utterance in utterances]


# --- windows -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (0.0, [(0, 0)]),
        (0.1, [(0, 0.1)]),
        (7.4, [(0, 7.4)]),
        (7.5, [(0, 5), (5, 7.5)]),
        (10.0, [(0, 5), (5, 10)]),
        (12.4, [(0, 5), (5, 12.4)]),
    ],
)
def test_media_without_speech_is_cut_in_windows(
    duration: float, expected: list[tuple[float, float]]
) -> None:
    assert spans(segment(None, duration)) == expected
    assert spans(segment(Transcript((), "tiny.en"), duration)) == expected


@settings(deadline=None)
@given(st.floats(0, 300), st.floats(0.5, 40), st.floats(0.5, 40))
def test_windows_tile_exactly_and_keep_to_the_limit(
    duration: float, window: float, max_duration: float
) -> None:
    utterances = segment(None, duration, window=window, max_duration=max_duration)
    assert utterances[0].span.start == 0
    assert utterances[-1].span.end == duration
    assert all(a.span.end == b.span.start for a, b in pairwise(utterances))
    assert all(u.span.duration <= max_duration * (1 + 1e-5) for u in utterances)
    assert all(u.span.duration >= min(window, max_duration, duration) / 2.01 for u in utterances)
    assert [u.id for u in utterances] == [f"{index:04d}" for index in range(len(utterances))]


def test_a_voice_without_words_is_cut_in_windows_of_its_own() -> None:
    heard = Transcript(
        (cue("I see.", 1, 3),), "tiny.en", unrecognised=(unclear(4, 16), unclear(30, 31.5, "Ana"))
    )
    utterances = segment(replace(heard, language="en"), 40.0, cut="sentences")
    assert {(u.kind, u.language) for u in utterances} == {
        *(("speech", "en"), ("sound", None), ("silence", None))
    }
    marked = [utterance for utterance in utterances if utterance.kind == "sound"]
    assert spans(marked) == [(4, 9), (9, 16), (30, 31.5)]
    assert [utterance.speaker for utterance in marked] == [None, None, "Ana"]
    assert all(not utterance.words and not utterance.text for utterance in marked)
    assert [u.span.start for u in utterances] == sorted(u.span.start for u in utterances)
    assert (16, 21) in spans(utterances)  # where nobody speaks
    alone = segment(Transcript((), "tiny.en", unrecognised=(unclear(0, 4),)), 4.0)
    assert [utterance.kind for utterance in alone] == ["sound"]
    assert segment(replace(heard, cues=()), 40.0, cut="sentences")[1].kind == "sound"


# --- cues --------------------------------------------------------------------------------------


def test_each_cue_is_an_utterance_and_long_silence_is_covered() -> None:
    given_cues = transcript(cue("Hello  there.", 1, 3, "A"), cue("Bye.", 13, 14))
    utterances = segment(given_cues, 17.0)
    assert spans(utterances) == [(1, 3), (3, 8), (8, 13), (13, 14)]
    assert texts(utterances) == ["Hello  there.", "", "", "Bye."]
    assert [u.speaker for u in utterances] == ["A", None, None, None]
    assert spans(segment(given_cues, 17.0, cover_silence=False)) == [(1, 3), (13, 14)]
    assert spans(segment(given_cues, 0.0)) == [(1, 3), (13, 14)]


def test_silence_before_and_after_speech_is_covered() -> None:
    assert spans(segment(transcript(cue("Hi.", 6, 7)), 13.0)) == [(0, 6), (6, 7), (7, 13)]


def test_overlapping_cues_stay_apart_and_hide_no_silence() -> None:
    utterances = segment(
        transcript(cue("long one here", 0, 10, "A"), cue("short", 2, 3, "B")), 16.0
    )
    assert spans(utterances) == [(0, 10), (2, 3), (10, 16)]
    assert [u.speaker for u in utterances] == ["A", "B", None]


def test_long_cues_are_cut_at_sentences_then_pauses_then_words() -> None:
    sentences = "One two Mr. Smith four. Five six seven eight."
    assert texts(segment(transcript(cue(sentences, 0, 18)), 18.0)) == [
        "One two Mr. Smith four.",
        "Five six seven eight.",
    ]
    paused = cue("one two three four", 0, 18, pauses={1: 1.0})
    assert texts(segment(transcript(paused), 18.0)) == ["one", "two three four"]
    assert texts(segment(transcript(cue("one two three four", 0, 18)), 18.0)) == [
        "one two",
        "three four",
    ]


def test_two_speakers_in_a_cue_become_two_utterances() -> None:
    words = (Word("Two", TimeSpan(0, 1), speaker="Mary"), Word("Three", TimeSpan(1, 2)))
    utterances = segment(transcript(Cue("Two Three", TimeSpan(0, 2), words, None)), 2.0)
    assert [(u.text, u.speaker) for u in utterances] == [("Two", "Mary"), ("Three", None)]


def test_cues_are_clipped_to_the_media_and_later_ones_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cues = transcript(cue("one two", 1, 5), cue("lost", 5, 6))
    with caplog.at_level(logging.WARNING):
        utterances = segment(cues, 3.5)
    assert spans(utterances) == [(1, 3.5)]
    assert [(w.span.start, w.span.end) for w in utterances[0].words] == [(1, 3), (3, 3.5)]
    assert "1 of 2 cues" in caplog.text
    with pytest.raises(UnusableInputError, match=r"test\.srt begins at 1\.0 s"):
        segment(cues, 0.5)


# --- sentences ---------------------------------------------------------------------------------


def test_recognised_speech_is_cut_again_at_sentences_and_pauses() -> None:
    first = cue("I have seen the U.S. once. It was", 0, 4)
    second = cue("very big and wide I want to go again", 4, 9, pauses={4: 1.0})
    utterances = segment(transcript(first, second), 9.0, cut="sentences")
    assert texts(utterances) == [
        "I have seen the U.S. once.",
        "It was very big and wide",
        "I want to go again",
    ]
    assert utterances[2].span.start - utterances[1].span.end == pytest.approx(1.0)


def test_short_fragments_join_a_near_neighbour_of_the_same_speaker() -> None:
    near = transcript(cue("Yes. I love this place.", 0, 3))
    assert texts(segment(near, 3.0, cut="sentences")) == ["Yes. I love this place."]
    far = transcript(cue("Yes. I love this place.", 0, 4, pauses={1: 0.9}))
    assert texts(segment(far, 4.0, cut="sentences")) == ["Yes.", "I love this place."]
    others = transcript(cue("Yes.", 0, 1, "A"), cue("I love this place.", 1, 3, "B"))
    assert texts(segment(others, 3.0, cut="sentences")) == ["Yes.", "I love this place."]


def test_recognised_speech_that_overlaps_is_not_mixed() -> None:
    utterances = segment(transcript(cue("one two three", 0, 9), cue("in between", 2, 3)), 9.0)
    assert texts(utterances) == ["one two three", "in between"]
    overlapping = transcript(cue("one two three", 0, 9), cue("in between", 2, 2.5))
    assert texts(segment(overlapping, 9.0, cut="sentences")) == ["one two three", "in between"]


def test_chinese_sentences_are_cut() -> None:
    words = tuple(
        Word(text, TimeSpan(index, index + 1))
        for index, text in enumerate(["我", "很", "好。", "你", "呢？", "走", "吧！"])
    )
    spoken = Transcript((Cue("", TimeSpan(0, 7), words),), "asr", "zh")
    utterances = segment(spoken, 7.0, cut="sentences")
    assert texts(utterances) == ["我很好。", "你呢？", "走吧！"]


# --- untimed text ------------------------------------------------------------------------------


def test_text_is_cut_in_sentences() -> None:
    text = (
        "Mr. Smith paid 3.5 dollars, e.g. for tea. The U.S. is big. What?! "
        "I don't know... maybe. Fine\nnext line"
    )
    assert texts(segment(parse_text(text), 0.0)) == [
        "Mr. Smith paid 3.5 dollars, e.g. for tea.",
        "The U.S. is big.",
        "What?!",
        "I don't know... maybe.",
        "Fine",
        "next line",
    ]


def test_text_without_stops_is_cut_between_words() -> None:
    utterances = segment(parse_text("word " * 100), 0.0)
    assert [len(u.words) for u in utterances] == [25, 25, 25, 25]


def test_text_is_spread_over_the_media(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        utterances = segment(parse_text("One two. Six ten."), 60.0)
    assert spans(utterances) == [(0.0, pytest.approx(30.0)), (pytest.approx(30.0), 60.0)]
    assert utterances[1].words[-1].span.end == 60.0
    assert "no times" in caplog.text


# --- properties --------------------------------------------------------------------------------

Cut = Literal["cues", "sentences"]

word_texts = st.sampled_from(["so", "well,", "yes.", "U.S.", "what?!", "好。", "我", "😀", "..."])


@st.composite
def transcripts(draw: st.DrawFn, *, overlaps: bool = False) -> Transcript:
    cues: list[Cue] = []
    moment = 0.0
    for _ in range(draw(st.integers(1, 6))):
        moment += draw(st.floats(-3 if overlaps else 0, 12))
        start = moment = max(moment, cues[-1].span.start if cues else 0.0)
        words = []
        for text in draw(st.lists(word_texts, min_size=1, max_size=30)):
            begin = moment + draw(st.floats(0, 2))
            moment = begin + draw(st.floats(0, 2))
            words.append(Word(text, TimeSpan(begin, moment)))
        speaker = draw(st.sampled_from([None, "A", "B"]))
        cues.append(Cue(join_words(words), TimeSpan(start, moment), tuple(words), speaker))
    return Transcript(tuple(cues), "drawn", draw(st.sampled_from([None, "en", "zh"])))


@settings(deadline=None)
@given(transcripts(), st.sampled_from(["cues", "sentences"]), st.booleans())
def test_every_word_lands_once_and_in_order(
    given_words: Transcript, cut: Cut, media: bool
) -> None:
    duration = given_words.cues[-1].span.end + 20 if media else 0.0
    utterances = segment(given_words, duration, cut=cut)
    found = [(word.text, word.span) for utterance in utterances for word in utterance.words]
    assert found == [(word.text, word.span) for word in given_words.words]


@pytest.mark.parametrize(("excess", "count"), [(0.0, 1), (6e-7, 1), (6e-5, 2)])
def test_a_silence_is_not_cut_for_a_rounding(excess: float, count: int) -> None:
    found = segment(None, 6 + excess, window=5.5, max_duration=6)
    assert [item.span.duration for item in found] == pytest.approx([(6 + excess) / count] * count)


@settings(deadline=None)
@given(transcripts(overlaps=True), st.sampled_from(["cues", "sentences"]), st.floats(0.05, 1))
def test_utterances_keep_to_the_limits(given_words: Transcript, cut: Cut, share: float) -> None:
    duration = max(word.span.end for word in given_words.words) * share
    try:
        utterances = segment(given_words, duration, cut=cut, max_duration=6)
    except UnusableInputError:
        assert all(cue.span.start >= duration > 0 for cue in given_words.cues)
        return
    starts = [utterance.span.start for utterance in utterances]
    assert starts == sorted(starts)
    assert [u.id for u in utterances] == [f"{index:04d}" for index in range(len(utterances))]
    for utterance in utterances:
        joined = 2 * SHORTEST_GAP if cut == "sentences" else 0.0
        limit = 6 + joined if utterance.words else 6 * (1 + ROUNDING)
        assert utterance.span.duration <= limit or len(utterance.words) == 1
        if duration > 0:
            assert 0 <= utterance.span.start <= utterance.span.end <= duration
        assert len({word.speaker for word in utterance.words}) <= 1
        assert all(a.span.start <= b.span.start for a, b in pairwise(utterance.words))
        assert all(utterance.span.start <= w.span.start for w in utterance.words)
        assert all(w.span.end <= utterance.span.end for w in utterance.words)
    kept = [cue for cue in given_words.cues if duration == 0 or cue.span.start < duration]
    found = sorted(word.text for utterance in utterances for word in utterance.words)
    assert found == sorted(word.text for cue in kept for word in cue.words)


@settings(deadline=None)
@given(transcripts(), st.floats(0.01, 20))
def test_no_long_stretch_of_media_is_left_out(given_words: Transcript, tail: float) -> None:
    duration = given_words.cues[-1].span.end + tail
    reached = 0.0
    for utterance in segment(given_words, duration):
        assert utterance.span.start - reached <= 5.0
        reached = max(reached, utterance.span.end)
    assert duration - reached <= 5.0


moments = st.lists(st.tuples(st.floats(0, 80), st.floats(0.1, 3)), max_size=6)


@settings(deadline=None)
@given(transcripts(), st.floats(0.01, 20), moments, moments, st.randoms(use_true_random=False))
def test_a_stream_gives_what_the_whole_gives_and_leaves_nothing_seen_or_heard_out(
    given_words: Transcript,
    tail: float,
    faces: list[tuple[float, float]],
    voices: list[tuple[float, float]],
    random: Random,
) -> None:
    media = TimeSpan(0.0, given_words.cues[-1].span.end + tail)
    seen, heard = (
        sorted(
            span
            for start, length in found
            if (span := TimeSpan(start, start + length).clip(media)).duration
        )
        for found in (faces, voices)
    )
    news = [
        WordsHeard((cue,), (), tuple(v for v in heard if v.start < cue.span.end), cue.span.end)
        for cue in given_words.cues
    ]
    whole, stream = (Segmenter(media, language="en", watched=True) for _ in range(2))
    with patch("lddu_pipe.segmentation.segmenter.LONGEST_RUN", math.inf):
        whole.hear(WordsHeard(given_words.cues, (), tuple(heard), media.end))
        whole.see(seen, media.end)
        whole.end()
        expected = list(whole.closed())
        found = []
        times = [item.until for item in news]
        while news or times:
            if news and (not times or random.random() < 0.5):
                stream.hear(news.pop(0))
            else:
                until = times.pop(0)
                stream.see([face for face in seen if face.start < until], until)
            found += stream.closed()
        stream.hear(WordsHeard(voices=tuple(heard), until=media.end))
        stream.see(seen, media.end)
        stream.end()
        found += stream.closed()
    assert found == expected
    for span in (*seen, *heard):
        rest = [span]
        for utterance in found:
            rest = [part for other in rest for part in outside(other, utterance.span)]
        assert sum(part.duration for part in rest) == pytest.approx(0.0, abs=1e-9)


def outside(span: TimeSpan, other: TimeSpan) -> list[TimeSpan]:
    """What of a span does not lie in another."""
    before = TimeSpan(span.start, max(span.start, min(span.end, other.start)))
    after = TimeSpan(min(span.end, max(span.start, other.end)), span.end)
    return [before, after] if before.end < after.start else [span]


def test_a_gap_joins_the_utterance_before_it_or_is_one_of_its_own() -> None:
    def cut(*, join: bool = True) -> list[tuple[float, float, bool]]:
        segmenter = Segmenter(TimeSpan(0.0, 20.0), join=join, watched=True)
        segmenter.take([spoken(0.5, 2), spoken(2.7, 4), spoken(6, 8), spoken(10, 19.5)])
        segmenter.see([TimeSpan(4.5, 4.6)], 20.0)
        segmenter.hear(WordsHeard(voices=(TimeSpan(8.5, 9.0),), until=math.inf))
        segmenter.end()
        return [(u.span.start, u.span.end, u.kind == "sound") for u in segmenter.closed()]

    def spoken(start: float, end: float) -> Utterance:
        return Utterance("", TimeSpan(start, end), "Yes", said("Yes", start, end))

    assert cut() == [
        *((0, 2.7, False), (2.7, 4, False), (4, 6, False)),
        *((6, 8, False), (8, 10, True), (10, 20, False)),
    ]
    assert cut(join=False) == [
        *((0.5, 2, False), (2.7, 4, False), (4, 6, False)),
        *((6, 8, False), (8, 10, True), (10, 19.5, False)),
    ]


def test_a_voice_in_a_short_pause_is_of_the_utterance_around_it() -> None:
    segmenter = Segmenter(TimeSpan(0.0, 3.0), language="en")
    segmenter.hear(WordsHeard((cue("I am", 0, 1),), until=1.0))
    between = unclear(1.0, 1.5)
    segmenter.hear(WordsHeard((cue("glad.", 1.5, 2.2),), (between,), (between.span,), 2.2))
    segmenter.end()
    utterances = list(segmenter.closed())
    assert spans(utterances) == [(0.0, 3.0)]
    assert texts(utterances) == ["I am glad."]


def test_an_utterance_is_closed_long_before_the_media_ends() -> None:
    segmenter = Segmenter(TimeSpan(0.0, 3600.0), language="en")
    segmenter.hear(WordsHeard((cue("Well. I think so, yes.", 1, 3),), until=3.0))
    assert not list(segmenter.closed())  # words may follow at once
    segmenter.hear(WordsHeard(until=3.9))
    assert texts(list(segmenter.closed())) == ["Well. I think so, yes."]
    # Who speaks without a pause is not waited for.
    for start in range(10, 50, 4):
        segmenter.hear(
            WordsHeard((cue("We go on and on here.", start, start + 4),), (), (), start + 4.0)
        )
    assert len(list(segmenter.closed())) >= 5


@settings(deadline=None)
@given(st.text(alphabet="ab.!? \nÄ。我", max_size=200), st.sampled_from([0.0, 0.1, 33.3]))
def test_every_word_of_text_lands_once(text: str, duration: float) -> None:
    try:
        plain = parse_text(text)
    except UnusableInputError:
        return
    utterances = segment(plain, duration)
    found = [word.text for utterance in utterances for word in utterance.words]
    assert found == [word.text for word in plain.words]
    if duration:
        assert all(utterance.span.end <= duration for utterance in utterances)


@pytest.mark.parametrize(
    "setting", [{"max_duration": 0}, {"window": -1}, {"pause": -0.1}, {"window": float("nan")}]
)
def test_settings_out_of_range_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="max_duration and window"):
        segment(None, 3.0, **setting)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="duration"):
        segment(None, float("nan"))


def voiced(text: str, start: float, end: float, *voices: int | None) -> Cue:
    """A cue whose words are of these voices."""
    words = said(text, start, end)
    assert len(words) == len(voices)
    own = [replace(word, voice=voice) for word, voice in zip(words, voices, strict=True)]
    return Cue(text, TimeSpan(start, end), tuple(own))


def test_recognised_speech_is_cut_where_the_voice_changes_and_not_joined_over_it() -> None:
    """A word whose voice is not known is of whoever speaks."""
    heard = voiced(
        "Are you sure about it yes I really am", 0, 4.5, 0, 0, None, 0, 0, 1, 1, None, 1
    )
    later = voiced("Oh", 4.6, 4.9, 0)
    found = segment(transcript(heard, later), 4.9, cut="sentences")
    assert texts(found) == ["Are you sure about it", "yes I really am", "Oh"]
    assert [utterance.voice for utterance in found] == [0, 1, 0]
    assert spans(found)[0][1] == pytest.approx(2.5)


def test_a_voice_without_words_keeps_its_number_beside_anothers_words() -> None:
    segmenter = Segmenter(TimeSpan(0, 8))
    screams = Cue("", TimeSpan(1.0, 2.0), (), voice=1)
    segmenter.hear(WordsHeard(unrecognised=(screams,), until=2.0))
    segmenter.hear(WordsHeard((voiced("Why do you do that", 0.5, 3, *[0] * 5),), until=8.0))
    segmenter.end()
    found = [item for item in segmenter.closed() if item.kind != "silence"]
    assert {(item.kind, item.voice) for item in found} == {("speech", 0), ("sound", 1)}
