"""What the lower layers of Whisper's encoder hear in a voice.

The upper layers prepare words and forget much of how they are said; what tells emotions of actors
apart that were never heard is clearest below them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from lddu_pipe.errors import IncompatibleModelError
from lddu_pipe.extractors.ctranslate2_weights import read_weights
from lddu_pipe.extractors.prosody import HOP_LENGTH, SAMPLE_RATE

WINDOW = 30 * SAMPLE_RATE  # samples; the positions the encoder was trained on
_NAMES = {
    "conv1/weight": "listen.0.weight",
    "conv1/bias": "listen.0.bias",
    "conv2/weight": "listen.2.weight",
    "conv2/bias": "listen.2.bias",
    "position_encodings/encodings": "positions",
}
_NAMES_OF_LAYER = {
    "self_attention/layer_norm/gamma": "norm1.weight",
    "self_attention/layer_norm/beta": "norm1.bias",
    "self_attention/linear_0/weight": "self_attn.in_proj_weight",
    "self_attention/linear_0/bias": "self_attn.in_proj_bias",
    "self_attention/linear_1/weight": "self_attn.out_proj.weight",
    "self_attention/linear_1/bias": "self_attn.out_proj.bias",
    "ffn/layer_norm/gamma": "norm2.weight",
    "ffn/layer_norm/beta": "norm2.bias",
    "ffn/linear_0/weight": "linear1.weight",
    "ffn/linear_0/bias": "linear1.bias",
    "ffn/linear_1/weight": "linear2.weight",
    "ffn/linear_1/bias": "linear2.bias",
}


class WhisperEncoder(nn.Module):
    """Whisper's encoder up to some layer, for any length of sound (Radford et al. 2022)."""

    def __init__(
        self, mels: int, size: int, positions: int, layers: int, heads: int, feed_forward: int
    ) -> None:
        super().__init__()
        self.listen = nn.Sequential(
            nn.Conv1d(mels, size, 3, padding=1),
            nn.GELU(),
            nn.Conv1d(size, size, 3, stride=2, padding=1),
            nn.GELU(),
        )
        self.positions = nn.Parameter(torch.zeros(positions, size))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                size, heads, feed_forward, 0.0, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )

    def forward(self, mel: Tensor) -> list[Tensor]:
        """Hidden states after each layer.

        Args:
            mel: (batch, mels, 2 * frames) float32 log-mel spectrum, as faster-whisper makes it.

        Returns:
            (batch, frames, size) float32 of each layer.
        """
        states = self.listen(mel).transpose(1, 2)
        states = states + self.positions[: states.shape[1]]
        found: list[Tensor] = []
        for layer in self.layers:
            states = layer(states)
            found.append(states)
        return found

    @classmethod
    def load(cls, folder: Path, layers: int) -> WhisperEncoder:
        """Read the first layers of the encoder that CTranslate2 recognises words with.

        Args:
            folder: holds ``model.bin``.
            layers: how many.

        Raises:
            IncompatibleModelError: ``model.bin`` is damaged, of another version, or no Whisper.
        """
        path = folder / "model.bin"
        weights = read_weights(path, "encoder/")
        names = dict(_NAMES)
        for index in range(layers):
            for theirs, ours in _NAMES_OF_LAYER.items():
                names[f"layer_{index}/{theirs}"] = f"layers.{index}.{ours}"
        if missing := {"num_heads", *names} - weights.keys():
            name = min(missing)
            raise IncompatibleModelError(f"{path} has no encoder of Whisper: {name} is missing")
        state = {
            ours: torch.from_numpy(weights[theirs].astype(np.float32))
            for theirs, ours in names.items()
        }
        size, mels, _ = state["listen.0.weight"].shape
        positions, feed_forward = len(state["positions"]), len(state["layers.0.linear1.bias"])
        with torch.device("meta"):  # no memory and no random numbers for what is replaced
            encoder = cls(mels, size, positions, layers, int(weights["num_heads"]), feed_forward)
        encoder.load_state_dict(state, assign=True)
        return encoder.eval()


class WhisperLayers:
    """Hidden states of chosen encoder layers, each frame of each layer normalised by itself."""

    def __init__(self, folder: Path, layers: tuple[int, ...], *, device: str = "cpu") -> None:
        """Load the encoder up to the last of `layers`.

        Args:
            folder: see `WhisperEncoder.load`.
            layers: numbers from 1, in rising order.
            device: "cpu", "cuda" or "mps".
        """
        self._device = torch.device(device)
        self._layers = layers
        self._encoder = WhisperEncoder.load(folder, layers[-1]).to(self._device)
        mels, size = self._encoder.listen[0].in_channels, self._encoder.positions.shape[1]
        self._mel = FeatureExtractor(feature_size=mels)
        self.size: int = len(layers) * size

    @torch.inference_mode()
    def __call__(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Describe sound of any length without padding it to thirty seconds.

        Args:
            waveform: (samples,) float32 mono at 16 kHz, at least one sample.

        Returns:
            (frames, size) float32, one row each 20 ms: the chosen layers side by side.
        """
        parts = []
        for start in range(0, len(waveform), WINDOW):
            piece = waveform[start : start + WINDOW]
            # The convolutions halve the mel frames, so an even number of those is needed.
            padded = np.pad(piece, (0, -len(piece) % HOP_LENGTH))
            mel = torch.from_numpy(self._mel(padded, padding=0).astype(np.float32))
            states = self._encoder(mel[None].to(self._device))
            chosen = [states[number - 1][0] for number in self._layers]
            normal = [functional.layer_norm(layer, layer.shape[-1:]) for layer in chosen]
            parts.append(torch.cat(normal, dim=-1).cpu().numpy())
        return np.asarray(np.concatenate(parts), dtype=np.float32)
