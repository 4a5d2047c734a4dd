"""What annotating a clip costs beside its bare stages, run alone one after the other.

``python benchmarks/pipeline.py VIDEO SOUND`` makes a minute of 640 x 360 out of a video of one
face and a sound file of speech, and measures in one process, models loaded, in turn:

- the floor: ffmpeg decodes the frames that are used and the sound; MediaPipe's FaceLandmarker
  (video mode, with the outputs and the number of faces that the pipeline asks for) looks at each
  frame; faster-whisper transcribes with the pipeline's options and its own threads; MiniLM reads
  the sentences. No feature of ours is made of it;
- the pipeline: from the file to the annotation, and the same with a transcript beside it.

Then, in processes of their own, the whole command on five seconds, against the imports and the
models it needs, loaded one after the other. ``--write docs/performance.md`` writes the table.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import ffmpeg
import mediapipe as mp
import numpy as np
import torch
from clips import FPS, HEIGHT, WIDTH, make_clip
from faster_whisper import WhisperModel
from mediapipe.tasks.python import BaseOptions, vision
from transformers import AutoModel, AutoTokenizer

from lddu_pipe import EmotionPipeline
from lddu_pipe.assets import resolve
from lddu_pipe.extractors.faces import MAX_FACES
from lddu_pipe.media import find_ffmpeg
from lddu_pipe.writers.formats import FORMATS
from report import machine, table, write_section

LOADING = """
import gc
gc.disable()  # as the command does, or this would take a quarter longer
import torch
from faster_whisper import WhisperModel
from mediapipe.tasks.python import BaseOptions, vision
from lddu_pipe.assets import resolve
from lddu_pipe.extractors.minilm import MiniLM
from lddu_pipe.pipelines.checkpoint import load_checkpoint
MiniLM(resolve("all-MiniLM-L6-v2", offline=True), 256)
WhisperModel(str(resolve("whisper-tiny.en", offline=True)), device="cpu", compute_type="int8")
vision.FaceLandmarker.create_from_options(vision.FaceLandmarkerOptions(
    base_options=BaseOptions(model_asset_path=str(resolve("face-landmarker", offline=True)))
)).close()
load_checkpoint("lddu-base-en")
"""


T = TypeVar("T")


class Floor:
    """The bare stages."""

    def __init__(self, clip: Path, fps: float) -> None:
        self.clip, self.fps = clip, fps
        self.whisper = WhisperModel(
            str(resolve("whisper-tiny.en", offline=True)), device="cpu", compute_type="int8"
        )
        folder = resolve("all-MiniLM-L6-v2", offline=True)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.minilm = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.seconds: dict[str, list[float]] = {}

    def run(self) -> float:
        """Do everything once; seconds of it all."""
        frames = self._timed("ffmpeg, frames", self._frames)
        sound = self._timed("ffmpeg, sound", self._sound)
        self._timed("FaceLandmarker", lambda: self._look(frames))
        sentences = self._timed("Whisper tiny.en", lambda: self._listen(sound))
        self._timed("MiniLM", lambda: self._read(sentences))
        return sum(times[-1] for times in self.seconds.values())

    def _timed(self, name: str, work: Callable[[], T]) -> T:
        begun = time.perf_counter()
        result = work()
        self.seconds.setdefault(name, []).append(time.perf_counter() - begun)
        return result

    def _frames(self) -> np.ndarray:
        stream = ffmpeg.input(str(self.clip))["v:0"].filter("fps", self.fps)
        raw = stream.output("pipe:", format="rawvideo", pix_fmt="rgb24")
        content, _ = raw.run(cmd=find_ffmpeg(), capture_stdout=True, quiet=True)
        return np.frombuffer(content, np.uint8).reshape(-1, HEIGHT, WIDTH, 3)

    def _sound(self) -> np.ndarray:
        raw = ffmpeg.input(str(self.clip))["a:0"].output("pipe:", format="f32le", ac=1, ar=16000)
        content, _ = raw.run(cmd=find_ffmpeg(), capture_stdout=True, quiet=True)
        return np.frombuffer(content, np.float32)

    def _look(self, frames: np.ndarray) -> None:
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(
                model_asset_path=str(resolve("face-landmarker", offline=True))
            ),
            running_mode=vision.RunningMode.VIDEO,
            num_faces=MAX_FACES,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        with vision.FaceLandmarker.create_from_options(options) as landmarker:
            for index, frame in enumerate(frames):
                image = mp.Image(image_format=mp.ImageFormat.SRGB, data=frame)
                landmarker.detect_for_video(image, round(index * 1000 / self.fps))

    def _listen(self, sound: np.ndarray) -> list[str]:
        segments, _ = self.whisper.transcribe(
            sound,
            beam_size=5,
            word_timestamps=True,
            vad_filter=True,
            condition_on_previous_text=False,
            temperature=0.0,
        )
        return [segment.text for segment in segments]

    @torch.inference_mode()
    def _read(self, sentences: list[str]) -> None:
        self.minilm(**self.tokenizer(sentences, padding=True, return_tensors="pt"))


def seconds_of(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def command(*arguments: object) -> None:
    subprocess.run([sys.executable, *map(str, arguments)], check=True, capture_output=True)


def measure(video: Path, sound: Path, seconds: float, pairs: int) -> str:
    """The table of figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = make_clip(video, sound, seconds, folder / "clip.mp4")
        pipeline = EmotionPipeline.from_pretrained(device="cpu", offline=True)
        floor = Floor(clip, pipeline.settings.fps)
        transcript = folder / "clip.srt"
        transcript.write_bytes(FORMATS["srt"].render(pipeline(clip), None))
        floor.run()
        floor.seconds.clear()
        rows: dict[str, list[float]] = {"floor": [], "pipeline": [], "with a transcript": []}
        for _ in range(pairs):
            rows["floor"].append(floor.run())
            rows["pipeline"].append(seconds_of(lambda: pipeline(clip)))
            rows["with a transcript"].append(
                seconds_of(lambda: pipeline(clip, transcript=transcript))
            )
        short = make_clip(video, sound, 5.0, folder / "short.mp4")
        annotate = ("-m", "lddu_pipe.cli", "annotate", short, "--offline", "--json")
        cold = []
        for turn in range(pairs + 1):
            alone = seconds_of(lambda: command("-c", LOADING))
            whole = seconds_of(lambda: command(*annotate))
            if turn:  # the first brings the files into the page cache
                cold.append((whole / alone, alone, whole))

    def line(what: str, times: list[float]) -> list[str]:
        ratios = [one / base for one, base in zip(times, rows["floor"], strict=True)]
        middle = statistics.median(times)
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        return [
            what,
            f"{middle:.2f} s",
            f"{statistics.median(ratios):.2f} ({spread})",
            f"{seconds / middle:.1f} x",
        ]

    def stage(what: str, times: list[float]) -> list[str]:
        middle = statistics.median(times)
        return [what, f"{middle:.2f} s", f"{middle / statistics.median(rows['floor']):.2f}", ""]

    lines = [stage(f"alone: {what}", times) for what, times in floor.seconds.items()]
    lines.append(line("**floor**: the sum of these", rows["floor"]))
    lines.append(line("**pipeline**: file to annotation", rows["pipeline"]))
    lines.append(line("**pipeline**, a transcript given", rows["with a transcript"]))
    ratio, alone, whole = sorted(cold)[len(cold) // 2]
    return (
        table(
            [f"{seconds:g} s of {WIDTH} x {HEIGHT}", "median", "of the floor", "real time"], lines
        )
        + f"\nCold: `lddu-pipe annotate` on 5 s takes {whole:.1f} s from start to result, "
        f"{ratio:.2f} x what its imports and models take alone ({alone:.1f} s).\n"
        + f"\nMedians of {pairs} runs in turn; {pipeline.settings.fps:g} of {FPS} frames a second "
        f"are looked at. {machine()}\n"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("sound", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    result = measure(given.video, given.sound, given.seconds, given.pairs)
    print(result)
    if given.write:
        write_section(given.write, "pipeline", result)
