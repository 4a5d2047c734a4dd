"""What the server asks of a model: jobs one after the other, and texts many at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lddu_pipe.errors import LdduPipeError, UnusableInputError
from lddu_pipe.pipelines.settings import Hook

if TYPE_CHECKING:
    from lddu_pipe.annotation import Annotation
    from lddu_pipe.pipelines.annotate import EmotionPipeline
    from lddu_pipe.pipelines.live import Live
    from lddu_pipe.server.live.messages import OpenMessage


class Annotator(Protocol):
    """One model in memory, for everybody."""

    def load(self) -> None:
        """Bring everything that texts need to memory, so that the first client need not wait.

        Raises:
            LdduPipeError: the model or its weights are not on this machine.
        """

    def annotate(
        self, media: Path, transcript: Path | None, options: Mapping[str, Any], hook: Hook
    ) -> Annotation:
        """Annotate the media of one job; called by one thread at a time.

        Raises:
            LdduPipeError: the media cannot be used, or weights are missing.
        """

    def live(self, opening: OpenMessage) -> Live:
        """Begin a live session; any thread may call it, at any time after `load`.

        Raises:
            LdduPipeError: it cannot be as the client wants it, or weights are missing.
        """

    def read(self, texts: Sequence[str]) -> list[Annotation | LdduPipeError]:
        """Annotate texts together; one that cannot be used stops no other.

        Called by one thread at a time, which may be another one than that of `annotate`.
        """


class PipelineAnnotator:
    """The annotator of the product, over one `EmotionPipeline`."""

    def __init__(self, load: Callable[[], EmotionPipeline], longest: float) -> None:
        """Load nothing yet.

        Args:
            load: gives the pipeline.
            longest: seconds of media that are annotated at most.
        """
        self._load = load
        self._longest = longest
        self._pipeline: EmotionPipeline | None = None

    @property
    def pipeline(self) -> EmotionPipeline:
        """The one pipeline; loaded when it is first needed."""
        if self._pipeline is None:
            self._pipeline = self._load()
        return self._pipeline

    def load(self) -> None:
        """Load the model and the text encoder."""
        from lddu_pipe.pipelines.reading import read_texts  # brings torch

        read_texts(self.pipeline, ["hello"])

    def annotate(
        self, media: Path, transcript: Path | None, options: Mapping[str, Any], hook: Hook
    ) -> Annotation:
        """Annotate one file, unless it lasts too long."""
        from lddu_pipe.media import probe
        from lddu_pipe.transcripts import TRANSCRIPT_SUFFIXES

        hook("probe", None, 0.0, 0.0)
        if media.suffix not in TRANSCRIPT_SUFFIXES:
            duration = probe(media).duration
            if duration > self._longest:
                raise UnusableInputError(
                    f"{media} lasts {duration:.0f} s, and this server takes {self._longest:.0f} s "
                    "at most; cut it"
                )
        pipeline = self.pipeline
        chosen = {name: value for name, value in options.items() if value is not None}
        if chosen:
            pipeline = pipeline.adjusted(replace(pipeline.settings, **chosen))
        return pipeline(media, transcript=transcript, hook=hook)

    def live(self, opening: OpenMessage) -> Live:
        """Begin a session of the one pipeline."""
        return self.pipeline.live(
            audio_rate=opening.audio_rate,
            camera=opening.camera,
            people=opening.people,
            context=opening.context,
        )

    def read(self, texts: Sequence[str]) -> list[Annotation | LdduPipeError]:
        """Annotate texts in one pass of the networks."""
        from lddu_pipe.pipelines.reading import read_texts

        return read_texts(self.pipeline, texts)
