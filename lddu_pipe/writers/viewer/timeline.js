/* The time line: lanes on a canvas, a group a person where there are several, and over them what
 * moves: playhead, thresholds, words.
 */
import { clock, hidden, labels, length, when } from "./annotation.js";
import { make } from "./base.js";
import { brushOn } from "./canvas.js";
import { Gestures } from "./gestures.js";
import { WordsLane, labelLane, missingLane, stripLane } from "./lanes.js";
import { Overlay } from "./overlay.js";
import { chosen, groupOf, groups, several, speakingAt, whoIn } from "./people.js";

/** @typedef {import("./annotation.js").Utterance} Utterance */
/** @typedef {import("./lanes.js").Lane} Lane */
/** @typedef {{lane: Lane, top: number}} Placed */
/**
 * @typedef {object} Part  of the time line, in pixels from its top
 * @property {import("./people.js").Group} group
 * @property {WordsLane} words
 * @property {Placed[]} lanes
 * @property {number} top
 * @property {number} bottom
 */

const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
const AXIS = 26; // pixels
const HEAD = 30;
const MOST_UNFOLDED = 2; // groups, until the reader unfolds more
const DIM = 0.3; // opacity of who was not chosen

export class Timeline {
  /**
   * @param {HTMLElement} element
   * @param {object} options
   * @param {(moment: number, utterance: Utterance | null) => void} options.onSeek
   * @param {() => void} options.onView  another stretch of time is shown
   * @param {(timeline: Timeline) => void} options.onLayout  lanes have moved
   */
  constructor(element, { onSeek, onView, onLayout }) {
    this.element = element;
    this.onSeek = onSeek;
    this.onView = onView;
    this.onLayout = onLayout;
    this.view = [0, length];
    this.moment = 0;
    /** @type {Utterance | null} */
    this.current = null;
    /** @type {Set<import("./people.js").Group>} */
    this.folded = new Set();
    /** @type {Set<import("./people.js").Group>} */
    this.met = new Set();
    this.meet();
    /**
     * What else is painted over it, with every move.
     * @type {(() => void)[]}
     */
    this.painters = [];
    /** @type {Part[]} */
    this.parts = []; // empty until it is drawn
    /** @type {Utterance[]} */
    this.near = []; // what lies within the view
    this.box = { narrow: false, left: 0, width: 0, bottom: 0, height: 0 };
    this.inner = 1; // pixels that `view` takes
    /** @type {Map<string, string>} */
    this.inks = new Map();
    /** @type {number | null} */
    this.pending = null;
    this.canvas = /** @type {HTMLCanvasElement} */ (element.querySelector("canvas"));
    this.tip = /** @type {HTMLElement} */ (document.getElementById("tip"));
    this.playhead = make("div", { class: "playhead" });
    this.probe = make("i", { hidden: "" });
    // The tint of the utterance in view lies under the shapes, so that their colours stay true.
    const focus = make("div", { class: "focus" });
    this.canvas.before(focus, this.probe);
    const place = /** @type {HTMLElement} */ (element.querySelector("#overlay"));
    this.overlay = new Overlay(place, focus);
    place.append(this.playhead);
    new Gestures(this);
    new ResizeObserver(() => this.draw()).observe(element);
  }

  /* Of many groups each is folded, until the reader unfolds it. */
  meet() {
    for (const group of groups) {
      if (!this.met.has(group) && groups.length > MOST_UNFOLDED) this.folded.add(group);
      this.met.add(group);
    }
  }

  /* Where the lanes lie. Narrow screens have the names above the lanes, not beside them. */
  measure() {
    const width = this.element.clientWidth;
    const narrow = width < 640;
    let top = several ? AXIS : narrow ? 18 : 4;
    this.parts = groups.map((group) => {
      const words = new WordsLane(group.utterances, narrow ? 26 : 24);
      /** @type {Part} */
      const part = { group, words, lanes: [], top, bottom: top };
      top += several ? HEAD : 0;
      for (const { lane, gap } of this.lanesOf(part, narrow)) {
        part.lanes.push({ lane, top });
        part.bottom = top + lane.height;
        top = part.bottom + gap;
      }
      top = part.bottom + (several ? 10 : 0);
      return part;
    });
    const { bottom } = this.parts[this.parts.length - 1];
    this.box = { narrow, left: narrow ? 6 : 92, width, bottom, height: bottom + AXIS };
    this.inner = Math.max(width - this.box.left - (narrow ? 36 : 44), 1);
  }

  /**
   * The lanes of a group from top to bottom, and how much room is under each.
   * @param {Part} part
   * @param {boolean} narrow
   * @returns {{lane: Lane, gap: number}[]}
   */
  lanesOf({ group, words }, narrow) {
    if (this.folded.has(group)) return [{ lane: words, gap: 3 }, { lane: stripLane(12), gap: 0 }];
    const shown = labels.filter((label) => !hidden.has(label));
    const height = narrow ? 40 : several ? 36 : 48;
    return [
      { lane: words, gap: narrow ? 20 : 10 },
      ...shown.map((label) => ({ lane: labelLane(label, height), gap: narrow ? 18 : 8 })),
      { lane: missingLane(9), gap: 0 },
    ];
  }

  /** @param {number} seconds */
  x(seconds) {
    const [from, to] = this.view;
    return this.box.left + ((seconds - from) / (to - from)) * this.inner;
  }

  /** @param {number} pixels */
  secondsAt(pixels) {
    const [from, to] = this.view;
    const moment = from + ((pixels - this.box.left) / this.inner) * (to - from);
    return Math.min(Math.max(moment, 0), length);
  }

  /**
   * Where the words of an utterance stand, in pixels from the top.
   * @param {Utterance} utterance
   */
  placeOf(utterance) {
    const { words, lanes } = this.parts[groups.indexOf(groupOf(utterance))];
    const top = lanes[0].top + words.rowOf(utterance) * words.rowHeight;
    return { top, height: words.rowHeight };
  }

  /* Lay it out anew: the width, the lanes or the colours are others. */
  draw() {
    if (!this.element.clientWidth) return;
    this.meet();
    this.measure();
    this.inks.clear();
    this.element.style.height = `${this.box.height}px`;
    this.overlay.placeNames(this);
    this.onLayout(this);
    this.paint();
  }

  /**
   * A colour of the page. Of light-dark() only an element's own colour tells which half holds.
   * @param {string} name
   */
  ink(name) {
    const known = this.inks.get(name);
    if (known) return known;
    this.probe.style.color = `var(${name})`;
    const found = getComputedStyle(this.probe).color;
    this.inks.set(name, found);
    return found;
  }

  /* Paint the lanes: other times, thresholds or decisions are to be seen. */
  paint() {
    if (!this.parts.length) return;
    const { left, width, height } = this.box;
    const right = left + this.inner;
    const [from, to] = this.view;
    const brush = brushOn(this.canvas, width, height);
    brush.font = `10px ${getComputedStyle(this.element).fontFamily}`;
    brush.textBaseline = "middle";
    this.paintAxis(brush, right);
    const x = (/** @type {number} */ seconds) => Math.min(Math.max(this.x(seconds), left), right);
    const sheet = { brush, x, left, right, colour: this.ink.bind(this) };
    this.near = [];
    for (const { group, lanes } of this.parts) {
      const near = group.utterances.filter(({ start, end }) => end >= from && start <= to);
      brush.globalAlpha = !chosen.group || chosen.group === group ? 1 : DIM;
      for (const { lane, top } of lanes) {
        brush.save();
        brush.translate(0, top);
        lane.draw(sheet, near);
        brush.restore();
      }
      this.near = this.near.concat(near);
    }
    this.overlay.placeWords(this);
    this.place();
  }

  /**
   * @param {import("./canvas.js").Brush} brush
   * @param {number} right
   */
  paintAxis(brush, right) {
    const { bottom } = this.box;
    const [from, to] = this.view;
    const wanted = (to - from) / Math.max(this.inner / 64, 2);
    const step = TICKS.find((candidate) => candidate >= wanted) ?? TICKS[TICKS.length - 1];
    brush.save();
    brush.font = brush.font.replace("10px", "11px");
    brush.textAlign = "center";
    for (let place = Math.ceil(from / step); place * step <= to + 1e-9; place += 1) {
      const at = this.x(place * step);
      const text = clock(place * step, step < 1 ? 1 : 0);
      const middle = Math.min(Math.max(at, 16), this.box.width - 18);
      for (const [tick, words] of several ? [[bottom, 14], [AXIS - 8, -10]] : [[bottom, 14]]) {
        brush.fillStyle = this.ink("--rule");
        brush.fillRect(Math.round(at), tick, 1, 5);
        brush.fillStyle = this.ink("--quiet");
        brush.fillText(text, middle, tick + words);
      }
    }
    brush.restore();
  }

  /* Put everything that moves where it belongs. */
  place() {
    if (!this.parts.length) return;
    this.movePlayhead();
    this.overlay.placeMarks(this);
    for (const paint of this.painters) paint();
  }

  /**
   * @param {number} moment
   * @param {boolean} playing
   */
  setMoment(moment, playing) {
    const hasMoved = moment !== this.moment;
    this.moment = moment;
    const [from, to] = this.view;
    const isOutside = moment > to || moment < from;
    const lead = playing ? 0 : (to - from) * 0.1;
    if (isOutside && (playing || hasMoved)) this.show(moment - lead, moment - lead + to - from);
    else this.movePlayhead();
  }

  movePlayhead() {
    if (!this.parts.length) return;
    const at = this.x(this.moment);
    this.playhead.hidden = at < this.box.left - 1 || at > this.box.left + this.inner + 1;
    this.playhead.style.transform = `translateX(${at}px)`;
    this.playhead.style.height = `${this.box.bottom}px`;
  }

  /** @param {Utterance | null} utterance */
  setCurrent(utterance) {
    this.current = utterance;
    this.place();
  }

  /**
   * Bring an utterance into view, without zooming.
   * @param {{start: number, end: number}} utterance
   */
  reveal({ start, end }) {
    const [from, to] = this.view;
    const width = to - from;
    if (start >= from && Math.min(end, start + width) <= to) return;
    this.show(start - width * 0.1, start + width * 0.9);
  }

  /** @param {number} factor */
  zoom(factor, around = this.moment) {
    const [from, to] = this.view;
    const centre = around >= from && around <= to ? around : (from + to) / 2;
    const width = Math.min(Math.max((to - from) * factor, Math.min(1, length)), length);
    const share = (centre - from) / (to - from);
    this.show(centre - share * width, centre + (1 - share) * width);
  }

  /**
   * Show a stretch of time, kept within the media; painted with the next frame.
   * @param {number} from
   * @param {number} to
   */
  show(from, to) {
    const width = Math.min(to - from, length);
    const start = Math.min(Math.max(from, 0), length - width);
    this.view = [start, start + width];
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      this.paint();
      this.onView();
    });
  }

  isZoomed() {
    return this.view[1] - this.view[0] < length - 1e-6;
  }

  /**
   * What lies under a pointer: the moment, and the utterance that is nearest to it.
   * @param {MouseEvent} event
   */
  hit(event) {
    const box = this.element.getBoundingClientRect();
    const moment = this.secondsAt(event.clientX - box.left);
    const y = event.clientY - box.top;
    const part = this.parts.find(({ top, bottom }) => y >= top && y < bottom);
    const there = speakingAt(moment, (part ?? this.parts[0]).group.utterances);
    const placed = part?.lanes.find(({ lane, top }) => y >= top && y < top + lane.height);
    const found = placed
      ? placed.lane.at(y - placed.top, there)
      : { utterance: several ? null : (there[0] ?? null), told: [] };
    return { moment, ...found };
  }

  /** @param {MouseEvent} event */
  showTip(event) {
    const { utterance, told } = this.hit(event);
    this.tip.hidden = !utterance || !told.length;
    if (!utterance || this.tip.hidden) return;
    const head = [when(utterance), whoIn(utterance)].filter(Boolean).join("  ");
    this.tip.replaceChildren(make("b", {}, head), ...told);
    const width = this.tip.offsetWidth;
    const left = Math.min(event.clientX + 14, document.documentElement.clientWidth - width - 8);
    const below = event.clientY + 18 + this.tip.offsetHeight < window.innerHeight;
    this.tip.style.left = `${Math.max(left, 8)}px`;
    const above = event.clientY - this.tip.offsetHeight - 10;
    this.tip.style.top = `${below ? event.clientY + 18 : above}px`;
  }
}
