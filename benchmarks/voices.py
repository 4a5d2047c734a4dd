"""Who speaks when: conversations put together from actors, and how wrong the turns are.

Usage: python benchmarks/voices.py --data shared/data [--conversations 10] [--first-seed 1000]
           [--actors 13-20] [--write docs/annotation.md]

A conversation is a minute of RAVDESS's actors: turns of 1 to 6 s, sentences in any of eight
emotions with their pauses, a tenth of the time two at once. The diarisation error is that of
pyannote.metrics: speech that is missed, that is none, or that is given to the wrong voice, as a
share of all speech, without 0.25 s around each limit of a turn. Actors 1-12 were used for the
matrix and the limits of `extractors/voice_groups.py`; to 13-20 nothing was fitted.

The last line is processor time a minute of sound, beside that of recognising its words.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from faster_whisper.vad import get_speech_timestamps
from numpy.typing import NDArray
from pyannote.core import Annotation, Segment
from pyannote.metrics.diarization import DiarizationErrorRate

from lddu_pipe.assets import resolve
from lddu_pipe.extractors.decoding import Reader
from lddu_pipe.extractors.polyglot import Languages
from lddu_pipe.extractors.speech import SpeechRecogniser
from lddu_pipe.extractors.voices import Voices
from lddu_pipe.extractors.whisper import SAMPLE_RATE, load_whisper
from lddu_pipe.media import decode_waveform, probe
from lddu_pipe.pipelines.settings import RECOGNISER
from lddu_pipe.types import TimeSpan, Turn
from report import machine, table, write_section

Waveform = NDArray[np.float32]

COLLAR = 0.25
"""Seconds that do not count, half before and half after each limit of a turn."""
OVERLAP = 0.1
LOUD = 10**-3.5
"""Power, of a clip's loudest moment, below which its ends are silence."""


class Conversation(NamedTuple):
    """Sound, and what is known of it."""

    samples: Waveform
    turns: tuple[Turn, ...]
    """`voice` is the actor's number."""


class Result(NamedTuple):
    """What became of a conversation."""

    voices: int
    error: float
    missed: float
    invented: float
    confused: float
    """Shares of all speech."""


def main() -> None:
    """Compose, tell voices apart, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--conversations", type=int, default=10, help="of each number of people")
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--actors", default="13-20", metavar="FIRST-LAST")
    parser.add_argument("--people", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--write", type=Path, metavar="PAGE")
    arguments = parser.parse_args()
    first, last = map(int, arguments.actors.split("-"))
    torch.set_num_threads(1)
    voices, spent, seconds = Voices.load(), 0.0, 0.0
    rows = []
    for people in arguments.people:
        results = []
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.conversations):
            draw = random.Random(1000 * seed + people)
            actors = draw.sample(range(first, last + 1), people)
            conversation = compose(arguments.data / "audio/ravdess", actors, draw)
            speech = get_speech_timestamps(conversation.samples)
            begin = time.process_time()
            turns = voices.teller().turns(conversation.samples, speech, 0.0)
            spent += time.process_time() - begin
            seconds += len(conversation.samples) / SAMPLE_RATE
            results.append(judge(conversation, turns))
        rows.append(_row(people, results))
        print("|", *rows[-1], sep=" | ", flush=True)
    header = ("people", "count right", "error", "missed", "invented", "confused", "worst")
    cost = f"Processor time a minute of sound: {60 * spent / seconds:.2f} s for voices"
    words = _cost_of_words(conversation.samples)
    text = f"{table(header, rows)}\n{cost}, {words:.1f} s for words. {machine()}\n"
    print(text)
    if arguments.write:
        write_section(arguments.write, "voices", text)


def compose(folder: Path, actors: Sequence[int], draw: random.Random) -> Conversation:
    """A minute in which some actors take turns, in an order and at times that are drawn."""
    samples = np.zeros(70 * SAMPLE_RATE, np.float32)
    turns: list[Turn] = []
    at, together, spoken = draw.uniform(0.2, 1.0), 0.0, 0.0
    waiting = draw.sample(list(actors), len(actors))  # each is heard at least once
    while at < 60:
        others = [a for a in actors if not turns or a != turns[-1].voice]
        actor = waiting.pop() if waiting else draw.choice(others or list(actors))
        said = _turn(folder, actor, draw)
        begin = round(at * SAMPLE_RATE)
        samples[begin : begin + len(said)] += said
        duration = len(said) / SAMPLE_RATE
        turns.append(Turn(TimeSpan(at, at + duration), actor))
        spoken += duration
        at += duration
        if len(actors) > 1 and together < OVERLAP * spoken and draw.random() < 0.6:
            overlap = min(draw.uniform(0.3, 1.5), duration * 0.6)
            together += overlap
            at -= overlap
        else:
            at += draw.uniform(0.05, 0.8)
    end = round(max(turn.span.end for turn in turns) * SAMPLE_RATE) + SAMPLE_RATE // 4
    return Conversation(samples[:end] / max(1.0, float(np.abs(samples).max())), tuple(turns))


def _turn(folder: Path, actor: int, draw: random.Random) -> Waveform:
    """One actor's sentences, 1 to 6 s of them."""
    clips = sorted(folder.glob(f"*-{actor:02d}.flac"))
    length = round(draw.uniform(1, 6) * SAMPLE_RATE)
    parts: list[Waveform] = []
    while sum(map(len, parts)) < length:
        if parts:
            parts.append(np.zeros(round(draw.uniform(0.1, 0.4) * SAMPLE_RATE), np.float32))
        parts.append(_clip(draw.choice(clips)))
    said = np.concatenate(parts)[:length]
    said[-1600:] *= np.linspace(1, 0, 1600, dtype=np.float32)
    return said


@lru_cache(maxsize=500)
def _clip(file: Path) -> Waveform:
    samples = np.asarray(decode_waveform(probe(file))[:], np.float32)
    power = np.convolve(samples**2, np.ones(400) / 400, "same")
    loud = np.flatnonzero(power > power.max() * LOUD)
    return samples[loud[0] : loud[-1] + 1]


def judge(conversation: Conversation, turns: Sequence[Turn]) -> Result:
    """Compare turns with those that were composed."""
    truth, found = (_annotation(items) for items in (conversation.turns, turns))
    whole = Segment(0, len(conversation.samples) / SAMPLE_RATE)
    parts = DiarizationErrorRate(collar=COLLAR)(truth, found, uem=whole, detailed=True)
    shares = [
        parts[name] / parts["total"] for name in ("missed detection", "false alarm", "confusion")
    ]
    return Result(len({turn.voice for turn in turns}), sum(shares), *shares)


def _annotation(turns: Sequence[Turn]) -> Annotation:
    annotation = Annotation()
    for number, turn in enumerate(turns):
        annotation[Segment(turn.span.start, turn.span.end), number] = turn.voice
    return annotation


def _row(people: int, results: Sequence[Result]) -> tuple[object, ...]:
    right = sum(result.voices == people for result in results)
    means = np.mean([result[1:] for result in results], axis=0)
    worst = max(result.error for result in results)
    shares = [f"{100 * value:.1f} %" for value in (*means, worst)]
    return (people, f"{right} of {len(results)}", *shares)


def _cost_of_words(samples: Waveform) -> float:
    """Seconds of processor time of recognising a minute of a conversation's words."""
    model = load_whisper(resolve("whisper-tiny.en"), "cpu", 1)
    recogniser = SpeechRecogniser(Languages(Reader(model)), RECOGNISER)
    begin = time.process_time()
    recogniser.transcribe(samples)
    return (time.process_time() - begin) * 60 * SAMPLE_RATE / len(samples)


if __name__ == "__main__":
    main()
