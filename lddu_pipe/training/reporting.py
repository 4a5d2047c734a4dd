"""Where learning curves go: transformers' integrations, by their names."""

from __future__ import annotations

from pathlib import Path

from transformers import TrainerCallback
from transformers.integrations.integration_utils import (
    INTEGRATION_TO_CALLBACK,
    TensorBoardCallback,
)

from lddu_pipe.errors import MissingAssetError, UnusableInputError

TENSORBOARD = "tensorboard"
NONE = "none"


def make_reporters(report_to: str, folder: Path) -> list[TrainerCallback]:
    """The integrations that a run reports to; call it in the first process alone.

    Each reads its own settings from its environment variables, as transformers documents.

    Args:
        report_to: names with commas between them, or "none".
        folder: of the run; TensorBoard's files go there.

    Raises:
        UnusableInputError: a name is none that transformers knows.
        MissingAssetError: an integration is not installed.
    """
    names = [name.strip() for name in report_to.split(",") if name.strip()]
    for name in names:
        if name not in (*INTEGRATION_TO_CALLBACK, NONE):
            known = ", ".join([NONE, *sorted(INTEGRATION_TO_CALLBACK)])
            raise UnusableInputError(
                f"report_to: unknown integration {name!r}; known are: {known}"
            )
    return [_make(name, folder) for name in dict.fromkeys(names) if name != NONE]


def _make(name: str, folder: Path) -> TrainerCallback:
    try:
        if name != TENSORBOARD:
            made: TrainerCallback = INTEGRATION_TO_CALLBACK[name]()
            return made
        from torch.utils.tensorboard import SummaryWriter

        return TensorBoardCallback(SummaryWriter(str(folder / TENSORBOARD)))
    except (ImportError, RuntimeError) as error:
        # Each says in its own words that it is not installed, and how to install it.
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MissingAssetError(f"report_to={name} cannot be used: {reason}") from error
