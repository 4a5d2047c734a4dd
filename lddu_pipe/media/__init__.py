"""Media files: what is in them, their sound and their pictures.

Nothing outside this package starts ffmpeg or knows a container format.
"""

from __future__ import annotations

from lddu_pipe.media.decode import Frame, decode_audio, decode_frames
from lddu_pipe.media.ffmpeg import find_ffmpeg
from lddu_pipe.media.probe import probe

__all__ = ["Frame", "decode_audio", "decode_frames", "find_ffmpeg", "probe"]
