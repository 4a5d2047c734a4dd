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
        for row, pieces in enumerate(ours(texts)):
            real = batch["attention_mask"][row].bool()
            assert pieces.words == batch.word_ids(row)
            found = torch.from_numpy(pieces.hidden)[real]
            torch.testing.assert_close(found, expected[row, real], rtol=0, atol=1e-5)
    alone = tokenizer(TEXTS[1], add_special_tokens=False)["input_ids"]
    assert ours.count_pieces(TEXTS[1]) == [len(ids) for ids in alone]


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
