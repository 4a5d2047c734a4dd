"""The page of a live session, in Chromium with a camera and a microphone that are files."""

from __future__ import annotations

import re
import shutil

import pytest
from playwright.sync_api import expect

from tests.conftest import BROWSER_FLAGS, BROWSERS

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TOKEN = "a-token-of-the-tests"


@pytest.fixture
def open_live(browser, tmp_path, sample_video, run_ffmpeg):
    """Open the page in a browser of its own, whose devices show the sample."""
    program = next(filter(None, map(shutil.which, BROWSERS)))
    pictures, sound = tmp_path / "camera.mjpeg", tmp_path / "microphone.wav"
    run_ffmpeg("-t", "1", "-i", sample_video, "-an", "-r", "10", "-pix_fmt", "yuvj420p", pictures)
    run_ffmpeg("-t", "2", "-i", sample_video, "-vn", "-ac", "1", sound)
    devices = (
        *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
        f"--use-file-for-fake-video-capture={pictures}",
        f"--use-file-for-fake-audio-capture={sound}",
    )
    problems = []
    # Another, of the same Playwright: there is one in a process.
    own = browser.browser_type.launch(executable_path=program, args=[*BROWSER_FLAGS, *devices])

    def open_live(address):
        page = own.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{address}/live")
        return page

    yield open_live
    own.close()
    assert problems == []


def test_a_session_from_start_to_review(host, open_live):
    server = host(TOKEN)
    page = open_live(server.address)
    expect(page.locator("#sign")).to_have_text("off")
    expect(page.locator("#before")).to_contain_text("No sound and no picture is kept.")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("textbox", name="Token").fill(TOKEN)
    page.get_by_role("button", name="Enter").click()
    expect(page.locator("#sign")).to_have_text("live: microphone and camera on")
    expect(page.locator(".face .name")).to_contain_text("Person 1")
    expect(page.locator("#words li").first).to_contain_text("word 0")
    expect(page.locator(".strip .block").first).to_contain_text("happy 81")
    expect(page.locator("#pace")).to_contain_text("0.4 s behind")
    page.get_by_role("button", name="Mute").click()
    page.get_by_role("button", name="Camera off").click()
    expect(page.locator("#sign")).to_have_text("live: all is muted")
    page.get_by_role("button", name="End").click()
    expect(page.locator("#after")).to_contain_text("1 person")
    expect(page.locator("#sign")).to_have_text("off")
    live = server.annotator.lives.last
    at, samples = live.heard[0]
    assert (samples.dtype, samples.shape[1]) == ("int16", 1)
    assert len(samples) == live.opening.audio_rate // 10
    assert abs(live.seen[0][0] - at) < 5  # one clock
    assert live.seen[0][1].shape == (480, 640, 3)
    assert any(samples.any() for _, samples in live.heard)
    page.get_by_label("Name").fill("<b>Ana</b>")
    page.get_by_role("button", name="Save as annotation").click()
    page.get_by_role("link", name="See and correct it").click()
    page.wait_for_url(re.compile("/annotations/"))
    expect(page.locator("#utterances")).to_contain_text("word 0")
    expect(page.locator("body")).to_contain_text("no sound and no picture is kept")
