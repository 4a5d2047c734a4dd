"""Speech recognition by faster-whisper; where nobody speaks it gives no words.

Whisper writes English sentences for whatever it hears: for music, for sobs, for Swedish. What it
invents is told from what was said by how sure it is of its words and, where it is not, by reading
the same sound a second time (`credibility`). A voice whose words cannot be believed is still a
voice: its place is kept, without words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from faster_whisper.transcribe import Segment, restore_speech_timestamps
from numpy.typing import NDArray

from lddu_pipe.events import WordsHeard
from lddu_pipe.extractors.blocks import MIN_VOICE, Block
from lddu_pipe.extractors.credibility import SURE_OF_REST, sureness, within_bounds
from lddu_pipe.extractors.decoding import quietest_end
from lddu_pipe.extractors.polyglot import Languages, Polyglot
from lddu_pipe.extractors.whisper import SAMPLE_RATE, skim
from lddu_pipe.media import WaveformLike
from lddu_pipe.transcripts.cues import merge_pieces
from lddu_pipe.types import Cue, TimeSpan, Transcript, Word

if TYPE_CHECKING:
    from lddu_pipe.extractors.bursts import BurstFinder
    from lddu_pipe.extractors.voices import VoiceTeller

MIN_SAMPLES = SAMPLE_RATE // 10  # less is shorter than any word, and the voice detector needs it

# WaveformLike is recognised in blocks, so that an hour takes no more memory than a few minutes.
MAX_BLOCK = 180.0  # seconds
SEARCH = 60.0  # seconds before its end in which a block is ended, at the quietest moment


class SpeechRecogniser:
    """Turns sound into words with times and probabilities."""

    def __init__(self, languages: Languages, name: str, bursts: BurstFinder | None = None) -> None:
        """Use models.

        Args:
            languages: read what is said.
            name: goes into the transcript.
            bursts: finds voices without words; without it only speech is heard.
        """
        self._languages = languages
        self._bursts = bursts
        self.name = name
        self.language = languages.spoken
        self.tells_languages = languages.known
        """Whether the language is found out, or was said; else all speech is taken for English."""

    def transcribe(self, waveform: WaveformLike) -> Transcript:
        """Recognise what is said, to the end; see `listen`.

        Returns:
            One cue a recognised segment, whose words name their language, and the spans of voices
            whose words were not recognised: mumbled, drowned in noise, of a language that is not
            known, or laughter and the like without any. Neither where nobody is heard.
        """
        heard = list(self.listen(waveform))
        return Transcript(
            tuple(cue for news in heard for cue in news.cues),
            source=self.name,
            language=self.language,
            unrecognised=tuple(cue for news in heard for cue in news.unrecognised),
        )

    def listen(
        self, waveform: WaveformLike, voices: VoiceTeller | None = None
    ) -> Iterator[WordsHeard]:
        """Recognise what is said, and tell of it as it is recognised.

        Args:
            waveform: (samples,) float32 mono at 16 kHz, read as far as it is listened to: in
                blocks of at most `MAX_BLOCK` seconds that end where it is quiet.
            voices: tells the voices of this recording apart; without it they are not.
        """
        start, length = 0, round(MAX_BLOCK * SAMPLE_RATE)
        polyglot = self.polyglot()
        # One sample more than a block tells whether it is the last.
        while len(samples := waveform[start : start + length + 1]) >= MIN_SAMPLES:
            if len(samples) > length:
                samples = samples[: quietest_end(samples[:length], SEARCH)]
            yield from self._hear(samples, start / SAMPLE_RATE, voices, polyglot)
            start += len(samples)

    def _hear(
        self,
        samples: NDArray[np.float32],
        offset: float,
        voices: VoiceTeller | None,
        polyglot: Polyglot,
    ) -> Iterator[WordsHeard]:
        """Tell what is said in a block that begins at second `offset`.

        What lies before words that are believed is settled with them.
        """
        block = self.block(samples, offset)
        if voices is not None and block.chunks:
            block.tell_apart(voices)
        for cue in self.believed(block, polyglot):
            yield block.settle(cue)
        yield block.settle(None)

    def block(
        self,
        samples: NDArray[np.float32],
        offset: float,
        *,
        levels: NDArray[np.float32] | None = None,
        silent: bool = False,
    ) -> Block:
        """Take a stretch of sound, in which words are still to be recognised.

        Args:
            samples: (samples,) float32 mono at 16 kHz.
            offset: seconds of the media at which they begin.
            levels: how loud it was before; see `BurstFinder.over`.
            silent: it is known that nobody speaks.
        """
        bursts = self._bursts.over(samples, levels) if self._bursts else None
        return Block(samples, offset, bursts, [] if silent else None)

    def polyglot(self) -> Polyglot:
        """What remembers which languages are spoken in one recording."""
        return Polyglot(self._languages)

    def skim(self, block: Block, polyglot: Polyglot) -> list[Word]:
        """Words of a block that goes on, quickly and not to be relied on; see `whisper.skim`.

        There are none while another language is spoken than the recogniser's own.
        """
        native = polyglot.native
        if not block.chunks or native is None:
            return []
        segments = restore_speech_timestamps(
            skim(native.model, block.speech), list(block.chunks), SAMPLE_RATE
        )
        start, duration = block.span.start, block.span.duration
        return [
            word
            for segment in segments
            if within_bounds(segment) and sureness(segment) > SURE_OF_REST
            for word in _words(segment, start, duration, native.language)
        ]

    def believed(self, block: Block, polyglot: Polyglot) -> Iterator[Cue]:
        """Recognise the words of a block, and note in it where they are not believed.

        Args:
            block: of a recording.
            polyglot: of the same recording.

        Yields:
            Each segment whose words are believed, in order.
        """
        if not block.chunks:
            return
        for segment, language, credible in polyglot.read(block.speech):
            (placed,) = restore_speech_timestamps([segment], list(block.chunks), SAMPLE_RATE)
            cue = _cue(placed, block.span.start, block.span.duration, language)
            if cue is not None and credible:
                yield cue
            elif cue is not None and cue.span.duration >= MIN_VOICE / 2:
                block.doubted.append(cue.span)


def _cue(segment: Segment, offset: float, duration: float, language: str) -> Cue | None:
    """A segment of a block that begins at second `offset`, if it has words."""
    words = tuple(_words(segment, offset, duration, language))
    if not words:
        return None
    span = TimeSpan(words[0].span.start, words[-1].span.end)
    return Cue(segment.text.strip(), span, words)


def _words(segment: Segment, offset: float, duration: float, language: str) -> list[Word]:
    pieces = []
    latest = 0.0
    for word in segment.words or ():
        # Times are estimates and may run over the end of the sound or cross each other.
        start = min(max(float(word.start), latest), duration)
        end = min(max(float(word.end), start), duration)
        latest = start
        if word.word.strip():
            probability = min(1.0, max(0.0, float(word.probability)))
            span = TimeSpan(start + offset, end + offset)
            pieces.append(Word(word.word, span, probability, language=language))
    return merge_pieces(pieces)
