"""Which languages are told, in speech and in writing, and what it costs.

Usage: python benchmarks/languages.py --data shared/data [--real DIR] [--write docs/languages.md]

Sentences in eight languages and in English are spoken by espeak-ng, which must be installed.
`right` and `wrong` are of the language that the sound alone tells, which may be none; `words` is
the share of clips of which words are believed, `of another language` that of clips with words in a
wrong one. `--real` is a folder with recordings of people, `CODE/*.g722` or any format that ffmpeg
reads: of Asterisk's prompts, which are in Debian (asterisk-core-sounds-fr-g722 and others), every
tenth one that lasts 3 s or more is heard. English clips are RAVDESS's, every hundredth, and the
real ones of `--data`: their words must be the same as without the second recogniser. The time is
that of one processor, without loading.
"""

# ruff: noqa: RUF001 - other alphabets are meant

from __future__ import annotations

import argparse
import gzip
import json
import re
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import librosa
import numpy as np
import torch
from imageio_ffmpeg import get_ffmpeg_exe
from numpy.typing import NDArray

from lddu_pipe.assets import resolve
from lddu_pipe.extractors.decoding import Reader
from lddu_pipe.extractors.polyglot import Languages
from lddu_pipe.extractors.speech import SpeechRecogniser
from lddu_pipe.extractors.spoken_language import LanguageTeller
from lddu_pipe.extractors.whisper import SAMPLE_RATE, load_whisper
from lddu_pipe.extractors.written_language import language_of
from lddu_pipe.transcripts.cues import split_words
from report import machine, table, write_section

SENTENCES = {
    "de": (
        "Ich habe heute die Prüfung bestanden und bin sehr glücklich, wir feiern heute Abend.",
        "Gestern ist meine Großmutter gestorben, und ich weiß nicht, wie es weitergehen soll.",
        "Morgen früh fährt der Zug um sieben Uhr vom Bahnhof ab, bitte sei pünktlich.",
        "Wo warst du denn die ganze Nacht? Wir haben uns große Sorgen um dich gemacht.",
        "Es ist sehr kalt geworden, und die Kinder spielen nicht mehr im Garten.",
        "Wir haben gestern lange über das neue Haus und den großen Garten gesprochen.",
    ),
    "es": (
        "Estoy muy contenta porque mañana llegan mis hermanos a pasar la Navidad.",
        "No puedo creer que me hayas mentido otra vez, estoy harto de tus excusas.",
        "Tengo mucho miedo de quedarme sola en esta casa cuando llega la noche.",
        "El tren sale a las siete de la mañana desde la estación central.",
        "Hace mucho frío y los niños ya no juegan en el jardín de la casa.",
        "Ayer hablamos mucho tiempo de la casa nueva y del jardín grande.",
    ),
    "fr": (
        "Je suis très heureuse, nous avons enfin trouvé une maison au bord de la mer.",
        "Il est parti ce matin sans dire au revoir et depuis je ne fais que pleurer.",
        "Le train de sept heures est en retard, il faut attendre encore vingt minutes.",
        "Il fait très froid et les enfants ne jouent plus dans le jardin.",
        "Hier nous avons parlé longtemps de la nouvelle maison et du grand jardin.",
        "Je ne comprends pas pourquoi tu ne m'écoutes jamais quand je te parle.",
    ),
    "it": (
        "Sono felicissima, finalmente abbiamo vinto la partita dopo tanti anni di sconfitte.",
        "Ho tanta paura di restare da sola in questa casa quando arriva la notte.",
        "Il treno parte alle sette di mattina dalla stazione centrale, non arrivare in ritardo.",
        "Dove sei stato ieri sera? Eravamo tutti molto preoccupati per te.",
        "Fa molto freddo e i bambini non giocano più nel giardino della casa.",
        "Ieri abbiamo parlato a lungo della casa nuova e del giardino grande.",
    ),
    "pl": (
        "Jestem bardzo szczęśliwa, bo jutro przyjeżdżają moi bracia na święta.",
        "Nie mogę uwierzyć, że znowu mnie okłamałeś, mam dość twoich wymówek.",
        "Bardzo się boję zostać sama w tym domu, kiedy zapada noc.",
        "Pociąg odjeżdża o siódmej rano z dworca głównego, proszę się nie spóźnić.",
        "Jest bardzo zimno i dzieci nie bawią się już w ogrodzie.",
        "Wczoraj długo rozmawialiśmy o nowym domu i o dużym ogrodzie.",
    ),
    "pt": (
        "Estou muito feliz porque amanhã chegam os meus irmãos para passar o Natal.",
        "Não acredito que você mentiu para mim outra vez, estou cansado das suas desculpas.",
        "Tenho muito medo de ficar sozinha nesta casa quando chega a noite.",
        "O trem sai às sete horas da manhã da estação central, não chegue atrasado.",
        "Está muito frio e as crianças já não brincam no jardim da casa.",
        "Ontem falamos muito tempo sobre a casa nova e o jardim grande.",
    ),
    "ru": (
        "Я так счастлива, что мы наконец нашли квартиру в центре города.",
        "Вчера умерла моя бабушка, и я не знаю, как жить дальше.",
        "Поезд отправляется в семь часов утра с центрального вокзала.",
        "Где ты был вчера вечером? Мы все очень волновались за тебя.",
        "Стало очень холодно, и дети больше не играют в саду.",
        "Вчера мы долго говорили о новом доме и о большом саде.",
    ),
    "tr": (
        "Çok mutluyum, çünkü yarın kardeşlerim tatil için İstanbul'dan geliyor.",
        "Bana yine yalan söylediğine inanamıyorum, bahanelerinden bıktım artık.",
        "Gece olunca bu evde yalnız kalmaktan çok korkuyorum.",
        "Tren sabah saat yedide merkez istasyondan kalkıyor, lütfen geç kalma.",
        "Hava çok soğuk oldu ve çocuklar artık bahçede oynamıyor.",
        "Dün yeni ev ve büyük bahçe hakkında uzun süre konuştuk.",
    ),
    "en": (
        "I am so happy today, because my brothers are coming home for Christmas tomorrow.",
        "I cannot believe that you lied to me again, I am tired of all your excuses.",
        "I am very afraid of being alone in this house when the night comes.",
        "The train leaves at seven in the morning from the central station.",
        "Where were you last night? We were all very worried about you.",
        "Yesterday we talked for a long time about the new house and the large garden.",
        "It has become very cold, and the children do not play in the garden any more.",
        "My grandmother died yesterday, and I do not know how to go on.",
        "We have found a house by the sea, and everybody is looking forward to it.",
        "Please tell me what you want to do on Sunday, and I will come with you.",
        "This morning he left without a word, and since then I cannot sleep.",
        "You never listen when I talk to you, and I do not understand why.",
    ),
}
VOICES = {"en": "en-gb", "pt": "pt-br", "es": "es-419", "fr": "fr-fr"}
"""espeak-ng's name where it is another."""
SPEED = 150  # words a minute
EACH = 20
"""Of real recordings, one in so many is heard."""
SHORTEST = 3.0  # seconds
FEWEST, LINES = 20, 120
"""Of each language and length in words, at least and at most, for written language."""
NAMES = {
    "chn": "zh",
    "deu": "de",
    "esp": "es",
    "hin": "hi",
    "ptbr": "pt",
    "rus": "ru",
    "ukr": "uk",
}
LENGTHS = ((1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 10_000))

Waveform = NDArray[np.float32]


class Clip(NamedTuple):
    kind: str
    language: str
    sound: Waveform


def load(path: Path) -> Waveform:
    raw = ["-f", "g722"] if path.suffix == ".g722" else []
    command = [get_ffmpeg_exe(), "-v", "error", *raw, "-i", str(path), "-vn"]
    done = subprocess.run(
        [*command, "-f", "f32le", "-ac", "1", "-ar", str(SAMPLE_RATE), "-"],
        stdout=subprocess.PIPE,
        check=True,
    )
    return np.frombuffer(done.stdout, np.float32)


def speak(text: str, voice: str) -> Waveform:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        command = ["espeak-ng", "-v", voice, "-s", str(SPEED), "-w", str(path), "--", text]
        subprocess.run(command, check=True)
        return np.asarray(librosa.load(path, sr=SAMPLE_RATE)[0], np.float32)


def clips(data: Path, real: Path | None) -> Iterator[Clip]:
    for language, sentences in SENTENCES.items():
        for text in sentences:
            yield Clip("espeak-ng", language, speak(text, VOICES.get(language, language)))
    for folder in sorted(real.iterdir()) if real else []:
        sounds = (load(path) for path in sorted(folder.glob("*"))[::EACH] if path.is_file())
        for sound in sounds:
            if len(sound) >= SHORTEST * SAMPLE_RATE:
                yield Clip("people", folder.name, sound)
    for path in sorted((data / "audio" / "ravdess").glob("*.flac"))[::100]:
        yield Clip("people", "en", load(path))
    for path in sorted((data / "media").iterdir()):
        yield Clip("media", "en", load(path))


def recognisers() -> tuple[SpeechRecogniser, SpeechRecogniser, LanguageTeller]:
    """Of English alone, as it was before, and of many languages; and what tells these."""
    english = Reader(load_whisper(resolve("whisper-tiny.en"), "cpu"))
    many = load_whisper(resolve("whisper-base"), "cpu")
    teller = LanguageTeller(many)
    both = Languages(english, partial(Reader, many), teller)
    before, after = SpeechRecogniser(Languages(english), "before"), SpeechRecogniser(both, "after")
    return before, after, teller


class Outcome(NamedTuple):
    kind: str
    language: str
    seconds: float
    before: str
    after: str
    told: list[str]
    """Languages of the words that are believed now."""
    heard: str | None
    """The language that the sound alone tells."""
    took: tuple[float, float]
    """Seconds of one processor, before and now."""

    @property
    def right(self) -> bool:
        return self.heard == self.language

    @property
    def invented(self) -> bool:
        return self.language != "en" and "en" in self.told


def listen(data: Path, real: Path | None) -> Iterator[Outcome]:
    *heard_by, teller = recognisers()
    for clip in clips(data, real):
        said, took = [], []
        for recogniser in heard_by:
            started = time.process_time()
            said.append(recogniser.transcribe(clip.sound).words)
            took.append(time.process_time() - started)
        before, after = (" ".join(word.text for word in words) for words in said)
        told = sorted({str(word.language) for word in said[1]})
        seconds = len(clip.sound) / SAMPLE_RATE
        heard = teller.tell(clip.sound)
        yield Outcome(
            *(clip.kind, clip.language, seconds, before, after, told, heard, (took[0], took[1]))
        )


def measure_speech(outcomes: list[Outcome]) -> str:
    rows, costs = [], []
    for foreign in (True, False):
        chosen = [item for item in outcomes if (item.language != "en") == foreign]
        name = "other languages" if foreign else "English"
        for kind in dict.fromkeys(item.kind for item in chosen):
            heard = [item for item in chosen if item.kind == kind]

            def share(found: Iterable[bool], of: int = len(heard)) -> str:
                return f"{sum(found) / of:.1%}"

            rows.append(
                [
                    *(name, kind, len(heard)),
                    share(item.right for item in heard),
                    share(item.heard not in {None, item.language} for item in heard),
                    share(bool(item.told) for item in heard),
                    share(item.told not in ([], [item.language]) for item in heard),
                    share(bool(item.before) for item in heard) if foreign else "",
                    share(item.invented for item in heard) if foreign else "",
                    "" if foreign else share(item.before == item.after for item in heard),
                ]
            )
        minutes = sum(item.seconds for item in chosen) / 60
        each = (sum(item.took[place] for item in chosen) / minutes for place in (0, 1))
        costs.append([name, f"{minutes:.1f} min", *(f"{seconds:.2f} s" for seconds in each)])
    head = ["speech", "by", "clips", "right", "wrong", "words", "of another language"]
    head += ["English before", "English now"]
    languages = dict.fromkeys(item.language for item in outcomes)
    of_each = {
        name: [item.right for item in outcomes if item.language == name] for name in languages
    }
    each_line = ", ".join(f"{name} {sum(all_)} of {len(all_)}" for name, all_ in of_each.items())
    return "\n".join(
        [
            table([*head, "same words as before"], rows),
            f"Right by language: {each_line}.\n",
            table(["speech", "sound", "before, a minute", "now, a minute"], costs),
        ]
    )


def lines_of(data: Path) -> Iterator[tuple[str, str]]:
    text = data / "text"
    files = [*(text / "brighter_other").glob("*.gz"), *(text / "xed_other").glob("*.gz")]
    for path in [*sorted(files), text / "xed" / "valid.jsonl", text / "brighter" / "train.jsonl"]:
        name = path.name.partition(".")[0]
        language = NAMES.get(name, "en" if path.suffix == ".jsonl" else name)
        open_it = gzip.open if path.suffix == ".gz" else open
        with open_it(path, "rt") as file:
            for line in file:
                yield language, re.sub(r"\[[A-Z]+\]", "", json.loads(line)["text"])


def measure_text(data: Path) -> str:
    right: dict[tuple[str, int], list[str | None]] = defaultdict(list)
    started, count = time.process_time(), 0
    for language, text in lines_of(data):
        words = len(split_words(text))
        for place, (low, high) in enumerate(LENGTHS):
            if low <= words <= high and len(right[language, place]) < LINES:
                right[language, place].append(language_of(text))
                count += 1
    each = (time.process_time() - started) / count * 1000
    rows = []
    for language in sorted({language for language, _ in right}):
        cells = []
        for place in range(len(LENGTHS)):
            found = right[language, place]
            if len(found) < FEWEST:
                cells.append("")
                continue
            good, none = found.count(language), found.count(None)
            cells.append(f"{good / len(found):.0%} / {1 - (good + none) / len(found):.0%}")
        rows.append([language, *cells])
    names = [f"{low}" if low == high else f"{low} to {high}" for low, high in LENGTHS[:-1]]
    return f"{each:.2f} ms a line.\n\n" + table(["right / wrong", *names, "more"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--details", type=Path, help="what was heard, one JSON line a clip")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    outcomes = []
    for outcome in listen(arguments.data, arguments.real):
        outcomes.append(outcome)
        if arguments.details:
            with arguments.details.open("a") as file:
                file.write(json.dumps(outcome._asdict(), ensure_ascii=False) + "\n")
    sections = {
        "speech": measure_speech(outcomes),
        "writing": measure_text(arguments.data),
    }
    for name, text in sections.items():
        whole = f"{text}\n{machine()}\n"
        print(whole)
        if arguments.write:
            write_section(arguments.write, name, whole)


if __name__ == "__main__":
    main()
