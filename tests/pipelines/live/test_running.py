"""Which result takes whose place, and who is told of events."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.events import StreamEnded, UnitClosed, UnitJudged, WordsHeard, annotation_of
from lddu_pipe.pipelines.live.outbox import MOST_PASSING, Outbox
from lddu_pipe.pipelines.live.running import LONGEST, Running
from lddu_pipe.predictions import Prediction
from lddu_pipe.types import TimeSpan, Utterance, Word


class Judge:
    """Says nothing of whatever it is asked about."""

    def glance(self, utterances):
        return [Prediction(item, (), {}) for item in utterances]


def running(shown=(), speaker=None):
    people = SimpleNamespace(in_view=lambda span: list(shown), speaker=lambda span: speaker)
    return Running(Judge(), people)  # type: ignore[arg-type]


def final(run, number, start, end, kind="speech", person=None):
    utterance = Utterance(f"{number:04d}", TimeSpan(start, end), kind=kind, person=person)
    return run.final(Prediction(utterance, (), {}))


def test_each_running_result_names_the_one_before_and_the_final_one_the_last():
    run = running(speaker="p1")
    told = [run.results(0.0, TimeSpan(1.0, now), ())[0] for now in (1.5, 2.0, 2.5)]
    assert [item.prediction.utterance.id for item in told] == ["~0", "~1", "~2"]
    assert [item.replaces for item in told] == [None, "~0", "~1"]
    assert not any(item.final for item in told)
    done = final(run, 0, 0.9, 2.4, person="p1")
    assert (done.final, done.replaces) == (True, "~2")
    (after,) = run.results(0.0, TimeSpan(1.0, 3.0), ())
    assert after.replaces is None
    assert after.prediction.utterance.span == TimeSpan(2.4, 3.0)


def test_everybody_in_view_has_results_of_their_own():
    run = running(shown=("p1", "p2"), speaker="p2")
    first = run.results(5.0, TimeSpan(4.0, 5.0), (Word("Hi", TimeSpan(4.1, 4.3)),))
    then = run.results(5.5, TimeSpan(4.0, 5.5), ())
    assert [(x.prediction.utterance.person, x.prediction.utterance.kind) for x in first] == [
        ("p2", "speech"),
        ("p1", "silence"),
    ]
    assert [item.replaces for item in then] == ["~0", "~1"]
    assert final(run, 0, 3.0, 6.0, "silence", "p1").replaces == "~3"
    assert final(run, 1, 4.0, 5.4, "speech", "p2").replaces == "~2"


def test_a_final_result_may_know_better_whose_it_is_and_names_nothing_twice():
    run = running()
    run.results(0.0, TimeSpan(1.0, 2.0), ())
    assert final(run, 0, 1.0, 2.0, person="p1").replaces == "~0"
    assert final(run, 1, 1.5, 2.5, person="p1").replaces is None


def test_what_came_to_nothing_is_replaced_by_what_comes_next():
    run = running(shown=("p1",))
    run.results(1.0, None, ())
    final(run, 0, 2.0, 3.0, "silence", "p1")
    (after,) = run.results(9.0, None, ())
    assert after.replaces == "~0"


def test_running_results_tell_of_a_few_seconds_at_most():
    run = running(speaker="p1")
    (told,) = run.results(0.0, TimeSpan(0.0, 40.0), ())
    assert told.prediction.utterance.span.duration == LONGEST


def ended():
    return StreamEnded(None)  # type: ignore[arg-type]


def test_events_are_taken_without_blocking_a_loop():
    outbox, ticks = Outbox(), []

    async def take():
        async def tick():
            while True:
                ticks.append(1)
                await asyncio.sleep(0.005)

        beside = asyncio.create_task(tick())
        events = [event async for event in outbox]
        beside.cancel()
        return events

    def give():
        for number in range(3):
            outbox.put(WordsHeard(until=float(number)))
            threading.Event().wait(0.02)
        outbox.put(ended())

    thread = threading.Thread(target=give)
    thread.start()
    with ThreadPoolExecutor(1) as pool:  # in this thread another loop may run
        events = pool.submit(asyncio.run, take()).result()
    thread.join()
    assert [event.until for event in events[:-1]] == [0.0, 1.0, 2.0]
    assert isinstance(events[-1], StreamEnded)
    assert len(ticks) > 3
    assert list(outbox) == []  # there is one row of events


def test_where_nobody_takes_events_results_stay_and_the_rest_is_bounded():
    outbox = Outbox()
    for number in range(3 * MOST_PASSING):
        outbox.put(WordsHeard(until=float(number)))
        if number % 100 == 0:
            outbox.put(UnitClosed(Utterance(str(number), TimeSpan(0, 1))))
    outbox.put(ended())
    events = list(outbox)
    assert sum(isinstance(event, UnitClosed) for event in events) == 8
    heard = [event.until for event in events if isinstance(event, WordsHeard)]
    assert heard == [float(number) for number in range(2 * MOST_PASSING, 3 * MOST_PASSING)]


def test_what_went_wrong_is_raised_where_events_are_taken():
    outbox = Outbox()
    outbox.put(WordsHeard())
    outbox.fail(UnusableInputError("broken"))
    events = iter(outbox)
    next(events)
    with pytest.raises(UnusableInputError, match="broken"):
        next(events)


def test_an_annotation_keeps_final_results_alone(sample):
    from lddu_pipe.events import StreamOpened

    judged = [UnitJudged(item) for item in sample.utterances]
    glance = UnitJudged(sample.utterances[0], final=False)
    opened = StreamOpened(sample.media, sample.model, {})
    found = annotation_of([opened, glance, *judged, StreamEnded(sample.provenance, duration=99.0)])
    assert found.utterances == list(sample.utterances)
    assert found.media.duration == 99.0
