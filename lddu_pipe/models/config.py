"""Everything that shapes an LDDU model, kept beside its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Literal, get_args

from lddu_pipe.labels import MOSEI
from lddu_pipe.types import MODALITIES

Fusion = Literal["gated", "ungated", "no_sigma", "mean_only", "direct_only"]
"""How the views of an utterance are put together; see `fusion.combine`."""
MOST_LAYERS = 100
"""Of an encoder; a damaged configuration may ask for any number, each of which takes memory."""


@dataclass
class LDDUConfig:
    """Configuration of `LDDUModel`; the defaults are the paper's (section 4.1).

    Raises:
        ValueError: a size does not fit the others.
    """

    model_type: ClassVar[str] = "lddu"
    """What a file says it is the configuration of."""
    feature_sizes: dict[str, int] = field(
        default_factory=lambda: {"text": 768, "audio": 74, "vision": 35}
    )
    """D_m, raw features a step, by modality."""
    labels: tuple[str, ...] = MOSEI.labels
    """Label names in output order."""
    modalities: list[str] = field(default_factory=lambda: list(MODALITIES))
    """Those that the model takes; it passes over others."""
    hidden_size: int = 256
    """d."""
    latent_size: int = 128
    """k, the dimensions of a latent Gaussian."""
    encoder_layers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MODALITIES, 3))
    """Transformer layers by modality."""
    attention_heads: int = 8
    """Heads of those layers."""
    feed_forward_size: int = 256
    """Inner size of those layers."""
    max_steps: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MODALITIES, 160))
    """Longest sequence by modality; longer ones must be pooled first."""
    dropout: float = 0.3
    """Probability, in the encoders, and everywhere else where no `head_dropout` is given."""
    fusion: Fusion = "gated"
    """How y is made of y_dir, y_mu and y_sigma; anything but "gated" is an ablation."""
    statistics_pooling: bool = False
    """Let the label attention also take the attention-weighted standard deviation of the values
    (Okabe et al. 2018), beyond the paper's mean."""
    label_specific: bool = False
    """Tell what all labels share which of them it serves: a label's embedding is added to what its
    attention gathers, as in a Transformer decoder, and y_dir ends in a classifier of its own for
    each label."""
    modality_dropout: float = 0.0
    """Probability, in training, that a modality of a row is hidden."""
    head_dropout: float | None = None
    """Probability inside the emotion space and before the last layer of each classifier, and
    nowhere else behind the encoders. None, as checkpoints had it before there was this setting:
    `dropout` in every block of the head, on mu and on sigma."""
    head_activation: Literal["gelu", "relu"] = "gelu"
    """Of the latent MLPs and of the classifiers."""
    classifier_size: int | None = None
    """Hidden units of the classifiers of mu and sigma, which each label has of its own; None makes
    them linear."""
    direct_size: int | None = None
    """Hidden units of y_dir's classifier; `hidden_size` by default."""
    shared_keys: bool = False
    """Keys and values of the emotion space are one projection."""
    initialisation: Literal["xavier", "normal"] = "xavier"
    """Of weights in the encoders: Xavier's (Glorot and Bengio 2010), as elsewhere, with label
    embeddings of spread 1; or "normal" of spread 0.02, with label embeddings by Xavier's."""
    initial_deviation: float | None = None
    """Sigma of a modality that is present, before anything is learned; about 0.29 by default."""
    alignment: Literal["aligned", "unaligned", "both"] = "unaligned"
    """Whether the model was trained on one step a word, on every modality's own rate, or both."""
    name: str = "lddu"
    """What people call the checkpoint."""
    version: str = "0"
    """Of the checkpoint; another one for other weights."""
    fingerprints: dict[str, str] = field(default_factory=dict)
    """By modality, of the extractor whose features the model was trained on."""
    better_than_base_rates: bool | None = None
    """Whether, on rows that training had not learned from, its probabilities had a better Brier
    score than each label's frequency; None where nobody looked."""
    encoders: dict[str, dict[str, str | None]] = field(default_factory=dict)
    """By modality, where the encoder is whose features those are (``source`` and ``revision``);
    that of a modality which is not here is a default one."""
    scales: list[str] = field(default_factory=list)
    """Names of the continuous scales whose values the model gives beside labels."""

    def __post_init__(self) -> None:
        self.labels = tuple(self.labels)
        for name in ("feature_sizes", "encoder_layers", "max_steps"):
            setattr(self, name, _in_order(name, getattr(self, name)))
        given = self.modalities
        self.modalities = [name for name in MODALITIES if name in given]
        if not all(0 <= layers <= MOST_LAYERS for layers in self.encoder_layers.values()):
            raise ValueError(f"encoder_layers lie in 0..{MOST_LAYERS}, got {self.encoder_layers}")
        if not given or len(self.modalities) != len(given):
            raise ValueError(f"modalities are some of {MODALITIES}, each once, got {given}")
        if self.hidden_size % self.attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of {self.attention_heads}"
            )
        if self.fusion not in get_args(Fusion):
            raise ValueError(
                f"fusion is one of {', '.join(get_args(Fusion))}, got {self.fusion!r}"
            )
        shares = (self.dropout, self.modality_dropout, self.head_dropout or 0)
        if not all(0 <= share < 1 for share in shares):
            raise ValueError("dropout, head_dropout and modality_dropout lie in 0..1")

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> LDDUConfig:
        """Read what `to_dict` made of a configuration; keys that it does not know are passed over.

        Raises:
            ValueError: it is of another kind of model, or a size does not fit the others.
        """
        if content.get("model_type") != cls.model_type:
            raise ValueError(f"it is of a model of type {content.get('model_type')!r}")
        known = {item.name: content[item.name] for item in fields(cls) if item.name in content}
        if names := content.get("id2label"):
            known["labels"] = [names[str(index)] for index in range(len(names))]
        return cls(**known)

    def to_dict(self) -> dict[str, Any]:
        """Plain values under the names that configurations on the Hugging Face hub have."""
        content = asdict(self)
        labels = content.pop("labels")
        return content | {
            "architectures": ["LDDUModel"],
            "id2label": {str(index): label for index, label in enumerate(labels)},
            "label2id": {label: index for index, label in enumerate(labels)},
            "model_type": self.model_type,
        }

    def to_json_string(self) -> str:
        """`to_dict` as the text of a file; integrations of `transformers.Trainer` call it, too."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    def accepts(self, *, aligned: bool) -> bool:
        """Whether the model was trained on such sequences."""
        return self.alignment in ("both", "aligned" if aligned else "unaligned")


def _in_order(name: str, by_modality: dict[str, int]) -> dict[str, int]:
    if set(by_modality) != set(MODALITIES):
        raise ValueError(f"{name} needs exactly {MODALITIES}, got {tuple(by_modality)}")
    return {modality: by_modality[modality] for modality in MODALITIES}
