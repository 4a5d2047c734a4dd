"""Extractors that are not part of this package, found by the name that a person gives."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterable
from hashlib import sha256
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.extractors.base import Extractor
from lddu_pipe.types import MODALITIES, Modality

GROUP = "lddu_pipe.extractors"
"""Of entry points by which an installed package names its extractors."""


def find_extractors(names: Iterable[str]) -> dict[Modality, type[Extractor]]:
    """Import extractors by their names, which runs their code.

    So the names must come from whoever runs this program, and never from a file that is read.

    Args:
        names: of each, ``FILE.py:CLASS``, ``MODULE:CLASS`` or an entry point of `GROUP`.

    Returns:
        One class a modality.

    Raises:
        UnusableInputError: there is no such extractor, it is none, or two are of one modality.
    """
    found: dict[Modality, type[Extractor]] = {}
    for name in names:
        extractor = _find(name)
        if extractor.modality in found:
            raise UnusableInputError(
                f"{name}: there is another extractor of {extractor.modality}; name one"
            )
        found[extractor.modality] = extractor
    return found


def _find(name: str) -> type[Extractor]:
    try:
        extractor = _load(name)
    except UnusableInputError:
        raise
    except Exception as error:  # whatever the code of somebody else raises
        reason = (str(error).strip().splitlines() or [""])[0]
        raise UnusableInputError(
            f"the extractor {name} cannot be imported ({type(error).__name__}: {reason})"
        ) from error
    if not (inspect.isclass(extractor) and issubclass(extractor, Extractor)):
        raise UnusableInputError(f"{name} is no extractor: derive its class from one of {_BASES}")
    missing = sorted(extractor.__abstractmethods__)
    if missing or getattr(extractor, "modality", None) not in MODALITIES:
        lacks = ", ".join(missing) or f"a modality: derive it from one of {_BASES}"
        raise UnusableInputError(f"the extractor {name} lacks {lacks}")
    if getattr(extractor, "name", "") in {"", *MODALITIES}:
        raise UnusableInputError(f"the extractor {name} needs a `name` of its own")
    return extractor


_BASES = "WordExtractor, SoundExtractor and FrameExtractor of lddu_pipe.extractors.base"


def _load(name: str) -> object:
    place, colon, attribute = name.rpartition(":")
    if not colon:
        installed = entry_points(group=GROUP)
        if name not in installed.names:
            known = ", ".join(sorted(installed.names)) or "none"
            raise UnusableInputError(
                f"no installed package names an extractor {name!r} (known: {known}); give "
                "FILE.py:CLASS or MODULE:CLASS"
            )
        return installed[name].load()
    module = _run(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    if not hasattr(module, attribute):
        raise UnusableInputError(f"{place} has no {attribute}")
    return getattr(module, attribute)


def _run(file: Path) -> ModuleType:
    """Import a file that is no part of a package, once."""
    file = file.expanduser().resolve()
    if not file.is_file():
        raise UnusableInputError(f"there is no file {file}")
    name = f"_lddu_pipe_own_{file.stem}_{sha256(str(file).encode()).hexdigest()[:8]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise UnusableInputError(f"{file} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # where dataclasses look for what their annotations name
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]
