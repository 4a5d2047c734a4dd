"""Parts of extractors that were trained for a model's features, and go wherever it goes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lddu_pipe.extractors.expression import ExpressionNetwork
from lddu_pipe.extractors.heard import SOUND_CONFIG_FILE, SOUND_FILE, SoundNetwork
from lddu_pipe.files import sha256_of_file
from lddu_pipe.types import Modality

EXPRESSION_FILE = "expression.safetensors"
ADAPTER_FOLDER = "text_adapter"
"""A folder of its own: transformers would take an adapter beside a model for that model's."""
ADAPTER_FILE = f"{ADAPTER_FOLDER}/adapter_model.safetensors"
CONTEXT_FILE = f"{ADAPTER_FOLDER}/context.json"
"""How much of what was said before an utterance the adapter was trained to read with it, as
``{"context_pieces": 32}``; there is none where it reads an utterance alone."""
COMPANIONS = {
    EXPRESSION_FILE: ("expression.json",),
    ADAPTER_FILE: (f"{ADAPTER_FOLDER}/adapter_config.json", CONTEXT_FILE),
    SOUND_FILE: (SOUND_CONFIG_FILE,),
}
"""The weights of all such parts, and the configuration beside each."""
MOST_CONTEXT = 256
"""Word pieces."""
SHIPPED = Path(__file__).parents[1] / "checkpoints" / "lddu-base-en"
"""The folder of those that come with the package."""
_OF: Mapping[Modality, str] = {"vision": EXPRESSION_FILE, "text": ADAPTER_FILE}


@dataclass(frozen=True)
class Companions:
    """Such parts, in a folder that may hold more."""

    folder: Path
    weights: Mapping[str, str]
    """sha256 by file name, of those that are there and used."""
    expression: ExpressionNetwork | None
    """None where faces are looked at by another extractor, or by none."""
    context_pieces: int = 0
    """As of `TextSettings`, of the encoder with its adapter."""
    sound: SoundNetwork | None = None
    """None where nobody is heard without words."""

    @classmethod
    def load(cls, folder: Path = SHIPPED) -> Companions:
        """Read those of a folder; it may have none.

        Raises:
            ValueError: one of them is damaged.
        """
        weights = {
            name: sha256_of_file(folder / name) for name in COMPANIONS if (folder / name).is_file()
        }
        expression = ExpressionNetwork.load(folder) if EXPRESSION_FILE in weights else None
        context_pieces = _read_context(folder / CONTEXT_FILE) if ADAPTER_FILE in weights else 0
        sound = SoundNetwork.load(folder) if SOUND_FILE in weights else None
        return cls(folder, weights, expression, context_pieces, sound)

    @property
    def adapter(self) -> Path | None:
        """The folder of the text encoder's adapter; None where the encoder is used as it is."""
        return self.folder / ADAPTER_FOLDER if ADAPTER_FILE in self.weights else None

    def without(self, modalities: Collection[Modality]) -> Companions:
        """Those that are left where others extract the features of some modalities.

        What finds voices without words stays: it listens by itself.
        """
        unused = {_OF[modality] for modality in modalities if modality in _OF}
        return replace(
            self,
            weights={name: sha for name, sha in self.weights.items() if name not in unused},
            expression=None if EXPRESSION_FILE in unused else self.expression,
            context_pieces=0 if ADAPTER_FILE in unused else self.context_pieces,
        )


def copy_companions(source: Path, target: Path, names: Iterable[str]) -> None:
    """Copy those of `COMPANIONS` that `names` lists and the folder `source` holds."""
    for weights in names:
        for name in (weights, *COMPANIONS[weights]):
            if (source / name).is_file():
                (target / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(source / name, target / name)


def _read_context(path: Path) -> int:
    if not path.is_file():
        return 0
    content = json.loads(path.read_text(encoding="utf-8"))
    pieces = content.get("context_pieces") if isinstance(content, dict) else None
    if type(pieces) is not int or not 1 <= pieces <= MOST_CONTEXT:
        raise ValueError(f"{path.name} says no context_pieces from 1 to {MOST_CONTEXT}")
    return pieces
