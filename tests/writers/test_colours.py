from __future__ import annotations

import json
import re
from pathlib import Path

import lddu_pipe
from lddu_pipe.labels import M3ED, MOSEI
from lddu_pipe.writers import charts, picture
from lddu_pipe.writers.colours import KNOWN, PEOPLE, share_out

PALETTE = "abcdefg"


def test_known_emotions_keep_their_colour_and_no_other_has_it_while_one_is_free() -> None:
    assert share_out(MOSEI.labels, PALETTE) == dict(zip(KNOWN, PALETTE, strict=False))
    assert share_out(M3ED.labels, PALETTE)["neutral"] == "g"
    assert share_out(["calm", "happy", "tense"], PALETTE) == {
        "calm": "b", "happy": "a", "tense": "c"
    }  # fmt: skip
    assert share_out(["calm"], PALETTE) == {"calm": "a"}
    many = share_out([str(number) for number in range(28)], PALETTE)
    assert {colour: list(many.values()).count(colour) for colour in PALETTE} == dict.fromkeys(
        PALETTE, 4
    )


def test_pages_have_the_palettes_of_pictures() -> None:
    viewer = Path(lddu_pipe.__file__).parent / "writers/viewer"
    script = (viewer / "base.js").read_text()
    palette, known = (
        json.loads(re.search(rf"const {name} = (\[.*\]);", script)[1])  # type: ignore[index]
        for name in ("PALETTE", "KNOWN")
    )
    assert tuple(known) == KNOWN
    assert tuple(palette[:6]) == picture._COLOURS[:6]
    assert picture._COLOURS[6] == charts.GREY
    people = re.search(r"const PEOPLE = \[\s*\.\.\.(\[.*\]),\s*\];", script)
    assert people
    assert tuple(json.loads(people[1])) == PEOPLE
