"""Training losses of LDDU (paper, section 3.5). They take the model's output, unchanged."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from lddu_pipe.models.lddu import LDDUOutput
from lddu_pipe.models.scales import scale_loss

CalibrationLoss = Literal["divergence", "ranking"]
_ANCHORS_AT_ONCE = 128  # their products with a full queue fit a processor's cache


@dataclass(frozen=True)
class LossWeights:
    """How much each term counts; the defaults are those of the published run."""

    direct: float = 0.3
    """w_dir of BCE(y_dir)."""
    contrastive: float = 1.0
    """w_scl of L_scl."""
    calibration: float = 0.3
    """w_crl of L_crl."""
    scales: float = 0.3
    """Of `scale_loss`; the published run had no scales."""


@dataclass(frozen=True)
class LossTerms:
    """Scalars of one batch, before weighting, and their weighted sum."""

    total: Tensor
    classification: Tensor
    direct: Tensor
    contrastive: Tensor
    calibration: Tensor
    scales: Tensor


class ContrastiveQueue(nn.Module):
    """Past latent vectors, first in first out, as in MoCo (He et al. 2020).

    Part of the state of training, not of the model. Rows carry no gradient.
    """

    vectors: Tensor
    classes: Tensor

    def __init__(self, size: int, latent_size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("vectors", torch.zeros(0, 2 * latent_size))
        self.register_buffer("classes", torch.zeros(0, dtype=torch.long))

    @torch.no_grad()
    def push(self, vectors: Tensor, classes: Tensor) -> None:
        """Append rows and forget the oldest beyond `size`."""
        self.vectors = torch.cat([self.vectors, vectors.detach().float()])[-self.size :]
        self.classes = torch.cat([self.classes, classes])[-self.size :]


def latent_vectors(output: LDDUOutput, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors [mu/|mu|, sigma/|sigma|] of all present modalities with their classes.

    Args:
        output: of a batch.
        labels: (batch, labels) in 0..1; 0.5 and above counts as present.

    Returns:
        (vectors, 2 * latent_size) of norm sqrt(2), and (vectors,) int64 classes, one for each
        (modality, emotion, present or absent): 2 * modalities * labels in all.
    """
    latent = output.latent
    vectors = torch.cat(
        [functional.normalize(latent.mean, dim=-1), functional.normalize(latent.std, dim=-1)],
        dim=-1,
    )
    modalities, count = vectors.shape[1], vectors.shape[2]
    pairs = torch.arange(modalities * count, device=labels.device).view(1, modalities, count)
    classes = 2 * pairs + (labels[:, None] >= 0.5).long()
    return vectors[output.present].flatten(0, 1), classes[output.present].flatten()


def contrastive_loss(
    vectors: Tensor, classes: Tensor, queue: ContrastiveQueue, temperature: float = 0.07
) -> Tensor:
    """Supervised contrastive loss of a batch against itself and a queue (Khosla et al. 2020).

    Anchors are the batch's own vectors only. The public code also takes the queue's rows for
    anchors. As contrast to these the batch's vectors then get about half of their gradient, but
    in the direction in which the batch's own anchors pull them (cosine 0.93 to 0.99), at five
    times the cost of a step; and its mean is over 8192 anchors more, so that for the same pull
    a weight of 0.25 here is as much as 1.0 there.

    Args:
        vectors: (anchors, features) of norm sqrt(2).
        classes: (anchors,) int64.
        queue: past vectors; not changed here.
        temperature: tau.

    Returns:
        Mean over anchors that have a positive; 0 where none has.
    """
    scaled = vectors / (2 * temperature)
    past = queue.vectors.to(vectors)
    similarity = (scaled @ vectors.T).fill_diagonal_(float("-inf"))  # a vector is not its own pair
    total = similarity.logsumexp(dim=1)
    if len(past):
        total = torch.logaddexp(total, log_sum_exp(scaled, past))
    # Similarities are linear, so their sum over a class is the similarity to the class's sum: no
    # (anchors, others) mask is needed, whose masking would cost as much as the rest.
    kinds = int(torch.cat([classes, queue.classes]).max()) + 1
    sums = vectors.new_zeros(kinds, vectors.shape[1]).index_add(0, classes, vectors)
    sums = sums.index_add(0, queue.classes, past)
    counts = torch.bincount(torch.cat([classes, queue.classes]), minlength=kinds)
    count = counts[classes] - 1  # without the anchor itself
    positive = (scaled * (sums[classes] - vectors)).sum(dim=1)
    mean = positive / count.clamp_min(1) - total
    return -mean[count > 0].mean() if bool((count > 0).any()) else vectors.sum() * 0.0


def log_sum_exp(anchors: Tensor, others: Tensor) -> Tensor:
    """Log of the sum over `others` of exp(anchor . other), without holding all products.

    Args:
        anchors: (anchors, features).
        others: (others, features), without gradient.

    Returns:
        (anchors,).
    """
    result: Tensor = _LogSumExp.apply(anchors, others)  # type: ignore[no-untyped-call]
    return result


class _LogSumExp(torch.autograd.Function):
    """Keeps the gradient, (anchors, features), in place of the products, (anchors, others)."""

    @staticmethod
    def forward(context: Any, anchors: Tensor, others: Tensor) -> Tensor:  # noqa: ANN401
        totals, gradients = [], []
        for begin in range(0, len(anchors), _ANCHORS_AT_ONCE):
            products = anchors[begin : begin + _ANCHORS_AT_ONCE] @ others.T
            largest = products.amax(dim=1, keepdim=True)
            weights = products.sub_(largest).exp_()
            sums = weights.sum(dim=1, keepdim=True)
            totals.append((sums.log() + largest).squeeze(1))
            gradients.append(weights @ others / sums)
        context.save_for_backward(torch.cat(gradients))
        return torch.cat(totals)

    @staticmethod
    def backward(context: Any, *outer: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (gradient,) = context.saved_tensors
        return outer[0][:, None] * gradient, None


def deviation_size(output: LDDUOutput) -> Tensor:
    """|sigma| per row and emotion: root mean square over present modalities and dimensions.

    Returns:
        (batch, labels), positive; comparable between rows with different modalities.
    """
    variance = torch.exp(output.log_var).mean(dim=-1)
    keep = output.present[:, :, None].to(variance)
    mean = (variance * keep).sum(dim=1) / keep.sum(dim=1).clamp_min(1)
    return mean.clamp_min(1e-12).sqrt()


def divergence_loss(output: LDDUOutput) -> Tensor:
    """L_crl as the public code has it: symmetric KL divergence between |sigma| and y_dir.

    |sigma| is the norm over all dimensions of the present modalities, under one softmax over rows
    and labels together; y_dir is under a softmax over the labels of each row, so that the one sums
    to 1 and the other to the number of rows. The divergence is a mean over rows and labels.
    """
    variance = torch.exp(output.log_var) * output.present[:, :, None, None]
    norm = variance.sum(dim=(1, 3)).clamp_min(1e-12).sqrt()
    sizes = functional.log_softmax(norm.flatten(), dim=0).view_as(norm)
    direct = functional.log_softmax(torch.sigmoid(output.direct_logits), dim=1)
    forward = functional.kl_div(sizes, direct, log_target=True, reduction="none")
    backward = functional.kl_div(direct, sizes, log_target=True, reduction="none")
    return (forward + backward).mean() / 2


def ranking_loss(output: LDDUOutput, labels: Tensor, damage: Tensor | None = None) -> Tensor:
    """L_crl as motivated: |sigma| orders rows by their error (after Moon et al. 2020).

    Every pair of rows whose errors differ should differ in log |sigma| by at least as much, in
    the same direction. The error of a row is taken at this step, without gradient. It is
    |y - label|; where the label is a share of votes, the mean of that over the votes, which is
    large where people disagree however well the share is predicted.
    """
    sizes = torch.log(deviation_size(output))
    predicted = output.probabilities.detach()
    errors = labels * (1 - predicted) + (1 - labels) * predicted
    if damage is not None:
        errors = errors + damage[:, None]
    size_gap = sizes[:, None] - sizes[None]
    error_gap = errors[:, None] - errors[None]
    return functional.relu(error_gap.abs() - error_gap.sign() * size_gap).mean()


def lddu_loss(
    output: LDDUOutput,
    labels: Tensor,
    queue: ContrastiveQueue,
    weights: LossWeights,
    calibration: CalibrationLoss = "divergence",
    damage: Tensor | None = None,
    scales: Tensor | None = None,
    row_weights: Tensor | None = None,
) -> LossTerms:
    """L = BCE(y) + w_dir BCE(y_dir) + w_scl L_scl + w_crl L_crl + w L_scales; fills the queue.

    Args:
        output: of a batch.
        labels: (batch, labels) float in 0..1.
        queue: past vectors; this batch's are appended.
        weights: of the terms; one of weight 0 is not computed.
        calibration: which L_crl.
        damage: for "ranking", (batch,) how much of each row was spoilt on purpose, 0..1; |sigma|
            should show it even where the guess that is left happens to be right.
        scales: (batch, scales) in -1..1, NaN where unknown; None for a model that has none.
        row_weights: (batch,) at least 0, how much each row counts beside the others in BCE(y) and
            BCE(y_dir); the other terms compare rows, or are of scales. None: all alike.
    """
    shares = None
    if row_weights is not None:
        shares = (row_weights / row_weights.mean().clamp_min(1e-9))[:, None]
    entropy = partial(functional.binary_cross_entropy_with_logits, target=labels, weight=shares)
    classification, direct = entropy(output.logits), entropy(output.direct_logits)
    contrast = order = values = torch.zeros_like(classification)
    if weights.contrastive:
        vectors, classes = latent_vectors(output, labels)
        contrast = contrastive_loss(vectors, classes, queue)
        queue.push(vectors, classes)
    if weights.calibration:
        divergence = calibration == "divergence"
        order = divergence_loss(output) if divergence else ranking_loss(output, labels, damage)
    if weights.scales and scales is not None and output.scale_mean.shape[1]:
        values = scale_loss(output.scale_mean, output.scale_log_var, scales)
    total = (
        classification
        + weights.direct * direct
        + weights.contrastive * contrast
        + weights.calibration * order
        + weights.scales * values
    )
    return LossTerms(total, classification, direct, contrast, order, values)
