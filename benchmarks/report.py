"""Tables of figures, written into the page that shows them."""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Sequence
from pathlib import Path

import torch


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def machine() -> str:
    """What was measured on, and when."""
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    name = model[1] if model else "unknown processor"
    return f"{name}, {os.cpu_count()} cores, torch {torch.__version__}, {datetime.date.today()}."


def write_section(page: Path, name: str, text: str) -> None:
    """Put text between the marks ``<!-- name -->`` and ``<!-- /name -->`` of a page."""
    content = page.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not pattern.search(content):
        raise SystemExit(f"{page} has no marks for {name}")
    page.write_text(
        pattern.sub(lambda marks: marks[1] + text + marks[2], content), encoding="utf-8"
    )
