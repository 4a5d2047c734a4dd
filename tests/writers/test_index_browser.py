"""The page of a batch at work, in headless Chromium, from a file and without a network."""

from __future__ import annotations

import pytest

from lddu_pipe.writers.corpus import render_index

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LABELS = ("happy", "sad")
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
HOSTILE = "<img src=x onerror=hacked=1></script><script>hacked=1</script>\u202egpj.exe"
ROWS = (
    {
        **{"name": "deep/b 10.mp4", "state": "done", "error": None, "result": "deep/b 10.html"},
        **{"duration": 62.4, "utterances": 10, "abstained": 1, "present": {"happy": 5, "sad": 0}},
        "missing": {"text": 0, "audio": 0, "vision": 3},
    },
    {
        **{"name": "deep/b 9.mp4", "state": "done", "error": None, "result": "deep/b 9.json"},
        **{
            "duration": 3.0,
            "utterances": 1200,
            "abstained": 0,
            "present": {"happy": 3, "sad": 600},
        },
        "missing": {"text": 0, "audio": 1200, "vision": 0},
    },
    {"name": "a.mp4", "state": "failed", "error": "a.mp4 is empty; copy it again", "result": None},
    {"name": "c.mp4", "state": "waiting", "error": None, "result": None},
    {
        **{"name": "words.srt", "state": "done", "error": None, "result": "words.json"},
        **{"duration": 0.0, "utterances": 0, "abstained": 0, "present": {"happy": 0, "sad": 0}},
        "missing": {"text": 0, "audio": 0, "vision": 0},
    },
)


def corpus_of(rows, labels=LABELS) -> dict:
    states = [row["state"] for row in rows]
    utterances = sum(row.get("utterances", 0) for row in rows)

    def share(count: int) -> float | None:
        return count / utterances if utterances else None

    return {
        "files": {
            "total": len(rows),
            **{name: states.count(name) for name in ("done", "failed", "waiting")},
        },
        "hours": sum(row.get("duration", 0) for row in rows) / 3600,
        "utterances": utterances,
        "prevalence": {
            label: share(sum(row.get("present", {}).get(label, 0) for row in rows))
            for label in labels
        },
        "abstained": share(sum(row.get("abstained", 0) for row in rows)),
        "missing": {
            name: share(sum(row.get("missing", {}).get(name, 0) for row in rows))
            for name in ("text", "audio", "vision")
        },
        "work_seconds": 1.0,
        "real_time_factor": None,
    }


@pytest.fixture
def open_index(open_tab, tmp_path):
    """Open the page of some rows; afterwards, check that it said and asked for nothing."""
    problems, requests = [], []
    path = tmp_path / "index.html"

    def open_index(rows=ROWS, *, labels=LABELS, viewport=DESK, **options):
        path.write_bytes(render_index("annotations", corpus_of(rows, labels), labels, rows))
        page = open_tab(viewport, problems, requests, offline=True, **options)
        page.set_default_timeout(15_000)
        page.goto(path.as_uri())
        return page

    yield open_index
    assert problems == []
    assert set(requests) <= {path.as_uri(), (tmp_path / "deep" / "b 10.html").as_uri()}


def names(page) -> list[str]:
    return page.locator(".own-name").all_text_contents()  # rows out of sight have no inner text


def cells(page, row: int) -> list[str]:
    texts = page.locator("tbody tr").nth(row).locator("th, td").all_text_contents()
    return [" ".join(text.split()) for text in texts]


def sort_by(page, name: str):
    page.get_by_role("button", name=name, exact=True).click()


def test_every_file_has_a_row_with_what_was_found(open_index):
    page = open_index()
    assert names(page) == ["a.mp4", "c.mp4", "b 9.mp4", "b 10.mp4", "words.srt"]
    assert cells(page, 0) == ["a.mp4", "a.mp4 is empty; copy it again", "failed"]
    assert cells(page, 1) == ["c.mp4", "not done yet", "waiting"]
    assert cells(page, 2) == [
        *("deep/b 9.mp4", "0:03", "1,200", "0 %", "<1 %", "50 %", "audio", "done"),
    ]
    assert cells(page, 3) == [
        *("deep/b 10.mp4", "1:02", "10", "10 %", "50 %", "0 %", "vision 30 %", "done"),
    ]
    assert cells(page, 4) == ["words.srt", "–", "0", "–", "–", "–", "–", "done"]
    figures = " ".join(page.locator("#figures").inner_text().split())
    assert "files done 3 of 5" in figures
    assert "utterances 1,210" in figures
    assert "without audio 99 %" in figures


def test_any_column_sorts_and_says_so(open_index):
    page = open_index()
    head = page.locator("th[aria-sort]")
    assert head.get_attribute("aria-sort") == "ascending"
    sort_by(page, "happy")
    assert names(page)[:2] == ["b 10.mp4", "b 9.mp4"]
    assert (head.inner_text(), head.get_attribute("aria-sort")) == ("happy", "descending")
    page.keyboard.press("Enter")  # the button kept the focus
    assert names(page) == ["b 9.mp4", "b 10.mp4", "a.mp4", "c.mp4", "words.srt"]
    assert head.get_attribute("aria-sort") == "ascending"
    sort_by(page, "Utterances")
    assert names(page)[:3] == ["b 9.mp4", "b 10.mp4", "words.srt"]
    sort_by(page, "State")
    assert names(page)[:2] == ["a.mp4", "c.mp4"]


def test_names_are_filtered_and_failures_found(open_index):
    page = open_index()
    status = page.locator("#files [role=status]")
    assert status.inner_text() == "5 files"
    page.get_by_label("Filter by name").fill("B deep")
    assert names(page) == ["b 9.mp4", "b 10.mp4"]
    assert status.inner_text() == "2 of 5 files"
    page.get_by_label("Filter by name").fill("nothing like it")
    assert page.locator("table").is_hidden()
    page.get_by_role("button", name="1 failure, show them").click()
    assert names(page) == ["a.mp4"]
    assert page.get_by_label("failures only").is_checked()


def test_a_file_opens(open_index, tmp_path):
    page = open_index()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b 10.html").write_text("<title>its page</title>")
    assert "-f html" in page.locator("#files-note").inner_text()
    page.get_by_role("link", name="deep/b 10.mp4").click()
    page.wait_for_url("**/b%2010.html")
    assert page.title() == "its page"


def test_it_is_a_table_to_those_who_do_not_see_it(open_index):
    page = open_index()
    table = page.get_by_role("table", name="Files")
    assert table.get_by_role("row").count() == 6
    assert table.get_by_role("columnheader").count() == 8
    assert table.get_by_role("rowheader").count() == 5
    assert table.get_by_role("row").nth(3).get_by_role("cell").count() == 7


def test_hostile_names_run_nothing(open_index):
    row = {**ROWS[0], "name": f"{HOSTILE}/{HOSTILE}", "present": {HOSTILE: 1}}
    failed = {"name": HOSTILE, "state": "failed", "error": HOSTILE, "result": None}
    page = open_index((row, failed), labels=(HOSTILE,))
    page.get_by_label("failures only").check()
    assert page.evaluate("window.hacked === undefined")
    assert page.locator("body img").count() == 0
    assert page.locator(".own-name").text_content().startswith("script>\ufffdgpj")


@pytest.mark.parametrize(
    ("rows", "labels"), [((), ()), (ROWS[2:4], ()), (ROWS[:1], ("glad", "sad", "odd"))]
)
def test_what_is_not_there_is_no_error(open_index, rows, labels):
    page = open_index(rows, labels=labels)
    assert len(names(page)) == len(rows)
    note = page.locator("#prevalence-note").inner_text()
    assert ("annotated yet" in note) == (not labels)


@pytest.mark.parametrize(
    ("viewport", "scheme"), [(DESK, "light"), (PHONE, "dark")], ids=["desk", "phone"]
)
def test_nothing_is_wider_than_the_screen(open_index, viewport, scheme):
    page = open_index(viewport=viewport, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    assert page.locator(".is-wide").count() == 0
    dark = "getComputedStyle(document.body).backgroundColor === 'rgb(13, 16, 19)'"
    assert page.evaluate(dark) == (scheme == "dark")
    page.locator("#theme").click()
    assert page.evaluate(dark) == (scheme == "light")


def test_on_a_phone_a_list_sorts(open_index):
    page = open_index(viewport=PHONE)
    assert page.locator("thead").is_hidden()
    page.get_by_label("Sort by").select_option("sad")
    assert names(page)[0] == "b 9.mp4"
    page.get_by_role("button", name="descending").click()
    assert names(page)[0] == "b 10.mp4"


def test_many_labels_scroll_beside_the_names(open_index):
    labels = tuple(f"label {number}" for number in range(30))
    page = open_index(labels=labels)
    assert page.locator(".is-wide").count() == 1
    page.evaluate("document.querySelector('.is-wide').scrollLeft = 900")
    assert page.locator("tbody th").first.bounding_box()["x"] < 60
    assert page.evaluate("document.documentElement.scrollWidth") == DESK["width"]


@pytest.mark.alone
def test_five_thousand_files_stay_quick(open_index):
    rows = [{**ROWS[0], "name": f"deep/{number}.mp4"} for number in range(5000)]
    page = open_index(rows)
    assert page.locator("tbody tr").count() >= 60
    for _ in range(200):
        if page.locator("tbody tr").count() == 5000:
            break
        page.wait_for_timeout(50)
    assert page.locator("tbody tr").count() == 5000
    took = page.evaluate(
        """async () => {
            const begun = performance.now();
            document.querySelectorAll("thead button")[0].click();
            await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
            return performance.now() - begun;
        }"""
    )
    assert took < 3000  # 0.2 s on two cores that do nothing else
    assert names(page)[0] == "4999.mp4"
