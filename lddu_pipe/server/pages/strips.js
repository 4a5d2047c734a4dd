/* A lane for each person: what is thought of them now, as bars, and what was, on a strip that scrolls. */
import { PEOPLE, UNKNOWN, make, percent } from "../../writers/viewer/base.js";
import { legible } from "../../writers/viewer/corpus.js";

const KEPT = 40; // s after which what has scrolled away is forgotten
const OUT_OF_VIEW = "Not in view";

/* "p1" is what annotations call the first person. */
export const nameOf = (id) => (id === null ? OUT_OF_VIEW : id.replace(/^p(?=\d+$)/, "Person "));

const presentOf = ({ emotions }) =>
  emotions
    .filter(({ decision }) => decision === "present")
    .sort((one, other) => other.probability - one.probability);

/* A lane. */
class Strip {
  constructor(person, colour, { labels, colours, high }) {
    this.person = person;
    this.high = high;
    this.colours = colours;
    this.feeling = "";
    this.wasFinal = false; // anything of it
    this.latest = 0; // the start of what the bars show
    this.blocks = new Map(); // by the id of an utterance
    this.bars = new Map(labels.map((label) => [label, this.makeBar(label)]));
    this.said = make("span", { class: "quiet small" });
    this.scroll = make("div", { class: "scroll" });
    const title = make("h3", {}, make("i", { class: "swatch" }), nameOf(person));
    title.style.setProperty("--colour", colour);
    this.element = make(
      "li",
      { class: "strip", "data-person": person ?? "" },
      make("div", { class: "now" }, title, this.said),
      make("ul", { class: "bars" }, ...[...this.bars.values()].map(({ element }) => element)),
      make("div", { class: "past" }, this.scroll),
    );
  }

  makeBar(label) {
    const share = make("span", { class: "share" });
    const scale = make("span", { class: "level" }, make("i", { class: "fill" }), make("i", { class: "doubt" }));
    const element = make("li", {}, make("span", { class: "label-name", dir: "auto" }, label), scale, share);
    element.style.setProperty("--colour", this.colours.get(label));
    return { element, share };
  }

  judge(utterance, isFinal) {
    const { id, start, end } = utterance;
    if (isFinal) this.dropRunning(end);
    this.wasFinal ||= isFinal;
    const block = this.blocks.get(id) ?? this.addBlock(id);
    Object.assign(block, { start, end, isRunning: !isFinal });
    block.element.classList.toggle("is-running", !isFinal);
    block.element.style.left = `calc(${start} * var(--second))`;
    block.element.style.width = `calc(${Math.max(end - start, 0.3)} * var(--second) - 2px)`;
    block.element.title = utterance.text;
    block.element.replaceChildren(...this.rows(utterance));
    // Another's final result may come after the first running one of what is said next.
    if (start < this.latest) return;
    this.latest = start;
    this.showNow(utterance, isFinal);
  }

  addBlock(id) {
    const block = { element: make("div", { class: "block" }), start: 0, end: 0, isRunning: true };
    this.scroll.append(block.element);
    this.blocks.set(id, block);
    return block;
  }

  rows(utterance) {
    const present = presentOf(utterance);
    if (!present.length) {
      const words = utterance.abstained ? "unsure" : "none";
      return [make("span", { class: "row is-none quiet" }, words)];
    }
    return present.slice(0, 3).map((score) => {
      const row = make("span", { class: this.isUnsure(score) ? "row is-unsure" : "row" });
      row.append(make("i", {}), `${legible(score.label)} ${percent(score.probability)}`);
      row.style.setProperty("--colour", this.colours.get(score.label));
      row.style.setProperty("--share", String(score.probability));
      return row;
    });
  }

  isUnsure({ uncertainty: { aleatoric, epistemic } }) {
    return aleatoric >= this.high.aleatoric || epistemic >= this.high.epistemic;
  }

  showNow(utterance, isFinal) {
    for (const score of utterance.emotions) {
      const bar = this.bars.get(score.label);
      if (!bar) continue;
      const { probability, uncertainty, decision } = score;
      const low = Math.max(probability - uncertainty.epistemic, 0);
      const high = Math.min(probability + uncertainty.epistemic, 1);
      bar.element.style.setProperty("--share", String(probability));
      bar.element.style.setProperty("--low", String(low));
      bar.element.style.setProperty("--wide", String(high - low));
      bar.element.dataset.decision = decision;
      bar.share.textContent = percent(probability);
    }
    const [most] = presentOf(utterance);
    this.feeling = most ? legible(most.label) : "";
    const used = Object.entries(utterance.modalities)
      .filter(([, { present }]) => present)
      .map(([name]) => ({ text: "words", audio: "voice", vision: "face" })[name]);
    const from = used.length ? `from ${used.join(", ")}` : "nothing to judge by";
    this.said.textContent = isFinal ? from : `${from}, so far`;
  }

  drop(isWanted) {
    for (const [id, block] of this.blocks) {
      if (!isWanted(id, block)) continue;
      block.element.remove();
      this.blocks.delete(id);
    }
  }

  /* What ran before a moment has become final, or nothing. */
  dropRunning(before = Infinity) {
    this.drop((_id, { start, isRunning }) => isRunning && start < before);
  }

  /* Forget what has scrolled away. */
  tidy(now) {
    this.drop((_id, { end }) => now - end > KEPT);
  }
}

export class Strips {
  constructor(place) {
    this.place = place;
    this.strips = new Map(); // by person
    this.people = [];
    this.labels = [];
    this.colours = new Map();
    // From which on a decision is called unsure.
    const { aleatoric, epistemic } = place.dataset;
    this.high = { aleatoric: Number(aleatoric), epistemic: Number(epistemic) };
  }

  /* Begin anew, with the labels of a model. */
  clear(labels, colours) {
    this.labels = labels;
    this.colours = colours;
    this.strips.clear();
    this.people = [];
    this.place.replaceChildren();
  }

  /* In order of appearance, on the picture or in a lane. */
  colourOf(person) {
    if (person === null) return UNKNOWN;
    if (!this.people.includes(person)) this.people.push(person);
    return PEOPLE[this.people.indexOf(person) % PEOPLE.length];
  }

  stripOf(person) {
    let strip = this.strips.get(person);
    if (!strip) {
      strip = new Strip(person, this.colourOf(person), this);
      this.strips.set(person, strip);
      this.place.append(strip.element);
    }
    return strip;
  }

  judge({ utterance, final, replaces }) {
    // What was nobody's so far may have become somebody's.
    for (const strip of this.strips.values()) strip.drop((id) => id === replaces);
    const unknown = this.strips.get(null);
    if (final && utterance.person !== null) unknown?.dropRunning(utterance.end);
    this.stripOf(utterance.person).judge(utterance, final);
  }

  /* Nothing runs any more; lanes in which nothing was final are gone with it. */
  end() {
    for (const [person, strip] of this.strips) {
      strip.dropRunning();
      if (strip.wasFinal) continue;
      strip.element.remove();
      this.strips.delete(person);
    }
  }

  /* What somebody is called, their colour, and what is most present in them now. */
  lookOf(person) {
    const feeling = this.strips.get(person)?.feeling ?? "";
    return { name: nameOf(person), colour: this.colourOf(person), feeling };
  }

  /* Move the strips, so that what is now lies at their right. */
  scroll(now) {
    this.place.style.setProperty("--now", now.toFixed(2));
  }

  tidy(now) {
    for (const strip of this.strips.values()) strip.tidy(now);
  }
}
