"""What a corpus looks like, from the ledger of its batch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from lddu_pipe.files import distinct_names
from lddu_pipe.pipelines.batch.ledger import Entry
from lddu_pipe.types import MODALITIES

_DIGEST = re.compile(" [0-9a-f]{64}$")
"""Follows the path of a transcript."""


def summarise(entries: Sequence[Entry], labels: Sequence[str]) -> dict[str, Any]:
    """Add up what the entries of a batch say.

    Args:
        entries: of every item that the inputs name.
        labels: of the model, in order.

    Returns:
        ``files`` by state; ``hours`` of media done; ``people`` of all files, each file's counted
        anew; ``utterances``; ``prevalence`` by label, the
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
        counts[_state(entry)] += 1
    utterances = sum(item["utterances"] for item, _ in done)

    def share(count: int) -> float | None:
        return round(count / utterances, 4) if utterances else None

    duration = sum(item["duration"] for item, _ in done)
    # Text and stills have no duration, so their work says nothing of speed.
    timed = sum(seconds for item, seconds in done if item["duration"])
    return {
        "files": {"total": len(entries), **counts},
        "hours": round(duration / 3600, 4),
        "people": sum(len(item.get("people", ())) for item, _ in done),
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


def labels_of(entries: Sequence[Entry]) -> list[str]:
    """Every label that was looked for, in the order of the model."""
    labels: dict[str, None] = {}
    for entry in entries:
        labels |= dict.fromkeys((entry.statistics or {}).get("present", {}))
    return list(labels)


def people_of(entries: Sequence[Entry], labels: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What a table of everybody in a batch says, a person of a file a row.

    Args:
        entries: of every item that the inputs name.
        labels: of the model, in order.

    Yields:
        ``file``, ``person`` (the id), ``name``, ``seconds_visible``, ``seconds_speaking``,
        ``utterances``, ``abstained``, and for each label ``present_`` and its name: the number of
        utterances in which it is present.
    """
    for entry in entries:
        if entry.state != "done":
            continue
        for person in (entry.statistics or {}).get("people", ()):
            names = ("name", "seconds_visible", "seconds_speaking", "utterances", "abstained")
            yield {
                "file": _shown_name(entry),
                "person": person["id"],
                **{name: person[name] for name in names},
                **{f"present_{label}": person["present"].get(label, 0) for label in labels},
            }


def rows_of(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """What the page of a batch shows of each entry.

    Returns:
        ``name`` of the file with its folders, ``state`` (done, failed or waiting), ``error``, and
        ``result``, the file that it opens (a page where there is one, else JSON; None where there
        is neither). What is done has the keys of `work.statistics_of`, too; of ``people``, only
        how many there are.
    """
    return [
        {
            "name": _shown_name(entry),
            "state": _state(entry),
            "error": why_failed(entry),
            "result": _result(entry),
            **(known := entry.statistics or {}),
            **({"people": len(known["people"])} if "people" in known else {}),
        }
        for entry in entries
    ]


def why_failed(entry: Entry) -> str | None:
    """What went wrong, without the folders of its files: pages are given to others."""
    message = entry.error or ""
    transcript = _DIGEST.sub("", entry.transcript or "")
    # Of a row, the key begins with its manifest.
    places = {entry.source, transcript, entry.key, entry.key.partition("#")[0]}
    for place in sorted(places, key=len, reverse=True):
        folder, slash, name = place.rpartition("/")
        if folder:
            message = re.sub(rf"(?<![\w.]){re.escape(folder + slash)}", "", message)
            # The ledger has paths from the root on, and the message perhaps from elsewhere.
            parts = [f"{part}/" for part in folder.split("/") if part]
            tails = "|".join(re.escape("".join(parts[start:])) for start in range(len(parts)))
            message = re.sub(
                rf"(?<![\w./-])(?:\.\.?/)*(?:{tails})(?={re.escape(name)})", "", message
            )
    return message or entry.error


def name_of_index(entries: Sequence[Entry]) -> str:
    """What the page of a batch is called: index.html.

    A batch that is older than this page may have given the name to a result, which keeps it.
    """
    taken = [PurePosixPath(name).with_suffix("") for entry in entries for name in entry.outputs]
    return f"{distinct_names([('index', 'files')], map(str, taken))[0]}.html"


def _state(entry: Entry) -> str:
    return "waiting" if entry.state == "running" else entry.state


def _shown_name(entry: Entry) -> str:
    """The name of the results, with the suffix of the source where it is called after that."""
    folder, slash, own = entry.name.rpartition("/")
    source = PurePosixPath(entry.source)
    return f"{folder}{slash}{source.name}" if own == source.stem else entry.name


def _result(entry: Entry) -> str | None:
    for suffix in (".html", ".json"):
        if entry.name + suffix in entry.outputs:
            return entry.name + suffix
    return None
