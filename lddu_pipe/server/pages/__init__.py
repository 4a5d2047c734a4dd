"""The pages of the server: shells without data, whose scripts call the API as any client does.

A shell is the same for everybody and needs no token; its scripts ask the API for what it shows,
with the reader's token.
"""

from __future__ import annotations

import gzip
import hashlib
import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from string import Template

from lddu_pipe.pipelines.settings import SETTINGS
from lddu_pipe.transcripts import TRANSCRIPT_SUFFIXES
from lddu_pipe.writers import viewer
from lddu_pipe.writers.terminal import HIGH_ALEATORIC, HIGH_EPISTEMIC
from lddu_pipe.writers.viewer.parts import part, script

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "media-src 'self' blob:",  # blob: is a file that the reader chose
        "img-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Content-Security-Policy of every page."""


@dataclass(frozen=True)
class Asset:
    """A script or a style sheet of the pages."""

    content: bytes
    media_type: str

    @cached_property
    def compressed(self) -> bytes:
        """`content`, by gzip."""
        return gzip.compress(self.content, mtime=0)

    @cached_property
    def version(self) -> str:
        """A digest, so that new content gets a new URL."""
        return hashlib.sha256(self.content).hexdigest()[:16]


def _script(*modules: str, **options: Mapping[str, str]) -> Callable[[], Asset]:
    return lambda: Asset(script(*modules, **options).encode(), "text/javascript")


def _style(*parts: str) -> Callable[[], Asset]:
    return lambda: Asset("\n".join(parts_of(parts)).encode(), "text/css")


def parts_of(names: tuple[str, ...]) -> list[str]:
    """Files of this folder or, where they are not here, of the viewer that `-f html` writes."""
    here = resources.files(__name__)
    return [
        here.joinpath(name).read_text(encoding="utf-8")
        if here.joinpath(name).is_file()
        else part(name)
        for name in names
    ]


_ASSETS: dict[str, Callable[[], Asset]] = {
    "icon.svg": lambda: Asset(parts_of(("icon.svg",))[0].encode(), "image/svg+xml"),
    "viewer.js": _script(
        "server/pages/review.js", instead={viewer.EMBEDDED: "server/pages/served.js"}
    ),
    "viewer.css": _style(*viewer.STYLES, "review.css"),
    "home.js": _script("server/pages/home.js"),
    "live.js": _script("server/pages/live.js"),
    "live.css": _style("base.css", "live.css"),
    "microphone.js": _script("server/pages/microphone.js"),
    "home.css": _style("base.css", "corpus.css", "home.css"),
}


@cache
def asset(name: str) -> Asset:
    """A script or a style sheet.

    Raises:
        KeyError: there is none of that name.
    """
    return _ASSETS[name]()


@cache
def annotation_page() -> str:
    """The shell of the page on which an annotation is seen and corrected."""
    return viewer.make_shell(
        icon=_url("icon.svg"),
        styles=[_url("viewer.css")],
        script=_url("viewer.js"),
        panel=parts_of(("review.html",))[0],
    )


@cache
def home_page() -> str:
    """The shell of the page on which files are sent and found again."""
    return Template(parts_of(("home.html",))[0]).substitute(
        icon=html.escape(_url("icon.svg")),
        style=html.escape(_url("home.css")),
        script=html.escape(_url("home.js")),
        transcripts=",".join(TRANSCRIPT_SUFFIXES),
        fps=_bounds("fps"),
        window=_bounds("window"),
    )


@cache
def live_page() -> str:
    """The shell of the page of a live session."""
    return Template(parts_of(("live.html",))[0]).substitute(
        icon=html.escape(_url("icon.svg")),
        style=html.escape(_url("live.css")),
        script=html.escape(_url("live.js")),
        microphone=html.escape(_url("microphone.js")),
        aleatoric=HIGH_ALEATORIC,
        epistemic=HIGH_EPISTEMIC,
    )


def _bounds(name: str) -> str:
    """The attributes of a field that takes a number, as the setting of this name has them."""
    setting = SETTINGS[name]
    return f'min="{setting.low}" max="{setting.high}"'


def _url(name: str) -> str:
    """Its URL with its version, so that a browser may cache it for ever."""
    return f"/assets/{name}?v={asset(name).version}"
