"""The default text encoder: transformers' BERT and peft's adapter, to the rounding."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer

from lddu_pipe.assets import resolve
from lddu_pipe.errors import IncompatibleModelError
from lddu_pipe.extractors.minilm import MiniLM
from lddu_pipe.extractors.text import Passage
from lddu_pipe.pipelines.folder import find_checkpoint

TEXTS = [
    ["I", "am", "so", "happy!!!"],
    ["Unbelievably", "good,", "naïve", "CAFÉ", "😀", "不安", "\u200b", "don't"],
    ["word"] * 300,  # more than one pass takes
    ["Well."],
]
ADAPTER = find_checkpoint("lddu-base-en") / "text_adapter"


def test_it_is_transformers_bert_with_pefts_adapter() -> None:
    folder = resolve("all-MiniLM-L6-v2")
    ours = MiniLM(folder, 256, adapter=ADAPTER)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    theirs = PeftModel.from_pretrained(AutoModel.from_pretrained(folder), ADAPTER).eval()
    assert (ours.size, ours.room) == (384, 254)
    for texts in (TEXTS, TEXTS[:1]):  # with padding and without
        batch = tokenizer(
            texts,
            is_split_into_words=True,
            padding=True,
            truncation=True,
            max_length=256,
            return_tensors="pt",
        )
        with torch.inference_mode():
            expected = theirs(**batch).last_hidden_state
        for row, pieces in enumerate(ours([Passage(text) for text in texts])):
            real = batch["attention_mask"][row].bool()
            assert pieces.words == batch.word_ids(row)[: int(real.sum())]
            found = torch.from_numpy(pieces.hidden)
            torch.testing.assert_close(found, expected[row, real], rtol=0, atol=1e-5)
    alone = tokenizer(TEXTS[1], add_special_tokens=False)["input_ids"]
    assert ours.count_pieces(TEXTS[1]) == [len(ids) for ids in alone]


def test_what_was_said_before_is_a_second_text_to_transformers_bert() -> None:
    folder = resolve("all-MiniLM-L6-v2")
    ours = MiniLM(folder, 256, context_pieces=10, adapter=ADAPTER)
    alone = MiniLM(folder, 256, adapter=ADAPTER)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    theirs = PeftModel.from_pretrained(AutoModel.from_pretrained(folder), ADAPTER).eval()
    before = [["Where", "were", "you?"], ["I", "waited", "unbelievably", "long."], ["No", "way!"]]
    # Each line with the mark after it; of the one that does not fit any more, its end.
    read = "where were you ? [SEP] ##va ##bly long . [SEP]"
    passages = [Passage(TEXTS[0], before), Passage(TEXTS[3]), Passage(TEXTS[1], before[:1])]
    expected = [read, "", "where were you ? [SEP]"]
    for chosen in (slice(0, 3), slice(0, 1)):  # with padding and without
        for passage, earlier, pieces in zip(
            passages[chosen], expected[chosen], ours(passages[chosen]), strict=True
        ):
            text = tokenizer(passage.words, is_split_into_words=True)
            ids = text["input_ids"] + tokenizer.convert_tokens_to_ids(earlier.split())
            kinds = [0] * len(text["input_ids"]) + [1] * (len(ids) - len(text["input_ids"]))
            with torch.inference_mode():
                hidden = theirs(
                    input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([kinds])
                ).last_hidden_state[0]
            assert pieces.words == text.word_ids()
            found = torch.from_numpy(pieces.hidden)
            torch.testing.assert_close(found, hidden[: len(found)], rtol=0, atol=1e-5)
    (without,), (same,), (passed_over,) = (
        ours(passages[1:2]),
        alone(passages[1:2]),
        alone([Passage(TEXTS[3], before)]),
    )
    assert without.hidden.tobytes() == same.hidden.tobytes() == passed_over.hidden.tobytes()


@pytest.mark.parametrize(
    ("settings", "extra", "why"),
    [
        ({"use_rslora": True}, None, "with use_rslora"),
        ({"alpha_pattern": {"query": 3}}, None, "with alpha_pattern"),
        ({"bias": "all"}, None, "no plain adapter"),
        ({}, "encoder.layer.0.output.dense.bias", "no change of low rank"),
        ({}, "encoder.layer.9.output.dense.lora_A.weight", "cannot be loaded"),
    ],
)
def test_other_adapters_are_one_line(
    tmp_path: Path, settings: dict[str, object], extra: str | None, why: str
) -> None:
    folder = shutil.copytree(ADAPTER, tmp_path / "adapter")
    path, weights = folder / "adapter_config.json", folder / "adapter_model.safetensors"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    if extra:
        more = {f"base_model.model.{extra}": torch.zeros(32, 384)}
        save_file({**load_file(weights), **more}, weights)
    with pytest.raises(IncompatibleModelError, match=why) as caught:
        MiniLM(resolve("all-MiniLM-L6-v2"), 256, adapter=folder)
    assert "\n" not in str(caught.value)
