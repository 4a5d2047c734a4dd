"""Train low-rank adapters of the text encoder on SemEval-2018 E-c, GoEmotions and MELD.

What they make of the training texts, with a head of their own, is part of what LDDU is taught.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer

from damage import break_text
from lddu_pipe.assets import resolve
from lddu_pipe.extractors.companions import ADAPTER_FOLDER
from lddu_pipe.labels import MOSEI
from lddu_pipe.metrics import average_precision
from lddu_pipe.models.calibration import sigmoid
from lddu_pipe.transcripts.cues import split_words
from manifests import first_half
from soft_labels import FILE_NAME, name_of, write_soft_labels
from texts import ASIDE, LabelledText, as_spoken, rarity, read_split

logger = logging.getLogger("train_adapter")

ENCODER = "all-MiniLM-L6-v2"
SHARES = {"semeval": 0.25, "goemotions": 0.55, "meld": 0.2}
"""How often each corpus is drawn: GoEmotions is large but would drown the others by its size."""
SPOKEN_SHARE = 0.3
BROKEN_SHARE = 0.15  # of the texts, how many are drawn with about half of their words missing
MAX_TOKENS = 64  # word pieces; almost no row of these corpora is longer

ASIDE_WEIGHT, DAMAGE_WEIGHT = 0.3, 0.2
"""In the loss, of the other labels that corpora have, and of how much of a text is missing."""


class LabelAttention(nn.Module):
    """A head like LDDU's: one query a label gathers what the tokens say of it."""

    def __init__(self, size: int, labels: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(labels, size) * 0.02)
        self.keys, self.values = nn.Linear(size, size), nn.Linear(size, size)
        self.score = nn.Sequential(nn.Dropout(0.2), nn.GELU(), nn.Linear(size, labels))

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(batch, time, size) and (batch, time) bool to logits (batch, labels)."""
        scores = self.queries @ self.keys(tokens).transpose(1, 2) / tokens.shape[-1] ** 0.5
        attention = scores.masked_fill(~mask[:, None], float("-inf")).softmax(dim=-1)
        logits: Tensor = self.score(attention @ self.values(tokens)).diagonal(dim1=1, dim2=2)
        return logits


class Batch(NamedTuple):
    """Padded word pieces."""

    pieces: dict[str, Tensor]
    """What the encoder takes."""
    words: Tensor
    """(batch, time) bool: neither padding nor the marks of begin and end, as in the pipeline."""


class Reader:
    """Texts to padded batches of word pieces, cut into words as the pipeline cuts them."""

    def __init__(self, source: Path) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True)

    def encode(self, words: Sequence[Sequence[str]]) -> Batch:
        """Word pieces of texts that are cut into words."""
        pieces = dict(
            self._tokenizer(
                words,
                is_split_into_words=True,
                padding=True,
                truncation=True,
                max_length=MAX_TOKENS,
                return_special_tokens_mask=True,
                return_tensors="pt",
            )
        )
        return Batch(pieces, pieces.pop("special_tokens_mask") == 0)


def vary(words: list[str], random: np.random.Generator) -> tuple[list[str], float]:
    """The text as a recogniser might write it, or with words missing, at random.

    Returns:
        The words, and how much damage that many missing words are, 0..1.
    """
    if random.random() < SPOKEN_SHARE:
        words = as_spoken(" ".join(words)).split() or words
    if len(words) > 4 and random.random() < 0.2:
        words = [word for word in words if random.random() > 0.1] or words
    if len(words) > 3 and random.random() < BROKEN_SHARE:
        return break_text(words, random)
    return words, 0.0


def label_matrix(texts: Sequence[LabelledText]) -> NDArray[np.float32]:
    """(texts, 6) in MOSEI order."""
    rows = [[label in text.labels for label in MOSEI] for text in texts]
    return np.array(rows, dtype=np.float32)


def aside_matrix(texts: Sequence[LabelledText]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Labels of `ASIDE`, and which of them the corpus of a text has at all; (texts, 7) each."""
    names = [name for of_corpus in ASIDE.values() for name in of_corpus]
    rows = [[name in text.aside for name in names] for text in texts]
    known = [[name in ASIDE[text.corpus] for name in names] for text in texts]
    return np.array(rows, dtype=np.float32), np.array(known, dtype=np.float32)


@torch.inference_mode()
def read(
    encoder: PeftModel, head: LabelAttention, reader: Reader, words: Sequence[list[str]]
) -> NDArray[np.float32]:
    """Probabilities of texts, (texts, 6)."""
    encoder.eval()
    head.eval()
    order = sorted(range(len(words)), key=lambda index: len(words[index]))
    logits = np.zeros((len(words), len(MOSEI)), np.float32)
    for begin in range(0, len(order), 128):
        chosen = order[begin : begin + 128]
        batch = reader.encode([words[index] for index in chosen])
        tokens = encoder(**batch.pieces).last_hidden_state
        logits[chosen] = head(tokens, batch.words)[:, : len(MOSEI)].float().numpy()
    return sigmoid(logits).astype(np.float32)


def figures_of(
    probabilities: NDArray[np.float32], texts: Sequence[LabelledText]
) -> dict[str, float]:
    """Mean average precision over the labels, by corpus."""
    labels = label_matrix(texts) >= 0.5
    corpora = np.array([text.corpus for text in texts])
    figures = {}
    for corpus in SHARES:
        rows = corpora == corpus
        found = average_precision(labels[rows], probabilities[rows])
        figures[corpus] = round(float(np.mean([v for v in found if v is not None])), 4)
    return figures


def adapter_loss(
    logits: Tensor, labels: Tensor, aside: Tensor, known: Tensor, damage: Tensor
) -> Tensor:
    """Cross-entropy of our labels, of the labels aside where a corpus has them, and of damage."""
    entropy = functional.binary_cross_entropy_with_logits
    ours, beside, missing = logits.split([labels.shape[1], aside.shape[1], 1], dim=1)
    of_known = (entropy(beside, aside, reduction="none") * known).sum() / known.sum().clamp_min(1)
    share = known.any(dim=1).float().mean()
    return (
        entropy(ours, labels)
        + ASIDE_WEIGHT * share * of_known
        + DAMAGE_WEIGHT * entropy(missing[:, 0], damage)
    )


def write_adapter(encoder: PeftModel, output: Path) -> None:
    """Write the low-rank factors in half precision, and nothing that names this machine."""
    folder = output / ADAPTER_FOLDER
    encoder.peft_config["default"].base_model_name_or_path = ENCODER
    # Told to look for changed embeddings, it would ask a hub about the encoder.
    encoder.half().save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()  # a template of peft's; the model card says what there is


def train(data: Path, output: Path, steps: int, batch_size: int, lr: float, seed: int) -> None:
    """Train the adapters with a head that is thrown away, and write them in half precision.

    Before the head goes, it writes what it makes of the training texts.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    texts = [text for text in read_split(data / "text", "train") if split_words(text.text)]
    held = [text for text in read_split(data / "text", "dev") if split_words(text.text)]
    halves = first_half([text.name for text in held])
    chooser = [text for text, first in zip(held, halves, strict=True) if first]
    labels = torch.from_numpy(label_matrix(texts))
    aside, known = map(torch.from_numpy, aside_matrix(texts))
    words = [split_words(text.text) for text in texts]
    chooser_words = [split_words(text.text) for text in chooser]
    corpora = np.array([text.corpus for text in texts])
    weights = np.zeros(len(texts))
    for corpus, share in SHARES.items():
        chosen = corpora == corpus
        weights[chosen] = share * rarity(labels[chosen].numpy() >= 0.5)
    cumulative = np.cumsum(weights / weights.sum())

    source = resolve(ENCODER)
    reader = Reader(source)
    base = AutoModel.from_pretrained(source, local_files_only=True, dtype=torch.float32)
    encoder = get_peft_model(
        base,
        LoraConfig(
            r=32,
            lora_alpha=64,
            target_modules=["query", "key", "value", "dense"],
            layers_to_transform=list(range(base.config.num_hidden_layers)),  # not the pooler
        ),
    )
    head = LabelAttention(base.config.hidden_size, len(MOSEI) + aside.shape[1] + 1)
    parameters = [p for p in encoder.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW([*parameters, *head.parameters()], lr=lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=lr, total_steps=steps, pct_start=0.06
    )
    output.mkdir(parents=True, exist_ok=True)
    history = []
    losses: list[float] = []
    started = time.monotonic()
    # Many batches are drawn at once and sorted by length, so that little of each is padding.
    pending: list[NDArray[np.int64]] = []
    for step in range(1, steps + 1):
        if not pending:
            drawn = np.searchsorted(cumulative, random.random(batch_size * 50))
            drawn = np.minimum(drawn, len(texts) - 1)
            ordered = drawn[np.argsort([len(texts[index].text) for index in drawn])]
            pending = [*ordered.reshape(50, batch_size)]
            random.shuffle(pending)
        chosen = pending.pop()
        encoder.train()
        head.train()
        varied = [vary(words[index], random) for index in chosen]
        batch = reader.encode([kept for kept, _ in varied])
        damage = torch.tensor([amount for _, amount in varied])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            tokens = encoder(**batch.pieces).last_hidden_state
        logits = head(tokens.float(), batch.words)
        loss = adapter_loss(logits, labels[chosen], aside[chosen], known[chosen], damage)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step % 250 == 0 or step == steps:
            found = read(encoder, head, reader, chooser_words)
            row = {
                "step": step,
                "loss": round(float(np.mean(losses)), 4),
                "average_precision": figures_of(found, chooser),
                "seconds": round(time.monotonic() - started),
            }
            losses.clear()
            history.append(row)
            logger.info("%s", json.dumps(row))
            (output / "adapter_history.json").write_text(json.dumps(history, indent=1) + "\n")
    names = [name_of(text.corpus, text.name) for text in texts]
    write_soft_labels(output / FILE_NAME, names, read(encoder, head, reader, words))
    write_adapter(encoder, output)
    (output / "adapter.done").touch()  # an interrupted run must not be taken for a finished one


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2200)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=4e-4)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    train(
        arguments.data,
        arguments.output,
        arguments.steps,
        arguments.batch_size,
        arguments.lr,
        arguments.seed,
    )
