/* The page at work: what is in view, keys and buttons. */
import {
  annotation,
  clock,
  hidden,
  length,
  presentScores,
  thresholds,
  timed,
  utterances,
  verdict,
} from "./annotation.js";
import { byId, percent, startTheme } from "./base.js";
import { FaceBoxes } from "./faces.js";
import { Heads } from "./heads.js";
import { Overview } from "./overview.js";
import {
  UtteranceList,
  UtterancePanel,
  ValueTable,
  showFacts,
  showOrigin,
} from "./panels.js";
import { chosen, isWanted, saidBy, several, speakingAt, utteranceAt } from "./people.js";
import { Player } from "./player.js";
import { Timeline } from "./timeline.js";

/** @typedef {import("./annotation.js").Utterance} Utterance */

/**
 * `held` stays in view wherever the media is, until the reader goes to another; where `isPinned`, a
 * click on the time line is no way to go to one.
 * @type {Record<"current" | "chosen" | "held", Utterance | null> & {isPinned: boolean}}
 */
export const view = { current: null, chosen: null, held: null, isPinned: false };
/**
 * Told of the utterance that has come into view.
 * @type {((utterance: Utterance | null) => void)[]}
 */
export const followers = [];

/**
 * @param {number} moment
 * @param {Utterance | null} utterance
 */
export function seekTo(moment, utterance) {
  view.chosen = utterance;
  if (utterance && !view.isPinned) view.held &&= utterance;
  player.seek(moment);
}

/**
 * Go to an utterance, everybody's where it is not of the person who was chosen; where there is no
 * time, it alone is what is in view.
 * @param {Utterance | null | undefined} utterance
 */
export function goTo(utterance, { announce = false } = {}) {
  if (!utterance) return;
  if (!isWanted(utterance)) choose(null);
  if (timed) {
    view.held &&= utterance;
    seekTo(utterance.start, utterance);
    timeline?.reveal(utterance);
  } else {
    setCurrent(utterance);
  }
  if (announce) byId("announcer").textContent = spoken(utterance);
}

/** @param {Utterance} utterance */
function spoken(utterance) {
  const found = presentScores(utterance).map(
    ({ label, probability }) => `${label} ${percent(probability)}`,
  );
  return [saidBy(utterance), ...found, verdict(utterance)].filter(Boolean).join(", ");
}

/** @param {Utterance | null} utterance */
function setCurrent(utterance) {
  if (utterance === view.current) return;
  view.current = utterance;
  panel.show(utterance);
  list.setCurrent(utterance);
  timeline?.setCurrent(utterance);
  for (const follow of followers) follow(utterance);
}

/** @type {Utterance | null} */
let told = null; // what the time line says it is at

/**
 * @param {number} moment
 * @param {boolean} playing
 */
function onTime(moment, playing) {
  const found = view.held ?? utteranceAt(moment, view.chosen);
  if (found !== view.chosen) view.chosen = null;
  timeline?.setMoment(moment, playing);
  overview?.setMoment(moment);
  boxes.show(moment);
  setCurrent(found);
  list.setSpeaking(speakingAt(moment));
  // While it plays this comes with every frame, and says something new but ten times a second.
  const now = `${clock(moment, 1)} / ${clock(length)}`;
  if (byId("clock").textContent === now && told === found) return;
  told = found;
  byId("clock").textContent = now;
  const element = byId("timeline");
  element.setAttribute("aria-valuenow", moment.toFixed(1));
  const words = found ? `, ${spoken(found)}` : "";
  element.setAttribute("aria-valuetext", clock(moment) + words);
}

/** @param {boolean} playing */
function onState(playing) {
  const button = byId("play");
  const words = playing ? "Pause" : "Play";
  button.textContent = words;
  button.setAttribute("aria-label", words);
  button.disabled = !player?.works;
}

/** @type {number | null} */
let redraw = null;

/**
 * Decide anew, at most once a frame: a slider tells more often than a screen shows.
 * @param {string} label
 * @param {number} share
 */
function onThreshold(label, share) {
  thresholds.set(label, share);
  redraw ??= requestAnimationFrame(showDecisions);
}

function showDecisions() {
  redraw = null;
  const set = [...thresholds].map(([label, share]) => `${label} ${percent(share)}`);
  byId("yours").hidden = !set.length;
  byId("yours-text").textContent = set.length ? `Your thresholds: ${set.join(", ")}.` : "";
  panel.show(view.current);
  list.refresh();
  table.refresh();
  timeline?.paint();
  overview?.paint();
  boxes.show(player.moment);
}

/**
 * Show only one person's utterances, or everybody's again.
 * @param {import("./people.js").Group | null} group
 */
function choose(group) {
  chosen.group = chosen.group === group ? null : group;
  if (chosen.group) timeline?.folded.delete(chosen.group);
  showChosen();
  byId("announcer").textContent = chosen.group ? `only ${chosen.group.name}` : "everybody";
  timeline?.draw();
  overview?.paint();
  boxes.show(player.moment);
  if (timed) player.read();
  else if (view.current && !isWanted(view.current)) goTo(utterances.find(isWanted));
  list.narrow();
}

function showChosen() {
  byId("everybody").hidden = !chosen.group;
  byId("everybody-but").textContent = chosen.group?.name ?? "";
}

/* Show who is there, and whose each utterance is: it is not as it was. */
export function showPeople() {
  showFacts();
  showChosen();
  heads.renew();
  boxes.renew();
  timeline?.draw();
  overview?.paint();
  list.refresh();
  list.narrow();
  table.refresh();
  panel.show(view.current);
}

/** @param {boolean} isShown */
function showBoxes(isShown) {
  byId("boxes").setAttribute("aria-pressed", String(isShown));
  boxes.toggle(isShown);
}

/**
 * @param {number} step
 * @param {(utterance: Utterance) => boolean} wanted
 */
export function move(step, wanted = () => true) {
  const from = view.current ? view.current.index : -1;
  for (let at = from + step; at >= 0 && at < utterances.length; at += step) {
    if (!list.items[at].row.hidden && wanted(utterances[at])) {
      goTo(utterances[at], { announce: true });
      return;
    }
  }
}

const hasEmotion = (/** @type {Utterance} */ utterance) =>
  presentScores(utterance).some(({ label }) => !hidden.has(label));

/** @type {Record<string, () => void>} */
export const KEYS = {
  " ": () => player.toggle(),
  ArrowLeft: () => move(-1),
  ArrowRight: () => move(1),
  j: () => seekTo(player.moment - 5, null),
  l: () => seekTo(player.moment + 5, null),
  "+": () => timeline?.zoom(0.5),
  "=": () => timeline?.zoom(0.5),
  "-": () => timeline?.zoom(2),
  0: () => timeline?.show(0, length),
  b: () => byId("boxes").click(),
  "?": () => byId("help").showModal(),
};
/**
 * These scroll a page, so they are taken only where they move through something.
 * @type {Record<string, () => void>}
 */
const KEYS_WITHIN = {
  ArrowUp: () => move(-1, hasEmotion),
  ArrowDown: () => move(1, hasEmotion),
  Home: () => goTo(utterances.find(isWanted), { announce: true }),
  End: () => goTo(utterances.findLast(isWanted), { announce: true }),
};

export function listensToKeys() {
  return byId("keys-on").checked && !document.querySelector("dialog[open]");
}

/**
 * Whether keys belong to the element; a checkbox wants none but the space bar.
 * @param {Element} target
 */
export function isTyping(target) {
  return target.matches("select, textarea, input:not([type='checkbox'])");
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !listensToKeys()) return;
  const target = /** @type {Element} */ (event.target);
  if (isTyping(target)) return;
  const isControl = target.matches("button, summary, video, audio, input");
  const inList = target.closest("#utterances") !== null;
  if (event.key === " " && isControl) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const within = inList || target.id === "timeline";
  const action = KEYS[key] ?? (within ? KEYS_WITHIN[key] : undefined);
  if (!action) return;
  event.preventDefault();
  action();
  if (inList && document.activeElement === target) list.focusCurrent();
}

showFacts();
showOrigin();
const panel = new UtterancePanel({
  onThreshold,
  onHide(label, hide) {
    if (hide) hidden.add(label);
    else hidden.delete(label);
    panel.show(view.current);
    timeline?.draw();
  },
});
export const list = new UtteranceList({ onChoose: (utterance) => goTo(utterance) });
const table = new ValueTable();
const boxes = new FaceBoxes(byId("stage"), choose);
const heads = new Heads({
  onChoose: choose,
  onFold(group) {
    if (!timeline?.folded.delete(group)) timeline?.folded.add(group);
    timeline?.draw();
  },
});
export const timeline = timed
  ? new Timeline(byId("timeline"), {
      onSeek: seekTo,
      onView() {
        byId("zoom-all").disabled = byId("zoom-out").disabled = !timeline?.isZoomed();
        overview?.show();
      },
      onLayout: (placed) => heads.show(placed),
    })
  : null;
export const overview = timeline ? new Overview(byId("overview"), timeline) : null;
export const player = new Player({
  onTime,
  onState,
  onPictures(pictures) {
    boxes.attach(pictures);
    byId("boxes").hidden = !annotation.faces.length;
  },
});
showBoxes(several && annotation.faces.length > 0);
player.start();
document.body.classList.toggle("is-untimed", !timed);
byId("timeline").setAttribute("aria-valuemax", length.toFixed(1));
byId("reset").addEventListener("click", () => {
  thresholds.clear();
  showDecisions();
});
/** @type {Record<string, () => void>} */
const CLICKS = {
  "help-button": () => byId("help").showModal(),
  play: () => player.toggle(),
  previous: () => move(-1),
  next: () => move(1),
  boxes: () => showBoxes(!boxes.isShown),
  everybody: () => choose(null),
  "zoom-in": () => timeline?.zoom(0.5),
  "zoom-out": () => timeline?.zoom(2),
  "zoom-all": () => timeline?.show(0, length),
};
for (const [id, action] of Object.entries(CLICKS)) byId(id).addEventListener("click", action);
document.addEventListener("keydown", onKey);
panel.show(null);
onState(false);
startTheme(byId("theme"), () => timeline?.draw());
byId("zoom-all").disabled = byId("zoom-out").disabled = true;
if (timed) onTime(0, false);
else setCurrent(utterances[0] ?? null);
