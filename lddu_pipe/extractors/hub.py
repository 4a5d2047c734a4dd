"""Encoders that other people trained, from a folder or the Hugging Face hub, known by content."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lddu_pipe.assets import hub_is_offline
from lddu_pipe.errors import IncompatibleModelError, LdduPipeError, MissingAssetError
from lddu_pipe.files import sha256_of_file

if TYPE_CHECKING:
    from transformers import PreTrainedModel

HUB = "hub"
"""What the settings of an extractor call any such encoder: its content tells which it is."""
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors")
SETTINGS = ("config.json", "preprocessor_config.json", "tokenizer_config.json")
TOKENIZER = ("tokenizer.json", "special_tokens_map.json", "added_tokens.json")
VOCABULARY = ("vocab.txt", "vocab.json", "merges.txt", "*.model")
"""Of tokenizers that have no ``tokenizer.json``, which says it all."""
_OF_NO_WEIGHT = (
    *("_name_or_path", "name_or_path", "_commit_hash", "transformers_version"),
    *("is_local", "local_files_only"),
)
"""Keys under which transformers keeps where an encoder was, and who saved it."""
_UNUSED = r"pooler\.|masked_spec_embed$"
"""Weights that published encoders often lack, and that say nothing in a sequence of features."""
_ID = r"[\w-][\w.-]*(/[\w-][\w.-]*)?"


@dataclass(frozen=True)
class EncoderSource:
    """Where an encoder is, as stores and checkpoints keep it."""

    source: str
    """A folder, or an id on the hub."""
    revision: str | None = None
    """Commit on the hub; None in a folder, or for the latest."""

    @property
    def is_on_hub(self) -> bool:
        """Whether it is an id on the hub, and no folder of this machine."""
        return bool(re.fullmatch(_ID, self.source)) and not Path(self.source).is_dir()

    @classmethod
    def from_json(cls, content: Any) -> EncoderSource:  # noqa: ANN401 - of a file by strangers
        """Read what `dataclasses.asdict` made of one.

        Raises:
            ValueError: it is something else.
        """
        if isinstance(content, dict):
            source, revision = content.get("source"), content.get("revision")
            if isinstance(source, str) and isinstance(revision, str | None):
                return cls(source, revision)
        raise ValueError(f"an encoder has a source and a revision, got {content!r:.80}")


@dataclass(frozen=True)
class FoundEncoder:
    """An encoder on this machine."""

    source: EncoderSource
    folder: Path
    weights: Mapping[str, str]
    """sha256 by file name, of all that decides its features."""


def find_encoder(wanted: EncoderSource, *, offline: bool) -> FoundEncoder:
    """Find an encoder, downloading what the cache lacks of it, and read what it holds.

    Args:
        wanted: a folder is taken as it is; any other name is an id on the hub, which is asked for
            the newest commit where none is named.
        offline: look in the Hugging Face cache only. ``HF_HUB_OFFLINE`` means the same.

    Returns:
        Its sources with all that is needed to find it again: a folder's whole path, a commit.

    Raises:
        MissingAssetError: there is no such encoder, or it cannot be downloaded.
        IncompatibleModelError: its weights are not in safetensors, or a file is damaged.
    """
    folder = Path(wanted.source).expanduser()
    if folder.is_dir():
        found = EncoderSource(str(folder.resolve()))
    elif re.fullmatch(_ID, wanted.source):
        folder = _from_hub(wanted, offline=offline or hub_is_offline())
        found = EncoderSource(wanted.source, folder.name)
    else:
        raise MissingAssetError(f"there is no folder {wanted.source}")
    if not any(any(folder.glob(pattern)) for pattern in WEIGHTS):
        raise IncompatibleModelError(
            f"{wanted.source} holds no model.safetensors: weights in other files may run code. "
            "Save it with save_pretrained of transformers, or use another encoder"
        )
    with one_line(wanted.source, "encoder"):
        return FoundEncoder(found, folder, _contents(folder))


def load_network(folder: Path) -> PreTrainedModel:
    """Load an encoder's network, in float32 and ready for inference.

    Raises:
        ValueError: the file lacks weights, for which random numbers would stand.
    """
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    network, report = AutoModel.from_pretrained(
        str(folder),
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        dtype=torch.float32,
        output_loading_info=True,
    )
    missing = [name for name in sorted(report["missing_keys"]) if not re.match(_UNUSED, name)]
    if missing:
        raise ValueError(f"its weights lack {missing[0]} and {len(missing) - 1} more")
    loaded: PreTrainedModel = network.eval()
    return loaded


@contextmanager
def one_line(source: str, what: str) -> Iterator[None]:
    """Tell in one line that an encoder cannot be used, whatever libraries raise.

    Args:
        source: of the encoder.
        what: it should be.

    Raises:
        IncompatibleModelError: something that is not ours was raised.
    """
    try:
        yield
    except LdduPipeError:
        raise
    except Exception as error:  # what libraries raise for damaged files has no common base
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise IncompatibleModelError(f"{source} is no {what} of use here: {reason}") from error


def _from_hub(wanted: EncoderSource, *, offline: bool) -> Path:
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            wanted.source,
            revision=wanted.revision,
            allow_patterns=[*WEIGHTS, *SETTINGS, *TOKENIZER, *VOCABULARY],
            local_files_only=offline,
        )
    except Exception as error:  # of the hub, its HTTP client or its transfer engine
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise MissingAssetError(
            f"{wanted.source} is no folder and not in the Hugging Face cache"
            + ("" if offline else f", and cannot be downloaded ({reason})")
        ) from error
    return Path(folder)


def _contents(folder: Path) -> dict[str, str]:
    patterns = [*WEIGHTS, *SETTINGS, *TOKENIZER]
    if not (folder / TOKENIZER[0]).is_file():
        patterns += VOCABULARY
    paths = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return {
        path.name: _sha256_of_settings(path) if path.name in SETTINGS else sha256_of_file(path)
        for path in sorted(paths)
    }


def _sha256_of_settings(path: Path) -> str:
    """Of what settings say: an encoder that is saved anew elsewhere is the same one."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    kept = {key: value for key, value in content.items() if key not in _OF_NO_WEIGHT}
    return sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
