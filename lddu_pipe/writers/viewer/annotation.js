/* The annotation as the page needs it, decisions under the reader's thresholds, numbers in words. */
import { MODALITIES, clockFace, coloursOf, percent } from "./base.js";
import { input } from "./embedded.js";

/** @typedef {import("../../../docs/annotation.d.ts").EmotionScore} Score */
/** @typedef {typeof utterances[number]} Utterance */

export const annotation = input.annotation;
export const { media: source, high } = input;
export const labels = annotation.model.labels;
export const duration = annotation.media.duration;
/* Text and stills have no time: their utterances are read in order. */
export const timed = duration > 0;

export const utterances = annotation.utterances.map((values, index) => ({
  ...values,
  index,
  scores: new Map(values.emotions.map((score) => [score.label, score])),
  missing: MODALITIES.filter((name) => !values.modalities[name].present),
}));
/* Seconds that the time line covers; a transcript may run on after the media has ended. */
export const length = utterances.reduce((most, { end }) => Math.max(most, end), duration);

export const colours = coloursOf(labels);

/**
 * What the reader changed: thresholds by label, 0..1.
 * @type {Map<string, number>}
 */
export const thresholds = new Map();
/**
 * Labels whose lanes are hidden.
 * @type {Set<string>}
 */
export const hidden = new Set();

/**
 * The decision on a score; what the model abstained from stays undecided under any threshold.
 * @param {Score} score
 */
export function decide(score) {
  const threshold = thresholds.get(score.label);
  if (threshold === undefined || score.decision === "abstain") return score.decision;
  return score.probability >= threshold ? "present" : "absent";
}

/** @param {Score} score */
export function isYours(score) {
  return decide(score) !== score.decision;
}

/**
 * Scores decided present, most probable first.
 * @param {Utterance} utterance
 */
export function presentScores(utterance) {
  return utterance.emotions
    .filter((score) => decide(score) === "present")
    .sort((one, other) => other.probability - one.probability);
}

/**
 * Seconds as m:ss, or h:mm:ss in long media.
 * @param {number} seconds
 */
export function clock(seconds, digits = 0) {
  return clockFace(seconds, { hours: length >= 3600, digits });
}

/**
 * What is said in an utterance, or what it is without words.
 * @param {Utterance} utterance
 */
export function saidIn(utterance) {
  const silence = annotation.people.length > 1 ? "only seen" : "nobody speaks";
  /** @type {Record<string, string>} */
  const wordless = { sound: "a voice without words", silence, still: "a picture" };
  return utterance.text || wordless[utterance.kind] || "no words";
}

/**
 * When an utterance is; its place in the order where the source has no time.
 * @param {Utterance} utterance
 */
export function when(utterance) {
  if (!timed) return `${utterance.index + 1} of ${utterances.length}`;
  return `${clock(utterance.start, 1)} – ${clock(utterance.end, 1)}`;
}

/** @param {Score} score */
export function ambiguity(score) {
  return score.uncertainty.aleatoric;
}

/** @param {Score} score */
export function spread(score) {
  return score.uncertainty.epistemic;
}

/** @param {Score} score */
export function doubts(score) {
  const found = [];
  if (ambiguity(score) >= high.aleatoric) found.push("data");
  if (spread(score) >= high.epistemic) found.push("model");
  return found;
}

/**
 * A score in a line: what the time line shows as shapes.
 * @param {Score} score
 */
export function described(score) {
  const parts = [
    `${score.label} ${percent(score.probability)} ± ${percent(spread(score))}`,
    decisionInWords(score),
    `ambiguity ${percent(ambiguity(score))}`,
  ];
  return parts.join(" · ");
}

/** @param {Score} score */
export function decisionInWords(score) {
  const words = { present: "present", absent: "absent", abstain: "undecided" };
  const own = words[decide(score)];
  return isYours(score) ? `${own} by your threshold (model: ${words[score.decision]})` : own;
}

/**
 * @param {Utterance} utterance
 * @param {typeof MODALITIES[number]} modality
 */
export function reason(utterance, modality) {
  return `no ${modality}: ${utterance.modalities[modality].reason}`;
}

/* Modalities that every utterance lacks for the same reason are told once, at the top. */
export const missingThroughout = MODALITIES.filter(
  (name) =>
    utterances.length > 0 &&
    utterances.every(
      ({ modalities }) =>
        !modalities[name].present &&
        modalities[name].reason === utterances[0].modalities[name].reason,
    ),
);

/** @param {Utterance} utterance */
export function ownReasons(utterance) {
  return utterance.missing
    .filter((name) => !missingThroughout.includes(name))
    .map((name) => reason(utterance, name));
}

/**
 * Why there is no emotion to show, in words; empty where there is one.
 * @param {Utterance} utterance
 */
export function verdict(utterance) {
  if (utterance.abstained) {
    return utterance.missing.length === MODALITIES.length
      ? "abstained: nothing to go by"
      : "abstained: too unsure to decide";
  }
  return presentScores(utterance).length ? "" : "no emotion present";
}
