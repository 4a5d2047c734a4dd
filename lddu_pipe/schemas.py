"""Versions of the annotation's JSON, and what each has that earlier ones have not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

SchemaVersion = Literal["2.1", "2.0", "1.2", "1.1", "1.0"]
SCHEMA_VERSION: SchemaVersion = "2.1"
SCHEMA_VERSIONS: tuple[SchemaVersion, ...] = ("2.1", "2.0", "1.2", "1.1", "1.0")
"""All that are read and written, the newest first."""

_ADDED: Mapping[SchemaVersion, Mapping[str, tuple[str, ...]]] = {
    "2.1": {"faces": ("still",)},
    "2.0": {"annotation": ("people", "faces"), "utterances": ("kind", "person", "language")},
    "1.2": {"model": ("scales",), "utterances": ("scales",)},
    "1.1": {"utterances": ("label_set",)},
}
"""Fields, by the part of the annotation that they stand in."""


def in_version(values: Mapping[str, Any], version: SchemaVersion) -> dict[str, Any]:
    """Leave out of an annotation what an earlier version has no place for.

    Args:
        values: the annotation in the newest version, as `Annotation.to_dict` gives it.
        version: that is wanted.

    Raises:
        ValueError: there is no such version.
    """
    if version not in SCHEMA_VERSIONS:
        raise ValueError(f"schema is one of {', '.join(SCHEMA_VERSIONS)}, not {version!r}")
    later = [_ADDED[one] for one in SCHEMA_VERSIONS[: SCHEMA_VERSIONS.index(version)]]

    def known(part: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        unknown = {name for added in later for name in added.get(part, ())}
        return {name: value for name, value in fields.items() if name not in unknown}

    parts = {
        "schema_version": version,
        "model": known("model", values["model"]),
        "faces": [known("faces", item) for item in values["faces"]],
        "utterances": [known("utterances", item) for item in values["utterances"]],
    }
    return {name: parts.get(name, value) for name, value in known("annotation", values).items()}
