"""Make `examples/sample.mp4`: a portrait that speaks under a slowly moving camera.

The mouth opens as far as the voice is loud, since a face that never moves is nobody who speaks.
The picture is `skimage.data.astronaut()`, NASA's portrait of Eileen Collins, in the public
domain. The voice is espeak-ng's; the words are our own. Needs scikit-image and espeak-ng:

    pip install scikit-image
    apt-get install espeak-ng
    python examples/make_sample.py
"""

from __future__ import annotations

import subprocess
import tempfile
import wave
from pathlib import Path

import click
import ffmpeg
import numpy as np
from numpy.typing import NDArray
from skimage.data import astronaut
from skimage.transform import AffineTransform, warp

from lddu_pipe.media import find_ffmpeg

TEXT = (
    "I am so happy to be here today. "
    "My friends came to visit me, and we had a wonderful time. "
    "This is great news!"
)
WIDTH, HEIGHT, FPS = 640, 480, 25
FACE = (222.0, 118.0)
"""x and y of the middle of the face in the portrait, pixels."""
LIPS = (224.0, 149.0)
"""x and y of the middle of the lower edge of the upper teeth in the portrait, pixels."""
HALF_WIDTH, CORNERS = 26.0, 9.0
"""Of the mouth, and how much higher its corners are than its middle, pixels."""
NECK = 46.0
"""Pixels below the lips at which nothing moves with the jaw."""
WIDEST = 7.0
"""Pixels by which the jaw drops for the loudest sound."""
GAPE = (70, 26, 30)
"""Red, green and blue of an open mouth."""
LEAD_IN = 0.3
"""Seconds of silence before the voice and after it."""


def speak(text: str, path: Path, voice: str, words_per_minute: int) -> float:
    """Write `text` as speech to a WAV file; return its length in seconds."""
    command = ["espeak-ng", "-v", voice, "-s", str(words_per_minute), "-w", str(path), text]
    subprocess.run(command, check=True)
    with wave.open(str(path)) as sound:
        return sound.getnframes() / sound.getframerate()


def opened(path: Path, count: int) -> NDArray[np.float64]:
    """How far the mouth is open in each of `count` frames, 0..1, from the sound of a WAV file."""
    with wave.open(str(path)) as sound:
        rate = sound.getframerate()
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16) / 32768
    places = np.arange(count) / FPS - LEAD_IN
    pieces = [
        samples[max(0, round((place - 0.02) * rate)) : max(1, round((place + 0.06) * rate))]
        for place in places
    ]
    level = np.array([np.sqrt((piece**2).mean()) if len(piece) else 0.0 for piece in pieces])
    return (level / level.max()) ** 0.7


def speaking(portrait: NDArray[np.uint8], opening: float) -> NDArray[np.uint8]:
    """Return the portrait with the mouth open, `opening` in 0..1."""
    drop = opening * WIDEST
    rows, columns = np.indices(portrait.shape[:2]).astype(float)
    across = np.clip(1 - ((columns - LIPS[0]) / HALF_WIDTH) ** 2, 0, 1)
    below = rows - (LIPS[1] - CORNERS * ((columns - LIPS[0]) / HALF_WIDTH) ** 2)
    gape = (below >= 0) & (below < drop * across)
    fading = np.clip(1 - (below - drop) / NECK, 0, 1)
    moved = np.where(below > 0, drop * across * fading, 0.0)
    places = np.stack([rows - moved, columns])
    colours = [warp(portrait[..., colour], places, order=3, mode="edge") for colour in range(3)]
    picture = np.stack(colours, axis=-1)
    picture[gape] = np.array(GAPE) / 255
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def camera(portrait: NDArray[np.uint8], moment: float) -> NDArray[np.uint8]:
    """Return the (HEIGHT, WIDTH, 3) view at `moment`, 0..1 from the first frame to the last."""
    # Slow swings of different length: the camera comes nearer while it drifts round the face.
    zoom = 1.75 + 0.25 * np.sin(np.pi * moment)
    x = FACE[0] + 12 * np.sin(2 * np.pi * moment)
    y = FACE[1] + 8 + 5 * np.cos(2 * np.pi * moment)
    view = AffineTransform(scale=(1 / zoom, 1 / zoom), translation=(x, y)) + AffineTransform()
    centred = AffineTransform(translation=(-WIDTH / 2, -HEIGHT / 2)) + view
    picture = warp(portrait, centred, output_shape=(HEIGHT, WIDTH), order=3, mode="edge")
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path(__file__).with_name("sample.mp4"),
    show_default=True,
)
@click.option("--text", default=TEXT, help="What the voice says.")
@click.option("--voice", default="en-gb+f3", show_default=True, help="An espeak-ng voice.")
@click.option("--words-per-minute", default=150, show_default=True)
def main(output: Path, text: str, voice: str, words_per_minute: int) -> None:
    """Make the sample video."""
    with tempfile.TemporaryDirectory() as folder:
        speech = Path(folder) / "speech.wav"
        seconds = speak(text, speech, voice, words_per_minute) + 2 * LEAD_IN
        pictures = ffmpeg.input(
            "pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{WIDTH}x{HEIGHT}", r=FPS
        )
        sound = ffmpeg.input(str(speech)).filter("adelay", f"{LEAD_IN * 1000:.0f}").filter("apad")
        encoder = (
            ffmpeg.output(
                pictures,
                sound,
                str(output),
                vcodec="libx264",
                pix_fmt="yuv420p",
                crf=27,
                preset="slow",
                acodec="aac",
                audio_bitrate="64k",
                t=f"{seconds:.3f}",
                movflags="+faststart",
            )
            .overwrite_output()
            .global_args("-v", "error")
            .run_async(cmd=find_ffmpeg(), pipe_stdin=True)
        )
        portrait = astronaut()
        count = round(seconds * FPS)
        for index, opening in enumerate(opened(speech, count)):
            face = speaking(portrait, opening)
            encoder.stdin.write(camera(face, index / (count - 1)).tobytes())
        encoder.stdin.close()
        if encoder.wait() != 0:
            raise click.ClickException("ffmpeg failed; see above")
    click.echo(f"{output}: {seconds:.1f} s, {output.stat().st_size / 1000:.0f} kB", err=True)


if __name__ == "__main__":
    main()
