"""From an opened source to events: utterances are judged while the rest is heard and seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from lddu_pipe.events import Event, FacesSeen, UnitClosed, UnitJudged, WordsHeard
from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.extractors.features import NOBODY_KNOWN_AGAIN
from lddu_pipe.pipelines.components import VOICES_NOT_TOLD_APART, Extractors
from lddu_pipe.pipelines.concurrency import interleave
from lddu_pipe.pipelines.conversation import Conversation
from lddu_pipe.pipelines.people import Everybody, LargestFace, People, Picture
from lddu_pipe.pipelines.people.identity import PersonFinder
from lddu_pipe.pipelines.people.speaking import SpeakerFinder
from lddu_pipe.pipelines.predict import Predictor
from lddu_pipe.pipelines.samples import make_sample, read_and_listen
from lddu_pipe.pipelines.settings import Hook, PipelineSettings
from lddu_pipe.pipelines.sources import Source
from lddu_pipe.pipelines.voices import listen_to_all
from lddu_pipe.predictions import Prediction
from lddu_pipe.segmentation import Segmenter, cut_transcript
from lddu_pipe.types import Modality, TimeSpan, Transcript, Utterance

TRANSCRIBE = "transcribe"
LOOK = "look at faces"
JUDGE = "judge"


class Stream:
    """One source on its way through extractors and model."""

    def __init__(
        self,
        source: Source,
        missing: Mapping[Modality, Absent],
        extractors: Extractors,
        predictor: Predictor,
        settings: PipelineSettings,
        hook: Hook,
        context: Sequence[str] = (),
    ) -> None:
        """Begin nothing yet.

        Args:
            source: its transcript, where it has one, is what is said in it.
            missing: reasons that hold for the whole source, by modality.
            extractors: loaded as they are needed.
            predictor: judges.
            settings: how media are cut and read.
            hook: told of steps, what they give, and the seconds that are done of how many.
            context: what was said right before the source begins, the oldest first.

        Raises:
            UnusableInputError: the transcript lies beyond the end of the media.
        """
        self._source = source
        self.missing = missing
        self._extractors = extractors
        self._predictor = predictor
        self._settings = settings
        self._hook = hook
        self._conversation = Conversation(context)
        self._count = 0
        """Utterances that are closed."""
        self.people = self._meet()
        self._alone = isinstance(self.people, LargestFace)
        self._without_words = Reason.NO_WORDS if source.transcript else Reason.NO_SPEECH
        said = source.transcript
        listens = said is None and source.waveform is not None
        looks = source.frames is not None and "vision" not in missing
        self._heard_until = 0.0 if listens else math.inf
        self._seen_until = 0.0 if looks else math.inf
        self._listens = listens and not source.voices
        self._producers: list[Callable[[], Generator[WordsHeard | FacesSeen]]] = [
            *([self._listen] if listens else []),
            *([self._look] if looks else []),
        ]
        self._segmenter = Segmenter(
            TimeSpan(0.0, source.info.duration) if self._has_gaps(said) else None,
            language=None if said is None else said.language,
            max_duration=settings.max_duration,
            window=min(settings.window, settings.max_duration),
            join=said is None or said.running,
            watched=looks and not source.still and self._alone,
        )
        if not listens and said is not None:
            self.people.hear(WordsHeard(said.cues, said.unrecognised, until=math.inf))
            self._segmenter.take(self._cut(said))
        elif not listens:
            self._segmenter.take([])

    def __iter__(self) -> Generator[Event]:
        """Listen, look and judge."""
        with interleave(self._producers) as news:
            for item in news:
                self._take(item)
                yield item
                yield from self._advance()
        self._segmenter.end()
        self._heard_until = self._seen_until = math.inf
        yield from self._advance()

    @property
    def notes(self) -> list[str]:
        """What could not be done to tell people apart, a sentence each."""
        if not isinstance(self.people, Everybody):
            return []
        seen = any(person.seconds_visible for person in self.people.people)
        faces = seen and self._extractors.identity() is None
        voices = self._listens and self._extractors.voices() is None
        return [NOBODY_KNOWN_AGAIN] * faces + [VOICES_NOT_TOLD_APART] * voices

    def _meet(self) -> People:
        known = self._settings.known
        persons = PersonFinder(self._extractors.known(known) if known else {})
        if self._source.still:
            return Picture(self._source.fps, persons)
        if self._settings.people == 1 or not self._extractors.follows_people:
            return LargestFace(self._source.fps)
        window = min(self._settings.window, self._settings.max_duration)
        duration = self._source.info.duration
        return Everybody(
            *(self._source.fps, window, duration, persons, SpeakerFinder(), self._source.waveform)
        )

    def _take(self, item: WordsHeard | FacesSeen) -> None:
        """Let everybody know of news."""
        if isinstance(item, WordsHeard):
            self._segmenter.hear(item)
            self.people.hear(item)
            self._heard_until = item.until
        else:
            self.people.see(item)
            if self._alone:
                self._segmenter.see(_shown(item), item.until)
            self._seen_until = item.until
        self._tell(LOOK if self._seen_until < self._heard_until else TRANSCRIBE, item)

    def _advance(self) -> Iterator[Event]:
        """Judge the utterances of which everything is known."""
        for closed in self._segmenter.closed():
            self.people.take(replace(closed, kind=self._source.info.kind(closed.kind)))
        known = (self._segmenter.begin, self._heard_until, self._seen_until)
        # Texts alone are all there at once. What else is known together depends on how quick the
        # threads are, on which no figure may depend, not even in the last decimal.
        together = 1 if self._producers else self._settings.batch_size
        decided = self.people.decided(*known)
        while batch := list(islice(decided, together)):
            utterances = []
            for item in batch:
                utterances.append(replace(item, id=f"{self._count:04d}"))
                self._count += 1
                yield UnitClosed(utterances[-1])
            for prediction in self._judge(utterances):
                self._tell(JUDGE, prediction)
                yield UnitJudged(prediction)

    def _judge(self, utterances: Sequence[Utterance]) -> list[Prediction]:
        sound = self._source.waveform if "audio" not in self.missing else None
        found = read_and_listen(
            self._extractors,
            self._conversation.place(utterances),
            sound,
            self._source.voices,
            without_words=self._without_words,
        )
        return self._predictor.predict(
            [
                make_sample(
                    utterance,
                    item | {"vision": self.people.face_of(utterance)},
                    self.missing,
                    aligned=self._settings.aligned,
                )
                for utterance, item in zip(utterances, found, strict=True)
            ]
        )

    def _listen(self) -> Generator[WordsHeard]:
        speech = self._extractors.speech
        voices = self._source.voices
        if self._source.waveform is None:
            return
        if voices:
            yield from listen_to_all(
                {name: speech.listen(sound) for name, sound in voices.items()}
            )
        else:
            told_apart = None if self._alone else self._extractors.voices()
            teller = told_apart.teller() if told_apart else None
            yield from speech.listen(self._source.waveform, teller)
        yield WordsHeard(until=math.inf)

    def _look(self) -> Generator[FacesSeen]:
        frames = self._source.frames or ()
        vision, people = self._extractors.vision, self._settings.people
        try:
            if self._source.still:
                yield from (vision.look(frame.image, people) for frame in frames)
            else:
                yield from vision.follow(frames, self._source.info.duration, people=people)
            yield FacesSeen((), math.inf)
        finally:
            close = getattr(frames, "close", None)
            if close is not None:  # of a file: ffmpeg ends with it
                close()

    def _cut(self, said: Transcript) -> list[Utterance]:
        return cut_transcript(
            said,
            self._source.info.duration,
            cut="sentences" if said.running else "cues",
            max_duration=self._settings.max_duration,
            window=self._settings.window,
        )

    def _has_gaps(self, said: Transcript | None) -> bool:
        """Whether the time between utterances means something."""
        if said is None:
            return True
        media = self._source.waveform is not None or self._source.frames is not None
        return media and said.timed and self._source.info.duration > 0

    def _tell(self, step: str, artifact: WordsHeard | FacesSeen | Prediction) -> None:
        duration = self._source.info.duration
        self._hook(step, artifact, min(self._heard_until, self._seen_until, duration), duration)


def _shown(item: FacesSeen) -> list[TimeSpan]:
    """Where a face is seen."""
    return [
        TimeSpan(*map(float, span))
        for face in item.faces
        for span in face.steps.spans[face.steps.valid]
    ]
