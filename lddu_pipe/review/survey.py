"""All utterances that somebody may review, in the orders in which they are offered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lddu_pipe.review.candidates import Candidate, Key, Opened
from lddu_pipe.review.matching import Anchor, match
from lddu_pipe.review.repository import ReviewItem
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
    repositories: Sequence[tuple[Sequence[tuple[ReviewItem, Opened]], Sequence[Correction]]],
) -> Survey:
    """Put together what is known of all items.

    Args:
        repositories: of each the items that are done, and the corrections in force. Where two
            items of a repository have utterances in common, those of the first count; between
            repositories nothing is shared, as they share no corrections.
    """
    names: dict[str, str] = {}
    candidates: dict[Key, Candidate] = {}
    judged: dict[Key, Correction] = {}
    judged_of_item: dict[str, int] = {}
    for opened, corrections in repositories:
        said: dict[str, dict[str, Correction]] = defaultdict(dict)
        for correction in corrections:
            said[correction.media][correction.subject] = correction
        seen: dict[str, dict[Key, Anchor]] = defaultdict(dict)
        for item, found in opened:
            anchors = found.anchors
            doubles = set(match(seen[found.media], anchors).values())
            of_media = said[found.media]
            belongs = match({name: each.anchor for name, each in of_media.items()}, anchors)
            judged |= {
                (item.id, utterance): of_media[subject]
                for subject, utterance in belongs.items()
                if utterance not in doubles
            }
            fresh = {
                candidate.key: candidate
                for utterance, candidate in found.candidates.items()
                if utterance not in doubles
            }
            candidates |= fresh
            seen[found.media] |= {key: candidate.anchor for key, candidate in fresh.items()}
            judged_of_item[item.id] = len(belongs)
            names[item.id] = item.name
    by_lot = sorted(candidates, key=lambda key: (candidates[key].lot, key))
    # Sorting keeps the order of equals.
    by_doubt = sorted(by_lot, key=lambda key: candidates[key].doubt.rank)
    return Survey(names, candidates, by_lot, by_doubt, judged, judged_of_item)
