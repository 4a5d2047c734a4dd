"""What a client may choose for its job."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lddu_pipe.pipelines.settings import SETTINGS, Speakers


def _truth(value: object) -> object:
    """Of text only what JSON has; the library would take "off" and "0" as well."""
    if isinstance(value, str) and value not in ("true", "false"):
        raise ValueError("say true or false")
    return value


def _option(name: str) -> Any:  # noqa: ANN401 - as pydantic has it
    setting = SETTINGS[name]
    return Field(
        None,
        ge=setting.low,
        le=setting.high,
        pattern=setting.pattern,
        description=setting.help,
    )


class JobOptions(BaseModel):
    """How the media of a job are cut and read; null is what the server was started with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fps: float | None = _option("fps")
    window: float | None = _option("window")
    aligned: Annotated[bool | None, BeforeValidator(_truth)] = _option("aligned")
    people: int | None = _option("people")
    audio_track: str | None = _option("audio_track")
    video_track: str | None = _option("video_track")
    speakers: Speakers | None = _option("speakers")


def form_schema() -> dict[str, Any]:
    """JSON Schema of each option as the field of a form, which is left out instead of null."""
    options = JobOptions.model_json_schema()["properties"]
    return {
        name: {**option["anyOf"][0], "description": option["description"]}
        for name, option in options.items()
    }
