"""From a file to labelled rows, in a browser, with the real model: what a reviewer does."""

from __future__ import annotations

import re
import sqlite3
import zipfile
from contextlib import contextmanager

import pytest
from click.testing import CliRunner
from playwright.sync_api import expect

from lddu_pipe.cli import main
from lddu_pipe.datasets.manifest import read_manifest
from lddu_pipe.datasets.store import open_store

WRITE_DOWN_PROGRESS = """() => {
    window.shown = [];
    const sent = document.getElementById("sent");
    const write = () => window.shown.push(sent.textContent.trim());
    const wanted = { childList: true, subtree: true, characterData: true };
    new MutationObserver(write).observe(sent, wanted);
}"""
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def open_page(browser):
    """Open a page with nothing to complain about.

    It is to close before its server ends: until then it may ask for what it has not read yet, the
    rest of a video or whether jobs are on their way, and complain of a server that is gone.
    """

    @contextmanager
    def open_page():
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        problems = []
        try:
            page = context.new_page()
            page.set_default_timeout(60_000)
            page.on("console", lambda message: problems.append(message.text))
            page.on("pageerror", lambda error: problems.append(str(error)))
            yield page
        finally:
            context.close()
        assert problems == []

    return open_page


def lddu_pipe(*arguments):
    result = CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def toggle(page, label):
    return page.locator("#review-labels").get_by_role("checkbox", name=label)


def introduce(page, name):
    page.locator("#who-name").fill(name)
    page.locator("#who-name").press("Enter")


def test_upload_watch_open_correct_undo_export(real_server, open_page, sample_video, tmp_path):
    with real_server(tmp_path / "data") as (address, _), open_page() as page:
        page.goto(address)
        page.evaluate(WRITE_DOWN_PROGRESS)
        page.set_input_files("#files-chosen", sample_video)
        link = page.locator("#table").get_by_role("link", name="sample.mp4")
        expect(link).to_be_visible()
        shown = " ".join(page.evaluate("window.shown"))
        assert re.search("look at faces|transcribe", shown), shown
        link.click()

        expect(page.locator("#now-text")).to_have_text("I am so happy to be here today.")
        expect(page.locator("#stage video")).to_have_js_property("videoWidth", 640)
        expect(toggle(page, "happy")).to_be_checked()
        toggle(page, "surprise").check()
        page.locator("#review-comment").fill("eyebrows go up")
        page.locator("#review-save").click()
        introduce(page, "Ana")
        expect(page.locator("#progress")).to_contain_text("1 of 3 reviewed")

        page.keyboard.press("z")
        expect(page.locator("#progress")).to_contain_text("0 of 3 reviewed")
        page.goto(f"{page.url.partition('#')[0]}#utterance=0000")
        expect(page.locator("#now-text")).to_have_text("I am so happy to be here today.")
        expect(toggle(page, "surprise")).not_to_be_checked()
        page.keyboard.press("1")  # happy
        page.keyboard.press("4")  # surprise
        page.keyboard.press("Enter")
        expect(page.locator("#progress")).to_contain_text("1 of 3 reviewed")

        page.get_by_role("link", name="All annotations").click()
        expect(page.locator("#reviewing")).to_contain_text("1 of 3")
        with page.expect_download() as download:
            page.locator("#export").click()
        download.value.save_as(tmp_path / "corrections.zip")

    with zipfile.ZipFile(tmp_path / "corrections.zip") as archive:
        archive.extractall(tmp_path / "export")
    manifest = tmp_path / "export" / "corrections.jsonl"
    (row,) = read_manifest(manifest)
    assert row.text == "I am so happy to be here today."
    assert row.labels == {"surprise": 1.0}
    assert row.video is not None
    assert row.video.read_bytes() == sample_video.read_bytes()
    lddu_pipe("extract", "--manifest", manifest, "-o", tmp_path / "store")
    store = open_store(tmp_path / "store")
    assert [len(store.split(name)) for name in store.splits] == [1]


def test_a_batch_is_reviewed_and_its_corrections_are_rows(
    real_server, open_page, sample_video, tmp_path
):
    folder = tmp_path / "out"
    lddu_pipe("batch", sample_video, "-o", folder)
    with real_server(tmp_path / "data", "--review", folder) as (address, _), open_page() as page:
        page.goto(address)
        page.locator("#review-next").click()
        page.wait_for_url("**/annotations/*#utterance=*")
        expect(page.locator("#review-why")).to_contain_text("at random")
        expect(toggle(page, "happy")).to_be_checked()
        page.keyboard.press("2")  # sad
        page.keyboard.press("Enter")
        introduce(page, "Ana")
        expect(page.locator("#progress")).to_contain_text("1 of 3 reviewed")

    with sqlite3.connect(folder / "corrections.sqlite") as database:
        assert database.execute("SELECT reviewer FROM corrections").fetchall() == [("Ana",)]
    manifest = tmp_path / "corrected.jsonl"
    lddu_pipe("dataset", "corrections", folder, "-o", manifest)
    (row,) = read_manifest(manifest)
    assert row.video is not None
    assert row.video.resolve() == sample_video
    assert row.labels == {"happy": 1.0, "sad": 1.0}
