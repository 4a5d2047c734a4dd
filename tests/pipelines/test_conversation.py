"""What was said before an utterance: which lines it is, and which models read it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lddu_pipe import EmotionPipeline
from lddu_pipe.datasets.manifest import ManifestRow
from lddu_pipe.errors import IncompatibleModelError
from lddu_pipe.extractors.companions import CONTEXT_FILE, Companions
from lddu_pipe.extractors.features import default_text_fingerprint
from lddu_pipe.pipelines.checkpoint import copy_checkpoint, load_checkpoint
from lddu_pipe.pipelines.conversation import Conversation
from lddu_pipe.pipelines.folder import find_checkpoint
from lddu_pipe.pipelines.reading import read_texts
from lddu_pipe.pipelines.rows import annotate_row, samples_of_rows
from lddu_pipe.training.progress import ignore
from lddu_pipe.types import TimeSpan, Utterance, Word

SAID = ("My father died last night.", "I am so sorry.", "Thank you.")


def utterance(text: str, start: float, end: float) -> Utterance:
    span = TimeSpan(start, end)
    return Utterance("", span, text, tuple(Word(word, span) for word in text.split()))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> EmotionPipeline:
    """The default model, as if it had been trained without context."""
    folder = tmp_path_factory.mktemp("context") / "model"
    shutil.copytree(find_checkpoint("lddu-base-en"), folder)
    (folder / CONTEXT_FILE).unlink()
    config = json.loads((folder / "config.json").read_text())
    config["fingerprints"]["text"] = default_text_fingerprint(Companions.load(folder))
    (folder / "config.json").write_text(json.dumps(config))
    return EmotionPipeline.from_pretrained(folder, device="cpu", offline=True)


def test_context_is_the_last_three_utterances_with_words_of_the_last_half_minute() -> None:
    lines = [
        utterance("one", 0, 1),
        utterance("two", 0.5, 2),  # somebody interrupts
        utterance("", 2, 4),
        utterance("three", 4, 5),
        utterance("four", 31.5, 33),
        utterance("five", 64, 65),
    ]
    expected = [("zero",), ("zero", "one"), ("zero", "one", "two")]
    expected += [("zero", "one", "two"), ("two", "three"), ()]
    together = Conversation(["zero"]).place(lines)
    assert [item.context for item in together] == expected
    in_turn = Conversation(["zero"])
    assert [found for line in lines for found in in_turn.place([line])] == together
    assert [replace(item, context=()) for item in together] == lines


def test_a_model_that_was_not_trained_so_reads_each_line_alone(alone: EmotionPipeline) -> None:
    without, beside = alone(text=SAID[2]), alone(text=SAID[2], context=SAID[:2])
    assert without.utterances == beside.utterances
    with pytest.raises(TypeError, match="list of lines"):
        alone(text=SAID[2], context="one text")


def test_the_default_model_reads_what_was_said_before(pipe: EmotionPipeline) -> None:
    text = "\n".join(SAID)
    whole = pipe(text=text).utterances
    assert [item.utterance.text for item in whole] == list(SAID)
    assert not any(item.utterance.context for item in whole)  # of the features, not of the result
    (alone,), (beside,) = (
        pipe(text=SAID[2], context=context).utterances for context in ((), SAID[:2])
    )
    (again,) = read_texts(pipe, [text])
    for first, second, same in (
        (whole[2], beside, True),
        (whole[2], again.utterances[2], True),
        (whole[2], alone, False),
    ):
        ours, theirs = ([e.probability for e in item.emotions] for item in (first, second))
        assert np.allclose(ours, theirs, atol=1e-4) == same


def test_rows_are_read_as_they_are_in_use(pipe: EmotionPipeline, tmp_path: Path) -> None:
    transcript = tmp_path / "talk.srt"
    transcript.write_text(
        "".join(
            f"{n}\n00:00:{2 * n:02},000 --> 00:00:{2 * n + 2:02},000\n{line}\n\n"
            for n, line in enumerate(SAID, 1)
        )
    )
    text = ManifestRow("a", "rows, line 1", text=SAID[2])
    rows = [
        replace(text, context=SAID[:2]),
        ManifestRow("b", "rows, line 2", transcript=transcript, start=6.0, end=8.0),
        text,
        ManifestRow("c", "rows, line 4", transcript=transcript, start=6.0, end=8.0, context=()),
    ]
    given, told, alone, forbidden = (
        sample.sequences["text"].values
        for sample in samples_of_rows(pipe.extractors, pipe.settings, rows, ignore)
        if not isinstance(sample, str)
    )
    np.testing.assert_allclose(given, told, atol=1e-5)
    np.testing.assert_allclose(alone, forbidden, atol=1e-5)
    assert np.abs(given - alone).max() > 0.1
    annotated, in_use = annotate_row(pipe, rows[0]), pipe(transcript).utterances[2]
    assert [e.probability for e in annotated.utterances[0].emotions] == pytest.approx(
        [e.probability for e in in_use.emotions], abs=1e-4
    )


def test_what_says_so_goes_with_the_adapter(tmp_path: Path) -> None:
    checkpoint = load_checkpoint("lddu-base-en")
    assert checkpoint.parts.companions.context_pieces == 32
    assert checkpoint.parts.companions.without(["text"]).context_pieces == 0
    copy_checkpoint(checkpoint, tmp_path / "copy", checkpoint.calibration)
    assert (tmp_path / "copy" / CONTEXT_FILE).read_text().strip() == '{"context_pieces": 32}'
    (tmp_path / "copy" / CONTEXT_FILE).unlink()
    with pytest.raises(IncompatibleModelError, match="trained on text features") as caught:
        EmotionPipeline.from_pretrained(tmp_path / "copy", device="cpu")(text="Well.")
    assert "\n" not in str(caught.value)
    for content in ("{}", '{"context_pieces": true}', '{"context_pieces": 257}', "[", "7"):
        (tmp_path / "copy" / CONTEXT_FILE).write_text(content)
        with pytest.raises(IncompatibleModelError, match="cannot be loaded") as caught:
            load_checkpoint(tmp_path / "copy")
        assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_recording_is_its_own_context_in_the_order_of_what_is_told(
    pipe: EmotionPipeline, sample_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Utterance] = []
    extract = pipe.extractors.text.extract
    monkeypatch.setattr(
        pipe.extractors.text, "extract", lambda given: read.extend(given) or extract(given)
    )
    annotation = pipe(sample_video)
    said = [item.utterance.text for item in annotation.utterances if item.utterance.words]
    assert [item.text for item in read if item.words] == said
    assert [item.context for item in read] == [
        tuple(said[max(0, place - 3) : place]) for place in range(len(said))
    ]
    assert len(said) > 1
