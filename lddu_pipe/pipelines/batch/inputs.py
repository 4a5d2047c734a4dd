"""Find what a batch is to annotate, and what its results are to be called."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from lddu_pipe.datasets.manifest import ManifestRow, read_manifest
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.files import distinct_names
from lddu_pipe.pipelines.batch.storage import is_remote, list_remote, shown
from lddu_pipe.transcripts import TRANSCRIPT_SUFFIXES, language_tag
from lddu_pipe.writers.escaping import encodable

_VIDEO = (
    "3gp", "avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "mxf", "ogv",
    "ts", "webm", "wmv",
)  # fmt: skip
_SOUND = ("aac", "aif", "aiff", "flac", "m4a", "mka", "mp3", "oga", "ogg", "opus", "wav", "wma")
_PICTURES = ("bmp", "jpeg", "jpg", "png", "webp")
MEDIA_SUFFIXES = frozenset(f".{name}" for name in (*_VIDEO, *_SOUND, *_PICTURES))
"""Of files that a folder is searched for; a file that is named itself may be called anything."""
SUBTITLE_SUFFIXES = frozenset(TRANSCRIPT_SUFFIXES) - {".json", ".tsv", ".txt"}
"""Transcripts that are annotated where no media of the same name stands beside them.

Text, tables and JSON are not among them: in a folder they are more often notes than transcripts.
"""
MANIFEST_SUFFIXES = (".jsonl", ".ndjson", ".csv", ".tsv")
RESERVED_NAMES = frozenset({"corrections", "failures", "index", "ledger", "summary", "utterances"})
"""Names of files about the whole batch; results of an item get other names."""
_WILD = "*?["


@dataclass(frozen=True)
class Item:
    """One thing to annotate."""

    source: str
    """Path as given, or remote address; of a row, the file it names (empty: text alone)."""
    name: str
    """What its results are called below the output: forward slashes, suffix of the source."""
    size: int
    """Bytes, of the source."""
    version: str
    """Changes when the source does: time of the last change, or what an object store tells."""
    transcript: str | None = None
    """What is said in it, where there is a file of it."""
    row: ManifestRow | None = None
    """Where it comes from a manifest."""

    @property
    def key(self) -> str:
        """Tells it from every other item, whatever folder the batch is started in.

        It is text in UTF-8, whatever the bytes of the file's name are: see `named_bytes`.
        """
        place = shown(self.source) if is_remote(self.source) else str(Path(self.source).absolute())
        if self.row is not None:
            manifest = Path(self.row.origin.rpartition(", line ")[0]).absolute()
            place = f"{manifest}#{self.row.id}"
        return encodable(place)


def find_items(
    given: Sequence[str],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    sidecars: bool = True,
    skip: Path | None = None,
) -> list[Item]:
    """Return what the inputs name, sorted by name.

    Args:
        given: folders, files, patterns, manifests (.jsonl, .csv, .tsv), lists of files (.txt),
            or remote folders and files.
        include: patterns of relative paths or names; others are left out. One that ends in a
            suffix also brings in files of that kind for which a folder is not searched by itself.
        exclude: patterns of what is left out.
        sidecars: take a transcript of the same name beside a file for what is said in it.
        skip: a folder that is never searched: the output.

    Raises:
        UnusableInputError: an input is missing, cannot be read, or there is nothing in it.
    """
    several = sum(_is_folder(place) for place in given) > 1
    items: dict[str, Item] = {}
    for place in given:
        for item in _expand(place, several, include, exclude, sidecars, skip):
            items.setdefault(item.key, item)
    chosen = [item for item in items.values() if _wanted(item.name, include, exclude)]
    if not chosen:
        looked = ", ".join(shown(place) for place in given)
        raise UnusableInputError(f"nothing to annotate in {looked}; see --include and --exclude")
    return sorted(chosen, key=lambda item: item.name)


def result_names(items: Sequence[Item], kept: dict[str, str]) -> dict[str, str]:
    r"""Return the name of the results of each item, by key, no two alike whatever their case.

    The suffix of the source is left out where no other item has the same name without it. A byte
    of a name that is not UTF-8 becomes an escape such as ``\udcff``, since ledgers, pages and
    object stores know only text.

    Args:
        items: all of them.
        kept: names that earlier runs gave, by key; they stay.
    """
    new = [item for item in items if item.key not in kept]
    chosen = distinct_names(
        ((encodable(_stem(item)), encodable(item.name)) for item in new),
        {*RESERVED_NAMES, *kept.values()},
    )
    return {item.key: kept[item.key] for item in items if item.key in kept} | {
        item.key: name for item, name in zip(new, chosen, strict=True)
    }


def _expand(
    place: str,
    several: bool,
    include: Sequence[str],
    exclude: Sequence[str],
    sidecars: bool,
    skip: Path | None,
) -> Iterator[Item]:
    """What one input names."""
    if is_remote(place):
        yield from _remote(place, include, sidecars)
        return
    path = Path(place)
    suffix = path.suffix.lower()
    if path.is_dir():
        if skip is not None and path.resolve() == skip.resolve():
            # Its results would be taken for transcripts beside the media.
            raise UnusableInputError(f"{place} is input and output; give another -o DIR")
        files = _walk(path, skip)
        found = [str(file.relative_to(path)) for file in files]
        prefix = path.resolve().name if several else ""
        yield from _of_folder(path, found, prefix, include, sidecars)
    elif path.is_file() and suffix in MANIFEST_SUFFIXES:
        yield from _of_manifest(path)
    elif path.is_file() and suffix == ".txt":
        yield from _of_list(path, sidecars)
    elif path.is_file():
        yield _local(path, path.name, _beside(path, {}) if sidecars else None)
    elif any(sign in place for sign in _WILD):
        yield from _of_pattern(place, include, sidecars, skip)
    else:
        raise UnusableInputError(f"{place}: there is no such file or folder")


def _walk(folder: Path, skip: Path | None) -> Iterator[Path]:
    """Every file below a folder; hidden ones are left out, links to folders not followed."""
    avoided = skip.resolve() if skip else None
    for root, folders, files in os.walk(folder):
        here = Path(root)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and (here / name).resolve() != avoided
        )
        yield from (here / name for name in sorted(files) if not name.startswith("."))


def _of_folder(
    root: Path, found: Sequence[str], prefix: str, include: Sequence[str], sidecars: bool
) -> Iterator[Item]:
    for relative, transcript in _paired(found, include, sidecars):
        name = (PurePosixPath(prefix) / Path(relative).as_posix()).as_posix()
        yield _local(root / relative, name, str(root / transcript) if transcript else None)


def _paired(
    found: Sequence[str], include: Sequence[str], sidecars: bool
) -> Iterator[tuple[str, str | None]]:
    """The files of a folder that are annotated, each with its transcript."""
    media = [name for name in found if _suffix(name) in MEDIA_SUFFIXES]
    beside = _transcripts(found) if sidecars else {}
    spoken_for = set(map(_without_suffix, media)) if sidecars else set()
    for name in media:
        yield name, beside.get(_without_suffix(name))
    for name in sorted(set(found) - set(media)):
        alone = _suffix(name) in SUBTITLE_SUFFIXES and not _belongs(name, spoken_for)
        # A pattern that ends in a file's own suffix asks for files of that kind.
        asked = [pattern for pattern in include if pattern.lower().endswith(_suffix(name) or "/")]
        if alone or _matches(name, asked):
            yield name, None


def _belongs(transcript: str, stems: Collection[str]) -> bool:
    """True where a transcript is named like the media, perhaps followed by its language."""
    stem = _without_suffix(transcript)
    tag = language_tag(stem)
    return stem in stems or (tag is not None and tag[0] in stems)


def _transcripts(found: Iterable[str]) -> dict[str, str]:
    """The transcript of each stem; of several, one that can be nothing else.

    One that names a language ("talk.en.srt") stands in where there is none without: the English
    one, or the only one. Which of several others is what is said, nobody can tell.
    """
    order = {suffix: suffix not in SUBTITLE_SUFFIXES for suffix in TRANSCRIPT_SUFFIXES}
    best: dict[str, str] = {}
    by_language: dict[str, dict[str, str]] = {}
    known = [name for name in found if _suffix(name) in order]
    for name in sorted(known, key=lambda name: (order[_suffix(name)], name)):
        stem = _without_suffix(name)
        best.setdefault(stem, name)
        tag = language_tag(stem)
        if tag is not None:
            by_language.setdefault(tag[0], {}).setdefault(tag[1], name)
    for stem, names in by_language.items():
        chosen = names.get("en") or (next(iter(names.values())) if len(names) == 1 else None)
        if chosen is not None:
            best.setdefault(stem, chosen)
    return best


def _beside(path: Path, folders: dict[Path, dict[str, str]]) -> str | None:
    """The transcript beside a file, unless it is one itself.

    Args:
        path: of the file.
        folders: transcripts by stem of each folder that was looked at; grows.
    """
    if path.suffix.lower() in TRANSCRIPT_SUFFIXES:
        return None
    if path.parent not in folders:
        folders[path.parent] = _transcripts([entry.name for entry in path.parent.iterdir()])
    found = folders[path.parent].get(_without_suffix(path.name))
    return str(path.parent / found) if found else None


def _of_pattern(
    pattern: str, include: Sequence[str], sidecars: bool, skip: Path | None
) -> Iterator[Item]:
    fixed = pattern[: min(pattern.index(sign) for sign in _WILD if sign in pattern)]
    root = Path(fixed) if not fixed or fixed.endswith("/") else Path(fixed).parent
    avoided = skip.resolve() if skip else None
    rest = pattern[len(fixed) if fixed.endswith("/") else len(fixed) - len(Path(fixed).name) :]
    paths = [
        path
        for path in sorted(root.glob(rest))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
        and (avoided is None or avoided not in path.resolve().parents)
    ]
    # A pattern such as clips/* names transcripts too, which belong to their media.
    media = {_without_suffix(str(path)) for path in paths if _suffix(path.name) in MEDIA_SUFFIXES}
    folders: dict[Path, dict[str, str]] = {}
    for path in paths:
        transcript = path.suffix.lower() in TRANSCRIPT_SUFFIXES
        if not (sidecars and transcript and _belongs(str(path), media)):
            relative = path.relative_to(root).as_posix()
            yield _local(path, relative, _beside(path, folders) if sidecars else None)


def _of_list(path: Path, sidecars: bool) -> Iterator[Item]:
    """One path or address a line, relative to the folder of the list."""
    try:
        # Names are bytes; a list of them, as ls writes it, need not be UTF-8 either.
        lines = path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnusableInputError(f"{path}: cannot read the list of files: {reason}") from None
    places = [line.strip() for line in lines if line.strip()]
    if not places:
        raise UnusableInputError(f"{path} names no file")
    local = [path.parent / place for place in places if not is_remote(place)]
    for file in local:
        if not file.is_file():
            raise UnusableInputError(f"{path} names {file}, and there is no such file")
    top = os.path.commonpath([file.absolute().parent for file in local]) if local else ""
    folders: dict[Path, dict[str, str]] = {}
    for file in local:
        relative = file.absolute().relative_to(top).as_posix()
        yield _local(file, relative, _beside(file, folders) if sidecars else None)
    for place in filter(is_remote, places):
        yield from _remote(place, (), sidecars)


def _of_manifest(path: Path) -> Iterator[Item]:
    for row in read_manifest(path):
        source = row.video or row.audio or row.image or row.transcript
        name = "/".join(part for part in row.id.split("/") if part not in ("", ".", ".."))
        size, version = _state(source) if source else (len(row.text or ""), "")
        yield Item(
            source=str(source) if source else "",
            name=name or "row",
            size=size,
            # A row that changed is another one, as a file is; where it stands does not matter.
            version=f"{version} {replace(row, origin='')!r}",
            transcript=str(row.transcript)
            if row.transcript and row.transcript != source
            else None,
            row=row,
        )


def _local(path: Path, name: str, transcript: str | None) -> Item:
    size, version = _state(path)
    return Item(str(path), name, size, version, transcript)


def _remote(place: str, include: Sequence[str], sidecars: bool) -> Iterator[Item]:
    found = list_remote(place)
    if not found:
        raise UnusableInputError(f"{shown(place)}: there is no such file or folder")
    details = {name: (size, version) for name, size, version in found}
    names = list(details)
    if names == [place]:
        yield Item(place, PurePosixPath(shown(place)).name, *details[place])
        return
    wild = min((place.index(sign) for sign in _WILD if sign in place), default=len(place))
    root = place[:wild].rpartition("/")[0] if wild < len(place) else place.rstrip("/")
    for name, transcript in _paired(names, include, sidecars):
        relative = name[len(root) :].lstrip("/")
        yield Item(name, relative, *details[name], transcript)


def _state(path: Path) -> tuple[int, str]:
    """Bytes of a file, and the nanosecond of its last change."""
    try:
        found = path.stat()
    except OSError:
        return 0, ""  # a broken link, say: annotating it gives the error
    return found.st_size, str(found.st_mtime_ns)


def _stem(item: Item) -> str:
    """A row's id is its name; a file's loses the suffix."""
    return item.name if item.row is not None else _without_suffix(item.name)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _without_suffix(name: str) -> str:
    return name[: len(name) - len(PurePosixPath(name).suffix)]


def _is_folder(place: str) -> bool:
    return not is_remote(place) and Path(place).is_dir()


def _wanted(name: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    return (not include or _matches(name, include)) and not _matches(name, exclude)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    """True where a pattern fits the relative path, or the name alone."""
    last = name.rpartition("/")[2]
    return any(fnmatch(name, pattern) or fnmatch(last, pattern) for pattern in patterns)
