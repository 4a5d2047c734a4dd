"""Features on disk: a folder that training and evaluation read through memory maps.

A store holds ``store.json`` (what it is), and for each split shards, ``SPLIT-NNNNN.safetensors``
(features, labels, scales, weight and damage, rows one after another without padding), and
``SPLIT.jsonl`` (id, text, speaker and group of each row). Nothing in it can run code. Version 1,
which is still read, knew no encoders and had one shard a split, ``SPLIT.safetensors``.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.evidence import Example, Steps
from lddu_pipe.files import share, write_whole
from lddu_pipe.types import MODALITIES, Modality

STORE_FILE = "store.json"
STORE_VERSION = 2
SHARD_SIZE = 32_000_000
"""Bytes of features from which a shard is written; so much of each split waits in memory."""
SPLITS = ("train", "valid", "test")
_USUAL = {"weight": 1.0, "damage": 0.0}
"""Of most rows; a shard in which all rows have it does not hold it."""


@dataclass(frozen=True)
class StoreInfo:
    """What a store holds."""

    name: str
    """Of the data set, for people."""
    labels: tuple[str, ...]
    aligned: bool
    """Every modality of a row has the same number of steps, one a word."""
    feature_sizes: Mapping[Modality, int]
    fingerprints: Mapping[Modality, str]
    """Of the extractors; a model that was trained on other features is refused."""
    encoders: Mapping[Modality, Mapping[str, str | None]] = field(default_factory=dict)
    """Where the encoder of a modality is (``source``, ``revision``), if not a default one."""
    synthetic: bool = False
    """Made up for tests and tutorials: figures on it say nothing about emotion."""
    rows: Mapping[str, int] = field(default_factory=dict)
    """By split."""
    shards: Mapping[str, int] = field(default_factory=dict)
    """Files by split."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What was cleaned or counted on the way, JSON values."""
    scales: tuple[str, ...] = ()
    """Names of what rows have values of beside labels, such as valence; most stores have none."""


class StoreWriter:
    """Writes a store that appears whole, when the context ends without an error, or not at all.

    Memory does not grow with the rows: what is more than `SHARD_SIZE` goes to the disk. While the
    store grows, a JSON beside each shard says which rows are in it; a shard that has one is whole.
    """

    def __init__(self, folder: Path, info: StoreInfo, *, resumable: bool = False) -> None:
        """Begin a store.

        Args:
            folder: of the store.
            info: what it will hold.
            resumable: keep what is finished where the context ends with an error, and take up
                what an earlier writer of this folder has kept; see `write_shard`.

        Raises:
            UnusableInputError: `folder` exists and is not empty, or cannot be made.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UnusableInputError(f"{folder} exists and is not empty; name another folder")
        self._folder, self._info, self._resumable = folder, info, resumable
        self._rows: Counter[str] = Counter()
        self._made: Counter[str] = Counter()
        self._shards: dict[str, list[Path]] = {}  # those with rows, of all that were made
        self._waiting: dict[str, list[Example]] = {}
        self._sizes: Counter[str] = Counter()
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            if resumable:
                self._work = folder.with_name(f".{folder.name}.part")
                self._work.mkdir(exist_ok=True)
            else:
                made = tempfile.mkdtemp(
                    dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"
                )
                self._work = Path(made)
        except OSError as error:
            raise UnusableInputError(f"{folder} cannot be made: {error.strerror}") from error

    @property
    def work_folder(self) -> Path:
        """Where the store grows: further files put here become part of it."""
        return self._work

    def write_rows(self, split: str, rows: Iterable[Example]) -> None:
        """Add rows to a split, in this order; splits may grow side by side.

        Raises:
            ValueError: a row does not fit the store; for people, check before.
        """
        if split not in SPLITS:
            raise ValueError(f"split {split!r} is none of {', '.join(SPLITS)}")
        for row in rows:
            self._waiting.setdefault(split, []).append(row)
            self._sizes[split] += sum(steps.values.nbytes for steps in row.sequences.values())
            if self._sizes[split] >= SHARD_SIZE:
                self._write_waiting(split)

    def _write_waiting(self, split: str) -> None:
        rows = self._waiting.pop(split)
        del self._sizes[split]
        self.write_shard(split, "", lambda: (rows, None))

    def write_shard(
        self, split: str, key: str, make: Callable[[], tuple[Sequence[Example], Any]]
    ) -> Any:  # noqa: ANN401 - whatever `make` gave
        """Add rows to a split as a shard of their own, unless an interrupted writer has done so.

        Args:
            split: that grows.
            key: says which rows these are and how they are made: a shard that was kept under
                another is made anew.
            make: gives the rows, none of them too, and a JSON value that is kept beside them.

        Returns:
            The JSON value.

        Raises:
            ValueError: a row does not fit the store.
        """
        path = self._work / _shard_name(split, self._made[split])
        about = path.with_suffix(".json")
        kept = json.loads(about.read_text(encoding="utf-8")) if about.is_file() else {}
        if kept.get("key") != key:
            about.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            rows, value = make()
            for row in rows:
                _check(row, self._info)
            if rows:
                self._save(path, rows)
            kept = {"key": key, "value": value, "records": list(map(_record, rows))}
            write_whole(about, json.dumps(kept, ensure_ascii=False))
        self._made[split] += 1
        if kept["records"]:
            self._shards.setdefault(split, []).append(path)
            self._rows[split] += len(kept["records"])
        return kept["value"]

    def _save(self, path: Path, rows: Sequence[Example]) -> None:
        tensors: dict[str, NDArray[Any]] = {"labels": np.stack([row.labels for row in rows])}
        if self._info.scales:
            tensors["scales"] = np.stack([row.scales for row in rows])
        for name, usual in _USUAL.items():
            given = np.array([getattr(row, name) for row in rows], np.float32)
            if (given != usual).any():
                tensors[name] = given
        for modality in MODALITIES:
            size = self._info.feature_sizes[modality]
            parts = [row.sequences.get(modality) for row in rows]
            found = [part for part in parts if part is not None]
            lengths = [0 if part is None else len(part.values) for part in parts]
            tensors[f"{modality}.offsets"] = np.cumsum([0, *lengths], dtype=np.int64)
            tensors[f"{modality}.values"] = np.concatenate(
                [np.zeros((0, size), np.float32), *(part.values for part in found)]
            )
            tensors[f"{modality}.valid"] = np.concatenate(
                [np.zeros(0, np.bool_), *(part.valid for part in found)]
            )
        save_file(tensors, path)
        share(path)

    def note(self, key: str, value: object) -> None:
        """Keep a JSON value in the notes of the store."""
        self._info = replace(self._info, notes={**self._info.notes, key: value})

    def finished_info(self) -> StoreInfo:
        """What the store holds so far."""
        for split in list(self._waiting):
            self._write_waiting(split)
        shards = {split: len(paths) for split, paths in self._shards.items()}
        return replace(self._info, rows=_in_order(self._rows), shards=_in_order(shards))

    def _finish(self) -> None:
        """Make a store of what is in the work folder."""
        info = {"store_version": STORE_VERSION, **asdict(self.finished_info())}
        if not self._info.scales:
            del info["scales"]  # so that programs which know none read the store
        needed: set[str] = set()
        for split, paths in self._shards.items():
            with (self._work / f"{split}.jsonl").open("w", encoding="utf-8") as file:
                for number, path in enumerate(paths):
                    about = path.with_suffix(".json")
                    for record in json.loads(about.read_text(encoding="utf-8"))["records"]:
                        file.write(json.dumps(record, ensure_ascii=False) + "\n")
                    about.unlink()
                    needed.add(path.replace(self._work / _shard_name(split, number)).name)
        for path in self._work.iterdir():
            if _OF_A_SHARD.fullmatch(path.name) and path.name not in needed:
                path.unlink()  # of shards without rows, or of rows that are no longer wanted
        text = json.dumps(info, indent=1, ensure_ascii=False) + "\n"
        (self._work / STORE_FILE).write_text(text, encoding="utf-8")

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
                self._work.chmod(0o755)
                if self._folder.is_dir():
                    self._folder.rmdir()  # an empty one, as was checked
                self._work.rename(self._folder)
        finally:
            if not self._resumable:
                shutil.rmtree(self._work, ignore_errors=True)


class _Shard:
    """One file of a split."""

    def __init__(self, path: Path, info: StoreInfo) -> None:
        file = safe_open(path, framework="np")
        self.labels: NDArray[np.float32] = file.get_tensor("labels")
        self.scales: NDArray[np.float32] = (
            file.get_tensor("scales")
            if info.scales
            else np.zeros((len(self.labels), 0), np.float32)
        )
        self.usual: dict[str, NDArray[np.float32]] = {
            name: file.get_tensor(name)
            if name in file.keys()  # noqa: SIM118 - it is no mapping
            else np.full(len(self.labels), usual, np.float32)
            for name, usual in _USUAL.items()
        }
        self.offsets: dict[Modality, NDArray[np.int64]] = {
            name: file.get_tensor(f"{name}.offsets") for name in MODALITIES
        }
        self._values = {name: file.get_slice(f"{name}.values") for name in MODALITIES}
        self._valid: dict[Modality, NDArray[np.bool_]] = {
            name: file.get_tensor(f"{name}.valid") for name in MODALITIES
        }

    def sequences(self, index: int) -> dict[Modality, Steps]:
        """The modalities of a row, whose index counts from the first of this shard."""
        found: dict[Modality, Steps] = {}
        for name in MODALITIES:
            begin, end = (int(offset) for offset in self.offsets[name][index : index + 2])
            if self._valid[name][begin:end].any():
                found[name] = Steps(self._values[name][begin:end], self._valid[name][begin:end])
        return found


class StoreSplit:
    """The rows of one split, read from disk as they are asked for."""

    def __init__(self, folder: Path, split: str, shards: int | None, info: StoreInfo) -> None:
        """Open a split.

        Args:
            folder: of the store.
            split: its name.
            shards: how many; None in a store of version 1.
            info: what the store holds.
        """
        self.name = split
        self.info = info
        self._origin = f"{folder}, {split}"
        records = (folder / f"{split}.jsonl").read_text(encoding="utf-8").split("\n")
        self._records: list[dict[str, Any]] = [json.loads(line) for line in records if line]
        if shards is not None and not 1 <= shards <= len(self._records):
            raise ValueError(f"{len(self._records)} rows of {split} are in {shards} shards")
        self._paths = (
            [folder / f"{split}.safetensors"]
            if shards is None
            else [folder / _shard_name(split, number) for number in range(shards)]
        )
        self._open()

    def _open(self) -> None:
        self._shards = [_Shard(path, self.info) for path in self._paths]
        self._ends = np.cumsum([len(shard.labels) for shard in self._shards], dtype=np.int64)
        self.labels: NDArray[np.float32] = np.concatenate([item.labels for item in self._shards])
        """(rows, labels) float32 in 0..1."""
        self.scales: NDArray[np.float32] = np.concatenate([item.scales for item in self._shards])
        """(rows, scales) float32 in -1..1, NaN where unknown."""
        self.weights, self.damage = (
            np.concatenate([item.usual[name] for item in self._shards]) for name in _USUAL
        )
        """(rows,) float32 each, see `Example`."""

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Example:
        """Read one row; the index counts from 0.

        Raises:
            IndexError: there is no such row.
            UnusableInputError: its features hold NaN or infinity; `StoreWriter` writes none.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        number = int(np.searchsorted(self._ends, index, side="right"))
        shard = self._shards[number]
        sequences = shard.sequences(index - int(self._ends[number]) + len(shard.labels))
        for name, steps in sequences.items():
            if not np.isfinite(steps.values).all():
                raise UnusableInputError(
                    f"{self._origin}, row {index} ({self.id_of(index)}): {name} holds NaN or "
                    "infinity; make the store again"
                )
        record = self._records[index]
        return Example.of(
            record["id"],
            self.labels[index],
            sequences,
            record["text"],
            record["speaker"],
            record.get("group"),
            self.scales[index],
            aligned=self.info.aligned,
            weight=float(self.weights[index]),
            damage=float(self.damage[index]),
        )

    def __iter__(self) -> Iterator[Example]:
        return (self[index] for index in range(len(self)))

    def id_of(self, index: int) -> str:
        """Id of a row, without reading its features."""
        return str(self._records[index]["id"])

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of all rows, without reading features."""
        return tuple(str(record["id"]) for record in self._records)

    @property
    def speakers(self) -> tuple[str | None, ...]:
        """Speakers of all rows, None where unknown, without reading features."""
        return tuple(record["speaker"] for record in self._records)

    @property
    def groups(self) -> list[str]:
        """Of each row, what it shares with rows that are alike: group, speaker, or its own id."""
        return [
            str(record.get("group") or record["speaker"] or f"row {record['id']}")
            for record in self._records
        ]

    def lengths(self, modality: Modality) -> NDArray[np.int64]:
        """Steps of each row, (rows,) int64; 0 where the modality is absent."""
        return np.concatenate([np.diff(shard.offsets[modality]) for shard in self._shards])

    def __getstate__(self) -> dict[str, Any]:
        # Memory maps do not travel to the workers of a data loader; each opens its own.
        left = ("_shards", "_ends", "labels", "scales", "weights", "damage")
        return {key: value for key, value in vars(self).items() if key not in left}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()


class FeatureStore:
    """A store that was opened; its splits by name."""

    def __init__(self, folder: Path, info: StoreInfo, splits: Mapping[str, StoreSplit]) -> None:
        self.folder, self.info, self._splits = folder, info, splits

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that are there, in the order of `SPLITS`."""
        return tuple(self._splits)

    def split(self, name: str) -> StoreSplit:
        """The rows of a split.

        Raises:
            UnusableInputError: the store has no such split.
        """
        if name not in self._splits:
            known = ", ".join(self._splits)
            raise UnusableInputError(f"{self.folder} has no split {name!r}; it has: {known}")
        return self._splits[name]


def open_store(folder: Path | str) -> FeatureStore:
    """Open what `StoreWriter` wrote.

    Raises:
        UnusableInputError: it is not a store, or one of another version, or damaged.
    """
    folder = Path(folder)
    path = folder / STORE_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnusableInputError(
            f"{folder} is not a feature store ({path.name}: {error.strerror}); make one with "
            "'lddu-pipe dataset import' or 'lddu-pipe extract'"
        ) from None
    except ValueError:
        raise UnusableInputError(f"{path} is damaged; make the store again") from None
    try:
        version = content.pop("store_version")
        if version not in range(1, STORE_VERSION + 1):
            raise UnusableInputError(
                f"{folder} is a store of version {version}, this program reads up to "
                f"{STORE_VERSION}; make the store again"
            )
        scales = tuple(content.get("scales", ()))  # that others wrote has none
        info = StoreInfo(**{**content, "labels": tuple(content["labels"]), "scales": scales})
        splits = {
            split: StoreSplit(folder, split, None if version == 1 else info.shards[split], info)
            for split in SPLITS
            if split in info.rows
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise UnusableInputError(
            f"{folder} is damaged ({_one_line(error)}); make the store again"
        ) from error
    for split, rows in splits.items():
        if not len(rows) == len(rows.labels) == info.rows[split]:
            raise UnusableInputError(
                f"{folder} is damaged: {split} has {len(rows)} names and {len(rows.labels)} label "
                f"rows, {info.rows[split]} are announced; make the store again"
            )
        _check_split(folder, rows)
    return FeatureStore(folder, info, splits)


def _check_split(folder: Path, split: StoreSplit) -> None:
    """What can be told without reading features, of a store that other hands may have written."""
    labels, origin = split.labels, f"{folder}, {split.name}"
    shaped = labels.ndim == 2 and labels.shape[1] == len(split.info.labels)
    if not (shaped and ((labels >= 0) & (labels <= 1)).all()):  # False for NaN as well
        raise UnusableInputError(
            f"{origin}: labels are not {len(split.info.labels)} numbers in 0..1 a row; make "
            "the store again"
        )
    if split.scales.shape != (len(labels), len(split.info.scales)) or not _on_scale(split.scales):
        raise UnusableInputError(
            f"{origin}: scales are not {len(split.info.scales)} numbers in -1..1 a row; make the "
            "store again"
        )
    shapes = {split.weights.shape, split.damage.shape}
    within = [np.isfinite(split.weights) & (split.weights >= 0)]
    within.append((split.damage >= 0) & (split.damage <= 1))
    if shapes != {(len(labels),)} or not all(part.all() for part in within):
        raise UnusableInputError(
            f"{origin}: weights are not at least 0, or damage not in 0..1; make the store again"
        )
    steps = sum(split.lengths(name) for name in MODALITIES)
    empty = np.flatnonzero(steps == 0)
    if len(empty):
        first = int(empty[0])
        raise UnusableInputError(
            f"{origin}, row {first} ({split.id_of(first)}): every modality is absent; leave "
            "the row out"
        )


def _shard_name(split: str, number: int) -> str:
    return f"{split}-{number:05d}.safetensors"


_OF_A_SHARD = re.compile(r"(train|valid|test)-\d{5}\.(safetensors|json)")


def _record(row: Example) -> dict[str, str | None]:
    record = {"id": row.id, "text": row.utterance.text, "speaker": row.utterance.speaker}
    return record if row.group is None else {**record, "group": row.group}


def _in_order(counts: Mapping[str, int]) -> dict[str, int]:
    return {split: counts[split] for split in SPLITS if split in counts}


def _on_scale(values: NDArray[np.floating]) -> bool:
    return bool(((np.abs(values) <= 1) | np.isnan(values)).all())


def _check(row: Example, info: StoreInfo) -> None:
    if (
        row.labels.shape != (len(info.labels),)
        or not ((row.labels >= 0) & (row.labels <= 1)).all()
    ):
        raise ValueError(f"row {row.id}: labels are {len(info.labels)} numbers in 0..1")
    if row.scales.shape != (len(info.scales),) or not _on_scale(row.scales):
        raise ValueError(f"row {row.id}: scales are {len(info.scales)} numbers in -1..1 or NaN")
    if not row.sequences:
        raise ValueError(f"row {row.id}: every modality is absent")
    for name, steps in row.sequences.items():
        values, valid = steps.values, steps.valid
        if values.dtype != np.float32 or values.shape != (len(valid), info.feature_sizes[name]):
            raise ValueError(f"row {row.id}: {name} is {values.shape} {values.dtype}")
        if not np.isfinite(values).all():
            raise ValueError(f"row {row.id}: {name} holds NaN or infinity")
    if info.aligned and len({len(steps.valid) for steps in row.sequences.values()}) > 1:
        raise ValueError(f"row {row.id}: aligned modalities need the same number of steps")


def _one_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
