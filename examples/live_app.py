"""What somebody feels, while it shows: a small app over a live session.

python live_app.py clip.mp4      a file in place of microphone and camera, at its own speed
python live_app.py               camera 0, and the microphone if `sounddevice` is installed
"""

import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from lddu_pipe import EmotionPipeline, Live
from lddu_pipe.events import UnitJudged
from lddu_pipe.media import decode_frames, decode_waveform, probe

RATE = 16_000


def play(live: Live, path: str) -> None:
    """Give a file's sound and pictures as they would be heard and seen."""
    media = probe(Path(path))
    sound = decode_waveform(media)[:] if media.audio else ()
    heard, begin = 0, time.monotonic()
    for frame in decode_frames(media, 25):
        time.sleep(max(0.0, begin + frame.time - time.monotonic()))
        live.see(frame.image, frame.time)
        until = int(frame.time * RATE)
        live.hear(sound[heard:until], heard / RATE)
        heard = until
    live.close()


def watch(live: Live) -> None:
    """Give what the first camera and the microphone show, until Ctrl-C."""
    try:
        import sounddevice

        def hear(block: np.ndarray, *_: object) -> None:
            live.hear(block, time.monotonic() - len(block) / RATE)

        sounddevice.InputStream(RATE, channels=1, dtype="float32", callback=hear).start()
    except (ImportError, OSError):
        print("no microphone")
    camera = cv2.VideoCapture(0)
    while (found := camera.read())[0]:
        live.see(cv2.cvtColor(found[1], cv2.COLOR_BGR2RGB), time.monotonic())


with EmotionPipeline.from_pretrained().live(audio_rate=RATE) as live:
    source = (play, (live, sys.argv[1])) if len(sys.argv) > 1 else (watch, (live,))
    threading.Thread(target=source[0], args=source[1], daemon=True).start()
    for event in live.events():
        if isinstance(event, UnitJudged):
            said, mark = event.prediction.utterance, "" if event.final else "..."
            feels = ", ".join(f"{x.label} {x.probability:.0%}" for x in event.prediction.present)
            print(f"{said.person or '?'}: {feels or 'nothing sure'} {mark}{said.text}")
