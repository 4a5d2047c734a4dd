"""The published feature files of CMU-MOSEI and M3ED, brought into a feature store.

Layouts: a pickle or torch file of {train, valid, test}, each a dict of ``text``, ``audio`` and
``vision`` (rows, steps, features), or ``src-text``, ``src-audio`` and ``src-visual`` in the older
one; with ``id``, ``raw_text``, ``tgt`` or ``labels``, ``audio_lengths`` and ``vision_lengths``
where they are; ``dict`` says what the tokens of ``tgt`` mean. `layouts` knows others.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.datasets.label_tables import LabelTable
from lddu_pipe.datasets.layouts import (
    Columns,
    Features,
    are_aligned,
    column_of,
    features_of,
    ids_of,
    sizes_of,
    splits_of,
)
from lddu_pipe.datasets.pickles import read_untrusted
from lddu_pipe.datasets.sequences import Rows
from lddu_pipe.datasets.store import SPLITS, StoreInfo, StoreWriter
from lddu_pipe.datasets.targets import (
    Tokens,
    is_matrix,
    targets_of,
    targets_of_intensities,
    text_of,
)
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.labels import M3ED, MOSEI, LabelSet

LABEL_SETS = {"mosei": MOSEI, "m3ed": M3ED}
_SWAPPED = (342, 1024)
"""Sizes of M3ED's audio and vision, as the public code names what RUCM3ED calls the reverse."""


def import_official(
    source: Path, output: Path, kind: str, *, labels: Path | None = None
) -> StoreInfo:
    """Read a published feature file and write a store.

    Infinite and NaN values become 0 and are counted. Padding is cut: steps of zeros at the end of
    a row, or at its beginning in a file that is padded there, and steps beyond the lengths the
    file gives; in between, steps of zeros show nothing. A modality without any step that shows
    something is absent. In M3ED a row is a whole dialogue, and its labels are the union of those
    of its utterances.

    Args:
        source: the file.
        output: folder of the store; it must not be there or be empty.
        kind: "mosei" or "m3ed".
        labels: a CSV of labels, where the file has none; see `LabelTable`.

    Returns:
        What the store holds; ``notes`` say what was cleaned and left out, by split, and in
        ``remarks`` what else people should know.

    Raises:
        UnusableInputError: the file holds code, or shapes, row counts or labels are wrong; the
            message names file, split and row.
    """
    label_set = LABEL_SETS[kind]
    parts, rest = splits_of(source, read_untrusted(source))
    remarks: list[str] = []
    tokens = _tokens(rest, label_set, source, remarks)
    table = LabelTable(labels, tokens) if labels is not None else None
    checked = {split: features_of(part, f"{source}, {split}") for split, part in parts.items()}
    sizes = sizes_of(source, checked)
    swapped = (sizes["audio"], sizes["vision"]) == _SWAPPED and label_set == M3ED
    if swapped and any("src-visual" in part for part in parts.values()):
        remarks.append(
            "what this file calls audio (342) are the faces of RUCM3ED, and its vision (1024) is "
            "the sound: the public code names them so, and the names are kept"
        )
    aligned = all(are_aligned(parts[split], rows) for split, rows in checked.items())
    info = StoreInfo(
        name=f"{kind} ({source.name})",
        labels=label_set.labels,
        aligned=aligned,
        feature_sizes=sizes,
        fingerprints={name: f"{kind}-official:{name}:{size}" for name, size in sizes.items()},
        synthetic=bool(parts["train"].get("synthetic", False)) if "train" in parts else False,
    )
    with StoreWriter(output, info) as writer:
        notes: dict[str, dict[str, Any]] = {}
        for split in [name for name in SPLITS if name in parts]:
            origin = f"{source}, {split}"
            part, features = parts[split], checked[split]
            targets = _targets(part, split, len(features["text"]), origin, tokens, table, remarks)
            if label_set == M3ED:
                remarks += _tell_of_cut_utterances(part, features, split, origin, tokens)
            reader = Rows(part, features, split, origin, aligned=aligned)
            found, notes[split] = reader.read(targets)
            remarks += reader.remarks
            if not found:
                raise UnusableInputError(f"{origin}: no row has any feature that is not zero")
            writer.write_rows(split, found)
        writer.note("cleaned", notes)
        writer.note("remarks", remarks)
        return writer.finished_info()


def _tokens(rest: Columns, label_set: LabelSet, source: Path, remarks: list[str]) -> Tokens:
    """What the tokens of the file mean: what it says itself, else what is usual."""
    of_file = rest.get("dict")
    of_file = of_file if isinstance(of_file, Mapping) else {}
    names = next((value for key, value in of_file.items() if text_of(key) == "tgt"), None)
    if names is None:
        return Tokens.published(label_set)
    if not isinstance(names, Mapping):
        raise UnusableInputError(f"{source}: dict.tgt is no dict of names and tokens")
    tokens = Tokens.of_map(names, label_set, f"{source}: dict.tgt")
    if tokens != Tokens.published(label_set):
        told = ", ".join(
            f"{label} {token}"
            for label, token in zip(tokens.order, sorted(tokens.columns), strict=True)
        )
        remarks.append(f"labels have the tokens of the file's own dict.tgt: {told}")
    return tokens


def _targets(
    part: Columns,
    split: str,
    rows: int,
    origin: str,
    tokens: Tokens,
    table: LabelTable | None,
    remarks: list[str],
) -> NDArray[np.float32]:
    key = next((name for name in ("tgt", "labels") if name in part), None)
    if table is not None:
        joined = table.targets(split, ids_of(part, rows, origin), rows)
        remarks += [remark for remark in joined.remarks if remark not in remarks]
        if key is not None:
            remarks.append(f"{split}: {key} of the file was passed over for {table.path.name}")
        return joined.targets
    if key is None:
        sentiment = " (regression_labels are sentiment)" if "regression_labels" in part else ""
        raise UnusableInputError(
            f"{origin}: no emotion labels (tgt or labels){sentiment}; give a CSV of them with "
            "--labels"
        )
    values = column_of(part, key, rows, origin)
    if key == "tgt" and not is_matrix(values, tokens):
        return targets_of(values, tokens, origin)
    remarks.append(f"{split}: columns of {key} are taken for {', '.join(tokens.order)}")
    return targets_of_intensities(values, tokens, f"{origin}: {key}")


def _tell_of_cut_utterances(
    part: Columns, features: Features, split: str, origin: str, tokens: Tokens
) -> list[str]:
    """What to say of dialogues that were longer than the features a file has of them."""
    count = len(features["text"])
    lists = column_of(part, "tgt", count, origin) if "tgt" in part else []
    by_utterance = bool(lists) and all(
        isinstance(row, list | tuple) and row and isinstance(row[0], list | tuple) for row in lists
    )
    if "len_list" in part:
        lengths = column_of(part, "len_list", count, origin)
        if not all(isinstance(length, int | np.integer) and length >= 0 for length in lengths):
            raise UnusableInputError(f"{origin}: len_list are not numbers of utterances")
    elif by_utterance:
        lengths = [len(row) for row in lists]
    else:
        return []
    steps = [len(row) for row in features["text"]]
    cut = [max(0, length - size) for length, size in zip(lengths, steps, strict=True)]
    if not any(cut):
        return []
    told = "and the file does not say by which"
    if by_utterance:
        whole = targets_of(lists, tokens, origin)
        seen = [row[:size] or [[]] for row, size in zip(lists, steps, strict=True)]
        lost = int((whole > targets_of(seen, tokens, origin)).sum())
        told = f"from which alone {lost} labels of dialogues come"
    return [
        f"{split}: dialogues that are longer than their features: {sum(map(bool, cut))} of "
        f"{count}; {sum(cut)} of their utterances are known by labels alone, {told}"
    ]
