"""Annotations made by hand, and a repository of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest

from lddu_pipe.annotation import (
    Annotation,
    Face,
    ModelInfo,
    Person,
    Provenance,
    SourceInfo,
)
from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.pipelines.batch.work import statistics_of
from lddu_pipe.predictions import EmotionScore, Prediction, Uncertainty
from lddu_pipe.review.repository import ReviewItem
from lddu_pipe.review.store import CorrectionStore
from lddu_pipe.types import Kind, TimeSpan, Utterance

LABELS = ("happy", "sad", "anger")


def _say(
    text: str,
    start: float = 0.0,
    end: float = 1.0,
    *,
    present: Sequence[str] = (),
    abstained: Sequence[str] = (),
    confidence: float = 0.9,
    epistemic: float = 0.0,
    speaker: str | None = None,
    missing: Sequence[str] = (),
    identity: str = "",
    labels: Sequence[str] = LABELS,
    person: str | None = None,
    kind: Kind = "speech",
) -> Prediction:
    """An utterance and what the model says of it."""

    def score(label: str) -> EmotionScore:
        there = label in present
        decision = "abstain" if label in abstained else "present" if there else "absent"
        probability = confidence if there else 1 - confidence
        return EmotionScore(label, probability, decision, confidence, Uncertainty(0.1, epistemic))

    return Prediction(
        Utterance(identity, TimeSpan(start, end), text, speaker=speaker, kind=kind, person=person),
        tuple(map(score, labels)),
        dict.fromkeys(missing, Absent(Reason.NOT_IN_ROW)),
        bool(abstained),
    )


def _annotate(
    predictions: Sequence[Prediction],
    *,
    sha256: str = "a" * 64,
    duration: float = 60.0,
    audio: bool = True,
    video: bool = True,
    path: str = "talk.mp4",
    model: str = "lddu-base-en",
    people: Sequence[Person] = (),
    faces: Sequence[Face] = (),
) -> Annotation:
    """An annotation of these, which get ids by their order unless they have some."""
    numbered = [
        item if item.id else replace(item, utterance=replace(item.utterance, id=f"{index:04d}"))
        for index, item in enumerate(predictions)
    ]
    labels = tuple(score.label for score in numbered[0].emotions) if numbered else LABELS
    return Annotation(
        SourceInfo(path, sha256, duration, audio, video),
        ModelInfo(model, "0.2.1", labels, False),
        numbered,
        Provenance("2026-11-28T10:00:00+00:00", {}, {}, {}),
        people,
        faces,
    )


def _annotate_text(*texts: str, **options) -> Annotation:
    """An annotation of text alone."""
    nothing = {"sha256": "", "duration": 0.0, "audio": False, "video": False, "path": ""}
    return _annotate([_say(text) for text in texts], **(nothing | options))


class HandRepository:
    """A repository to which tests put annotations by hand."""

    def __init__(self, folder: Path, *, shared: bool = False) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.store = CorrectionStore(folder / "corrections.sqlite")
        self._shared = shared
        self._items: dict[tuple[str, str], ReviewItem] = {}
        self._media: dict[str, Path] = {}

    def put(
        self,
        name: str,
        annotation: Annotation | None,
        *,
        owner: str = "",
        media: Path | None = None,
        created: str = "2026-11-28T10:00:00+00:00",
    ) -> str:
        """Put an annotation there, or one that failed; return its id."""
        identity = str(uuid5(NAMESPACE_URL, f"{owner} {name}"))
        if annotation is not None:
            annotation.save(self.folder / f"{identity}.json")
        self._items[owner, identity] = ReviewItem(
            identity,
            "job",
            name,
            "failed" if annotation is None else "done",
            "no such codec" if annotation is None else None,
            created,
            None if annotation is None else json.loads(json.dumps(statistics_of(annotation))),
        )
        if media is not None:
            self._media[identity] = media
        return identity

    def remove(self, identity: str, owner: str = "") -> None:
        """Take an annotation away."""
        del self._items[owner, identity]

    def owner_of(self, owner: str) -> str:
        return "" if self._shared else owner

    def items(self, owner: str) -> list[ReviewItem]:
        return [item for (whose, _), item in self._items.items() if self._sees(owner, whose)]

    def item(self, owner: str, item_id: str) -> ReviewItem | None:
        return next((item for item in self.items(owner) if item.id == item_id), None)

    def annotation(self, item: ReviewItem) -> Path:
        return self.folder / f"{item.id}.json"

    def media(self, item: ReviewItem) -> Path | None:
        return self._media.get(item.id)

    def has_media(self, item: ReviewItem) -> bool:
        return item.id in self._media

    def _sees(self, owner: str, whose: str) -> bool:
        return self._shared or owner == whose


@pytest.fixture(scope="session")
def say() -> Callable[..., Prediction]:
    return _say


@pytest.fixture(scope="session")
def annotate() -> Callable[..., Annotation]:
    return _annotate


@pytest.fixture(scope="session")
def annotate_text() -> Callable[..., Annotation]:
    return _annotate_text


@pytest.fixture
def make_repository(tmp_path):
    """Makes repositories, each in a folder of its own."""
    with ExitStack() as opened:

        def make(name: str = "repository", *, shared: bool = False) -> HandRepository:
            made = HandRepository(tmp_path / name, shared=shared)
            opened.callback(made.store.close)
            return made

        yield make


@pytest.fixture
def repository(make_repository):
    return make_repository()
