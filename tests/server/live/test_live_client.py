"""The client in docs/api.md, run as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lddu_pipe.server.live.reference import CLIENT

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_the_client_in_the_docs_runs_as_written(host, write_wav, tmp_path):
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert re.search(r"```python\n(.*?)```", page, re.DOTALL)[1] == CLIENT
    server = host("a-token-of-the-tests")
    path = write_wav(tmp_path / "talk.wav", np.zeros((4_000, 2), np.int16))
    address = server.address.replace("http", "ws") + "/v1/live"
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, address, path, server.token],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.stdout.splitlines() == [
        f"   {number}.0 s  word {number}  happy" for number in range(3)
    ], done.stderr
