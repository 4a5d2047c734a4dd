from __future__ import annotations

import io
import random
import warnings
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import image
from matplotlib.colors import to_rgb

from lddu_pipe.predictions import Uncertainty
from lddu_pipe.writers.charts import AMBER, ORANGE
from lddu_pipe.writers.formats import FORMATS
from lddu_pipe.writers.terminal import HIGH_EPISTEMIC

WRITER = FORMATS["png"]


def pixels(content: bytes):
    """(height, width, 3) in 0..1, without a warning while it was drawn."""
    return image.imread(io.BytesIO(content))[:, :, :3]


def columns(content: bytes, colour: str):
    """Which columns of the picture have the colour."""
    return np.isclose(pixels(content), to_rgb(colour), atol=0.01).all(axis=2).any(axis=0)


@pytest.fixture
def hour(make_annotation, predict):
    """500 utterances of an hour."""
    chance = random.Random(1)
    return make_annotation(
        [
            predict(
                f"{number:04}",
                7.2 * number,
                7.2 * number + 6,
                "",
                [chance.random() ** 2 for _ in range(6)],
                abstained=chance.random() < 0.1,
            )
            for number in range(500)
        ],
        duration=3600.0,
    )


@pytest.mark.slow
def test_pictures_are_as_wide_as_charts_and_the_same_twice(make_annotation, hour):
    for annotation in (make_annotation(), hour, make_annotation(utterances=())):
        content = WRITER.render(annotation)
        height, width, _ = pixels(content).shape
        assert (width, height > 600) == (1350, True)
        assert WRITER.render(annotation) == content


def test_a_bar_stands_where_its_utterance_is(make_annotation, predict):
    happy = (0.9, 0.1, 0.1, 0.1, 0.1, 0.1)

    def edges(start, end):
        annotation = make_annotation([predict("0", start, end, "", happy)], duration=12.0)
        (there,) = columns(WRITER.render(annotation), AMBER).nonzero()
        return there[0], there[-1]

    left, right = edges(0.0, 12.0)
    first, last = edges(6.0, 9.0)
    assert first == pytest.approx(left + (right - left) * 6 / 12, abs=2)
    assert last == pytest.approx(left + (right - left) * 9 / 12, abs=2)


def test_high_uncertainty_is_marked(make_annotation, predict):
    calm = predict("0", 0.0, 6.0, "", (0.1,) * 6)
    doubt = Uncertainty(0.2, HIGH_EPISTEMIC)
    unsure = replace(
        calm, emotions=tuple(replace(score, uncertainty=doubt) for score in calm.emotions)
    )
    orange = [
        columns(WRITER.render(make_annotation([prediction], duration=12.0)), ORANGE).sum()
        for prediction in (calm, unsure)
    ]
    assert orange[1] > orange[0] + 400


@pytest.mark.parametrize("path", ["日本の話し.mp4", "$x^2$ & <b>.wav", "", "n" * 300])
def test_any_name_is_drawn_without_a_warning(make_annotation, path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        WRITER.render(make_annotation(path=path))


def test_text_and_stills_show_utterances_in_place_of_time(make_annotation, predict):
    still = predict("0000", 0.0, 0.0, "", (0.9, 0.1, 0.1, 0.1, 0.1, 0.1))
    happy = columns(WRITER.render(make_annotation([still], duration=0.0)), AMBER)
    assert happy.sum() > 1000
