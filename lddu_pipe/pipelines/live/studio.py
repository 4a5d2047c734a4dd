"""Where a live session is done: threads that listen, read, look and judge."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue

from lddu_pipe.annotation import ModelInfo, Provenance, SourceInfo
from lddu_pipe.events import (
    FacesSeen,
    FollowedFace,
    StreamEnded,
    StreamOpened,
    UnitJudged,
    WordsHeard,
)
from lddu_pipe.evidence import Absent
from lddu_pipe.extractors.cores import give_way, one_core
from lddu_pipe.extractors.features import NOBODY_KNOWN_AGAIN
from lddu_pipe.extractors.listener import Listener
from lddu_pipe.extractors.prosody import SAMPLE_RATE
from lddu_pipe.media import RecentSound
from lddu_pipe.pipelines.components import VOICES_NOT_TOLD_APART
from lddu_pipe.pipelines.concurrency import start_together
from lddu_pipe.pipelines.judging import Judge, Means
from lddu_pipe.pipelines.live.camera import Camera
from lddu_pipe.pipelines.live.clock import Clock
from lddu_pipe.pipelines.live.microphone import Microphone
from lddu_pipe.pipelines.live.outbox import Outbox
from lddu_pipe.pipelines.live.running import EVERY, SELDOM, Running
from lddu_pipe.pipelines.people import Everybody, LargestFace
from lddu_pipe.pipelines.people.identity import PersonFinder
from lddu_pipe.pipelines.people.speaking import SpeakerFinder
from lddu_pipe.segmentation import Segmenter
from lddu_pipe.types import Modality, TimeSpan, Transcript

HORIZON = 0.2
"""Seconds after an utterance that are heard and seen before it is decided whose it is."""
PATIENCE = 1.0
"""Seconds until somebody in view is a person whose face could not be told from others'."""
MUTED = 3.0
"""Seconds by which sound may be later than pictures before it is taken for silence."""
BLIND = 1.0
"""Seconds by which pictures may be later than sound before nothing is shown."""
TICK = 0.05
"""Seconds for which a thread waits for news, at most."""
AHEAD = 60.0
"""Seconds of sound that wait to be listened to, at most, before gaps wait, too."""
KEPT = 6.0
"""Seconds of sound, the latest, that are held for running results."""
ENDLESS = 1e9
"""Seconds that no session lasts."""

ProvenanceOf = Callable[[Transcript | None, Sequence[str]], Provenance]


class Studio:
    """Everything of one session. Other sessions and files may use the networks meanwhile.

    Nothing is written to the disk.
    """

    def __init__(
        self,
        means: Means,
        model: ModelInfo,
        missing: Mapping[Modality, Absent],
        provenance: ProvenanceOf,
        *,
        audio_rate: int | None,
        camera: bool,
        context: Sequence[str] = (),
    ) -> None:
        """Begin nothing yet.

        Args:
            means: extractors of the session's own, loaded already.
            model: which speaks.
            missing: reasons that hold for the whole session, by modality.
            provenance: says what was used, of what was said and notes about people.
            audio_rate: Hz of the microphone, if there is one.
            camera: whether there is one.
            context: what was said right before, the oldest first.

        Raises:
            UnusableInputError: the rate is not one of sound.
        """
        settings, extractors = means.settings, means.extractors
        self._means, self._model, self._missing = means, model, missing
        self._provenance = provenance
        self.outbox = Outbox()
        clock = Clock()
        self.microphone = Microphone(audio_rate, clock) if audio_rate is not None else None
        self.camera = Camera(settings.fps, settings.side, clock) if camera else None
        self._sound = RecentSound()
        one = settings.people == 1 or not extractors.follows_people
        window = min(settings.window, settings.max_duration)
        known = extractors.known(settings.known) if settings.known else {}
        self.people: Everybody | LargestFace = (
            LargestFace(settings.fps)
            if one
            else Everybody(
                *(settings.fps, window, ENDLESS),
                PersonFinder(known, patience=PATIENCE, eager=True),
                SpeakerFinder(),
                self._sound,
                horizon=HORIZON,
                at_sight=True,
            )
        )
        voices = extractors.voices() if self.microphone and not one else None
        self._notes = [VOICES_NOT_TOLD_APART] * (
            self.microphone is not None and not one and voices is None
        )
        if camera and not one and extractors.identity() is None:
            self._notes.append(NOBODY_KNOWN_AGAIN)
        self._listener = None
        if self.microphone is not None:
            teller = voices.teller() if voices else None
            self._listener = Listener(
                extractors.speech, self._sound, teller, max_duration=settings.max_duration
            )
        self._info = SourceInfo("", "", 0.0, self.microphone is not None, camera)
        self._judge = Judge(
            means,
            replace(self._info, duration=ENDLESS),
            missing,
            self.people,
            Segmenter(
                TimeSpan(0.0, ENDLESS),
                max_duration=settings.max_duration,
                window=window,
                watched=camera and one,
            ),
            sound=self._sound if self.microphone else None,
            context=context,
        )
        self._running = Running(self._judge, self.people)
        self._news: SimpleQueue[WordsHeard | FacesSeen | str] = SimpleQueue()
        self._shown = 0.0
        """Seconds of the session of which the latest running results tell."""
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to listen, look and judge."""
        works = [
            self._judge_all,
            *([self._take_sound, self._listen] if self.microphone else []),
            *([self._look] if self.camera else []),
        ]
        self._threads = start_together([self._guarded(work) for work in works], self._stopped)

    def close(self) -> None:
        """Nothing more comes."""
        for source in (self.microphone, self.camera):
            if source is not None:
                source.close()

    def join(self) -> None:
        """Wait until everything is done."""
        for thread in self._threads:
            thread.join()

    def expect_sound(self) -> None:
        """Let no microphone that is silent hold up what the camera shows."""
        if self.microphone is not None and self.camera is not None:
            self.microphone.expect(self.camera.seen - MUTED)

    @property
    def given(self) -> float:
        """Seconds of the session that were given so far."""
        return max(
            self.microphone.heard if self.microphone else 0.0,
            self.camera.seen if self.camera else 0.0,
        )

    @property
    def _duration(self) -> float:
        """Seconds of the whole session; the last picture stands as long as others."""
        seen = self.camera.seen + 1 / self._means.settings.fps if self.camera else 0.0
        return max(self.given, seen)

    @property
    def delay(self) -> float:
        """Seconds by which results are behind what was given."""
        behind = [0.0]
        if self.microphone is not None and self._listener is not None:
            behind.append(self.microphone.heard - self._listener.examined)
        if self.camera is not None:
            behind.append(self.camera.seen - min(self._judge.seen_until, self.camera.seen))
        return max(behind)

    def _guarded(self, work: Callable[[], None]) -> Callable[[], None]:
        """A thread's work; what goes wrong in it ends the session."""

        def do() -> None:
            try:
                with one_core():
                    work()
            except BaseException as error:  # told to the consumer, whatever it is
                self.outbox.fail(error)
                self._stopped.set()
                self.close()

        return do

    def _take_sound(self) -> None:
        microphone, listener = self.microphone, self._listener
        if microphone is None or listener is None:
            return
        while not self._stopped.is_set():
            piece = microphone.take(TICK)
            if piece is None:
                break
            if len(piece):
                listener.hear(piece)
            while listener.heard - listener.begin > AHEAD and not self._stopped.is_set():
                time.sleep(TICK)
        listener.end()

    def _listen(self) -> None:
        listener = self._listener
        while listener is not None and not self._stopped.is_set():
            told = listener.news()
            for news in told:
                self._news.put(news)
            if listener.over and not told:
                break
            if not told:
                listener.wait(TICK)
        if listener is not None:
            listener.close()
        self._news.put("heard")

    def _look(self) -> None:
        give_way()
        if self.camera is not None:
            vision = self._means.extractors.vision
            for seen in vision.watch(self.camera.frames(), self._means.settings.people):
                self._news.put(seen)
                if self._stopped.is_set():
                    break
        self._news.put("seen")

    def _judge_all(self) -> None:
        self.outbox.put(StreamOpened(self._info, self._model, self._missing))
        judge = self._judge
        judge.heard_until = 0.0
        judge.seen_until = 0.0 if self.camera else ENDLESS
        busy = {*(["heard"] if self.microphone else []), *(["seen"] if self.camera else [])}
        shown = 0.0
        while busy and not self._stopped.is_set():
            for item in self._next_news():
                if isinstance(item, str):
                    busy.discard(item)
                else:
                    self._take(item)
            self._go_on_alone(busy)
            self._tell_final()
            often = SELDOM if self._listener and self._listener.reads else EVERY
            if time.monotonic() - shown >= often and self._tell_running():
                shown = time.monotonic()
            self._forget()
        if self._stopped.is_set():
            return
        judge.end(self._duration)
        self._tell_final()
        said = None
        if self._listener is not None:
            said = self._means.extractors.recognised(judge.languages)
        self.outbox.put(
            StreamEnded(
                self._provenance(said, self._notes),
                self.people.people,
                self.people.faces,
                duration=self._duration,
            )
        )

    def _next_news(self) -> list[WordsHeard | FacesSeen | str]:
        """All that has come; where that is nothing, it is waited for a little."""
        found = []
        try:
            found.append(self._news.get(timeout=TICK))
            while True:
                found.append(self._news.get_nowait())
        except Empty:
            return found

    def _take(self, item: WordsHeard | FacesSeen) -> None:
        if isinstance(item, WordsHeard):
            self._judge.hear(item, self._listener.heard if self._listener else None)
            if item.cues or item.unrecognised or item.voices or item.turns:
                self.outbox.put(item)
            return
        self._judge.see(item)
        named: list[FollowedFace] = [
            face._replace(person=self.people.person_of(face.track)) for face in item.faces
        ]
        self.outbox.put(replace(item, faces=tuple(named)))

    def _go_on_alone(self, busy: set[str]) -> None:
        """Let neither of microphone and camera wait for one that gives nothing."""
        judge = self._judge
        if "heard" not in busy and judge.seen_until > judge.heard_until:
            judge.hear(WordsHeard(until=min(judge.seen_until, self.given)))
        if self.camera is None:
            return
        if "seen" not in busy:
            judge.see(FacesSeen((), max(judge.seen_until, self.given)))
        elif self.microphone is not None:
            idle = self.camera.seen - judge.seen_until < BLIND / 2
            until = self.microphone.heard - BLIND
            if idle and until > judge.seen_until:
                judge.see(FacesSeen((), until))

    def _tell_final(self) -> None:
        for event in self._judge.judged():
            if isinstance(event, UnitJudged):
                self.outbox.put(self._running.final(event.prediction))
            else:
                self.outbox.put(event)

    def _tell_running(self) -> bool:
        """Tell what is shown and heard now; False where nothing is new."""
        speech = self._listener.speaking if self._listener else None
        words = self._listener.words if self._listener and speech else ()
        seen = self._judge.seen_until if self.camera else 0.0
        now = max(seen, speech.end if speech else 0.0)
        if now <= self._shown:
            return False
        self._shown = now
        for result in self._running.results(seen, speech, words):
            self.outbox.put(result)
        return True

    def _forget(self) -> None:
        """Let go of sound that nobody asks for any more."""
        if self._listener is not None:
            needed = min(self._judge.begin, self._listener.begin, self._listener.heard - KEPT)
            self._sound.forget(round((needed - 1.0) * SAMPLE_RATE))
