/* The annotation as the page needs it, decisions under the reader's thresholds, numbers in words. */
/** @type {import("../../../docs/annotation.d.ts").AnnotationLayout} */
const annotation = input.annotation;
const { media: source, high } = input;
const labels = annotation.model.labels;
const duration = annotation.media.duration;
/* Text and stills have no time: their utterances are read in order. */
const timed = duration > 0;

const utterances = annotation.utterances.map((values, index) => ({
  ...values,
  index,
  scores: new Map(values.emotions.map((score) => [score.label, score])),
  missing: MODALITIES.filter((name) => !values.modalities[name].present),
}));
/* Seconds that the time line covers; a transcript may run on after the media has ended. */
const length = utterances.reduce((most, { end }) => Math.max(most, end), duration);

const colours = coloursOf(labels);

/* What the reader changed: thresholds by label (0..1), and labels whose lanes are hidden. */
const thresholds = new Map();
const hidden = new Set();

/* The decision on a score; what the model abstained from stays undecided under any threshold. */
function decide(score) {
  const threshold = thresholds.get(score.label);
  if (threshold === undefined || score.decision === "abstain") return score.decision;
  return score.probability >= threshold ? "present" : "absent";
}

function isYours(score) {
  return decide(score) !== score.decision;
}

/* Scores decided present, most probable first. */
function presentScores(utterance) {
  return utterance.emotions
    .filter((score) => decide(score) === "present")
    .sort((one, other) => other.probability - one.probability);
}

/* Seconds as m:ss, or h:mm:ss in long media. */
function clock(seconds, digits = 0) {
  return clockFace(seconds, { hours: length >= 3600, digits });
}

/* What is said in an utterance, or what it is without words. */
function saidIn(utterance) {
  const wordless = { sound: "a voice without words", silence: "nobody speaks", still: "a picture" };
  return utterance.text || wordless[utterance.kind] || "no words";
}

/* When an utterance is; its place in the order where the source has no time. */
function when(utterance) {
  if (!timed) return `${utterance.index + 1} of ${utterances.length}`;
  return `${clock(utterance.start, 1)} – ${clock(utterance.end, 1)}`;
}

function ambiguity(score) {
  return score.uncertainty.aleatoric;
}

function spread(score) {
  return score.uncertainty.epistemic;
}

function doubts(score) {
  const found = [];
  if (ambiguity(score) >= high.aleatoric) found.push("data");
  if (spread(score) >= high.epistemic) found.push("model");
  return found;
}

/* A score in a line: what the time line shows as shapes. */
function described(score) {
  const parts = [
    `${score.label} ${percent(score.probability)} ± ${percent(spread(score))}`,
    decisionInWords(score),
    `ambiguity ${percent(ambiguity(score))}`,
  ];
  return parts.join(" · ");
}

function decisionInWords(score) {
  const words = { present: "present", absent: "absent", abstain: "undecided" };
  const own = words[decide(score)];
  return isYours(score) ? `${own} by your threshold (model: ${words[score.decision]})` : own;
}

function reason(utterance, modality) {
  return `no ${modality}: ${utterance.modalities[modality].reason}`;
}

/* Modalities that every utterance lacks for the same reason are told once, at the top. */
const missingThroughout = MODALITIES.filter(
  (name) =>
    utterances.length > 0 &&
    utterances.every(
      ({ modalities }) =>
        !modalities[name].present &&
        modalities[name].reason === utterances[0].modalities[name].reason,
    ),
);

function ownReasons(utterance) {
  return utterance.missing
    .filter((name) => !missingThroughout.includes(name))
    .map((name) => reason(utterance, name));
}

/* Why there is no emotion to show, in words; empty where there is one. */
function verdict(utterance) {
  if (utterance.abstained) {
    return utterance.missing.length === MODALITIES.length
      ? "abstained: nothing to go by"
      : "abstained: too unsure to decide";
  }
  return presentScores(utterance).length ? "" : "no emotion present";
}

/* The utterance that the page is about at a moment: one that holds it, the latest to begin where
 * several do, else the last before it. `chosen` wins while the moment is within it, so that of two
 * people who speak at once either can be looked at. */
function utteranceAt(moment, chosen) {
  const slack = 0.05; // seconds: a browser may land a frame before the time it was asked for
  if (chosen && moment >= chosen.start - slack && moment < chosen.end) return chosen;
  let found = null;
  let inside = null;
  for (const utterance of utterances) {
    if (utterance.start > moment + 0.001) break;
    found = utterance;
    if (moment < utterance.end) inside = utterance;
  }
  return inside ?? found ?? utterances[0] ?? null;
}

function speakingAt(moment) {
  return utterances.filter(({ start, end }) => start <= moment && moment < end);
}
