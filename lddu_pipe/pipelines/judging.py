"""What is heard and seen becomes utterances, and these are judged."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from lddu_pipe.annotation import SourceInfo
from lddu_pipe.events import FacesSeen, UnitClosed, UnitJudged, WordsHeard
from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.media import WaveformLike
from lddu_pipe.pipelines.components import Extractors
from lddu_pipe.pipelines.conversation import Conversation
from lddu_pipe.pipelines.people import LargestFace, People
from lddu_pipe.pipelines.predict import Predictor
from lddu_pipe.pipelines.samples import make_sample, read_and_listen
from lddu_pipe.pipelines.settings import PipelineSettings
from lddu_pipe.predictions import Prediction
from lddu_pipe.segmentation import Segmenter
from lddu_pipe.types import Modality, TimeSpan, Utterance


@dataclass(frozen=True)
class Means:
    """What utterances are judged with, whatever source they are of."""

    extractors: Extractors
    predictor: Predictor
    settings: PipelineSettings


class Judge:
    """Judges the utterances of one source as soon as everything is known of them."""

    def __init__(
        self,
        means: Means,
        info: SourceInfo,
        missing: Mapping[Modality, Absent],
        people: People,
        segmenter: Segmenter,
        *,
        sound: WaveformLike | None,
        voices: Mapping[str, WaveformLike] | None = None,
        without_words: Reason = Reason.NO_SPEECH,
        context: Sequence[str] = (),
    ) -> None:
        """Nothing is heard or seen yet.

        Args:
            means: extractors are loaded as they are needed.
            info: of the source.
            missing: reasons that hold for the whole source, by modality.
            people: say whose each utterance is.
            segmenter: cuts what is said.
            sound: (samples,) float32 mono at 16 kHz of the source, where there is any.
            voices: the same of single speakers, by name.
            without_words: why an utterance in which nobody speaks has no text.
            context: what was said right before the source begins, the oldest first.
        """
        self._means = means
        self._info = info
        self._missing = missing
        self.people = people
        self.segmenter = segmenter
        self._sound = None if "audio" in missing else sound
        self._voices = voices or {}
        self._without_words = without_words
        self._conversation = Conversation(context)
        self.languages: Counter[str] = Counter()
        """Words so far by language, ISO 639-1."""
        self._count = 0
        """Utterances that are closed."""
        self.heard_until = self.seen_until = 0.0
        """Seconds up to which everything was heard, and seen; infinite where nothing is."""

    @property
    def alone(self) -> bool:
        """Whether one face is taken for everybody's."""
        return isinstance(self.people, LargestFace)

    @property
    def begin(self) -> float:
        """Seconds before which no sound is asked for any more."""
        return min(self.segmenter.begin, self.people.begin)

    def hear(self, heard: WordsHeard, until: float | None = None) -> None:
        """Take in what is heard next.

        Args:
            heard: words and voices.
            until: seconds up to which there is sound, where that is more than what is told of it.
        """
        self.segmenter.hear(heard)
        self.people.hear(heard)
        self.heard_until = heard.until if until is None else until

    def see(self, seen: FacesSeen) -> None:
        """Take in who is seen next."""
        self.people.see(seen)
        if self.alone:
            self.segmenter.see(_shown(seen), seen.until)
        self.seen_until = seen.until

    def end(self, at: float | None = None) -> None:
        """Nothing will follow.

        Args:
            at: seconds at which the source ends, where it was not known before.
        """
        self.segmenter.end(at)
        self.heard_until = self.seen_until = math.inf

    def judged(self, together: int = 1) -> Iterator[UnitClosed | UnitJudged]:
        """Judge the utterances of which everything is known.

        Args:
            together: how many are scored at once, at most. What is known together may depend on
                how quick threads are, on which no figure may depend, not even in the last decimal.
        """
        for closed in self.segmenter.closed():
            self.people.take(replace(closed, kind=self._info.kind(closed.kind)))
        decided = self.people.decided(self.segmenter.begin, self.heard_until, self.seen_until)
        while batch := list(islice(decided, together)):
            utterances = []
            for item in batch:
                utterances.append(replace(item, id=f"{self._count:04d}"))
                self._count += 1
                if item.language is not None:
                    self.languages[item.language] += len(item.words)
                yield UnitClosed(utterances[-1])
            placed = self._conversation.place(utterances, self._means.extractors.reads)
            for prediction in self._predict(utterances, placed):
                yield UnitJudged(prediction)

    def glance(self, utterances: Sequence[Utterance]) -> list[Prediction]:
        """What utterances show that are not over yet; nothing else depends on it."""
        placed = [
            replace(item, context=self._conversation.before(item.span.start))
            for item in utterances
        ]
        return self._predict(utterances, placed)

    def _predict(
        self, utterances: Sequence[Utterance], placed: Sequence[Utterance]
    ) -> list[Prediction]:
        """Judge utterances, which are read with the context that they have in `placed`."""
        found = read_and_listen(
            self._means.extractors,
            placed,
            self._sound,
            self._voices,
            without_words=self._without_words,
        )
        return self._means.predictor.predict(
            [
                make_sample(
                    utterance,
                    item | {"vision": self.people.face_of(utterance)},
                    self._missing,
                    aligned=self._means.settings.aligned,
                )
                for utterance, item in zip(utterances, found, strict=True)
            ]
        )


def _shown(item: FacesSeen) -> list[TimeSpan]:
    """Where a face is seen."""
    return [
        TimeSpan(*map(float, span))
        for face in item.faces
        for span in face.steps.spans[face.steps.valid]
    ]
