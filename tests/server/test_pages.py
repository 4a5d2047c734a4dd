"""The shells of the pages, and their parts."""

from __future__ import annotations

import re

import pytest

TOKEN = "a-token-of-the-tests"
PAGES = ("/", "/live", "/annotations/0bf8dd36-cd25-421e-9b7c-1d9de20c4c52")


def without_token(serve):
    client = serve(tokens=(TOKEN,))
    del client.headers["Authorization"]
    return client


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_a_shell_that_anybody_gets(serve, path):
    client = without_token(serve)
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"
    # Every script is a file of ours: the policy lets no other run.
    for attributes in re.findall(r"<script([^>]*)>", answer.text):
        assert "src=" in attributes or "application/json" in attributes
    assert not re.search(r"\son\w+=|javascript:", answer.text)


@pytest.mark.parametrize("path", PAGES)
def test_the_parts_of_a_page_are_there_and_kept_for_good(serve, path):
    client = without_token(serve)
    links = re.findall(r'(?:src|href)="(/assets/[^"]+)"', client.get(path).text)
    assert links
    for link in links:
        plain = client.get(link, headers={"Accept-Encoding": "identity"})
        packed = client.get(link, headers={"Accept-Encoding": "gzip"})
        assert plain.content == packed.content
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert "immutable" in plain.headers["cache-control"]
    stale = client.get(links[0].partition("?")[0] + "?v=0")
    assert stale.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["nothing.js", "..%2fapp.py", "%2e%2e/app.py", "door.js"])
def test_nothing_else_of_the_folder_is_given(serve, name):
    assert serve().get(f"/assets/{name}").status_code == 404


def test_what_is_no_id_has_no_page(serve):
    assert serve().get("/annotations/..%2f..%2fetc").status_code in (404, 422)


def test_a_page_can_only_be_got(serve):
    answer = serve().post("/")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"
