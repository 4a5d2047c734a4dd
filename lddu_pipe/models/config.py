"""Everything that shapes an LDDU model, kept beside its weights."""

from __future__ import annotations

from typing import Any, Literal, get_args

from transformers import PretrainedConfig

from lddu_pipe.labels import MOSEI
from lddu_pipe.types import MODALITIES

Fusion = Literal["gated", "ungated", "no_sigma", "mean_only", "direct_only"]
"""How the views of an utterance are put together; see `fusion.combine`."""
MOST_LAYERS = 100
"""Of an encoder; a damaged configuration may ask for any number, each of which takes memory."""


class LDDUConfig(PretrainedConfig):
    """Configuration of `LDDUModel`; the defaults are the paper's (section 4.1)."""

    model_type = "lddu"

    def __init__(
        self,
        feature_sizes: dict[str, int] | None = None,
        labels: list[str] | None = None,
        modalities: list[str] | None = None,
        hidden_size: int = 256,
        latent_size: int = 128,
        encoder_layers: dict[str, int] | None = None,
        attention_heads: int = 8,
        feed_forward_size: int = 256,
        max_steps: dict[str, int] | None = None,
        dropout: float = 0.3,
        fusion: Fusion = "gated",
        statistics_pooling: bool = False,
        label_specific: bool = False,
        modality_dropout: float = 0.0,
        head_dropout: float | None = None,
        head_activation: Literal["gelu", "relu"] = "gelu",
        classifier_size: int | None = None,
        direct_size: int | None = None,
        shared_keys: bool = False,
        initialisation: Literal["xavier", "normal"] = "xavier",
        initial_deviation: float | None = None,
        alignment: Literal["aligned", "unaligned", "both"] = "unaligned",
        name: str = "lddu",
        version: str = "0",
        fingerprints: dict[str, str] | None = None,
        better_than_base_rates: bool | None = None,
        encoders: dict[str, dict[str, str | None]] | None = None,
        scales: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Describe a model.

        Args:
            feature_sizes: D_m, raw features a step, by modality.
            labels: label names in output order.
            modalities: those that the model takes; it passes over others. All by default.
            hidden_size: d.
            latent_size: k, the dimensions of a latent Gaussian.
            encoder_layers: Transformer layers by modality.
            attention_heads: heads of those layers.
            feed_forward_size: inner size of those layers.
            max_steps: longest sequence by modality; longer ones must be pooled first.
            dropout: probability, in the encoders, and everywhere else where no `head_dropout` is
                given.
            fusion: how y is made of y_dir, y_mu and y_sigma; anything but "gated" is an
                ablation.
            statistics_pooling: let the label attention also take the attention-weighted standard
                deviation of the values (Okabe et al. 2018), beyond the paper's mean.
            label_specific: tell what all labels share which of them it serves: a label's embedding
                is added to what its attention gathers, as in a Transformer decoder, and y_dir
                ends in a classifier of its own for each label.
            modality_dropout: probability, in training, that a modality of a row is hidden.
            head_dropout: probability inside the emotion space and before the last layer of each
                classifier, and nowhere else behind the encoders. None, as checkpoints had it
                before there was this setting: `dropout` in every block of the head, on mu and on
                sigma.
            head_activation: of the latent MLPs and of the classifiers.
            classifier_size: hidden units of the classifiers of mu and sigma, which each label has
                of its own; None makes them linear.
            direct_size: hidden units of y_dir's classifier; `hidden_size` by default.
            shared_keys: keys and values of the emotion space are one projection.
            initialisation: of weights in the encoders: Xavier's (Glorot and Bengio 2010), as
                elsewhere, with label embeddings of spread 1; or "normal" of spread 0.02, with
                label embeddings by Xavier's.
            initial_deviation: sigma of a modality that is present, before anything is learned;
                about 0.29 by default.
            alignment: whether the model was trained on one step a word, on every modality's own
                rate, or on both.
            name: what people call the checkpoint.
            version: of the checkpoint; another one for other weights.
            fingerprints: by modality, of the extractor whose features the model was trained on.
            better_than_base_rates: whether, on rows that training had not learned from, its
                probabilities had a better Brier score than each label's frequency; None where
                nobody looked.
            encoders: by modality, where the encoder is whose features those are (``source`` and
                ``revision``); that of a modality which is not here is a default one.
            scales: names of the continuous scales whose values the model gives beside labels.
            **kwargs: what every `PretrainedConfig` takes.

        Raises:
            ValueError: a size does not fit the others.
        """
        self.feature_sizes = feature_sizes or {"text": 768, "audio": 74, "vision": 35}
        self.modalities = [name for name in MODALITIES if name in (modalities or MODALITIES)]
        self.hidden_size = hidden_size
        self.latent_size = latent_size
        self.encoder_layers = encoder_layers or dict.fromkeys(MODALITIES, 3)
        self.attention_heads = attention_heads
        self.feed_forward_size = feed_forward_size
        self.max_steps = max_steps or dict.fromkeys(MODALITIES, 160)
        self.dropout = dropout
        self.fusion = fusion
        self.statistics_pooling = statistics_pooling
        self.label_specific = label_specific
        self.modality_dropout = modality_dropout
        self.head_dropout = head_dropout
        self.head_activation = head_activation
        self.classifier_size = classifier_size
        self.direct_size = direct_size
        self.shared_keys = shared_keys
        self.initialisation = initialisation
        self.initial_deviation = initial_deviation
        self.alignment = alignment
        self.name = name
        self.version = version
        self.fingerprints = fingerprints or {}
        self.better_than_base_rates = better_than_base_rates
        self.encoders = encoders or {}
        self.scales = scales or []
        if not kwargs.get("id2label"):
            kwargs["id2label"] = dict(enumerate(labels or MOSEI.labels))
            kwargs["label2id"] = {name: index for index, name in kwargs["id2label"].items()}
        super().__init__(**kwargs)
        for field in ("feature_sizes", "encoder_layers", "max_steps"):
            if tuple(getattr(self, field)) != MODALITIES:
                setattr(self, field, _in_order(field, getattr(self, field)))
        if not all(0 <= layers <= MOST_LAYERS for layers in self.encoder_layers.values()):
            raise ValueError(f"encoder_layers lie in 0..{MOST_LAYERS}, got {encoder_layers}")
        if not self.modalities or len(self.modalities) != len(modalities or MODALITIES):
            raise ValueError(f"modalities are some of {MODALITIES}, each once, got {modalities}")
        if hidden_size % attention_heads:
            raise ValueError(f"hidden_size {hidden_size} is not a multiple of {attention_heads}")
        if fusion not in get_args(Fusion):
            raise ValueError(f"fusion is one of {', '.join(get_args(Fusion))}, got {fusion!r}")
        if not all(0 <= share < 1 for share in (dropout, modality_dropout, head_dropout or 0)):
            raise ValueError("dropout, head_dropout and modality_dropout lie in 0..1")

    def accepts(self, *, aligned: bool) -> bool:
        """Whether the model was trained on such sequences."""
        return self.alignment in ("both", "aligned" if aligned else "unaligned")

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in output order."""
        names: Any = self.id2label
        return tuple(names[index] for index in range(len(names)))


def _in_order(name: str, by_modality: dict[str, int]) -> dict[str, int]:
    if set(by_modality) != set(MODALITIES):
        raise ValueError(f"{name} needs exactly {MODALITIES}, got {tuple(by_modality)}")
    return {modality: by_modality[modality] for modality in MODALITIES}
