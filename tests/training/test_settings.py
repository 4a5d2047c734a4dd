"""Presets, files and overrides."""

from __future__ import annotations

from pathlib import Path

import pytest

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.training.settings import LossSettings, ModelSettings, preset_names, read_settings

PLACES = ["data=store", "output=run"]


def test_the_presets_are_the_papers_hyper_parameters() -> None:
    assert preset_names() == ["m3ed", "mosei-aligned", "mosei-unaligned"]
    for name in preset_names():
        settings = read_settings(name, [*PLACES, "method=paper"])
        assert (settings.epochs, settings.batch_size, settings.patience) == (30, 64, 5)
        assert (settings.learning_rate, settings.weight_decay) == (2e-4, 0.01)
        assert (settings.warmup, settings.clip_norm) == (0.1, 1.0)
        assert settings.loss == LossSettings(0.3, 0.25, 0.3, queue_size=8192)
        assert settings.model.hidden_size == ModelSettings().hidden_size == 256
        assert settings.model.latent_size == 128
        assert vars(settings.model.encoder_layers) == {"text": 3, "audio": 3, "vision": 3}
        assert (settings.model.attention_heads, settings.model.feed_forward_size) == (8, 256)
        assert settings.model.dropout == 0.3
    assert read_settings("mosei-unaligned", PLACES).model.max_steps.audio == 500


def test_a_method_is_what_stands_where_nothing_else_is_said(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("method: paper\nmodel: {direct_size: 64}\n")
    paper = read_settings(str(path), PLACES).model
    assert (paper.shared_keys, paper.head_activation, paper.direct_size) == (True, "relu", 64)
    default = read_settings(str(path), [*PLACES, "method=default"]).model
    assert (default.shared_keys, default.head_activation) == (False, "gelu")
    rates = [
        read_settings("m3ed", [*PLACES, *more]).learning_rate for more in ([], ["method=paper"])
    ]
    assert rates == [5e-4, 2e-4]
    assert default.head_dropout == paper.head_dropout == 0.1


def test_ablations_start_from_the_whole_model() -> None:
    assert read_settings("ablations", PLACES) == read_settings("mosei-aligned", PLACES)


def test_a_file_and_then_overrides_decide(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("epochs: 7\nmodel: {dropout: 0.1, encoder_layers: {text: 2}}\n")
    settings = read_settings(str(path), [*PLACES, "epochs=9", "loss.calibration=ranking"])
    assert (settings.epochs, settings.model.dropout) == (9, 0.1)
    assert vars(settings.model.encoder_layers) == {"text": 2, "audio": 3, "vision": 3}
    assert settings.loss.calibration == "ranking"


@pytest.mark.parametrize(
    ("source", "overrides", "message"),
    [
        ("mosei-alinged", PLACES, "unknown preset 'mosei-alinged'; did you mean 'mosei-aligned'"),
        ("ablation", PLACES, "unknown preset 'ablation'; did you mean 'ablations'"),
        ("mine", PLACES, "known are: ablations, m3ed, mosei-aligned, mosei-unaligned"),
        ("m3ed", [*PLACES, "epoch=4"], "unknown setting 'epoch'; did you mean 'epochs'"),
        ("m3ed", [*PLACES, "model.drop_out=0"], "did you mean 'dropout'"),
        ("m3ed", [*PLACES, "epochs=many"], "epochs: Value 'many'"),
        ("m3ed", [*PLACES, "model=big"], r"model holds further settings, such as model\.hidden"),
        ("m3ed", [*PLACES, "model.dropout=1.5"], r"model.dropout lies in 0..0.95, got 1.5"),
        ("m3ed", [*PLACES, "loss.calibration=rank"], "did you mean 'ranking'"),
        ("m3ed", [*PLACES, "method=papers"], "method: .*did you mean 'paper'"),
        ("m3ed", [*PLACES, "model.head_activation=tanh"], "model.head_activation"),
        ("m3ed", [*PLACES, "model.head_dropout=1"], "model.head_dropout lies in 0..0.95"),
        ("m3ed", [*PLACES, "model.initial_deviation=2"], "lies in 0.06..1.6"),
        (
            "m3ed",
            [*PLACES, "model.modalities=[audio,faces]"],
            "are some of text",
        ),
        ("m3ed", [*PLACES, "model.modalities=[]"], "are some of text"),
        ("m3ed", [*PLACES, "model.modalities=audio"], "model.modalities: "),
        ("m3ed", [*PLACES, "model.classifier_size=0"], "model.classifier_size is at least 1"),
        ("m3ed", [*PLACES, "model.hidden_size=100"], "not a multiple of"),
        ("m3ed", [*PLACES, "batch_size=0"], "batch_size is at least 1"),
        ("m3ed", [*PLACES, "accumulation=3"], "not a multiple of accumulation"),
        ("m3ed", [*PLACES, "fast"], "'fast' is not KEY=VALUE"),
        ("m3ed", [*PLACES, "epochs=\t"], "'epochs=.t' cannot be read: .*; put quotes around"),
        ("m3ed", [*PLACES, "epochs=="], "cannot be read: could not determine"),
        ("m3ed", [*PLACES, "epochs=?"], "epochs=.' cannot be read"),
        ("m3ed", ["data=${nowhere}", "output=run"], "nowhere"),
        ("m3ed", ["data=store"], "output is not given; add output=FOLDER"),
        ("nowhere.yaml", PLACES, "cannot be read: No such file"),
    ],
)
def test_wrong_settings_are_one_line_that_helps(
    source: str, overrides: list[str], message: str
) -> None:
    with pytest.raises(UnusableInputError, match=message) as caught:
        read_settings(source, overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("epochs: !!int ''", "is not YAML"),
        ("epochs: !!bool x", "is not YAML"),
        ("epochs: !!timestamp x", "is not YAML"),
        ("epochs: 2020-13-45", "is not YAML: month must be in 1..12"),
        ("epochs: " + "[" * 5000, "is not YAML"),
        ("epochs: &a [*a]", "a value holds itself"),
        ("&a {epochs: *a}", "a value holds itself"),
    ],
)
def test_values_that_no_reader_of_yaml_refuses_well_are_one_line(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(UnusableInputError, match=message) as caught:
        read_settings(str(path), PLACES)
    assert len(str(caught.value).splitlines()) == 1


def test_an_override_of_an_odd_kind_is_one_line() -> None:
    with pytest.raises(UnusableInputError, match="put quotes around the value"):
        read_settings("m3ed", [*PLACES, "epochs=!!bool x"])


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text("epochs: !!python/object/apply:os.system ['touch evil']\n")
    with pytest.raises(UnusableInputError, match="not YAML"):
        read_settings(str(path), PLACES)
