"""Transcripts, manifests, configurations and checkpoints of any bytes: a value, or one line."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lddu_pipe.annotation import Annotation
from lddu_pipe.datasets.manifest import read_manifest
from lddu_pipe.errors import LdduPipeError
from lddu_pipe.pipelines.checkpoint import load_checkpoint
from lddu_pipe.training.settings import read_settings
from lddu_pipe.transcripts import parse_text, read_transcript
from lddu_pipe.types import Transcript
from tests.fuzz.corpus import RARER_TRANSCRIPTS, STAMPED

ROOT = Path(__file__).parents[2]
CHECKPOINT = ROOT / "lddu_pipe" / "checkpoints" / "lddu-base-en"

pytestmark = pytest.mark.slow
many = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
few = settings(many, max_examples=40)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def value_or_one_line(read: Callable[[], Any]) -> Any:
    """What `read` returns, or None where it refuses in one line; anything else fails."""
    try:
        return read()
    except LdduPipeError as error:
        message = str(error)
    assert len(message.splitlines()) == 1, message
    return None


# --- texts -------------------------------------------------------------------------------

TRANSCRIPTS = {
    "srt": "1\n00:00:00,000 --> 00:00:02,000\nI am so happy.\n\n"
    "2\n00:00:02,500 --> 00:00:04,000\nThis is <i>awful</i>, go away!\n",
    "vtt": "WEBVTT\n\nNOTE x\n\n00:00.000 --> 00:02.000 align:start\n<v Ann>I am so happy.\n\n"
    "00:02.500 --> 01:00:04.000\nThis is <00:03.000>awful!\n",
    "json": '{"language": "en", "segments": [{"id": 0, "start": 0.0, "end": 2.0, "text": "I am", '
    '"speaker": "A", "words": [{"word": "I", "start": 0.0, "end": 0.3, "probability": 0.9}, '
    '{"word": "am", "start": 0.3, "end": 0.6, "score": 0.9}]}]}',
    "eaf": '<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT AUTHOR="" '
    'DATE="2024-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0">'
    '<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/>'
    '<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/>'
    '<TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="2000"/></TIME_ORDER>'
    '<TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="Ann"><ANNOTATION><ALIGNABLE_ANNOTATION '
    'ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">'
    "<ANNOTATION_VALUE>I am happy</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>"
    '<TIER LINGUISTIC_TYPE_REF="r" TIER_ID="n" PARENT_REF="Ann"><ANNOTATION><REF_ANNOTATION '
    'ANNOTATION_ID="a2" ANNOTATION_REF="a1"><ANNOTATION_VALUE>x</ANNOTATION_VALUE>'
    "</REF_ANNOTATION></ANNOTATION></TIER>"
    '<LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" '
    'TIME_ALIGNABLE="true"/></ANNOTATION_DOCUMENT>\n',
    "TextGrid": 'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 2\n'
    "tiers? <exists>\nsize = 1\nitem []:\n    item [1]:\n"
    '        class = "IntervalTier"\n        name = "Ann"\n        xmin = 0\n        xmax = 2\n'
    "        intervals: size = 1\n        intervals [1]:\n            xmin = 0\n"
    '            xmax = 2\n            text = "I am ""so"" happy"\n',
    "txt": "Ann: I am so happy to see you.\nThis is awful, go away! 🙂\n",
}
TOKENS = [
    *("\0", "\ud800", "-1", "1e400", "NaN", "Infinity", "null", "{}", "[]", '"', "'", "<!--", "-"),
    *("&lt;", "&x;", "🙂", "\r", "\x0c", "\u2028", "9" * 400, "-->", "[" * 3000, "{\\an8}", ":"),
    *("99:99:99,999", "00:00:00,000", "<v >", "\ufeff", "\n\n", "true", "0", ",", "}", "]", "\t"),
    *("!!python/object/apply:os.system ['true']", "&a [*a]", "${oc.env:HOME}", "${", "*", "1" * 5),
]


def damaged(text: str) -> st.SearchStrategy[bytes]:
    """Texts some steps away from a good one, and how they may be stored."""

    def apply(parts: tuple[list[tuple[float, int, str]], str]) -> bytes:
        changed = text
        edits, encoding = parts
        for where, length, token in edits:
            at = int(where * len(changed))
            changed = changed[:at] + token + changed[at + length :]
        return changed.encode(encoding, "surrogatepass")

    edit = st.tuples(
        st.floats(0, 1), st.integers(0, 40), st.sampled_from(["", *TOKENS]) | st.text(max_size=5)
    )
    encodings = st.sampled_from(["utf-8"] * 6 + ["utf-16", "utf-8-sig", "utf-16-le"])
    return st.tuples(st.lists(edit, max_size=5), encodings).map(apply)


@pytest.mark.parametrize("kind", TRANSCRIPTS)
@many
@given(data=st.data())
def test_transcripts(kind: str, place: Path, data: st.DataObject) -> None:
    content = data.draw(damaged(TRANSCRIPTS[kind]) | st.binary(max_size=200))
    path = place / f"a.{kind}"
    path.write_bytes(content)
    found = value_or_one_line(lambda: read_transcript(path))
    if found is not None:
        check(found)


RARER = [*RARER_TRANSCRIPTS.items(), *(("txt", text) for text in STAMPED)]


@pytest.mark.parametrize(("kind", "text"), RARER, ids=[kind for kind, _ in RARER])
@few
@given(data=st.data())
def test_rarer_transcripts(kind: str, text: str, place: Path, data: st.DataObject) -> None:
    path = place / f"a.{kind}"
    path.write_bytes(data.draw(damaged(text) | st.binary(max_size=200)))
    found = value_or_one_line(lambda: read_transcript(path))
    if found is not None:
        check(found)


@many
@given(text=st.text(max_size=300))
def test_text_in_memory(text: str) -> None:
    found = value_or_one_line(lambda: parse_text(text))
    if found is not None:
        check(found)


def check(transcript: Transcript) -> None:
    assert transcript.words
    starts = [cue.span.start for cue in transcript.cues]
    assert starts == sorted(starts)
    assert all(0 <= cue.span.start <= cue.span.end for cue in transcript.cues)


# --- manifests and settings --------------------------------------------------------------

MANIFESTS = {
    "jsonl": '{"id": "a", "text": "hello", "labels": {"happy": 0.5}, "split": "test"}\n'
    '{"id": 2, "text": "go", "start": 0.5, "end": 2, "labels": ["sad"], "face_crop": false}\n',
    "csv": "id,text,labels,start,end,speaker\na,hello,happy|sad,0,1,\n"
    'b,"go, away",,,,Ann\nc,x,"{""happy"": 0.25}",1,2,\n',
    "tsv": "id\ttext\tlabels\na\thello\thappy\n",
}


@pytest.mark.parametrize("kind", MANIFESTS)
@many
@given(data=st.data())
def test_manifests(kind: str, place: Path, data: st.DataObject) -> None:
    path = place / f"rows.{kind}"
    path.write_bytes(data.draw(damaged(MANIFESTS[kind]) | st.binary(max_size=200)))
    rows = value_or_one_line(lambda: read_manifest(path))
    assert rows is None or all(row.id for row in rows)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
columns = st.sampled_from(
    ["id", "video", "audio", "image", "text", "transcript", "start", "end", "labels", "face_crop"]
)


@many
@given(rows=st.lists(st.dictionaries(columns, json_values), max_size=4))
def test_manifests_of_any_values(place: Path, rows: list[dict[str, Any]]) -> None:
    path = place / "any.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    value_or_one_line(lambda: read_manifest(path))


PRESET = (ROOT / "lddu_pipe" / "presets" / "mosei-aligned.yaml").read_text(encoding="utf-8")


@many
@given(content=damaged(PRESET) | st.binary(max_size=200))
def test_training_settings(place: Path, content: bytes) -> None:
    path = place / "run.yaml"
    path.write_bytes(content)
    value_or_one_line(lambda: read_settings(str(path), ["data=a", "output=b"]))


names = st.sampled_from(["epochs", "model", "model.dropout", "loss", "seed", "data", "device"])


@many
@given(pairs=st.lists(st.tuples(names | st.text(max_size=8), st.text(max_size=12)), max_size=3))
def test_overrides_of_training_settings(pairs: list[tuple[str, str]]) -> None:
    overrides = ["data=a", "output=b", *(f"{name}={value}" for name, value in pairs)]
    value_or_one_line(lambda: read_settings("mosei-aligned", overrides))


# --- annotations and checkpoints ---------------------------------------------------------


def replaced(value: Any, dice: random.Random, new: Callable[[], Any]) -> Any:
    """A JSON value with something in it replaced, renamed or taken away."""
    if isinstance(value, dict) and value and dice.random() < 0.8:
        key = dice.choice(list(value))
        rest = {name: item for name, item in value.items() if name != key}
        if dice.random() < 0.2:
            return rest
        return {**rest, key: replaced(value[key], dice, new)}
    if isinstance(value, list) and value and dice.random() < 0.8:
        at = dice.randrange(len(value))
        return [*value[:at], replaced(value[at], dice, new), *value[at + 1 :]]
    return new()


dices = st.integers(0, 2**32).map(random.Random)


@pytest.fixture(scope="module")
def annotation() -> dict[str, Any]:
    from lddu_pipe.pipelines.annotate import EmotionPipeline

    pipeline = EmotionPipeline.from_pretrained(device="cpu", offline=True)
    return pipeline(text="What wonderful news! I hate it.").to_dict()


@many
@given(dice=dices, new=json_values)
def test_annotations(annotation: dict[str, Any], dice: random.Random, new: Any) -> None:
    content = json.dumps(replaced(annotation, dice, lambda: new))
    found = value_or_one_line(lambda: Annotation.from_json(content, "a.json"))
    if found is not None:
        Annotation.from_json(found.to_json(), "again")


@many
@given(content=st.binary(max_size=60) | st.sampled_from([b"[" * 100_000, b"9" * 5000]))
def test_annotations_of_any_bytes(content: bytes) -> None:
    value_or_one_line(lambda: Annotation.from_json(content, "a.json"))


@pytest.fixture(scope="module")
def checkpoint(place: Path) -> Path:
    return Path(shutil.copytree(CHECKPOINT, place / "checkpoint"))


@pytest.mark.parametrize(
    "name",
    ["config.json", "calibration.json", "expression.json", "text_adapter/adapter_config.json"],
)
@few
@given(dice=dices, new=json_values)
def test_the_json_of_checkpoints(
    checkpoint: Path, name: str, dice: random.Random, new: Any
) -> None:
    good = (CHECKPOINT / name).read_bytes()
    try:
        values = replaced(json.loads(good), dice, lambda: new)
        (checkpoint / name).write_text(json.dumps(values))
        value_or_one_line(lambda: load_checkpoint(checkpoint))
    finally:
        (checkpoint / name).write_bytes(good)


@pytest.mark.parametrize(
    "name", ["config.json", "calibration.json", "model.safetensors", "expression.safetensors"]
)
@few
@given(dice=dices)
def test_damaged_checkpoints(checkpoint: Path, name: str, dice: random.Random) -> None:
    good = (CHECKPOINT / name).read_bytes()
    data = bytearray(good)
    # The header of safetensors, JSON after eight bytes of length, is where the danger is.
    reach = min(len(data), dice.choice([8, 200, 4000]))
    for _ in range(dice.randint(1, 4)):
        data[dice.randrange(reach)] = dice.choice([0, 0xFF, *b'0123456789-[]{}",:', 0x7F])
    if dice.random() < 0.2:
        del data[dice.randrange(len(data)) :]
    try:
        (checkpoint / name).write_bytes(data)
        value_or_one_line(lambda: load_checkpoint(checkpoint))
    finally:
        (checkpoint / name).write_bytes(good)
