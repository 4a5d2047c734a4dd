/* The parts that read as text: the utterance in view with its scales, the list, the table. */
import {
  ambiguity,
  annotation,
  clock,
  colours,
  decide,
  decisionInWords,
  described,
  doubts,
  duration,
  hidden,
  isYours,
  labels,
  missingThroughout,
  ownReasons,
  presentScores,
  reason,
  saidIn,
  source,
  spread,
  thresholds,
  timed,
  utterances,
  verdict,
  when,
} from "./annotation.js";
import { byId, make, percent } from "./base.js";
import { clamp } from "./canvas.js";
import { groupOf, groups, isWanted, several, whoIn } from "./people.js";

/** @typedef {import("./annotation.js").Score} Score */
/** @typedef {import("./annotation.js").Utterance} Utterance */
/** @typedef {ReturnType<typeof UtterancePanel.prototype.makeRow>} Row */
/** @typedef {Record<"said" | "chips" | "button" | "row", HTMLElement>} Parts */
/** @typedef {Parts & {utterance: Utterance, told: string}} Item */

const FRAMES_AFTER_A_JUMP = 20;

export class UtterancePanel {
  /**
   * @param {object} options
   * @param {(label: string, share: number) => void} options.onThreshold
   * @param {(label: string, hide: boolean) => void} options.onHide
   */
  constructor({ onThreshold, onHide }) {
    this.rows = new Map(labels.map((label) => [label, this.makeRow(label, onThreshold, onHide)]));
    byId("emotions").append(...[...this.rows.values()].map(({ row }) => row));
  }

  /**
   * @param {string} label
   * @param {(label: string, share: number) => void} onThreshold
   * @param {(label: string, hide: boolean) => void} onHide
   */
  makeRow(label, onThreshold, onHide) {
    const parts = {
      shown: make("input", { type: "checkbox", "aria-label": `Show the lane of ${label}` }),
      bar: make("div", { class: "bar" }),
      band: make("div", { class: "band" }),
      slider: make("input", {
        type: "range",
        min: 0,
        max: 100,
        step: 1,
        value: 50,
        "aria-label": `Threshold of ${label}, per cent`,
      }),
      value: make("span", { class: "value" }),
      decision: make("span", { class: "decision" }),
    };
    parts.shown.checked = true;
    parts.shown.addEventListener("change", () => onHide(label, !parts.shown.checked));
    parts.slider.addEventListener("input", () => {
      onThreshold(label, parts.slider.valueAsNumber / 100);
    });
    const name = make("span", { class: "label-name", dir: "auto", title: label }, label);
    const row = make(
      "li",
      { class: "emotion" },
      make("label", {}, parts.shown, make("i", { class: "swatch" }), name),
      make("div", { class: "scale" }, parts.bar, parts.band, parts.slider),
      parts.value,
      parts.decision,
    );
    row.style.setProperty("--colour", colours.get(label) ?? "");
    return { ...parts, row };
  }

  /** @param {Utterance | null} utterance */
  show(utterance) {
    for (const [label, parts] of this.rows) {
      const threshold = thresholds.get(label);
      const isSet = threshold !== undefined;
      parts.row.classList.toggle("is-hidden", !utterance || hidden.has(label));
      parts.row.classList.toggle("is-set", isSet);
      if (!isSet) parts.slider.valueAsNumber = 50;
      parts.slider.setAttribute(
        "aria-valuetext",
        isSet ? `${percent(threshold)}, yours` : "not set: the model decides",
      );
      const score = utterance?.scores.get(label);
      if (score) this.showScore(parts, score);
    }
    byId("now-time").textContent = utterance ? nowLine(utterance) : "no utterances";
    byId("now-text").textContent = utterance ? saidIn(utterance) : "";
    byId("now-text").classList.toggle("quiet", !utterance?.text);
    byId("now-notes").textContent = utterance ? nowNotes(utterance) : "";
  }

  /**
   * @param {Row} parts
   * @param {Score} score
   */
  showScore(parts, score) {
    const low = clamp(score.probability - spread(score));
    const wide = clamp(score.probability + spread(score)) - low;
    parts.row.style.setProperty("--share", String(score.probability));
    parts.row.style.setProperty("--low", String(low));
    parts.row.style.setProperty("--wide", String(wide));
    parts.value.textContent = percent(score.probability);
    const decision = decide(score);
    parts.row.dataset.decision = decision;
    parts.row.classList.toggle("is-yours", isYours(score));
    parts.decision.textContent = decision === "abstain" ? "undecided" : decision;
    parts.row.title = described(score);
  }
}

/** @param {Utterance} utterance */
function nowLine(utterance) {
  return [when(utterance), whoIn(utterance)].filter(Boolean).join(" · ");
}

/**
 * Such as "valence 0.40 (-0.10 to 0.85)".
 * @param {[string, import("../../../docs/annotation.d.ts").ScaleValue]} named
 */
function onScale([name, { value, low, high }]) {
  const interval = low === null || high === null ? "" : ` (${low.toFixed(2)} to ${high.toFixed(2)})`;
  return `${name} ${value.toFixed(2)}${interval}`;
}

/** @param {Utterance} utterance */
function nowNotes(utterance) {
  const doubted = utterance.emotions
    .filter((score) => doubts(score).length)
    .map((score) => `${score.label} (${doubts(score).join(", ")})`);
  const set = utterance.label_set;
  return [
    verdict(utterance),
    doubted.length ? `uncertain: ${doubted.join(", ")}` : "",
    ...ownReasons(utterance),
    set ? `label set: ${set.join(", ") || "empty"}` : "",
    ...Object.entries(utterance.scales || {}).map(onScale),
  ]
    .filter(Boolean)
    .join(" · ");
}

export class UtteranceList {
  /**
   * @param {object} options
   * @param {(utterance: Utterance) => void} options.onChoose
   */
  constructor({ onChoose }) {
    /** @type {HTMLElement} */
    this.place = byId("utterances");
    /**
     * What else is told of an utterance.
     * @type {(utterance: Utterance) => HTMLElement[]}
     */
    this.more = () => [];
    /**
     * What an utterance must be to be listed.
     * @type {((utterance: Utterance) => boolean)[]}
     */
    this.wishes = [isWanted];
    /** @type {Item[]} */
    this.items = utterances.map((utterance) => {
      const said = make("span", { class: "said", dir: "auto" });
      const chips = make("span", { class: "chips" });
      const number = String(utterance.index + 1);
      const button = make(
        "button",
        { type: "button", class: "utterance" },
        make("span", { class: "time quiet" }, timed ? clock(utterance.start, 1) : number),
        said,
        chips,
      );
      button.addEventListener("click", () => onChoose(utterance));
      const item = { utterance, said, chips, button, row: make("li", {}, button), told: "" };
      this.fill(item);
      return item;
    });
    this.place.append(...this.items.map(({ row }) => row));
    if (!utterances.length) this.place.append(make("li", { class: "quiet none" }, "no utterances"));
    /** @type {Item | null} */
    this.current = null;
    /** @type {Utterance[]} */
    this.speaking = [];
  }

  /** @param {Utterance} utterance */
  speaker(utterance) {
    const who = whoIn(utterance);
    if (!who) return null;
    const name = make("b", { class: "speaker" }, `${who}: `);
    if (!several) return name;
    name.prepend(make("i", { class: "swatch" }));
    name.style.setProperty("--colour", groupOf(utterance).colour);
    return name;
  }

  /* List what is wished for; the utterance in view stays, whatever is wished. */
  narrow() {
    for (const { row, utterance } of this.items) {
      row.hidden =
        utterance !== this.current?.utterance && !this.wishes.every((wish) => wish(utterance));
    }
    this.setCurrent(this.current?.utterance ?? null);
  }

  /** @param {Item} item */
  fill(item) {
    const { utterance } = item;
    const chips = presentScores(utterance).map((score) => {
      const chip = make(
        "span",
        { class: isYours(score) ? "chip is-yours" : "chip" },
        make("i", { class: "swatch" }),
        `${score.label} ${percent(score.probability)}`,
        doubts(score).length ? make("small", {}, ` uncertain: ${doubts(score).join(", ")}`) : "",
        isYours(score) ? make("small", {}, " yours") : "",
      );
      chip.style.setProperty("--colour", colours.get(score.label) ?? "");
      return chip;
    });
    for (const score of utterance.emotions) {
      if (decide(score) !== "absent" || !isYours(score)) continue;
      const yours = make("small", {}, " yours");
      chips.push(make("span", { class: "chip is-yours is-out" }, `not ${score.label}`, yours));
    }
    const why = verdict(utterance);
    const look = utterance.abstained ? "abstained" : "plain";
    if (why) chips.push(make("span", { class: `chip ${look}` }, why));
    // Of who is only seen while others speak, that there are no words goes without saying.
    const isSeen = several && utterance.kind === "silence";
    for (const text of isSeen ? [] : ownReasons(utterance)) {
      chips.push(make("span", { class: "chip gone" }, text));
    }
    item.chips.replaceChildren(...chips, ...this.more(utterance));
    const words = utterance.text
      ? make("bdi", {}, utterance.text)
      : make("span", { class: "quiet" }, saidIn(utterance));
    item.said.replaceChildren(...[this.speaker(utterance), words].filter((part) => part !== null));
    item.told = this.gist(utterance);
  }

  /**
   * What is told of an utterance and may change: whose it is, and what is decided.
   * @param {Utterance} utterance
   */
  gist(utterance) {
    const { colour } = groupOf(utterance);
    return [whoIn(utterance), colour, ...utterance.emotions.map(decide)].join();
  }

  /* Rewrite the items of which something else is to be told. */
  refresh() {
    for (const item of this.items) {
      if (item.told !== this.gist(item.utterance)) this.fill(item);
    }
  }

  /** @param {Utterance | null} utterance */
  setCurrent(utterance) {
    this.current?.button.removeAttribute("aria-current");
    this.current = utterance ? this.items[utterance.index] : null;
    if (!this.current) return;
    this.current.button.setAttribute("aria-current", "true");
    this.reveal(this.current);
  }

  /**
   * Only the list scrolls: the page stays where the reader put it. Rows get their true height when
   * they come into view, which may push the one that is wanted out of it again: after a jump it is
   * looked after for some frames.
   * @param {Item} item
   */
  reveal(item, frames = FRAMES_AFTER_A_JUMP) {
    if (item !== this.current || !frames) return;
    const top = item.row.offsetTop;
    const bottom = top + item.row.offsetHeight;
    const { scrollTop, clientHeight } = this.place;
    const isHidden = top < scrollTop || bottom > scrollTop + clientHeight;
    const isFar = isHidden && Math.abs(top - scrollTop) > 3 * clientHeight;
    const isJump = isFar || frames < FRAMES_AFTER_A_JUMP;
    const behavior = isJump ? "auto" : motion();
    if (isHidden) this.place.scrollTo({ top: top - clientHeight / 3, behavior });
    if (isJump) requestAnimationFrame(() => this.reveal(item, frames - 1));
  }

  /** @param {Utterance[]} speaking */
  setSpeaking(speaking) {
    const { length: count } = speaking;
    const same = speaking.every((utterance, at) => utterance === this.speaking[at]);
    if (same && count === this.speaking.length) return;
    for (const { index } of this.speaking) this.items[index].row.classList.remove("is-speaking");
    for (const { index } of speaking) this.items[index].row.classList.add("is-speaking");
    this.speaking = speaking;
  }

  focusCurrent() {
    this.current?.button.focus({ preventScroll: true });
  }
}

/* Everything once more as a table, made when it is first asked for. */
export class ValueTable {
  constructor() {
    /** @type {HTMLDetailsElement} */
    this.details = byId("table");
    /** @type {HTMLElement} */
    this.place = byId("table-place");
    this.details.addEventListener("toggle", () => this.refresh());
  }

  refresh() {
    if (!this.details.open) return;
    const heads = ["Time", ...(several ? ["Person"] : []), "Speaker", "Words", ...labels, "Missing", "Note"];
    const body = make("tbody");
    for (const utterance of utterances) {
      const row = make("tr", {}, make("th", { scope: "row" }, when(utterance)));
      if (several) row.append(make("td", { dir: "auto" }, groupOf(utterance).name));
      row.append(make("td", { dir: "auto" }, utterance.speaker ?? ""));
      row.append(make("td", { dir: "auto", class: "said" }, utterance.text));
      for (const label of labels) {
        const score = utterance.scores.get(label);
        row.append(make("td", {}, score ? this.cell(score) : ""));
      }
      const reasons = utterance.missing.map((name) => reason(utterance, name));
      row.append(make("td", {}, reasons.join("; ")));
      row.append(make("td", {}, verdict(utterance)));
      body.append(row);
    }
    const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)));
    const caption = "Probability ± its spread, the decision, and the ambiguity, of each emotion";
    this.place.replaceChildren(
      make("table", {}, make("caption", {}, caption), make("thead", {}, head), body),
    );
  }

  /** @param {Score} score */
  cell(score) {
    const shown = `${percent(score.probability)} ± ${percent(spread(score))}`;
    return `${shown}, ${decisionInWords(score)}, ambiguity ${percent(ambiguity(score))}`;
  }
}

/* What stands above everything; people may be others by and by. */
export function showFacts() {
  const { model, media } = annotation;
  byId("title").textContent = source.name;
  const kinds = [];
  if (media.has_audio) kinds.push("sound");
  if (media.has_video) kinds.push(timed ? "pictures" : "picture");
  const facts = [
    timed ? clock(duration, duration < 60 ? 1 : 0) : null,
    kinds.join(" and ") || "text",
    `${model.name} ${model.version}${model.aligned ? ", aligned" : ""}`,
    several ? `${groups.filter(({ id }) => id !== null).length} people` : null,
    throughout(),
  ];
  byId("facts").textContent = facts.filter(Boolean).join(" · ");
  const abstained = utterances.filter((utterance) => utterance.abstained).length;
  byId("utterances-facts").textContent =
    `${utterances.length} in all` + (abstained ? `, ${abstained} abstained` : "");
}

export function showOrigin() {
  const { media } = annotation;
  const origin = byId("origin");
  const { created, versions, weights } = annotation.provenance;
  const rows = [
    ["Media", media.path || "data in memory"],
    ["SHA-256 of the media", media.sha256],
    ["Annotated", created],
    ["Versions", Object.entries(versions).map((pair) => pair.join(" ")).join(", ")],
    ["Weights", Object.keys(weights).join(", ")],
  ];
  for (const [name, value] of rows) {
    if (value) origin.append(make("dt", {}, name), make("dd", { dir: "auto" }, value));
  }
}

/* What every utterance lacks, modalities of one reason together. */
function throughout() {
  /** @type {Map<string | undefined, string[]>} */
  const byReason = new Map();
  for (const name of missingThroughout) {
    const why = utterances[0].modalities[name].reason;
    byReason.set(why, [...(byReason.get(why) ?? []), name]);
  }
  const parts = [...byReason].map(([why, names]) => `${names.join(" and ")} (${why})`);
  return parts.length ? `missing throughout: ${parts.join("; ")}` : null;
}

/** @returns {ScrollBehavior} */
function motion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
}
