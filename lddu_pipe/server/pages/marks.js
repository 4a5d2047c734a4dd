/* What was reviewed, seen from afar: in the list, on the time line, and what belongs nowhere. */
import { clock } from "../../writers/viewer/annotation.js";
import { byId, make } from "../../writers/viewer/base.js";
import { brushOn } from "../../writers/viewer/canvas.js";
import { list, timeline } from "../../writers/viewer/viewer.js";
import { people, personChip } from "./cast.js";
import { calendar, differences, isCorrected, isCutAs, isRecut, named } from "./corrections.js";

/* Chips of an utterance in the list. */
export function reviewChips(corrections, utterance) {
  const chips = [];
  const { person } = corrections.draft(utterance);
  const model = people.who(utterance.person);
  if (person !== model) chips.push(personChip(person, model));
  const made = corrections.of(utterance);
  if (made) chips.push(madeChip(utterance, made));
  if (corrections.isDirty(utterance)) {
    chips.push(make("span", { class: "chip unsaved" }, "not saved yet"));
  }
  return chips;
}

function madeChip(utterance, made) {
  const isOther = isCorrected(utterance, made);
  const chip = make(
    "span",
    { class: isOther ? "chip judged is-other" : "chip judged", title: `by ${made.reviewer}` },
    make("span", { "aria-hidden": "true" }, "✓"),
    make("span", { class: "unseen" }, "reviewed: "),
  );
  if (!made.labels) {
    chip.append("cannot tell");
  } else {
    const { added, taken } = differences(utterance, new Set(made.labels));
    const kept = made.labels.filter((label) => !added.includes(label));
    const words = [kept.join(", ") || (added.length ? "" : "no emotion")];
    words.push(...added.map((label) => make("ins", {}, `+ ${label}`)));
    words.push(...taken.map((label) => make("del", {}, `− ${label}`)));
    chip.append(...words);
  }
  if (isRecut(utterance, made)) {
    chip.append(make("small", {}, `${clock(made.start, 1)} – ${clock(made.end, 1)}`));
  }
  return chip;
}

/* Which utterances the list shows; the one in view stays, whatever is said of it. */
export class Filter {
  constructor(corrections) {
    this.corrections = corrections;
    this.choice = byId("review-filter");
    this.isAll = true;
    list.wishes.push((utterance) => this.wants(utterance));
    this.choice.addEventListener("change", () => this.apply());
  }

  wants(utterance) {
    const made = this.corrections.of(utterance);
    const isOpen = !made || this.corrections.isDirty(utterance);
    switch (this.choice.value) {
      case "open": return isOpen;
      case "reviewed": return Boolean(made);
      case "differs": return Boolean(made) && isCorrected(utterance, made);
      default: return true;
    }
  }

  apply() {
    if (this.choice.value === "all" && this.isAll) return;
    this.isAll = this.choice.value === "all";
    list.narrow();
  }
}

/* A thin bar under the words of what was reviewed, and brackets where a reviewer cut it anew. */
export class Marks {
  constructor(corrections) {
    this.corrections = corrections;
    this.canvas = make("canvas", { class: "marks" });
    byId("overlay").append(this.canvas);
    timeline.painters.push(() => this.paint());
  }

  paint() {
    const { left, width, height } = timeline.box;
    const brush = brushOn(this.canvas, width, height);
    brush.beginPath();
    brush.rect(left - 2, 0, timeline.inner + 4, height);
    brush.clip();
    brush.fillStyle = brush.strokeStyle = getComputedStyle(this.canvas).color;
    brush.lineWidth = 2;
    for (const utterance of timeline.near) {
      const made = this.corrections.of(utterance);
      const draft = this.corrections.drafts.get(utterance.id);
      const { top, height: each } = timeline.placeOf(utterance);
      if (made) {
        const from = timeline.x(utterance.start);
        brush.globalAlpha = made.labels ? 1 : 0.4; // paler where they could not tell
        brush.fillRect(from, top + each - 4, timeline.x(utterance.end) - from, 3);
        brush.globalAlpha = 1;
      }
      const cut = draft ?? made;
      if (cut && cut.start !== null && cut.end !== null && isRecut(utterance, cut)) {
        brush.setLineDash(draft ? [3, 3] : []);
        this.bracket(brush, timeline.x(cut.start), timeline.x(cut.end), top, each);
      }
    }
  }

  bracket(brush, from, to, top, tall) {
    brush.beginPath();
    brush.moveTo(from + 5, top + 1);
    brush.lineTo(from, top + 1);
    brush.lineTo(from, top + tall - 1);
    brush.lineTo(from + 5, top + tall - 1);
    brush.moveTo(to - 5, top + 1);
    brush.lineTo(to, top + 1);
    brush.lineTo(to, top + tall - 1);
    brush.lineTo(to - 5, top + tall - 1);
    brush.stroke();
  }
}

/* A correction as an item of a list: who, when, what; struck through where it was taken back. */
export function correctionRow(made, { when: moment = "" } = {}) {
  const what = made.undone ? "del" : "span";
  const cut =
    made.start !== null && !isCutAs(made, { start: made.model_start, end: made.model_end })
      ? `, ${clock(made.start, 2)} – ${clock(made.end, 2)}`
      : "";
  const whose = made.person ? `, ${people.described(made.person)}` : "";
  return make(
    "li",
    { class: made.undone ? "is-undone" : null },
    moment ? make("span", { class: "quiet", dir: "auto" }, moment) : null,
    make(what, { dir: "auto" }, named(made.labels) + whose + cut),
    ...sayerOf(made),
  );
}

/* Who said something, when, and with which comment. */
export function sayerOf(said) {
  return [
    make(
      "span",
      { class: "quiet" },
      make("span", { dir: "auto" }, said.reviewer),
      make("time", { datetime: said.created }, `, ${calendar(said.created)}`),
      said.undone ? `, undone ${calendar(said.undone)}` : "",
    ),
    said.comment ? make("q", { dir: "auto" }, said.comment) : null,
  ];
}

export function showUnmatched({ unmatched }) {
  byId("unmatched").hidden = !unmatched.length;
  byId("unmatched-count").textContent = `(${unmatched.length})`;
  byId("unmatched-rows").replaceChildren(
    ...unmatched.map((made) => {
      const moment =
        made.model_start === null
          ? ""
          : `${clock(made.model_start, 1)} – ${clock(made.model_end, 1)}`;
      return correctionRow(made, { when: [moment, made.text].filter(Boolean).join(" ") });
    }),
  );
}
