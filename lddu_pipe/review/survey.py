"""All utterances that somebody may review, in the orders in which they are offered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lddu_pipe.review.candidates import Candidate, Key, Opened
from lddu_pipe.review.matching import match
from lddu_pipe.review.shelf import Item
from lddu_pipe.review.store import Correction


@dataclass(frozen=True)
class Survey:
    """Every utterance once, also where the same media was annotated twice."""

    names: Mapping[str, str]
    """Of items, by id."""
    candidates: Mapping[Key, Candidate]
    by_lot: Sequence[Key]
    """In the random order."""
    by_doubt: Sequence[Key]
    """The most doubtful first."""
    judged: Mapping[Key, Correction]
    """What is in force of those that were looked at."""
    judged_of_item: Mapping[str, int]
    """How many utterances of each item were looked at, by id."""


def survey(
    opened: Sequence[tuple[Item, Opened]], corrections: Mapping[str, Sequence[Correction]]
) -> Survey:
    """Put together what is known of all items.

    Args:
        opened: items that are done; where two have utterances in common, the first one's count.
        corrections: in force, by media.
    """
    of_media: dict[str, dict[Key, Candidate]] = defaultdict(dict)
    judged: dict[Key, Correction] = {}
    judged_of_item: dict[str, int] = {}
    for item, found in opened:
        anchors = [candidate.anchor for candidate in found.candidates.values()]
        said = {correction.subject: correction for correction in corrections.get(found.media, ())}
        belongs = match({name: correction.anchor for name, correction in said.items()}, anchors)
        judged_of_item[item.id] = len(belongs)
        known = of_media[found.media]
        doubles = set(match({key: other.anchor for key, other in known.items()}, anchors).values())
        known |= {
            candidate.key: candidate
            for utterance, candidate in found.candidates.items()
            if utterance not in doubles
        }
        judged |= {
            (item.id, utterance): said[subject]
            for subject, utterance in belongs.items()
            if utterance not in doubles
        }
    candidates = {key: item for known in of_media.values() for key, item in known.items()}
    by_lot = sorted(candidates, key=lambda key: (candidates[key].lot, key))
    # Sorting keeps the order of equals.
    by_doubt = sorted(by_lot, key=lambda key: candidates[key].doubt.rank)
    names = {item.id: item.name for item, _ in opened}
    return Survey(names, candidates, by_lot, by_doubt, judged, judged_of_item)
