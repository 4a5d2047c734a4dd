/* What reviewers said of the utterances, and what is about to be said: drafts, which are kept in
 * this browser tab until they are saved.
 *
 * A draft is `labels` (a Set, or null: cannot tell), `start` and `end` in seconds, `comment`,
 * `person` (the id of whose it is, null where nobody knows), and `replaces`: the number of the
 * correction that its reviewer saw, null for none.
 */
import { annotation, labels, timed, utterances } from "../../writers/viewer/annotation.js";
import { keptInTab } from "../../writers/viewer/base.js";
import { SOMEBODY_NEW, people } from "./cast.js";
import { api } from "./door.js";
import { itemId, itemPath } from "./served.js";

export class Corrections {
  constructor() {
    this.inForce = new Map(); // by the utterance's id
    this.unmatched = [];
    this.history = []; // the newest first
    this.drafts = new Map(); // by the utterance's id
    this.recall();
  }

  async load() {
    await people.load();
    const found = await (await api(`${itemPath}/corrections`)).json();
    this.inForce = new Map(found.in_force.map((made) => [made.utterance, made]));
    this.unmatched = found.unmatched;
    this.history = found.history;
    this.rebase();
    this.repeople();
  }

  /* Drafts may be of people who were made one since, or who are gone. */
  repeople() {
    for (const [id, draft] of this.drafts) {
      const { person } = this.preset(utterances.find((utterance) => utterance.id === id));
      const isThere = draft.person === SOMEBODY_NEW || people.knows(draft.person);
      draft.person = isThere ? people.who(draft.person) : person;
    }
    this.keep();
  }

  /* A draft made on what was undone since, and nobody has said anything instead, is one on what is
   * in force again. */
  rebase() {
    const undone = new Set(
      this.history.filter((made) => made.undone).map(({ number }) => number),
    );
    for (const utterance of utterances) {
      const replaces = this.drafts.get(utterance.id)?.replaces ?? null;
      const now = this.of(utterance)?.number ?? null;
      if (undone.has(replaces) && (now ?? 0) < replaces) this.change(utterance, { replaces: now });
    }
  }

  /* Whether the file was annotated anew since this page was opened. */
  async isOutdated() {
    const { provenance } = await (await api(itemPath)).json();
    return provenance.created !== annotation.provenance.created;
  }

  of(utterance) {
    return this.inForce.get(utterance.id) ?? null;
  }

  historyOf(utterance) {
    // Of what belongs to no utterance, the id is one of an earlier annotation.
    const anchor = (made) => JSON.stringify([made.model_start, made.model_end, made.text]);
    const lost = new Set(this.unmatched.map(anchor));
    return this.history.filter(
      (made) => made.utterance === utterance.id && !lost.has(anchor(made)),
    );
  }

  /* What holds before the reviewer changes it: what is in force, else the model's decisions. */
  preset(utterance) {
    const made = this.of(utterance);
    if (!made) {
      const found = utterance.emotions.filter(({ decision }) => decision === "present");
      const labels = new Set(found.map(({ label }) => label));
      const { start, end } = utterance;
      const person = people.who(utterance.person);
      return { labels, start, end, comment: "", person, replaces: null };
    }
    return {
      labels: made.labels && new Set(made.labels),
      start: made.start ?? utterance.start,
      end: made.end ?? utterance.end,
      comment: made.comment,
      person: made.person ?? people.who(utterance.person),
      replaces: made.number,
    };
  }

  draft(utterance) {
    return this.drafts.get(utterance.id) ?? this.preset(utterance);
  }

  isDirty(utterance) {
    return this.drafts.has(utterance.id);
  }

  /* Change the draft of an utterance; one that says what holds anyway is none. */
  change(utterance, changes) {
    const draft = { ...this.draft(utterance), ...changes };
    if (isSame(draft, this.preset(utterance))) this.drafts.delete(utterance.id);
    else this.drafts.set(utterance.id, draft);
    this.keep();
  }

  drop(utterance) {
    this.drafts.delete(utterance.id);
    this.keep();
  }

  async save(utterance, draft, reviewer) {
    const isCut = timed && !isCutAs(draft, utterance);
    const answer = await api(`${itemPath}/corrections`, {
      method: "POST",
      body: {
        utterance: utterance.id,
        labels: draft.labels && labels.filter((label) => draft.labels.has(label)),
        start: isCut ? draft.start : null,
        end: isCut ? draft.end : null,
        comment: draft.comment,
        person: draft.person === people.who(utterance.person) ? null : draft.person,
        reviewer,
        replaces: draft.replaces,
        annotated: annotation.provenance.created,
      },
    });
    const made = await answer.json();
    // Only the server knows who is new, and how much is whose by now. It is saved all the same.
    const before = this.of(utterance)?.person ?? null;
    if (made.person !== before) await people.load().catch(() => {});
    this.inForce.set(utterance.id, made);
    this.history.unshift(made);
    this.settle(utterance, draft, made);
    return made;
  }

  /* What was sent was made; what was changed while it was on its way stays a draft. */
  settle(utterance, sent, made) {
    const later = this.drafts.get(utterance.id);
    if (!later || isSame(later, sent)) {
      this.drop(utterance);
      return;
    }
    const isNew = later.person === SOMEBODY_NEW && sent.person === SOMEBODY_NEW;
    const person = isNew ? made.person : later.person;
    this.change(utterance, { replaces: made.number, person });
  }

  keep() {
    const kept = [...this.drafts].map(([id, { labels: chosen, ...rest }]) => [
      id,
      { ...rest, labels: chosen && [...chosen] },
    ]);
    if (kept.length) keptInTab.set(this.place(), JSON.stringify(kept));
    else keptInTab.remove(this.place());
  }

  recall() {
    const known = new Set(utterances.map(({ id }) => id));
    for (const [id, draft] of JSON.parse(keptInTab.get(this.place()) ?? "[]")) {
      if (!known.has(id)) continue;
      this.drafts.set(id, { ...draft, labels: draft.labels && new Set(draft.labels) });
    }
  }

  place() {
    // Of another annotation, the same id may be another utterance.
    return `lddu-pipe-drafts ${itemId} ${annotation.provenance.created}`;
  }
}

export function isSame(one, other) {
  return isSameSet(one.labels, other.labels) && isCutAs(one, other) &&
    one.comment.trim() === other.comment.trim() && one.person === other.person;
}

function isSameSet(one, other) {
  if (!one || !other) return one === other;
  return one.size === other.size && [...one].every((label) => other.has(label));
}

export function isCutAs(one, other) {
  const close = (a, b) => Math.abs(a - b) < 0.0005; // a millisecond's half: what is kept
  return close(one.start, other.start) && close(one.end, other.end);
}

/* How labels differ from the model's decisions; what it left open differs from nothing. */
export function differences(utterance, chosen) {
  const added = [];
  const taken = [];
  for (const { label, decision } of utterance.emotions) {
    if (decision === "absent" && chosen.has(label)) added.push(label);
    if (decision === "present" && !chosen.has(label)) taken.push(label);
  }
  return { added, taken };
}

export function isRecut(utterance, made) {
  return timed && made.start !== null && !isCutAs(made, utterance);
}

/* Whether a reviewer said that it is another person's. */
function isGivenAway(utterance, made) {
  return Boolean(made.person) && made.person !== people.who(utterance.person);
}

/* Whether a reviewer said otherwise than the model. */
export function isCorrected(utterance, made) {
  if (isRecut(utterance, made) || isGivenAway(utterance, made)) return true;
  if (!made.labels) return false;
  const { added, taken } = differences(utterance, new Set(made.labels));
  return added.length + taken.length > 0;
}

/* Labels in words. */
export function named(chosen) {
  if (!chosen) return "cannot tell";
  return [...chosen].join(", ") || "no emotion";
}

/* A moment of the calendar, as the reader's system writes it. */
export function calendar(moment) {
  return new Date(moment).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}
