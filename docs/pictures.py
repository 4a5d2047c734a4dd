"""Draw the pictures of these pages: the program itself, on the sample that ships.

Needs the extra `test` and Chromium: ``python docs/pictures.py``.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parent
SAMPLE = FOLDER.parent / "examples" / "sample.mp4"
PROGRAM = (sys.executable, "-m", "lddu_pipe.cli")
SIZE = {"width": 1200, "height": 840}


@contextmanager
def review(annotations: Path, data: Path) -> Iterator[str]:
    """Serve the output of a batch; gives the address."""
    command = [*PROGRAM, "serve", "--port", "0", "--data", str(data), "--review", str(annotations)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        found = re.search(r"http://[\d.:]+", process.stderr.readline() if process.stderr else "")
        if found is None:
            raise RuntimeError("the server does not start")
        yield found[0]
        process.terminate()


def draw(address: str, path: Path) -> None:
    """Take a picture of an utterance under review; 256 colours are enough for it."""
    with urllib.request.urlopen(f"{address}/v1/annotations") as answer:
        (item,) = json.load(answer)["items"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport=SIZE)
        page.goto(f"{address}/annotations/{item['id']}#utterance=0001")
        page.get_by_text("0 of 3 reviewed").wait_for()
        page.wait_for_timeout(2000)  # the frame of the video
        picture = Image.open(io.BytesIO(page.screenshot()))
        browser.close()
    picture.convert("RGB").quantize(256).save(path, optimize=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "annotations"
        subprocess.run([*PROGRAM, "batch", str(SAMPLE), "-o", str(output), "-q"], check=True)
        with review(output, Path(scratch) / "data") as address:
            draw(address, FOLDER / "review.png")
