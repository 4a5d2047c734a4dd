"""The Dockerfile, read and done as far as that goes without an engine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from lddu_pipe import diagnostics
from lddu_pipe.cli import main
from lddu_pipe.commands.serve import serve

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def instructions(name: str) -> list[str]:
    """What follows each instruction of a name, on one line, of the last stage only."""
    lines = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    last = lines[lines.rindex("\nFROM") :]
    found = re.findall(rf"^{name} +(.*)$", last, re.MULTILINE)
    assert found, name
    return [" ".join(text.split()) for text in found]


def test_it_installs_what_readme_and_ci_do() -> None:
    (packages,) = re.findall(r"--no-install-recommends ([\w. -]+) &&", instructions("RUN")[0])
    needed = set(diagnostics._APT_PACKAGES.values())
    assert set(packages.split()) == needed
    (said,) = re.findall(r"apt-get install ([\w. -]+)`", (ROOT / "README.md").read_text())
    assert set(said.split()) == needed
    assert all(name in (ROOT / ".ci/run").read_text() for name in needed)
    (extras,) = re.findall(r'-c constraints\.txt "\.\[([\w,]+)\]"', DOCKERFILE)
    assert extras.split(",") == ["offline", "server"]
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


def test_all_that_the_package_is_built_from_goes_in() -> None:
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert {"pyproject.toml", PROJECT["readme"], *PROJECT["license-files"], "lddu_pipe"} <= names
    let_in = (ROOT / ".dockerignore").read_text().splitlines()
    assert names == {line.removeprefix("!") for line in let_in if line.startswith("!")}
    assert all((ROOT / name).exists() for name in names)


def test_its_python_is_one_that_was_tried() -> None:
    (python,) = set(re.findall(r"^FROM python:([\d.]+)-slim-bookworm", DOCKERFILE, re.MULTILINE))
    assert f"Programming Language :: Python :: {python}" in PROJECT["classifiers"]


def test_it_does_not_run_as_root_and_serves_nobody_without_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert instructions("USER") == ["10001"]
    assert "--uid 10001" in instructions("RUN")[0]
    monkeypatch.delenv("LDDU_PIPE_TOKEN", raising=False)
    words = [*json.loads(instructions("ENTRYPOINT")[0]), *json.loads(instructions("CMD")[0])]
    assert words[0] in PROJECT.get("scripts", {})
    data = words.index("/data")
    assert instructions("VOLUME") == ["/data"]
    words[data] = str(tmp_path / "data")
    result = CliRunner().invoke(main, words[1:])
    assert result.exit_code == 2
    assert "give a --token" in result.stderr


def test_its_health_check_knows_a_server_that_works(host, wait_for) -> None:
    check = json.loads(instructions("HEALTHCHECK")[0].partition(" CMD ")[2])
    port = next(option.default for option in serve.params if option.name == "port")
    assert instructions("EXPOSE") == [str(port)]
    started = host("a-token-of-the-tests")
    here = check[-1].replace(f"http://127.0.0.1:{port}", started.address)
    assert here != check[-1]
    with started.client() as client:
        wait_for(lambda: client.get("/ready").status_code == 200)
    assert check[0] == "python"
    command = [sys.executable, *check[1:-1]]
    assert subprocess.run([*command, here], check=False).returncode == 0
    gone = here.replace("/ready", "/nothing")
    assert subprocess.run([*command, gone], check=False, stderr=subprocess.DEVNULL).returncode == 1
