"""JSON Schema as tables of Markdown, for the reference."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def message_section(name: str, message: Mapping[str, Any]) -> Iterator[str]:
    """A message of this JSON Schema, with its fields and examples."""
    yield f"### {name}\n"
    yield f"{line(message['description'])}\n"
    yield from fields(message)
    for example in message.get("examples", []):
        text = json.dumps(example, indent=1, ensure_ascii=False)
        yield f"```json\n{text}\n```\n"


def fields(schema: Mapping[str, Any]) -> Iterator[str]:
    """The table of the fields of an object."""
    required = schema.get("required", [])
    yield "| field | type | |\n|---|---|---|"
    for name, field in schema["properties"].items():
        mark = "" if name in required else "optional. "
        yield f"| `{name}` | {type_in_words(field)} | {mark}{line(field.get('description', ''))} |"
    yield ""


def line(text: str) -> str:
    """A text as one line."""
    return " ".join(text.split())


def named(body: Mapping[str, Any]) -> bool:
    """Whether a body is of messages that have names."""
    return bool({"$ref", "anyOf"} & body.get("schema", {}).keys())


def type_in_words(schema: Mapping[str, Any]) -> str:
    """A type in words, with the limits of its values."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(type_in_words(item) for item in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = str(schema.get("type", "anything"))
    if "prefixItems" in schema:
        return f"{len(schema['prefixItems'])} x {type_in_words(schema['prefixItems'][0])}"
    if kind == "array":
        return f"list of {type_in_words(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {type_in_words(schema['additionalProperties'])}"
    kind = "bytes" if "contentMediaType" in schema else str(schema.get("format", kind))
    low = schema.get("minimum", schema.get("minLength"))
    high = schema.get("maximum", schema.get("maxLength"))
    if low is None and high is None:
        return kind
    return f"{kind}, {'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'}"
