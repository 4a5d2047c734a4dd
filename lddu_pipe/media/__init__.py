"""Media files: what is in them, their sound and their pictures.

Nothing outside this package starts ffmpeg or knows a container format.
"""

from __future__ import annotations

from lddu_pipe.media.decode import Frame, decode_audio, decode_frames, decode_waveform
from lddu_pipe.media.ffmpeg import find_ffmpeg, version_of
from lddu_pipe.media.probe import probe
from lddu_pipe.media.recent import RecentSound
from lddu_pipe.media.redraw import Planes, redraw, redrawn_size
from lddu_pipe.media.waveform import Waveform, WaveformLike

__all__ = [
    "Frame",
    "Planes",
    "RecentSound",
    "Waveform",
    "WaveformLike",
    "decode_audio",
    "decode_frames",
    "decode_waveform",
    "find_ffmpeg",
    "probe",
    "redraw",
    "redrawn_size",
    "version_of",
]
