"""A live session of a pipeline: what it takes, and the networks that it shares."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.pipelines.judging import Means
from lddu_pipe.pipelines.live.session import Live
from lddu_pipe.pipelines.live.studio import Studio
from lddu_pipe.types import Modality

if TYPE_CHECKING:
    from lddu_pipe.pipelines.annotate import EmotionPipeline


def open_session(
    pipe: EmotionPipeline,
    *,
    audio_rate: int | None,
    camera: bool,
    people: int | None,
    context: Sequence[str],
) -> Live:
    """Begin a session; see `EmotionPipeline.live`."""
    if isinstance(context, str):
        raise TypeError("context is a list of lines, not one text")
    if audio_rate is None and not camera:
        raise UnusableInputError("a live session takes a microphone, a camera or both")
    other = copy(pipe)  # with settings of its own
    if people is not None:
        try:
            other.settings = replace(pipe.settings, people=people)
        except ValueError as error:
            raise UnusableInputError(str(error)) from None
    missing: dict[Modality, Absent] = {}
    if audio_rate is None:
        missing["audio"] = Absent(Reason.SOUND_NOT_GIVEN)
    if not camera:
        missing["vision"] = Absent(Reason.PICTURES_NOT_GIVEN)
    missing |= pipe.checkpoint.not_taken
    if audio_rate is None:
        missing["text"] = Absent(Reason.NO_SOUND_TO_RECOGNISE)
    with pipe.loading:
        pipe.extractors.warm_up(sound=audio_rate is not None, pictures=camera)
        extractors = pipe.extractors.beside()
    return Live(
        Studio(
            Means(extractors, pipe.predictor, other.settings),
            pipe.model_info,
            missing,
            lambda said, notes: other.provenance(said, extractors, people=notes),
            audio_rate=audio_rate,
            camera=camera,
            context=context,
        )
    )
