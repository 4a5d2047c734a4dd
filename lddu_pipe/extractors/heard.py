"""What is heard, moment by moment: speech, a vocal burst, something else, or nothing.

The network is ours and tiny: it reads the frames of Whisper's lower layers. It is trained by
``recipes/lddu-base-en`` on vocal bursts (EmoGator, Buhl 2023), acted speech, music and effects.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from lddu_pipe.extractors.base import pool_frames
from lddu_pipe.extractors.prosody import HOP_LENGTH, SAMPLE_RATE
from lddu_pipe.weights import load_weights

HEARD = ("speech", "burst", "other", "silence")
"""A burst is a voice without words: laughter, a sob, a scream. Other is what is no voice: music,
effects, applause. Silence may hold the noise of a room."""
SOUND_FILE = "sound.safetensors"
SOUND_CONFIG_FILE = "sound.json"
_LARGEST = 4096  # a damaged configuration may ask for any size


@dataclass(frozen=True)
class SoundConfig:
    """Shape of a `SoundNetwork`, and from when on a burst is believed."""

    layers: tuple[int, ...] = (1, 2)
    """Of Whisper's encoder, from 1, side by side."""
    encoder_size: int = 2 * 384
    """Features of a frame of these layers."""
    hidden: int = 48
    step: float = 0.24
    """Seconds from one moment to the next; a whole number of 20 ms frames."""
    window: float = 1.0
    """Seconds around each moment that are pooled."""
    threshold: float = 0.5
    """Probability from which a burst is one, 0..1."""
    shortest: float = 0.8
    """Seconds that it lasts, at least."""

    def __post_init__(self) -> None:
        if not (0 < self.encoder_size <= _LARGEST and 0 < self.hidden <= _LARGEST):
            raise ValueError(f"sizes of {self.encoder_size} and {self.hidden} are none of a head")
        if not (self.window >= self.step >= HOP_LENGTH / SAMPLE_RATE and self.shortest > 0):
            raise ValueError(f"a step of {self.step} s, a window of {self.window} s")


class SoundNetwork(nn.Module):
    """Frames pooled over about a second in, what is heard in the middle out."""

    def __init__(self, config: SoundConfig | None = None) -> None:
        super().__init__()
        self.config = config or SoundConfig()
        self.classify = nn.Sequential(
            nn.Linear(2 * self.config.encoder_size, self.config.hidden),
            nn.GELU(),
            nn.Linear(self.config.hidden, len(HEARD)),
        )

    def forward(self, pooled: Tensor) -> Tensor:
        """Score moments.

        Args:
            pooled: (steps, 2 * encoder_size) float32, as `pool` gives them.

        Returns:
            (steps, 4) float32, unnormalised log-probabilities in the order of `HEARD`.
        """
        scores: Tensor = self.classify(pooled)
        return scores

    def pool(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mean and standard deviation around each moment.

        Args:
            frames: (frames, encoder_size) float32, 50 a second.

        Returns:
            (ceil(frames / frames of a step), 2 * encoder_size) float32.
        """
        step, window = (
            round(seconds * SAMPLE_RATE / HOP_LENGTH)
            for seconds in (self.config.step, self.config.window)
        )
        return np.concatenate(pool_frames(frames, step, window), axis=1)

    @torch.inference_mode()
    def probabilities(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is heard at each moment.

        Args:
            frames: as `pool` takes them.

        Returns:
            (steps, 4) float32 in the order of `HEARD`, each row of sum 1.
        """
        scores = self(torch.from_numpy(self.pool(frames)))
        return np.asarray(scores.softmax(dim=1).numpy(), np.float32)

    def save(self, folder: Path) -> None:
        """Write ``sound.safetensors``, in half precision, and ``sound.json`` into `folder`."""
        state = {name: value.half().contiguous() for name, value in self.state_dict().items()}
        save_file(state, folder / SOUND_FILE)
        settings = json.dumps(asdict(self.config), indent=2) + "\n"
        (folder / SOUND_CONFIG_FILE).write_text(settings, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> SoundNetwork:
        """Read what `save` wrote, ready for inference."""
        text = (folder / SOUND_CONFIG_FILE).read_text(encoding="utf-8")
        settings: dict[str, Any] = json.loads(text)
        config = SoundConfig(**{**settings, "layers": tuple(settings["layers"])})
        return load_weights(folder / SOUND_FILE, lambda: cls(config))
