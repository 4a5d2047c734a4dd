"""Where each speech recogniser's JSON keeps who says what, and when.

A table of paths. In one, dots part names, ``*`` is every entry of a list, a number one entry, and
``|`` parts places of which the first that holds something counts; `@` is the value itself. The
shapes are those of the vendors' documentation (late 2026): it is named beside each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any


@dataclass(frozen=True)
class WordPaths:
    """Where an entry of a list of words keeps what is known of the word."""

    text: str = "word|text"
    start: str = "start"
    end: str = "end"
    duration: str = ""
    """In place of the end."""
    offset: str = ""
    """In place of the start: from the start of the segment."""
    probability: str = "probability|score|confidence"
    speaker: str = "speaker"


@dataclass(frozen=True)
class Shape:
    """The JSON of one recogniser."""

    name: str
    marks: tuple[str, ...]
    """Paths that all lead to something in this recogniser's JSON, and in none below."""
    segments: str
    """Of segments, turns or whole channels."""
    start: str = "start"
    end: str = "end"
    duration: str = ""
    text: str = "text"
    speaker: str = "speaker"
    channel: str = ""
    """Stands in for the speaker where there are several; ``#`` is the place in the list."""
    words: str = "words.*"
    word: WordPaths = field(default_factory=WordPaths)
    unit: float | None = 1.0
    """Seconds of a number that is a time; None where it must be found out."""
    running: bool = False
    """The segments are turns, or all of a channel."""
    cumulative: bool = False
    """The last segment may hold all words of all others."""
    perhaps_words: bool = False
    """A segment may be a single word, in another mode of the recogniser."""
    clipped: bool = False
    """A segment ends when the next begins, whatever is stated."""
    language: str = "language"


_TIMED = "start|start_time"

SHAPES = (
    # yt-dlp's and YouTube's own name for it is json3; it has no documentation.
    Shape(
        name="YouTube json3",
        marks=("events.*.tStartMs",),
        segments="events.*",
        start="tStartMs",
        end="",
        duration="dDurationMs",
        text="",
        words="segs.*",
        word=WordPaths(text="utf8", start="", end="", offset="tOffsetMs", probability=""),
        unit=0.001,
        clipped=True,
    ),
    # https://github.com/ggml-org/whisper.cpp, examples/cli: output_json
    Shape(
        name="whisper.cpp",
        marks=("transcription.*.offsets",),
        segments="transcription.*",
        start="offsets.from",
        end="offsets.to",
        words="",
        unit=0.001,
        language="result.language",
    ),
    # https://huggingface.co/docs/transformers, AutomaticSpeechRecognitionPipeline;
    # insanely-fast-whisper adds "speakers", the same chunks with a name each.
    Shape(
        name="Hugging Face",
        marks=("chunks.*.timestamp",),
        segments="speakers.*|chunks.*",
        start="timestamp.0",
        end="timestamp.1",
        words="",
        perhaps_words=True,
    ),
    # https://docs.rev.ai/api/asynchronous/transcript-format
    Shape(
        name="Rev",
        marks=("monologues.*.elements",),
        segments="monologues.*",
        start="",
        end="",
        text="",
        speaker="speaker_info.display_name|speaker",
        words="elements.*",
        word=WordPaths(text="value", start="ts", end="end_ts"),
        running=True,
    ),
    # https://github.com/alphacep/vosk-api, python/vosk/transcriber
    Shape(
        name="Vosk's transcriber",
        marks=("monologues.*.terms",),
        segments="monologues.*",
        text="",
        speaker="speaker.name",
        words="terms.*",
    ),
    # https://learn.microsoft.com/azure/ai-services/speech-service/batch-transcription-get
    Shape(
        name="Azure, batch",
        marks=("recognizedPhrases",),
        segments="recognizedPhrases.*",
        start="offsetInTicks|offset",
        end="",
        duration="durationInTicks|duration",
        text="nBest.0.display|nBest.0.lexical",
        channel="channel",
        words="nBest.0.displayWords.*|nBest.0.words.*",
        word=WordPaths(
            text="displayText|word",
            start="offsetInTicks|offset",
            end="",
            duration="durationInTicks|duration",
        ),
        unit=1e-7,
        language="recognizedPhrases.0.locale",
    ),
    # https://learn.microsoft.com/azure/ai-services/speech-service/fast-transcription-create
    Shape(
        name="Azure, fast",
        marks=("phrases.*.offsetMilliseconds",),
        segments="phrases.*",
        start="offsetMilliseconds",
        end="",
        duration="durationMilliseconds",
        channel="channel",
        word=WordPaths(start="offsetMilliseconds", end="", duration="durationMilliseconds"),
        unit=0.001,
        language="phrases.0.locale",
    ),
    # https://docs.aws.amazon.com/transcribe/latest/dg/how-input.html
    Shape(
        name="AWS Transcribe, by channel",
        marks=("results.channel_labels.channels",),
        segments="results.channel_labels.channels.*",
        start="",
        end="",
        text="",
        speaker="",
        channel="channel_label",
        words="items.*",
        word=WordPaths(
            text="alternatives.0.content",
            start="start_time",
            end="end_time",
            probability="alternatives.0.confidence",
            speaker="speaker_label",
        ),
        running=True,
        language="results.language_code",
    ),
    Shape(
        name="AWS Transcribe",
        marks=("results.items.*.alternatives",),
        segments="results",
        start="",
        end="",
        text="",
        speaker="",
        words="items.*",
        word=WordPaths(
            text="alternatives.0.content",
            start="start_time",
            end="end_time",
            probability="alternatives.0.confidence",
            speaker="speaker_label",
        ),
        running=True,
        language="results.language_code",
    ),
    # https://developers.deepgram.com/docs/understanding-end-of-speech-detection, /utterances
    Shape(
        name="Deepgram, with utterances",
        marks=("results.channels", "results.utterances.*.transcript"),
        segments="results.utterances.*",
        text="transcript",
        channel="channel",
        word=WordPaths(text="punctuated_word|word"),
        language="results.channels.0.detected_language",
    ),
    Shape(
        name="Deepgram",
        marks=("results.channels.*.alternatives",),
        segments="results.channels.*",
        start="",
        end="",
        text="alternatives.0.transcript",
        channel="#",
        words="alternatives.0.words.*",
        word=WordPaths(text="punctuated_word|word"),
        running=True,
        language="results.channels.0.detected_language",
    ),
    # https://cloud.google.com/speech-to-text/docs/reference/rest, v1 and v2, and what its Python
    # library makes of it
    *(
        Shape(
            name="Google",
            marks=(f"{place}results.*.alternatives",),
            segments=f"{place}results.*",
            start="",
            end="resultEndTime|resultEndOffset|result_end_time|result_end_offset",
            text="alternatives.0.transcript",
            channel="channelTag|channel_tag",
            words="alternatives.0.words.*",
            word=WordPaths(
                text="word",
                start="startTime|startOffset|start_time|start_offset",
                end="endTime|endOffset|end_time|end_offset",
                speaker="speakerLabel|speaker_label|speakerTag|speaker_tag",
            ),
            running=True,
            cumulative=True,
            language=f"{place}results.0.languageCode|{place}results.0.language_code",
        )
        for place in ("", "response.")
    ),
    # https://www.assemblyai.com/docs/api-reference/transcripts; the API always gives its status.
    Shape(
        name="AssemblyAI",
        marks=("audio_duration|acoustic_model|speech_model", "words.*.text|utterances.*.text"),
        segments="utterances.*|@",
        word=WordPaths(text="text"),
        unit=0.001,
        running=True,
        language="language_code",
    ),
    # https://alphacephei.com/vosk: what a recogniser gives, once or again and again
    Shape(
        name="Vosk",
        marks=("*.result.*.conf|*.result.*.word",),
        segments="*",
        start="",
        end="",
        words="result.*",
        word=WordPaths(text="word", probability="conf"),
    ),
    Shape(
        name="Vosk",
        marks=("result.*.word",),
        segments="@",
        start="",
        end="",
        words="result.*",
        word=WordPaths(text="word", probability="conf"),
        running=True,
    ),
    # https://github.com/openai/whisper, https://github.com/m-bain/whisperX, and OpenAI's API
    # (verbose_json, diarized_json); also bare lists of segments
    Shape(
        name="Whisper",
        marks=("segments",),
        segments="segments.*",
        start=_TIMED,
        end="end|end_time",
        speaker="speaker|speaker_label|speaker_id",
        unit=None,
    ),
    Shape(
        name="a list of utterances",
        marks=("utterances.*.text|utterances.*.transcript",),
        segments="utterances.*",
        start=_TIMED,
        end="end|end_time",
        text="text|transcript",
        speaker="speaker|speaker_label|speaker_id",
        unit=None,
        running=True,
    ),
    # https://platform.openai.com/docs/api-reference/audio: timestamp_granularities=["word"]
    Shape(
        name="OpenAI, words alone",
        marks=("words.*.start",),
        segments="@",
        start="",
        end="",
        unit=None,
        running=True,
    ),
    Shape(
        name="a list of segments",
        marks=("*.start|*.start_time",),
        segments="*",
        start=_TIMED,
        end="end|end_time",
        text="text|word",
        speaker="speaker|speaker_label|speaker_id",
        unit=None,
    ),
)
"""The first whose marks are all there is meant."""

NAMES = (
    "Whisper, WhisperX, whisper.cpp, OpenAI, Hugging Face, AssemblyAI, AWS, Azure, Deepgram, "
    "Google, Rev, Vosk and YouTube"
)


def find_shape(content: Any) -> Shape | None:  # noqa: ANN401 - whatever the JSON holds
    """Return the shape of a recogniser's JSON, None where it is of no known one."""
    return next(
        (
            shape
            for shape in SHAPES
            if all(look_up(content, mark) is not None for mark in shape.marks)
        ),
        None,
    )


def look_up(value: Any, paths: str) -> Any:  # noqa: ANN401 - whatever the JSON holds
    """Return the first thing to which a path leads, None where none leads to anything."""
    for steps in _parsed(paths):
        for item in _follow(value, steps):
            if item is not None:
                return item
    return None


def find_all(value: Any, paths: str) -> list[Any]:  # noqa: ANN401 - whatever the JSON holds
    """Return everything to which the first of `paths` leads that leads to anything."""
    for steps in _parsed(paths):
        found = [item for item in _follow(value, steps) if item is not None]
        if found:
            return found
    return []


@cache
def _parsed(paths: str) -> tuple[tuple[str, ...], ...]:
    """The steps of each path; no step for the value itself."""
    alternatives = paths.split("|") if paths else ()
    return tuple(() if path == "@" else tuple(path.split(".")) for path in alternatives)


def _follow(value: Any, steps: tuple[str, ...]) -> Iterator[Any]:  # noqa: ANN401
    if not steps:
        yield value
        return
    first, rest = steps[0], steps[1:]
    if isinstance(value, dict):
        if first in value:
            yield from _follow(value[first], rest)
    elif isinstance(value, list):
        if first == "*":
            for item in value:
                yield from _follow(item, rest)
        elif first.isdigit() and int(first) < len(value):
            yield from _follow(value[int(first)], rest)
