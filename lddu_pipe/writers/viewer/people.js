/* Who is in the recording: where there are several people, each has lanes, boxes and a colour, and the
 * reader may choose one of them.
 */
import { annotation, clock, saidIn, utterances } from "./annotation.js";

/** @typedef {import("../../../docs/annotation.d.ts").Person} Person */
/** @typedef {import("./annotation.js").Utterance} Utterance */
/**
 * @typedef {object} Group  the utterances of somebody, or of everybody where there are not several
 * @property {string | null} id  the person's; null for who is not known
 * @property {string} name
 * @property {string} facts
 * @property {string} colour
 * @property {boolean} isStill  a drawing or a poster
 * @property {Utterance[]} utterances
 */

/* Tol's light colours, to be told apart from each other with any colour vision and, where they stand
 * on a video, from the pictures; none of them is that of an emotion. */
const PEOPLE = [
  ...["#77AADD", "#EE8866", "#44BB99", "#FFAABB", "#BBCC33", "#99DDFF", "#EEDD88", "#AAAA00"],
];
const UNKNOWN = "#BBBBBB";

export const several = annotation.people.length > 1;

/** @type {Group[]} */
export const groups = several
  ? annotation.people.map((person, at) => ({
      id: person.id,
      name: person.name ?? person.id,
      facts: isStill(person) ? "a picture, it never moves" : factsOf(person),
      colour: PEOPLE[at % PEOPLE.length],
      isStill: isStill(person),
      utterances: utterances.filter((utterance) => utterance.person === person.id),
    }))
  : [{ id: null, name: "", facts: "", colour: UNKNOWN, isStill: false, utterances }];

/** @type {Map<string | null, Group>} */
const byPerson = new Map(groups.map((group) => [group.id, group]));
if (several) {
  const others = utterances.filter(({ person }) => !byPerson.has(person));
  if (others.length) {
    const name = "Not known who";
    const colour = UNKNOWN;
    groups.push({ id: null, name, facts: "", colour, isStill: false, utterances: others });
    byPerson.set(null, groups[groups.length - 1]);
  }
}

/** @type {{group: Group | null}} */
export const chosen = { group: null };

/** @param {Person} person */
function isStill({ id }) {
  const faces = annotation.faces.filter(({ person }) => person === id);
  return faces.length > 0 && faces.every((face) => "still" in face && face.still === true);
}

/**
 * For how long somebody is seen and heard.
 * @param {Person} person
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
  return (several ? byPerson.get(utterance.person) ?? byPerson.get(null) : null) ?? groups[0];
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
