/* Who is in the recording, as the model and its reviewers have it. */
import { annotation } from "../../writers/viewer/annotation.js";
import { make } from "../../writers/viewer/base.js";
import { lookOf } from "../../writers/viewer/people.js";
import { api } from "./door.js";
import { itemPath } from "./served.js";

export const SOMEBODY_NEW = "new";

class People {
  constructor() {
    this.members = new Map(); // by id
    this.history = []; // the newest first
  }

  async load() {
    const found = await (await api(`${itemPath}/people`)).json();
    this.members = new Map(found.people.map((member) => [member.id, member]));
    this.history = found.history;
  }

  /* Those who are nobody else. */
  get all() {
    return [...this.members.values()].filter((member) => !member.same_as);
  }

  /* Those who are this person, too. */
  others({ id }) {
    return [...this.members.values()].filter((member) => member.same_as === id);
  }

  /* The id of who somebody is; of who is nobody here, the same. */
  who(id) {
    return this.members.get(id)?.same_as ?? id ?? null;
  }

  knows(id) {
    return this.members.has(id);
  }

  nameOf(id) {
    return id === SOMEBODY_NEW ? "somebody else" : lookOf(id).name;
  }

  /* Name and id, where there are both. */
  described(id) {
    const name = this.members.get(id)?.name;
    return name ? `${name} (${this.who(id)})` : this.nameOf(id);
  }

  /* Say who somebody is; what is not changed is said once more, for one row says all. */
  async identify(member, changes, reviewer) {
    const now = member.in_force;
    const answer = await api(`${itemPath}/people`, {
      method: "POST",
      body: {
        person: member.id,
        name: now?.name ?? null,
        same_as: now?.same_as ?? null,
        ...changes,
        reviewer,
        replaces: now?.number ?? null,
        annotated: annotation.provenance.created,
      },
    });
    return answer.json();
  }
}

export const people = new People();

export function personSwatch(id) {
  const swatch = make("i", { class: "swatch person-swatch", "aria-hidden": "true" });
  swatch.style.setProperty("--colour", lookOf(id).colour);
  return swatch;
}

/* Somebody, and whom the model has instead. */
export function personChip(id, model = id) {
  const name = make("span", { dir: "auto" }, people.nameOf(id));
  const chip = make("span", { class: "chip person" }, personSwatch(id), name);
  if (model !== id && model !== null) {
    chip.append(make("del", { dir: "auto" }, `− ${people.nameOf(model)}`));
  }
  chip.classList.toggle("is-other", model !== id);
  return chip;
}

/* What was said of somebody, in words. */
export function identityInWords({ person, name, same_as: other }) {
  const parts = [];
  if (other) parts.push(`${person} is ${other}`);
  if (name) parts.push(`${person} is called ${name}`);
  return parts.join(", ") || `${person} is as the model has it`;
}
