"""The LDDU model: shapes, masks, missing modalities, learning, round trips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lddu_pipe.models.config import LDDUConfig
from lddu_pipe.models.fusion import GatedFusion, gate
from lddu_pipe.models.latent import LOG_VAR_RANGE
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.models.losses import ContrastiveQueue, LossWeights, lddu_loss
from lddu_pipe.pipelines.checkpoint import read_model, write_model
from lddu_pipe.types import MODALITIES

SIZES = {"text": 12, "audio": 7, "vision": 5}


def small_config(**changes: object) -> LDDUConfig:
    settings = {
        "feature_sizes": SIZES,
        "hidden_size": 16,
        "latent_size": 8,
        "encoder_layers": {"text": 1, "audio": 1, "vision": 1},
        "attention_heads": 4,
        "feed_forward_size": 32,
        "dropout": 0.1,
    }
    return LDDUConfig(**(settings | changes))


@pytest.fixture
def model() -> LDDUModel:
    torch.manual_seed(0)
    return LDDUModel(small_config()).eval()


def random_batch(rows: int, seed: int = 0) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    values, masks = {}, {}
    for index, (name, size) in enumerate(SIZES.items()):
        steps = 5 + 3 * index  # unaligned: every modality has its own length
        values[name] = torch.randn(rows, steps, size, generator=generator)
        masks[name] = torch.rand(rows, steps, generator=generator) < 0.7
        masks[name][:, 0] = True
    return values, masks


def test_output_shapes_and_attention_sums_to_one_over_real_steps(model: LDDUModel) -> None:
    values, masks = random_batch(4)
    output = model(values, masks)
    assert output.logits.shape == (4, 6)
    assert output.mean.shape == output.log_var.shape == (4, 3, 6, 8)
    for name in MODALITIES:
        attention = output.attention[name]
        assert attention.shape == (4, 6, values[name].shape[1])
        torch.testing.assert_close(attention.sum(-1), torch.ones(4, 6))
        assert not attention.masked_select(~masks[name][:, None].expand_as(attention)).any()


def test_more_padding_changes_nothing(model: LDDUModel) -> None:
    values, masks = random_batch(3)
    longer = {n: torch.cat([v, torch.full((3, 9, v.shape[2]), 7.0)], 1) for n, v in values.items()}
    longer_masks = {
        n: torch.cat([m, torch.zeros(3, 9, dtype=torch.bool)], 1) for n, m in masks.items()
    }
    torch.testing.assert_close(
        model(longer, longer_masks).logits, model(values, masks).logits, atol=1e-5, rtol=0
    )


def test_a_row_does_not_depend_on_the_rows_beside_it(model: LDDUModel) -> None:
    values, masks = random_batch(5)
    together = model(values, masks).logits
    for row in range(5):
        alone = model(
            {n: v[row : row + 1] for n, v in values.items()},
            {n: m[row : row + 1] for n, m in masks.items()},
        ).logits
        torch.testing.assert_close(alone, together[row : row + 1], atol=1e-5, rtol=0)


def test_evaluating_twice_is_identical_and_training_is_not(model: LDDUModel) -> None:
    values, masks = random_batch(3)
    assert torch.equal(model(values, masks).logits, model(values, masks).logits)
    model.train()
    assert not torch.equal(model(values, masks).logits, model(values, masks).logits)


def test_a_modality_left_out_equals_one_that_is_all_masked(model: LDDUModel) -> None:
    values, masks = random_batch(3)
    masks["audio"] = torch.zeros_like(masks["audio"])
    masked = model(values, masks)
    del values["audio"], masks["audio"]
    left_out = model(values, masks)
    torch.testing.assert_close(masked.logits, left_out.logits)
    assert left_out.present.tolist() == [[True, False, True]] * 3


def test_a_missing_modality_is_wider_than_any_that_is_there(model: LDDUModel) -> None:
    values, masks = random_batch(6)
    # Far outside anything seen, where a width would run away if nothing held it.
    values = {name: value * 1e4 for name, value in values.items()}
    masks["vision"][:] = False
    log_var = model(values, masks).log_var
    assert log_var[:, 2].min() > LOG_VAR_RANGE[1] >= log_var[:, :2].max()
    assert log_var[:, :2].min() >= LOG_VAR_RANGE[0]


def test_the_missing_state_is_learned(model: LDDUModel) -> None:
    values, masks = random_batch(4)
    masks["audio"][:] = False
    model(values, masks).logits.sum().backward()
    state = model.missing["audio"]
    assert all(parameter.grad.abs().sum() > 0 for parameter in state.parameters())


def test_gate_follows_the_formula_of_the_paper() -> None:
    torch.manual_seed(0)
    direct, centre, spread = torch.randn(3, 50, dtype=torch.float64) * 3
    y_dir, y_mu, y_sigma = torch.sigmoid(direct), torch.sigmoid(centre), torch.sigmoid(spread)
    expected = y_dir * y_mu + (1 - y_dir) * y_sigma
    torch.testing.assert_close(torch.sigmoid(gate(direct, centre, spread)), expected)


def test_gate_stays_finite_where_probabilities_would_round_to_one() -> None:
    extreme = torch.tensor([200.0, -200.0])
    assert torch.isfinite(gate(extreme, extreme, extreme)).all()


def test_every_parameter_moves_in_one_step() -> None:
    torch.manual_seed(0)
    model = LDDUModel(small_config(dropout=0.0)).train()
    values, masks = random_batch(8)
    masks["text"][0] = masks["audio"][1] = masks["vision"][2] = False
    before = {name: value.clone() for name, value in model.named_parameters()}
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    labels = (torch.rand(8, 6) < 0.4).float()
    queue = ContrastiveQueue(64, 8)
    for _ in range(2):  # the queue is empty in the first step
        optimiser.zero_grad()
        loss = lddu_loss(model(values, masks), labels, queue, LossWeights(), "ranking")
        loss.total.backward()
        optimiser.step()
    still = [name for name, value in model.named_parameters() if torch.equal(value, before[name])]
    # Adding one number to all keys of an attention changes no softmax.
    assert [name for name in still if not name.endswith("keys.bias")] == []


@pytest.mark.slow
@pytest.mark.parametrize("calibration", ["divergence", "ranking"])
def test_eight_samples_can_be_learned_by_heart(calibration: str) -> None:
    torch.manual_seed(0)
    model = LDDUModel(small_config(dropout=0.0)).train()
    values, masks = random_batch(8)
    labels = (torch.rand(8, 6) < 0.4).float()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    queue = ContrastiveQueue(256, 8)
    for _ in range(150):
        optimiser.zero_grad()
        output = model(values, masks)
        lddu_loss(
            output, labels, queue, LossWeights(contrastive=0.1), calibration
        ).total.backward()
        optimiser.step()
    assert torch.equal(model.eval()(values, masks).probabilities.round(), labels)


def test_modality_dropout_never_hides_the_last_modality() -> None:
    torch.manual_seed(0)
    model = LDDUModel(small_config(modality_dropout=0.9)).train()
    values, masks = random_batch(64)
    masks["text"][:32] = masks["audio"][:32] = False
    present = model(values, masks).present
    assert present.any(1).all()
    assert present[:32].tolist() == [[False, False, True]] * 32
    assert present[32:].float().mean() < 0.5
    assert model.eval()(values, masks).present[32:].all()


@pytest.mark.parametrize("head", [{}, {"head_dropout": 0.2, "classifier_size": 4}])
def test_sampled_passes_are_repeatable_and_independent_of_the_batch(head: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = LDDUModel(small_config(**head)).eval()
    values, masks = random_batch(5)
    gathered = model.gather(values, masks)
    sampled = model.sample_logits(gathered, passes=6, seed=3)
    assert sampled.shape == (6, 5, 6)
    assert torch.equal(sampled, model.sample_logits(gathered, passes=6, seed=3))
    assert sampled.std(0).min() > 0
    one = model.gather(
        {n: v[2:3] for n, v in values.items()}, {n: m[2:3] for n, m in masks.items()}
    )
    torch.testing.assert_close(
        model.sample_logits(one, passes=6, seed=3), sampled[:, 2:3], atol=1e-5, rtol=0
    )
    # Sampling leaves no trace.
    assert torch.equal(model.classify(gathered).logits, model(values, masks).logits)


def test_statistics_pooling_sees_what_the_mean_does_not() -> None:
    torch.manual_seed(0)
    model = LDDUModel(
        small_config(statistics_pooling=True, encoder_layers=dict.fromkeys(MODALITIES, 0))
    ).eval()
    with torch.no_grad():
        model.label_embedding.zero_()  # the same attention on every step
    mask = torch.ones(1, 4, dtype=torch.bool)
    still = torch.zeros(1, 4, SIZES["audio"])
    still[:, :, 0] = 1.0
    moving = still.clone()
    moving[0, ::2] = moving[0, ::2].roll(1, dims=-1)
    one = model({"audio": still}, {"audio": mask}).logits
    two = model({"audio": moving}, {"audio": mask}).logits
    assert not torch.allclose(one, two)


@pytest.mark.parametrize("specific", [False, True])
def test_labels_gather_the_same_of_a_single_step_unless_specific(specific: bool) -> None:
    torch.manual_seed(0)
    model = LDDUModel(small_config(label_specific=specific)).eval()
    with torch.no_grad():
        for state in model.missing.values():
            state.gathered.zero_()  # what stands for absent modalities is each label's own
    step, mask = torch.randn(1, 1, SIZES["text"]), torch.ones(1, 1, dtype=torch.bool)
    gathered = model.gather({"text": step}, {"text": mask}).values[0, 0]
    assert torch.allclose(gathered, gathered[0], atol=1e-6) is not specific
    direct = model({"text": step}, {"text": mask}).direct_logits[0]
    assert torch.allclose(direct, direct[0], atol=1e-6) is not specific


@pytest.mark.parametrize("specific", [False, True])
def test_the_direct_view_has_a_classifier_for_each_label_where_specific(specific: bool) -> None:
    torch.manual_seed(0)
    fusion = GatedFusion(small_config(label_specific=specific)).eval()
    alike = torch.randn(2, 3, 1, 16).expand(-1, -1, 6, -1)
    latent = torch.zeros(2, 3, 6, 8)
    direct, _, _ = fusion(alike, latent, latent)
    assert direct.shape == (2, 6)
    assert torch.allclose(direct, direct[:, :1], atol=1e-6) is not specific


def test_saving_and_loading_gives_the_same_model(model: LDDUModel, tmp_path: Path) -> None:
    model.config.fingerprints = {"text": "text:abc"}
    write_model(tmp_path, model)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    loaded = read_model(tmp_path)
    values, masks = random_batch(2)
    assert torch.equal(loaded(values, masks).logits, model(values, masks).logits)
    assert loaded.config == model.config


def test_wrong_inputs_are_refused(model: LDDUModel) -> None:
    values, masks = random_batch(2)
    with pytest.raises(ValueError, match="modalities"):
        model({}, {})
    with pytest.raises(ValueError, match="modalities"):
        model({"smell": values["text"]}, {"smell": masks["text"]})
    steps = model.config.max_steps["text"] + 1
    with pytest.raises(ValueError, match="positions"):
        model(
            {"text": torch.zeros(1, steps, 12)}, {"text": torch.ones(1, steps, dtype=torch.bool)}
        )
    with pytest.raises(ValueError, match="multiple"):
        LDDUConfig(hidden_size=10, attention_heads=4)
    with pytest.raises(ValueError, match="feature_sizes"):
        LDDUConfig(feature_sizes={"text": 3})
