"""A live session and jobs on one server: what each costs the other.

``python benchmarks/live_server.py CLIP`` uploads a video as a job, holds a live session with the
sound and pictures of the same one at their own speed, and does both at once; it prints how long
the job took and how far behind the session was.

Two cores of an AMD EPYC, shared with other work (load 5 to 9), 2026-12-01, examples/sample.mp4: a
job took 9.6 s alone and 11 to 13 s beside the session; the session was 2.4 s behind alone (median;
57 % of pictures dropped) and 3.9 s beside jobs (87 %). Neither keeps the other from going on.
"""

from __future__ import annotations

import argparse
import json
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time
from io import BytesIO

import av
import httpx
import numpy as np
from PIL import Image
from websockets.sync.client import connect

_RATE = 16_000


def read(path: str) -> list[tuple[float, bytes]]:
    """Messages of a session, and the second at which each is sent."""
    messages: list[tuple[float, bytes]] = []
    with av.open(path) as container:
        resampler = av.AudioResampler("s16", "mono", _RATE)
        pieces = [
            made.to_ndarray().ravel()
            for frame in container.decode(audio=0)
            for made in resampler.resample(frame)
        ]
    sound = np.concatenate(pieces)
    for start in range(0, len(sound), _RATE // 10):
        at = start / _RATE
        piece = sound[start : start + _RATE // 10].astype("<i2").tobytes()
        messages.append((at + 0.1, struct.pack("<BB6xd", 1, 1, at) + piece))
    with av.open(path) as container:
        for frame in container.decode(video=0):
            at = float(frame.time or 0)
            if at * 7 - len([m for m in messages if m[1][0] == 3]) < 0:
                continue
            image: Image.Image = frame.to_image()
            image.thumbnail((640, 640))
            content = BytesIO()
            image.save(content, "JPEG", quality=80)
            messages.append((at, struct.pack("<BB6xd", 3, 0, at) + content.getvalue()))
    return sorted(messages)


def hold(address: str, messages: list[tuple[float, bytes]], rounds: int) -> dict[str, float]:
    """Hold a session; return medians and the most of its delay, and the share that was dropped."""
    lasts = messages[-1][0]
    delays, dropped = [], 0.0
    with connect(address.replace("http", "ws") + "/v1/live") as socket:
        socket.send(json.dumps({"type": "open", "audio_rate": _RATE, "camera": True}))

        def speak() -> None:
            begun = time.monotonic()
            for turn in range(rounds):
                for at, message in messages:
                    moment = at + turn * lasts
                    time.sleep(max(0.0, begun + moment - time.monotonic()))
                    stamped = struct.unpack_from("<d", message, 8)[0] + turn * lasts
                    socket.send(message[:8] + struct.pack("<d", stamped) + message[16:])
            socket.send(json.dumps({"type": "end"}))

        for message in map(json.loads, socket):
            if message["type"] == "ready":
                threading.Thread(target=speak).start()
            elif message["type"] == "status":
                delays.append(message["delay"])
                dropped = message["dropped"]
    return {
        "median delay, s": float(np.median(delays)),
        "most delay, s": max(delays),
        "pictures dropped": dropped,
    }


def annotate(client: httpx.Client, path: str) -> float:
    """Do a job; return its seconds."""
    begun = time.monotonic()
    with open(path, "rb") as file:  # noqa: PTH123 - the client wants an open file
        job = client.post("/v1/jobs", files={"media": ("clip.mp4", file)}).json()
    while client.get(f"/v1/jobs/{job['id']}").json()["state"] not in ("done", "failed"):
        time.sleep(0.1)
    return time.monotonic() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    messages = read(options.clip)
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "-m", "lddu_pipe.cli", "serve", "--offline", "--port", "0"]
        process = subprocess.Popen(
            [*command, "--data", f"{data}/data"], stderr=subprocess.PIPE, text=True
        )
        try:
            assert process.stderr is not None
            found = re.search(r"http://[\d.:]+", process.stderr.readline())
            assert found is not None
            address = found[0]
            with httpx.Client(base_url=address, timeout=60) as client:
                while client.get("/ready").status_code != 200:
                    time.sleep(0.5)
                annotate(client, options.clip)  # loads what is loaded once
                print("job alone, s", round(annotate(client, options.clip), 1))
                print("session alone", hold(address, messages, options.rounds))
                times: list[float] = []
                over = threading.Event()

                def work() -> None:
                    while not over.is_set():
                        times.append(annotate(client, options.clip))

                worker = threading.Thread(target=work)
                worker.start()
                print("session beside jobs", hold(address, messages, options.rounds))
                over.set()
                worker.join()
                print("jobs beside the session, s", [round(seconds, 1) for seconds in times])
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
