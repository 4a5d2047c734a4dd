"""What decides a training run: presets, files and overrides, checked before anything starts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from lddu_pipe.errors import MissingAssetError, UnusableInputError
from lddu_pipe.types import MODALITIES

PRESETS = Path(__file__).parents[1] / "presets"
ABLATIONS = "ablations"
"""No file: `ABLATED`, which the caller trains whole and with one part after the other left out."""
ABLATED = "mosei-aligned"
FUSIONS = ("gated", "ungated", "no_sigma", "mean_only", "direct_only")
CALIBRATION_LOSSES = ("divergence", "ranking")
PRECISIONS = ("fp32", "bf16", "fp16")
METHODS = ("default", "paper")
NEEDS_EXTRA = 'training needs more packages; run: pip install "lddu-pipe[train]"'


@dataclass
class ByModality:
    """One whole number for each modality."""

    text: int = 3
    audio: int = 3
    vision: int = 3


@dataclass
class ModelSettings:
    """Shape of the model; the defaults are the paper's (section 4.1)."""

    hidden_size: int = 256
    latent_size: int = 128
    encoder_layers: ByModality = field(default_factory=ByModality)
    attention_heads: int = 8
    feed_forward_size: int = 256
    max_steps: ByModality = field(default_factory=lambda: ByModality(60, 60, 60))
    """Longer sequences are pooled to so many steps."""
    modalities: list[str] = field(default_factory=lambda: list(MODALITIES))
    """Modalities that the model takes; it ignores others."""
    dropout: float = 0.3
    fusion: str = "gated"
    statistics_pooling: bool = False
    label_specific: bool = False
    modality_dropout: float = 0.0
    head_dropout: float | None = None
    head_activation: str = "gelu"
    classifier_size: int | None = None
    direct_size: int | None = None
    shared_keys: bool = False
    initialisation: str = "xavier"
    initial_deviation: float | None = None


@dataclass
class LossSettings:
    """Terms of the loss; the weights are those of the published run."""

    direct_weight: float = 0.3
    """w_dir."""
    contrastive_weight: float = 1.0
    """w_scl."""
    calibration_weight: float = 0.3
    """w_crl."""
    calibration: str = "divergence"
    """L_crl: "divergence" as published, or "ranking" by error."""
    scales_weight: float = 0.3
    """Of the scales, where the store has any; with 0 the model gives none."""
    queue_size: int = 8192
    """Past latent vectors that the contrastive loss remembers."""


@dataclass
class TrainSettings:
    """A whole run; the defaults are the published optimisation."""

    data: str = ""
    """Folder of a feature store."""
    output: str = ""
    """Folder of the run."""
    name: str = "lddu"
    """What the trained model is called."""
    method: str = "default"
    """What `model` and `loss` are where nothing else is said: "default", which learns best, or
    "paper", which is as the published code has it."""
    epochs: int = 30
    batch_size: int = 64
    """Rows of one optimisation step, over all processes and accumulated parts."""
    accumulation: int = 1
    """Parts into which a batch is cut, to save memory; contrast sees one part at a time."""
    learning_rate: float = 2e-4
    weight_decay: float = 0.01
    """Not on biases and normalisation."""
    warmup: float = 0.1
    """Share of the steps in which the learning rate rises; it then falls along a cosine."""
    clip_norm: float = 1.0
    patience: int = 5
    """Epochs without a better validation figure after which training stops."""
    precision: str = "fp32"
    device: str = "auto"
    seed: int = 1
    workers: int = 0
    """Processes that read rows beside each training process."""
    report_to: str = "tensorboard"
    """Integrations of transformers that learning curves go to, with commas between them, such as
    "tensorboard,wandb"; "none" for none. "tensorboard" writes files and sends nothing."""
    model: ModelSettings = field(default_factory=ModelSettings)
    loss: LossSettings = field(default_factory=LossSettings)


def preset_names() -> list[str]:
    """Names of the presets that ship."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


_FROM_YAML = (ValueError, LookupError, AttributeError, RecursionError)
"""Errors that PyYAML does not wrap, for values such as 2020-13-45, !!bool x and [[[[..."""


def read_settings(source: str, overrides: Sequence[str]) -> TrainSettings:
    """Put a run's settings together.

    Args:
        source: name of a preset, or a YAML file; for `ABLATIONS` the settings of the whole model.
        overrides: ``key=value``, with dots for what is nested, as in ``model.dropout=0.1``.

    Raises:
        UnusableInputError: an unknown preset or key (the nearest is named), a value of the wrong
            kind or out of range.
        MissingAssetError: the extra `train` is not installed.
    """
    try:
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException
    except ImportError:
        raise MissingAssetError(NEEDS_EXTRA) from None
    merged = OmegaConf.structured(TrainSettings)
    given = ((source, _read_source(source)), ("", _read_overrides(overrides)))
    for origin, values in (("", _read_method([values for _, values in given])), *given):
        _check_keys(values, TrainSettings, f"{origin}: " if origin else "")
        try:
            merged = OmegaConf.merge(merged, OmegaConf.create(values))
        except OmegaConfBaseException as error:
            raise UnusableInputError(_complaint(error)) from None
        except RecursionError:
            raise UnusableInputError(f"{origin}: a value holds itself, by & and *") from None
    try:
        # Values may refer to others with ${...}, which is looked up only here.
        settings = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise UnusableInputError(_complaint(error)) from None
    if not isinstance(settings, TrainSettings):
        raise TypeError(f"settings came out as {type(settings)}")
    _check_values(settings)
    return settings


def _read_source(source: str) -> dict[str, Any]:
    import yaml

    preset = ABLATED if source == ABLATIONS else source
    path = PRESETS / f"{preset}.yaml"
    if preset not in preset_names():
        path = Path(source)
        if path.suffix not in (".yaml", ".yml"):
            raise UnusableInputError(_unknown("preset", source, [ABLATIONS, *preset_names()]))
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnusableInputError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, *_FROM_YAML) as error:
        raise UnusableInputError(f"{path} is not YAML: {_first_line(error)}") from None
    if not isinstance(values, dict):
        raise UnusableInputError(f"{path} holds no settings; it needs lines such as 'epochs: 30'")
    return values


def _read_method(given: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the method says that the last of `given` names."""
    import yaml

    named = [values["method"] for values in given if "method" in values]
    method = named[-1] if named else TrainSettings.method
    if method not in METHODS:
        raise UnusableInputError("method: " + _unknown("choice", str(method), list(METHODS)))
    path = PRESETS / "methods" / f"{method}.yaml"
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def _read_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    import yaml
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    for item in overrides:
        if not re.match(r"[\w.]+=", item):
            raise UnusableInputError(f"{item!r} is not KEY=VALUE, such as epochs=4")
        try:
            OmegaConf.from_dotlist([item])
        except (yaml.YAMLError, OmegaConfBaseException, *_FROM_YAML) as error:
            # Values are YAML, in which some characters stand for more than themselves.
            raise UnusableInputError(
                f"{item!r} cannot be read: {_first_line(error)}; put quotes around the value"
            ) from None
    values = OmegaConf.to_container(OmegaConf.from_dotlist(list(overrides)), resolve=False)
    if not isinstance(values, dict):
        raise TypeError("overrides are no mapping")
    # A path may look like a number or a date; the schema brings it to text.
    return {str(key): value for key, value in values.items()}


def _check_keys(values: Mapping[str, Any], kind: type[Any], prefix: str) -> None:
    known = {item.name: item for item in fields(kind)}
    for key, value in values.items():
        if key not in known:
            raise UnusableInputError(prefix + _unknown("setting", str(key), list(known)))
        factory = known[key].default_factory
        inner = type(factory()) if callable(factory) else None
        if inner is not None and is_dataclass(inner):
            if not isinstance(value, Mapping):
                raise UnusableInputError(
                    f"{prefix}{key} holds further settings, such as "
                    f"{key}.{fields(inner)[0].name}; got {value!r}"
                )
            _check_keys(value, inner, prefix)


def _unknown(what: str, name: str, known: list[str]) -> str:
    nearest = get_close_matches(name, known, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known are: {', '.join(known)}"
    return f"unknown {what} {name!r}; {hint}"


def _check_values(settings: TrainSettings) -> None:
    model, loss = settings.model, settings.loss
    for name in ("data", "output"):
        if not getattr(settings, name):
            raise UnusableInputError(f"{name} is not given; add {name}=FOLDER")
    for name, value, choices in (
        ("model.fusion", model.fusion, FUSIONS),
        ("loss.calibration", loss.calibration, CALIBRATION_LOSSES),
        ("model.head_activation", model.head_activation, ("gelu", "relu")),
        ("model.initialisation", model.initialisation, ("xavier", "normal")),
        ("precision", settings.precision, PRECISIONS),
        ("device", settings.device, ("auto", "cpu", "cuda", "mps")),
    ):
        if value not in choices:
            raise UnusableInputError(f"{name}: " + _unknown("choice", value, list(choices)))
    if not model.modalities or sorted(model.modalities) != sorted(
        set(model.modalities) & set(MODALITIES)
    ):
        raise UnusableInputError(
            f"model.modalities are some of {', '.join(MODALITIES)}, each once, such as "
            f"[text,audio]; got {model.modalities}"
        )
    sizes = {
        **{f"model.{name}": getattr(model, name) for name in _SIZES},
        **{f"model.max_steps.{name}": value for name, value in vars(model.max_steps).items()},
        **{f"model.encoder_layers.{n}": value for n, value in vars(model.encoder_layers).items()},
        **{name: getattr(settings, name) for name in ("epochs", "batch_size", "accumulation")},
        **{"patience": settings.patience, "loss.queue_size": loss.queue_size},
        **{
            f"model.{name}": value
            for name in ("classifier_size", "direct_size")
            if (value := getattr(model, name)) is not None
        },
    }
    for name, number in sizes.items():
        if number < 1:
            raise UnusableInputError(f"{name} is at least 1, got {number}")
    ranges = {
        "model.dropout": (model.dropout, 0.0, 0.95),
        "model.modality_dropout": (model.modality_dropout, 0.0, 0.95),
        "model.head_dropout": (model.head_dropout or 0.0, 0.0, 0.95),
        # The bounds of sigma, of which nothing may begin at one: no gradient would move it.
        "model.initial_deviation": (model.initial_deviation or 1.0, 0.06, 1.6),
        "learning_rate": (settings.learning_rate, 1e-9, 10.0),
        "weight_decay": (settings.weight_decay, 0.0, 10.0),
        "warmup": (settings.warmup, 0.0, 1.0),
        "clip_norm": (settings.clip_norm, 1e-6, 1e6),
        "loss.direct_weight": (loss.direct_weight, 0.0, 1e3),
        "loss.contrastive_weight": (loss.contrastive_weight, 0.0, 1e3),
        "loss.calibration_weight": (loss.calibration_weight, 0.0, 1e3),
        "loss.scales_weight": (loss.scales_weight, 0.0, 1e3),
        "seed": (settings.seed, 0, 2**31 - 1),
        "workers": (settings.workers, 0, 256),
    }
    for name, (amount, low, high) in ranges.items():
        if not low <= amount <= high:
            raise UnusableInputError(f"{name} lies in {low:g}..{high:g}, got {amount:g}")
    if model.hidden_size % model.attention_heads:
        raise UnusableInputError(
            f"model.hidden_size {model.hidden_size} is not a multiple of "
            f"model.attention_heads {model.attention_heads}"
        )
    if settings.batch_size % settings.accumulation:
        raise UnusableInputError(
            f"batch_size {settings.batch_size} is not a multiple of accumulation "
            f"{settings.accumulation}"
        )


_SIZES = ("hidden_size", "latent_size", "attention_heads", "feed_forward_size")


def _complaint(error: Exception) -> str:
    key = getattr(error, "full_key", None)
    return (f"{key}: " if key else "") + _first_line(error)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
