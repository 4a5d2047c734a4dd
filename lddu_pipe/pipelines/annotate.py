"""From media to an annotation: the pipeline object."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lddu_pipe.annotation import Annotation, ModelInfo, Provenance
from lddu_pipe.errors import IncompatibleModelError, MissingAssetError, UnusableInputError
from lddu_pipe.events import Event, StreamEnded, StreamOpened, annotation_of
from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.media import find_ffmpeg, version_of
from lddu_pipe.pipelines.checkpoint import Checkpoint, load_checkpoint
from lddu_pipe.pipelines.components import Extractors, choose_device
from lddu_pipe.pipelines.predict import Predictor
from lddu_pipe.pipelines.settings import Hook, PipelineSettings
from lddu_pipe.pipelines.sources import Pictures, Sound, Source, open_file, open_memory
from lddu_pipe.pipelines.stream import Stream
from lddu_pipe.training.progress import ignore
from lddu_pipe.transcripts import read_transcript
from lddu_pipe.types import Media, Modality, Transcript

if TYPE_CHECKING:
    from lddu_pipe.pipelines.live import Live

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
        self._busy = threading.Lock()
        self.loading = threading.Lock()
        """Held while a live session has networks loaded."""
        self._user: int | None = None
        """The thread that goes on with a stream, while one is open."""
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
            own=self.settings.own_extractors,
            recogniser=self.settings.recogniser,
            language=self.settings.language,
        )
        self.extractors.find_recogniser()
        if self.settings.known is not None:
            self.extractors.known(self.settings.known)
        self.predictor = Predictor(
            self.checkpoint,
            self.device,
            passes=self.settings.passes,
            batch_size=self.settings.batch_size,
        )
        return self

    def adjusted(self, settings: PipelineSettings) -> EmotionPipeline:
        """The same networks under other settings of how media are cut and read.

        Nothing is loaded again, and of the two pipelines one waits for the other. The extractors,
        the recogniser, the language, the passes and the batch size stay as they are.

        Raises:
            IncompatibleModelError: the model was not trained on sequences aligned so.
        """
        self._check_alignment(settings)
        other = copy(self)
        other.settings = replace(
            settings,
            own_extractors=self.settings.own_extractors,
            recogniser=self.settings.recogniser,
            language=self.settings.language,
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
        context: Sequence[str] = (),
        hook: Hook | None = None,
    ) -> Annotation:
        """Annotate a file, or data in memory: all of what `stream` gives.

        Returns:
            One prediction an utterance, in order of time.
        """
        return annotation_of(
            self.stream(
                source,
                transcript=transcript,
                sidecar=sidecar,
                text=text,
                audio=audio,
                frames=frames,
                context=context,
                hook=hook,
            )
        )

    def stream(
        self,
        source: str | Path | None = None,
        *,
        transcript: str | Path | Transcript | None = None,
        sidecar: str | Path | None = None,
        text: str | Transcript | None = None,
        audio: Sound | None = None,
        frames: Pictures | None = None,
        context: Sequence[str] = (),
        hook: Hook | None = None,
    ) -> Generator[Event]:
        """Annotate a file, or data in memory, and tell of each utterance when it is judged.

        Other threads that use the pipeline wait until the iterator is at its end or closed; the
        same thread, which would wait for itself, gets an error.

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
            context: what was said right before, by whomever, the oldest line first. A model that
                was trained with context reads the first utterances with it, as it reads all
                others with those before them.
            hook: told how far it is; it must not use the pipeline itself.

        Yields:
            `StreamOpened`; then what is heard and seen as it comes, and each utterance when it is
            closed and when it is judged, both in order of start; `StreamEnded` at last.

        Raises:
            UnusableInputError: the input cannot be used; the message says why.
            MissingAssetError: weights that the input needs are not on this machine.
            IncompatibleModelError: the model was trained on other features.
            RuntimeError: this thread has left another stream of the pipeline open.
            TypeError: the context is one text.
        """
        if isinstance(context, str):
            raise TypeError("context is a list of lines, not one text")
        with self._alone():
            opened = self._open(source, transcript, sidecar, text, audio, frames)
            # What an annotation says it was made with must not depend on what came before.
            self.extractors.used_weights.clear()
            notes = [*opened.notes, *(opened.transcript.notes if opened.transcript else ())]
            try:
                stream = self._stream(opened, hook or ignore, context)
            except UnusableInputError as error:
                if opened.transcript is None or not opened.optional:
                    raise
                notes = [_passed_over(opened.transcript.source, error)]
                opened = replace(opened, transcript=None)
                stream = self._stream(opened, hook or ignore, context)
            yield StreamOpened(opened.info, self.model_info, stream.missing)
            for event in stream:
                self._user = threading.get_ident()
                yield event
            said = opened.transcript
            if said is None and opened.waveform is not None:
                said = self.extractors.recognised(stream.languages)
                notes += said.notes
            provenance = self.provenance(
                said, media=opened.media, notes=notes, people=stream.notes
            )
            yield StreamEnded(provenance, stream.people.people, stream.people.faces)

    def live(
        self,
        *,
        audio_rate: int | None = 16_000,
        camera: bool = True,
        people: int | None = None,
        context: Sequence[str] = (),
    ) -> Live:
        """Annotate what a microphone and a camera give, while they give it.

        Networks are loaded before it returns, which takes seconds the first time. Several
        sessions, and files, may use one pipeline at once; they share the processors.

        Args:
            audio_rate: Hz of the sound that will be given; None: there is no microphone.
            camera: whether pictures will be given.
            people: who are followed at once, at most, as in `PipelineSettings`; None: as many as
                the pipeline's settings say.
            context: what was said right before, as in `stream`.

        Returns:
            The session, to be used in a ``with`` block or closed by hand.

        Raises:
            UnusableInputError: an impossible rate, or neither microphone nor camera.
            MissingAssetError: weights that the session needs are not on this machine.
            IncompatibleModelError: the model was trained on other features.
            TypeError: the context is one text.
        """
        from lddu_pipe.pipelines.live.opening import open_session

        return open_session(
            self, audio_rate=audio_rate, camera=camera, people=people, context=context
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the pipeline for one source."""
        if self._busy.locked() and self._user == threading.get_ident():
            raise RuntimeError(
                "a stream of this pipeline is open in this thread: go to its end, or close it"
            )
        with self._busy:
            self._user = threading.get_ident()
            try:
                yield
            finally:
                self._user = None

    def _stream(self, source: Source, hook: Hook, context: Sequence[str]) -> Stream:
        missing = {**source.missing, **self.checkpoint.not_taken}
        if source.transcript is None and source.waveform is None:
            missing["text"] = Absent(Reason.NO_SOUND_TO_RECOGNISE)
        return Stream(
            *(source, missing, self.extractors, self.predictor, self.settings, hook, context)
        )

    def _open(
        self,
        source: str | Path | None,
        transcript: str | Path | Transcript | None,
        sidecar: str | Path | None,
        text: str | Transcript | None,
        audio: Sound | None,
        frames: Pictures | None,
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
        people: Sequence[str] = (),
    ) -> Provenance:
        """What an annotation that was just made was made with.

        Args:
            transcript: of what was said.
            extractors: that were used; the pipeline's own by default.
            notes: what of a transcript was left out, a sentence each.
            people: what could not be done to tell people apart, a sentence each.
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
                **_versions(),
                **({"ffmpeg": version_of(find_ffmpeg())} if _takes_ffmpeg(media) else {}),
            },
            weights={**self.checkpoint.weights, **dict(sorted(used.items()))},
            config={
                **config,
                "transcript": transcript.source if transcript is not None else None,
                "language": transcript.language if transcript is not None else None,
                **({"transcript_notes": list(notes)} if notes else {}),
                **({"people_notes": list(people)} if people else {}),
            },
        )


@cache
def _versions() -> dict[str, str]:
    """Versions of what is `VERSIONED`; each is read from a file and takes milliseconds."""
    return {name: version(name) for name in VERSIONED}


def _passed_over(sidecar: str, error: UnusableInputError) -> str:
    """Warn of a transcript beside a file that is of no use; returns the note of it."""
    logger.warning("%s is not used, words are recognised: %s", sidecar, error)
    name = Path(sidecar).name
    return f"{name} is not used: {str(error).replace(sidecar, name)}"


def _takes_ffmpeg(media: Media | None) -> bool:
    """Whether ffmpeg decoded it, as it does all but pictures."""
    return media is not None and not (media.video is not None and media.video.still)
