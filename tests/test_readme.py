"""README says what is true: its figures, its code, its two commands."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHECKPOINT = ROOT / "lddu_pipe" / "checkpoints" / "lddu-base-en"
CORPORA = {
    "SemEval": "semeval",
    "GoEmotions": "goemotions",
    "MELD": "meld",
    "XED": "xed",
    "EmpatheticDialogues": "empatheticdialogues",
    "RAVDESS": "ravdess",
    "EmoGator": "emogator",
    "FER+": "ferplus",
}


def test_figures_are_those_of_the_recipes_evaluation() -> None:
    evaluation = json.loads((CHECKPOINT / "evaluation.json").read_text())["report"]
    starts = tuple(f"| {name}" for name in CORPORA)
    table = [line for line in README.splitlines() if line.startswith(starts)]
    assert len(table) == len(CORPORA)
    for line in table:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        figures = evaluation[CORPORA[re.split(r"[-, ]", cells[0])[0]]]
        expected = [figures[name] for name in ("micro_f1", "macro_f1", "top1_accuracy", "ece")]
        assert cells[2:] == [str(figures["n"]), *(f"{value:.3f}" for value in expected)]


def test_the_model_card_holds_the_same_figures() -> None:
    card = (CHECKPOINT / "MODEL_CARD.md").read_text(encoding="utf-8")
    evaluation = json.loads((CHECKPOINT / "evaluation.json").read_text())
    for half in ("report", "all"):
        for figures in evaluation[half].values():
            start = f"| {figures['n']} | {figures['micro_f1']:.3f} | {figures['macro_f1']:.3f} |"
            assert start in card
    for auroc in evaluation["doubt"]["notices_damage"].values():
        assert f"| {auroc:.3f} |" in card
    assert "{{" not in card


def test_the_default_model_fits_its_limit() -> None:
    assert sum(path.stat().st_size for path in CHECKPOINT.rglob("*")) <= 16e6


@pytest.mark.slow
def test_python_snippets_run_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    snippets = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert len(snippets) >= 2
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    for snippet in snippets:
        exec(snippet, {"__name__": "__main__"})
        printed = capsys.readouterr().out
        for comment in re.findall(r"print\(.*\)  # (.+)$", snippet, re.MULTILINE):
            assert comment in printed
    assert (tmp_path / "sample.json").is_file()
