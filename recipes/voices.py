"""Make the matrix that lets emotions weigh less where voices are compared.

Usage: python recipes/voices.py --data shared/data [--actors 1-12]

It is written into the package, `extractors/voice_whitening.safetensors`. Points of one person's
voice differ with what the person feels. How, is measured on RAVDESS's sentences of some actors and
on EmoGator's bursts, half each; the matrix makes all directions in which they do alike. The other
actors are for choosing (`likeness` in `extractors/voice_groups.py`) and for benchmarks/voices.py.

RAVDESS is CC BY-NC-SA 4.0, EmoGator Apache-2.0; the matrix is for the same use as the former.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import save_file

from lddu_pipe.assets import resolve
from lddu_pipe.extractors.voice_network import DIMENSIONS, SAMPLE_RATE, WHITENING, VoiceNetwork
from lddu_pipe.extractors.voices import STRETCH, VOICE_ASSET
from lddu_pipe.media import decode_waveform, probe

SHRINKAGE = 0.6
"""Share of the matrix that treats all directions alike."""
BURSTS = 7
"""Of each person."""
LOUD = 10**-3.5
"""Power, of a clip's loudest moment, below which its ends are silence."""
WINDOW = 400  # samples
_STEP = 320  # samples of a step of the network


def main() -> None:
    """Read the clips, compare each person's, and write the matrix."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--actors", default="1-12", metavar="FIRST-LAST")
    arguments = parser.parse_args()
    first, last = map(int, arguments.actors.split("-"))
    sentences = _sentences(arguments.data, range(first, last + 1))
    clips = [*sentences, *_bursts(arguments.data)]
    random.Random(1).shuffle(clips)  # what surrounds a clip is another person's
    network = VoiceNetwork.load(resolve(VOICE_ASSET), whitened=False)
    points: dict[str, list[NDArray[np.float32]]] = {}
    for who, point in _points(network, clips):
        points.setdefault(who, []).append(point)
    acted = _within([group for who, group in points.items() if who.startswith("actor")])
    bursts = _within([group for who, group in points.items() if not who.startswith("actor")])
    both = (acted + bursts) / 2
    even = np.trace(both) / DIMENSIONS * np.eye(DIMENSIONS)
    values, directions = np.linalg.eigh((1 - SHRINKAGE) * both + SHRINKAGE * even)
    whitening = directions @ np.diag(values**-0.5) @ directions.T
    whitening /= np.abs(whitening).max()
    save_file({"whitening": np.ascontiguousarray(whitening, np.float32)}, WHITENING)
    print(f"{len(clips)} clips of {len(points)} people: {WHITENING}")


def _sentences(data: Path, actors: Sequence[int]) -> list[tuple[str, Path]]:
    files = sorted((data / "audio/ravdess").glob("*.flac"))
    return [(f"actor {file.stem[-2:]}", file) for file in files if int(file.stem[-2:]) in actors]


def _bursts(data: Path) -> list[tuple[str, Path]]:
    table = pd.read_csv(data / "audio/emogator.csv", dtype={"speaker": str})
    return [
        (speaker, data / "audio/emogator" / file)
        for speaker, rows in table[table.split == "train"].groupby("speaker")
        for file in rows.sample(min(BURSTS, len(rows)), random_state=1).file
    ]


def sound_of(file: Path) -> NDArray[np.float32]:
    """A clip without the silence at its ends: (samples,) at 16 kHz."""
    samples = np.asarray(decode_waveform(probe(file))[:], np.float32)
    power = np.convolve(samples**2, np.ones(WINDOW) / WINDOW, "same")
    loud = np.flatnonzero(power > power.max() * LOUD)
    return samples[loud[0] : loud[-1] + 1]


def _points(
    network: VoiceNetwork, clips: Sequence[tuple[str, Path]]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Hear several clips at once, as in a conversation, and describe each."""
    together: list[tuple[str, NDArray[np.float32]]] = []
    for index, (who, file) in enumerate(clips):
        together.append((who, sound_of(file)))
        length = sum(len(samples) for _, samples in together)
        if length < STRETCH * SAMPLE_RATE * 0.9 and index + 1 < len(clips):
            continue
        steps = network.steps(np.concatenate([samples for _, samples in together]))
        end = 0
        for name, samples in together:
            begin, end = end, end + len(samples)
            own = steps[begin // _STEP : max(end // _STEP, begin // _STEP + 10)]
            yield name, network.embed(own.mean(0)[None], own.std(0, ddof=1)[None])[0]
        together = []


def _within(groups: Sequence[Sequence[NDArray[np.float32]]]) -> NDArray[np.float64]:
    """Covariance of points around their own group's mean."""
    total, count = np.zeros((DIMENSIONS, DIMENSIONS)), 0
    for group in groups:
        apart = np.stack(group).astype(np.float64)
        apart -= apart.mean(0)
        total += apart.T @ apart
        count += len(group) - 1
    return total / count


if __name__ == "__main__":
    main()
