"""The page on which annotations are reviewed: Chromium, the real server, a model of the tests."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field

import pytest

from lddu_pipe.annotation import Annotation, ModelInfo, Person, Provenance, SourceInfo
from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.predictions import EmotionScore, Prediction, Uncertainty
from lddu_pipe.server.folders import DataFolder
from lddu_pipe.types import TimeSpan, Utterance

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
LABELS = ("happy", "sad", "anger")
HOSTILE = "<img src=x onerror=hacked=1><b>bold</b>"
TOKEN = "a-token-of-the-tests"


def utterance(name, start, end, text, probabilities, decisions, person=None):
    scores = tuple(
        EmotionScore(label, share, decision, max(share, 1 - share), Uncertainty(0.1, 0.03))
        for label, share, decision in zip(LABELS, probabilities, decisions, strict=True)
    )
    missing = {"vision": Absent(Reason.NO_FACE)}
    given = Utterance(name, TimeSpan(start, end), text, (), "Ana", person=person)
    abstained = all(decision == "abstain" for decision in decisions)
    return Prediction(given, scores, missing, abstained=abstained)


TALK = (
    utterance("0000", 0.0, 2.5, "Good news", (0.9, 0.1, 0.1), ("present", "absent", "absent")),
    utterance("0001", 2.5, 4.75, "Oh no", (0.1, 0.7, 0.5), ("absent", "present", "abstain")),
    utterance("0002", 5.0, 9.5, "Well", (0.5, 0.5, 0.5), ("abstain",) * 3),
    utterance("0003", 10.0, 12.0, "I see", (0.1, 0.2, 0.1), ("absent",) * 3),
)
SHORT = (utterance("0000", 0.0, 1.9, HOSTILE, (0.6, 0.5, 0.4), ("present", "absent", "absent")),)


ABSENT = ((0.1, 0.2, 0.1), ("absent",) * 3)
DINNER = (
    utterance("0000", 0.0, 2.5, "Good news", *ABSENT, person="p1"),
    utterance("0001", 2.5, 4.75, "Oh no", *ABSENT, person="p2"),
    utterance("0002", 5.0, 9.5, "Well", *ABSENT, person="p3"),
)
"""Of three people, of whom the last is only heard."""


def annotate(talk, duration=12.5, path="a talk.mp4", sha256="", has_video=True):
    return Annotation(
        SourceInfo(path, sha256, duration, has_audio=duration > 0, has_video=has_video),
        ModelInfo("lddu-base-en", "0.2.0", LABELS, aligned=False),
        talk,
        Provenance("2026-01-01T00:00:00+00:00", {}, {}, {"fps": 10.0, "transcript": None}),
        [
            Person(person, None, 0.0 if person == "p3" else 9.0, 2.0)
            for person in sorted({item.person for item in talk} - {None})
        ],
    )


@dataclass
class Model:
    """Says of each file what it was told to."""

    known: dict[str, tuple] = field(default_factory=dict)

    def load(self):
        pass

    def annotate(self, media, transcript, options, hook):
        sha256 = hashlib.sha256(media.read_bytes()).hexdigest()
        talk, duration = self.known[sha256]
        has_video = duration > 5
        return annotate(talk, duration, str(media), sha256, has_video)

    def live(self, opening):
        raise NotImplementedError

    def read(self, texts):
        raise NotImplementedError


class Desk:
    """A server, and what was uploaded to it."""

    def __init__(self, host, folder, token):
        self.model, self.folder = Model(), folder
        server = host(token, annotator=self.model)
        self.address, self.client = server.address, server.client()

    def add(self, path, talk, duration=12.5):
        """Upload a file; returns the id of its annotation."""
        content = path.read_bytes()
        self.model.known[hashlib.sha256(content).hexdigest()] = (talk, duration)
        job = self.client.post("/v1/jobs", files={"media": (path.name, content)}).json()["id"]
        while self.client.get(f"/v1/jobs/{job}").json()["state"] != "done":
            time.sleep(0.05)
        return job

    def corrections(self, item):
        return self.client.get(f"/v1/annotations/{item}/corrections").json()

    def said(self, item):
        """What is in force, by utterance."""
        found = self.corrections(item)["in_force"]
        return {made["utterance"]: made["labels"] for made in found}

    def correct(self, item, utterance, labels, **more):
        verdict = {"utterance": utterance, "labels": labels, "reviewer": "Ben", **more}
        answer = self.client.post(f"/v1/annotations/{item}/corrections", json=verdict)
        assert answer.status_code == 201, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def clips(tmp_path_factory, run_ffmpeg):
    """A video of 12.5 s and a sound of 2 s."""
    folder = tmp_path_factory.mktemp("clips")
    talk, word = folder / "a talk.mp4", folder / "word.wav"
    run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc=s=64x48:d=12.5:r=10", "-f", "lavfi", "-i", "sine=d=12.5"),
        *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "+faststart"),
        talk,
    )
    run_ffmpeg("-f", "lavfi", "-i", "sine=d=2", word)
    return {"talk": talk, "word": word}


@pytest.fixture
def start_desk(host, tmp_path):
    """Starts a server, which is stopped at the end."""
    return lambda token="": Desk(host, tmp_path / "data", token)


@pytest.fixture
def desk(start_desk):
    """A server without tokens."""
    return start_desk()


@pytest.fixture
def talk(desk, clips):
    """The id of an annotation of four utterances."""
    return desk.add(clips["talk"], TALK)


@pytest.fixture
def open_page(open_tab, desk):
    """Open the page of an annotation; afterwards, check that nothing went wrong in it."""
    problems, expected = [], []

    def open_page(
        item, *, reviewer="Ana", viewport=DESK, where="", expects=(), routes=None, **options
    ):
        page = open_tab(viewport, problems, **options)
        page.set_default_timeout(15_000)
        expected.extend(expects)
        # Interception that begins only while a page is open may miss what it sends right after.
        page.route("**/corrections", lambda route: route.continue_())
        for address, action in (routes or {}).items():
            page.route(address, action)
        if reviewer:
            # A page of the same origin, for which the name is kept.
            page.route("**/blank", lambda route: route.fulfill(body="", content_type="text/html"))
            page.goto(f"{desk.address}/blank")
            page.evaluate("name => localStorage['lddu-pipe-reviewer'] = name", reviewer)
        page.goto(f"{desk.address}/annotations/{item}{where}")
        ready(page)
        return page

    yield open_page
    assert [text for text in problems if not any(part in text for part in expected)] == []


def shown(page):
    """Wait until what has changed is drawn."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def until(page, condition, seconds=15.0):
    """Wait for a condition; Playwright's own way needs what the policy of the page forbids."""
    for _ in range(int(seconds * 20)):
        try:
            if page.evaluate(condition):
                return
        except Exception as error:  # on the way to another page
            if "destroyed" not in str(error) and "navigation" not in str(error):
                raise
        page.wait_for_timeout(50)
    pytest.fail(f"never true: {condition}")


def ready(page):
    until(page, "document.getElementById('progress')?.textContent.includes('reviewed')")


def words_of(locator):
    shown(locator.page)  # what has just come into the list has no inner text before it is drawn
    return " ".join(locator.inner_text().split())  # the spaces before signs do not break


def text_of(page, name):
    return " ".join(page.locator(f"#review-{name}").inner_text().split())


def current(page):
    return words_of(page.locator("#utterances [aria-current] .said"))


def chips(page, utterance):
    return words_of(page.locator("#utterances .chips").nth(utterance))


def said(page, utterance):
    return words_of(page.locator("#utterances .said").nth(utterance))


def heads(page):
    """Whose lanes there are."""
    return [words_of(name) for name in page.locator("#people .who").all()]


def pressed(page):
    return [
        words_of(row).split()[-1]
        for row in page.locator(".toggle").all()
        if row.locator("input").is_checked()
    ]


def says(page, text):
    for _ in range(300):
        if text in page.locator("#review-message").inner_text():
            return
        page.wait_for_timeout(50)
    pytest.fail(f"not {text!r} but {page.locator('#review-message').inner_text()!r}")


def settled(page):
    until(page, "!document.getElementById('review').hasAttribute('aria-busy')")


def stay(page):
    """Do not go on after saving."""
    page.evaluate("document.getElementById('review-options').open = true")
    page.locator("#review-after").select_option("stay")


def moment(page):
    return page.evaluate("document.querySelector('video').currentTime")


def test_a_label_is_corrected_undone_and_corrected_again_by_keys(desk, talk, open_page):
    page = open_page(talk)
    stay(page)
    assert current(page) == "Ana: Good news"
    assert pressed(page) == ["happy"]
    assert text_of(page, "save") == "Confirm ↵"
    assert text_of(page, "state") == "not reviewed yet"
    page.keyboard.press("1")
    page.keyboard.press("2")
    assert pressed(page) == ["sad"]
    assert text_of(page, "save") == "Save changes ↵"
    assert text_of(page, "change") == "you add sad · you take away happy"
    assert "not saved yet" in chips(page, 0)
    page.keyboard.press("Enter")
    says(page, "Saved: sad")
    assert desk.said(talk) == {"0000": ["sad"]}
    assert chips(page, 0) == "happy 90 % ✓ reviewed: + sad − happy"
    assert text_of(page, "undo") == "Undo: sad, 0:00.0 Z"
    page.keyboard.press("z")
    says(page, "Undone: sad")
    assert desk.said(talk) == {}
    assert pressed(page) == ["happy"]
    assert chips(page, 0) == "happy 90 %"
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    says(page, "Saved: happy, anger")
    assert desk.said(talk) == {"0000": ["happy", "anger"]}
    made = desk.corrections(talk)["in_force"][0]
    assert made["reviewer"] == "Ana"
    assert (made["start"], made["end"]) == (0.0, 2.5)
    page.locator("#review-history summary").click()
    history = page.locator("#review-rows li")
    assert history.count() == 2
    assert history.nth(1).locator("del").inner_text() == "sad"
    assert "undone" in words_of(history.nth(1))
    page.keyboard.press("Control+z")
    says(page, "Undone: happy, anger")
    assert page.locator("#review-undo").is_hidden()


def test_undo_waits_for_what_is_being_saved(desk, talk, open_page):
    held = []

    def hold(route):
        held.append(route) if route.request.method == "POST" else route.continue_()

    page = open_page(talk, routes={"**/corrections": hold})
    stay(page)
    page.keyboard.press("2")
    with page.expect_request(lambda request: request.method == "POST"):
        page.keyboard.press("Enter")
    page.keyboard.press("z")
    held[0].continue_()
    says(page, "Undone: happy, sad")
    assert desk.said(talk) == {}


def test_enter_confirms_and_goes_on_through_the_queue(desk, talk, open_page):
    page = open_page(talk)
    seen = []
    for _ in range(4):
        seen.append(current(page))
        page.keyboard.press("Enter")
        settled(page)
    says(page, "Nothing else is left")
    assert len(set(seen)) == 4
    # What the model left open starts as absent.
    assert desk.said(talk) == {"0000": ["happy"], "0001": ["sad"], "0002": [], "0003": []}
    until(page, "document.getElementById('progress').innerText.startsWith('4 of 4 reviewed')")
    # One of four is the random sample so far.
    assert "from 1 drawn at random" in words_of(page.locator("#progress"))
    assert text_of(page, "save") == "Go on ↵"
    for _ in range(3):
        page.keyboard.press("z")
        settled(page)
    until(page, "document.getElementById('progress').innerText.startsWith('1 of 4 reviewed')")
    assert current(page) == seen[1]


def test_the_queue_leads_to_another_file_and_says_why(desk, talk, clips, open_page):
    other = desk.add(clips["word"], SHORT, 2.0)
    for name in ("0000", "0001", "0003"):
        desk.correct(talk, name, [])
    page = open_page(talk, where="#utterance=0002&why=uncertain")
    assert current(page) == "Ana: Well"
    assert text_of(page, "why") == "Uncertain: 1.5 of 3 decisions are expected to be wrong."
    page.keyboard.press("Enter")
    until(page, f"location.pathname.endsWith({other!r})")
    ready(page)
    assert page.evaluate("location.hash").startswith("#utterance=0000&why=")
    assert text_of(page, "why")
    assert page.evaluate("window.hacked === undefined")
    # Undo walks back to the file from which it came.
    assert text_of(page, "undo") == "Undo: no emotion, a talk.mp4 Z"
    page.keyboard.press("z")
    until(page, f"location.pathname.endsWith({talk!r})")
    ready(page)
    assert current(page) == "Ana: Well"
    assert "0002" not in desk.said(talk)


def test_who_cannot_tell_says_so(desk, talk, open_page):
    page = open_page(talk)
    stay(page)
    page.keyboard.press("u")
    says(page, "Saved: cannot tell")
    assert desk.said(talk) == {"0000": None}
    assert page.locator("#review-unsure").get_attribute("aria-pressed") == "true"
    assert pressed(page) == []
    assert "cannot tell" in chips(page, 0)
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    says(page, "Saved: happy")
    assert desk.said(talk) == {"0000": ["happy"]}


def test_the_name_is_asked_once_and_kept(desk, talk, open_page):
    page = open_page(talk, reviewer="")
    stay(page)
    page.keyboard.press("Enter")
    page.locator("#who-name").wait_for()
    page.keyboard.press("Escape")
    page.locator("#who-name").wait_for(state="hidden")
    shown(page)
    assert desk.said(talk) == {}
    page.keyboard.press("Enter")
    page.locator("#who-name").fill("  Zoë ")
    page.keyboard.press("Enter")
    says(page, "Saved")
    assert text_of(page, "name") == "Zoë"
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    says(page, "Saved: happy, sad")
    assert {made["reviewer"] for made in desk.corrections(talk)["history"]} == {"Zoë"}
    page.reload()
    ready(page)
    assert text_of(page, "name") == "Zoë"


def test_a_span_is_cut_by_keys_fields_and_handles(desk, talk, open_page):
    page = open_page(talk)
    stay(page)
    until(page, "document.querySelector('video').readyState >= 2")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("h")  # stay, wherever the playhead is
    page.keyboard.press("l")
    assert current(page) == "Ana: Oh no"
    page.keyboard.press("]")
    assert page.locator("#review-end").input_value() == "7.5"
    page.locator("#review-start").fill("2.25")
    start = page.get_by_role("slider", name="Start of the utterance")
    assert start.get_attribute("aria-valuetext") == "0:02.25"
    start.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    assert page.locator("#review-start").input_value() == "1.15"
    assert current(page) == "Ana: Oh no"
    end = page.get_by_role("slider", name="End of the utterance").bounding_box()
    lane = page.locator("#timeline").bounding_box()
    wanted = lane["x"] + 92 + (lane["width"] - 92 - 44) * 6 / 12.5
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + 5)
    page.mouse.down()
    page.mouse.move(wanted, end["y"] + 5, steps=4)
    page.mouse.up()
    assert float(page.locator("#review-end").input_value()) == pytest.approx(6, abs=0.03)
    page.locator("#review-end").fill("1")
    assert "it has to end after it starts" in text_of(page, "message")
    page.locator("#review-save").click()
    says(page, "Not saved: it has to end after it starts")
    assert desk.said(talk) == {}
    page.locator("#review-end").fill("6")
    page.locator("#review-save").click()
    says(page, "Saved: sad")
    made = desk.corrections(talk)["in_force"][0]
    assert (made["start"], made["end"]) == (1.15, 6.0)
    assert (made["model_start"], made["model_end"]) == (2.5, 4.75)
    assert "0:01.2 – 0:06.0" in chips(page, 1)
    page.locator("#review-cut").click()
    assert page.locator("#review-start").input_value() == "2.5"


def test_a_handle_out_of_sight_keeps_the_focus(talk, open_page):
    page = open_page(talk)
    end = page.get_by_role("slider", name="End of the utterance")
    end.focus()
    before = end.bounding_box()["x"]
    for _ in range(3):
        page.keyboard.press("+")
    until(page, "!document.getElementById('zoom-out').disabled")
    lane = page.locator("#timeline").bounding_box()
    shown(page)  # in these frames it would be hidden
    assert page.evaluate("document.activeElement.className") == "span-handle at-end"
    assert before < end.bounding_box()["x"] <= lane["x"] + lane["width"] - 44
    page.keyboard.press("ArrowLeft")
    assert page.locator("#review-end").input_value() == "2.4"
    until(page, "document.querySelector('.span-handle.at-start').hidden")
    assert lane["x"] + 92 < end.bounding_box()["x"] < lane["x"] + lane["width"] / 2
    page.keyboard.press("l")  # away from it
    shown(page)
    assert end.is_visible()
    page.locator("#next").focus()
    assert end.is_hidden()


def test_an_utterance_is_played_alone(talk, open_page):
    page = open_page(talk)
    until(page, "document.querySelector('video').readyState >= 2")
    page.locator("#utterances button").nth(3).click()
    page.locator("#review-end").fill("10.6")
    page.locator("#review-end").blur()
    page.evaluate("""() => {
        window.latest = 0;
        const media = document.querySelector("video");
        const look = () => { window.latest = Math.max(window.latest, media.currentTime);
                             requestAnimationFrame(look); };
        look();
    }""")
    page.keyboard.press("p")
    until(page, "!document.querySelector('video').paused")
    until(page, "document.querySelector('video').paused")
    assert 10.5 < page.evaluate("latest") < 10.9
    assert moment(page) == pytest.approx(10.0, abs=0.05)
    assert current(page) == "Ana: I see"


def test_what_plays_on_is_stopped_before_it_is_saved(desk, talk, open_page):
    page = open_page(talk)
    until(page, "document.querySelector('video').readyState >= 2")
    page.keyboard.press("Space")
    until(page, "document.querySelector('video').currentTime > 0.3")
    page.keyboard.press("Enter")
    says(page, "Stopped here")
    assert page.evaluate("document.querySelector('video').paused")
    assert desk.said(talk) == {}
    page.keyboard.press("Enter")
    says(page, "Saved")
    assert desk.said(talk) == {"0000": ["happy"]}


def test_unsaved_changes_keep_the_utterance_in_view(talk, open_page):
    page = open_page(talk)
    until(page, "document.querySelector('video').readyState >= 2")
    page.keyboard.press("3")
    page.evaluate("document.querySelector('video').currentTime = 2.3")
    page.keyboard.press("Space")
    until(page, "document.querySelector('video').currentTime > 2.8")
    page.keyboard.press("Space")
    assert current(page) == "Ana: Good news"
    page.keyboard.press("3")  # as it was: nothing to be saved
    page.keyboard.press("Space")
    until(page, "document.querySelector('#utterances [aria-current]').innerText.includes('Oh no')")


def test_a_comment_is_typed_and_is_text(desk, talk, open_page):
    page = open_page(talk)
    stay(page)
    page.keyboard.press("c")
    page.keyboard.type(f"1 2 3 n u z {HOSTILE}")
    assert pressed(page) == ["happy"]
    page.keyboard.press("Control+Enter")
    says(page, "Saved: happy")
    desk.correct(talk, "0001", ["sad"], comment=HOSTILE, reviewer=HOSTILE, start=2.6, end=4.0)
    page.reload()
    ready(page)
    assert page.locator("#review-comment").input_value() == f"1 2 3 n u z {HOSTILE}"
    page.locator("#review-history summary").click()
    assert HOSTILE in page.locator("#review-rows").inner_text()
    page.keyboard.press("ArrowRight")
    assert HOSTILE in page.locator("#review-rows").inner_text()
    assert HOSTILE in page.locator("#review-state").inner_text()
    assert page.evaluate("window.hacked === undefined")
    assert page.locator("main img, main b b").count() == 0


def test_of_two_reviewers_the_second_decides(desk, talk, open_page):
    page = open_page(talk, expects=("409",))
    stay(page)
    page.keyboard.press("2")
    desk.correct(talk, "0000", ["anger"], comment="clenched teeth")
    page.keyboard.press("Enter")
    conflict = page.locator("#review-conflict")
    conflict.wait_for()
    assert "Ben was first: anger" in words_of(conflict)
    assert "clenched teeth" in words_of(conflict)
    assert pressed(page) == ["happy", "sad"]
    conflict.get_by_role("button", name="Take theirs").click()
    assert pressed(page) == ["anger"]
    assert desk.said(talk) == {"0000": ["anger"]}
    page.keyboard.press("2")
    desk.correct(talk, "0000", [], replaces=desk.corrections(talk)["in_force"][0]["number"])
    page.locator("#review-save").click()
    conflict.get_by_role("button", name="Save mine instead").click()
    says(page, "Saved: sad, anger")
    assert desk.said(talk) == {"0000": ["sad", "anger"]}
    assert conflict.is_hidden()


def test_what_cannot_be_sent_is_not_lost(desk, talk, open_page):
    page = open_page(talk, expects=("ERR_FAILED",))
    stay(page)
    page.keyboard.press("c")
    page.keyboard.type("a long thought")
    page.keyboard.press("Escape")
    page.keyboard.press("3")
    page.route("**/corrections", lambda route: route.abort())
    page.keyboard.press("Enter")
    says(page, "Not saved: the server does not answer")
    page.unroute("**/corrections")
    page.reload()
    ready(page)
    assert page.locator("#review-comment").input_value() == "a long thought"
    assert pressed(page) == ["happy", "anger"]
    page.keyboard.press("Enter")
    says(page, "Saved: happy, anger")
    assert desk.corrections(talk)["in_force"][0]["comment"] == "a long thought"


def test_an_answer_that_got_lost_is_no_conflict(desk, talk, open_page):
    page = open_page(talk, expects=("ERR_FAILED", "409"))
    stay(page)
    page.keyboard.press("3")

    def lose(route):
        route.fetch()
        route.abort()

    page.route("**/corrections", lose)
    page.keyboard.press("Enter")
    says(page, "Not saved")
    page.unroute("**/corrections")
    page.keyboard.press("Enter")
    says(page, "Saved: happy, anger")
    assert page.locator("#review-conflict").is_hidden()
    assert len(desk.corrections(talk)["history"]) == 1


def test_a_file_that_was_annotated_anew_is_not_corrected_from_an_old_page(desk, talk, open_page):
    page = open_page(talk, expects=("409",))
    stay(page)
    page.keyboard.press("3")
    result = desk.folder / "jobs" / talk / "result.json"
    created = "2026-01-01T00:00:00+00:00"
    result.write_text(result.read_text().replace(created, created.replace("2026", "2027")))
    page.keyboard.press("Enter")
    says(page, "Not saved: the file was annotated anew")
    assert page.locator("#review-conflict").is_hidden()
    assert desk.said(talk) == {}
    page.reload()
    ready(page)
    assert pressed(page) == ["happy"]


def test_the_list_shows_what_is_wanted(desk, talk, open_page):
    desk.correct(talk, "0000", ["happy"])
    desk.correct(talk, "0001", ["sad", "happy"])
    page = open_page(talk, where="#utterance=0002")
    shown = page.locator("#utterances li:not([hidden]) .said")
    for choice, texts in (
        ("open", ["Well", "I see"]),
        ("reviewed", ["Good news", "Oh no", "Well"]),  # the one in view stays
        ("differs", ["Oh no", "Well"]),
        ("all", ["Good news", "Oh no", "Well", "I see"]),
    ):
        page.locator("#review-filter").select_option(choice)
        assert shown.all_text_contents() == [f"Ana: {text}" for text in texts]
    page.locator("#review-filter").select_option("differs")
    page.locator("#review-filter").blur()
    page.keyboard.press("ArrowLeft")
    assert current(page) == "Ana: Oh no"
    page.keyboard.press("ArrowLeft")
    assert current(page) == "Ana: Oh no"


def test_corrections_of_another_cut_are_listed(desk, talk, open_page):
    lost = desk.correct(talk, "0000", ["anger"], comment="of old")
    lost |= {"model_start": 20.0, "model_end": 22.0, "text": HOSTILE}
    page = open_page(talk)
    answer = {"in_force": [], "unmatched": [lost], "history": [lost]}
    page.route("**/corrections", lambda route: route.fulfill(json=answer))
    page.reload()
    ready(page)
    card = page.locator("#unmatched")
    assert "(1)" in card.locator("summary").inner_text()
    card.locator("summary").click()
    assert "0:20.0 – 0:22.0" in words_of(card)
    assert HOSTILE in card.inner_text()
    assert "of old" in card.inner_text()
    assert page.locator("#review-history").is_hidden()


def test_an_expired_link_is_renewed_where_it_was(desk, talk, open_page, clips):
    content = clips["talk"].read_bytes()
    links = set()

    def expire(route):
        """Of the first link, only the first part is ever given."""
        links.add(route.request.url)
        start = int(route.request.headers.get("range", "bytes=0-")[6:].partition("-")[0])
        if len(links) > 1:
            route.continue_()
        elif start:
            route.fulfill(status=404)
        else:
            half = content[: len(content) // 2]
            span = f"bytes 0-{len(half) - 1}/{len(content)}"
            headers = {"Content-Range": span, "Content-Type": "video/mp4"}
            route.fulfill(status=206, body=half, headers=headers)

    page = open_page(talk, expects=("404",), routes={"**/v1/media/*": expire})
    until(page, "document.querySelector('video').readyState >= 1")
    page.locator("#utterances button").nth(3).click()
    until(page, "document.querySelector('video').readyState >= 2")
    assert moment(page) == pytest.approx(10.0, abs=0.05)
    assert len(links) == 2
    assert page.locator("#play").is_enabled()


def test_where_the_media_is_gone_the_page_says_so(desk, talk, open_page, clips):
    DataFolder(desk.folder).uploaded(talk).unlink()
    page = open_page(talk, expects=("404",))
    assert "media is not there any more" in words_of(page.locator(".absent"))
    assert page.locator("#play").is_disabled()
    page.keyboard.press("p")
    says(page, "The media cannot be played")
    page.keyboard.press("ArrowRight")
    page.locator("#chooser").set_input_files(clips["talk"])
    until(page, "document.querySelector('video').readyState >= 2")
    assert moment(page) == pytest.approx(2.5, abs=0.05)


def test_the_token_is_asked_for(start_desk, browser, clips):
    desk = start_desk(TOKEN)
    item = desk.add(clips["talk"], TALK)
    page = browser.new_context(viewport=DESK).new_page()
    page.goto(f"{desk.address}/annotations/{item}")
    page.locator("#door-token").fill(TOKEN)
    page.keyboard.press("Enter")
    ready(page)
    page.keyboard.press("Enter")
    page.locator("#who-name").fill("Ana")
    page.keyboard.press("Enter")
    says(page, "Saved")
    assert desk.said(item) == {"0000": ["happy"]}
    page.context.close()


def test_a_text_is_reviewed_without_times(desk, open_page, clips):
    item = desk.add(clips["word"], TALK, 0.0)
    page = open_page(item)
    for name in ("#review-span", "#review-play", "#timeline", "#stage"):
        assert page.locator(name).is_hidden(), name
    page.keyboard.press("]")
    page.keyboard.press("p")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    says(page, "Saved")
    settled(page)
    made = desk.corrections(item)["in_force"]
    assert [(each["labels"], each["start"], each["end"]) for each in made] == [
        (["happy", "sad"], None, None)
    ]
    assert current(page) != "Ana: Good news"


@pytest.mark.parametrize(
    ("viewport", "scheme"), [(DESK, "light"), (PHONE, "dark")], ids=["desk", "phone"]
)
def test_nothing_is_wider_than_the_screen(desk, talk, open_page, viewport, scheme):
    desk.correct(talk, "0000", ["anger"], comment="x" * 200, start=0.5, end=2.0)
    page = open_page(talk, viewport=viewport, color_scheme=scheme, has_touch=viewport is PHONE)
    page.locator("#review-history summary").click()
    page.locator("#review-options summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]


def test_controls_have_names_and_roles(talk, open_page):
    page = open_page(talk)
    for name in LABELS:
        assert page.get_by_role("checkbox", name=name, exact=True).count() == 1
    group = page.get_by_role("group", name="Emotions that are present")
    assert group.get_by_role("checkbox").count() == len(LABELS)
    for name in ("Start here", "End here", "Next to review", "Play it", "Cannot tell"):
        assert page.get_by_role("button", name=name, exact=True).count() == 1, name
    for name in ("Start", "End"):
        assert page.get_by_role("spinbutton", name=name).count() == 1
    page.keyboard.press("2")
    assert page.locator("#announcer").text_content() == "sad: present"
    page.keyboard.press("?")
    assert page.locator("dialog[open]").get_by_text("next to review", exact=True).is_visible()
    page.keyboard.press("2")  # not for the page while the help is open
    assert pressed(page) == ["happy", "sad"]


def test_what_was_drawn_at_random_comes_back_when_passed_over(desk, talk, open_page):
    page = open_page(talk)
    page.keyboard.press("n")
    until(page, "location.hash.includes('why=random')")
    settled(page)
    drawn = current(page)
    assert text_of(page, "why") == "Drawn at random, so that agreement stays unbiased."
    page.keyboard.press("n")
    settled(page)
    until(page, "location.hash.includes('why=uncertain')")
    assert current(page) != drawn
    page.keyboard.press("Enter")
    says(page, "Saved")
    settled(page)
    assert current(page) == drawn


def test_whoever_passes_over_many_is_offered_the_others(desk, clips, open_page):
    talk = tuple(
        utterance(f"{at:04}", at / 2, at / 2 + 0.4, f"Word {at}", (0.5,) * 3, ("absent",) * 3)
        for at in range(24)
    )
    page = open_page(desk.add(clips["talk"], talk))
    seen = [current(page)]
    for _ in talk:  # the first was not among the offers, and may come up once more
        page.keyboard.press("n")
        settled(page)
        seen.append(current(page))
    assert len(set(seen)) == len(talk)


def test_what_comes_up_is_played_where_it_is_wanted(talk, open_page):
    page = open_page(talk)
    until(page, "document.querySelector('video').readyState >= 2")
    page.locator("#review-options summary").click()
    page.locator("#review-autoplay").check()
    page.locator("#review-after").select_option("list")
    page.locator("#review-after").blur()
    page.keyboard.press("Enter")
    until(page, "!document.querySelector('video').paused")
    assert current(page) == "Ana: Oh no"
    until(page, "document.querySelector('video').paused")
    assert moment(page) == pytest.approx(2.5, abs=0.05)
    page.reload()
    ready(page)
    assert page.locator("#review-autoplay").is_checked()


def test_where_the_browser_keeps_nothing_the_page_works(desk, talk, open_page):
    page = open_page(talk, reviewer="")
    page.add_init_script(
        """for (const name of ["sessionStorage", "localStorage"]) {
            const get = () => { throw new DOMException("denied", "SecurityError"); };
            Object.defineProperty(window, name, { get });
        }"""
    )
    page.reload()
    ready(page)
    stay(page)
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    page.locator("#who-name").fill("Ana")
    page.keyboard.press("Enter")
    says(page, "Saved: happy, sad")
    assert text_of(page, "name") == "Ana"
    page.keyboard.press("z")
    says(page, "Undone")
    page.keyboard.press("n")
    settled(page)
    assert desk.said(talk) == {}


def test_keys_can_be_switched_off(desk, talk, open_page):
    page = open_page(talk)
    page.keyboard.press("?")
    page.locator("#keys-on").uncheck()
    page.keyboard.press("Escape")
    for key in ("2", "Enter", "u", "z"):
        page.keyboard.press(key)
    assert pressed(page) == ["happy"]
    assert desk.said(talk) == {}
    page.locator("#review-save").click()
    says(page, "Saved")


def test_what_is_changed_while_it_is_saved_is_kept(desk, talk, open_page):
    page = open_page(talk)
    page.keyboard.press("2")

    def go_on_meanwhile(route):
        page.keyboard.press("3")
        until(page, "document.querySelectorAll('#review-labels :checked').length === 3")
        route.continue_()

    page.route("**/corrections", go_on_meanwhile, times=1)
    page.keyboard.press("Enter")
    says(page, "Saved: happy, sad")
    settled(page)
    assert current(page) == "Ana: Good news"
    assert pressed(page) == ["happy", "sad", "anger"]
    page.unroute_all()
    page.keyboard.press("Enter")
    says(page, "Saved: happy, sad, anger")
    assert desk.said(talk)["0000"] == ["happy", "sad", "anger"]


@pytest.mark.parametrize("is_lost", [False, True], ids=["refused", "answer lost"])
def test_what_is_changed_while_saving_fails_is_kept(desk, talk, open_page, is_lost):
    page = open_page(talk, expects=("ERR_FAILED", "409"))
    stay(page)
    page.keyboard.press("2")

    def fail_meanwhile(route):
        page.keyboard.press("3")
        page.keyboard.press("c")
        page.keyboard.type("and more")
        page.keyboard.press("Escape")
        if is_lost:
            route.fetch()
        route.abort()

    page.route("**/corrections", fail_meanwhile, times=1)
    page.keyboard.press("Enter")
    says(page, "Not saved: the server does not answer")
    settled(page)
    assert pressed(page) == ["happy", "sad", "anger"]
    assert page.locator("#review-comment").input_value() == "and more"
    page.unroute_all()
    page.keyboard.press("Enter")
    if is_lost:
        page.get_by_role("button", name="Save mine instead").click()
    says(page, "Saved: happy, sad, anger")
    assert desk.said(talk) == {"0000": ["happy", "sad", "anger"]}
    assert desk.corrections(talk)["in_force"][0]["comment"] == "and more"


def test_what_is_changed_while_another_decides_is_kept(desk, talk, open_page):
    page = open_page(talk, expects=("409",))
    stay(page)
    page.keyboard.press("2")
    desk.correct(talk, "0000", [])
    page.keyboard.press("Enter")
    conflict = page.locator("#review-conflict")
    conflict.wait_for()
    page.locator(".toggle").nth(2).click()
    conflict.get_by_role("button", name="Save mine instead").click()
    says(page, "Saved: happy, sad, anger")
    assert desk.said(talk) == {"0000": ["happy", "sad", "anger"]}


def test_who_cannot_tell_after_all_has_saved_that(desk, talk, open_page):
    page = open_page(talk, expects=("ERR_FAILED",))
    stay(page)
    page.keyboard.press("2")
    page.route("**/corrections", lambda route: route.abort(), times=1)
    page.keyboard.press("u")
    says(page, "Not saved")
    settled(page)
    assert page.locator("#review-unsure").get_attribute("aria-pressed") == "true"
    page.keyboard.press("3")
    page.keyboard.press("u")
    says(page, "Saved: cannot tell")
    settled(page)
    assert pressed(page) == []
    assert "by Ana" in text_of(page, "state")
    assert desk.said(talk) == {"0000": None}


def test_changes_of_what_is_undone_are_saved(desk, talk, clips, open_page):
    page = open_page(talk)
    stay(page)
    for key, words in (("2", "happy, sad"), ("3", "happy, sad, anger")):
        page.keyboard.press(key)
        page.keyboard.press("Enter")
        says(page, f"Saved: {words}.")
        settled(page)
    for comment, left in (("first", ["happy", "sad"]), ("second", None)):
        page.locator("#review-comment").fill(comment)
        page.locator("#review-comment").blur()
        page.keyboard.press("z")
        says(page, "Undone")
        settled(page)
        assert desk.said(talk).get("0000") == left
        assert page.locator("#review-comment").input_value() == comment
    page.keyboard.press("Enter")
    says(page, "Saved: happy, sad, anger")
    assert desk.said(talk) == {"0000": ["happy", "sad", "anger"]}
    # From the page of another file, too.
    page.locator("#review-comment").fill("third")
    page.locator("#review-comment").blur()
    page.goto(f"{desk.address}/annotations/{desk.add(clips['word'], SHORT, 2.0)}")
    ready(page)
    page.keyboard.press("z")
    until(page, f"location.pathname.endsWith({talk!r})")
    ready(page)
    assert page.locator("#review-comment").input_value() == "third"
    page.keyboard.press("Enter")
    says(page, "Saved: happy, sad, anger")


def test_what_another_took_back_is_still_a_conflict(desk, talk, open_page):
    made = desk.correct(talk, "0000", ["anger"])
    page = open_page(talk, expects=("409",))
    stay(page)
    page.keyboard.press("2")
    desk.client.delete(f"/v1/annotations/{talk}/corrections/{made['number']}")
    page.keyboard.press("Enter")
    conflict = page.locator("#review-conflict")
    conflict.wait_for()
    assert "was undone meanwhile" in words_of(conflict)
    conflict.get_by_role("button", name="Save mine instead").click()
    says(page, "Saved: sad, anger")


def test_keys_are_for_the_page_after_a_click_and_in_another_utterance(desk, talk, open_page):
    page = open_page(talk)
    until(page, "document.querySelector('video').readyState >= 2")
    page.locator(".toggle").nth(1).click()
    page.keyboard.press("Space")
    until(page, "!document.querySelector('video').paused")
    page.keyboard.press("Space")
    assert pressed(page) == ["happy", "sad"]
    page.keyboard.press("c")
    page.keyboard.type("well")
    page.keyboard.press("Control+Enter")
    says(page, "Saved: happy, sad")
    settled(page)
    assert current(page) != "Ana: Good news"
    before = pressed(page)
    page.keyboard.press("1")
    assert pressed(page) != before
    assert page.locator("#review-comment").input_value() == ""


def test_who_reviews_in_the_list_stays_in_the_list(desk, talk, open_page):
    page = open_page(talk)
    page.locator("#utterances button").nth(1).click()
    page.keyboard.press("Enter")  # on the one in view: nothing else to be done with it
    says(page, "Saved: sad")
    settled(page)
    assert desk.said(talk) == {"0001": ["sad"]}
    assert page.evaluate("document.activeElement.hasAttribute('aria-current')")
    page.keyboard.press("Enter")
    settled(page)
    until(page, "document.getElementById('progress').innerText.startsWith('2 of 4')")


def test_who_pins_an_utterance_stays_with_it(talk, open_page):
    page = open_page(talk)
    until(page, "document.querySelector('video').readyState >= 2")
    words = page.locator(".word-block")
    page.keyboard.press("p")
    words.filter(has_text="Well").click(force=True, position={"x": 60, "y": 8})
    assert current(page) == "Ana: Well"  # whoever clicks goes there
    assert page.evaluate("document.querySelector('video').paused")
    page.keyboard.press("h")
    says(page, "Stays here")
    words.filter(has_text="I see").click(force=True, position={"x": 60, "y": 8})
    assert moment(page) > 10
    page.keyboard.press("Space")
    until(page, "!document.querySelector('video').paused")
    page.keyboard.press("Space")
    assert current(page) == "Ana: Well"
    page.keyboard.press("h")
    assert not page.locator("#review-hold").is_checked()
    page.keyboard.press("Space")
    until(page, "document.querySelector('[aria-current] .said').innerText.includes('I see')")


def test_what_ends_with_the_media_is_played_to_the_end(desk, open_page, clips):
    last = utterance("0000", 1.0, 2.0, "End", (0.9, 0.1, 0.1), ("present", "absent", "absent"))
    page = open_page(desk.add(clips["word"], (last,), 2.0))
    until(page, "document.querySelector('audio').readyState >= 2")
    page.keyboard.press("p")
    until(page, "!document.querySelector('audio').paused")
    until(page, "document.querySelector('audio').paused")
    until(page, "Math.abs(document.querySelector('audio').currentTime - 1) < 0.05")


def test_people_are_given_utterances_named_and_made_one_and_it_is_taken_back(
    desk, clips, open_page
):
    item = desk.add(clips["talk"], DINNER)
    page = open_page(item, where="#utterance=0001")
    stay(page)
    assert said(page, 1) == "p2: Oh no"
    page.keyboard.press("w")
    assert text_of(page, "change") == "as the model decided · you say it is p3, not p2"
    # What is not saved yet is to be seen everywhere, too.
    assert (said(page, 1), chips(page, 1)) == (
        "p3: Oh no",
        "no emotion present p3 − p2 not saved yet",
    )
    page.keyboard.press("w")
    assert "somebody else" in text_of(page, "change")
    page.keyboard.press("Enter")
    says(page, "Saved: no emotion")
    settled(page)
    new = desk.corrections(item)["in_force"][0]["person"]
    assert page.locator("#review-who").input_value() == new
    page.locator("#review-who-name").click()
    page.keyboard.type(HOSTILE)
    page.keyboard.press("Enter")
    says(page, f"Saved: {new} is called")
    settled(page)
    assert said(page, 1) == f"{HOSTILE}: Oh no"
    assert chips(page, 1) == f"no emotion present {HOSTILE} − p2 ✓ reviewed: no emotion"
    assert heads(page) == ["p1", "p2", "p3", HOSTILE]
    # One with another; the list is of one person only where that is asked for.
    page.get_by_label("p3 is the same person as").select_option("p1")
    says(page, "Saved: p3 is p1.")
    settled(page)
    assert said(page, 2) == "p1: Well"
    assert heads(page) == ["p1", "p2", HOSTILE]
    page.locator("#people").get_by_role("button", name="p1", exact=True).click()
    rows = page.locator("#utterances li")
    assert [row.is_visible() for row in rows.all()] == [True, False, True]
    page.keyboard.press("ArrowRight")
    assert current(page) == "p1: Well"
    for words in ("p3 is p1", f"{new} is called", "no emotion"):
        page.keyboard.press("z")
        says(page, f"Undone: {words}")
        settled(page)
    # What is taken back comes into view, whoever was chosen.
    assert current(page) == "p2: Oh no"
    assert heads(page) == ["p1", "p2", "p3"]
    assert page.evaluate("typeof hacked") == "undefined"
    assert desk.corrections(item)["in_force"] == []
