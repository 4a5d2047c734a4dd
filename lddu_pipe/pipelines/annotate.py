"""From media to an annotation: the pipeline object."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lddu_pipe.annotation import Annotation, ModelInfo, Provenance
from lddu_pipe.errors import IncompatibleModelError, MissingAssetError, UnusableInputError
from lddu_pipe.media import Frame, find_ffmpeg, version_of
from lddu_pipe.media import Sound as Heard
from lddu_pipe.pipelines.checkpoint import Checkpoint, load_checkpoint
from lddu_pipe.pipelines.components import Extractors, choose_device
from lddu_pipe.pipelines.looking import Looking
from lddu_pipe.pipelines.predict import NOT_TAKEN, Predictor
from lddu_pipe.pipelines.samples import (
    NO_SPEECH,
    look_up,
    make_sample,
    read_and_listen,
    show_throughout,
)
from lddu_pipe.pipelines.settings import Hook, PipelineSettings
from lddu_pipe.pipelines.sources import Pictures, Sound, Source, open_file, open_memory
from lddu_pipe.pipelines.voices import together
from lddu_pipe.segmentation import segment
from lddu_pipe.transcripts import read_transcript
from lddu_pipe.types import (
    MODALITIES,
    Media,
    Modality,
    ModalitySequence,
    Transcript,
    Utterance,
)

logger = logging.getLogger(__name__)

VERSIONED = ("lddu-pipe", "torch", "transformers", "faster-whisper", "mediapipe", "soxr")


class EmotionPipeline:
    """Media, text or arrays in; emotions with calibrated probabilities out.

    Weights of an extractor are loaded when its modality is first met, once. Several threads may
    use one pipeline: their inputs are annotated one after the other, each with all processors.

    Example:
        >>> from lddu_pipe import EmotionPipeline
        >>> pipe = EmotionPipeline.from_pretrained()
        >>> pipe(text="What wonderful news!").utterances[0].present[0].label
        'happy'
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str = "auto",
        offline: bool = False,
        settings: PipelineSettings | None = None,
        text_encoder: str | Path | None = None,
        audio_encoder: str | Path | None = None,
    ) -> None:
        """Use a checkpoint that is in memory; most callers want `from_pretrained`."""
        self.checkpoint = checkpoint
        self.settings = settings or PipelineSettings(
            aligned=not checkpoint.config.accepts(aligned=False)
        )
        self._check_alignment(self.settings)
        self._offline = offline
        given: dict[Modality, str | Path | None] = {"text": text_encoder, "audio": audio_encoder}
        self._places = {name: place for name, place in given.items() if place is not None}
        self._busy = threading.RLock()
        self.to(device)

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path = "lddu-base-en",
        *,
        device: str = "auto",
        offline: bool = False,
        settings: PipelineSettings | None = None,
        text_encoder: str | Path | None = None,
        audio_encoder: str | Path | None = None,
    ) -> EmotionPipeline:
        """Load a checkpoint.

        Args:
            model: the name of a checkpoint that ships, the folder of one, or ``user/model`` or
                ``user/model@revision`` on the Hugging Face hub, which is downloaded where it is
                not in the cache. A folder of that name wins, and a `Path` is always a folder.
            device: "auto", "cpu", "cuda" or "mps".
            offline: never look for weights beyond this machine.
            settings: how media are cut and read.
            text_encoder: where on this machine the text encoder is that the model was trained
                with: a folder, or an id on the Hugging Face hub for one that came from there. By
                default it is looked for where it was then. One with other content is refused.
            audio_encoder: the same for the audio encoder.

        Raises:
            MissingAssetError: there is no such model, or it cannot be downloaded.
            IncompatibleModelError: the checkpoint is damaged.
            UnusableInputError: the device is not on this machine.
        """
        return cls(
            load_checkpoint(model, offline=offline),
            device=device,
            offline=offline,
            settings=settings,
            text_encoder=text_encoder,
            audio_encoder=audio_encoder,
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions this pipeline knows, in order."""
        return self.checkpoint.config.labels

    def to(self, device: str) -> EmotionPipeline:
        """Move to "cpu", "cuda", "mps" or the best there is ("auto"); returns the pipeline.

        Raises:
            UnusableInputError: the device is not on this machine.
        """
        self.device = choose_device(device)
        self.extractors = Extractors(
            self.checkpoint.parts,
            self.device,
            offline=self._offline,
            places=self._places,
            recogniser=self.settings.recogniser,
        )
        self.extractors.find_recogniser()
        self.predictor = Predictor(
            self.checkpoint,
            self.device,
            passes=self.settings.passes,
            batch_size=self.settings.batch_size,
        )
        return self

    def adjusted(self, settings: PipelineSettings) -> EmotionPipeline:
        """The same networks under other settings of how media are cut and read.

        Nothing is loaded again, and of the two pipelines one waits for the other. The recogniser,
        the passes and the batch size stay as they are.

        Raises:
            IncompatibleModelError: the model was not trained on sequences aligned so.
        """
        self._check_alignment(settings)
        other = copy(self)
        other.settings = replace(
            settings,
            recogniser=self.settings.recogniser,
            passes=self.settings.passes,
            batch_size=self.settings.batch_size,
        )
        return other

    def __call__(
        self,
        source: str | Path | None = None,
        *,
        transcript: str | Path | Transcript | None = None,
        sidecar: str | Path | None = None,
        text: str | Transcript | None = None,
        audio: Sound | None = None,
        frames: Pictures | None = None,
        hook: Hook | None = None,
    ) -> Annotation:
        """Annotate a file, or data in memory.

        Args:
            source: a video, sound, picture or transcript file.
            transcript: what is said in `source`, in place of speech recognition: a file
                (.srt, .vtt, .json, .eaf and others, see docs/formats.md) or a `Transcript`.
            sidecar: the same, of a file that was found beside `source` and may be another's: where
                it cannot be used, a warning says so and speech is recognised.
            text: what is said, where there is no file; with `audio` or `frames`, plain text is
                spread evenly over their time.
            audio: (waveform, sample_rate), where there is no file.
            frames: (pictures, fps), where there is no file.
            hook: told of stages and the share of each that is done, sometimes from a thread of
                the pipeline's; it must not use the pipeline itself.

        Returns:
            One prediction an utterance, in order of time.

        Raises:
            UnusableInputError: the input cannot be used; the message says why.
            MissingAssetError: weights that the input needs are not on this machine.
            IncompatibleModelError: the model was trained on other features.
        """
        tell = hook or _ignore
        with self._busy:
            opened = self._open(source, transcript, sidecar, text, audio, frames, tell)
            return self._annotate(opened, tell)

    def _open(
        self,
        source: str | Path | None,
        transcript: str | Path | Transcript | None,
        sidecar: str | Path | None,
        text: str | Transcript | None,
        audio: Sound | None,
        frames: Pictures | None,
        tell: Hook,
    ) -> Source:
        if source is not None:
            if text is not None or audio is not None or frames is not None:
                raise UnusableInputError("give either a file or text, audio and frames, not both")
            path = Path(source)
            given = (
                transcript
                if isinstance(transcript, Transcript | None)
                else read_transcript(Path(transcript), self.settings.tiers)
            )
            notes: list[str] = []
            if given is None and sidecar is not None:
                try:
                    given = read_transcript(Path(sidecar), self.settings.tiers)
                except UnusableInputError as error:
                    notes.append(_passed_over(str(sidecar), error))
            tell("decode sound", 0.0)
            opened = open_file(path, given, self.settings, str(source))
            return replace(opened, optional=sidecar is not None, notes=tuple(notes))
        if transcript is not None or sidecar is not None:
            raise UnusableInputError("a transcript goes with a file; use text for memory")
        return open_memory(text, audio, frames, self.settings)

    def batch(
        self,
        sources: Iterable[str | Path],
        *,
        transcripts: Mapping[str | Path, str | Path | Transcript] | None = None,
        hook: Hook | None = None,
    ) -> Iterator[tuple[str | Path, Annotation | Exception]]:
        """Annotate files one after the other; one that cannot be annotated stops nothing.

        For more files than an afternoon's, with several processes and a ledger that survives
        being killed, there is ``lddu-pipe batch``.

        Args:
            sources: video, sound, picture or transcript files.
            transcripts: what is said in a source, by the source as it is given.
            hook: told of stages and the share of each that is done.

        Yields:
            Each source with its annotation, or with the error that stands in its place: an
            `LdduPipeError`, whose text is for people, or something unexpected.

        Raises:
            MissingAssetError: weights are not on this machine, so that no file could be done.
            IncompatibleModelError: the model was trained on other features.
        """
        known = transcripts or {}
        for source in sources:
            try:
                found = self(source, transcript=known.get(source), hook=hook)
            except (MissingAssetError, IncompatibleModelError):
                raise
            except Exception as error:
                yield source, error
            else:
                yield source, found

    def _check_alignment(self, settings: PipelineSettings) -> None:
        config = self.checkpoint.config
        if not config.accepts(aligned=settings.aligned):
            raise IncompatibleModelError(
                f"{config.name} was trained on {config.alignment} sequences only; "
                f"change aligned, or train a model on the other kind"
            )

    def _annotate(self, source: Source, tell: Hook) -> Annotation:
        # What an annotation says it was made with must not depend on what was annotated before.
        self.extractors.used_weights.clear()
        taken = self.checkpoint.config.modalities
        missing: dict[Modality, str] = {
            **source.missing,
            **{name: NOT_TAKEN for name in MODALITIES if name not in taken},
        }
        with self._looking(source, tell) as looking:
            transcript, utterances, notes = self._words(source, missing, tell, looking.check)
            tell("read and listen", 0.0)
            heard = source.waveform if "audio" in taken else None
            found = read_and_listen(self.extractors, utterances, heard, source.voices)
            vision = looking.result()
        if vision is not None and source.still:
            vision = show_throughout(vision, utterances)
        tell("score", 0.0)
        samples = [
            make_sample(
                utterance,
                item | {"vision": look_up(vision, utterance)},
                missing,
                aligned=self.settings.aligned,
            )
            for utterance, item in zip(utterances, found, strict=True)
        ]
        predictions = self.predictor.predict(samples)
        tell("score", 1.0)
        return Annotation(
            media=source.info,
            model=self.model_info,
            utterances=predictions,
            provenance=self.provenance(transcript, media=source.media, notes=notes),
        )

    def _words(
        self,
        source: Source,
        missing: dict[Modality, str],
        tell: Hook,
        check: Callable[[], None],
    ) -> tuple[Transcript | None, list[Utterance], list[str]]:
        """What is said, the utterances it is cut into, and what of a transcript was left out.

        Tells `missing` why nothing is said.
        """
        transcript, recognised = source.transcript, False
        notes = [*source.notes, *(transcript.notes if transcript is not None else ())]
        if transcript is not None and source.optional:
            try:
                return transcript, self._cut(source, transcript, recognised=False), notes
            except UnusableInputError as error:
                notes = [_passed_over(transcript.source, error)]
                transcript = None
        if transcript is None and source.waveform is not None:

            def progress(share: float) -> None:
                check()
                tell("transcribe", share)

            progress(0.0)
            transcript = self._recognised(source, source.waveform, progress)
            recognised = True
            if not (transcript.words or transcript.unrecognised):
                missing["text"] = NO_SPEECH
        elif transcript is None:
            missing["text"] = "no sound to recognise words in"
        return transcript, self._cut(source, transcript, recognised=recognised), notes

    def _cut(
        self, source: Source, transcript: Transcript | None, *, recognised: bool
    ) -> list[Utterance]:
        running = recognised or (transcript is not None and transcript.running)
        utterances = segment(
            transcript,
            source.info.duration,
            cut="sentences" if running else "cues",
            window=self.settings.window,
            max_duration=self.settings.max_duration,
            # Between the cues of a transcript that was given alone there is nothing to go by.
            cover_silence=source.waveform is not None or source.frames is not None,
        )
        return [replace(item, kind=source.info.kind(item.kind)) for item in utterances]

    def _recognised(
        self, source: Source, waveform: Heard, progress: Callable[[float], None]
    ) -> Transcript:
        """What is said; of several channels one after the other, each by its speaker."""
        if not source.voices:
            return self.extractors.speech.transcribe(waveform, progress)
        heard: dict[str, Transcript] = {}

        def among_all(share: float) -> None:
            progress((len(heard) + share) / len(source.voices))

        for name, voice in source.voices.items():
            heard[name] = self.extractors.speech.transcribe(voice, among_all)
        return together(heard)

    def _looking(self, source: Source, tell: Hook) -> Looking:
        """What looks at the pictures of a source while its sound is listened to."""

        def look(frames: Iterator[Frame]) -> ModalitySequence:
            if not source.still:
                return self.extractors.vision.extract(frames, source.info.duration)
            images = (frame.image for frame in frames)
            return self.extractors.vision.extract_stills(images, face_crops=False)[0]

        frames = source.frames if "vision" in self.checkpoint.config.modalities else None
        return Looking(frames, source.info.duration, look, tell)

    @property
    def model_info(self) -> ModelInfo:
        """Which model speaks."""
        config = self.checkpoint.config
        return ModelInfo(
            *(config.name, config.version, self.labels, self.settings.aligned),
            scales=tuple(config.scales),
        )

    def provenance(
        self,
        transcript: Transcript | None,
        extractors: Extractors | None = None,
        *,
        media: Media | None = None,
        notes: Sequence[str] = (),
    ) -> Provenance:
        """What an annotation that was just made was made with.

        Args:
            transcript: of what was said.
            extractors: that were used; the pipeline's own by default.
            notes: what of a transcript was left out, a sentence each.
            media: that were decoded, if any were.
        """
        config: dict[str, Any] = {**self.settings.describe(), "device": str(self.device)}
        if media is not None and len(media.sound_tracks.listed) > 1 and media.audio is not None:
            config["audio_track"] = media.audio.number
        if media is not None and len(media.picture_tracks.listed) > 1 and media.video is not None:
            config["video_track"] = media.video.number
        used = (extractors or self.extractors).used_weights
        return Provenance(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            versions={
                **{name: version(name) for name in VERSIONED},
                **({"ffmpeg": version_of(find_ffmpeg())} if _takes_ffmpeg(media) else {}),
            },
            weights={**self.checkpoint.weights, **used},
            config={
                **config,
                "transcript": transcript.source if transcript is not None else None,
                "language": transcript.language if transcript is not None else None,
                **({"transcript_notes": list(notes)} if notes else {}),
            },
        )


def _passed_over(sidecar: str, error: UnusableInputError) -> str:
    """Warn of a transcript beside a file that is of no use; returns the note of it."""
    logger.warning("%s is not used, words are recognised: %s", sidecar, error)
    name = Path(sidecar).name
    return f"{name} is not used: {str(error).replace(sidecar, name)}"


def _takes_ffmpeg(media: Media | None) -> bool:
    """Whether ffmpeg decoded it, as it does all but pictures."""
    return media is not None and not (media.video is not None and media.video.still)


def _ignore(stage: str, share: float) -> None:
    """The hook of a caller who does not want one."""
