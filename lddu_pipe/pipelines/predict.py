"""From samples to predictions: the model, its calibration, and its doubt."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isnan

import numpy as np
import torch
from numpy.typing import NDArray

from lddu_pipe.models.batch import Batch, collate, limits_of
from lddu_pipe.models.calibration import SetCalibration
from lddu_pipe.models.losses import deviation_size
from lddu_pipe.pipelines.checkpoint import Checkpoint
from lddu_pipe.training.scoring import RawScores, scales_of
from lddu_pipe.types import (
    MODALITIES,
    Absent,
    Decision,
    EmotionScore,
    Modality,
    Prediction,
    Present,
    Reason,
    Sample,
    ScaleValue,
    Uncertainty,
)

NOTHING_TO_SEE = Uncertainty(aleatoric=0.5, epistemic=0.5)
"""As much doubt as of a coin toss, for an utterance in which every modality is missing."""


class Predictor:
    """Scores samples with a checkpoint."""

    def __init__(
        self, checkpoint: Checkpoint, device: torch.device, *, passes: int, batch_size: int
    ) -> None:
        self._checkpoint = checkpoint
        self._device = device
        self._passes = passes
        self._batch_size = batch_size
        # Passes of the head change the model while they last, and several threads may score.
        self._alone = threading.Lock()
        self._model = checkpoint.model.to(device)

    def predict(self, samples: Sequence[Sample]) -> list[Prediction]:
        """Score samples, in the order given.

        Samples with the same modalities and similar lengths are scored together. The result of
        a sample does not depend on the others beyond rounding.
        """
        samples = [self._seen(sample) for sample in samples]
        results: dict[int, Prediction] = {}
        for present, indices in self._groups(samples):
            batch = [samples[index] for index in indices]
            with self._alone:
                scored = self._score(batch, present) if present else map(self._nothing, batch)
            results.update(zip(indices, scored, strict=True))
        return [results[index] for index in range(len(samples))]

    @torch.inference_mode()
    def raw_scores(
        self, samples: Sequence[Sample], scales: NDArray[np.float32] | None = None
    ) -> RawScores:
        """Scores before any calibration, of samples with labels, in the order given.

        Those of a sample in which every modality is missing are zeros, and nothing is known of
        its scales.

        Args:
            samples: each with labels.
            scales: (samples, scales), their truth on the model's scales, NaN where unknown; None
                where nothing is known.

        Raises:
            ValueError: a sample has no labels.
        """
        samples = [self._seen(sample) for sample in samples]
        logits, deviation, labels = np.zeros(
            (3, len(samples), len(self._checkpoint.config.labels)), np.float32
        )
        present = np.zeros((len(samples), len(MODALITIES)), np.bool_)
        mean, spread, truth = np.full(
            (3, len(samples), len(self._checkpoint.config.scales)), np.nan, np.float32
        )
        for index, sample in enumerate(samples):
            if sample.labels is None:
                raise ValueError(f"{sample.utterance.id} has no labels")
            labels[index] = sample.labels
        for modalities, indices in self._groups(samples):
            if modalities:
                batch = self._collate([samples[index] for index in indices])
                output = self._model(*batch)
                logits[indices] = output.logits.cpu().numpy()
                deviation[indices] = deviation_size(output).cpu().numpy()
                present[indices] = output.present.cpu().numpy()
                mean[indices], spread[indices] = scales_of(output)
                truth[indices] = np.nan if scales is None else scales[indices]
        nothing = np.zeros((0, *logits.shape), np.float32)
        return RawScores(logits, deviation, nothing, present, labels, mean, spread, truth)

    def thresholds(self, sample: Sample) -> tuple[float, ...]:
        """The probability from which each label is present, with a sample's modalities.

        One, which no probability reaches, where every modality is missing.
        """
        sample = self._seen(sample)
        if not sample.sequences:
            return (1.0,) * len(self._checkpoint.config.labels)
        return self._checkpoint.calibration.of(tuple(sample.sequences)).threshold

    def _seen(self, sample: Sample) -> Sample:
        """A sample as the model sees it, without modalities that it does not take."""
        evidence = {
            name: Absent(Reason.NOT_TAKEN)
            if isinstance(item, Present) and name not in self._checkpoint.config.modalities
            else item
            for name, item in sample.evidence.items()
        }
        return replace(sample, evidence=evidence)

    def _groups(
        self, samples: Sequence[Sample]
    ) -> Iterator[tuple[tuple[Modality, ...], list[int]]]:
        by_set: dict[tuple[Modality, ...], list[int]] = {}
        for index, sample in enumerate(samples):
            present = tuple(name for name in MODALITIES if name in sample.sequences)
            by_set.setdefault(present, []).append(index)
        for present, indices in by_set.items():
            indices.sort(key=lambda index: self._steps(samples[index]))
            for begin in range(0, len(indices), self._batch_size):
                yield present, indices[begin : begin + self._batch_size]

    def _steps(self, sample: Sample) -> int:
        """How many steps of all modalities the model sees of a sample."""
        limits = limits_of(self._checkpoint.config.max_steps, aligned=sample.aligned)
        return sum(min(len(item), limits[name]) for name, item in sample.sequences.items())

    def _collate(self, samples: Sequence[Sample]) -> Batch:
        return collate(samples, self._checkpoint.config.max_steps).to(self._device)

    @torch.inference_mode()
    def _score(self, samples: Sequence[Sample], present: tuple[Modality, ...]) -> list[Prediction]:
        calibration = self._checkpoint.calibration.of(present)
        gathered = self._model.gather(*self._collate(samples))
        output = self._model.classify(gathered)
        sampled = self._model.sample_logits(gathered, self._passes)
        # One copy from the device, so that it is waited for once.
        found = (
            torch.cat([output.logits[None], deviation_size(output)[None], sampled]).cpu().numpy()
        )
        probabilities = calibration.probabilities(found[0])
        aleatoric = calibration.aleatoric(found[1])
        epistemic = calibration.probabilities(found[2:]).std(axis=0)
        abstained = calibration.abstains(probabilities, aleatoric)
        sets = calibration.label_set(probabilities)
        scales = self._scales(*scales_of(output))
        return [
            Prediction(
                sample.utterance,
                self._emotions(calibration, *rows, abstained=bool(silent)),
                sample.missing,
                abstained=bool(silent),
                label_set=None if sets is None else self._names(sets[index]),
                scales=scales[index],
            )
            for index, (sample, *rows, silent) in enumerate(
                zip(samples, probabilities, aleatoric, epistemic, abstained, strict=True)
            )
        ]

    def _scales(
        self, mean: NDArray[np.float32], deviation: NDArray[np.float32]
    ) -> list[dict[str, ScaleValue]]:
        """Of each row, its place on each scale."""
        names = self._checkpoint.config.scales
        low, high = self._checkpoint.calibration.intervals(names, mean, deviation)
        return [
            {
                name: ScaleValue(value, *(None if isnan(end) else end for end in ends))
                for name, value, *ends in zip(names, *row, strict=True)
            }
            for row in np.stack([mean, low, high], axis=1).tolist()
        ]

    def _names(self, chosen: NDArray[np.bool_]) -> tuple[str, ...]:
        labels = self._checkpoint.config.labels
        return tuple(label for label, inside in zip(labels, chosen, strict=True) if inside)

    def _emotions(
        self,
        calibration: SetCalibration,
        probabilities: NDArray[np.float64],
        aleatoric: NDArray[np.float64],
        epistemic: NDArray[np.float64],
        *,
        abstained: bool,
    ) -> tuple[EmotionScore, ...]:
        decided = calibration.decide(probabilities)
        scores = []
        for index, label in enumerate(self._checkpoint.config.labels):
            probability = float(probabilities[index])
            decision: Decision = "present" if decided[index] else "absent"
            confidence = probability if decided[index] else 1 - probability
            if abstained:
                decision, confidence = "abstain", max(probability, 1 - probability)
            doubt = Uncertainty(float(aleatoric[index]), float(epistemic[index]))
            scores.append(EmotionScore(label, probability, decision, confidence, doubt))
        return tuple(scores)

    def _nothing(self, sample: Sample) -> Prediction:
        """Without any modality there is the model's base rate, and no decision."""
        rates = self._checkpoint.calibration.base_rates
        scores = tuple(
            EmotionScore(label, rate, "abstain", max(rate, 1 - rate), NOTHING_TO_SEE)
            for label, rate in zip(self._checkpoint.config.labels, rates, strict=True)
        )
        return Prediction(sample.utterance, scores, sample.missing, abstained=True)
