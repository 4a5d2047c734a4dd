"""The page on which files are sent and found again, in headless Chromium, on a real server."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
HOSTILE = "<img src=x onerror=hacked=1>\u202e4pm.mp4"
TOKEN = "a-token-of-the-tests"
SRT = b"1\n00:00:00,000 --> 00:00:02,000\nwords of the transcript\n"


def file(content: bytes = b"hello", name="talk.wav") -> dict:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


@pytest.fixture
def open_home(open_tab):
    """Open the page of a server; afterwards, check that it had nothing to complain about."""
    addresses, problems, requests, expected = [], [], [], set()

    def open_home(server, *, viewport=DESK, problem="", **options):
        page = open_tab(viewport, problems, requests, **options)
        # Interception that begins only while a page is open may miss what it sends right after.
        page.route("**/v1/queue?*", lambda route: route.continue_())
        addresses.append(server.address)
        page.set_default_timeout(20_000)
        if problem:
            expected.add(problem)
        page.goto(f"{server.address}/")
        return page

    yield open_home
    assert {text for text in problems if not any(known in text for known in expected)} == set()
    assert all(url.startswith((*addresses, "blob:")) for url in requests)


def send(page, *files: dict):
    page.set_input_files("#files-chosen", list(files))


def row(page, name: str):
    return page.locator("#table tbody tr").filter(has_text=name)


def upload(client, wait_for, *names: str):
    for name in names:
        client.post("/v1/jobs", files={"media": (name, name.encode())})
    wait_for(lambda: len(client.get("/v1/annotations").json()["items"]) == len(names), 30)


def judge_all(client):
    """Say of every utterance that the model is right."""
    for item in client.get("/v1/annotations").json()["items"]:
        verdict = {"utterance": "0000", "labels": ["happy"], "reviewer": "Ana"}
        made = client.post(f"/v1/annotations/{item['id']}/corrections", json=verdict)
        assert made.status_code == 201, made.text


def test_an_empty_page_says_what_to_do(host, open_home):
    page = open_home(host(), problem="404")
    expect(page.locator("#nothing")).to_contain_text("Send a file above")
    expect(page.locator("#reviewing")).to_contain_text("least sure of")
    expect(page.locator("#review-next")).to_be_disabled()
    page.locator("#export").click()
    expect(page.locator("#reviewing-said")).to_contain_text("no corrections to export")


def test_files_are_sent_and_stand_in_the_table(host, open_home):
    server = host()
    page = open_home(server)
    send(page, file(name="talk.wav"), file(SRT, "talk.srt"), file(b"second", "b.wav"))
    expect(page.locator("#sent li")).to_have_count(2)
    expect(row(page, "talk.wav")).to_contain_text("100 %")
    expect(row(page, "b.wav")).to_be_visible()
    expect(page.locator("#sent li")).to_have_count(0)
    expect(page.locator("#announcer")).to_have_text("b.wav is annotated")
    page.locator("#nothing").wait_for(state="hidden")
    with server.client() as client:
        jobs = {job["name"]: job for job in client.get("/v1/jobs").json()["jobs"]}
        assert jobs["talk.wav"]["transcript"] == "talk.srt"
        assert jobs["b.wav"]["transcript"] is None
    page.get_by_role("button", name="File", exact=True).click()
    assert page.locator(".own-name").all_text_contents() == ["b.wav", "talk.wav"]
    row(page, "talk.wav").get_by_role("link").click()
    page.wait_for_url(f"**/annotations/{jobs['talk.wav']['id']}")
    expect(page.locator("#utterances")).to_contain_text("words of the transcript")


def test_files_are_dropped_and_options_go_with_them(host, open_home):
    server = host()
    page = open_home(server)
    page.get_by_text("Options", exact=True).click()
    page.get_by_label("Faces are looked for, times a second").fill("4")
    page.get_by_label("Pool everything to one step a word").check()
    page.get_by_label("Transcript of the next file").set_input_files(file(SRT, "other.srt"))
    send(page, file(), file(name="b.wav"))
    expect(page.locator("#refused")).to_contain_text("other.srt can go with one file only")
    page.evaluate(
        """() => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File(["hello"], "dropped.wav"));
            const details = { dataTransfer, bubbles: true, cancelable: true };
            for (const name of ["dragover", "drop"]) {
                const event = new DragEvent(name, details);
                document.getElementById("drop").dispatchEvent(event);
            }
        }"""
    )
    expect(row(page, "dropped.wav")).to_be_visible()
    expect(page.locator("#refused")).to_be_hidden()
    with server.client() as client:
        (job,) = client.get("/v1/jobs").json()["jobs"]
    given = {name: value for name, value in job["options"].items() if value is not None}
    assert given == {"fps": 4.0, "aligned": True}
    assert job["transcript"] == "other.srt"


def test_what_fails_says_why_and_can_be_deleted(host, open_home):
    server = host(upload=1000)
    too_large = "413"
    page = open_home(server, problem=too_large)
    send(page, file(b"BAD", "bad.wav"), file(b"x" * 2000, "large.wav"))
    lines = page.locator("#sent li.is-refused")
    expect(lines).to_have_count(2)
    expect(lines.filter(has_text="large.wav")).to_contain_text("not sent: ")
    expect(lines.filter(has_text="bad.wav")).to_contain_text("failed: bad.wav is not a media file")
    page.get_by_role("button", name="Dismiss large.wav").click()
    expect(lines).to_have_count(1)
    expect(row(page, "bad.wav")).to_contain_text("not a media file that can be read")
    page.get_by_role("button", name="Delete bad.wav").click()
    expect(page.locator("#nothing")).to_be_visible()
    with server.client() as client:
        assert client.get("/v1/jobs").json()["jobs"] == []


def test_jobs_tell_their_place_and_can_be_cancelled(host, open_home):
    server = host()
    page = open_home(server)
    names = ("one.wav", "two.wav", "three.wav")
    send(page, *(file(b"WAIT", name) for name in names))
    lines = page.locator("#sent li")
    expect(lines.nth(0)).to_contain_text("look at faces: 50")
    expect(lines.nth(2)).to_contain_text("waits: 2 jobs before it")
    page.reload()  # what is on its way is taken up again
    expect(lines.nth(0)).to_contain_text("look at faces: 50")
    expect(lines.nth(1)).to_contain_text("waits: 1 job before it")
    page.get_by_role("button", name="Cancel one.wav").click()
    expect(lines).to_have_count(2)
    expect(lines.filter(has_text="two.wav")).to_contain_text("look at faces: 50")
    expect(lines.filter(has_text="three.wav")).to_contain_text("waits: 1 job before it")
    page.get_by_role("button", name="Cancel three.wav").click()
    page.get_by_role("button", name="Cancel two.wav").click()
    expect(lines).to_have_count(0)
    send(page, file(name="last.wav"))
    expect(row(page, "last.wav")).to_be_visible()


def test_a_file_that_arrives_while_the_last_one_ends_is_followed(host, open_home):
    page = open_home(host())
    send(page, file(b"WAIT", "one.wav"))
    lines = page.locator("#sent li")
    expect(lines).to_contain_text("look at faces: 50")
    held = []
    page.route("**/v1/jobs?state=running*", lambda route: held.append((route, route.fetch())))
    page.get_by_role("button", name="Cancel one.wav").click()
    expect(lines).to_have_count(0)
    for _ in range(400):
        if held:  # the answer that nothing is on its way
            break
        page.wait_for_timeout(50)
    page.unroute("**/v1/jobs?state=running*")
    send(page, file(name="last.wav"))
    expect(lines).to_contain_text("is next")
    ((route, answer),) = held
    route.fulfill(response=answer)
    expect(row(page, "last.wav")).to_be_visible()
    expect(lines).to_have_count(0)


def test_jobs_of_every_page_have_a_line(host, open_home):
    server = host()
    names = [f"{at}.wav" for at in range(5)]
    with server.client() as client:
        for name in names:
            client.post("/v1/jobs", files={"media": (name, b"WAIT")})
    page = open_home(server)
    asked = []

    def ask_for_two(route):
        asked.append(route.request.url)
        route.continue_(url=route.request.url.replace("limit=200", "limit=2"))

    page.route("**/v1/jobs?*", ask_for_two)
    page.reload()
    lines = page.locator("#sent li")
    expect(lines).to_have_count(5)
    assert lines.locator(".own-name").all_text_contents() == names
    assert any("before=" in url for url in asked)
    expect(lines.nth(0)).to_contain_text("look at faces: 50")


def test_what_ends_while_the_page_opens_is_not_missed(host, open_home):
    server = host()
    with server.client() as client:
        for name in ("a.wav", "b.wav"):
            client.post("/v1/jobs", files={"media": (name, b"hello")})
    page = open_home(server)
    expect(page.locator("#table tbody tr")).to_have_count(2)


def test_the_review_is_told_and_goes_on(host, open_home, wait_for):
    server = host()
    with server.client() as client:
        upload(client, wait_for, "a.wav", "b.wav", "c.wav", "d.wav")
        page = open_home(server)
        review = page.locator("#reviewing")
        expect(review).to_contain_text("0 of 4 utterances reviewed")
        judge_all(client)
    page.reload()
    expect(review).to_contain_text("4 of 4 utterances reviewed")
    expect(review).to_contain_text("Estimated from 1 utterance drawn at random")
    expect(review).to_contain_text("95 % interval")
    expect(review).to_contain_text("the model expects 80 %")
    expect(row(page, "a.wav").locator("[data-name=Reviewed]")).to_have_text("1")
    page.get_by_text("By emotion").click()
    expect(review.get_by_role("rowheader", name="happy")).to_be_visible()
    with page.expect_download() as download:
        page.locator("#export").click()
    assert download.value.suggested_filename == "corrections.zip"
    content = Path(download.value.path()).read_bytes()
    assert "corrections.jsonl" in zipfile.ZipFile(io.BytesIO(content)).namelist()
    page.locator("#review-next").click()
    expect(page.locator("#reviewing-said")).to_have_text("Every utterance has been reviewed.")
    page.get_by_role("button", name="Delete a.wav").click()
    expect(page.locator("#sure")).to_contain_text("what was said of 1 utterance")
    page.keyboard.press("Escape")
    expect(row(page, "a.wav")).to_be_visible()
    page.get_by_role("button", name="Delete a.wav").click()
    page.locator("#sure-yes").click()
    expect(row(page, "a.wav")).to_have_count(0)


def test_corrections_of_no_utterance_are_exported(host, open_home, wait_for):
    server = host()
    with server.client() as client:
        upload(client, wait_for, "a.wav")
        judge_all(client)
        (item,) = client.get("/v1/annotations").json()["items"]
    result = server.data / "jobs" / item["id"] / "result.json"
    anew = json.loads(result.read_text())
    anew["utterances"] = []
    result.write_text(json.dumps(anew))
    page = open_home(server)
    expect(page.locator("#reviewing")).to_contain_text("Once something is annotated")
    with page.expect_download() as download:
        page.locator("#export").click()
    content = Path(download.value.path()).read_bytes()
    assert zipfile.ZipFile(io.BytesIO(content)).read("corrections.jsonl")


def test_a_button_is_off_while_it_works(host, open_home, wait_for):
    server = host()
    with server.client() as client:
        upload(client, wait_for, "a.wav")
        page = open_home(server, problem="404")
        expect(page.locator("#review-next")).to_be_enabled()
        held = []

        def hold(route):
            held.append(route)

        page.route("**/v1/queue?*", hold)
        page.locator("#review-next").click()
        expect(page.locator("#review-next")).to_be_disabled()
        with page.expect_response("**/v1/agreement"):
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(page.locator("#export")).to_be_enabled()
        expect(page.locator("#review-next")).to_be_disabled()
        (item,) = client.get("/v1/annotations").json()["items"]
        client.delete(f"/v1/jobs/{item['id']}")
    with page.expect_response("**/v1/agreement"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#reviewing")).to_contain_text("Once something is annotated")
    held[0].fulfill(json={"next": []})
    expect(page.locator("#reviewing-said")).to_have_text("Every utterance has been reviewed.")
    expect(page.locator("#review-next")).to_be_disabled()


def test_the_next_to_review_opens(host, open_home):
    server = host()
    with server.client() as client:
        job = client.post("/v1/jobs", files={"media": ("a.wav", b"hello")}).json()["id"]
        page = open_home(server)
        expect(row(page, "a.wav")).to_be_visible()
    page.locator("#review-next").click()
    page.wait_for_url(re.compile(f"/annotations/{job}#utterance=0000&why=random$"))


def test_a_text_is_read_at_once(host, open_home):
    page = open_home(host())
    page.locator("#text").fill("What <b>wonderful</b> news!")
    page.locator("#text").press("Control+Enter")
    expect(page.locator("#readings li")).to_contain_text("What <b>wonderful</b> news!")
    expect(page.locator("#readings .chip")).to_have_text("happy 81 %")


def test_a_token_is_asked_for_and_sent_with_everything(host, open_home):
    server = host(TOKEN)
    page = open_home(server, problem="401")
    page.locator("#door-token").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="not the right one")).to_be_visible()
    page.locator("#door-token").fill(TOKEN)
    page.keyboard.press("Enter")
    send(page, file(name="mine.wav"))
    expect(row(page, "mine.wav")).to_be_visible()
    page.reload()
    expect(row(page, "mine.wav")).to_be_visible()


def test_what_has_no_date_is_listed(host, open_home, wait_for):
    server = host()
    with server.client() as client:
        upload(client, wait_for, "a.wav", "b.wav", "c.wav")
    page = open_home(server)

    def spoil(route):
        answer = route.fetch().json()
        for item in answer["items"]:
            if item["name"] != "b.wav":
                item["created"] = "" if item["name"] == "a.wav" else "soon"
        route.fulfill(json=answer)

    page.route("**/v1/annotations", spoil)
    page.reload()
    expect(page.locator("#table tbody tr")).to_have_count(3)
    expect(row(page, "a.wav").locator("[data-name=When]")).to_have_text("–")
    expect(row(page, "c.wav").locator("[data-name=When]")).to_have_text("–")
    assert page.locator(".own-name").all_text_contents() == ["b.wav", "a.wav", "c.wav"]


def test_where_the_browser_keeps_nothing_the_page_works(host, open_home):
    page = open_home(host(TOKEN), problem="401")
    page.add_init_script(
        """for (const name of ["sessionStorage", "localStorage"]) {
            const get = () => { throw new DOMException("denied", "SecurityError"); };
            Object.defineProperty(window, name, { get });
        }"""
    )
    page.reload()
    page.locator("#door-token").fill(TOKEN)
    page.keyboard.press("Enter")
    send(page, file(name="mine.wav"))
    expect(row(page, "mine.wav")).to_be_visible()
    page.locator("#theme").click()
    expect(page.locator("#theme")).to_have_attribute("aria-pressed", "true")


def test_hostile_names_run_nothing(host, open_home):
    page = open_home(host())
    send(page, file(name=HOSTILE), file(b"BAD", f"b{HOSTILE}"))
    expect(page.locator("#table tbody tr")).to_have_count(2)
    expect(page.locator("#sent li.is-refused")).to_have_count(1)
    assert page.evaluate("window.hacked === undefined")
    assert page.locator("body img").count() == 0
    assert "\u202e" not in page.locator("#table").text_content()
    page.get_by_role("button", name=re.compile("Delete <img")).click()
    expect(page.locator("#sure-question")).to_contain_text("<img src=x onerror=hacked=1>")


@pytest.mark.parametrize(
    ("viewport", "scheme"), [(DESK, "light"), (PHONE, "dark")], ids=["desk", "phone"]
)
def test_nothing_is_wider_than_the_screen(host, open_home, wait_for, viewport, scheme):
    server = host()
    with server.client() as client:
        upload(client, wait_for, "a.wav", "b.wav", "c.wav", "d.wav")
        judge_all(client)
    page = open_home(server, viewport=viewport, color_scheme=scheme)
    page.get_by_text("Options", exact=True).click()
    page.get_by_text("By emotion").click()
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    page.get_by_role("button", name="Delete a.wav").click()
    expect(page.locator("#sure")).to_be_visible()
    page.keyboard.press("Escape")
    dark = "getComputedStyle(document.body).backgroundColor === 'rgb(13, 16, 19)'"
    assert page.evaluate(dark) == (scheme == "dark")
    page.locator("#theme").click()
    assert page.evaluate(dark) == (scheme == "light")
    page.locator("#review-next").wait_for()
    page.reload()
    expect(page.locator("#theme")).to_have_attribute(
        "aria-pressed", str(scheme == "light").lower()
    )
    assert page.evaluate(dark) == (scheme == "light")
