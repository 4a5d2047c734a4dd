"""Integrations that are told of learning curves."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import TrainerCallback
from transformers.integrations import integration_utils

from lddu_pipe.errors import MissingAssetError, UnusableInputError
from lddu_pipe.training.reporting import make_reporters


class Listener(TrainerCallback):
    """Stands for an integration that is installed."""


def test_each_integration_that_is_named_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "mlflow", Listener)
    board, listener = make_reporters("tensorboard, mlflow,mlflow", tmp_path)
    assert isinstance(board, integration_utils.TensorBoardCallback)
    assert isinstance(listener, Listener)
    assert [path.name for path in tmp_path.iterdir()] == ["tensorboard"]
    assert make_reporters("none", tmp_path) == []


def test_one_that_is_unknown_or_not_installed_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnusableInputError, match="unknown integration 'wandbb'; known are: none"):
        make_reporters("tensorboard,wandbb", tmp_path)
    monkeypatch.setattr(integration_utils, "is_wandb_available", lambda: False)
    with pytest.raises(MissingAssetError, match=r"report_to=wandb cannot be used: .*pip install"):
        make_reporters("wandb", tmp_path)
