"""Where a face was, and what is said of the largest one."""

from __future__ import annotations

import numpy as np
import pytest

from lddu_pipe.events import FacesSeen, FollowedFace
from lddu_pipe.evidence import ModalitySequence
from lddu_pipe.extractors.orientation import turned, turned_back
from lddu_pipe.extractors.vision import share_of
from lddu_pipe.pipelines.people import LargestFace
from lddu_pipe.pipelines.people.boxes import Boxes
from lddu_pipe.types import Box, TimeSpan

HERE: Box = (0.125, 0.25, 0.375, 0.5)
THERE: Box = (0.5, 0.25, 0.75, 0.5)


def seen(times: list[float], boxes: list[Box | None], length: float = 0.1) -> FollowedFace:
    spans = np.array([[time, time + length] for time in times])
    valid = np.array([box is not None for box in boxes])
    values = np.zeros((len(times), 1), np.float32)
    steps = ModalitySequence(
        modality="vision",
        values=values,
        spans=spans,
        valid=valid,
        feature_names=("x",),
        fingerprint="vision:0",
    )
    return FollowedFace(0, steps, tuple(boxes))


def test_a_face_has_a_box_at_even_times_from_the_first_to_the_last() -> None:
    boxes = Boxes(10.0)
    # Frames come a little early and late, one is missing, and there is nobody at either end.
    boxes.add(seen([0.0, 0.11, 0.19], [None, HERE, HERE]))
    boxes.add(seen([0.42, 0.5, 0.6], [THERE, None, THERE]))
    boxes.add(seen([0.7], [None]))
    found = boxes.face("f3", "p2")
    assert (found.id, found.person, found.still) == ("f3", "p2", False)
    assert boxes.visible == pytest.approx(0.4)
    assert (found.start, found.fps) == (0.11, 10.0)
    assert found.boxes == (HERE, HERE, None, THERE, None, THERE)
    spans = [(0.0, 0.1), (0.1, 0.15), (0.25, 0.4), (0.45, 0.55), (0.6, 9.0), (0.65, 9.0)]
    shown = [boxes.shown(TimeSpan(*span)) for span in spans]
    assert shown == [False, True, False, False, True, False]


def test_one_frame_is_one_box_and_frames_without_boxes_are_nobody() -> None:
    largest = LargestFace(10.0)
    largest.see(FacesSeen((FollowedFace(0, seen([0.0, 0.1], [HERE, HERE]).steps),), 0.2))
    assert (largest.people, largest.faces) == ((), ())
    largest.see(FacesSeen((seen([3.0], [HERE]),), 3.1))
    (person,), (face,) = largest.people, largest.faces
    assert (person.id, face.id, face.person, face.boxes) == ("p1", "f1", "p1", (HERE,))


@pytest.mark.parametrize("turns", range(4))
def test_a_box_in_a_turned_picture_is_one_in_the_picture_as_it_is(turns: int) -> None:
    image = np.zeros((40, 100, 3), np.uint8)
    image[4:8, 10:30] = 255
    upright = turned(image, turns)
    rows, columns = np.nonzero(upright[..., 0])
    edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    box = share_of(tuple(map(float, edges)), upright.shape[:2])
    assert turned_back(box, turns) == pytest.approx((0.1, 0.1, 0.3, 0.2))


def test_what_reaches_outside_of_a_picture_is_cut() -> None:
    assert share_of((-5.0, 10.0, 50.0, 120.0), (100, 50)) == (0.0, 0.1, 1.0, 1.0)
