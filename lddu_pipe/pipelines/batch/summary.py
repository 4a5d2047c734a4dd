"""What a corpus looks like, from the ledger of its batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from lddu_pipe.pipelines.batch.ledger import Entry
from lddu_pipe.types import MODALITIES


def summarise(entries: Sequence[Entry], labels: Sequence[str]) -> dict[str, Any]:
    """Add up what the entries of a batch say.

    Args:
        entries: of every item that the inputs name.
        labels: of the model, in order.

    Returns:
        ``files`` by state; ``hours`` of media done; ``utterances``; ``prevalence`` by label, the
        share of utterances in which it is present; ``abstained``, the share of utterances;
        ``missing`` by modality, the share of utterances; ``work_seconds``, the time workers took,
        added up; ``real_time_factor``, seconds of media a second of one worker's time (None where
        nothing has a duration). Shares are None without utterances.
    """
    done = [
        (entry.statistics, entry.seconds or 0.0)
        for entry in entries
        if entry.state == "done" and entry.statistics is not None
    ]
    counts: Counter[str] = Counter({"done": 0, "failed": 0, "waiting": 0})
    for entry in entries:
        counts["waiting" if entry.state == "running" else entry.state] += 1
    utterances = sum(item["utterances"] for item, _ in done)

    def share(count: int) -> float | None:
        return round(count / utterances, 4) if utterances else None

    duration = sum(item["duration"] for item, _ in done)
    # Text and stills have no duration, so their work says nothing of speed.
    timed = sum(seconds for item, seconds in done if item["duration"])
    return {
        "files": {"total": len(entries), **counts},
        "hours": round(duration / 3600, 4),
        "utterances": utterances,
        "prevalence": {
            label: share(sum(item["present"].get(label, 0) for item, _ in done))
            for label in labels
        },
        "abstained": share(sum(item["abstained"] for item, _ in done)),
        "missing": {
            name: share(sum(item["missing"][name] for item, _ in done)) for name in MODALITIES
        },
        "work_seconds": round(sum(seconds for _, seconds in done), 1),
        "real_time_factor": round(duration / timed, 2) if timed and duration else None,
    }
