"""Losses against slow, literal versions of their formulas."""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor

from lddu_pipe.models.lddu import LDDUOutput
from lddu_pipe.models.losses import (
    ContrastiveQueue,
    LossWeights,
    contrastive_loss,
    deviation_size,
    divergence_loss,
    latent_vectors,
    lddu_loss,
    log_sum_exp,
    ranking_loss,
)


def make_output(rows: int = 5, labels: int = 3, latent: int = 4) -> LDDUOutput:
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    present = torch.ones(rows, 3, dtype=torch.bool)
    present[0, 1] = present[1, 0] = False
    return LDDUOutput(
        logits=normal(rows, labels),
        direct_logits=normal(rows, labels),
        centre_logits=normal(rows, labels),
        spread_logits=normal(rows, labels),
        mean=normal(rows, 3, labels, latent),
        log_var=normal(rows, 3, labels, latent),
        scale_mean=normal(rows, 2),
        scale_log_var=normal(rows, 2),
        present=present,
        attention={},
    )


def test_latent_vectors_are_unit_halves_of_present_modalities_with_distinct_classes() -> None:
    output = make_output()
    labels = torch.tensor([[1.0, 0, 0]] * 5)
    vectors, classes = latent_vectors(output, labels)
    assert vectors.shape == ((15 - 2) * 3, 8)
    torch.testing.assert_close(vectors[:, :4].norm(dim=1), torch.ones(39, dtype=torch.float64))
    torch.testing.assert_close(vectors[:, 4:].norm(dim=1), torch.ones(39, dtype=torch.float64))
    # (modality, label, present or absent): here each (modality, label) has one kind only.
    assert len(set(classes.tolist())) == 9
    assert set(classes.tolist()) <= set(range(2 * 3 * 3))


def test_contrastive_loss_equals_its_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(7, 6, generator=generator, dtype=torch.float64)
    classes = torch.tensor([0, 0, 1, 1, 1, 2, 3])
    queue = ContrastiveQueue(10, 3)
    queue.push(torch.randn(4, 6, generator=generator), torch.tensor([0, 2, 2, 9]))
    others = [*vectors, *queue.vectors.double()]
    kinds = [*classes.tolist(), *queue.classes.tolist()]
    per_anchor = []
    for anchor in range(7):
        scores = {
            j: float(vectors[anchor] @ others[j]) / 2 / 0.07 for j in range(11) if j != anchor
        }
        total = math.log(sum(math.exp(score) for score in scores.values()))
        same = [scores[j] - total for j in scores if kinds[j] == kinds[anchor]]
        if same:
            per_anchor.append(-sum(same) / len(same))
    expected = sum(per_anchor) / len(per_anchor)
    assert math.isclose(contrastive_loss(vectors, classes, queue).item(), expected, rel_tol=1e-9)


def test_queue_rows_are_never_anchors_and_carry_no_gradient() -> None:
    vectors = torch.randn(4, 6, requires_grad=True)
    queue = ContrastiveQueue(100, 3)
    queue.push(vectors * 2, torch.tensor([5, 5, 6, 6]))
    assert not queue.vectors.requires_grad
    # No anchor has a positive, so the queue's own pairs (5, 5) and (6, 6) must not count.
    loss = contrastive_loss(vectors, torch.tensor([0, 1, 2, 3]), queue)
    assert loss.item() == 0.0


def test_log_sum_exp_and_its_gradient_are_torchs() -> None:
    generator = torch.Generator().manual_seed(3)
    anchors = torch.randn(300, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    others = 4 * torch.randn(70, 5, generator=generator, dtype=torch.float64)
    weights = torch.randn(300, generator=generator, dtype=torch.float64)
    found = log_sum_exp(anchors, others)
    expected = (anchors @ others.T).logsumexp(dim=1)
    torch.testing.assert_close(found, expected)
    (gradient,) = torch.autograd.grad((found * weights).sum(), anchors)
    torch.testing.assert_close(
        gradient, torch.autograd.grad((expected * weights).sum(), anchors)[0]
    )


def test_queue_forgets_the_oldest_first() -> None:
    queue = ContrastiveQueue(3, 1)
    queue.push(torch.arange(4.0).repeat(2, 1).T, torch.arange(4))
    queue.push(torch.full((1, 2), 9.0), torch.tensor([9]))
    assert queue.classes.tolist() == [2, 3, 9]
    assert queue.vectors[:, 0].tolist() == [2.0, 3.0, 9.0]


def test_deviation_size_ignores_missing_modalities() -> None:
    output = make_output()
    changed = output.log_var.clone()
    changed[0, 1] += 5
    torch.testing.assert_close(
        deviation_size(dataclasses.replace(output, log_var=changed)), deviation_size(output)
    )
    variance = output.log_var[2].exp().mean(dim=(0, 2))
    torch.testing.assert_close(deviation_size(output)[2], variance.sqrt())


def test_divergence_equals_its_definition() -> None:
    output = make_output()
    rows, labels = output.logits.shape
    norms = [
        math.sqrt(
            sum(
                float(output.log_var[row, place, label, k].exp())
                for place in range(3)
                if output.present[row, place]
                for k in range(4)
            )
        )
        for row in range(rows)
        for label in range(labels)
    ]
    whole = sum(math.exp(norm) for norm in norms)
    sizes = [math.exp(norm) / whole for norm in norms]
    direct = []
    for scores in torch.sigmoid(output.direct_logits).tolist():
        row = sum(math.exp(score) for score in scores)
        direct += [math.exp(score) / row for score in scores]
    expected = sum((p - q) * math.log(p / q) for p, q in zip(sizes, direct, strict=True))
    expected /= 2 * rows * labels
    assert math.isclose(divergence_loss(output).item(), expected, rel_tol=1e-9)


def test_ranking_pushes_width_up_where_the_error_is_larger() -> None:
    output = make_output(rows=2, labels=1)
    log_var = torch.zeros_like(output.log_var).requires_grad_()
    output = dataclasses.replace(
        output,
        logits=torch.tensor([[5.0], [5.0]], dtype=torch.float64),
        log_var=log_var,
        present=torch.ones(2, 3, dtype=torch.bool),
    )
    labels = torch.tensor([[1.0], [0.0]])  # the first is right, the second is wrong
    ranking_loss(output, labels).backward()
    assert log_var.grad is not None
    assert log_var.grad[0].sum() > 0 > log_var.grad[1].sum()


def test_ranking_knows_how_far_votes_disagree_and_what_was_spoilt() -> None:
    output = make_output(rows=2, labels=1)
    log_var = torch.zeros_like(output.log_var).requires_grad_()
    present = torch.ones(2, 3, dtype=torch.bool)
    # Both rows predict their label exactly, but people were of one mind on the first alone.
    logits = torch.tensor([[-6.0], [0.0]], dtype=torch.float64)
    output = dataclasses.replace(output, logits=logits, log_var=log_var, present=present)
    labels = torch.sigmoid(logits)
    ranking_loss(output, labels).backward()
    assert log_var.grad is not None
    assert log_var.grad[0].sum() > 0 > log_var.grad[1].sum()
    log_var.grad = None
    ranking_loss(output, labels, damage=torch.tensor([1.0, 0.0])).backward()
    assert log_var.grad is not None
    assert log_var.grad[0].sum() < 0 < log_var.grad[1].sum()


def test_rows_count_by_their_weight_beside_the_others() -> None:
    output, labels = make_output(), torch.zeros(5, 3, dtype=torch.float64)

    def terms(given: LDDUOutput, truth: torch.Tensor, row_weights: torch.Tensor | None):
        none = LossWeights(0.5, 0.0, 0.0)
        return lddu_loss(given, truth, ContrastiveQueue(9, 4), none, row_weights=row_weights)

    alike = terms(output, labels, torch.full((5,), 3.0, dtype=torch.float64))
    torch.testing.assert_close(alike.total, terms(output, labels, None).total)
    first = dataclasses.replace(
        output, logits=output.logits[:2], direct_logits=output.direct_logits[:2]
    )
    without = terms(output, labels, torch.tensor([1.0, 1, 0, 0, 0], dtype=torch.float64))
    torch.testing.assert_close(without.total, terms(first, labels[:2], None).total)


def test_total_is_the_weighted_sum_and_the_batch_enters_the_queue() -> None:
    output, labels = make_output(), torch.zeros(5, 3, dtype=torch.float64)
    queue = ContrastiveQueue(1000, 4)
    terms = lddu_loss(output, labels, queue, LossWeights(0.5, 2.0, 3.0), "divergence")
    expected = terms.classification + 0.5 * terms.direct + 2 * terms.contrastive
    torch.testing.assert_close(terms.total, expected + 3 * terms.calibration)
    assert len(queue.vectors) == 39
