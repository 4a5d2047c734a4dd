"""Any audio encoder of the Hugging Face hub that hears raw sound at 50 frames a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoFeatureExtractor

from lddu_pipe.errors import IncompatibleModelError
from lddu_pipe.extractors.hub import load_network

SAMPLE_RATE = 16_000  # Hz
SAMPLES_PER_FRAME = 320  # 20 ms, as in wav2vec 2.0, HuBERT, WavLM and data2vec


class HuggingFaceAudioEncoder:
    """Calls an encoder such as wav2vec 2.0 on a waveform (Baevski et al. 2020)."""

    def __init__(self, encoder: Path, *, device: str = "cpu") -> None:
        """Load the encoder.

        Args:
            encoder: its folder.
            device: "cpu", "cuda" or "mps".

        Raises:
            IncompatibleModelError: it does not take 16 kHz sound, or not 50 frames a second.
        """
        self._device = torch.device(device)
        self._prepare = AutoFeatureExtractor.from_pretrained(
            str(encoder), local_files_only=True, trust_remote_code=False
        )
        model = load_network(encoder)
        shift = int(np.prod(getattr(model.config, "conv_stride", (0,))))
        if shift != SAMPLES_PER_FRAME or self._prepare.sampling_rate != SAMPLE_RATE:
            raise IncompatibleModelError(
                f"{encoder} does not turn 16 kHz sound into 50 frames a second; "
                f"use an encoder such as wav2vec 2.0, HuBERT or WavLM"
            )
        self._model = model.eval().to(self._device)
        self.size: int = model.config.hidden_size

    @torch.inference_mode()
    def __call__(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """(samples,) float32 mono at 16 kHz to (frames, size) float32, 50 frames a second."""
        # The first convolution needs 400 samples; a frame is owed to every 320 of the sound.
        wanted = max(1, -(-len(waveform) // SAMPLES_PER_FRAME))
        padded = np.pad(waveform, (0, wanted * SAMPLES_PER_FRAME + 80 - len(waveform)))
        inputs = self._prepare(padded, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        hidden = self._model(inputs.input_values.to(self._device)).last_hidden_state
        return np.asarray(hidden[0, :wanted].float().cpu().numpy(), dtype=np.float32)
