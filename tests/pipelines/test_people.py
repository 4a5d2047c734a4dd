"""Who was seen, when and where, out of the frames of a stream."""

from __future__ import annotations

import numpy as np
import pytest

from lddu_pipe.events import FacesSeen
from lddu_pipe.evidence import ModalitySequence
from lddu_pipe.extractors.base import Box
from lddu_pipe.extractors.orientation import turned, turned_back
from lddu_pipe.extractors.vision import share_of
from lddu_pipe.pipelines.people import FollowedFace

HERE: Box = (0.1, 0.2, 0.3, 0.4)
THERE: Box = (0.5, 0.2, 0.7, 0.4)


def seen(times: list[float], boxes: list[Box | None], length: float = 0.1) -> FacesSeen:
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
    return FacesSeen(steps, times[-1], tuple(boxes))


def test_a_face_has_a_box_at_even_times_from_the_first_to_the_last() -> None:
    face = FollowedFace(10.0)
    assert (face.people, face.faces, face.person) == ((), (), None)
    # Frames come a little early and late, one is missing, and there is nobody at either end.
    face.add(seen([0.0, 0.11, 0.19], [None, HERE, HERE]))
    face.add(seen([0.42, 0.5, 0.6], [THERE, None, THERE]))
    face.add(seen([0.7], [None]))
    face.add(FacesSeen(None, 9.0))
    (person,), (found,) = face.people, face.faces
    assert (person.id, found.id, found.person) == ("p1", "f1", "p1")
    assert person.seconds_visible == pytest.approx(0.4)
    assert (found.start, found.fps) == (0.11, 10.0)
    assert found.boxes == (HERE, HERE, None, THERE, None, THERE)


def test_one_frame_is_one_box_and_frames_without_boxes_are_nobody() -> None:
    face = FollowedFace(10.0)
    face.add(FacesSeen(seen([0.0, 0.1], [HERE, HERE]).steps, 0.2))
    assert face.people == ()
    face.add(seen([3.0], [HERE]))
    assert face.faces[0].boxes == (HERE,)


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
