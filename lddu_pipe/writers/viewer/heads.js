/* The heads of lane groups: who it is, whether their lanes are folded, and whether they are chosen. */
import { byId, make } from "./base.js";
import { chosen, groups, several } from "./people.js";

/** @typedef {import("./people.js").Group} Group */

export class Heads {
  /**
   * @param {object} options
   * @param {(group: Group) => void} options.onFold
   * @param {(group: Group) => void} options.onChoose
   */
  constructor({ onFold, onChoose }) {
    this.items = groups.map((group) => {
      const fold = make("button", { type: "button", class: "fold" });
      const who = make("button", { type: "button", class: "who", title: "Show only this person" });
      who.append(make("i", { class: "swatch" }), make("bdi", {}, group.name));
      const row = make("li", {}, fold, who, make("span", { class: "quiet" }, group.facts));
      row.style.setProperty("--colour", group.colour);
      fold.addEventListener("click", () => onFold(group));
      who.addEventListener("click", () => onChoose(group));
      return { group, row, fold, who };
    });
    // Within the time line they would be hidden from screen readers: a slider has no parts.
    byId("people").append(...this.items.map(({ row }) => row));
    byId("people").hidden = !several;
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
