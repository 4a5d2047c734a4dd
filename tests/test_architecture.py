"""The house as a whole: which way imports point, what a bare import loads, what is pinned."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "lddu_pipe"
MODULES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = Path(sysconfig.get_path("scripts"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

HEAVY = {
    "av",
    "ctranslate2",
    "cv2",
    "fastapi",
    "faster_whisper",
    "ffmpeg",
    "librosa",
    "matplotlib",
    "mediapipe",
    "numpy",
    "onnx",
    "onnxruntime",
    "pandas",
    "praatio",
    "pyarrow",
    "pydantic",
    "pympi",
    "pysubs2",
    "scipy",
    "sklearn",
    "torch",
    "transformers",
    "uvicorn",
}


def load(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after `statement`."""
    report = (
        "import atexit, json, sys\n"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", report + statement], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in json.loads(result.stderr.splitlines()[-1])}


@pytest.mark.xdist_group("kept")
def test_groups_of_tests_are_kept_together(request: pytest.FixtureRequest):
    """Releases of pytest and pytest-xdist that do not fit leave them apart without a word."""
    if not hasattr(request.config, "workerinput"):
        pytest.skip("one process runs all tests")
    assert request.node.nodeid.endswith("@kept")


def test_bare_import_is_light():
    loaded = load("import lddu_pipe")
    assert "lddu_pipe" in loaded
    assert not loaded & HEAVY


def test_help_is_light():
    result = subprocess.run(
        [sys.executable, "-X", "importtime", SCRIPTS / "lddu-pipe", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "annotate" in result.stdout
    loaded = set(re.findall(r"\| +(\w+)[\w.]*$", result.stderr, flags=re.MULTILINE))
    assert "click" in loaded
    assert not loaded & HEAVY


@pytest.mark.slow
def test_a_text_loads_only_what_it_needs():
    call = "EmotionPipeline.from_pretrained(device='cpu', offline=True)(text='so happy')"
    loaded = load(f"from lddu_pipe import EmotionPipeline; {call}")
    assert "tokenizers" in loaded
    needless = {"faster_whisper", "matplotlib", "mediapipe", "pandas", "peft", "pyarrow"}
    assert not loaded & {*needless, "sympy", "transformers"}  # torch's compiler brings sympy


def test_heavy_import_would_be_seen():
    assert "librosa" in load("import librosa") & HEAVY


def test_modules_are_nouns_of_the_field():
    vague = {"util", "utils", "helpers", "common", "misc"}
    places = [path.relative_to(ROOT).with_suffix("") for path in MODULES]
    assert [place for place in places if vague & set(place.parts)] == []


UNSAFE = re.compile(
    r"yaml\.(unsafe_|full_)?load\(|allow_pickle=True"
    r"|trust_remote(?!_code(=|\x22: )False)"
    r"|\b(extractall|unpack_archive|tarfile|joblib|marshal|shelve)\b"
    r"|\b(eval|exec)\((?!\))|shell=True|os\.system"  # model.eval() has no argument
)
PICKLES = re.compile(r"torch\.load\(|pickle\.loads?\(|Unpickler")


def test_nothing_that_is_read_is_run_or_unpacked():
    """YAML is loaded safely, weights from safetensors, and no archive decides where it lands."""
    for path in MODULES:
        source = path.read_text(encoding="utf-8")
        assert not UNSAFE.search(source), path
        # What published features and weights need: arrays and plain containers alone.
        assert path.name in ("pickles.py", "weights.py") or not PICKLES.search(source), path
        assert "torch.load(" not in source or "weights_only=True" in source, path


@pytest.mark.parametrize(
    "line",
    [
        *("yaml.load(x)", "eval(x)", "run(x, shell=True)", "archive.extractall(y)"),
        "load(x, trust_remote_code=True)",
    ],
)
def test_what_would_run_is_seen(line: str):
    assert UNSAFE.search(line)
    assert not UNSAFE.search("model.eval()")


def pins() -> dict[str, str]:
    """The exact version of each distribution in constraints.txt, by normalised name."""
    found = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, separator, version = line.partition("==")
            assert separator, f"not an exact pin: {line}"
            assert "+" not in version, f"a local build nobody else can install: {line}"
            found[canonicalize_name(name)] = version
    return found


def test_constraints_pin_every_requirement_within_its_range():
    declared = list(PROJECT["dependencies"])
    for extra in PROJECT["optional-dependencies"].values():
        declared += extra
    requirements = [Requirement(line) for line in declared]
    pinned = pins()
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        if name != PROJECT["name"]:
            assert name in pinned, f"constraints.txt lacks {name}"
            assert pinned[name] in requirement.specifier, f"{requirement} shuts out {pinned[name]}"


def test_all_opencv_builds_are_one_version():
    """They fill the same folder, so two versions would leave a mixture."""
    declared = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["offline"]]
    exact = {
        requirement.name: str(requirement.specifier)
        for requirement in map(Requirement, declared)
        if requirement.name.startswith("opencv-")
    }
    assert set(exact) == {"opencv-python", "opencv-contrib-python", "opencv-python-headless"}
    versions = set(exact.values())
    assert len(versions) == 1
    assert versions.pop().startswith("==")
    assert len({pins()[name] for name in exact}) == 1


def third_party_imports(path: Path) -> set[str]:
    """Top-level names that the module at `path` imports from outside itself and Python."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"lddu_pipe"}


def test_package_imports_only_what_it_declares():
    distributions = {
        "cv2": "opencv-python",
        "PIL": "pillow",
        "ffmpeg": "ffmpeg-python",
        "pympi": "pympi-ling",
        "sklearn": "scikit-learn",
        "yaml": "pyyaml",
    }
    imported = set().union(*(third_party_imports(path) for path in MODULES))
    needed = {canonicalize_name(distributions.get(name, name)) for name in imported}
    extras = PROJECT["optional-dependencies"]
    declared, optional = (
        {canonicalize_name(Requirement(line).name) for line in lines}
        for lines in (
            PROJECT["dependencies"],
            [*extras["export"], *extras["train"], *extras["ray"], *extras["server"]],
        )
    )
    # mediapipe brings the contrib build; it is listed only to hold its version.
    assert needed - optional == declared - {"opencv-contrib-python"}
    # It compiles into a cache beside itself or in the home folder, and fails where neither can be
    # written to: in a container, or for a service without a home.
    assert "librosa" not in needed


def test_no_library_that_sees_faces_or_voices_can_send_usage_data():
    """onnxruntime from 1.29 on and mediapipe from 0.10.35 on can, and are not asked for."""
    collectors = (b"OneCollector", b"play.googleapis.com/log", b"google-analytics.com")
    for package in ("ai_edge_litert", "onnxruntime", "ctranslate2", "mediapipe"):
        folder = Path(str(distribution(package).locate_file(package)))
        libraries = [*folder.rglob("*.so"), *folder.rglob("*.so.*")]
        assert libraries or package == "ctranslate2", folder  # its library lies beside it
        for library in libraries:
            content = library.read_bytes()
            assert [name for name in collectors if name in content] == [], library


def test_should_onnxruntime_be_newer_it_is_told_to_send_nothing():
    program = "import lddu_pipe, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    told = subprocess.check_output([sys.executable, "-c", program], env=environment, text=True)
    assert told.strip() == "1"
