/* When an utterance is said: two fields, and two handles on the time line. */
import { clock, length, utterances } from "../../writers/viewer/annotation.js";
import { byId, make } from "../../writers/viewer/base.js";
import { player, timeline } from "../../writers/viewer/viewer.js";
import { isCutAs } from "./corrections.js";

const NUDGE = 0.1; // seconds
const FAR_NUDGE = 1;
const SHORTEST = 0.05; // seconds that handles and keys leave between start and end

export class SpanEditor {
  constructor({ onChange }) {
    this.onChange = onChange;
    this.utterance = null;
    this.span = null;
    this.fields = { start: byId("review-start"), end: byId("review-end") };
    this.handles = { start: this.makeHandle("start"), end: this.makeHandle("end") };
    // Within the time line they would be hidden from screen readers: a slider has no parts.
    this.place = make("div", { class: "span-handles" }, this.handles.start, this.handles.end);
    byId("timeline").after(this.place);
    for (const edge of ["start", "end"]) {
      this.fields[edge].addEventListener("input", () => {
        const seconds = this.fields[edge].valueAsNumber;
        this.change(edge, Number.isNaN(seconds) ? null : seconds);
      });
      this.fields[edge].addEventListener("keydown", (event) => {
        if (["Enter", "Escape"].includes(event.key) && !event.ctrlKey) event.target.blur();
      });
      byId(`review-${edge}-here`).addEventListener("click", () => this.setHere(edge));
    }
    byId("review-cut").addEventListener("click", () => {
      const { start, end } = this.utterance;
      this.onChange({ start, end });
    });
    byId("review-span").hidden = false;
    timeline.painters.push(() => this.paint());
  }

  makeHandle(edge) {
    const handle = make("div", {
      class: `span-handle at-${edge}`,
      role: "slider",
      tabindex: 0,
      "aria-label": `${edge === "start" ? "Start" : "End"} of the utterance`,
      "aria-valuemin": 0,
      "aria-valuemax": length.toFixed(2),
    });
    const steps = {
      ArrowLeft: -NUDGE, ArrowDown: -NUDGE, ArrowRight: NUDGE, ArrowUp: NUDGE,
      PageDown: -FAR_NUDGE, PageUp: FAR_NUDGE,
    };
    handle.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation(); // of the page, these move through utterances
      this.move(edge, this.span[edge] + (event.shiftKey ? step / NUDGE : step));
      const moment = this.span[edge];
      timeline.reveal({ start: moment, end: moment });
    });
    handle.addEventListener("blur", () => this.paint());
    handle.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      handle.focus();
      handle.setPointerCapture(event.pointerId);
    });
    handle.addEventListener("pointermove", (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const left = this.place.getBoundingClientRect().left;
      this.move(edge, timeline.secondsAt(event.clientX - left));
    });
    return handle;
  }

  /* Move an edge, but not past the other. */
  move(edge, seconds) {
    const { start, end } = this.span;
    const low = edge === "start" ? 0 : start + SHORTEST;
    const high = edge === "start" ? end - SHORTEST : length;
    this.change(edge, Math.min(Math.max(seconds, low), high));
  }

  setHere(edge) {
    if (this.utterance) this.change(edge, player.moment);
  }

  change(edge, seconds) {
    this.onChange({ [edge]: seconds === null ? null : Math.round(seconds * 1000) / 1000 });
  }

  /* What is wrong with a span, in words; empty where nothing is. */
  problem({ start, end }) {
    if (start === null || end === null) return "give the start and the end in seconds";
    if (start < 0) return "it cannot start before the media does";
    if (end <= start) return "it has to end after it starts";
    if (end > length + 0.0005) return `the media ends at ${length.toFixed(3)} s`;
    return "";
  }

  show(utterance, { start, end }) {
    const isOther = utterance !== this.utterance;
    this.utterance = utterance;
    this.span = { start: start ?? utterance.start, end: end ?? utterance.end };
    for (const [edge, seconds] of Object.entries({ start, end })) {
      const field = this.fields[edge];
      // Whoever types is left alone: 2 is on the way to 2.75.
      if (isOther || document.activeElement !== field) {
        field.value = seconds === null ? "" : String(Math.round(seconds * 1000) / 1000);
      }
      const handle = this.handles[edge];
      handle.setAttribute("aria-valuenow", this.span[edge].toFixed(2));
      handle.setAttribute("aria-valuetext", clock(this.span[edge], 2));
    }
    const wrong = this.problem({ start, end });
    for (const field of Object.values(this.fields)) {
      field.setAttribute("aria-invalid", String(Boolean(wrong)));
    }
    byId("review-cut").hidden = isCutAs({ start, end }, utterance);
    this.paint();
  }

  paint() {
    if (!timeline.parts.length) return;
    const { left } = timeline.box;
    const { top, height } = timeline.placeOf(this.utterance ?? utterances[0]);
    this.place.style.left = `${byId("timeline").offsetLeft}px`;
    this.place.style.top = `${byId("timeline").offsetTop + top}px`;
    for (const [edge, handle] of Object.entries(this.handles)) {
      const at = this.span ? timeline.x(this.span[edge]) : -1;
      const right = left + timeline.inner;
      // One that has the focus would lose it: it waits at the edge of what is shown.
      const isOutside = at < left - 1 || at > right + 1;
      handle.hidden = isOutside && handle !== document.activeElement;
      handle.style.left = `${isOutside ? Math.min(Math.max(at, left), right) : at}px`;
      handle.style.height = `${height + 8}px`; // with the knob
    }
  }
}
