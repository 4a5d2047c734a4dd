"""From samples to predictions: the model, its calibration, and its doubt."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from math import isnan

import numpy as np
import torch

from lddu_pipe.evidence import Absent, Example, Reason
from lddu_pipe.models.calibration import CalibratedScores, apply_calibration
from lddu_pipe.models.scores import RawScores
from lddu_pipe.models.scoring import score_examples
from lddu_pipe.pipelines.checkpoint import Checkpoint
from lddu_pipe.predictions import Decision, EmotionScore, Prediction, ScaleValue, Uncertainty
from lddu_pipe.types import Modality


class Predictor:
    """Scores samples with a checkpoint."""

    def __init__(
        self, checkpoint: Checkpoint, device: torch.device, *, passes: int, batch_size: int
    ) -> None:
        self._checkpoint = checkpoint
        self._passes = passes
        self._batch_size = batch_size
        # Passes of the head change the model while they last, and several threads may score.
        self._alone = threading.Lock()
        self._model = checkpoint.model.to(device)

    def predict(self, samples: Sequence[Example]) -> list[Prediction]:
        """Score samples, in the order given."""
        found = self.calibrated(samples)
        return [self._prediction(sample, found, row) for row, sample in enumerate(samples)]

    def calibrated(self, samples: Sequence[Example]) -> CalibratedScores:
        """What `predict` says of samples, as arrays."""
        config, calibration = self._checkpoint.config, self._checkpoint.calibration
        return apply_calibration(self.scores(samples, self._passes), calibration, config.scales)

    def scores(self, samples: Sequence[Example], passes: int = 0) -> RawScores:
        """Scores before any calibration, of samples in the order given; see `score_examples`."""
        return score_examples(
            *(self._model, samples), passes=passes, batch_size=self._batch_size, alone=self._alone
        )

    def _prediction(self, sample: Example, found: CalibratedScores, row: int) -> Prediction:
        config, abstained = self._checkpoint.config, bool(found.abstained[row])
        emotions = []
        for index, label in enumerate(config.labels):
            probability = float(found.probabilities[row, index])
            decision: Decision = "present" if found.decisions[row, index] else "absent"
            confidence = probability if decision == "present" else 1 - probability
            if abstained:
                decision, confidence = "abstain", max(probability, 1 - probability)
            doubt = (float(found.aleatoric[row, index]), float(found.epistemic[row, index]))
            emotions.append(
                EmotionScore(label, probability, decision, confidence, Uncertainty(*doubt))
            )
        members = zip(config.labels, found.members[row], strict=True)
        places = np.stack([found.values[row], found.low[row], found.high[row]], axis=1).tolist()
        return Prediction(
            sample.utterance,
            tuple(emotions),
            self._missing(sample),
            abstained=abstained,
            label_set=tuple(x for x, inside in members if inside) if found.has_set[row] else None,
            scales={
                name: ScaleValue(value, *(None if isnan(end) else end for end in ends))
                for name, (value, *ends) in zip(config.scales, places, strict=True)
                if not isnan(value)
            },
        )

    def _missing(self, sample: Example) -> dict[Modality, Absent]:
        """Why modalities are absent; those that the model does not take are, too."""
        taken = self._checkpoint.config.modalities
        unused = [name for name in sample.sequences if name not in taken]
        return {**sample.missing, **dict.fromkeys(unused, Absent(Reason.NOT_TAKEN))}
