/* What pointers do to the time line: a click seeks, a drag moves the view, two fingers or the wheel
 * zoom, and what lies under a mouse is told.
 */

/** @typedef {import("./timeline.js").Timeline} Timeline */

const STILL = 4; // pixels: less is a click
const NEAREST = 8; // pixels that two fingers are apart at least

export class Gestures {
  /** @param {Timeline} timeline */
  constructor(timeline) {
    this.timeline = timeline;
    /**
     * Where each pointer is that is down.
     * @type {Map<number, number>}
     */
    this.pointers = new Map();
    /** @type {{from: number, view: number[], moved: boolean, apart: number} | null} */
    this.drag = null;
    const { element, tip } = timeline;
    element.addEventListener("pointerdown", (event) => this.press(event));
    element.addEventListener("pointermove", (event) => this.move(event));
    element.addEventListener("pointerup", (event) => this.lift(event));
    element.addEventListener("pointercancel", (event) => this.lift(event));
    element.addEventListener("pointerleave", () => {
      tip.hidden = true;
    });
    element.addEventListener("wheel", (event) => this.turn(event), { passive: false });
  }

  /** @param {MouseEvent} event */
  local(event) {
    return event.clientX - this.timeline.element.getBoundingClientRect().left;
  }

  apart() {
    const [one, other] = [...this.pointers.values()];
    return Math.abs(one - other);
  }

  /** @param {PointerEvent} event */
  press(event) {
    if (event.button !== 0) return;
    this.pointers.set(event.pointerId, this.local(event));
    this.timeline.element.setPointerCapture(event.pointerId);
    const from = this.local(event);
    this.drag = { from, view: [...this.timeline.view], moved: false, apart: 0 };
    if (this.pointers.size === 2) this.drag.apart = this.apart();
  }

  /** @param {PointerEvent} event */
  move(event) {
    const { timeline, drag, pointers } = this;
    if (event.pointerType === "mouse") timeline.showTip(event);
    if (!drag || !pointers.has(event.pointerId)) return;
    pointers.set(event.pointerId, this.local(event));
    const way = this.local(event) - drag.from;
    if (pointers.size === 2) {
      drag.moved = true;
      const middle = [...pointers.values()].reduce((sum, place) => sum + place, 0) / 2;
      timeline.zoom(drag.apart / Math.max(this.apart(), NEAREST), timeline.secondsAt(middle));
      drag.apart = this.apart();
      return;
    }
    if (Math.abs(way) > STILL) drag.moved = true;
    if (!drag.moved) return;
    if (timeline.isZoomed()) this.slide(-way, drag.view);
    else timeline.onSeek(timeline.secondsAt(this.local(event)), null);
  }

  /** @param {PointerEvent} event */
  lift(event) {
    if (!this.pointers.delete(event.pointerId) || this.pointers.size) return;
    if (event.type === "pointerup" && this.drag && !this.drag.moved) {
      const { moment, utterance } = this.timeline.hit(event);
      this.timeline.onSeek(moment, utterance);
    }
    this.drag = null;
  }

  /** @param {WheelEvent} event */
  turn(event) {
    const { timeline } = this;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      timeline.zoom(Math.exp(event.deltaY / 300), timeline.secondsAt(this.local(event)));
    } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY) && timeline.isZoomed()) {
      event.preventDefault();
      this.slide(event.deltaX, timeline.view);
    }
  }

  /**
   * Show what lies so many pixels after a view.
   * @param {number} pixels
   * @param {number[]} view
   */
  slide(pixels, [from, to]) {
    const seconds = (pixels / this.timeline.inner) * (to - from);
    this.timeline.show(from + seconds, to + seconds);
  }
}
