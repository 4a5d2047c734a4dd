"""The layout of annotations for other languages, made from the classes that describe it.

``python docs/schema.py`` brings ``annotation.schema.json`` and ``annotation.d.ts`` up to date.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lddu_pipe.layout import AnnotationLayout

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "docs" / "annotation.schema.json"
TYPES = ROOT / "docs" / "annotation.d.ts"

_NAMES = {"number": "number", "integer": "number", "string": "string", "boolean": "boolean"}


def schema() -> str:
    """Return the JSON Schema, draft 2020-12, as text."""
    made = AnnotationLayout.model_json_schema()
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(draft | made, indent=1, ensure_ascii=False) + "\n"


def types() -> str:
    """Return an interface of TypeScript for each object."""
    made = AnnotationLayout.model_json_schema()
    objects = {**made.pop("$defs"), made["title"]: made}
    head = "/* Made by docs/schema.py from lddu_pipe/layout.py: do not edit. */\n"
    return head + "".join(_interface(name, item) for name, item in objects.items())


def _interface(name: str, item: Mapping[str, Any]) -> str:
    lines = [f"\n/** {_words(item)} */\nexport interface {name} {{"]
    for field, values in item["properties"].items():
        if "description" in values:
            lines.append(f"  /** {_words(values)} */")
        mark = "" if field in item["required"] else "?"
        lines.append(f"  {field}{mark}: {_type(values)};")
    return "\n".join(lines) + "\n}\n"


def _words(item: Mapping[str, Any]) -> str:
    return " ".join(item["description"].split())


def _type(values: Mapping[str, Any]) -> str:
    if "$ref" in values:
        return str(values["$ref"]).rpartition("/")[2]
    if "anyOf" in values:
        return " | ".join(map(_type, values["anyOf"]))
    if "const" in values or "enum" in values:
        return " | ".join(map(json.dumps, values.get("enum") or [values["const"]]))
    if "prefixItems" in values:
        return f"[{', '.join(map(_type, values['prefixItems']))}]"
    if values.get("type") == "array":
        return f"Array<{_type(values['items'])}>"
    if values.get("type") == "object":
        inner = values["additionalProperties"]
        return f"Record<string, {'unknown' if inner is True else _type(inner)}>"
    return _NAMES.get(values.get("type", ""), "null")


if __name__ == "__main__":
    SCHEMA.write_text(schema(), encoding="utf-8")
    TYPES.write_text(types(), encoding="utf-8")
