"""From rows of a manifest to samples: each row is one utterance, cut and labelled already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.annotation import Annotation, SourceInfo
from lddu_pipe.datasets.manifest import ManifestRow
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.evidence import Absent, Evidence, Example, Reason, evidence_of
from lddu_pipe.extractors.features import FeatureSet
from lddu_pipe.files import sha256_of_file
from lddu_pipe.media import decode_audio, decode_frames, probe
from lddu_pipe.pipelines.annotate import EmotionPipeline
from lddu_pipe.pipelines.conversation import said_before
from lddu_pipe.pipelines.samples import look_up, make_sample, show_throughout
from lddu_pipe.pipelines.settings import ONE_FACE_SIDE, PipelineSettings
from lddu_pipe.pipelines.tracks import choose_tracks
from lddu_pipe.training.progress import ProgressCallback, ignore
from lddu_pipe.transcripts import parse_text, read_transcript
from lddu_pipe.types import (
    MODALITIES,
    Kind,
    Media,
    Modality,
    TimeSpan,
    Transcript,
    Utterance,
    Word,
)

Found = dict[Modality, Evidence]


def samples_of_rows(
    features: FeatureSet,
    settings: PipelineSettings,
    rows: Sequence[ManifestRow],
    progress: ProgressCallback,
) -> Iterator[Example | str]:
    """One sample a row, or why there is none; each extractor sees many rows at once.

    Only the modalities that a row names are used: nothing is transcribed.

    Args:
        features: loaded as they are needed.
        settings: how media are cut and read.
        rows: of a manifest.
        progress: called with each stage and the share of it that is done.
    """
    found: list[Found | str] = []
    utterances: list[Utterance] = []
    for index, row in enumerate(rows):
        progress("look and listen", index / len(rows))
        try:
            utterance, media = _open(row, settings)
            found.append(_heard_and_seen(features, settings, row, utterance, media))
        except UnusableInputError as error:
            utterance = Utterance(row.id, TimeSpan(0.0, 0.0))
            found.append(str(error))
        utterances.append(utterance)
    _add_stills(features, settings, rows, utterances, found, progress)
    _add_texts(features, utterances, found, progress)
    for utterance, item in zip(utterances, found, strict=True):
        if isinstance(item, str):
            yield item
        else:
            yield make_sample(utterance, item, {}, aligned=settings.aligned)


def annotate_row(pipeline: EmotionPipeline, row: ManifestRow) -> Annotation:
    """Annotate one row.

    A row that names one file, all of it, is annotated as the file itself, and so cut into
    utterances, with words recognised where it brings none. A row with a start or an end, a face
    that is cut out, or sound apart from its pictures is one utterance, of which only what it names
    is used.

    Raises:
        UnusableInputError: the row's file cannot be used.
    """
    given = [path for path in (row.video, row.audio, row.image) if path is not None]
    cut = row.start is not None or row.end is not None or row.face_crop
    if not given:
        if row.transcript is not None:
            return pipeline(row.transcript, context=row.context or ())
        return pipeline(text=row.text or "", context=row.context or ())
    if len(given) == 1 and not cut:
        words: Path | Transcript | None = row.transcript
        if words is None and row.text is not None and row.text.strip():
            words = parse_text(row.text)
        return pipeline(given[0], transcript=words, context=row.context or ())
    pipeline.extractors.used_weights.clear()
    (sample,) = samples_of_rows(pipeline.extractors, pipeline.settings, [row], ignore)
    if isinstance(sample, str):
        raise UnusableInputError(sample)
    media = [choose_tracks(path, pipeline.settings) for path in given]
    info = SourceInfo(
        str(given[0]),
        sha256_of_file(given[0]),
        media[0].duration,
        has_audio=any(item.audio is not None for item in media),
        has_video=any(item.video is not None for item in media),
    )
    heard: Kind = "sound" if "audio" in sample.sequences else "silence"
    kind = info.kind("speech" if sample.utterance.words else heard)
    return Annotation(
        media=info,
        model=pipeline.model_info,
        utterances=pipeline.predictor.predict(
            [replace(sample, utterance=replace(sample.utterance, kind=kind, context=()))]
        ),
        provenance=pipeline.provenance(None, media=media[0]),
    )


def _open(row: ManifestRow, settings: PipelineSettings) -> tuple[Utterance, dict[str, Media]]:
    """The utterance a row speaks of, and the media it names."""
    media = {
        name: choose_tracks(path, settings)
        for name, path in (("video", row.video), ("audio", row.audio))
        if path is not None
    }
    longest = max((item.duration for item in media.values()), default=0.0)
    span = TimeSpan(row.start or 0.0, longest if row.end is None else row.end)
    words, context = _words(row, span, settings.tiers, timed=bool(media))
    text = " ".join(word.text for word in words)
    given = context if row.context is None else row.context
    return Utterance(row.id, span, text, words, row.speaker, context=given), media


def _words(
    row: ManifestRow, span: TimeSpan, tiers: Sequence[str], *, timed: bool
) -> tuple[tuple[Word, ...], tuple[str, ...]]:
    """The words of a row, and what its transcript says before them."""
    if row.transcript is not None:
        transcript = read_transcript(row.transcript, tiers)
        if transcript.timed and row.start is not None:
            words = tuple(word for word in transcript.words if word.span.middle in span)
            return words, said_before(transcript.cues, row.start)
    elif row.text is not None and row.text.strip():
        transcript = parse_text(row.text)
    else:
        return (), ()
    words = transcript.words
    if transcript.timed or not timed or not words:
        return words, ()
    # Plain text beside media is spread over the utterance: its own times are places in the text.
    scale = span.duration / max(words[-1].span.end, 1e-9)
    spread = tuple(
        Word(
            word.text,
            TimeSpan(span.start + word.span.start * scale, span.start + word.span.end * scale),
        )
        for word in words
    )
    return spread, ()


def _heard_and_seen(
    features: FeatureSet,
    settings: PipelineSettings,
    row: ManifestRow,
    utterance: Utterance,
    media: dict[str, Media],
) -> Found:
    """Sound and moving pictures of one row; stills and words come later, many rows at once."""
    found: Found = dict.fromkeys(MODALITIES, Absent(Reason.NOT_IN_ROW))
    span = utterance.span
    sound = media.get("audio") or media.get("video")
    if sound is not None and sound.audio is not None:
        sequence = features.audio.extract(decode_audio(sound, span=span), span.start)
        found["audio"] = evidence_of(sequence, Reason.SILENCE)
    video = media.get("video")
    if video is not None and video.video is not None:
        frames = decode_frames(video, settings.fps, settings.max_side or ONE_FACE_SIDE, span)
        vision = features.vision.extract(frames, span.end, face_crops=row.face_crop)
        found["vision"] = look_up(vision, utterance)
    return found


def _add_stills(
    features: FeatureSet,
    settings: PipelineSettings,
    rows: Sequence[ManifestRow],
    utterances: Sequence[Utterance],
    found: list[Found | str],
    progress: ProgressCallback,
) -> None:
    """Fill in the vision of rows with an image, keeping those whose image cannot be read apart."""
    for face_crops in (False, True):
        chosen = [
            index
            for index, row in enumerate(rows)
            if row.image is not None
            and row.face_crop == face_crops
            and not isinstance(found[index], str)
        ]
        readable: list[int] = []

        def images(
            wanted: list[int] = chosen, usable: list[int] = readable
        ) -> Iterator[NDArray[np.uint8]]:
            for count, index in enumerate(wanted):
                progress("look at faces", count / len(wanted))
                try:
                    image = _read_image(rows[index].image, settings.max_side or ONE_FACE_SIDE)
                except UnusableInputError as error:
                    found[index] = str(error)
                else:
                    usable.append(index)
                    yield image

        if not chosen:
            continue
        sequences = features.vision.extract_stills(images(), face_crops=face_crops)
        for index, sequence in zip(readable, sequences, strict=True):
            item = found[index]
            if not isinstance(item, str):
                still = show_throughout(sequence, utterances[index])
                item["vision"] = evidence_of(still, Reason.NO_FACE)


def _read_image(path: Path | None, max_side: int) -> NDArray[np.uint8]:
    if path is None:
        raise ValueError("the row has no image")
    media = probe(path)
    frames = decode_frames(media, 1.0, max_side)
    try:
        return next(frames).image
    finally:
        frames.close()


def _add_texts(
    features: FeatureSet,
    utterances: Sequence[Utterance],
    found: list[Found | str],
    progress: ProgressCallback,
) -> None:
    chosen = [index for index, utterance in enumerate(utterances) if utterance.words]
    for block in _blocks(chosen, 256):
        progress("read", block[0] / len(utterances))
        sequences = features.text.extract([utterances[index] for index in block])
        for index, sequence in zip(block, sequences, strict=True):
            item = found[index]
            if not isinstance(item, str):
                item["text"] = evidence_of(sequence, Reason.NO_WORDS)


def _blocks(items: Sequence[int], size: int) -> Iterable[Sequence[int]]:
    return (items[begin : begin + size] for begin in range(0, len(items), size))
