/* The whole of a recording in a strip, while the time line shows a part: where that is, and a handle
 * to move it by. Keys move the time line, so that the strip is for eyes and pointers alone.
 */
import { colours, length, presentScores, utterances } from "./annotation.js";
import { make } from "./base.js";
import { brushOn } from "./canvas.js";
import { isWanted } from "./people.js";

export class Overview {
  /**
   * @param {HTMLElement} element
   * @param {import("./timeline.js").Timeline} timeline
   */
  constructor(element, timeline) {
    this.element = element;
    this.timeline = timeline;
    /**
     * Which utterances are underlined.
     * @type {(utterance: import("./annotation.js").Utterance) => boolean}
     */
    this.isMarked = () => false;
    this.canvas = make("canvas");
    this.window = make("div", { class: "window" });
    this.playhead = make("div", { class: "here" });
    element.append(this.canvas, this.window, this.playhead);
    this.listen();
    new ResizeObserver(() => this.paint()).observe(element);
  }

  /* Follow the view of the time line. */
  show() {
    const [from, to] = this.timeline.view;
    this.element.hidden = !this.timeline.isZoomed();
    this.window.style.left = `${(from / length) * 100}%`;
    this.window.style.width = `${((to - from) / length) * 100}%`;
  }

  /** @param {number} moment */
  setMoment(moment) {
    this.playhead.style.left = `${(moment / length) * 100}%`;
  }

  /* A stroke an utterance; a second row, of their colours, for the emotions decided present. */
  paint() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width) return;
    const brush = brushOn(this.canvas, width, height);
    const words = getComputedStyle(this.canvas).color;
    const mark = getComputedStyle(this.window).borderColor;
    for (const utterance of utterances.filter(isWanted)) {
      const left = (utterance.start / length) * width;
      const wide = Math.max(((utterance.end - utterance.start) / length) * width, 0.5);
      brush.fillStyle = words;
      brush.fillRect(left, 0, wide, height / 2);
      if (this.isMarked(utterance)) {
        brush.fillStyle = mark;
        brush.fillRect(left, height - 4, wide, 4);
      }
      const [first] = presentScores(utterance);
      if (!first) continue;
      brush.fillStyle = colours.get(first.label) ?? words;
      brush.fillRect(left, height / 2, wide, height / 2 - 5);
    }
  }

  listen() {
    /** @type {number | null} */
    let grip = null; // seconds from the start of the view to where it is held
    const secondsAt = (/** @type {PointerEvent} */ event) => {
      const box = this.element.getBoundingClientRect();
      return ((event.clientX - box.left) / box.width) * length;
    };
    const drag = (/** @type {PointerEvent} */ event) => {
      if (grip === null) return;
      const [from, to] = this.timeline.view;
      this.timeline.show(secondsAt(event) - grip, secondsAt(event) - grip + to - from);
    };
    this.element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.element.setPointerCapture(event.pointerId);
      const [from, to] = this.timeline.view;
      const moment = secondsAt(event);
      grip = moment >= from && moment <= to ? moment - from : (to - from) / 2;
      drag(event);
    });
    this.element.addEventListener("pointermove", drag);
    for (const name of ["pointerup", "pointercancel"]) {
      this.element.addEventListener(name, () => {
        grip = null;
      });
    }
  }
}
