"""Drawing on the frames of a video, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PIL import Image

from lddu_pipe.annotation import Annotation
from lddu_pipe.media import Planes
from lddu_pipe.writers.overlay.panels import Panels
from lddu_pipe.writers.overlay.placing import Area, Placing
from lddu_pipe.writers.overlay.scene import Scene, ShownFace
from lddu_pipe.writers.overlay.sprites import Sprite, draw_box

_CAPTIONS = 3
"""At once, the most: those that began last."""


class Drawing:
    """What is drawn on one video; it remembers where things stood in the frame before."""

    def __init__(self, annotation: Annotation, width: int, height: int) -> None:
        """Get ready.

        Args:
            annotation: what is drawn.
            width: pixels of the frames.
            height: pixels of the frames.
        """
        self._width, self._height = width, height
        self._scene = Scene(annotation)
        self._panels = Panels(annotation, width, height)
        self._placing = Placing(width, height, gap=self._panels.unit / 2)
        self._sprites: dict[tuple[object, ...], Sprite] = {}
        """Those of the last frame: most of the next one's are among them."""

    def draw(self, planes: Planes) -> None:
        """Draw what is to be seen at the time of a frame."""
        moment = self._scene.at(planes.time)
        before, self._sprites = self._sprites, {}

        def kept(key: tuple[object, ...], image: Callable[[], Image.Image]) -> Sprite:
            made = before.get(key) or Sprite.of(image(), self._width, self._height)
            self._sprites[key] = made
            return made

        captions = []
        for told in moment.captions[-_CAPTIONS:]:
            page = self._panels.page_of(told, planes.time)
            key = (told.prediction.id, told.seen, page)
            captions.append(kept(key, partial(self._panels.of_caption, told, page)))
        panels = [
            kept(
                (item.face.id, item.prediction and item.prediction.id, "face"),
                partial(self._panels.of_face, item),
            )
            for item in moment.faces
        ]
        below = self._stacked(captions)
        boxes = [self._in_pixels(item) for item in moment.faces]
        for item, box in zip(moment.faces, boxes, strict=True):
            self._outline(planes, item, box)
        faces = [
            (item.face.id, box, (panel.width, panel.height))
            for item, box, panel in zip(moment.faces, boxes, panels, strict=True)
        ]
        beside = self._placing.place(faces, below, planes.time)
        for sprite, area in zip([*panels, *captions], [*beside, *below], strict=True):
            sprite.lay_on(planes, area.left, area.top)

    def _in_pixels(self, item: ShownFace) -> Area:
        left, top, right, bottom = item.box
        return Area(
            left * self._width, top * self._height, right * self._width, bottom * self._height
        )

    def _outline(self, planes: Planes, item: ShownFace, box: Area) -> None:
        """Draw the box of a face: thick while it speaks, broken where it never moves."""
        thin = max(2, round(self._panels.unit / 20) * 2)
        thick = 2 * thin if item.speaks else thin
        dash = 2 * self._panels.unit if item.face.still else 0
        draw_box(planes, box, thick, self._panels.colour_of(item.face.person), dash)

    def _stacked(self, sprites: Sequence[Sprite]) -> list[Area]:
        """Where captions stand: one above the other at the bottom, the newest lowest."""
        gap = self._panels.unit // 2
        bottom = self._height - gap
        areas: list[Area] = []
        for sprite in reversed(sprites):
            left = (self._width - sprite.width) / 2
            top = max(0, bottom - sprite.height)
            areas.append(Area(left, top, left + sprite.width, top + sprite.height))
            bottom = top - gap // 2
        return areas[::-1]
