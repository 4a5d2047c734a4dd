"""What a voice sounds like: CAM++, a network that was trained to tell many speakers apart.

Wang et al., 2023, arXiv 2303.00332. Its steps are computed once for a stretch of sound and pooled
over whatever moments are thought to be of one voice.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from torch import Tensor
from torch.nn import functional

from lddu_pipe.weights import read_published

SAMPLE_RATE = 16000
FRAME_SHIFT = 0.02
"""Seconds of a step of `VoiceNetwork.steps`."""
DIMENSIONS = 192
WHITENING = Path(__file__).with_name("voice_whitening.safetensors")
"""Made by recipes/voices.py: how one person's voice differs from itself, as in other emotions."""

_BANDS = 80
_WINDOW, _HOP, _FFT = 400, 160, 512  # samples
_CONTEXT = 100  # steps over which a layer asks what surrounds it
_EPSILON = 1e-5  # of batch normalisation


class VoiceNetwork:
    """Turns sound into steps, and steps into a point that is near to others of that voice."""

    def __init__(self, state: Mapping[str, Tensor], whitening: NDArray[np.float32] | None) -> None:
        """Take the published tensors; `whitening` None leaves the points as they are."""
        self._state = state
        self._blocks = _layers(state)
        self._scale, self._shift = _normalisation(state, "xvector.dense.nonlinear.batchnorm")
        self._whitening = whitening

    @classmethod
    def load(cls, path: Path, *, whitened: bool = True) -> VoiceNetwork:
        """Read the published file, a pickle of tensors and nothing else.

        Args:
            path: of the file.
            whitened: make points of different people further apart than those of one.
        """
        state = read_published(path)
        return cls(state, load_file(WHITENING)["whitening"] if whitened else None)

    @torch.inference_mode()
    def steps(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Describe some seconds of sound, about ten at a time.

        Args:
            samples: (samples,) float32 at 16 kHz, at least 0.1 s.

        Returns:
            (steps, 512) float32, fifty a second.
        """
        bands = filter_bank(torch.from_numpy(np.ascontiguousarray(samples)))
        found = self._body(self._head(bands - bands.mean(0)))
        return found.T.contiguous().numpy()

    def embed(
        self, mean: NDArray[np.floating], deviation: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        """Points of unit length of voices.

        Args:
            mean: (voices, 512) of each one's steps.
            deviation: likewise, with n - 1.

        Returns:
            (voices, 192) float32.
        """
        pooled = np.concatenate([mean, deviation], axis=-1).astype(np.float32)
        weight = self._state["xvector.dense.linear.weight"][:, :, 0].numpy()
        found = (pooled @ weight.T) * self._scale.numpy() + self._shift.numpy()
        found /= np.linalg.norm(found, axis=-1, keepdims=True)
        if self._whitening is not None:
            found = found @ self._whitening
            found /= np.linalg.norm(found, axis=-1, keepdims=True)
        return np.asarray(found, np.float32)

    def _head(self, bands: Tensor) -> Tensor:
        """(frames, bands) as a picture, to (channels, frames)."""
        x = bands.T[None, None].contiguous(memory_format=torch.channels_last)
        x = functional.relu(self._conv2d(x, "head.conv1", "head.bn1", 1))
        for layer in ("head.layer1", "head.layer2"):
            for block, stride in ((f"{layer}.0", 2), (f"{layer}.1", 1)):
                y = functional.relu(self._conv2d(x, f"{block}.conv1", f"{block}.bn1", stride))
                y = self._conv2d(y, f"{block}.conv2", f"{block}.bn2", 1)
                if stride > 1:
                    x = self._conv2d(x, f"{block}.shortcut.0", f"{block}.shortcut.1", stride)
                x = functional.relu(x + y)
        x = functional.relu(self._conv2d(x, "head.conv2", "head.bn2", 2))
        return x[0].reshape(-1, x.shape[-1])

    def _conv2d(self, x: Tensor, conv: str, norm: str, stride: int) -> Tensor:
        weight, bias = self._blocks[conv, norm]
        return functional.conv2d(x, weight, bias, (stride, 1), padding=weight.shape[-1] // 2)

    def _body(self, x: Tensor) -> Tensor:
        """(channels, frames) to (512, steps): densely connected, each layer weighs its context."""
        weight, bias = self._blocks["xvector.tdnn.linear", "xvector.tdnn.nonlinear.batchnorm"]
        x = functional.relu(functional.conv1d(x[None], weight, bias, stride=2, padding=2))[0]
        for number, (layers, dilation) in enumerate(((12, 1), (24, 2), (16, 2)), start=1):
            x = self._dense(x, f"xvector.block{number}", layers, dilation)
            transit = f"xvector.transit{number}"
            x = self._state[f"{transit}.linear.weight"][:, :, 0] @ self._rectified(
                x, f"{transit}.nonlinear.batchnorm"
            )
        return self._rectified(x, "xvector.out_nonlinear.batchnorm")

    def _dense(self, x: Tensor, block: str, layers: int, dilation: int) -> Tensor:
        channels, grown = len(x), 32
        whole = x.new_empty((channels + layers * grown, x.shape[1]))
        whole[:channels] = x
        for number in range(1, layers + 1):
            name = f"{block}.tdnnd{number}"
            weight, bias = self._blocks[f"{name}.linear1", f"{name}.nonlinear2.batchnorm"]
            y = self._rectified(whole[:channels], f"{name}.nonlinear1.batchnorm")
            y = functional.relu(torch.addmm(bias[:, None], weight[:, :, 0], y))
            whole[channels : channels + grown] = self._weighed(y, f"{name}.cam_layer", dilation)
            channels += grown
        return whole

    def _weighed(self, x: Tensor, name: str, dilation: int) -> Tensor:
        state = self._state
        local = functional.conv1d(
            x[None], state[f"{name}.linear_local.weight"], padding=dilation, dilation=dilation
        )[0]
        # The mean of all steps and that of those near by; the latter is the same for many steps.
        near = functional.avg_pool1d(x[None], _CONTEXT, _CONTEXT, ceil_mode=True)[0]
        context = x.mean(1, keepdim=True) + near
        hidden = functional.relu(
            torch.addmm(
                state[f"{name}.linear1.bias"][:, None],
                state[f"{name}.linear1.weight"][:, :, 0],
                context,
            )
        )
        weights = torch.sigmoid(
            torch.addmm(
                state[f"{name}.linear2.bias"][:, None],
                state[f"{name}.linear2.weight"][:, :, 0],
                hidden,
            )
        )
        return local * weights.repeat_interleave(_CONTEXT, dim=1)[:, : local.shape[1]]

    def _rectified(self, x: Tensor, norm: str) -> Tensor:
        scale, shift = self._blocks[norm, ""]
        return torch.addcmul(shift[:, None], x, scale[:, None]).relu_()


def filter_bank(samples: Tensor) -> Tensor:
    """Log energies in 80 mel bands as Kaldi has them: (samples,) at 16 kHz to (frames, 80)."""
    frames = (samples * 32768).unfold(0, _WINDOW, _HOP)
    frames = frames - frames.mean(1, keepdim=True)
    frames = frames - 0.97 * torch.cat([frames[:, :1], frames[:, :-1]], 1)
    window, bands = _filters()
    power = torch.fft.rfft(frames * window, _FFT).abs().square()
    return torch.log((power @ bands).clamp(min=torch.finfo(torch.float32).eps))


@lru_cache(maxsize=1)
def _filters() -> tuple[Tensor, Tensor]:
    """Kaldi's window, and its triangles from 20 Hz to 8 kHz: (257, 80)."""
    window = torch.hann_window(_WINDOW, periodic=False, dtype=torch.float64) ** 0.85

    def mel(hertz: NDArray[np.floating]) -> NDArray[np.floating]:
        return 1127 * np.log1p(hertz / 700)

    edges = np.linspace(mel(np.array(20.0)), mel(np.array(8000.0)), _BANDS + 2)
    places = mel(np.arange(_FFT // 2 + 1) * SAMPLE_RATE / _FFT)[:, None]
    rising = (places - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - places) / np.diff(edges)[1:]
    bands = np.minimum(rising, falling).clip(min=0)
    return window.float(), torch.from_numpy(bands.astype(np.float32))


def _normalisation(state: Mapping[str, Tensor], norm: str) -> tuple[Tensor, Tensor]:
    """Batch normalisation as a factor and a summand."""
    scale = (state[f"{norm}.running_var"] + _EPSILON).rsqrt()
    if f"{norm}.weight" in state:
        scale = scale * state[f"{norm}.weight"]
    shift = -state[f"{norm}.running_mean"] * scale
    return scale, shift + state.get(f"{norm}.bias", torch.zeros(()))


def _layers(state: Mapping[str, Tensor]) -> dict[tuple[str, str], tuple[Tensor, Tensor]]:
    """Convolutions that a normalisation follows, as one; and the normalisations that go before."""
    follows = {"conv1": "bn1", "conv2": "bn2", "shortcut.0": "shortcut.1"}
    found = {}
    for name in state:
        layer, _, kind = name.rpartition(".")
        if kind == "running_mean":
            found[layer, ""] = _normalisation(state, layer)
            continue
        place, _, last = layer.rpartition(".")
        if place.endswith("shortcut"):
            place, last = place.removesuffix(".shortcut"), f"shortcut.{last}"
        norm = f"{place}.{follows[last]}" if last in follows else ""
        if layer.endswith("tdnn.linear"):
            norm = "xvector.tdnn.nonlinear.batchnorm"
        elif last == "linear1" and not place.endswith("cam_layer"):
            norm = f"{place}.nonlinear2.batchnorm"
        if kind == "weight" and norm:
            scale, shift = _normalisation(state, norm)
            weight = state[name]
            weight = weight * scale.reshape(-1, *[1] * (weight.dim() - 1))
            if weight.dim() == 4:
                weight = weight.contiguous(memory_format=torch.channels_last)
            found[layer, norm] = weight, shift
    return found
