"""The page at work, in headless Chromium, from a file and without a network."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lddu_pipe.annotation import Annotation, Face, Person
from lddu_pipe.types import TimeSpan, Utterance
from lddu_pipe.writers.formats import FORMATS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, run_ffmpeg):
    """Holds media of 12.5 s under the name that annotations give it."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "clips").mkdir()
    run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc=s=64x48:d=12.5:r=10", "-f", "lavfi"),
        *("-i", "sine=d=12.5", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"),
        folder / "clips" / "a talk.mp4",
    )
    return folder


@pytest.fixture
def open_page(open_tab, folder, make_annotation, monkeypatch):
    """Open the page of an annotation; afterwards, check that it asked for no other file."""
    monkeypatch.chdir(folder)
    problems, requests, allowed, expected = [], [], set(), set()

    def open_page(annotation=None, *, viewport=DESK, gone=None, **options):
        path = FORMATS["html"].save(annotation or make_annotation(), folder / "page.html")
        page = open_tab(viewport, problems, requests, offline=True, **options)
        page.set_default_timeout(15_000)
        allowed.update((path.as_uri(), (folder / (gone or "clips/a talk.mp4")).as_uri()))
        if gone:
            expected.add("Failed to load resource: net::ERR_FILE_NOT_FOUND")
        page.goto(path.as_uri())
        until(page, "document.querySelector('.emotion .value').textContent !== ''")
        return page

    yield open_page
    assert set(problems) <= expected
    assert {url for url in requests if not url.startswith("blob:")} <= allowed


def shown(page):
    """Wait until what has changed is drawn."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def until(page, condition: str, seconds=15.0):
    """Wait for a condition; Playwright's own way needs what the policy of the page forbids."""
    for _ in range(int(seconds * 20)):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never true: {condition}")


def moment(page) -> float:
    return page.evaluate("document.querySelector('video, audio').currentTime")


def is_loaded(page):
    until(page, "document.querySelector('video, audio').readyState >= 2")


def words_of(locator) -> str:
    shown(locator.page)  # what has just come into the list has no inner text before it is drawn
    return " ".join(locator.inner_text().split())  # the spaces before signs do not break


def current(page) -> str:
    return words_of(page.locator("#utterances [aria-current]"))


def chips(page, utterance: int) -> str:
    return words_of(page.locator("#utterances .chips").nth(utterance))


def set_threshold(page, label: str, per_cent: int):
    page.get_by_label(f"Threshold of {label}, per cent").fill(str(per_cent))
    shown(page)


def test_space_plays_and_the_page_follows(open_page):
    page = open_page()
    is_loaded(page)
    page.keyboard.press("Space")
    until(page, "document.querySelector('video').currentTime > 0.4")
    assert page.locator("#play").inner_text() == "Pause"
    page.keyboard.press("Space")
    assert page.evaluate("document.querySelector('video').paused")
    until(page, "!document.getElementById('clock').textContent.startsWith('0:00.0')")


def test_arrows_move_through_utterances(open_page):
    page = open_page()
    is_loaded(page)
    for text, start in (("わかりました", 2.5), ("nobody speaks", 5.0), ("Well…", 10.001)):
        page.keyboard.press("ArrowRight")
        assert text in current(page)
        assert moment(page) == pytest.approx(start, abs=0.05)
    page.keyboard.press("ArrowRight")
    assert "Well…" in current(page)
    page.keyboard.press("ArrowLeft")
    assert "nobody speaks" in current(page)
    page.locator("#timeline").focus()
    page.keyboard.press("ArrowUp")  # past the one without an emotion to the one that has some
    assert "わかりました" in current(page)
    assert "わかりました" in page.locator("#timeline").get_attribute("aria-valuetext")
    assert "わかりました" in page.locator("#announcer").text_content()


def test_of_two_who_speak_at_once_either_can_be_chosen(open_page):
    page = open_page()
    is_loaded(page)
    page.locator("#utterances button").nth(0).click()
    page.keyboard.press("l")  # 5 s on
    page.keyboard.press("j")
    words = page.locator(".word-block")
    first, second = (words.nth(at).bounding_box() for at in range(2))
    assert first["y"] != second["y"]
    in_both = (second["x"] + min(first["x"] + first["width"], second["x"] + second["width"])) / 2
    for box, text in ((first, "Größe"), (second, "わかりました")):
        page.mouse.click(in_both, box["y"] + box["height"] / 2)
        assert text in current(page)
        assert 2.5 <= moment(page) <= 3.104
    assert page.locator(".is-speaking").count() == 2


def test_a_click_on_the_timeline_or_the_list_seeks(open_page):
    page = open_page()
    is_loaded(page)
    box = page.locator("#timeline").bounding_box()
    page.mouse.click(box["x"] + 92 + (box["width"] - 92 - 44) * 7 / 12.5, box["y"] + 150)
    until(page, "Math.abs(document.querySelector('video').currentTime - 7) < 0.1")
    assert "nobody speaks" in current(page)
    page.locator("#utterances button").nth(3).click()
    assert moment(page) == pytest.approx(10.001, abs=0.05)


def test_zoom_and_back(open_page):
    page = open_page()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("+")
    page.keyboard.press("+")
    until(page, "!document.getElementById('zoom-all').disabled")
    wide = page.locator(".word-block", has_text="わかりました").bounding_box()["width"]
    strip = page.locator("#overview")
    box = strip.bounding_box()
    window = page.locator("#overview .window").bounding_box()
    assert window["x"] - box["x"] < box["width"] / 2
    assert window["width"] < box["width"] / 3
    middle = box["y"] + box["height"] / 2
    page.mouse.move(window["x"] + window["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"], middle, steps=3)
    page.mouse.up()
    words = page.locator(".word-block", has_text="Well…")
    words.wait_for(state="attached")
    assert "わかりました" in current(page)  # only the view has moved
    page.keyboard.press("0")
    until(page, "document.getElementById('zoom-all').disabled")
    assert strip.is_hidden()
    assert page.locator(".word-block", has_text="わか").bounding_box()["width"] < wide / 3


def test_a_threshold_decides_anew_and_says_whose_it_is(open_page):
    page = open_page()
    assert page.locator(".threshold").count() == 0
    assert "anger" not in chips(page, 0)
    set_threshold(page, "anger", 8)
    assert "anger 10 % yours" in chips(page, 0)
    assert "abstained" in chips(page, 3)
    assert page.locator(".threshold").count() == 1
    assert "anger 8 %" in words_of(page.locator("#yours"))
    set_threshold(page, "happy", 90)
    assert "not happy yours" in chips(page, 0)
    page.locator("#table summary").click()
    assert "absent by your threshold (model: present)" in words_of(
        page.locator("#table tbody tr").first
    )
    page.locator("#reset").click()
    until(page, "document.getElementById('yours').hidden")
    assert "happy 81 %" in chips(page, 0)
    assert "yours" not in chips(page, 0)


def test_a_lane_hides_and_comes_back(open_page):
    page = open_page()
    lanes = page.locator("#timeline .of-label")
    assert lanes.all_inner_texts() == ["happy", "sad", "anger", "surprise", "disgust", "fear"]
    page.get_by_label("Show the lane of sad").uncheck()
    assert "sad" not in lanes.all_inner_texts()
    page.get_by_label("Show the lane of sad").check()
    assert lanes.count() == 6


def test_the_table_holds_every_value(open_page, make_annotation):
    page = open_page()
    page.locator("#table summary").click()
    rows = page.locator("#table tbody tr")
    rows.first.wait_for()
    assert rows.count() == 4
    assert "81 % ± 3 %, present, ambiguity 61 %" in words_of(rows.nth(0))
    assert "no vision: no face found" in words_of(rows.nth(0))
    assert "abstained: too unsure to decide" in words_of(rows.nth(3))


def test_keys_can_be_read_about_and_switched_off(open_page):
    page = open_page()
    page.keyboard.press("?")
    assert page.locator("dialog").is_visible()
    page.locator("#keys-on").uncheck()
    page.keyboard.press("Escape")
    before = current(page)
    page.keyboard.press("ArrowRight")
    assert current(page) == before


def test_missing_media_is_told_and_can_be_chosen(open_page, make_annotation, folder):
    page = open_page(make_annotation(path="gone/b.mp4"), gone="gone/b.mp4")
    page.wait_for_selector(".absent")
    assert "gone/b.mp4" in page.locator("#stage").inner_text()
    assert page.locator("#play").is_disabled()
    page.keyboard.press("ArrowRight")
    assert "わかりました" in current(page)
    page.locator("#chooser").set_input_files(folder / "clips" / "a talk.mp4")
    is_loaded(page)
    assert moment(page) == pytest.approx(2.5, abs=0.05)
    assert page.locator("#play").is_enabled()


def test_text_is_read_in_order_without_a_timeline(open_page, make_annotation):
    values = json.loads(make_annotation().to_json())
    values["media"] |= {"duration": 0.0, "has_audio": False, "has_video": False}
    page = open_page(Annotation.from_dict(values))
    assert page.locator("#timeline").is_hidden()
    assert page.locator("#stage").is_hidden()
    page.keyboard.press("ArrowRight")
    assert "わかりました" in current(page)
    assert page.locator("#now-time").inner_text() == "2 of 4 · Bo"


def test_sound_gets_a_player_and_no_utterance_is_no_error(open_page, make_annotation):
    values = json.loads(make_annotation().to_json())
    values["media"]["has_video"] = False
    page = open_page(Annotation.from_dict(values))
    is_loaded(page)
    assert page.locator("audio").count() == 1
    values["utterances"] = []
    values["model"]["labels"] = ["happy"]
    path = FORMATS["html"].save(Annotation.from_dict(values), Path("page.html"))
    page.goto(path.resolve().as_uri())
    page.wait_for_selector(".none")
    page.keyboard.press("ArrowRight")
    assert page.locator("#now-time").inner_text() == "no utterances"


def test_hostile_texts_run_nothing(open_page, make_annotation):
    hostile = "<img src=x onerror=hacked=1></script><script>hacked=1</script><b>\u2028"
    values = json.loads(make_annotation().to_json())
    values["model"]["name"] = values["model"]["version"] = hostile
    values["provenance"]["versions"] = {hostile: hostile}
    values["model"]["labels"][0] = hostile
    for utterance in values["utterances"]:
        utterance["text"] = hostile
        utterance["speaker"] = hostile + utterance["id"]
        utterance["emotions"][0]["label"] = hostile
        utterance["modalities"]["vision"] = {"present": False, "reason": hostile}
    page = open_page(Annotation.from_dict(values))
    page.locator("#table summary").click()
    page.mouse.move(500, 300)
    page.keyboard.press("ArrowRight")
    assert page.evaluate("window.hacked === undefined")
    assert page.locator("body img, body b b").count() == 0
    assert hostile.rstrip("\u2028") in page.locator("#now-text").text_content()


@pytest.mark.parametrize(
    ("viewport", "scheme"), [(DESK, "light"), (PHONE, "dark")], ids=["desk", "phone"]
)
def test_nothing_is_wider_than_the_screen(open_page, viewport, scheme):
    page = open_page(viewport=viewport, color_scheme=scheme, has_touch=viewport is PHONE)
    page.locator("#table summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    dark = "getComputedStyle(document.body).backgroundColor === 'rgb(13, 16, 19)'"
    assert page.evaluate(dark) == (scheme == "dark")
    page.locator("#theme").click()
    assert page.evaluate(dark) == (scheme == "light")


def test_a_thousand_utterances_are_a_few_shapes(open_page, make_annotation):
    pattern = make_annotation().utterances
    many = [
        type(pattern[at % 4])(
            Utterance(f"{at:04}", TimeSpan(at * 3.0, at * 3.0 + 2.5), "Hello", (), "Ana"),
            pattern[at % 4].emotions,
            pattern[at % 4].missing,
            pattern[at % 4].abstained,
        )
        for at in range(1000)
    ]
    page = open_page(make_annotation(many, path="b.mp4", duration=3000.0), gone="b.mp4")
    assert page.locator("#utterances li").count() == 1000
    assert page.locator("#timeline *").count() < 1000
    page.locator("#timeline").focus()
    page.keyboard.press("End")
    until(page, "document.querySelector('[aria-current]').innerText.startsWith('49:57.0')")
    until(
        page,
        """(() => {
            const list = document.querySelector('#utterances').getBoundingClientRect();
            const current = document.querySelector("#utterances [aria-current]");
            const row = current.getBoundingClientRect();
            return list.top <= row.top && row.bottom <= list.bottom;
        })()""",
    )


def test_a_threshold_paints_the_lanes_anew(open_page):
    page = open_page()
    shown(page)
    lanes = "document.querySelector('#timeline canvas').toDataURL()"
    before = page.evaluate(lanes)
    set_threshold(page, "happy", 95)
    assert page.evaluate(lanes) != before
    page.locator("#reset").click()
    shown(page)
    assert page.evaluate(lanes) == before


@pytest.fixture
def meeting(make_annotation):
    """Ana, who moves to the right, and somebody who is seen while she speaks."""
    talk = make_annotation().utterances
    persons = ("p1", "p2", "p2", "p1")
    utterances = [
        replace(one, utterance=replace(one.utterance, person=person, speaker=None))
        for one, person in zip(talk, persons, strict=True)
    ]
    moving = tuple((0.1 + 0.02 * at, 0.2, 0.3 + 0.02 * at, 0.6) for at in range(10))
    return replace(
        make_annotation(utterances),
        people=[Person("p1", "Ana", 10.0, 5.4), Person("p2", None, 4.0, 2.2)],
        faces=[
            Face("f1", "p1", 0.0, 1.0, moving),
            Face("f2", "p2", 2.0, 1.0, ((0.6, 0.2, 0.8, 0.6), None, (0.6, 0.2, 0.8, 0.6))),
        ],
    )


def test_each_person_has_lanes_and_one_can_be_chosen(open_page, meeting):
    page = open_page(meeting)
    heads = page.locator("#people li")
    assert [words_of(head) for head in heads.all()] == [
        "▾ Ana seen 0:10 · speaks 0:05",
        "▾ p2 seen 0:04 · speaks 0:02",
    ]
    assert page.locator("#timeline .of-label").count() == 12
    page.get_by_label("Lanes of Ana").click()
    assert page.locator("#timeline .of-label").count() == 6
    page.get_by_role("button", name="p2", exact=True).click()
    listed = page.locator("#utterances li:visible")
    assert [words_of(row.locator(".said")) for row in listed.all()] == [
        "p2: わかりました",
        "p2: only seen",
    ]
    assert page.locator("#announcer").text_content() == "only p2"
    page.keyboard.press("ArrowRight")
    assert "only seen" in current(page)
    page.keyboard.press("ArrowRight")
    assert "only seen" in current(page)
    page.locator("#everybody").click()
    assert listed.count() == 4


def test_boxes_follow_faces_and_lead_to_people(open_page, meeting):
    page = open_page(meeting)
    is_loaded(page)
    video = page.locator("video").bounding_box()

    def left_at(moment):
        page.evaluate("moment => document.querySelector('video').currentTime = moment", moment)
        until(page, f"document.querySelector('#clock').textContent.startsWith('0:0{moment:.1f}')")
        shown(page)
        return (ana.bounding_box()["x"] - video["x"]) / video["width"]

    ana, other = page.locator(".box").all()
    assert left_at(1.0) == pytest.approx(0.12, abs=0.01)
    assert left_at(2.5) == pytest.approx(0.15, abs=0.01)
    assert words_of(ana) == "Ana happy"
    assert other.is_hidden()
    left_at(4.0)
    assert words_of(other) == "p2 sad"
    other.click(position={"x": 10, "y": 20})
    assert page.locator("#now-text").inner_text() == "わかりました"
    assert page.locator("#people [aria-pressed=true]").inner_text() == "p2"
    page.keyboard.press("b")
    assert ana.is_hidden()
