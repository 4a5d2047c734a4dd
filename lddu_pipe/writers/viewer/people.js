/* Who is in the recording: where there are several people, each has lanes, boxes and a colour, and the
 * reader may choose one of them.
 */
import { annotation, clock, saidIn, utterances } from "./annotation.js";
import { PEOPLE, UNKNOWN } from "./base.js";

/** @typedef {import("../../../docs/annotation.d.ts").Face} Face */
/** @typedef {import("./annotation.js").Utterance} Utterance */
/**
 * @typedef {object} Member  somebody who is there, as far as is known by now
 * @property {string} id
 * @property {string | null} name
 * @property {string | null} [same_as]  the id of the person who they are, too
 * @property {number} seconds_visible
 * @property {number} seconds_speaking
 */
/**
 * @typedef {object} Group  the utterances of somebody, or of everybody where there are not several
 * @property {string | null} id  the person's; null for who is not known
 * @property {string} name
 * @property {string} facts
 * @property {string} colour
 * @property {boolean} isStill  a drawing or a poster
 * @property {Utterance[]} utterances
 * @property {Face[]} faces
 */

export const NOBODY = "person not known";

export let several = false;

/**
 * Each of them stays the same object as long as its person is there.
 * @type {Group[]}
 */
export const groups = [];
/** @type {{group: Group | null}} */
export const chosen = { group: null };

/**
 * What everybody is called, and in which colour they are shown, by id.
 * @type {Map<string | null, {name: string, colour: string}>}
 */
const looks = new Map();
/** @type {Map<Utterance, Group>} */
const owners = new Map();

/**
 * Say who is there, and whose each utterance is.
 * @param {Member[]} members  in the order of their colours, which they keep when two become one
 * @param {(utterance: Utterance) => string | null} whose
 */
export function regroup(members, whose) {
  const people = members.filter((member) => !member.same_as);
  several = people.length > 1;
  looks.clear();
  members.forEach(({ id, same_as: other }, at) => {
    const name = nameAmong(people, other ?? id);
    looks.set(id, { name, colour: several ? PEOPLE[at % PEOPLE.length] : UNKNOWN });
  });
  for (const { id, same_as: other } of members) if (other) looks.set(id, lookOf(other));
  const before = groups.splice(0);
  const add = (/** @type {string | null} */ id, /** @type {Omit<Group, "id">} */ values) => {
    const known = before.find((one) => one.id === id) ?? { id };
    groups.push(Object.assign(known, values));
  };
  owners.clear();
  if (!several) {
    const { faces } = annotation;
    add(null, { name: "", facts: "", colour: UNKNOWN, isStill: false, utterances, faces });
  } else {
    const ids = new Map(members.map(({ id, same_as: other }) => [id, other ?? id]));
    for (const person of people) {
      const faces = annotation.faces.filter((face) => ids.get(face.person) === person.id);
      const isStill = faces.length > 0 && faces.every(({ still }) => still);
      const facts = isStill ? "a picture, it never moves" : factsOf(person);
      add(person.id, { ...lookOf(person.id), facts, isStill, utterances: [], faces });
    }
    const byPerson = new Map(groups.map((one) => [one.id, one]));
    const others = utterances.filter((utterance) => {
      const owner = byPerson.get(ids.get(whose(utterance) ?? "") ?? null);
      if (owner) owners.set(utterance, owner);
      owner?.utterances.push(utterance);
      return !owner;
    });
    const unknown = { name: NOBODY, facts: "", colour: UNKNOWN, isStill: false, faces: [] };
    if (others.length) add(null, { ...unknown, utterances: others });
  }
  if (chosen.group && !groups.includes(chosen.group)) chosen.group = null;
}

/**
 * A name, or else the id; of two who have one name, both.
 * @param {Member[]} people
 * @param {string} id
 */
function nameAmong(people, id) {
  const name = people.find((person) => person.id === id)?.name;
  if (!name) return id;
  return people.filter((person) => person.name === name).length > 1 ? `${name} (${id})` : name;
}

/**
 * What somebody is called, and in which colour they are shown.
 * @param {string | null} id
 */
export function lookOf(id) {
  return looks.get(id) ?? { name: id ?? NOBODY, colour: UNKNOWN };
}

/**
 * For how long somebody is seen and heard.
 * @param {Member} person
 */
function factsOf({ seconds_visible: seen, seconds_speaking: spoke }) {
  const facts = [spoke ? `speaks ${clock(spoke)}` : "does not speak"];
  if (annotation.media.has_video) facts.unshift(seen ? `seen ${clock(seen)}` : "not seen");
  return facts.join(" · ");
}

/**
 * @param {Utterance} utterance
 * @returns {Group}
 */
export function groupOf(utterance) {
  return owners.get(utterance) ?? groups[groups.length - 1];
}

/**
 * Whom an utterance is of, as the page names them; empty where nobody is named.
 * @param {Utterance} utterance
 */
export function whoIn(utterance) {
  if (!several) return utterance.speaker ?? "";
  const group = groupOf(utterance);
  return group.id === null ? utterance.speaker ?? group.name : group.name;
}

/**
 * Whether the reader wishes to see an utterance.
 * @param {Utterance} utterance
 */
export function isWanted(utterance) {
  return chosen.group === null || groupOf(utterance) === chosen.group;
}

/**
 * What is said in an utterance, and of whom where there are several people.
 * @param {Utterance} utterance
 */
export function saidBy(utterance) {
  return [whoIn(utterance), saidIn(utterance)].filter(Boolean).join(", ");
}

/**
 * The utterance that the page is about at a moment: one that holds it, else the last before it. Of
 * several, what is said goes before what is only seen, then the latest to begin. `favourite` wins
 * while the moment is within it, so that of two people who speak at once either can be looked at.
 * @param {number} moment
 * @param {Utterance | null} favourite
 */
export function utteranceAt(moment, favourite) {
  const slack = 0.05; // seconds: a browser may land a frame before the time it was asked for
  const wanted = chosen.group?.utterances ?? utterances;
  const isNear = favourite && moment >= favourite.start - slack && moment < favourite.end;
  if (isNear && isWanted(favourite)) return favourite;
  /** @type {Utterance | null} */
  let found = null;
  /** @type {Utterance | null} */
  let inside = null;
  for (const utterance of wanted) {
    if (utterance.start > moment + 0.001) break;
    found = utterance;
    const gives = utterance.kind === "silence" && inside && inside.kind !== "silence";
    if (moment < utterance.end && !gives) inside = utterance;
  }
  return inside ?? found ?? wanted[0] ?? null;
}

/**
 * @param {number} moment
 * @param {Utterance[]} among
 */
export function speakingAt(moment, among = utterances) {
  return among.filter(({ start, end }) => start <= moment && moment < end);
}

regroup(annotation.people, ({ person }) => person);
