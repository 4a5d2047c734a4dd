"""The video itself, with what was found drawn on it: boxes, names, emotions and words.

This package loads matplotlib, for its letters.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lddu_pipe.annotation import Annotation, SourceInfo
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.files import made_whole, sha256_of_file
from lddu_pipe.media import Planes, probe, redraw, redrawn_size
from lddu_pipe.writers.escaping import printable
from lddu_pipe.writers.overlay.drawing import Drawing


def save(
    annotation: Annotation, path: Path, progress: Callable[[float], None] = lambda share: None
) -> None:
    """Write the video as MP4, whole or not at all; it may take long and be large.

    Args:
        annotation: what is drawn; its media is read again, from where it was.
        path: of the new file.
        progress: called with the share that is done, 0..1.

    Raises:
        UnusableInputError: the media is gone, has changed, is no video or cannot be written.
        MissingAssetError: there is no ffmpeg, or one that knows no H.264.
        OSError: the folder does not exist or cannot be written.
    """
    source = _source(annotation.media)
    if path.exists() and path.samefile(source):
        raise UnusableInputError(f"{path} is to be read and written; give another -o DIR")
    config = annotation.provenance.config
    tracks = {name: config[name] for name in ("audio_track", "video_track") if name in config}
    media = probe(source, **tracks)
    drawing = Drawing(annotation, *redrawn_size(media))

    def draw(planes: Planes) -> None:
        drawing.draw(planes)
        progress(planes.time / media.duration if media.duration else 1.0)

    with made_whole(path) as target:
        redraw(media, target, draw)


def _source(media: SourceInfo) -> Path:
    """The file that was annotated.

    Raises:
        UnusableInputError: it is no video, is not there any more, or another.
    """
    name = printable(media.path) or "data in memory"
    if not media.is_video:
        what = "is a picture" if media.has_video else "has no picture to draw on"
        raise UnusableInputError(f"{name} {what}; mp4 is for videos")
    if not media.path:
        raise UnusableInputError(f"{name} is in no file; mp4 draws on the file of a video")
    source = Path(media.path)
    if not source.is_file():
        raise UnusableInputError(
            f"{name}, which was annotated, is not there any more; put it back, or give the "
            "command in the folder from which it was named"
        )
    if media.sha256 and sha256_of_file(source) != media.sha256:
        raise UnusableInputError(f"{name} has changed since it was annotated; annotate it again")
    return source
