"""How probabilities and decisions are put in words, the same in every format for people."""

from __future__ import annotations

from lddu_pipe.predictions import EmotionScore, Prediction

NO_EMOTION = "no emotion"
UNDECIDED = "undecided"


def percent(probability: float) -> str:
    """Write a probability such as ``81 %``; only 0 and 1 themselves are 0 % and 100 %."""
    whole = 100 * probability
    if 0 < probability < 1:
        whole = min(max(int(whole + 0.5), 1), 99)  # half up, as the pages round
    sign = "<" if 0 < probability < 0.005 else ">" if 0.995 <= probability < 1 else ""
    return f"{sign}{whole:.0f} %"


def absence(prediction: Prediction) -> str:
    """Say why an utterance shows no emotion: none is present, or too little is known to decide.

    Returns:
        `UNDECIDED` where the whole utterance or any label was abstained from, else `NO_EMOTION`.
    """
    unsure = any(score.decision == "abstain" for score in prediction.emotions)
    return UNDECIDED if prediction.abstained or unsure else NO_EMOTION


def emotion(prediction: Prediction) -> str:
    """The present labels joined by ``+``, most probable first, or ``none`` or ``undecided``."""
    labels = "+".join(score.label for score in prediction.present)
    return labels or ("none" if absence(prediction) == NO_EMOTION else UNDECIDED)


def confidence(prediction: Prediction) -> str:
    """The confidence, 0..1, of each label of `emotion`, else of the least sure decision."""
    values = [score.confidence for score in prediction.present]
    return "+".join(f"{value:.2f}" for value in values or [least_confidence(prediction)])


def least_confidence(prediction: Prediction) -> float:
    """The confidence, 0..1, of the least sure decision on an utterance; 1 without labels."""
    return min((score.confidence for score in prediction.emotions), default=1.0)


def summary(prediction: Prediction) -> str:
    """Return the emotions of an utterance such as ``[happy 81 %, surprise 63 %]``."""
    return f"[{', '.join(map(_scored, prediction.present)) or absence(prediction)}]"


def _scored(score: EmotionScore) -> str:
    return f"{score.label} {percent(score.probability)}"
