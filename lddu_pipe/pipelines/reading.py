"""Many short texts in one pass of the networks, beside whatever else the pipeline does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from lddu_pipe.annotation import Annotation
from lddu_pipe.errors import LdduPipeError, UnusableInputError
from lddu_pipe.pipelines.annotate import EmotionPipeline
from lddu_pipe.pipelines.conversation import Conversation
from lddu_pipe.pipelines.samples import look_up, make_sample, read_and_listen
from lddu_pipe.pipelines.sources import Source, open_memory
from lddu_pipe.predictions import Prediction
from lddu_pipe.segmentation import segment


def read_texts(
    pipeline: EmotionPipeline, texts: Sequence[str]
) -> list[Annotation | LdduPipeError]:
    """Annotate texts together; each gets what it would get alone, beyond rounding.

    Media that the pipeline annotates in another thread need not end first.

    Args:
        pipeline: whose networks are used.
        texts: what somebody said or wrote.

    Returns:
        An annotation for each text, or the error that stands in its place.

    Raises:
        MissingAssetError: the text encoder's weights are not on this machine.
        IncompatibleModelError: the model was trained on other features.
    """
    sources = [_open(pipeline, text) for text in texts]
    good = [item for item in sources if isinstance(item, Source)]
    extractors = pipeline.extractors.beside()
    cut = [
        [
            replace(utterance, kind=source.info.kind(utterance.kind))
            for utterance in segment(
                source.transcript,
                0.0,
                window=pipeline.settings.window,
                max_duration=pipeline.settings.max_duration,
                cover_silence=False,
            )
        ]
        for source in good
    ]
    placed = chain.from_iterable(
        Conversation().place(utterances, extractors.reads) for utterances in cut
    )
    found = iter(read_and_listen(extractors, list(placed), None))
    samples = [
        make_sample(
            utterance,
            next(found) | {"vision": look_up(None, utterance)},
            source.missing,
            aligned=pipeline.settings.aligned,
        )
        for source, utterances in zip(good, cut, strict=True)
        for utterance in utterances
    ]
    predictions = iter(pipeline.predictor.predict(samples))
    by_source: dict[int, list[Prediction]] = {
        id(source): [next(predictions) for _ in utterances]
        for source, utterances in zip(good, cut, strict=True)
    }
    return [
        Annotation(
            media=source.info,
            model=pipeline.model_info,
            utterances=by_source[id(source)],
            provenance=pipeline.provenance(source.transcript, extractors),
        )
        if isinstance(source, Source)
        else source
        for source in sources
    ]


def _open(pipeline: EmotionPipeline, text: str) -> Source | UnusableInputError:
    try:
        return open_memory(text, None, None, pipeline.settings)
    except UnusableInputError as error:
        return error
