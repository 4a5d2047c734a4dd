"""What to look at next, and which of it is a random sample.

Every fourth utterance that a reviewer is offered is drawn at random, the others are those of
which the model is least sure. To look at the doubtful ones first makes the most of a reviewer's
time; but how often the model is right can only be told from a random sample.

Which ones are random was decided before anybody looked: every utterance has a place in a fixed
random order (`lot`), and the next one in it is offered when its turn comes. After n judgements the
sample is the first n // 4 of that order, wherever they came from: one that was looked at because
it was doubtful, or because a reviewer wished to, counts when its turn comes. So neither the size
of the sample nor what is in it depends on what the model or the reviewer said of it, and the mean
over it is an unbiased estimate of that over all utterances. Where a reviewer leaves the next one
out, the sample ends before it, however much else is judged; who leaves it out for being hard makes
the model look better, and should say "cannot tell", which is a judgement.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence, Set
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, TypeVar

from lddu_pipe.predictions import Prediction
from lddu_pipe.review.matching import Anchor
from lddu_pipe.types import MODALITIES

Key = TypeVar("Key", bound=Hashable)
Why = Literal["uncertain", "random"]

RANDOM_EVERY = 4
"""One in so many is drawn at random."""
SEED = "lddu-pipe review 1"
"""Of the random order; another one would make another sample of the same corrections."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """How unsure the model is of an utterance; the greater comes first."""

    seen: bool
    """False where no modality was there: nothing can be learnt from such an utterance."""
    wrong: float
    """How many of the decisions are expected to be wrong: the sum of 1 - confidence."""
    epistemic: float
    """Mean over labels, 0..1; decides between equals."""

    @classmethod
    def of(cls, prediction: Prediction) -> Doubt:
        """The doubt of a prediction."""
        scores = prediction.emotions
        return cls(
            seen=len(prediction.missing) < len(MODALITIES),
            wrong=sum(1 - score.confidence for score in scores),
            epistemic=sum(score.uncertainty.epistemic for score in scores) / len(scores),
        )

    @property
    def rank(self) -> tuple[bool, float, float]:
        """Sorts the most doubtful to the front."""
        return not self.seen, -self.wrong, -self.epistemic


def lot(media: str, anchor: Anchor, seed: str = SEED) -> int:
    """The place of an utterance in the random order: a hash of where it stands in its media.

    What the model says has no part in it, nor have words that it recognised, where there is time
    to go by; nor the id, which changes with the cut.
    """
    if anchor.start is None:
        place = f"{anchor.repeat} {anchor.text}"
    else:
        place = f"{anchor.start:.3f} {anchor.end:.3f}"
    content = "\0".join((seed, media, place))
    return int.from_bytes(sha256(content.encode("utf-8", "surrogatepass")).digest()[:8])


def offers(
    by_lot: Sequence[Key], by_doubt: Sequence[Key], judged: Set[Key]
) -> Iterator[tuple[Key, Why]]:
    """What to look at, one after the other, as if each were judged before the next is asked for.

    Args:
        by_lot: all utterances in the random order.
        by_doubt: the same, the most doubtful first.
        judged: those that were looked at.
    """
    done = set(judged)
    count = sum(key in done for key in by_lot)
    drawn, doubtful = 0, 0
    while count < len(by_lot):
        while drawn < len(by_lot) and by_lot[drawn] in done:
            drawn += 1
        while by_doubt[doubtful] in done:
            doubtful += 1
        why: Why = "random" if drawn < count // RANDOM_EVERY + 1 else "uncertain"
        key = by_lot[drawn] if why == "random" else by_doubt[doubtful]
        yield key, why
        done.add(key)
        count += 1


def sample(by_lot: Sequence[Key], judged: Set[Key]) -> list[Key]:
    """The random sample among those that were judged; see the top of this module.

    Args:
        by_lot: all utterances in the random order.
        judged: those that were looked at.
    """
    count = sum(key in judged for key in by_lot)
    chosen = []
    for key in by_lot[: count // RANDOM_EVERY]:
        if key not in judged:
            break
        chosen.append(key)
    return chosen
