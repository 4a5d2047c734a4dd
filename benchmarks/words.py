"""Which words of a recogniser are believed: of English, of noise and of other languages.

Usage: python benchmarks/words.py --data shared/data [--half reported|chosen]
           [--recogniser NAME|DIR] [--write docs/annotation.md] [--details FILE]

Foreign sentences are spoken by espeak-ng, which must be installed; English is RAVDESS's actors
(clean, and 5 dB above pink noise or above another voice), a reader (two_cities.wav), and
espeak-ng's English voices of several accents. `before` believes all words within the bounds of
Whisper's own decoder, as faster-whisper's users do; `after` is the pipeline's recogniser. A sound
counts as kept where any word of it is believed; words that are not count as errors of the word
error rate. `voice` is the share of sounds whose voice is judged, with words or without.

The thresholds of `extractors.credibility` were chosen on the half `chosen`: other languages, other
actors, other sentences.
"""

# ruff: noqa: RUF001 - other alphabets are meant

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import librosa
import numpy as np
import torch
from faster_whisper.vad import get_speech_timestamps
from numpy.typing import NDArray

from lddu_pipe.assets import resolve
from lddu_pipe.extractors import credibility
from lddu_pipe.extractors.decoding import Reader
from lddu_pipe.extractors.polyglot import Languages
from lddu_pipe.extractors.speech import SpeechRecogniser
from lddu_pipe.extractors.whisper import SAMPLE_RATE, decode, find_whisper, load_whisper
from lddu_pipe.pipelines.settings import RECOGNISER
from report import machine, table, write_section

Waveform = NDArray[np.float32]

FOREIGN = {
    "cs": (
        "Nechápu, proč mi to nikdy neřekneš.",
        "Dnes je krásný den a půjdeme spolu k řece.",
        "Nech mě na pokoji, mám toho už dost!",
    ),
    "ro": (
        "Nu înțeleg de ce nu mă asculți niciodată.",
        "Ce zi frumoasă, hai să mergem împreună la mare.",
        "Lasă-mă în pace, m-am săturat de toate acestea!",
    ),
    "da": (
        "Jeg forstår ikke, hvorfor du aldrig lytter til mig.",
        "Det var en dejlig dag, og vi badede hele eftermiddagen.",
        "Gå din vej, jeg vil ikke se dig mere!",
    ),
    "nb": (
        "Jeg skjønner ikke hvorfor du aldri sier noe til meg.",
        "For en nydelig dag, la oss gå til stranden sammen.",
        "La meg være i fred, jeg har fått nok av dette!",
    ),
    "id": (
        "Saya tidak mengerti mengapa kamu tidak pernah mendengarkan.",
        "Hari ini indah sekali, mari kita pergi ke pantai.",
        "Pergi dari sini, aku tidak mau melihatmu lagi!",
    ),
    "vi": (
        "Tôi không hiểu tại sao bạn không bao giờ nghe tôi nói.",
        "Hôm nay trời đẹp quá, chúng ta cùng đi ra biển nhé.",
        "Hãy để tôi yên, tôi chán ngấy chuyện này rồi!",
    ),
    "sw": (
        "Sielewi kwa nini hunisikilizi kamwe.",
        "Leo ni siku nzuri sana, twende pamoja baharini.",
        "Niache peke yangu, nimechoka na mambo haya yote!",
    ),
    "fa": (
        "نمی‌فهمم چرا هیچ وقت به حرف من گوش نمی‌دهی.",
        "امروز روز زیبایی است و با هم به دریا می‌رویم.",
        "راحتم بگذار، از همه این‌ها خسته شده‌ام!",
    ),
    "bg": (
        "Не разбирам защо никога не ме слушаш.",
        "Какъв прекрасен ден, хайде да отидем на морето.",
        "Остави ме на мира, писна ми от всичко това!",
    ),
    "ca": (
        "No entenc per què no m'escoltes mai.",
        "Quin dia més bonic, anem junts a la platja.",
        "Deixa'm en pau, ja n'estic fart de tot això!",
    ),
    "et": (
        "Ma ei saa aru, miks sa mind kunagi ei kuula.",
        "Milline ilus päev, lähme koos mere äärde.",
        "Jäta mind rahule, mul on sellest kõigest kõrini!",
    ),
    "hr": (
        "Ne razumijem zašto me nikad ne slušaš.",
        "Kakav prekrasan dan, idemo zajedno na more.",
        "Ostavi me na miru, dosta mi je svega ovoga!",
    ),
}
"""Of the half that is reported."""
SUBTITLES = ("de", "es", "fi", "fr", "it", "pt", "ru", "tr", "zh")
"""Languages of the half that the thresholds were chosen on, from text/xed_other."""
VOICES = {"zh": "cmn"}  # espeak-ng's name where it is another
ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-029")
SPEAKERS = ("", "+f2", "+m3", "+f4")
STATEMENTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
TWO_CITIES = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was "
    "the age of foolishness, it was the epoch of belief, it was the epoch of incredulity, it "
    "was the season of Light, it was the season of Darkness, it was the spring of hope, it "
    "was the winter of despair, we had everything before us, we had nothing before us, we "
    "were all going direct to Heaven, we were all going direct the other way - in short, the "
    "period was so far like the present period, that some of its noisiest authorities "
    "insisted on its being received, for good or for evil, in the superlative degree of "
    "comparison only."
)
ACTORS_REPORTED = range(17, 21)
CLIPS, LINES = 20, 12
LEVEL = 5.0  # dB of speech above what is mixed in


class Item(NamedTuple):
    kind: str
    name: str
    sound: Waveform
    said: str | None
    """None in other languages."""


class Outcome(NamedTuple):
    kind: str
    name: str
    said: str | None
    before: str
    after: str
    voice: bool


def load(path: Path) -> Waveform:
    return np.asarray(librosa.load(path, sr=SAMPLE_RATE)[0], np.float32)


def speak(text: str, voice: str) -> Waveform:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        subprocess.run(["espeak-ng", "-v", voice, "-w", str(path), "--", text], check=True)
        return load(path)


def pink(samples: int, generator: np.random.Generator) -> Waveform:
    spectrum = np.fft.rfft(generator.normal(size=samples))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    return np.fft.irfft(spectrum, samples).astype(np.float32)


def mix(speech: Waveform, other: Waveform) -> Waveform:
    """Both, `LEVEL` dB apart."""
    ratio = np.sqrt(np.mean(speech**2) / np.mean(other**2)) / 10 ** (LEVEL / 20)
    mixed = speech + ratio * other
    return np.asarray(mixed / max(1.0, np.abs(mixed).max()), np.float32)


def sentences(path: Path, count: int, generator: np.random.Generator) -> list[str]:
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    texts = [json.loads(line)["text"] for line in content.splitlines()]
    wide = any("\u4e00" <= letter <= "\u9fff" for letter in texts[0])
    low, high = (12, 30) if wide else (35, 90)
    usable = [text for text in texts if low <= len(text) <= high and not set(text) & set("[]@#-")]
    return [usable[index] for index in generator.choice(len(usable), count, replace=False)]


def items(data: Path, half: str) -> Iterator[Item]:
    reported = half == "reported"
    generator = np.random.default_rng(17 if reported else 71)
    if reported:
        foreign = FOREIGN
    else:
        folder = data / "text" / "xed_other"
        foreign = {
            name: sentences(folder / f"{name}.jsonl.gz", 4, generator) for name in SUBTITLES
        }
    for language, texts in foreign.items():
        for text, speaker in zip(texts, SPEAKERS, strict=False):
            sound = speak(text, VOICES.get(language, language) + speaker)
            yield Item("other languages", f"{language}{speaker} {text}", sound, None)
    english = sentences(
        data / "text/xed" / ("valid.jsonl" if reported else "train.jsonl"), LINES, generator
    )
    for number, text in enumerate(english):
        voice = ACCENTS[number % len(ACCENTS)] + SPEAKERS[number // len(ACCENTS)]
        yield Item("English voices of espeak-ng", f"{voice} {text}", speak(text, voice), text)
    reader = load(data / "media/two_cities.wav")
    clips = [
        path
        for path in sorted((data / "audio/ravdess").glob("*.flac"))
        if (int(path.stem[-2:]) in ACTORS_REPORTED) == reported
    ]
    for index in generator.choice(len(clips), CLIPS, replace=False):
        path = clips[index]
        sound, said = load(path), STATEMENTS[path.stem.split("-")[4]]
        yield Item("RAVDESS", path.stem, sound, said)
        noisy = mix(sound, pink(len(sound), generator))
        yield Item("RAVDESS, 5 dB above noise", path.stem, noisy, said)
        start = generator.integers(len(reader) - len(sound))
        other = reader[start : start + len(sound)]
        yield Item("RAVDESS, 5 dB above a voice", path.stem, mix(sound, other), said)
    if reported:
        yield Item("reader", "two_cities", reader, TWO_CITIES)
        noisy = mix(reader, pink(len(reader), generator))
        yield Item("reader, 5 dB above noise", "two_cities", noisy, TWO_CITIES)


def bounded(recogniser: SpeechRecogniser, sound: Waveform) -> str:
    """The words within the bounds of Whisper's own decoder."""
    chunks = get_speech_timestamps(sound)
    if not chunks:
        return ""
    speech = np.concatenate([sound[chunk["start"] : chunk["end"]] for chunk in chunks])
    return " ".join(
        segment.text.strip()
        for segment in decode(recogniser._model, speech)
        if segment.words and credibility.within_bounds(segment)
    )


def outcome(recogniser: SpeechRecogniser, item: Item) -> Outcome:
    before = bounded(recogniser, item.sound)
    heard = recogniser.transcribe(item.sound)
    after = " ".join(cue.text for cue in heard.cues)
    voice = bool(heard.words or heard.unrecognised)
    return Outcome(item.kind, item.name, item.said, before, after, voice)


def errors(said: str, heard: str) -> tuple[int, int]:
    """Words to insert, delete or replace, and words that were said."""
    first, second = (credibility.letters(text).split() for text in (said, heard))
    row = list(range(len(second) + 1))
    for number, word in enumerate(first, start=1):
        last, row[0] = row[0], number
        for index, other in enumerate(second, start=1):
            last, row[index] = (
                row[index],
                min(last + (word != other), row[index] + 1, row[index - 1] + 1),
            )
    return row[-1], len(first)


def lines(outcomes: list[Outcome]) -> Iterator[list[str]]:
    for kind in dict.fromkeys(item.kind for item in outcomes):
        found = [item for item in outcomes if item.kind == kind]

        def share(count: int, of: int) -> str:
            return f"{100 * count / of:.1f} %"

        cells = [kind, str(len(found))]
        cells += [share(sum(bool(item.before) for item in found), len(found))]
        cells += [share(sum(bool(item.after) for item in found), len(found))]
        for name in ("before", "after"):
            if any(item.said is None for item in found):
                cells.append("")
                continue
            wrong = [errors(item.said or "", getattr(item, name)) for item in found]
            cells.append(share(sum(count for count, _ in wrong), sum(of for _, of in wrong)))
        yield [*cells, share(sum(item.voice for item in found), len(found))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, help="shared/data")
    parser.add_argument("--half", choices=["reported", "chosen"], default="reported")
    parser.add_argument("--recogniser", default=RECOGNISER)
    parser.add_argument("--write", type=Path, help="page to write the table into")
    parser.add_argument("--details", type=Path, help="JSON lines: what became of each sound")
    arguments = parser.parse_args()
    default = arguments.recogniser == RECOGNISER
    folder = (
        resolve("whisper-tiny.en") if default else find_whisper(arguments.recogniser, offline=True)
    )
    model = load_whisper(folder, "cpu", torch.get_num_threads())
    recogniser = SpeechRecogniser(Languages(Reader(model)), arguments.recogniser)
    outcomes = []
    for item in items(arguments.data, arguments.half):
        outcomes.append(outcome(recogniser, item))
        if arguments.details:
            with arguments.details.open("a") as file:
                file.write(json.dumps(outcomes[-1]._asdict(), ensure_ascii=False) + "\n")
    heads = ["sounds", "", "kept before", "after", "errors before", "after", "voice"]
    text = table(heads, list(lines(outcomes)))
    print(text)
    if arguments.write:
        write_section(arguments.write, "words", f"\n{text}\n{machine()}\n")


if __name__ == "__main__":
    main()
