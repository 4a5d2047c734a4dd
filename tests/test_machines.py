"""The Pythons and machines that are named are the same everywhere."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PYTHONS = ["3.11", "3.12", "3.13"]


def test_every_python_is_checked_and_only_those_that_were_tried_are_claimed() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/checks.yml").read_text())["jobs"]
    assert [job["strategy"]["matrix"]["python"] for job in jobs.values()] == [PYTHONS] * 2
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    prefix = "Programming Language :: Python :: 3."
    claimed = [line[len(prefix) - 2 :] for line in project["classifiers"] if prefix in line]
    tried = (ROOT / "constraints.txt").read_text().partition("\n\n")[0]
    worked = re.findall(r"^# - CPython (3\.\d+) on Linux.*\n#   sample", tried, re.MULTILINE)
    assert claimed == ["3.11", *worked]


def test_jobs_run_what_is_there() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/checks.yml").read_text())["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert ".ci/run" in commands
    assert (ROOT / ".ci/run").stat().st_mode & 0o100
    readme = (ROOT / "README.md").read_text()
    assert 'pip install -c constraints.txt ".[offline,test]"' in commands
    assert all(command in readme for command in commands if command.startswith(("pip", "lddu")))


def test_ci_takes_these_pythons_and_no_other() -> None:
    (check,) = re.findall(r"^python -c '(.+)' \|\|$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    for minor in range(10, 15):
        code = f"import sys; sys.version_info = (3, {minor}, 0); {check.partition('; ')[2]}"
        refused = subprocess.run([sys.executable, "-S", "-c", code], check=False).returncode
        assert bool(refused) == (f"3.{minor}" not in PYTHONS)
