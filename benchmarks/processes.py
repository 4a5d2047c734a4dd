"""A process with all that it started."""

from __future__ import annotations

from collections.abc import Iterator

import psutil


def tree(root: psutil.Process) -> Iterator[psutil.Process]:
    """The process and its descendants, but for those that have not begun their own program yet.

    Between fork and exec a child shares all memory with its parent and would count it twice.
    """
    yield root
    for child in root.children(recursive=True):
        try:
            parent = child.parent()
            if parent is None or child.cmdline() != parent.cmdline():
                yield child
        except psutil.NoSuchProcess:
            continue
