import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from lddu_pipe.commands.annotate import annotate
from lddu_pipe.commands.serve import serve
from lddu_pipe.pipelines.settings import SETTINGS, PipelineSettings
from lddu_pipe.server.options import JobOptions, form_schema
from lddu_pipe.server.pages import home_page


@pytest.mark.parametrize("name", ["fps", "window"])
def test_a_bound_is_the_same_wherever_a_setting_is_chosen(name):
    setting = SETTINGS[name]
    for value in (setting.low, setting.high):
        assert getattr(PipelineSettings(**{name: value}), name) == value
        JobOptions(**{name: value})
    for value in (setting.low - 0.01, setting.high + 0.01, float("nan")):
        with pytest.raises(
            ValueError, match=rf"{name} lies in {setting.low}..{setting.high}, got"
        ):
            PipelineSettings(**{name: value})
        with pytest.raises(ValidationError, match=name):
            JobOptions(**{name: value})
    option = next(option for option in annotate.params if option.name == name)
    assert (option.type.min, option.type.max, option.help) == (
        *(setting.low, setting.high),
        setting.help,
    )
    form = form_schema()[name]
    assert (form["minimum"], form["maximum"], form["type"]) == (
        setting.low,
        setting.high,
        "number",
    )
    field = re.search(rf'<input id="{name}".*?>', home_page())[0]
    assert f'min="{setting.low}" max="{setting.high}"' in field


def test_every_choice_of_the_command_line_is_described_and_has_its_default():
    assert all(setting.help.endswith(".") for setting in SETTINGS.values())
    options = {option.name: option for option in annotate.params if option.name in SETTINGS}
    assert set(SETTINGS) - set(options) == {"max_side", "max_duration", "passes", "batch_size"}
    assert PipelineSettings(**{name: each.default for name, each in options.items()}) == (
        PipelineSettings()
    )


def test_pictures_of_people_are_for_this_machine_alone():
    """Nobody who uploads a file has a face looked for in it; nor does a result tell of folders."""
    assert "known" not in form_schema()
    assert "known" not in {option.name for option in serve.params}
    assert PipelineSettings(known=Path("/home/me/faces")).describe()["known"] == "faces"


def test_rare_settings_are_told_only_where_they_were_chosen():
    assert "tiers" not in PipelineSettings().describe()
    told = PipelineSettings(tiers=("Ana",), speakers="channels").describe()
    assert set(told) - set(PipelineSettings().describe()) == {"tiers", "speakers"}
