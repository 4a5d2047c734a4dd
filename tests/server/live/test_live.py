"""The WebSocket of live sessions: what goes in, what comes out, and how it ends."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from lddu_pipe.annotation import Annotation
from lddu_pipe.errors import MissingAssetError, UnusableInputError
from lddu_pipe.server.limits import LiveLimits
from tests.server.live.clients import SECOND, frame, picture, sound

TOKEN, OTHER = "a-token-of-the-tests", "another-token-of-the-tests"


def test_sound_and_pictures_go_in_and_results_come_out(serve, call, lives):
    client = serve()
    client.loaded()
    with call(client) as caller:
        ready = caller.open(people=2, context=["Hello."])
        assert ready["seconds"] == 3600
        assert lives.last.opening.people == 2
        assert lives.last.opening.context == ["Hello."]
        caller.send(sound(5.0))
        assert caller.next("judged")["utterance"]["id"] == "~0"
        words = caller.next("words")
        assert [word["text"] for word in words["words"]] == ["word 0"]
        assert caller.next("closed")["utterance"]["text"] == "word 0"
        final = caller.next("judged")
        assert (final["final"], final["replaces"]) == (True, "~0")
        assert final["utterance"]["emotions"][0]["probability"] == 0.81
        caller.send(frame(3, 5.5, picture()))
        face = caller.next("faces")["faces"][0]
        assert (face["person"], face["boxes"]) == ("p1", [[0.1, 0.2, 0.3, 0.5]])
        status = caller.next("status")
        assert (status["dropped"], status["delay"]) == (0.25, 0.4)
        caller.say("end")
        ended = caller.next("ended")
        assert (ended["why"], ended["duration"]) == ("asked", 1.0)
        assert [person["id"] for person in ended["people"]] == ["p1"]
        assert caller.closed()[0] == 1000
    (at, samples), (seen_at, image) = lives.last.heard[0], lives.last.seen[0]
    assert (at, seen_at, samples.shape) == (5.0, 5.5, (16_000, 1))
    assert image.shape == (48, 64, 3)
    assert abs(image.astype(int) - (200, 20, 20)).max() < 6
    assert lives.last.left


def test_sound_is_read_as_the_header_says(serve, call, lives):
    client = serve()
    client.loaded()
    stereo = np.array([[0.5, -0.5], [1.0, 0.0]], np.float32)
    with call(client) as caller:
        caller.open()
        caller.send(frame(2, 1.0, stereo.tobytes(), channels=2))
        caller.send(sound(2.0, np.array([1, -2, 3], np.int16)))
        caller.send(frame(4, 3.0, picture(kind="WEBP")))
        caller.next("faces")
    assert np.array_equal(lives.last.heard[0][1], stereo)
    assert lives.last.heard[1][1].tolist() == [[1], [-2], [3]]


def test_a_session_is_saved_and_reviewed_as_any_other(serve, call, tmp_path):
    client = serve(tokens=(TOKEN, OTHER))
    client.loaded()
    with call(client) as caller:
        caller.open(token=TOKEN, keep=True, label="Interview with Ana")
        caller.send(sound(0.0))
        caller.say("end")
        caller.next("ended")
        caller.say("save", label="Ana\N{RIGHT-TO-LEFT OVERRIDE}")
        item = caller.next("saved")["id"]
        assert caller.closed()[0] == 1000
    found = Annotation.from_json(client.get(f"/v1/annotations/{item}").content, "it")
    assert [one.text for one in found.utterances] == ["word 0"]
    assert (found.media.duration, found.media.path) == (1.0, "Ana\\u202e")
    (listed,) = client.get("/v1/annotations").json()["items"]
    assert (listed["id"], listed["media"]) == (item, False)
    verdict = {"utterance": "0000", "labels": [], "reviewer": "Ana"}
    assert client.post(f"/v1/annotations/{item}/corrections", json=verdict).status_code == 201
    theirs = {"Authorization": f"Bearer {OTHER}"}
    assert client.get(f"/v1/annotations/{item}", headers=theirs).status_code == 404
    files = {path.name for path in (tmp_path / "data" / "jobs" / item).iterdir()}
    assert files == {"result.json"}
    assert client.delete(f"/v1/jobs/{item}").status_code == 204
    assert not (tmp_path / "data" / "jobs" / item).exists()


def test_nothing_is_kept_unless_it_is_saved(serve, call, tmp_path):
    client = serve()
    client.loaded()
    before = sorted(tmp_path.rglob("*"))
    with call(client) as caller:
        caller.open(keep=True)
        caller.send(sound(0.0))
        caller.send(frame(3, 0.5, picture()))
        caller.say("end")
        caller.next("ended")
    assert sorted(tmp_path.rglob("*")) == before
    assert client.get("/v1/annotations").json()["items"] == []


def test_the_token_comes_first_and_wrong_ones_are_counted(serve, call, lives):
    client = serve(tokens=(TOKEN,), refusals=3)
    client.loaded()
    for _ in range(3):
        with call(client) as caller:
            caller.say("open", token="wrong", audio_rate=16_000)
            assert caller.closed()[0] == 4401
    with call(client) as caller:
        caller.say("open", token=TOKEN, audio_rate=16_000)
        assert caller.closed()[0] == 4429
    assert client.get("/v1/jobs").status_code == 429  # one count for both ways
    assert not lives.made


def test_a_session_waits_for_the_model(serve, call, annotator, lives):
    annotator.loading = threading.Event()
    client = serve()
    with call(client) as caller:
        caller.say("open", audio_rate=16_000)
        assert caller.closed()[0] == 4503
    annotator.loading.set()
    client.loaded()
    for error, code in (
        (MissingAssetError("/srv/secret/weights are missing"), 4503),
        (UnusableInputError("neither microphone nor camera"), 4400),
        (ValueError("what somebody said"), 4500),
    ):
        lives.error = error
        with call(client) as caller:
            caller.say("open")
            found, reason = caller.closed()
        assert found == code
        assert "secret" not in reason
        assert "somebody" not in reason


def test_sessions_are_counted_for_each_and_for_all(serve, call):
    limits = LiveLimits(sessions=3, each=2)
    client = serve(tokens=(TOKEN, OTHER), live=limits)
    client.loaded()

    def refused(token: str) -> bool:
        with call(client) as caller:
            caller.say("open", token=token, audio_rate=16_000)
            return caller.receive_or_close() == 4429

    with call(client) as one, call(client) as two, call(client) as three:
        one.open(token=TOKEN)
        two.open(token=TOKEN)
        assert refused(TOKEN)
        three.open(token=OTHER)
        assert refused(OTHER)
        two.say("end")
        assert two.closed()[0] == 1000
        assert not refused(OTHER)
    assert "lddu_pipe_live_sessions 0.0" in client.get("/metrics").text
    assert 'lddu_pipe_live_ended_total{code="4429"} 2.0' in client.get("/metrics").text


@pytest.mark.parametrize(
    ("limits", "why"),
    [({"duration": 0.3}, "time"), ({"idle": 0.3}, "idle")],
)
def test_a_session_has_an_end(serve, call, lives, limits, why):
    client = serve(live=LiveLimits(**limits))
    client.loaded()
    with call(client) as caller:
        caller.open()
        caller.send(sound(0.0, SECOND[:160]))
        assert caller.next("ended")["why"] == why
        assert caller.closed()[0] == 1000
    assert lives.last.left


def test_a_first_message_that_does_not_come_ends_it(serve, call):
    client = serve(live=LiveLimits(opening=0.2))
    with call(client) as caller:
        assert caller.closed()[0] == 4408
