/* What was saved in this browser tab, so that it can be taken back step by step, on any page. */
import { keptInTab } from "../../writers/viewer/base.js";
import { identityInWords } from "./cast.js";
import { named } from "./corrections.js";
import { input, itemId, itemPath } from "./served.js";

const SAVED = "lddu-pipe-saved";
const MOST_STEPS = 500;

export class Steps {
  constructor() {
    this.all = JSON.parse(keptInTab.get(SAVED) ?? "[]");
  }

  /* The step that is undone next: the last in this tab, else the last of the reviewer's here. */
  last(corrections, reviewer) {
    if (this.all.length) return this.all[this.all.length - 1];
    let latest = null;
    for (const made of corrections.inForce.values()) {
      if (made.reviewer === reviewer && made.number > (latest?.number ?? 0)) latest = made;
    }
    return latest && stepOf(latest);
  }

  add(step) {
    this.all.push(step);
    this.all.splice(0, this.all.length - MOST_STEPS);
    this.keep();
  }

  /* Forget a step that was undone, or can be no more. */
  remove({ path }) {
    this.all = this.all.filter((step) => step.path !== path);
    this.keep();
  }

  keep() {
    keptInTab.set(SAVED, JSON.stringify(this.all));
  }
}

export function stepOf({ number, utterance, labels: chosen }) {
  const path = `${itemPath}/corrections/${number}`;
  return { item: itemId, name: input.media.name, path, utterance, words: named(chosen) };
}

/* Of what was said of a person, while an utterance was in view. */
export function stepOfPerson(said, utterance) {
  const path = `${itemPath}/people/${said.number}`;
  const words = identityInWords(said);
  const { name } = input.media;
  return { item: itemId, name, path, utterance: utterance?.id ?? null, words, isOfPerson: true };
}
