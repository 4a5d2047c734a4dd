"""Several people in every format: who is called what, and that nobody is in another's way."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from itertools import pairwise

import pandas as pd
import pytest
from praatio import textgrid
from pympi.Elan import Eaf
from pysubs2 import SSAFile
from rich.console import Console

from lddu_pipe.annotation import Annotation, Person
from lddu_pipe.events import StreamOpened
from lddu_pipe.types import TimeSpan
from lddu_pipe.writers.formats import FORMATS
from lddu_pipe.writers.people import Names
from lddu_pipe.writers.terminal import Timeline

TIERS = [("text@Ana", 2), ("text@p3", 2), ("text@p2", 2), ("text", 1)]


def called(annotation):
    names = Names.in_annotation(annotation)
    return [names.of(item) for item in annotation.utterances]


def by(item, **changes):
    return replace(item, utterance=replace(item.utterance, **changes))


def test_people_are_called_by_name_by_the_transcript_or_by_id(three_people):
    assert called(three_people) == ["Ana", "p3", "p2", "Ana", "p3", "p2", None]
    # A transcript knows who speaks, and so who is silent beside it; a given name comes first.
    first, _, second, *rest = three_people.utterances
    written = replace(
        three_people, utterances=[by(first, speaker="A."), by(second, speaker="Bo"), *rest]
    )
    assert called(written) == ["Ana", "Bo", "Ana", "p3", "Bo", None]
    # Two of one name are told apart.
    people = [*three_people.people[:2], Person("p3", "Ana", 9.0, 0.0)]
    alike = called(replace(three_people, people=people))
    assert alike[:3] == ["Ana (p1)", "Ana (p3)", "p2"]


def test_of_one_person_nobody_asks_who(three_people):
    alone = replace(three_people.of("p3"), people=[Person("p3", None, 9.0, 0.0)])
    assert called(alone) == [None, None]
    assert called(three_people.of("p1")) == ["Ana", "Ana"]


def test_every_person_has_tiers_whose_intervals_do_not_overlap(three_people, tmp_path):
    grid = FORMATS["TextGrid"].save(three_people, tmp_path / "a.TextGrid")
    read = textgrid.openTextgrid(str(grid), includeEmptyIntervals=True, reportingMode="error")
    assert list(read.tierNames)[::3] == [name for name, _ in TIERS]
    for name in read.tierNames:
        times = [(entry.start, entry.end) for entry in read.getTier(name).entries]
        assert all(first[1] == second[0] for first, second in pairwise(times))
    eaf = Eaf(str(FORMATS["eaf"].save(three_people, tmp_path / "a.eaf")))
    found = [(tier, len(eaf.get_annotation_data_for_tier(tier))) for tier in eaf.get_tier_names()]
    assert [(tier, count) for tier, count in found if tier.startswith("text")] == TIERS
    assert eaf.get_parameters_for_tier("emotion@p3")["PARTICIPANT"] == "p3"


def test_what_one_person_says_twice_at_once_stands_on_a_second_tier(three_people, tmp_path):
    twice = by(three_people.utterances[0], id="0009", span=TimeSpan(1.0, 2.0))
    both = replace(three_people, utterances=[*three_people.utterances, twice])
    eaf = Eaf(str(FORMATS["eaf"].save(both, tmp_path / "a.eaf")))
    assert len(eaf.get_annotation_data_for_tier("text2@Ana")) == 1


def test_subtitles_say_who_and_leave_out_listeners_who_show_nothing(three_people):
    cues = SSAFile.from_string(FORMATS["srt"].render(three_people).decode("utf-8"))
    assert [cue.text.split(r"\N") for cue in cues] == [
        ["Ana: Good news!", "[happy 90 %]"],
        ["p2: Oh.", "[sad 70 %]"],
        ["p3: ", "[sad 70 %]"],
        ["p2: ", "[happy 90 %]"],
        ["Who?", "[happy 90 %]"],
    ]
    text = FORMATS["vtt"].render(three_people).decode("utf-8")
    assert "<v Ana>Good news!</v>\n[happy 90 %]\n" in text
    assert "<v p3>[sad 70 %]</v>\n" in text


def test_tables_have_the_id_and_the_name(three_people):
    for table in (
        pd.read_csv(io.BytesIO(FORMATS["csv"].render(three_people))),
        pd.read_parquet(io.BytesIO(FORMATS["parquet"].render(three_people))),
    ):
        rows = table.drop_duplicates("utterance")[["person", "person_name"]]
        found = [tuple(row) for row in rows.astype(object).where(rows.notna(), None).to_numpy()]
        assert found[:3] == [("p1", "Ana"), ("p3", None), ("p2", None)]
        assert found[-1] == (None, None)
    lines = FORMATS["jsonl"].render(three_people).splitlines()
    assert [json.loads(line)["person"] for line in lines][-3:] == ["p3", "p2", None]


def test_label_studio_notes_whose_a_region_is(three_people):
    (task,) = json.loads(FORMATS["label-studio"].render(three_people))
    notes = [item.get("meta") for item in task["predictions"][0]["result"]]
    texts = ["Ana: Good news!", "p3", "p2: Oh.", "Ana", "p3", "p2", "Who?"]
    assert notes == [{"text": [text]} for text in texts]


def test_the_timeline_names_people_from_the_second_on(three_people):
    file = io.StringIO()
    opened = StreamOpened(three_people.media, three_people.model, {})
    timeline = Timeline(opened, Console(file=file, width=100, color_system=None))
    for item in three_people.utterances:
        timeline.add(item)
    lines = file.getvalue().splitlines()
    assert lines[3] == "0:00.0 – 0:03.0   Good news!"
    assert (
        lines[lines.index("so far p1; now others, too") + 2] == "0:01.0 – 0:05.0   p3: only seen"
    )
    assert [line[18:] for line in lines if line.startswith("0:0")][2:] == [
        *("p2: Oh.", "p1: only seen", "p3: only seen", "p2: a voice without words", "Who?")
    ]


def test_the_picture_has_a_group_of_lanes_for_each_person(three_people):
    def height(annotation: Annotation) -> int:
        return int.from_bytes(FORMATS["png"].render(annotation)[20:24], "big")

    # Ana, p2, p3, and nobody; of one person there is no name above the lanes.
    group, around = 11 * 0.34, 1.75
    assert height(three_people) == pytest.approx(150 * (around + 4 * (group + 0.3)), abs=2)
    assert height(three_people.of("Ana")) == pytest.approx(150 * (around + group), abs=2)
