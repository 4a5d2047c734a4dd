/* The page at work: the media and its clock, what is in view, keys and buttons. */
class Player {
  /* A clock that follows the media, or stands where it was put when there is none to follow. */
  constructor({ onTime, onState }) {
    this.onTime = onTime;
    this.onState = onState;
    this.moment = 0;
    this.media = null;
    this.works = false;
    this.recovered = -Infinity;
    this.stretch = null;
    this.stage = document.getElementById("stage");
  }

  start() {
    if (source.kind === "none") return;
    this.stage.hidden = false;
    if (source.absent) this.explain();
    else this.load(source.link);
  }

  load(link) {
    if (source.kind === "picture") {
      const picture = make("img", { alt: `The picture ${source.name}` });
      picture.addEventListener("error", () => this.explain());
      picture.src = link;
      this.stage.replaceChildren(picture);
      return;
    }
    const media = make(source.kind, { controls: "", preload: "metadata", playsinline: "" });
    media.setAttribute("aria-label", source.name);
    // The keys of the page move through it, those of the browser's own controls would fight them.
    media.tabIndex = -1;
    this.media = media;
    this.works = true;
    media.addEventListener("error", () => this.recover());
    for (const name of ["timeupdate", "seeked"]) media.addEventListener(name, () => this.read());
    for (const name of ["play", "pause", "ended"]) {
      media.addEventListener(name, () => {
        this.onState(this.isPlaying());
        this.follow();
      });
    }
    media.addEventListener("ended", () => this.comeBack());
    media.addEventListener("loadedmetadata", () => this.onLoaded(media));
    media.src = link;
    media.currentTime = this.moment;
    this.stage.replaceChildren(media);
  }

  /* A browser that knows the sound of a video but not its pictures plays it without a word. */
  onLoaded(media) {
    this.onState(this.isPlaying());
    if (source.kind !== "video" || media.videoWidth) return;
    const text = "This browser plays the sound of this video and cannot show its pictures.";
    this.stage.append(make("p", { class: "absent", role: "status" }, text));
  }

  /* Links of a server expire: ask for another, and go on where it was. */
  async recover() {
    const playing = !this.media.paused;
    const recently = performance.now() - this.recovered < 10_000;
    const link = recently ? null : await source.renew?.().catch(() => null);
    if (!link) {
      this.explain();
      return;
    }
    this.recovered = performance.now();
    this.load(link);
    if (playing) this.toggle();
  }

  /* Say that the media cannot be shown, and let the reader point at it. */
  explain() {
    this.works = false;
    this.onState(false);
    const chooser = make("input", { type: "file", class: "unseen", id: "chooser" });
    chooser.addEventListener("change", () => {
      if (chooser.files.length) this.load(URL.createObjectURL(chooser.files[0]));
    });
    this.stage.replaceChildren(
      make(
        "div",
        { class: "absent", role: "status" },
        make("b", {}, "The media cannot be shown."),
        make("span", {}, ...this.reason(), " All else works."),
        make("label", { for: "chooser", class: "button" }, "Choose the file…"),
        chooser,
      ),
    );
  }

  reason() {
    if (source.absent) return [`${source.absent}.`];
    if (source.renew) return ["This browser does not play its format, or it cannot be fetched."];
    const link = make("span", { dir: "auto" }, decoded(source.link));
    return ["It was expected at ", link, ", as seen from this page, and in a format that this ",
      "browser plays."];
  }

  isPlaying() {
    return this.works && this.media !== null && !this.media.paused && !this.media.ended;
  }

  /* While it plays the clock is read with every frame: events come but four times a second. */
  follow() {
    if (!this.isPlaying()) return;
    this.read();
    requestAnimationFrame(() => this.follow());
  }

  read() {
    this.moment = this.media.currentTime;
    if (this.stretch && this.moment >= this.stretch.end) this.comeBack();
    else this.onTime(this.moment, this.isPlaying());
  }

  /* Play a stretch of the media and come back to where it starts. */
  play(start, end) {
    if (!this.works || !this.media) return;
    this.seek(start);
    this.stretch = { start, end };
    this.media.play().catch(() => {});
  }

  comeBack() {
    if (this.stretch) this.seek(this.stretch.start);
  }

  seek(moment) {
    if (this.stretch) this.media.pause();
    this.stretch = null;
    this.moment = Math.min(Math.max(moment, 0), length);
    if (this.works && this.media) this.media.currentTime = this.moment;
    this.onTime(this.moment, false);
  }

  toggle() {
    if (!this.works || !this.media) return;
    // A browser may refuse to play; it then stays paused, and says so by its state.
    if (this.media.paused || this.media.ended) this.media.play().catch(() => {});
    else this.media.pause();
  }
}

function decoded(link) {
  try {
    return decodeURIComponent(link);
  } catch {
    return link; // a name that is not UTF-8
  }
}

/* `held` stays in view wherever the media is, until the reader goes to another; where `isPinned`, a
 * click on the time line is no way to go to one. */
const view = { current: null, chosen: null, held: null, isPinned: false };
/* Told of the utterance that has come into view. */
const followers = [];

function seekTo(moment, utterance) {
  view.chosen = utterance;
  if (utterance && !view.isPinned) view.held &&= utterance;
  player.seek(moment);
}

/* Go to an utterance; where there is no time, it alone is what is in view. */
function goTo(utterance, { announce = false } = {}) {
  if (!utterance) return;
  if (timed) {
    view.held &&= utterance;
    seekTo(utterance.start, utterance);
    timeline.reveal(utterance);
  } else {
    setCurrent(utterance);
  }
  if (announce) byId("announcer").textContent = spoken(utterance);
}

function spoken(utterance) {
  const found = presentScores(utterance).map(
    ({ label, probability }) => `${label} ${percent(probability)}`,
  );
  return [utterance.speaker, saidIn(utterance), ...found, verdict(utterance)]
    .filter(Boolean)
    .join(", ");
}

function setCurrent(utterance) {
  if (utterance === view.current) return;
  view.current = utterance;
  panel.show(utterance);
  list.setCurrent(utterance);
  timeline?.setCurrent(utterance);
  for (const follow of followers) follow(utterance);
}

function onTime(moment, playing) {
  const found = view.held ?? utteranceAt(moment, view.chosen);
  if (found !== view.chosen) view.chosen = null;
  timeline?.setMoment(moment, playing);
  overview?.setMoment(moment);
  setCurrent(found);
  list.setSpeaking(speakingAt(moment));
  byId("clock").textContent = `${clock(moment, 1)} / ${clock(length)}`;
  const element = byId("timeline");
  element.setAttribute("aria-valuenow", moment.toFixed(1));
  const words = found ? `, ${spoken(found)}` : "";
  element.setAttribute("aria-valuetext", clock(moment) + words);
}

function onState(playing) {
  const button = byId("play");
  const words = playing ? "Pause" : "Play";
  button.textContent = words;
  button.setAttribute("aria-label", words);
  button.disabled = !player?.works;
}

let redraw = null;

/* Decide anew, at most once a frame: a slider tells more often than a screen shows. */
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
  timeline?.place();
  overview?.paint();
}

function move(step, wanted = () => true) {
  const from = view.current ? view.current.index : -1;
  for (let at = from + step; at >= 0 && at < utterances.length; at += step) {
    if (!list.items[at].row.hidden && wanted(utterances[at])) {
      goTo(utterances[at], { announce: true });
      return;
    }
  }
}

const hasEmotion = (utterance) => presentScores(utterance).some(({ label }) => !hidden.has(label));

const KEYS = {
  " ": () => player.toggle(),
  ArrowLeft: () => move(-1),
  ArrowRight: () => move(1),
  j: () => seekTo(player.moment - 5, null),
  l: () => seekTo(player.moment + 5, null),
  "+": () => timeline?.zoom(0.5),
  "=": () => timeline?.zoom(0.5),
  "-": () => timeline?.zoom(2),
  0: () => timeline?.show(0, length),
  "?": () => byId("help").showModal(),
};
/* These scroll a page, so they are taken only where they move through something. */
const KEYS_WITHIN = {
  ArrowUp: () => move(-1, hasEmotion),
  ArrowDown: () => move(1, hasEmotion),
  Home: () => goTo(utterances[0], { announce: true }),
  End: () => goTo(utterances[utterances.length - 1], { announce: true }),
};

function listensToKeys() {
  return byId("keys-on").checked && !document.querySelector("dialog[open]");
}

/* Whether keys belong to the element; a checkbox wants none but the space bar. */
function isTyping(target) {
  return target.matches("select, textarea, input:not([type='checkbox'])");
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !listensToKeys()) return;
  const { target } = event;
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

fillHeader();
const panel = new UtterancePanel({
  onThreshold,
  onHide(label, hide) {
    if (hide) hidden.add(label);
    else hidden.delete(label);
    panel.show(view.current);
    timeline?.draw();
  },
});
const list = new UtteranceList({ onChoose: (utterance) => goTo(utterance) });
const table = new ValueTable();
const timeline = timed
  ? new Timeline(byId("timeline"), {
      onSeek: seekTo,
      onView() {
        byId("zoom-all").disabled = byId("zoom-out").disabled = !timeline.isZoomed();
        overview.show();
      },
    })
  : null;
const overview = timed ? new Overview(byId("overview"), timeline) : null;
const player = new Player({ onTime, onState });
player.start();
document.body.classList.toggle("is-untimed", !timed);
byId("timeline").setAttribute("aria-valuemax", length.toFixed(1));
byId("reset").addEventListener("click", () => {
  thresholds.clear();
  showDecisions();
});
const CLICKS = {
  "help-button": () => byId("help").showModal(),
  play: () => player.toggle(),
  previous: () => move(-1),
  next: () => move(1),
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
