"""JSON as each recogniser documents it, of the same words; small, made anew on each call.

"I am very angry." is said by one person from 0.5 to 2 s, "Stop it!" by another from 3 to 3.8 s.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

WORDS = [
    ("I", 0.5, 0.7),
    ("am", 0.7, 1.0),
    ("very", 1.0, 1.4),
    ("angry.", 1.4, 2.0),
    ("Stop", 3.0, 3.4),
    ("it!", 3.4, 3.8),
]
FIRST, SECOND = WORDS[:4], WORDS[4:]
BOTH = (FIRST, SECOND)
TEXTS = ("I am very angry.", "Stop it!")


def bare(word: str) -> str:
    return word.strip(".!").lower()


def assemblyai() -> Any:
    """https://www.assemblyai.com/docs/api-reference/transcripts/get"""

    def word(text: str, start: float, end: float, speaker: str) -> dict:
        times = {"start": round(start * 1000), "end": round(end * 1000)}
        return {"text": text, **times, "confidence": 0.98, "speaker": speaker}

    turns = [
        {
            "confidence": 0.95,
            "start": round(words[0][1] * 1000),
            "end": round(words[-1][2] * 1000),
            "text": text,
            "speaker": speaker,
            "words": [word(*item, speaker) for item in words],
        }
        for words, text, speaker in zip(BOTH, TEXTS, "AB", strict=True)
    ]
    return {
        "id": "1",
        "status": "completed",
        "acoustic_model": "assemblyai_default",
        "language_code": "en_us",
        "audio_duration": 4,
        "text": " ".join(TEXTS),
        "words": [word for turn in turns for word in turn["words"]],
        "utterances": turns,
    }


def aws() -> Any:
    """https://docs.aws.amazon.com/transcribe/latest/dg/diarization-output-batch.html"""
    items: list[dict] = []
    segments = []
    for words, label in zip(BOTH, ("spk_0", "spk_1"), strict=True):
        own = []
        for text, start, end in words:
            times = {"start_time": str(start), "end_time": str(end)}
            own.append({**times, "speaker_label": label})
            items.append(
                {
                    "id": len(items),
                    "type": "pronunciation",
                    "speaker_label": label,
                    **times,
                    "alternatives": [{"confidence": "0.98", "content": text.strip(".!")}],
                }
            )
            if text[-1] in ".!":
                items.append(
                    {
                        "id": len(items),
                        "type": "punctuation",
                        "speaker_label": label,
                        "alternatives": [{"confidence": "0.0", "content": text[-1]}],
                    }
                )
        segments.append(
            {
                "start_time": str(words[0][1]),
                "end_time": str(words[-1][2]),
                "speaker_label": label,
                "items": own,
            }
        )
    return {
        "jobName": "job",
        "accountId": "1",
        "status": "COMPLETED",
        "results": {
            "language_code": "en-US",
            "transcripts": [{"transcript": " ".join(TEXTS)}],
            "speaker_labels": {"speakers": 2, "segments": segments},
            "items": items,
        },
    }


def _deepgram_word(text: str, start: float, end: float, speaker: int) -> dict:
    return {
        "word": bare(text),
        "start": start,
        "end": end,
        "confidence": 0.98,
        "punctuated_word": text,
        "speaker": speaker,
        "speaker_confidence": 0.6,
    }


def deepgram() -> Any:
    """https://developers.deepgram.com/docs/pre-recorded-audio, with diarize=true"""
    words = [_deepgram_word(*word, speaker) for speaker, own in enumerate(BOTH) for word in own]
    return {
        "metadata": {"request_id": "1", "duration": 4.0, "channels": 1},
        "results": {
            "channels": [
                {
                    "detected_language": "en",
                    "alternatives": [
                        {"transcript": " ".join(TEXTS), "confidence": 0.9, "words": words}
                    ],
                }
            ]
        },
    }


def deepgram_utterances() -> Any:
    """The same with utterances=true."""
    content = deepgram()
    content["results"]["utterances"] = [
        {
            "start": words[0][1],
            "end": words[-1][2],
            "confidence": 0.9,
            "channel": 0,
            "transcript": text,
            "words": [_deepgram_word(*word, speaker) for word in words],
            "speaker": speaker,
            "id": str(speaker),
        }
        for speaker, (words, text) in enumerate(zip(BOTH, TEXTS, strict=True))
    ]
    return content


def google() -> Any:
    """https://cloud.google.com/speech-to-text/docs/reference/rest/v1/SpeechRecognitionResult

    With speakers: the last result has all words again, and they alone have tags.
    """

    def words(own: list, **tag: int) -> list[dict]:
        return [
            {"startTime": f"{start:.3f}s", "endTime": f"{end:.3f}s", "word": text, **tag}
            for text, start, end in own
        ]

    results: list[dict] = [
        {
            "alternatives": [{"transcript": text, "confidence": 0.9, "words": words(own)}],
            "resultEndTime": f"{own[-1][2]}s",
            "languageCode": "en-us",
        }
        for own, text in zip(BOTH, TEXTS, strict=True)
    ]
    tagged = words(FIRST, speakerTag=1) + words(SECOND, speakerTag=2)
    return {"results": [*results, {"alternatives": [{"words": tagged}]}]}


def azure() -> Any:
    """https://learn.microsoft.com/azure/ai-services/speech-service/batch-transcription-get"""

    def times(start: float, end: float) -> dict:
        return {
            "offset": f"PT{start:g}S",
            "duration": f"PT{end - start:.2f}S",
            "offsetInTicks": round(start * 1e7),
            "durationInTicks": round((end - start) * 1e7),
        }

    return {
        "source": "https://example.com/a.wav",
        "durationInTicks": 40_000_000,
        "combinedRecognizedPhrases": [{"channel": 0, "display": " ".join(TEXTS)}],
        "recognizedPhrases": [
            {
                "recognitionStatus": "Success",
                "channel": 0,
                "speaker": speaker,
                "locale": "en-US",
                **times(words[0][1], words[-1][2]),
                "nBest": [
                    {
                        "confidence": 0.9,
                        "lexical": " ".join(bare(word) for word, *_ in words),
                        "display": text,
                        "words": [
                            {"word": bare(word), **times(start, end), "confidence": 0.9}
                            for word, start, end in words
                        ],
                    }
                ],
            }
            for speaker, (words, text) in enumerate(zip(BOTH, TEXTS, strict=True), 1)
        ],
    }


def rev() -> Any:
    """https://docs.rev.ai/api/asynchronous/transcript-format"""
    monologues = []
    for speaker, words in enumerate(BOTH):
        elements: list[dict] = []
        for text, start, end in words:
            elements.append(
                {
                    "type": "text",
                    "value": text.strip(".!"),
                    "ts": start,
                    "end_ts": end,
                    "confidence": 0.9,
                }
            )
            sign = text[-1] if text[-1] in ".!" else " "
            elements.append({"type": "punct", "value": sign})
        monologues.append({"speaker": speaker, "elements": elements})
    return {"monologues": monologues}


def vosk() -> Any:
    """https://alphacephei.com/vosk: what a recogniser gives for each stretch; it has no signs."""
    return [
        {
            "result": [
                {"conf": 0.98, "start": start, "end": end, "word": bare(text)}
                for text, start, end in words
            ],
            "text": " ".join(bare(word) for word, *_ in words),
        }
        for words in BOTH
    ]


def hugging_face() -> Any:
    """https://huggingface.co/docs/transformers: return_timestamps=True"""
    return {
        "text": " ".join(TEXTS),
        "chunks": [
            {"timestamp": [words[0][1], words[-1][2]], "text": f" {text}"}
            for words, text in zip(BOTH, TEXTS, strict=True)
        ],
    }


def hugging_face_words() -> Any:
    """The same with return_timestamps="word"."""
    return {
        "text": " ".join(TEXTS),
        "chunks": [{"text": f" {text}", "timestamp": [a, b]} for text, a, b in WORDS],
    }


def openai_words() -> Any:
    """https://platform.openai.com/docs/api-reference/audio: timestamp_granularities=["word"]"""
    return {
        "task": "transcribe",
        "language": "english",
        "duration": 4.0,
        "text": " ".join(TEXTS),
        "words": [{"word": text.strip(".!"), "start": a, "end": b} for text, a, b in WORDS],
    }


def json3() -> Any:
    """YouTube's captions as yt-dlp saves them: a line each, and lines that only break."""
    events: list[dict] = [{"tStartMs": 0, "dDurationMs": 4000, "id": 1, "wpWinPosId": 1}]
    for words in BOTH:
        begin = words[0][1]
        segs = [
            {"utf8": f"{' ' if index else ''}{text}", "tOffsetMs": round((start - begin) * 1000)}
            for index, (text, start, _) in enumerate(words)
        ]
        length = round((words[-1][2] - begin) * 1000)
        events += [
            {"tStartMs": round(begin * 1000), "dDurationMs": length, "wWinId": 1, "segs": segs},
            {"tStartMs": round(words[-1][2] * 1000), "wWinId": 1, "aAppend": 1,
             "segs": [{"utf8": "\n"}]},
        ]  # fmt: skip
    return {"wireMagic": "pb3", "pens": [{}], "wsWinStyles": [{}], "events": events}


def whisper_cpp() -> Any:
    """https://github.com/ggml-org/whisper.cpp: --output-json"""
    return {
        "systeminfo": "",
        "result": {"language": "en"},
        "transcription": [
            {
                "timestamps": {"from": "00:00:00,500", "to": "00:00:02,000"},
                "offsets": {"from": round(words[0][1] * 1000), "to": round(words[-1][2] * 1000)},
                "text": f" {text}",
            }
            for words, text in zip(BOTH, TEXTS, strict=True)
        ],
    }


def whisper() -> Any:
    """https://github.com/openai/whisper and https://github.com/m-bain/whisperX, with speakers"""
    return {
        "language": "en",
        "segments": [
            {
                "start": words[0][1],
                "end": words[-1][2],
                "text": f" {text}",
                "speaker": f"SPEAKER_0{speaker}",
                "words": [
                    {"word": word, "start": a, "end": b, "score": 0.9} for word, a, b in words
                ],
            }
            for speaker, (words, text) in enumerate(zip(BOTH, TEXTS, strict=True))
        ],
    }


RECOGNISERS: dict[str, Callable[[], Any]] = {
    maker.__name__: maker
    for maker in (
        *(whisper, assemblyai, aws, deepgram, deepgram_utterances, google, azure, rev, vosk),
        *(hugging_face, hugging_face_words, openai_words, json3, whisper_cpp),
    )
}
BROKEN = (None, "soon", -1, True, [], {}, float("nan"), 10**400, "", 1e300, "PT", ["x", {"y": 1}])
"""What stands in the place of a value in a broken file."""


def with_a_broken_field(content: Any, dice: random.Random) -> Any:
    """The same with one value, anywhere in it, replaced or taken away."""
    if isinstance(content, dict) and content:
        key = dice.choice(list(content))
        rest = {name: value for name, value in content.items() if name != key}
        if dice.random() < 0.15:
            return rest
        return {**rest, key: with_a_broken_field(content[key], dice)}
    if isinstance(content, list) and content:
        at = dice.randrange(len(content))
        return [*content[:at], with_a_broken_field(content[at], dice), *content[at + 1 :]]
    return dice.choice(BROKEN)
