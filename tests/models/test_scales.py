"""Values on continuous scales: what is unknown teaches nothing, and intervals keep their word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lddu_pipe.models.calibration import Calibration, ScaleInterval, fit_intervals
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.models.losses import ContrastiveQueue, LossWeights, lddu_loss
from lddu_pipe.models.scales import ScaleHead, scale_loss
from tests.models.test_lddu import random_batch, small_config

NAN = float("nan")


def test_what_is_unknown_says_nothing_and_moves_nothing() -> None:
    mean = torch.tensor([[0.5, 0.1], [-0.5, 0.9]], requires_grad=True)
    log_var = torch.zeros(2, 2, requires_grad=True)
    loss = scale_loss(mean, log_var, torch.tensor([[0.0, NAN], [NAN, NAN]]))
    assert loss.item() == pytest.approx(0.5**2 / 2)
    loss.backward()
    assert (mean.grad != 0).tolist() == [[True, False], [False, False]]
    assert (log_var.grad != 0).tolist() == [[True, False], [False, False]]
    nothing = scale_loss(mean, log_var, torch.full((2, 2), NAN))
    assert nothing.item() == 0
    nothing.backward()
    assert mean.grad.isfinite().all()


def test_a_model_without_scales_has_no_parameter_more_and_gives_the_same_to_the_bit() -> None:
    torch.manual_seed(0)
    plain = LDDUModel(small_config()).eval()
    torch.manual_seed(0)
    scaled = LDDUModel(small_config(scales=["valence", "arousal"])).eval()
    extra = scaled.state_dict().keys() - plain.state_dict().keys()
    assert extra == {f"scales.{name}" for name in ScaleHead(scaled.config).state_dict()}
    scaled.load_state_dict(plain.state_dict(), strict=False)
    batch = random_batch(5)
    assert torch.equal(plain(*batch).logits, scaled(*batch).logits)
    assert plain(*batch).scale_mean.shape == (5, 0)


def test_scales_and_their_spread_are_learned() -> None:
    torch.manual_seed(0)
    model = LDDUModel(small_config(scales=["quiet", "noisy"], dropout=0.0))
    values, masks = random_batch(256)
    signal = 0.5 * values["audio"][:, 0, 0].sign()
    values["text"][:, :, 0] += 8 * signal[:, None]
    noise = 0.3 * torch.randn(256, generator=torch.Generator().manual_seed(1))
    truth = torch.stack([signal, signal + noise], dim=1).clamp(-1, 1)
    truth[::3, 1] = NAN
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(60):
        optimiser.zero_grad()
        output = model(values, masks)
        terms = lddu_loss(
            output,
            torch.zeros(256, 6),
            ContrastiveQueue(8, 8),
            LossWeights(contrastive=0, calibration=0),
            scales=truth,
        )
        terms.total.backward()
        optimiser.step()
    assert terms.total > terms.classification + 0.3 * (terms.direct + terms.scales) - 1e-5
    deviation = torch.exp(output.scale_log_var / 2).mean(dim=0)
    assert (output.scale_mean[:, 0] - truth[:, 0]).abs().mean() < 0.1
    assert deviation[1] > 1.5 * deviation[0]


@pytest.mark.parametrize("believed", [0.2, 1.0])
def test_intervals_hold_nine_in_ten_whatever_the_model_believes(believed: float) -> None:
    shares = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        mean = random.uniform(-0.6, 0.6, (150, 1))
        deviation = random.uniform(0.05, 0.2, (150, 1))
        truth = np.clip(mean + deviation * random.standard_t(4, (150, 1)), -1, 1)
        (interval,) = fit_intervals(
            ["valence"], truth[:50], mean[:50], deviation[:50] * believed
        ).values()
        low, high = interval.bounds(mean[50:], deviation[50:] * believed)
        shares.append(((low <= truth[50:]) & (truth[50:] <= high)).mean())
    error = np.std(shares) / np.sqrt(len(shares))
    assert 0.9 - 3 * error <= np.mean(shares) <= 0.9 + 1 / 51 + 3 * error


def test_too_few_rows_give_no_interval_and_files_keep_what_there_is(tmp_path: Path) -> None:
    truth = np.full((40, 2), 0.5)
    truth[19:, 0] = truth[20:, 1] = np.nan
    fitted = fit_intervals(["few", "enough"], truth, np.zeros((40, 2)), np.full((40, 2), 0.25))
    assert fitted == {"few": ScaleInterval(19, None), "enough": ScaleInterval(20, 2.0)}
    calibration = Calibration({}, (0.5,), fitted)
    calibration.save(tmp_path)
    assert Calibration.load(tmp_path) == calibration
    low, high = calibration.intervals(
        ("few", "enough", "other"), np.full((1, 3), 0.75), np.full((1, 3), 0.25)
    )
    np.testing.assert_array_equal(low, [[np.nan, 0.25, np.nan]])
    np.testing.assert_array_equal(high, [[np.nan, 1.0, np.nan]])
    assert "scales" not in Calibration({}, (0.5,)).to_json()
