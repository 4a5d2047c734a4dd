"""Where voices begin, end and overlap: pyannote's segmentation network, for up to three at a time.

Plaquet and Bredin, 2023, "Powerset multi-class cross entropy loss for neural speaker diarization".
Which of its three places a voice takes means something within one stretch of sound only.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from lddu_pipe.weights import read_published

SAMPLE_RATE = 16000
PLACES = 3
_SETS = ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2))  # of places that speak at a time
_SHIFT, _FIRST = 270, 495  # samples between steps, and before the middle of the first


class ChangeNetwork(nn.Module):
    """Tells of each moment which of three voices is heard, if any."""

    filters: Tensor

    def __init__(self) -> None:
        """Make the network; its filters of the wave are given with the weights."""
        super().__init__()
        self.register_buffer("filters", torch.empty(80, 1, 251))
        self.norm = nn.ModuleList(nn.InstanceNorm1d(size, affine=True) for size in (1, 80, 60, 60))
        self.conv = nn.ModuleList([nn.Conv1d(80, 60, 5), nn.Conv1d(60, 60, 5)])
        self.lstm = nn.LSTM(60, 128, 4, bidirectional=True, batch_first=True)
        self.linear = nn.ModuleList([nn.Linear(256, 128), nn.Linear(128, 128)])
        self.classifier = nn.Linear(128, len(_SETS))

    @classmethod
    def load(cls, path: Path) -> ChangeNetwork:
        """Read the published weights, a pickle of tensors and plain values."""
        state = read_published(path)["state_dict"]
        prefix = "sincnet.conv1d.0.filterbank."
        found = {"filters": _filters(*(state[f"{prefix}{name}"] for name in _FILTER_PARTS))}
        for name, value in state.items():
            if name.startswith(prefix):
                continue
            here = name.removeprefix("sincnet.")
            for old, new in _NAMES:
                here = here.replace(old, new)
            found[here] = value
        network = cls()
        network.load_state_dict(found)
        return network.eval()

    @torch.inference_mode()
    def activity(
        self, samples: NDArray[np.float32], moments: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        """How probable it is at some moments that each set of voices speaks.

        Args:
            samples: (samples,) float32 at 16 kHz; the network was trained on ten seconds.
            moments: (n,) seconds in them.

        Returns:
            (n, 7) probabilities: nobody, each of three alone, then each pair of them.
        """
        found = self(torch.from_numpy(np.ascontiguousarray(samples))[None])[0].numpy()
        steps = np.rint((moments * SAMPLE_RATE - _FIRST) / _SHIFT).astype(int)
        return np.asarray(found[steps.clip(0, len(found) - 1)], np.float32)

    def forward(self, samples: Tensor) -> Tensor:
        """(batch, samples) to (batch, steps, 7) probabilities."""
        x = self.norm[0](samples[:, None])
        x = functional.conv1d(x, self.filters, stride=10).abs()
        for convolution, norm in zip((None, *self.conv), self.norm[1:], strict=True):
            x = x if convolution is None else convolution(x)
            x = functional.leaky_relu(norm(functional.max_pool1d(x, 3)))
        x, _ = self.lstm(x.transpose(1, 2))
        for linear in self.linear:
            x = functional.leaky_relu(linear(x))
        return functional.softmax(self.classifier(x), dim=-1)


def speaking(activity: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 7) of sets to (n, 3): how probable it is that each of three voices is heard."""
    return np.stack(
        [activity[:, [place in members for members in _SETS]].sum(1) for place in range(PLACES)],
        axis=1,
    )


_FILTER_PARTS = ("low_hz_", "band_hz_", "n_", "window_")
_NAMES = (
    ("wav_norm1d", "norm.0"),
    *((f"norm1d.{number}", f"norm.{number + 1}") for number in (2, 1, 0)),
    ("conv1d.1", "conv.0"),
    ("conv1d.2", "conv.1"),
)


def _filters(low: Tensor, band: Tensor, angles: Tensor, window: Tensor) -> Tensor:
    """Band passes of SincNet (arXiv 1808.00158), a cosine and a sine each: (80, 1, 251)."""
    low = 50 + low.abs()
    high = (low + 50 + band.abs()).clamp(50, SAMPLE_RATE / 2)
    width = high - low
    cosine = (torch.sin(high @ angles) - torch.sin(low @ angles)) / (angles / 2) * window
    sine = (torch.cos(low @ angles) - torch.cos(high @ angles)) / (angles / 2) * window
    even = torch.cat([cosine, 2 * width, cosine.flip(1)], 1)
    odd = torch.cat([sine, torch.zeros_like(width), -sine.flip(1)], 1)
    return torch.cat([even / (2 * width), odd / (2 * width)])[:, None]
