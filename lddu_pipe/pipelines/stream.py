"""From an opened source to events: utterances are judged while the rest is heard and seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

from lddu_pipe.events import Event, FacesSeen, UnitJudged, WordsHeard
from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.extractors.features import NOBODY_KNOWN_AGAIN
from lddu_pipe.pipelines.components import VOICES_NOT_TOLD_APART, Extractors
from lddu_pipe.pipelines.concurrency import interleave
from lddu_pipe.pipelines.judging import Judge, Means
from lddu_pipe.pipelines.people import Everybody, LargestFace, People, Picture
from lddu_pipe.pipelines.people.identity import PersonFinder
from lddu_pipe.pipelines.people.speaking import SpeakerFinder
from lddu_pipe.pipelines.predict import Predictor
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
        self._settings = settings
        self._hook = hook
        said = source.transcript
        listens = said is None and source.waveform is not None
        looks = source.frames is not None and "vision" not in missing
        self._listens = listens and not source.voices
        self._producers: list[Callable[[], Generator[WordsHeard | FacesSeen]]] = [
            *([self._listen] if listens else []),
            *([self._look] if looks else []),
        ]
        self.people = self._meet()
        segmenter = Segmenter(
            TimeSpan(0.0, source.info.duration) if self._has_gaps(said) else None,
            language=None if said is None else said.language,
            max_duration=settings.max_duration,
            window=min(settings.window, settings.max_duration),
            join=said is None or said.running,
            watched=looks and not source.still and isinstance(self.people, LargestFace),
        )
        self._judge = Judge(
            Means(extractors, predictor, settings),
            source.info,
            missing,
            self.people,
            segmenter,
            sound=source.waveform,
            voices=source.voices,
            without_words=Reason.NO_WORDS if said else Reason.NO_SPEECH,
            context=context,
        )
        self._judge.heard_until = 0.0 if listens else math.inf
        self._judge.seen_until = 0.0 if looks else math.inf
        if not listens and said is not None:
            self.people.hear(WordsHeard(said.cues, said.unrecognised, until=math.inf))
            segmenter.take(self._cut(said))
        elif not listens:
            segmenter.take([])

    def __iter__(self) -> Generator[Event]:
        """Listen, look and judge."""
        with interleave(self._producers) as news:
            for item in news:
                self._take(item)
                yield item
                yield from self._judged()
        self._judge.end()
        yield from self._judged()

    @property
    def languages(self) -> Mapping[str, int]:
        """Words so far by language, ISO 639-1."""
        return self._judge.languages

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
        judge = self._judge
        if isinstance(item, WordsHeard):
            judge.hear(item)
        else:
            judge.see(item)
        self._tell(LOOK if judge.seen_until < judge.heard_until else TRANSCRIBE, item)

    def _judged(self) -> Iterator[Event]:
        """Judge the utterances of which everything is known; texts alone are all there at once."""
        for event in self._judge.judged(1 if self._producers else self._settings.batch_size):
            if isinstance(event, UnitJudged):
                self._tell(JUDGE, event.prediction)
            yield event

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
            told_apart = None if self._judge.alone else self._extractors.voices()
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
        done = min(self._judge.heard_until, self._judge.seen_until, duration)
        self._hook(step, artifact, done, duration)
