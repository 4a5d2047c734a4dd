"""A server in a process of its own, with the annotator of the tests: it prints its address.

Usage: python process.py DATA SETTINGS [TOKEN ...], where SETTINGS are fields of `Limits` ("live":
those of `LiveLimits`), and "origins", as JSON.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))  # what the conftest of this folder needs
from conftest import SlowAnnotator  # the one of this folder, which Python puts first

from lddu_pipe.server.app import Access
from lddu_pipe.server.limits import Limits, LiveLimits
from lddu_pipe.server.listening import serve


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    data = Path(sys.argv[1])
    limits = json.loads(sys.argv[2])
    origins, live = limits.pop("origins", ()), limits.pop("live", {})
    serve(
        SlowAnnotator(data.with_name("annotated")),
        data,
        host="127.0.0.1",
        port=0,
        limits=Limits(**limits, live=LiveLimits(**live)),
        access=Access(tuple(sys.argv[3:]), origins),
        listening=lambda address: print(address, flush=True),
    )


if __name__ == "__main__":
    main()
