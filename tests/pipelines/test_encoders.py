"""Encoders by others: from recordings to a model that finds and knows them again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from click.testing import CliRunner
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizerFast,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
)

from lddu_pipe import EmotionPipeline
from lddu_pipe.cli import main
from lddu_pipe.datasets.store import open_store
from lddu_pipe.errors import IncompatibleModelError, MissingAssetError, UnusableInputError
from lddu_pipe.extractors.hub import EncoderSource, find_encoder
from lddu_pipe.pipelines import sharing
from lddu_pipe.pipelines.folder import find_checkpoint

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
SAID = {"happy": "i am so happy", "sad": "i am sad"}


def save_bert(folder: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "i", "am", "so", "happy", "sad"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(vocab_size=len(words), max_position_embeddings=32, **SMALL)
    BertModel(config).save_pretrained(folder)
    return folder


def save_wav2vec2(folder: Path) -> Path:
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        conv_dim=(8,) * 7, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, **SMALL
    )
    Wav2Vec2Model(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


class Lab(NamedTuple):
    bert: Path
    wav2vec2: Path
    store: Path
    model: Path


def run(*arguments: str | Path) -> None:
    done = CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.output


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, sample_video: Path) -> Lab:
    """A store of a tiny BERT's and a tiny wav2vec 2.0's features, and a model trained on it."""
    folder = tmp_path_factory.mktemp("lab")
    bert, wav2vec2 = save_bert(folder / "bert"), save_wav2vec2(folder / "wav2vec2")
    video = {"video": str(sample_video), "end": 1.0}
    rows = [
        {"id": f"{split}-{index}", "text": SAID[label], "labels": [label], "split": split}
        | (video if split == "train" and not index else {})
        for split, count in (("train", 8), ("valid", 50))
        for index, label in enumerate(list(SAID) * (count // 2))
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    encoders = ["--offline", "--text-encoder", bert, "--audio-encoder", wav2vec2]
    manifest, store = folder / "rows.jsonl", folder / "store"
    run("extract", "--manifest", manifest, "-o", store, "--labels", "happy,sad", *encoders, "-q")
    small = ["hidden_size=16", "latent_size=8", "attention_heads=4", "feed_forward_size=16"]
    places = [f"data={store}", f"output={folder / 'run'}", "device=cpu", "epochs=1"]
    run("train", "mosei-unaligned", *places, *(f"model.{item}" for item in small), "-q")
    return Lab(bert, wav2vec2, store, folder / "run" / "model")


def moved(model: Path, folder: Path, **sources: Path) -> Path:
    """A copy of a model that looks for encoders elsewhere."""
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text())
    for modality, source in sources.items():
        config["encoders"][modality]["source"] = str(source)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.slow
def test_a_model_uses_the_encoders_of_its_features_without_being_told(
    lab: Lab, sample_video: Path
) -> None:
    info = open_store(lab.store).info
    assert (info.feature_sizes["text"], info.feature_sizes["audio"]) == (16, 52)
    assert not (lab.store / "text_adapter").exists()  # it belongs to the encoder it was made for
    pipe = EmotionPipeline.from_pretrained(lab.model, device="cpu", offline=True)
    assert pipe.checkpoint.config.fingerprints == info.fingerprints
    annotation = pipe(sample_video)
    assert annotation.utterances[0].missing == {}
    weights = annotation.provenance.weights
    assert {"text_encoder/model.safetensors", "audio_encoder/model.safetensors"} <= set(weights)
    long = " ".join(["so happy"] * 40)  # more than the 32 pieces that this encoder takes at once
    assert pipe(text=long).utterances[0].missing.keys() == {"audio", "vision"}


@pytest.mark.slow
def test_an_encoder_is_known_by_its_content_wherever_it_is(lab: Lab, tmp_path: Path) -> None:
    elsewhere = shutil.copytree(lab.bert, tmp_path / "elsewhere")
    gone = moved(lab.model, tmp_path / "gone", text=tmp_path / "bert")
    with pytest.raises(MissingAssetError, match=r"no folder .*bert; put it there, or name"):
        EmotionPipeline.from_pretrained(gone, device="cpu", offline=True)(text="so happy")
    expected, found = (
        EmotionPipeline.from_pretrained(model, device="cpu", offline=True, text_encoder=place)(
            text="so happy"
        ).utterances
        for model, place in ((lab.model, None), (gone, elsewhere))
    )
    assert found == expected
    other = save_bert(tmp_path / "bert", seed=1)
    with pytest.raises(IncompatibleModelError, match="has other content now") as caught:
        EmotionPipeline.from_pretrained(gone, device="cpu", offline=True)(text="so happy")
    assert str(other) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_model_that_others_could_not_use_is_not_pushed_and_no_path_is_on_its_card(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed: list[set[str]] = []

    def upload(repo_id: str, folder: Path, *, private: bool) -> str:
        pushed.append({path.name for path in folder.iterdir()})
        return "0" * 40

    monkeypatch.setattr(sharing, "push", upload)
    with pytest.raises(UnusableInputError, match="would not find the text encoder") as caught:
        sharing.push_checkpoint(lab.model, "user/model")
    assert "\n" not in str(caught.value)
    assert not pushed
    card = sharing.make_card(lab.model)
    assert "| text encoder | bert, which is not published |" in card
    assert str(lab.bert.parent) not in card
    assert "Speech is recognised in English alone" in card
    public = moved(lab.model, tmp_path / "public", text=Path("me/bert"), audio=Path("me/w2v"))
    sharing.push_checkpoint(public, "user/model")
    assert "| text encoder | me/bert |" in sharing.make_card(public)
    assert len(pushed) == 1


@pytest.mark.slow
def test_a_model_is_fetched_with_its_encoders(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = moved(lab.model, tmp_path / "public", text=Path("me/bert"))
    asked: list[str] = []

    def download(wanted: EncoderSource, *, offline: bool) -> Path:
        asked.append(wanted.source)
        return lab.bert

    monkeypatch.setattr(sharing, "fetch", lambda name: model)
    monkeypatch.setattr("lddu_pipe.extractors.hub._from_hub", download)
    run("models", "fetch", "user/model")
    assert asked == ["me/bert"]
    lost = moved(lab.model, tmp_path / "lost", audio=tmp_path / "away")
    monkeypatch.setattr(sharing, "fetch", lambda name: lost)
    done = CliRunner().invoke(main, ["models", "fetch", "user/model"])
    assert done.exit_code == 2
    assert "user/model is here, but not the audio encoder that it needs" in done.stderr


def test_the_place_of_a_default_encoder_may_be_given(tmp_path: Path) -> None:
    pipe = EmotionPipeline.from_pretrained(device="cpu", offline=True, text_encoder=tmp_path)
    with pytest.raises(MissingAssetError, match=rf"{tmp_path}.* of all-MiniLM-L6-v2"):
        pipe(text="so happy")


@pytest.mark.parametrize("encoders", [[], {"text": "bert"}, {"text": {"source": 1}}])
def test_damaged_encoders_of_a_checkpoint_are_one_line(tmp_path: Path, encoders: object) -> None:
    model = shutil.copytree(find_checkpoint("lddu-base-en"), tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"encoders": encoders or 1}))
    with pytest.raises(IncompatibleModelError) as caught:
        EmotionPipeline.from_pretrained(model, device="cpu", offline=True)
    assert "\n" not in str(caught.value)


def test_weights_that_may_run_code_and_names_that_are_nowhere_are_refused(tmp_path: Path) -> None:
    bert = save_bert(tmp_path / "bert")
    (bert / "model.safetensors").rename(bert / "pytorch_model.bin")
    with pytest.raises(IncompatibleModelError, match=r"holds no model\.safetensors"):
        find_encoder(EncoderSource(str(bert)), offline=True)
    with pytest.raises(MissingAssetError, match=r"not in the Hugging Face cache$"):
        find_encoder(EncoderSource("nobody/no-such-encoder"), offline=True)
    (bert / "pytorch_model.bin").rename(bert / "model.safetensors")
    (bert / "config.json").write_text("{")
    with pytest.raises(IncompatibleModelError, match="bert is no encoder of use"):
        find_encoder(EncoderSource(str(bert)), offline=True)


def test_what_an_encoder_was_saved_by_changes_nothing_and_its_settings_do(tmp_path: Path) -> None:
    bert = save_bert(tmp_path / "bert")
    before = find_encoder(EncoderSource(str(bert)), offline=True).weights
    config = json.loads((bert / "config.json").read_text())
    (bert / "config.json").write_text(json.dumps(config | {"transformers_version": "9"}))
    (bert / "README.md").write_text("mine")
    assert find_encoder(EncoderSource(str(bert)), offline=True).weights == before
    (bert / "config.json").write_text(json.dumps(config | {"hidden_act": "relu"}))
    assert find_encoder(EncoderSource(str(bert)), offline=True).weights != before
