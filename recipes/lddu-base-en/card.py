"""The model card: tables of figures that `report.py` measured, put into a template."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from corpora import WITH_CONTEXT
from lddu_pipe.types import MODALITIES
from manifests import DIALOGUES

CORPORA = {
    "semeval": "SemEval-2018 E-c dev, text",
    "goemotions": "GoEmotions dev (Ekman), text",
    "meld": "MELD dev, text",
    "emotionlines": "EmotionLines valid, text",
    "meisd": "MEISD valid, text",
    "dailydialog": "DailyDialog valid, text",
    "empatheticdialogues": "EmpatheticDialogues valid, text",
    "isear": "ISEAR valid, text",
    "crowdenvent": "crowd-enVENT valid, text",
    "xed": "XED valid, text",
    "brighter": "BRIGHTER valid (English), text",
    "ravdess": "RAVDESS unseen actors, audio",
    "emogator": "EmoGator unseen people, audio",
    "ferplus": "FER+ valid, face crops",
}
SPOILT = {
    corpus: {
        "ravdess": "noise as loud as the voice (0 dB)",
        "emogator": "noise as loud as the voice (0 dB)",
        "ferplus": "strong blur, or half of the face covered",
    }.get(corpus, "half of the words left out")
    for corpus in CORPORA
}
CORPORA |= {
    f"{corpus}{WITH_CONTEXT}": CORPORA[corpus].replace(", text", ", lines with their dialogue")
    for corpus in DIALOGUES
}
"""Titles of the data sets, by the names of their manifests."""
TEMPLATE = Path(__file__).with_name("card.md")
MODALITY_NAMES = {"text": "words", "audio": "voice", "vision": "face"}


def figure(value: float | None) -> str:
    """Three digits, or a dash where a figure is not defined."""
    return "\N{EN DASH}" if value is None else f"{value:.3f}"


def overall_table(results: dict[str, Any]) -> str:
    """One row a corpus."""
    columns = ("micro_f1", "macro_f1", "top1_accuracy", "top1_macro_f1", "ece", "least_ece")
    lines = [
        "| data | rows | micro-F1 | macro-F1 | top-1 | top-1 macro-F1 | ECE | least ECE | Brier "
        "| AURC | risk at 75 % | abstained |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for corpus, title in CORPORA.items():
        found = results[corpus]
        cells = [figure(found[name]) for name in (*columns, "brier", "aurc")]
        wrong = found["hamming_loss"]
        cells.append(figure(found["risk_at_75"] / wrong if wrong else None))
        cells.append(figure(found["abstained"]))
        lines.append(f"| {title} | {found['n']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def label_table(results: dict[str, Any]) -> str:
    """F1, average precision and ECE of each label in each corpus, lines without their dialogue."""
    lines = [
        "| data | label | support | F1 | AP | ECE | threshold |",
        "|---|---|---|---|---|---|---|",
    ]
    for corpus in SPOILT:
        for label, row in results[corpus]["per_label"].items():
            cells = " | ".join(
                figure(row[name]) for name in ("f1", "average_precision", "ece", "threshold")
            )
            lines.append(f"| {CORPORA[corpus]} | {label} | {row['support']} | {cells} |")
    return "\n".join(lines)


def doubt_table(doubt: dict[str, Any]) -> str:
    """Whether spoilt inputs are noticed."""
    lines = ["| data | spoilt by | AUROC | abstained |", "|---|---|---|---|"]
    for corpus, how in SPOILT.items():
        cells = f"{doubt['notices_damage'][corpus]:.3f} | {doubt['abstained_spoilt'][corpus]:.3f}"
        lines.append(f"| {CORPORA[corpus]} | {how} | {cells} |")
    return "\n".join(lines)


def small_face_table(found: dict[str, dict[str, float]]) -> str:
    """One row a size."""
    names = ("ece_as_if_large", "ece", "top1_as_if_large", "top1", "brier", "sure", "aleatoric")
    lines = [
        "| picture | face | ECE as if large | ECE | top-1 as if large | top-1 | Brier "
        "| p > 0.9 | aleatoric | abstained |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for side, row in found.items():
        cells = " | ".join(figure(row[name]) for name in (*names, "abstained"))
        lines.append(f"| {side} px | {row['height']:.0f} px | {cells} |")
    return "\n".join(lines)


def fusion_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Agreement with people's answers by set of modalities, all rows and those in conflict."""
    guesses = ("fused", "best", "majority", "mean", "answers")
    lines = [
        "| utterances | rows | model | best alone | majority | mean of probabilities "
        "| people's own rule | ECE | least ECE |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in found.items():
        title = " + ".join(MODALITY_NAMES[part] for part in name.split("+"))
        best = MODALITY_NAMES[row["best"]]
        for rows, ending, errors in (
            (row["n"], "", f"{figure(row['ece'])} | {figure(row['least_ece'])}"),
            (row["conflicts"], "_in_conflict", f"{figure(row['ece_in_conflict'])} | "),
        ):
            cells = [
                figure(row[f"{row['best'] if guess == 'best' else guess}_agreement{ending}"])
                for guess in guesses
            ]
            cells[1] += f" ({best})"
            what = f"{title}, in conflict" if ending else title
            lines.append(f"| {what} | {rows} | {' | '.join(cells)} | {errors} |")
    return "\n".join(lines)


def left_out_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """What readers say of what they were not trained on, as they are and widened."""
    lines = [
        "| not trained on | rows | ECE | ECE, widened | risk at 75 % | p > 0.95, wrong "
        "| p > 0.95, wrong, widened |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in MODALITIES:
        for corpus, before in found.get(name, {"before": {}})["before"].items():
            after = found[name]["after"][corpus]
            cells = [
                *(figure(item["ece"]) for item in (before, after)),
                figure(after["risk_at_75"]),
                *(f"{item['sure']}, {item['surely_wrong']}" for item in (before, after)),
            ]
            title = CORPORA.get(corpus, f"{corpus} faces")
            lines.append(f"| {title} | {before['n']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def trade_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """What each share of the widening does on data left out, and costs on a reader's own."""
    lines = [
        "| what is read | share | ECE left out (largest) | p > 0.95, wrong | ECE own (largest) |",
        "|---|---|---|---|---|",
    ]
    for name in MODALITIES:
        for share, row in found.get(name, {"trade": {}})["trade"].items():
            ships = float(share) == found[name]["share"]
            if round(10 * float(share)) % 2 and not ships:
                continue  # every other one tells as much
            out, own = row["left_out"], row["own"]
            shipped = " (shipped)" if ships else ""
            cells = [
                f"{figure(out['ece'])} ({figure(out['largest_ece'])})",
                f"{out['sure']}, {out['surely_wrong']}",
                f"{figure(own['ece'])} ({figure(own['largest_ece'])})",
            ]
            lines.append(f"| {MODALITY_NAMES[name]} | {share}{shipped} | {' | '.join(cells)} |")
    return "\n".join(lines)


def sound_tables(found: Mapping[str, Any] | None) -> str:
    """What is heard, and what the head for sounds says it is."""
    if found is None:
        return "Not measured for this version."
    kinds = list(found["moments"])
    lines = [f"| heard | {' | '.join(kinds)} |", "|---" * (len(kinds) + 1) + "|"]
    for kind, row in found["moments"].items():
        lines.append(f"| {kind} | {' | '.join(str(row[said]) for said in kinds)} |")
    lines += ["", "| recordings of | number | with a burst found |", "|---|---|---|"]
    for kind, row in found["scenes"].items():
        lines.append(f"| {kind} | {row['scenes']} | {row['share']:.1%} |")
    false = found["false_bursts_a_minute"]
    lines += ["", f"Bursts found where nobody is heard: {false:.2f} a minute."]
    return "\n".join(lines)


def ablation_table(found: Mapping[str, Mapping[str, Any]] | None) -> str:
    """Average precision of each modality in short trainings, with the range over seeds."""
    if found is None:
        return "Not measured for this version."
    lines = [
        f"| model | {' | '.join(MODALITY_NAMES[name] for name in MODALITIES)} |",
        "|---" * 4 + "|",
    ]
    for name, row in found.items():
        cells = [
            f"{figure(row[part]['mean'])} ({figure(row[part]['range'])})" for part in MODALITIES
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def behaviour_table(found: Sequence[Mapping[str, Any]]) -> str:
    """Of how many clips the model says what people say."""
    lines = ["| clips | people say | right | wanted |", "|---|---|---|---|"]
    for row in found:
        right = f"{row['right']} of {row['n']}"
        lines.append(f"| {row['clip']} | {row['people']} | {right} | {row['wanted']:.0%} |")
    return "\n".join(lines)


def write_card(checkpoint: Path, results: Mapping[str, Any]) -> None:
    """Fill the card's template with figures; nothing in the card is typed by hand."""
    text = TEMPLATE.read_text(encoding="utf-8")
    config = json.loads((checkpoint / "config.json").read_text())
    doubt = results["doubt"]
    for name, value in {
        "version": config["version"],
        "overall_report": overall_table(results["report"]),
        "overall_all": overall_table(results["all"]),
        "labels_report": label_table(results["report"]),
        "fusion": fusion_table(results["fusion"]),
        "left_out": left_out_table(results["left_out"]),
        "trade": trade_table(results["left_out"]),
        "sound": sound_tables(results["sound"]),
        "noises": (results["sound"] or {"noises": "theirs"})["noises"],
        "ablations": ablation_table(results.get("ablations")),
        "behaviour": behaviour_table(results["behaviour"]),
        "doubt": doubt_table(doubt),
        "small_faces": small_face_table(results["small_faces"]),
        "follows_votes": figure(doubt["follows_votes"]),
        "abstained_foreign": f"{doubt['abstained_foreign']:.0%}",
        "abstained_gibberish": f"{doubt['abstained_gibberish']:.0%}",
    }.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    (checkpoint / "MODEL_CARD.md").write_text(text, encoding="utf-8")
