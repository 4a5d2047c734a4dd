/* The page of a live session: it asks for microphone and camera, and shows what the server finds. */
import { byId, clockFace, coloursOf, make, startTheme } from "../../writers/viewer/base.js";
import { amount, legible } from "../../writers/viewer/corpus.js";
import { Call } from "./calling.js";
import { Capture, clockNow, whyNot } from "./capture.js";
import { chipsOf } from "./reading.js";
import { Stage } from "./stage.js";
import { Strips, nameOf } from "./strips.js";

const MOST_WORDS = 200; // utterances that are listed
const STILL = matchMedia("(prefers-reduced-motion: reduce)");

const stage = new Stage(byId("video"), byId("faces"));
const strips = new Strips(byId("strips"));

/* What there is of the session that runs, or ran last. */
const session = { call: null, capture: null, colours: new Map(), lines: new Map(), finals: 0, why: "" };

function trouble(words) {
  byId("trouble").hidden = !words;
  byId("trouble").textContent = words;
}

/* What is shown: "before" a session, the "session", or "after" it what was found. */
function turnTo(state) {
  byId("before").hidden = state !== "before";
  byId("session").hidden = state === "before";
  byId("stage").hidden = state === "after";
  byId("after").hidden = state !== "after";
}

function showSign() {
  const { capture } = session;
  const isOn = (kind) => Boolean(capture?.tracks(kind).some(({ enabled }) => enabled));
  const devices = [isOn("audio") && "microphone", isOn("video") && "camera"].filter(Boolean);
  const { call } = session;
  const words = devices.length ? `${devices.join(" and ")} on` : "all is muted";
  byId("sign").dataset.state = capture ? "on" : "off";
  byId("sign").textContent = !capture ? "off" : call?.ready ? `live: ${words}` : `starts: ${words}`;
  document.title = `${capture ? "● " : ""}Live · lddu-pipe`;
}

function showDevices() {
  const { capture } = session;
  for (const [id, kind] of [["mute", "audio"], ["blind", "video"]]) {
    const tracks = capture?.tracks(kind) ?? [];
    byId(id).disabled = !tracks.length;
    byId(id).setAttribute("aria-pressed", String(tracks.some(({ enabled }) => !enabled)));
  }
  const pictures = capture?.tracks("video") ?? [];
  const isSeen = pictures.some(({ enabled }) => enabled);
  byId("no-picture").hidden = isSeen;
  byId("no-picture").textContent = pictures.length ? "The camera is off." : "There is no camera.";
  if (!isSeen) byId("faces").replaceChildren();
  if (!isSeen) stage.boxes.clear();
  byId("end").disabled = !capture;
  showSign();
}

async function start() {
  const microphone = byId("with-microphone").checked;
  const camera = byId("with-camera").checked;
  trouble("");
  if (!microphone && !camera) {
    trouble("Choose the microphone, the camera, or both.");
    return;
  }
  byId("start").disabled = true;
  try {
    const { microphone: module } = document.body.dataset;
    session.capture = await Capture.open({ microphone, camera, module });
  } catch (error) {
    trouble(whyNot(error));
    return;
  } finally {
    byId("start").disabled = false;
  }
  begin(session.capture, camera);
}

function begin(capture, camera) {
  Object.assign(session, { finals: 0, why: "" });
  session.lines.clear();
  byId("words").replaceChildren();
  byId("no-words").hidden = false;
  byId("saved").replaceChildren();
  byId("saving").hidden = false;
  byId("save").disabled = false;
  byId("pace").textContent = "The model is made ready…";
  strips.clear([], session.colours);
  byId("nobody").hidden = false;
  const call = new Call(hear, leave);
  session.call = call;
  capture.onSound = (samples, at) => call.hear(samples, at);
  capture.onPicture = (blob, at) => call.see(blob, at);
  for (const track of capture.stream.getTracks()) {
    track.addEventListener("ended", () => finish("A device was unplugged."));
  }
  turnTo("session");
  stage.show(capture.stream);
  byId("video").play().catch(() => {}); // the pictures are sent all the same
  capture.look(byId("video"));
  showDevices();
  call.open({ audio_rate: capture.rate, camera, keep: true });
  byId("mute").focus();
  requestAnimationFrame(paint);
}

/* Whatever the server tells. */
function hear(message) {
  const tell = {
    ready: showSign,
    opened: ({ model }) => {
      session.colours = coloursOf(model.labels);
      strips.clear(model.labels, session.colours);
    },
    faces: () => stage.see(message, (person) => strips.lookOf(person)),
    judged: () => judge(message),
    status: showPace,
    ended: close,
    saved: ({ id }) => showSaved(id),
  }[message.type];
  tell?.(message);
}

function judge(message) {
  const { utterance, final, replaces } = message;
  session.finals += final;
  byId("nobody").hidden = true;
  strips.judge(message);
  session.lines.get(replaces)?.remove();
  session.lines.delete(replaces);
  if (!utterance.text) return;
  const line = make(
    "li",
    { class: final ? "" : "is-running" },
    make("span", { dir: "auto" }, make("span", { class: "who" }, `${nameOf(utterance.person)}: `), utterance.text),
    final ? make("span", { class: "chips" }, ...chipsOf(utterance, session.colours)) : null,
  );
  if (!final) session.lines.set(utterance.id, line);
  const place = byId("words");
  byId("no-words").hidden = true;
  const isAtEnd = place.scrollHeight - place.scrollTop - place.clientHeight < 60;
  place.append(line);
  if (place.children.length > MOST_WORDS) place.firstElementChild.remove();
  if (isAtEnd) place.scrollTop = place.scrollHeight;
}

function showPace({ delay, dropped }) {
  const left = dropped >= 0.005 ? ` · ${Math.round(dropped * 100)} % of pictures left out` : "";
  byId("pace").textContent = `${delay.toFixed(1)} s behind${left}`;
}

/* Once in a picture: boxes and strips move on. */
let painted = 0;
function paint(moment) {
  const { call } = session;
  if (byId("session").hidden) return;
  const isDue = moment - painted > (STILL.matches ? 1000 : 30);
  if (isDue && call?.first !== null && session.capture) {
    painted = moment;
    const now = clockNow() - call.first;
    strips.scroll(now);
    strips.tidy(now);
    stage.tidy();
    stage.fit();
  }
  requestAnimationFrame(paint);
}

/* Nothing more is taken; the server judges what is open. */
function finish(why = "") {
  session.why ||= why;
  const { capture } = session;
  if (!capture) return;
  capture.stop();
  session.capture = null;
  stage.clear();
  showDevices();
  byId("pace").textContent = "What was said last is judged…";
  session.call?.end();
}

/* The server has judged everything. */
function close({ why, duration, people }) {
  const reasons = {
    time: "The session lasted as long as this server lets one last.",
    idle: "Nothing came from microphone and camera any more.",
  };
  finish(reasons[why] ?? "");
  for (const line of session.lines.values()) line.remove();
  session.lines.clear();
  strips.end();
  const found = `${clockFace(duration)} long, ${amount(session.finals, "utterance")}, ${amount(people.length, "person", "people")}.`;
  turnTo("after");
  byId("summary").textContent = [session.why, found].filter(Boolean).join(" ");
  byId("pace").textContent = "";
  const moment = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
  byId("label").value = `Live, ${moment.format(new Date())}`;
  byId("after").focus();
}

/* The line to the server is gone; `reason` is empty where it was to end. */
function leave(reason) {
  const wasSaved = byId("saved").hasChildNodes();
  const wasOver = !byId("after").hidden;
  session.capture?.stop();
  session.capture = null;
  stage.clear();
  showDevices();
  if (wasSaved) return;
  byId("save").disabled = true;
  if (wasOver) {
    byId("saved").textContent = reason || "It was not saved in time, and is gone.";
    return;
  }
  turnTo("before");
  trouble(`The session has ended: ${reason || "the server closed it"}`);
}

function showSaved(id) {
  byId("saving").hidden = true;
  byId("saved").replaceChildren(
    `${legible(byId("label").value)} is saved, without sound and pictures. `,
    make("a", { href: `/annotations/${encodeURIComponent(id)}` }, "See and correct it"),
    " or ",
    again(),
  );
}

function again() {
  const button = make("button", { type: "button" }, "start a new session");
  button.addEventListener("click", restart);
  return button;
}

function restart() {
  session.call?.close();
  session.call = null;
  turnTo("before");
  trouble("");
  byId("start").focus();
}

function toggle(kind) {
  const { capture } = session;
  const isOn = capture.tracks(kind).some(({ enabled }) => enabled);
  capture.enable(kind, !isOn);
  showDevices();
}

byId("start").addEventListener("click", start);
byId("mute").addEventListener("click", () => toggle("audio"));
byId("blind").addEventListener("click", () => toggle("video"));
byId("end").addEventListener("click", () => finish());
byId("again").addEventListener("click", restart);
byId("saving").addEventListener("submit", (event) => {
  event.preventDefault();
  byId("save").disabled = true;
  session.call?.say({ type: "save", label: byId("label").value });
});
window.addEventListener("pagehide", () => {
  session.capture?.stop();
  session.call?.close();
});
startTheme(byId("theme"));
