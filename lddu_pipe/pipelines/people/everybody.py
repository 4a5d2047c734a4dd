"""Everybody: each has a face, a voice or both, and utterances of their own."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.alignment import concatenate
from lddu_pipe.annotation import Face, Person
from lddu_pipe.events import FacesSeen, WordsHeard
from lddu_pipe.evidence import Absent, Evidence, ModalitySequence, Present, Reason
from lddu_pipe.extractors.prosody import SAMPLE_RATE
from lddu_pipe.media import WaveformLike
from lddu_pipe.pipelines.people.articulation import MOUTH
from lddu_pipe.pipelines.people.boxes import Boxes
from lddu_pipe.pipelines.people.identity import PATIENCE, PersonFinder
from lddu_pipe.pipelines.people.lane import Lane
from lddu_pipe.pipelines.people.speaking import SpeakerFinder
from lddu_pipe.pipelines.samples import FaceSteps, look_up
from lddu_pipe.segmentation import SHORTEST_GAP, clipped
from lddu_pipe.types import TimeSpan, Utterance

MOST_SOUND = 60 * SAMPLE_RATE
"""Samples that are listened to at once."""
SPOKEN = ("speech", "sound", "text")
"""Kinds of utterances that are somebody's who speaks."""
HORIZON = 20.0
"""Seconds after an utterance that are heard and seen before it is decided whose it is. Nothing
later counts, so that it does not matter whether hearing or seeing is quicker."""


class _Voiced(NamedTuple):
    """A stretch in which somebody is heard, and which voice it is, where known."""

    span: TimeSpan
    voice: str | None


@dataclass
class _Track:
    """A face that is followed."""

    boxes: Boxes
    steps: FaceSteps = field(default_factory=FaceSteps)
    """What may still be asked for."""
    unassigned: list[ModalitySequence] = field(default_factory=list)
    """Steps that are in nobody's lane yet."""
    person: str | None = None
    """The id of whose face it is, once that is settled."""

    def take(self, until: float) -> list[ModalitySequence]:
        """Let go of the unassigned steps that begin before a moment."""
        counts = [int(np.searchsorted(part.spans[:, 0], until)) for part in self.unassigned]
        parts = list(zip(self.unassigned, counts, strict=True))
        self.unassigned = [part.rows(slice(count, None)) for part, count in parts]
        self.unassigned = [part for part in self.unassigned if len(part)]
        return [part.rows(slice(count)) for part, count in parts if count]


class Everybody:
    """Decides whose each utterance is, and makes utterances of what the others show meanwhile.

    An utterance is decided when everything up to `HORIZON` after its end has been heard and seen.
    People get their ids in order of appearance.
    """

    def __init__(
        self,
        fps: float,
        window: float,
        duration: float,
        persons: PersonFinder,
        speakers: SpeakerFinder,
        sound: WaveformLike | None,
        *,
        horizon: float = HORIZON,
        at_sight: bool = False,
    ) -> None:
        """Nobody is seen or heard yet.

        Args:
            fps: frames a second that are looked at.
            window: seconds, at most, of an utterance of somebody who is only seen.
            duration: seconds of the media; 0 where it has no time.
            persons: says whose each face is.
            speakers: says whose each voice is.
            sound: (samples,) float32 mono at 16 kHz of the media, where there is any.
            horizon: takes the place of `HORIZON`.
            at_sight: people get their ids as soon as `persons` knows them, and not in an order
                that is the same however quick hearing and seeing are.
        """
        self._horizon, self._at_sight = horizon, at_sight
        self._patience = 0.0 if at_sight else PATIENCE
        """Seconds from the first sight of a face until it counts whose it is."""
        self._fps = fps
        self._window = window
        self._shortest = min(SHORTEST_GAP, window / 2, duration / 2)
        """Seconds, at least, of such an utterance."""
        self._persons = persons
        self._speakers = speakers
        self._sound: WaveformLike = np.zeros(0, np.float32) if sound is None else sound
        self._listened = 0
        """Samples that were listened to."""
        self._spoken: dict[int | str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        """Seconds for which a voice was somebody's in view."""
        self._tracks: dict[int, _Track] = {}
        self._recent: dict[int, _Track] = {}
        """Those of which anything may still be asked for: a film has thousands."""
        self._pictures = TimeSpan(0.0, 0.0)
        """From the first picture that was looked at to the last."""
        self._ids: dict[Hashable, str] = {}
        """Of people, by the number of a face's person, or by voice."""
        self._names: dict[str, str] = {}
        """Of speakers, by id, where a transcript or a channel names them."""
        self._lanes: dict[str, Lane] = {}
        self._speaking: dict[str, float] = defaultdict(float)
        """Seconds."""
        self._spoken_until: dict[str, float] = defaultdict(float)
        """Seconds of the media at which somebody's last words end."""
        self._waiting: deque[Utterance] = deque()
        """In order of start, not decided yet."""
        self._ready: list[Utterance] = []
        """Decided; something that begins earlier may follow."""
        self._told = 0.0
        """Seconds before which nothing is asked for any more."""

    def hear(self, heard: WordsHeard) -> None:
        """Take in what is heard next."""
        turns = heard.turns or [
            _Voiced(cue.span, cue.speaker)
            for cue in (*heard.cues, *heard.unrecognised)
            if cue.span.duration
        ]
        self._speakers.hear(turns, np.zeros(0, np.float32))

    def see(self, seen: FacesSeen) -> None:
        """Take in who is seen next."""
        for face in seen.faces:
            track = self._tracks.setdefault(face.track, _Track(Boxes(self._fps)))
            self._recent[face.track] = track
            track.boxes.add(face)
            track.steps.add(face.steps)
            track.unassigned.append(face.steps)
            shown = np.array([box is not None for box in face.boxes], np.bool_)
            if shown.any():
                spans = face.steps.spans[shown]
                span = TimeSpan(float(spans[0, 0]), float(spans[-1, 1]))
                self._persons.see(face.track, span, face.identity)
                mouth = _mouth(face.steps)
                read = face.steps.valid if mouth is not None else ~shown
                mouth = np.zeros((len(shown), len(MOUTH)), np.float32) if mouth is None else mouth
                self._speakers.see(
                    *(face.track, face.steps.spans[shown, 0], mouth[shown], read[shown]),
                    still=face.still,
                )
        self._persons.settle(seen.until)
        if self._at_sight:
            self._settle(np.inf)
        if seen.shown is not None:
            begin = self._pictures.start if self._pictures.end else seen.shown.start
            self._pictures = TimeSpan(begin, max(begin, seen.shown.end))

    def take(self, utterance: Utterance) -> None:
        """Take in an utterance, in order of start."""
        self._waiting.append(utterance)

    def decided(self, begin: float, heard: float, seen: float) -> Iterator[Utterance]:
        """The utterances that are decided, in order of start; each is to be judged at once.

        Args:
            begin: seconds of the media before which no later utterance begins.
            heard: seconds of the media up to which everything was heard.
            seen: the same of what was seen.
        """
        self._recent = {
            number: track
            for number, track in self._recent.items()
            if track.steps.since(self._told) is not None or track.person is None
        }
        unknown = [
            track.boxes.start
            for number, track in self._recent.items()
            if track.boxes.visible and self._persons.person(number) is None
        ]
        # Nobody can be asked about who it is not known of yet.
        known = min([min(heard, seen) - self._horizon, *unknown])
        if self._at_sight and np.isfinite(known):
            self._listen(known)  # nobody holds sound for long that goes on
        while self._waiting and self._waiting[0].span.end <= known:
            self._decide(self._waiting.popleft())
        until = min(self._waiting[0].span.start if self._waiting else begin, known)
        self._watch(until)
        told = min([until, *(lane.begin for lane in self._lanes.values())])
        self._ready.sort(key=lambda item: (item.span, item.person or ""))
        while self._ready and self._ready[0].span.start < told:
            yield self._ready.pop(0)
        self._told = told

    @property
    def begin(self) -> float:
        """Seconds of the media before which nothing is asked for any more."""
        return self._told

    def face_of(self, utterance: Utterance) -> Evidence:
        """What the face of an utterance's person shows in it, or why nothing."""
        own = [track for track in self._recent.values() if track.person == utterance.person]
        held = [track.steps.since(self._told) for track in own if utterance.person]
        parts = [steps for steps in held if steps is not None]
        if parts:
            steps = concatenate(parts)
            order = np.argsort(steps.spans[:, 0], kind="stable")
            found = look_up(steps.rows(order), utterance)
            if isinstance(found, Present):
                return found
        if utterance.person and self._in_view(utterance.span, own):
            return Absent(Reason.UNREADABLE)
        if self._in_view(utterance.span, self._recent.values()):
            return Absent(Reason.NOT_IN_VIEW if utterance.kind in SPOKEN else Reason.UNREADABLE)
        shown = utterance.span.overlap(self._pictures) > 0
        return Absent(Reason.NO_FACE if shown else Reason.NO_PICTURE)

    def person_of(self, track: int) -> str | None:
        """Whose a face is that is followed, where that is known."""
        return self._tracks[track].person

    def in_view(self, span: TimeSpan) -> list[str]:
        """Who is seen in a span that is not over yet, as far as it is known who they are."""
        shown = {
            track.person: None
            for track in self._recent.values()
            if track.person is not None and track.boxes.shown(span)
        }
        return list(shown)

    def speaker(self, span: TimeSpan) -> str | None:
        """Who seems to speak in a span that is not over yet: whose mouth moves."""
        people = {
            number: person
            for number in self._recent
            if (person := self._persons.person(number)) is not None
        }
        track = self._speakers.who(span, None, span.end, people)
        return None if track is None else self._tracks[track].person

    @property
    def people(self) -> tuple[Person, ...]:
        """Who is seen or heard, in order of appearance."""
        spoken, visible = self._speaking, defaultdict[str | None, float](float)
        for track in self._tracks.values():
            visible[track.person] += track.boxes.visible
        known: dict[Hashable, str | None] = dict(enumerate(self._persons.names))
        return tuple(
            Person(name, known.get(key) or self._names.get(name), visible[name], spoken[name])
            for key, name in self._ids.items()
        )

    @property
    def faces(self) -> tuple[Face, ...]:
        """Their faces, in order of appearance."""
        seen = [track for track in self._tracks.values() if track.person and track.boxes.visible]
        seen.sort(key=lambda track: track.boxes.start)
        return tuple(
            track.boxes.face(f"f{number}", track.person or "")
            for number, track in enumerate(seen, 1)
        )

    def _decide(self, utterance: Utterance) -> None:
        """Find out whose an utterance is."""
        span = utterance.span
        self._settle(span.start)
        if utterance.kind not in SPOKEN:
            # What the people in view show meanwhile is in utterances of their own.
            if not self._readable(span):
                self._ready.append(utterance)
            return
        for person in self._speakers_of(utterance):
            # Nobody says two things at a time; times of words and cues may be a little off.
            begin = min(max(span.start, self._spoken_until[person]), span.end)
            if begin - span.start <= span.duration / 2:
                self._speak(person, clipped(utterance, TimeSpan(begin, span.end)))
                return
        self._ready.append(utterance)

    def _speak(self, person: str, utterance: Utterance) -> None:
        span = utterance.span
        if utterance.speaker is not None:
            self._names.setdefault(person, utterance.speaker)
        self._spoken_until[person] = span.end
        self._speaking[person] += span.duration
        self._lane(person).speak(span)
        self._ready.append(replace(utterance, person=person))

    def _speakers_of(self, utterance: Utterance) -> Iterator[str]:
        """Who may have said it, the likeliest first."""
        voice = utterance.voice if utterance.speaker is None else utterance.speaker
        found = self._speaker_of(utterance, voice)
        # Speakers who have different names are different people.
        known = self._names.get(found or "", utterance.speaker)
        if found is not None and utterance.speaker in (None, known):
            yield found
        if voice is not None:
            yield self._id(("voice", voice))

    def _speaker_of(self, utterance: Utterance, voice: int | str | None) -> str | None:
        """Whose mouth moves with a voice, or did where it was heard before."""
        until = utterance.span.end + self._horizon
        self._listen(until)
        # Vision may be ahead: of faces that appear late nobody may know whose they are.
        people = {
            number: person
            for number, track in self._tracks.items()
            if track.boxes.start + self._patience <= until
            and (person := self._persons.person(number)) is not None
        }
        track = self._speakers.who(utterance.span, voice, until, people)
        if track is not None:
            found = self._id(people[track])
            if voice is not None:
                self._spoken[voice][found] += utterance.span.duration
            return found
        known = {} if voice is None else self._spoken[voice]
        return max(known, key=lambda one: known[one]) if known else None

    def _listen(self, until: float) -> None:
        """Let the sound up to a moment be known beside the mouths."""
        end = round(until * SAMPLE_RATE)
        while self._listened < end:  # in parts: what came before the first words may be long
            part = min(end, self._listened + MOST_SOUND)
            self._speakers.hear((), self._sound[self._listened : part])
            self._listened = part

    def _watch(self, until: float) -> None:
        """Make utterances of what people show who do not speak, up to a moment that is decided."""
        self._settle(until)
        for track in self._recent.values():
            if track.person is not None:
                for steps in track.take(until):
                    self._lane(track.person).see(steps)
        for person, lane in self._lanes.items():
            self._ready += [
                Utterance("", span, kind="silence", person=person) for span in lane.closed(until)
            ]

    def _settle(self, before: float) -> None:
        """Give an id to everybody whose face appears before a moment."""
        new = [
            (track.boxes.start, number)
            for number, track in self._recent.items()
            if track.person is None and track.boxes.visible and track.boxes.start < before
        ]
        for _, number in sorted(new):
            person = self._persons.person(number)
            if person is not None:
                self._tracks[number].person = self._id(person)

    def _id(self, key: Hashable) -> str:
        return self._ids.setdefault(key, f"p{len(self._ids) + 1}")

    def _lane(self, person: str) -> Lane:
        return self._lanes.setdefault(person, Lane(self._window, self._shortest))

    @staticmethod
    def _in_view(span: TimeSpan, tracks: Iterable[_Track]) -> bool:
        return any(track.boxes.shown(span) for track in tracks)

    def _readable(self, span: TimeSpan) -> bool:
        """Whether somebody's expression can be read long enough for an utterance."""
        for track in self._recent.values():
            steps = track.steps.since(self._told)
            if steps is not None:
                inside = (steps.spans[:, 0] >= span.start) & (steps.spans[:, 0] < span.end)
                read = steps.spans[inside & steps.valid]
                if (read[:, 1] - read[:, 0]).sum() >= self._shortest:
                    return True
        return False


def _mouth(steps: ModalitySequence) -> NDArray[np.float32] | None:
    """The mouth's shape at each step, (steps, len(MOUTH)); None where features do not tell."""
    places = {name: place for place, name in enumerate(steps.feature_names)}
    if not all(name in places for name in MOUTH):
        return None
    return steps.values[:, [places[name] for name in MOUTH]]
