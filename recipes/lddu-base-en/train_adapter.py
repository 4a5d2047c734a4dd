"""Train low-rank adapters of the text encoder on all labelled texts at once.

What they make of the training texts, with a head of their own, is part of what LDDU is taught.
With `--without CORPUS` they never see some of the texts; how sure the head is of these then tells
how sure a model may be of texts of a new kind.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel

from lddu_pipe.assets import resolve
from lddu_pipe.extractors.companions import ADAPTER_FOLDER, CONTEXT_FILE
from lddu_pipe.extractors.minilm import Numbers, PieceCutter
from lddu_pipe.extractors.text import Passage
from lddu_pipe.files import write_whole
from lddu_pipe.labels import MOSEI
from lddu_pipe.metrics import average_precision
from lddu_pipe.models.calibration import sigmoid
from lddu_pipe.transcripts.cues import split_words
from manifests import first_half
from soft_labels import FILE_NAME, write_logits
from text_variants import CONTEXT_SHARE, Varier, rarity
from texts import ASIDE, TEXT_CORPORA, LabelledText, read_split, target_matrices

logger = logging.getLogger("train_adapter")

ENCODER = "all-MiniLM-L6-v2"
SHARES = {
    **{"goemotions": 0.23, "emotionlines": 0.13, "xed": 0.12, "empatheticdialogues": 0.10},
    **{"semeval": 0.09, "meisd": 0.09, "meld": 0.06, "isear": 0.06, "crowdenvent": 0.05},
    **{"brighter": 0.04, "dailydialog": 0.03},
}
"""How often each corpus is drawn: not by size, or Reddit would drown the others."""
MAX_TOKENS = 64
"""Word pieces of a text, its marks among them; few texts are longer."""
CONTEXT_TOKENS = 32
"""Word pieces of what was said before."""
ASIDE_WEIGHT, DAMAGE_WEIGHT = 0.3, 0.2
"""In the loss, of the other labels that corpora have, and of how much of a text is missing."""
PAD = 0
WIDTH = 8
"""Batches are padded to whole multiples of it, so that few shapes occur."""
BATCHES_AT_ONCE = 50
"""Drawn together and sorted by length, so that little of each is padding."""
SAVED_EVERY, JUDGED_EVERY = 250, 1000
"""Steps."""


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


class CorpusBias(nn.Module):
    """What one corpus calls an emotion more readily than another; of use in training alone."""

    def __init__(self, corpora: int, labels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(corpora, labels))
        self.scale = nn.Parameter(torch.zeros(corpora, 1))

    def forward(self, logits: Tensor, corpora: Tensor) -> Tensor:
        """Logits (batch, labels) as the corpora of the rows, (batch,) int64, would have them."""
        return logits * self.scale[corpora].exp() + self.bias[corpora]


class Batch(NamedTuple):
    """Padded word pieces."""

    pieces: dict[str, Tensor]
    """What the encoder takes."""
    words: Tensor
    """(batch, time) bool: pieces of the texts, not of their contexts, padding or marks."""


def passage(words: Sequence[str], context: Sequence[str]) -> Passage:
    """A text with what was said before, the oldest first, as the pipeline reads it."""
    return Passage(words, [split_words(line) for line in reversed(context)])


def pad(texts: Sequence[Numbers]) -> Batch:
    """Lay texts beside each other."""
    width = max(len(text.own) + len(text.earlier) for text in texts)
    shape = len(texts), -(-width // WIDTH) * WIDTH
    ids, mask, kinds = (torch.full(shape, PAD) for _ in range(3))
    spoken = torch.zeros(shape, dtype=torch.bool)
    for row, text in enumerate(texts):
        count, total = len(text.own), len(text.own) + len(text.earlier)
        ids[row, :total] = torch.tensor([*text.own, *text.earlier])
        mask[row, :total] = 1
        kinds[row, count:total] = 1
        spoken[row, 1 : count - 1] = True
    pieces = {"input_ids": ids, "attention_mask": mask, "token_type_ids": kinds}
    return Batch(pieces, spoken)


class Network(NamedTuple):
    """What is trained; the adapters of the encoder are what is kept."""

    encoder: PeftModel
    head: LabelAttention
    bias: CorpusBias

    @classmethod
    def make(cls, source: Path, rank: int) -> Network:
        """Begin from the encoder as it is."""
        base = AutoModel.from_pretrained(
            source,
            local_files_only=True,
            dtype=torch.float32,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        layers = list(range(base.config.num_hidden_layers))  # not the pooler
        lora = LoraConfig(
            r=rank,
            lora_alpha=2 * rank,
            target_modules=["query", "key", "value", "dense"],
            layers_to_transform=layers,
        )
        return cls(
            get_peft_model(base, lora),
            LabelAttention(base.config.hidden_size, len(MOSEI) + len(ASIDE) + 1),
            CorpusBias(len(TEXT_CORPORA), len(MOSEI)),
        )

    @property
    def adapters(self) -> dict[str, nn.Parameter]:
        """By name, those weights of the encoder that are trained."""
        return {name: p for name, p in self.encoder.named_parameters() if p.requires_grad}

    def logits(self, batch: Batch) -> Tensor:
        """(batch, labels + labels aside + 1) of our labels, the others, and missing words."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            tokens = self.encoder(**batch.pieces).last_hidden_state
        found: Tensor = self.head(tokens.float(), batch.words)
        return found

    @torch.inference_mode()
    def read(
        self, cutter: PieceCutter, texts: Sequence[LabelledText], *, context: bool = True
    ) -> NDArray[np.float32]:
        """Logits of our labels, (texts, 6), of no corpus in particular."""
        self.encoder.eval()
        self.head.eval()
        passages = [
            passage(split_words(text.text), text.context if context else ()) for text in texts
        ]
        order = np.argsort([len(one.words) + sum(map(len, one.earlier)) for one in passages])
        logits = np.zeros((len(texts), len(MOSEI)), np.float32)
        for begin in range(0, len(order), 128):
            chosen = order[begin : begin + 128].tolist()
            batch = pad(cutter([passages[at] for at in chosen]))
            logits[chosen] = self.logits(batch)[:, : len(MOSEI)].numpy()
        self.encoder.train()
        self.head.train()
        return logits


class State:
    """All that a training that was interrupted goes on from, in one file."""

    def __init__(self, path: Path, network: Network, others: dict[str, Any]) -> None:
        """Keep the network, and others that have a ``state_dict``."""
        self._path, self._network = path, network
        self._others = {"head": network.head, "bias": network.bias, **others}

    def save(self, step: int, random: np.random.Generator) -> None:
        """Write what there is after a step."""
        found: dict[str, Any] = {name: item.state_dict() for name, item in self._others.items()}
        found |= {"adapters": self._network.adapters, "step": step}
        found |= {"random": random.bit_generator.state, "torch": torch.get_rng_state()}
        part = self._path.with_suffix(".part")
        torch.save(found, part)
        part.replace(self._path)

    def load(self, random: np.random.Generator) -> int:
        """Take up what was written; the step after which it was, 0 where nothing is there."""
        if not self._path.is_file():
            return 0
        found = torch.load(self._path, weights_only=True)
        for name, parameter in self._network.adapters.items():
            parameter.data.copy_(found["adapters"][name])
        for name, item in self._others.items():
            item.load_state_dict(found[name])
        random.bit_generator.state = found["random"]
        torch.set_rng_state(found["torch"])
        return int(found["step"])


class Drawer:
    """Draws batches: texts of a corpus by its share, rare labels more often."""

    def __init__(
        self, texts: Sequence[LabelledText], targets: NDArray[np.float32], batch_size: int
    ) -> None:
        corpora = np.array([text.corpus for text in texts])
        weights = np.zeros(len(texts))
        for corpus, share in SHARES.items():
            rows = corpora == corpus
            if rows.any():
                weights[rows] = share * rarity(targets[rows] >= 0.5)
        self._cumulative = np.cumsum(weights / weights.sum())
        self._lengths = np.array([min(len(text.text), 300) for text in texts])
        self._has_context = np.array([bool(text.context) for text in texts])
        self._size = batch_size

    def draw(
        self, random: np.random.Generator
    ) -> list[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
        """Some batches: rows, and which of them are read with what was said before."""
        count = self._size * BATCHES_AT_ONCE
        drawn = np.searchsorted(self._cumulative, random.random(count))
        drawn = np.minimum(drawn, len(self._cumulative) - 1)
        context = random.random(count) < CONTEXT_SHARE
        order = np.argsort(self._lengths[drawn] + 80 * (context & self._has_context[drawn]))
        batches = [(drawn[at], context[at]) for at in order.reshape(-1, self._size)]
        random.shuffle(batches)
        return batches


def adapter_loss(
    network: Network,
    logits: Tensor,
    rows: dict[str, Tensor],
    damage: Tensor,
) -> Tensor:
    """Cross-entropy of our labels, of the labels aside where a corpus has them, and of damage.

    Args:
        network: whose bias of corpora is used.
        logits: what `Network.logits` gives.
        rows: targets, counts, aside, known (batch, labels) and corpora (batch,).
        damage: (batch,) in 0..1.
    """
    entropy = functional.binary_cross_entropy_with_logits
    ours, beside, missing = logits.split([len(MOSEI), len(ASIDE), 1], dim=1)
    ours = network.bias(ours, rows["corpora"])
    counts, known = rows["counts"], rows["known"]
    of_ours = (entropy(ours, rows["targets"], reduction="none") * counts).sum() / counts.sum()
    of_known = (entropy(beside, rows["aside"], reduction="none") * known).sum()
    share = known.any(dim=1).float().mean()
    return (
        of_ours
        + ASIDE_WEIGHT * share * of_known / known.sum().clamp_min(1)
        + DAMAGE_WEIGHT * entropy(missing[:, 0], damage)
    )


def figures_of(logits: NDArray[np.float32], texts: Sequence[LabelledText]) -> dict[str, float]:
    """Mean average precision over the labels that were asked for, by corpus."""
    targets, counts = target_matrices(texts)
    corpora = np.array([text.corpus for text in texts])
    figures = {}
    for corpus in TEXT_CORPORA:
        rows = corpora == corpus
        asked = counts[rows].any(axis=0)
        labels = targets[rows][:, asked] >= 0.5
        found = average_precision(labels, sigmoid(logits[rows][:, asked]))
        figures[corpus] = round(float(np.mean([v for v in found if v is not None])), 4)
    return figures


def write_adapter(encoder: PeftModel, output: Path) -> None:
    """Write the low-rank factors in half precision, how they read, and nothing of this machine."""
    folder = output / ADAPTER_FOLDER
    encoder.peft_config["default"].base_model_name_or_path = ENCODER
    # Told to look for changed embeddings, it would ask a hub about the encoder.
    encoder.half().save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()  # a template of peft's; the model card says what there is
    context = json.dumps({"context_pieces": CONTEXT_TOKENS}) + "\n"
    write_whole(output / CONTEXT_FILE, context)


def train(
    data: Path,
    output: Path,
    steps: int,
    batch_size: int,
    lr: float,
    rank: int,
    seed: int,
    without: Collection[str],
) -> None:
    """Train the adapters with a head that is thrown away, and write them in half precision.

    Before the head goes, it writes what it makes of the texts.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    texts = [text for text in read_split(data / "text", "train") if text.corpus not in without]
    held = read_split(data / "text", "valid")
    halves = first_half([text.name for text in held])
    chooser = [text for text, first in zip(held, halves, strict=True) if first]
    targets, counts = target_matrices(texts)
    columns = {
        "targets": torch.from_numpy(targets),
        "counts": torch.from_numpy(counts),
        "aside": torch.tensor([[float(t.aside.get(a, False)) for a in ASIDE] for t in texts]),
        "known": torch.tensor([[float(a in t.aside) for a in ASIDE] for t in texts]),
        "corpora": torch.tensor([TEXT_CORPORA.index(text.corpus) for text in texts]),
    }
    varier, drawer = Varier(texts, seed), Drawer(texts, targets, batch_size)
    source = resolve(ENCODER)
    cutter = PieceCutter(source, MAX_TOKENS, CONTEXT_TOKENS)
    network = Network.make(source, rank)
    adapters = list(network.adapters.values())
    groups = [
        {"params": [*adapters, *network.head.parameters()], "weight_decay": 0.01},
        {"params": network.bias.parameters(), "weight_decay": 0.05, "lr": lr * 5},
    ]
    optimiser = torch.optim.AdamW(groups, lr=lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=[lr, lr * 5], total_steps=steps, pct_start=0.06
    )
    output.mkdir(parents=True, exist_ok=True)
    state = State(output / "state.pt", network, {"optimiser": optimiser, "schedule": schedule})
    losses: list[float] = []
    started = time.monotonic()
    pending: list[tuple[NDArray[np.int64], NDArray[np.bool_]]] = []
    for step in range(state.load(random) + 1, steps + 1):
        pending = pending or drawer.draw(random)
        rows, with_context = pending.pop()
        read = [varier.words(texts[row], random) for row in rows]
        contexts = [
            varier.context(texts[row], random, wanted=bool(wanted))
            for row, wanted in zip(rows, with_context, strict=True)
        ]
        passages = [
            passage(words, context) for (words, _), context in zip(read, contexts, strict=True)
        ]
        logits = network.logits(pad(cutter(passages)))
        chosen = {name: column[rows] for name, column in columns.items()}
        damage = torch.tensor([amount for _, amount in read])
        loss = adapter_loss(network, logits, chosen, damage)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(adapters, 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step % JUDGED_EVERY == 0 or step == steps:
            figures = figures_of(network.read(cutter, chooser), chooser)
            about = {"step": step, "loss": round(float(np.mean(losses)), 4)}
            about |= {"seconds": round(time.monotonic() - started)}
            logger.info("%s %s", json.dumps(about), json.dumps(figures))
            losses.clear()
            write_whole(output / "figures.json", json.dumps(about | figures, indent=1) + "\n")
        if step % SAVED_EVERY == 0:
            state.save(step, random)
    if not without:
        write_logits(output / FILE_NAME, [text.key for text in texts], network.read(cutter, texts))
    alone = network.read(cutter, held, context=False)
    write_logits(output / "valid_logits.npz", [text.key for text in held], alone)
    write_adapter(network.encoder, output)
    (output / "adapter.done").touch()  # an interrupted run must not be taken for a finished one


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3600)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=4e-4)
    parser.add_argument("--rank", type=int, default=48)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--without", nargs="*", default=(), choices=TEXT_CORPORA)
    arguments = parser.parse_args()
    train(**vars(arguments))
