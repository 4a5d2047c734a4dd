"""Print the commands of README's "Quick start", so that what is tested is what people paste.

Usage: python .ci/readme_commands.py NUMBER, where 1 is the first fenced bash block.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def quick_start_commands(text: str) -> list[str]:
    """Return the bash blocks of the section "Quick start", in order."""
    section = re.search(r"^## Quick start\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if section is None:
        sys.exit(f'{README} has no section "## Quick start"')
    return re.findall(r"^```bash\n(.*?)^```$", section[1], re.MULTILINE | re.DOTALL)


def main() -> None:
    """Print the block whose number is the only argument."""
    commands = quick_start_commands(README.read_text(encoding="utf-8"))
    if len(commands) != 2:
        sys.exit(f"{README}: Quick start holds two bash blocks, found {len(commands)}")
    print(commands[int(sys.argv[1]) - 1], end="")


if __name__ == "__main__":
    main()
