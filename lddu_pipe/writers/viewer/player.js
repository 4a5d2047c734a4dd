/* The media and its clock. */
import { length, source } from "./annotation.js";
import { make } from "./base.js";

export class Player {
  /* A clock that follows the media, or stands where it was put when there is none to follow. */
  /**
   * @param {object} options
   * @param {(moment: number, playing: boolean) => void} options.onTime
   * @param {(playing: boolean) => void} options.onState
   * @param {(pictures: HTMLVideoElement | HTMLImageElement) => void} options.onPictures  are there
   */
  constructor({ onTime, onState, onPictures }) {
    this.onTime = onTime;
    this.onState = onState;
    this.onPictures = onPictures;
    this.moment = 0;
    /** @type {HTMLMediaElement | null} */
    this.media = null;
    this.works = false;
    this.recovered = -Infinity;
    /** @type {{start: number, end: number} | null} */
    this.stretch = null;
    this.stage = /** @type {HTMLElement} */ (document.getElementById("stage"));
  }

  start() {
    if (source.kind === "none") return;
    this.stage.hidden = false;
    if (source.absent) this.explain();
    else this.load(source.link);
  }

  /** @param {string} link */
  load(link) {
    if (source.kind === "picture") {
      const picture = make("img", { alt: `The picture ${source.name}` });
      picture.addEventListener("error", () => this.explain());
      picture.src = link;
      this.stage.replaceChildren(picture);
      this.onPictures(picture);
      return;
    }
    const media = make(source.kind === "video" ? "video" : "audio", { controls: "", preload: "metadata", playsinline: "" });
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
    if (media instanceof HTMLVideoElement) this.onPictures(media);
  }

  /**
   * A browser that knows the sound of a video but not its pictures plays it without a word.
   * @param {HTMLMediaElement} media
   */
  onLoaded(media) {
    this.onState(this.isPlaying());
    if (!(media instanceof HTMLVideoElement) || media.videoWidth) return;
    const text = "This browser plays the sound of this video and cannot show its pictures.";
    this.stage.append(make("p", { class: "absent", role: "status" }, text));
  }

  /* Links of a server expire: ask for another, and go on where it was. */
  async recover() {
    const playing = this.media !== null && !this.media.paused;
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
      const [file] = chooser.files ?? [];
      if (file) this.load(URL.createObjectURL(file));
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
    this.moment = this.media?.currentTime ?? this.moment;
    if (this.stretch && this.moment >= this.stretch.end) this.comeBack();
    else this.onTime(this.moment, this.isPlaying());
  }

  /**
   * Play a stretch of the media and come back to where it starts.
   * @param {number} start
   * @param {number} end
   */
  play(start, end) {
    if (!this.works || !this.media) return;
    this.seek(start);
    this.stretch = { start, end };
    this.media.play().catch(() => {});
  }

  comeBack() {
    if (this.stretch) this.seek(this.stretch.start);
  }

  /** @param {number} moment */
  seek(moment) {
    if (this.stretch) this.media?.pause();
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

/** @param {string} link */
function decoded(link) {
  try {
    return decodeURIComponent(link);
  } catch {
    return link; // a name that is not UTF-8
  }
}
