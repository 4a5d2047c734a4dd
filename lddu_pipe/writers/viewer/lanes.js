/* Lanes of the time line: each is as high as it says, paints the utterances of one group, and tells
 * what lies at a height.
 */
import {
  ambiguity,
  colours,
  decide,
  described,
  high,
  presentScores,
  reason,
  saidIn,
  spread,
  verdict,
} from "./annotation.js";
import { MODALITIES, make } from "./base.js";
import { clamp, faded, hatching } from "./canvas.js";

/** @typedef {import("./annotation.js").Utterance} Utterance */
/**
 * @typedef {object} Sheet  what lanes are painted on
 * @property {import("./canvas.js").Brush} brush
 * @property {(seconds: number) => number} x  in pixels
 * @property {number} left  where the time that is shown starts
 * @property {number} right  where it ends
 * @property {(name: string) => string} colour  of the page, by the name of its variable
 */
/**
 * @typedef {object} Lane
 * @property {"words" | "label" | "strip" | "missing"} kind
 * @property {string} name
 * @property {number} height  in pixels
 * @property {(sheet: Sheet, near: Utterance[]) => void} draw  from 0 to `height`
 * @property {(y: number, there: Utterance[]) => Found} at  of the utterances of a moment, which is
 *   meant at a height, and what there is to tell
 */
/** @typedef {{utterance: Utterance | null, told: HTMLElement[]}} Found */

const AMBIGUITY_STEPS = [
  { below: 0.15, opacity: 0.62 },
  { below: high.aleatoric, opacity: 0.38 },
  { below: Infinity, opacity: 0.2 },
];
/* The range of a lane: a line at 0 or 1 is seen whole. */
const LEVELS = [-0.02, 1.02];
const MOST_SPEAKERS = 6;

/** @param {number} share */
const levelIn = (share) => (LEVELS[1] - share) / (LEVELS[1] - LEVELS[0]);

/** @param {Utterance} utterance */
const words = (utterance) => [make("span", { dir: "auto", class: "tip-words" }, saidIn(utterance))];

/**
 * Each utterance's row in a lane of words: a row a speaker; where there are none, or the same person
 * is there twice at once, the first row that is free.
 * @param {Utterance[]} utterances
 */
function rowsOf(utterances) {
  const speakers = [...new Set(utterances.map(({ speaker }) => speaker ?? ""))];
  const bySpeaker = speakers.length > 1 && speakers.length <= MOST_SPEAKERS;
  /** @type {{name: string, until: number}[]} */
  const taken = [];
  const found = utterances.map(({ start, end, speaker }) => {
    const name = bySpeaker ? (speaker ?? "") : "";
    let row = taken.find((other) => other.until <= start + 0.001 && other.name === name);
    if (!row) taken.push((row = { name, until: 0 }));
    row.until = end;
    return row;
  });
  taken.sort((one, other) => speakers.indexOf(one.name) - speakers.indexOf(other.name));
  return {
    of: new Map(utterances.map(({ index }, at) => [index, taken.indexOf(found[at])])),
    count: Math.max(taken.length, 1),
    names: bySpeaker ? taken.map(({ name }) => name) : [],
  };
}

/**
 * What is said, a block an utterance, in rows where several stand at once.
 * @implements {Lane}
 */
export class WordsLane {
  /**
   * @param {Utterance[]} utterances
   * @param {number} rowHeight
   */
  constructor(utterances, rowHeight) {
    /** @type {"words"} */
    this.kind = "words";
    this.name = "words";
    this.rows = rowsOf(utterances);
    this.rowHeight = rowHeight;
    this.height = this.rows.count * rowHeight;
  }

  /** @param {Utterance} utterance */
  rowOf(utterance) {
    return this.rows.of.get(utterance.index) ?? 0;
  }

  /**
   * @param {Sheet} sheet
   * @param {Utterance[]} near
   */
  draw({ brush, x, colour }, near) {
    const [said, silent] = [colour("--block"), colour("--silent")];
    for (const utterance of near) {
      const [from, to] = [x(utterance.start), x(utterance.end)];
      const pad = Math.min(0.5, (to - from) / 10); // keeps neighbours apart
      brush.fillStyle = utterance.text ? said : silent;
      const top = (this.rowOf(utterance) + 0.06) * this.rowHeight;
      brush.fillRect(from + pad, top, to - from - 2 * pad, 0.88 * this.rowHeight);
    }
  }

  /**
   * @param {number} y
   * @param {Utterance[]} there
   * @returns {Found}
   */
  at(y, there) {
    const row = Math.floor(y / this.rowHeight);
    const utterance = there.find((other) => this.rowOf(other) === row) ?? there[0] ?? null;
    return { utterance, told: utterance ? words(utterance) : [] };
  }
}

/**
 * How probable an emotion is: a line with its band, filled where it is decided present.
 * @param {string} label
 * @param {number} height
 * @returns {Lane}
 */
export function labelLane(label, height) {
  const own = colours.get(label) ?? "#000000";
  const band = faded(own, 0.45);
  const fills = AMBIGUITY_STEPS.map(({ below, opacity }) => ({ below, look: faded(own, opacity) }));
  const y = (/** @type {number} */ share) => levelIn(share) * height;
  return {
    kind: "label",
    name: label,
    height,
    draw({ brush, x, left, right, colour }, near) {
      brush.fillStyle = colour("--rule");
      brush.fillRect(left, Math.round(y(0.5)), right - left, 1);
      const hatch = hatching(colour("--hatch"), 6);
      const quiet = colour("--quiet");
      for (const { start, end, scores } of near) {
        const score = scores.get(label);
        if (!score) continue;
        const { probability } = score;
        const decision = decide(score);
        const from = x(start);
        const wide = x(end) - from;
        const fill = (/** @type {number} */ upper, /** @type {number} */ lower) =>
          brush.fillRect(from, y(upper), wide, y(lower) - y(upper));
        if (decision === "abstain") {
          brush.fillStyle = hatch;
          fill(1, 0);
        }
        if (decision === "present") {
          brush.fillStyle = fills.find(({ below }) => ambiguity(score) < below)?.look ?? band;
          fill(probability, 0);
        }
        brush.fillStyle = band;
        fill(clamp(probability + spread(score)), clamp(probability - spread(score)));
        brush.fillStyle = decision === "abstain" ? quiet : own;
        brush.fillRect(from, y(probability) - 1, wide, 2);
      }
      brush.fillStyle = colour("--base");
      brush.fillRect(left, Math.round(y(0)), right - left, 1);
      brush.fillStyle = quiet;
      brush.fillText("50 %", right + 4, y(0.5));
    },
    at(from, there) {
      const share = 1 - from / height;
      const away = (/** @type {Utterance} */ { scores }) =>
        Math.abs((scores.get(label)?.probability ?? 2) - share);
      const [utterance = null] = [...there].sort((one, other) => away(one) - away(other));
      const score = utterance?.scores.get(label);
      const told = score ? [make("span", {}, described(score))] : [];
      return { utterance, told: utterance ? [...told, ...words(utterance)] : [] };
    },
  };
}

/**
 * The most probable of the emotions that are present, where a group is folded.
 * @param {number} height
 * @returns {Lane}
 */
export function stripLane(height) {
  return {
    kind: "strip",
    name: "emotions",
    height,
    draw({ brush, x, left, right, colour }, near) {
      brush.fillStyle = colour("--silent");
      brush.fillRect(left, 0, right - left, height);
      const hatch = hatching(colour("--hatch"), 6);
      for (const utterance of near) {
        const [first] = presentScores(utterance);
        if (!first && !utterance.abstained) continue;
        brush.fillStyle = first ? (colours.get(first.label) ?? "") : hatch;
        brush.fillRect(x(utterance.start), 0, x(utterance.end) - x(utterance.start), height);
      }
    },
    at(_, there) {
      const [utterance = null] = there;
      if (!utterance) return { utterance, told: [] };
      const present = presentScores(utterance).map((score) => make("span", {}, described(score)));
      const why = present.length ? present : [make("span", {}, verdict(utterance))];
      return { utterance, told: [...why, ...words(utterance)] };
    },
  };
}

/**
 * What there was to go by, a line a modality, crossed out where it was missing.
 * @param {number} rowHeight
 * @returns {Lane}
 */
export function missingLane(rowHeight) {
  return {
    kind: "missing",
    name: "missing",
    height: MODALITIES.length * rowHeight,
    draw({ brush, x, colour }, near) {
      const there = colour("--there");
      const crossed = hatching(colour("--gone"), 5, { crossed: true });
      for (const { start, end, modalities } of near) {
        const from = x(start);
        MODALITIES.forEach((name, row) => {
          const isThere = modalities[name].present;
          const [top, tall] = isThere ? [0.35, 0.3] : [0.08, 0.84];
          brush.fillStyle = isThere ? there : crossed;
          brush.fillRect(from, (row + top) * rowHeight, x(end) - from, tall * rowHeight);
        });
      }
    },
    at(y, there) {
      const [utterance = null] = there;
      if (!utterance) return { utterance, told: [] };
      const name = MODALITIES[Math.min(Math.floor(y / rowHeight), MODALITIES.length - 1)];
      const isMissing = utterance.missing.includes(name);
      const told = isMissing ? reason(utterance, name) : `${name} was used`;
      return { utterance, told: [make("span", {}, told)] };
    },
  };
}
