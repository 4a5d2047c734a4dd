"""Checkpoints that strangers made or that were damaged: safetensors and JSON, or one line."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from lddu_pipe import EmotionPipeline
from lddu_pipe.errors import IncompatibleModelError, UnusableInputError
from lddu_pipe.pipelines.checkpoint import copy_checkpoint, load_checkpoint
from lddu_pipe.pipelines.folder import find_checkpoint


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"[]"),
        ("config.json", b'{"feature_sizes": []}'),
        ("model.safetensors", b"\xff" * 100),
        ("model.safetensors", b"\x10\0\0\0\0\0\0\0{" + b"\xff" * 15),
        ("expression.safetensors", b"\x10\0\0\0\0\0\0\0{" + b"\xff" * 15),
        ("expression.json", b"[[]]"),
        ("calibration.json", b"[" * 100_000),
    ],
)
def test_a_damaged_checkpoint_is_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    folder = shutil.copytree(find_checkpoint("lddu-base-en"), tmp_path / "model")
    (folder / name).write_bytes(content)
    with pytest.raises(IncompatibleModelError) as caught:
        EmotionPipeline.from_pretrained(folder, device="cpu", offline=True)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json"])
def test_a_damaged_adapter_is_one_line(tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(find_checkpoint("lddu-base-en"), tmp_path / "model")
    (folder / "text_adapter" / name).write_bytes(b"\x10\0\0\0\0\0\0\0{" + b"\xff" * 15)
    pipe = EmotionPipeline.from_pretrained(folder, device="cpu", offline=True)
    with pytest.raises(IncompatibleModelError, match="text_adapter") as caught:
        pipe(text="hello there")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "key", "value", "what"),
    [
        ("config.json", "encoder_layers", {"text": 2, "audio": 1, "vision": 1}, "absent in model"),
        ("config.json", "encoder_layers", {"text": 10**9, "audio": 1, "vision": 1}, r"0\.\.100"),
        ("config.json", "feed_forward_size", 10**9, "1000000000"),
        ("config.json", "max_steps", {"text": 10**9, "audio": 160, "vision": 160}, "1000000000"),
        ("expression.json", "embedding_size", 10**9, "1000000000"),
        ("expression.json", "stage_blocks", [1, 2, 10**9], "at most 100 blocks"),
    ],
)
def test_a_network_that_the_weights_do_not_fill_is_not_built(
    tmp_path: Path, name: str, key: str, value: object, what: str
) -> None:
    folder = shutil.copytree(find_checkpoint("lddu-base-en"), tmp_path / "model")
    settings = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**settings, key: value}))
    with pytest.raises(IncompatibleModelError, match=what):
        load_checkpoint(folder)


def test_an_adapter_of_another_rank_is_not_built(tmp_path: Path) -> None:
    folder = shutil.copytree(find_checkpoint("lddu-base-en"), tmp_path / "model")
    path = folder / "text_adapter" / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "r": 10**9}))
    pipe = EmotionPipeline.from_pretrained(folder, device="cpu", offline=True)
    with pytest.raises(IncompatibleModelError, match="another rank than 1000000000"):
        pipe(text="hello there")


def test_an_adapter_that_would_bring_more_than_weights_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(find_checkpoint("lddu-base-en"), tmp_path / "model")
    path = folder / "text_adapter" / "adapter_config.json"
    plain = json.loads(path.read_text())
    # The first would make peft import a module by name, the second a tokenizer that brings code.
    for evil in (
        {"megatron_config": {"size": 1}, "megatron_core": "antigravity"},
        {"peft_type": "PROMPT_TUNING"},
    ):
        path.write_text(json.dumps({**plain, **evil}))
        pipe = EmotionPipeline.from_pretrained(folder, device="cpu", offline=True)
        with pytest.raises(IncompatibleModelError, match="no plain adapter"):
            pipe(text="hello there")


def test_a_configuration_brings_no_code_and_no_other_model(tmp_path: Path) -> None:
    folder = shutil.copytree(find_checkpoint("lddu-base-en"), tmp_path / "model")
    path = folder / "config.json"
    plain = json.loads(path.read_text())
    evil = {
        "auto_map": {"AutoModel": "evil.Model"},
        "attn_implementation": "evil/kernel",
        "quantization_config": {"quant_method": "evil"},
    }
    path.write_text(json.dumps(plain | evil))
    config = load_checkpoint(folder).config
    assert not any(hasattr(config, key) for key in evil)
    path.write_text(json.dumps(plain | {"model_type": "bert"}))
    with pytest.raises(IncompatibleModelError, match="of a model of type 'bert'"):
        load_checkpoint(folder)
    path.write_text(json.dumps(plain | {"labels": 1, "id2label": {"0": "happy", "2": "sad"}}))
    with pytest.raises(IncompatibleModelError):
        load_checkpoint(folder)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    checkpoint = load_checkpoint("lddu-base-en")
    (tmp_path / "file").touch()
    with pytest.raises(UnusableInputError, match=r"file/mine cannot be made: Not a directory"):
        copy_checkpoint(checkpoint, tmp_path / "file" / "mine", checkpoint.calibration)


class Touch:
    """An object whose pickle makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    ("good", "evil"),
    [
        ("model.safetensors", "pytorch_model.bin"),
        ("model.safetensors", "model.safetensors"),
        ("expression.safetensors", "expression.safetensors"),
        ("text_adapter/adapter_model.safetensors", "text_adapter/adapter_model.bin"),
        ("text_adapter/adapter_model.safetensors", "text_adapter/adapter_model.safetensors"),
    ],
)
def test_weights_that_are_a_program_are_not_run(tmp_path: Path, good: str, evil: str) -> None:
    folder = shutil.copytree(find_checkpoint("lddu-base-en"), tmp_path / "model")
    mark = tmp_path / "ran"
    (folder / good).unlink()
    torch.save(Touch(mark), folder / evil)
    with pytest.raises(IncompatibleModelError):
        EmotionPipeline.from_pretrained(folder, device="cpu", offline=True)(text="hello")
    assert not mark.exists()
    # It would have run.
    torch.load(io.BytesIO((folder / evil).read_bytes()), weights_only=False)
    assert mark.exists()
