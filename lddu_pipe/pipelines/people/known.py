"""People of whom there are pictures: a folder whose file names are their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.extractors.faces import FaceLandmarker
from lddu_pipe.extractors.identity import FaceIdentity, unit
from lddu_pipe.files import sha256_of_file
from lddu_pipe.media import decode_frames, probe

_NUMBERED = re.compile(r"(?<=.)_\d+$")
_SIDE = 960  # pixels of the longer side in which a face is looked for


def pictures_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """The pictures of a folder, in order, each with the name of who is in it.

    ``Ann.jpg`` shows Ann, and so do ``Ann_1.jpg``, ``Ann_2.jpg`` and all in the folder ``Ann``.
    What begins with a dot is passed over.

    Raises:
        UnusableInputError: there is no such folder or no picture in it, or a name is no text.
    """
    found = False
    for entry in _entries(folder):
        for path in _entries(entry) if entry.is_dir() else [entry]:
            name = entry.name if entry.is_dir() else _NUMBERED.sub("", entry.stem)
            if path.is_dir():
                raise UnusableInputError(f"{path} is a folder, where pictures of {name} belong")
            if not name.isprintable():
                raise UnusableInputError(f"{path.name!a} in {folder} is no name of a person")
            found = True
            yield name, path
    if not found:
        raise UnusableInputError(f"{folder} holds no pictures of known people, such as Ann.jpg")


def digests_of(folder: Path) -> dict[str, str]:
    """The sha256 of each picture of a folder, by its path in there.

    Raises:
        UnusableInputError: as `pictures_of`, or a picture cannot be read.
    """
    try:
        return {
            path.relative_to(folder).as_posix(): sha256_of_file(path)
            for _, path in pictures_of(folder)
        }
    except OSError as error:
        raise UnusableInputError(f"{error.filename}: {error.strerror}") from None


def read_known(
    folder: Path, identity: FaceIdentity, landmarker: Path
) -> dict[str, NDArray[np.float32]]:
    """Look at pictures of known people. What is found stays in memory.

    Args:
        folder: see `pictures_of`.
        identity: says whose a face is.
        landmarker: the ``face_landmarker.task`` file.

    Returns:
        A vector of length 1 by name, of all pictures of that person.

    Raises:
        UnusableInputError: a picture cannot be read or used; the message names it and says why.
    """
    vectors: dict[str, list[NDArray[np.float32]]] = {}
    with FaceLandmarker(landmarker, video=True) as faces:
        for name, path in pictures_of(folder):
            vectors.setdefault(name, []).append(_read(path, identity, faces))
    return {name: unit(np.sum(found, axis=0)) for name, found in vectors.items()}


def _read(path: Path, identity: FaceIdentity, landmarker: FaceLandmarker) -> NDArray[np.float32]:
    media = probe(path)
    if media.video is None or not media.video.still:
        raise UnusableInputError(f"{path} is no picture; a known person is shown by pictures")
    image = next(iter(decode_frames(media, 1.0, _SIDE))).image
    landmarker.forget()  # each picture is of another place
    found = landmarker.detect(image)
    if not found:
        raise UnusableInputError(f"{path}: no face is found; cut the picture to the face")
    if len(found) > 1:
        raise UnusableInputError(
            f"{path}: {len(found)} faces are found; cut the picture to the one that is meant"
        )
    vector = identity.embed(image, found[0])
    if vector is None:
        raise UnusableInputError(
            f"{path}: the face is too small or turned too far to the side to be known again"
        )
    return vector


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UnusableInputError(f"{folder}: {error.strerror}") from None
