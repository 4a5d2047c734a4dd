"""The facial expression network: a small residual network from a grey face to an embedding.

The network is ours. It is trained by ``recipes/lddu-base-en`` on the crowd votes of FER+
(Barsoum et al. 2016, "Training Deep Networks for Facial Expression Recognition with
Crowd-Sourced Label Distribution"), so its outputs follow how often people chose each expression.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from lddu_pipe.weights import load_weights

FACE_SIZE = 48  # pixels; FER+ faces are 48 x 48
MOST_BLOCKS = 100  # a damaged configuration may ask for any number, each of which takes memory
EXPRESSIONS = ("neutral", "happy", "surprise", "sad", "anger", "disgust", "fear")


class ExpressionOutput(NamedTuple):
    """What the network says of a batch of faces."""

    embedding: Tensor
    """(faces, embedding_size) float32, the pooled features before the classifier."""
    logits: Tensor
    """(faces, 7) float32, unnormalised log-probabilities in the order of `EXPRESSIONS`."""


@dataclass(frozen=True)
class ExpressionConfig:
    """Shape of an `ExpressionNetwork`."""

    stem_channels: int = 32
    stage_channels: tuple[int, ...] = (48, 96, 192)
    stage_blocks: tuple[int, ...] = (1, 1, 2)
    embedding_size: int = 96
    dropout: float = 0.3

    def __post_init__(self) -> None:
        if sum(self.stage_blocks) > MOST_BLOCKS:
            raise ValueError(f"at most {MOST_BLOCKS} blocks, got {self.stage_blocks}")


class SqueezeExcite(nn.Module):
    """Channel attention (Hu et al. 2018, "Squeeze-and-Excitation Networks")."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Linear(channels, channels // reduction),
            nn.ReLU(inplace=True),
            nn.Linear(channels // reduction, channels),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Weigh the channels of (faces, channels, height, width)."""
        weights: Tensor = self.gate(features.mean(dim=(2, 3)))
        return features * weights[:, :, None, None]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut (He et al. 2016) and channel attention."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            SqueezeExcite(channels_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                nn.Conv2d(channels_in, channels_out, 1, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, features: Tensor) -> Tensor:
        """Transform (faces, channels_in, height, width); a stride divides height and width."""
        summed: Tensor = self.body(features) + self.shortcut(features)
        return torch.relu(summed)


class ExpressionNetwork(nn.Module):
    """Grey faces in, an embedding and seven expression logits out."""

    def __init__(self, config: ExpressionConfig | None = None) -> None:
        super().__init__()
        self.config = config or ExpressionConfig()
        channels = self.config.stem_channels
        layers: list[nn.Module] = [
            nn.Conv2d(1, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        ]
        for width, blocks in zip(
            self.config.stage_channels, self.config.stage_blocks, strict=True
        ):
            for index in range(blocks):
                layers.append(ResidualBlock(channels, width, stride=2 if index == 0 else 1))
                channels = width
        self.trunk = nn.Sequential(*layers)
        self.project = nn.Linear(channels, self.config.embedding_size)
        self.dropout = nn.Dropout(self.config.dropout)
        self.classify = nn.Linear(self.config.embedding_size, len(EXPRESSIONS))

    def forward(self, faces: Tensor) -> ExpressionOutput:
        """Score faces.

        Args:
            faces: (faces, 1, 48, 48) float32, each standardised by `standardise_faces`.
        """
        pooled = self.trunk(faces).mean(dim=(2, 3))
        embedding = torch.relu(self.project(self.dropout(pooled)))
        return ExpressionOutput(embedding, self.classify(self.dropout(embedding)))

    def look_twice(self, faces: Tensor) -> ExpressionOutput:
        """Score faces and their mirror images; the mean is right more often than either.

        Args:
            faces: as for `forward`.

        Returns:
            The mean embedding, and the logarithm of the mean probability as logits.
        """
        seen, mirrored = self(faces), self(faces.flip(-1))
        both = torch.stack([seen.logits.float(), mirrored.logits.float()]).log_softmax(dim=-1)
        return ExpressionOutput(
            (seen.embedding + mirrored.embedding) / 2, both.logsumexp(dim=0) - math.log(2)
        )

    def save(self, folder: Path) -> None:
        """Write ``expression.safetensors`` and ``expression.json`` into `folder`.

        Numbers are written in half precision: the file is half as large and the answers agree to
        three digits. What is loaded again computes in single precision.
        """
        state = {
            name: (value.half() if value.is_floating_point() else value).contiguous()
            for name, value in self.state_dict().items()
        }
        save_file(state, folder / "expression.safetensors")
        (folder / "expression.json").write_text(json.dumps(asdict(self.config), indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> ExpressionNetwork:
        """Read what `save` wrote, ready for inference."""
        settings: dict[str, Any] = json.loads((folder / "expression.json").read_text())
        for name in ("stage_channels", "stage_blocks"):
            settings[name] = tuple(settings[name])
        config = ExpressionConfig(**settings)
        return load_weights(folder / "expression.safetensors", lambda: cls(config))


def standardise_faces(faces: Tensor) -> Tensor:
    """Bring grey faces to zero mean and unit spread, each by itself, so that light matters less.

    Args:
        faces: (faces, 48, 48) of any real dtype, any brightness scale.

    Returns:
        (faces, 1, 48, 48) float32. A face of one flat colour becomes all zeros.
    """
    values = faces.float().flatten(1)
    centred = values - values.mean(dim=1, keepdim=True)
    spread = centred.std(dim=1, keepdim=True, correction=0).clamp_min(1e-3)
    return (centred / spread).view(-1, 1, faces.shape[-2], faces.shape[-1])


def computes_bfloat16(device: torch.device) -> bool:
    """Tell whether a device multiplies in bfloat16 itself: there it is fast, elsewhere slow."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        # Older torch cannot tell, and then computes as it always did.
        able: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return False
