/* What comes next, and how far the review is. */
import { utterances } from "../../writers/viewer/annotation.js";
import { byId, keptInTab, percent } from "../../writers/viewer/base.js";
import { api } from "./door.js";
import { itemId } from "./served.js";

const OFFERS = 10; // beside those that were passed over, which are offered again
const MOST_OFFERS = 100; // that the server gives at once

/* The address of an utterance; it says why it was chosen, too. */
export function addressOf({ item, utterance, why }) {
  const place = new URLSearchParams({ ...(utterance && { utterance }), ...(why && { why }) });
  return `/annotations/${encodeURIComponent(item)}#${place}`;
}

/* What the address of this page names: an utterance, and why it was chosen. */
export function fromAddress() {
  const place = new URLSearchParams(location.hash.slice(1));
  const id = place.get("utterance");
  const found = utterances.find((utterance) => utterance.id === id) ?? null;
  return { utterance: found, why: place.get("why"), isUnknown: id !== null && !found };
}

export function whyInWords(utterance, why) {
  if (why === "random") return "Drawn at random, so that agreement stays unbiased.";
  if (why !== "uncertain") return "";
  const wrong = utterance.emotions.reduce((sum, { confidence }) => sum + 1 - confidence, 0);
  const count = utterance.emotions.length;
  return `Uncertain: ${wrong.toFixed(1)} of ${count} decisions are expected to be wrong.`;
}

const PASSED = "lddu-pipe-passed";

/* Hands out what the server offers next, without what was passed over in this tab. What was drawn
 * at random comes back after the next judgement: the sample ends before one that is left out. */
export class Queue {
  constructor() {
    this.passed = new Map(JSON.parse(keptInTab.get(PASSED) ?? "[]"));
  }

  /* The next offer, but not the utterance in view; null where there is none. */
  async next(current) {
    const here = current ? this.name({ item: itemId, utterance: current.id }) : "";
    const limit = Math.min(OFFERS + this.passed.size, MOST_OFFERS);
    const offers = (await (await api(`/v1/queue?limit=${limit}`)).json()).next;
    const others = offers.filter((offer) => this.name(offer) !== here);
    const left = offers.find((offer) => this.name(offer) === here);
    if (left) this.passed.set(here, left.why);
    let next = others.find((offer) => !this.passed.has(this.name(offer)));
    if (!next && others.length) {
      this.passed.clear();
      [next] = others;
    }
    this.keep();
    return next ?? null;
  }

  /* Something was judged. */
  resume() {
    for (const [name, why] of this.passed) {
      if (why === "random") this.passed.delete(name);
    }
    this.keep();
  }

  keep() {
    keptInTab.set(PASSED, JSON.stringify([...this.passed]));
  }

  name({ item, utterance }) {
    return `${item} ${utterance}`;
  }
}

let progress = null;

/* Say how far the review is, by the latest answer; none is given where the server is not reached. */
export async function showProgress() {
  const asked = api("/v1/agreement").then((answer) => answer.json());
  progress = asked;
  const found = await asked.catch(() => null);
  if (found && asked === progress) byId("progress").textContent = progressInWords(found);
}

function progressInWords({ utterances: all, judged, decisions, expected, sets, sample }) {
  const parts = [`${judged} of ${all} reviewed`];
  if (decisions.share !== null) {
    const wanted = expected === null ? "" : `, expected ${percent(expected)}`;
    parts.push(`agreement on labels ${percent(decisions.share)}${wanted}`);
  }
  if (sets.share !== null) {
    const range = `${Math.round(sets.low * 100)}–${Math.round(sets.high * 100)}`;
    parts.push(`on whole utterances ${percent(sets.share)} (${range})`);
  }
  if (decisions.share !== null) parts.push(`from ${sample} drawn at random`);
  return parts.join(" · ");
}
