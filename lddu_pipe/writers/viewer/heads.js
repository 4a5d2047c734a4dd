/* The heads of lane groups: who it is, whether their lanes are folded, and whether they are chosen. */
import { byId, make } from "./base.js";
import { chosen, groups, several } from "./people.js";

/** @typedef {import("./people.js").Group} Group */
/** @typedef {ReturnType<typeof Heads.prototype.make>} Head */

export class Heads {
  /**
   * @param {object} options
   * @param {(group: Group) => void} options.onFold
   * @param {(group: Group) => void} options.onChoose
   */
  constructor({ onFold, onChoose }) {
    this.onFold = onFold;
    this.onChoose = onChoose;
    // Within the time line they would be hidden from screen readers: a slider has no parts.
    this.place = byId("people");
    /** @type {Head[]} */
    this.items = [];
    this.renew();
  }

  /** @param {Group} group */
  make(group) {
    const fold = make("button", { type: "button", class: "fold" });
    const who = make("button", { type: "button", class: "who", title: "Show only this person" });
    const name = make("bdi");
    const facts = make("span", { class: "quiet" });
    who.append(make("i", { class: "swatch" }), name);
    const row = make("li", {}, fold, who, facts);
    fold.addEventListener("click", () => this.onFold(group));
    who.addEventListener("click", () => this.onChoose(group));
    return { group, row, fold, who, name, facts };
  }

  /* People, or what is told of them, are others. */
  renew() {
    this.items = groups.map(
      (group) => this.items.find((item) => item.group === group) ?? this.make(group),
    );
    for (const { group, row, name, facts } of this.items) {
      name.textContent = group.name;
      facts.textContent = group.facts;
      row.style.setProperty("--colour", group.colour);
    }
    this.place.replaceChildren(...this.items.map(({ row }) => row));
    this.place.hidden = !several;
  }

  /**
   * Put them where their groups are.
   * @param {import("./timeline.js").Timeline} timeline
   */
  show({ parts, folded }) {
    this.items.forEach(({ group, row, fold, who }, at) => {
      row.style.top = `${parts[at].top}px`;
      const isFolded = folded.has(group);
      fold.textContent = isFolded ? "▸" : "▾";
      fold.setAttribute("aria-expanded", String(!isFolded));
      fold.setAttribute("aria-label", `Lanes of ${group.name}`);
      who.setAttribute("aria-pressed", String(chosen.group === group));
    });
  }
}
