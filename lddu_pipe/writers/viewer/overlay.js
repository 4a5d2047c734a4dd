/* What lies over the lanes as text and marks: their names, the words, thresholds, and what is in view. */
import { colours, thresholds } from "./annotation.js";
import { MODALITIES, make } from "./base.js";
import { chosen, groupOf, several } from "./people.js";

/** @typedef {import("./timeline.js").Timeline} Timeline */

export class Overlay {
  /**
   * @param {HTMLElement} place
   * @param {HTMLElement} focus  the tint of the utterance in view
   */
  constructor(place, focus) {
    this.focus = focus;
    this.names = make("div", { class: "names" });
    this.words = make("div", { class: "words" });
    this.moving = make("div", { class: "moving" });
    place.append(this.words, this.names, this.moving);
  }

  /**
   * What each lane is called: beside it, or above it on a narrow screen.
   * @param {Timeline} timeline
   */
  placeNames({ parts, box: { narrow, left } }) {
    this.names.replaceChildren();
    /**
     * @param {string} text
     * @param {number} top
     * @param {number} height
     */
    const put = (text, top, height, className = "") => {
      const name = make("span", { class: `name ${className}`, title: text, dir: "auto" }, text);
      name.style.top = `${narrow ? top - 17 : top}px`;
      name.style.height = `${narrow ? 16 : height}px`;
      name.style.width = narrow ? "100%" : `${left - 10}px`;
      this.names.append(name);
      return name;
    };
    for (const { words, lanes } of parts) {
      for (const { lane, top } of lanes) {
        if (lane.kind === "label") {
          const name = put(lane.name, top, lane.height, "of-label");
          name.style.setProperty("--colour", colours.get(lane.name) ?? "");
        } else if (lane.kind === "missing") {
          const each = lane.height / MODALITIES.length;
          if (narrow) put("text, audio, vision: crossed where missing", top, lane.height);
          else MODALITIES.forEach((part, at) => put(part, top + at * each, each, "tiny"));
        } else if (several && narrow) {
          continue; // who it is stands above
        } else if (lane.kind === "words" && words.rows.names.length && !narrow) {
          const each = words.rowHeight;
          words.rows.names.forEach((speaker, at) => put(speaker || "–", top + at * each, each));
        } else {
          put(lane.name, top, lane.height);
        }
      }
    }
  }

  /**
   * The words of utterances that are wide enough for some: never more than fit the screen.
   * @param {Timeline} timeline
   */
  placeWords(timeline) {
    const { left, narrow } = timeline.box;
    const right = left + timeline.inner;
    const blocks = [];
    for (const utterance of timeline.near) {
      const from = Math.max(timeline.x(utterance.start), left);
      const to = Math.min(timeline.x(utterance.end), right);
      if (to - from < 34 || !utterance.text) continue;
      const who = narrow && !several && utterance.speaker ? `${utterance.speaker}: ` : "";
      const block = make("span", { class: "word-block", dir: "auto" }, who + utterance.text);
      const { top, height } = timeline.placeOf(utterance);
      place(block, from, top, to - from);
      block.style.height = block.style.lineHeight = `${height}px`;
      if (chosen.group && chosen.group !== groupOf(utterance)) block.classList.add("is-dim");
      blocks.push(block);
    }
    this.words.replaceChildren(...blocks);
  }

  /**
   * The thresholds, and the utterance in view: its tint, and how probable each emotion is.
   * @param {Timeline} timeline
   */
  placeMarks(timeline) {
    const { parts, current, inner } = timeline;
    const { left } = timeline.box;
    const right = left + inner;
    this.moving.replaceChildren();
    const from = current ? Math.max(timeline.x(current.start), left) : 0;
    const to = current ? Math.min(timeline.x(current.end), right) : 0;
    this.focus.hidden = to <= from;
    for (const { group, lanes, top, bottom } of parts) {
      const isCurrent = current && to > from && groupOf(current) === group;
      if (isCurrent) {
        const upper = several ? top : 0;
        place(this.focus, from, upper, Math.max(to - from, 2));
        this.focus.style.height = `${bottom - upper}px`;
      }
      for (const { lane, top: upper } of lanes) {
        if (lane.kind !== "label") continue;
        const put = (
          /** @type {string} */ name,
          /** @type {number} */ share,
          /** @type {number} */ start,
          /** @type {number} */ wide,
        ) => {
          const mark = make("div", { class: name, "data-label": lane.name });
          place(mark, start, upper + (1 - share) * lane.height, wide);
          mark.style.setProperty("--colour", colours.get(lane.name) ?? "");
          this.moving.append(mark);
        };
        const threshold = thresholds.get(lane.name);
        if (threshold !== undefined) put("threshold", threshold, left, inner);
        const score = isCurrent ? current?.scores.get(lane.name) : null;
        if (score) put("level", score.probability, from, Math.max(to - from, 3));
      }
    }
  }
}

/**
 * @param {HTMLElement} element
 * @param {number} left
 * @param {number} top
 * @param {number} width
 */
function place(element, left, top, width) {
  element.style.left = `${left}px`;
  element.style.top = `${top}px`;
  element.style.width = `${width}px`;
}
