"""Text features: one vector a word, whatever the batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModel, AutoTokenizer

from lddu_pipe.assets import ASSETS, resolve
from lddu_pipe.extractors.minilm import MiniLM
from lddu_pipe.extractors.text import TextExtractor, TextSettings
from lddu_pipe.transcripts import parse_text
from lddu_pipe.types import TimeSpan, Utterance

MINILM = "all-MiniLM-L6-v2"


def utterance(text: str) -> Utterance:
    words = parse_text(text).words
    return Utterance("0", TimeSpan(0, words[-1].span.end), text, words)


@pytest.fixture(scope="module")
def extractor() -> TextExtractor:
    return made(TextSettings(), dict(ASSETS[MINILM].files))


def made(
    settings: TextSettings, weights: dict[str, str], adapter: Path | None = None
) -> TextExtractor:
    encoder = MiniLM(resolve(MINILM), settings.max_tokens, adapter=adapter)
    return TextExtractor(encoder, settings, weights)


def test_a_word_is_the_mean_of_its_pieces(extractor: TextExtractor) -> None:
    text = "Unbelievably good."
    sequence = extractor.extract([utterance(text)])[0]
    folder = resolve(MINILM)
    batch = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.inference_mode():
        hidden = AutoModel.from_pretrained(folder)(**batch).last_hidden_state[0].numpy()
    # "Unbelievably" is cut in pieces; "good" and its full stop make one word.
    owners = [index for index in batch.word_ids(0) if index is not None]
    first = [i + 1 for i, owner in enumerate(owners) if owner == 0]
    rest = [i + 1 for i, owner in enumerate(owners) if owner > 0]
    assert len(first) > 1
    assert len(rest) == 2
    np.testing.assert_allclose(sequence.values[0], hidden[first].mean(0), atol=1e-5)
    np.testing.assert_allclose(sequence.values[1], hidden[rest].mean(0), atol=1e-5)
    assert sequence.values.shape == (2, extractor.spec.size) == (2, 384)
    assert sequence.valid.all()


def test_the_batch_changes_nothing(extractor: TextExtractor) -> None:
    texts = [
        "No.",
        "What a day it was, and how we laughed all the way home!",
        "I hate this",
        "No.",
    ]
    together = extractor.extract([utterance(text) for text in texts])
    for text, sequence in zip(texts, together, strict=True):
        alone = extractor.extract([utterance(text)])[0]
        np.testing.assert_allclose(sequence.values, alone.values, atol=2e-5)


def test_utterances_without_words_are_empty_and_keep_their_place(extractor: TextExtractor) -> None:
    silent = Utterance("1", TimeSpan(0, 1))
    sequences = extractor.extract([silent, utterance("Hello there"), silent])
    assert [len(sequence) for sequence in sequences] == [0, 2, 0]
    assert not sequences[0].present


def test_long_texts_are_read_in_passes_and_no_word_is_lost(extractor: TextExtractor) -> None:
    words = [f"word{index}" for index in range(400)]
    sequence = extractor.extract([utterance(" ".join(words))])[0]
    assert len(sequence) == 400
    assert sequence.valid.all()


def test_spans_are_those_of_the_words(extractor: TextExtractor) -> None:
    said = utterance("one two three")
    shifted = replace(
        said, words=tuple(replace(word, span=word.span.shift(5)) for word in said.words)
    )
    sequence = extractor.extract([shifted])[0]
    assert sequence.spans.tolist() == [[w.span.start, w.span.end] for w in shifted.words]


def test_an_adapter_changes_the_words_by_its_low_rank_products(
    extractor: TextExtractor, tmp_path: Path
) -> None:
    folder = resolve(MINILM)
    torch.manual_seed(0)
    adapted = get_peft_model(
        AutoModel.from_pretrained(folder),
        LoraConfig(r=2, target_modules=["query"], layers_to_transform=[5]),
    )
    adapted.save_pretrained(tmp_path / "still")  # the second factor starts at zero
    weights = {name: value for name, value in adapted.named_parameters() if value.requires_grad}
    for value in weights.values():
        torch.nn.init.normal_(value, std=0.3)
    adapted.save_pretrained(tmp_path / "moved")
    said = [utterance("I am so happy")]
    before = extractor.extract(said)[0].values
    still, moved = (
        made(TextSettings(), {}, tmp_path / name).extract(said)[0].values
        for name in ("still", "moved")
    )
    np.testing.assert_allclose(still, before, atol=1e-5)
    assert np.abs(moved - before).max() > 0.01
    batch = AutoTokenizer.from_pretrained(folder)("I am so happy", return_tensors="pt")
    with torch.inference_mode():
        hidden = adapted.eval()(**batch).last_hidden_state[0, 1:-1].numpy()
    np.testing.assert_allclose(moved, hidden, atol=1e-4)


def test_the_fingerprint_names_settings_and_weights(extractor: TextExtractor) -> None:
    same = made(TextSettings(), dict(ASSETS[MINILM].files))
    other = made(TextSettings(max_tokens=128), dict(ASSETS[MINILM].files))
    weights = made(TextSettings(), {"model.safetensors": "0"})
    assert same.spec == extractor.spec
    assert len({item.spec.fingerprint for item in (extractor, other, weights)}) == 3
