/* Boxes over the pictures: where each face is, whose it is, and what it shows. */
import { colours, presentScores, timed } from "./annotation.js";
import { make } from "./base.js";
import { chosen, groups, speakingAt } from "./people.js";

/** @typedef {import("../../../docs/annotation.d.ts").Face} Face */
/** @typedef {import("./people.js").Group} Group */
/** @typedef {[number, number, number, number]} Box  left, top, right and bottom as shares */

const CONTROLS = 48; // pixels at the foot of a video where the browser's own controls are

/**
 * Where a face is at a moment, between the boxes before and after it; null where it is not seen.
 * @param {Face} face
 * @param {number} moment
 * @returns {Box | null}
 */
export function boxAt({ start, fps, boxes }, moment) {
  const place = (moment - start) * fps;
  if (boxes.length === 1) return Math.abs(place) <= 0.5 ? boxes[0] : null;
  if (place < 0 || place > boxes.length - 0.5) return null;
  const at = Math.floor(place);
  const [before, after] = [boxes[at], boxes[at + 1] ?? null];
  const share = place - at;
  if (!before || !after) return share < 0.5 ? before : after;
  return /** @type {Box} */ (before.map((edge, side) => edge + (after[side] - edge) * share));
}

export class FaceBoxes {
  /**
   * @param {HTMLElement} stage  where the media is shown
   * @param {(group: Group) => void} onChoose
   */
  constructor(stage, onChoose) {
    this.stage = stage;
    this.moment = 0;
    this.isShown = false;
    /**
     * The pictures, and where they lie in the stage: left, top, width and height in pixels.
     * @type {HTMLVideoElement | HTMLImageElement | null}
     */
    this.pictures = null;
    this.area = [0, 0, 0, 0];
    // Who uses keys chooses people by the heads of their lanes.
    this.layer = make("div", { class: "boxes", "aria-hidden": "true" });
    this.onChoose = onChoose;
    this.tags = groups.map((group) => this.makeTag(group));
    this.layer.append(...this.tags.map(({ box }) => box));
    this.watcher = new ResizeObserver(() => this.measure());
  }

  /** @param {Group} group */
  makeTag(group) {
    const emotion = make("span", {});
    const tag = make("span", { class: "tag" }, make("bdi", {}, group.name), emotion);
    const box = make("div", { class: "box", hidden: "" }, tag);
    box.style.setProperty("--colour", group.colour);
    box.classList.toggle("is-still", group.isStill);
    box.addEventListener("click", () => this.onChoose(group));
    return { group, box, emotion };
  }

  /* People, or what they are called, are others. */
  renew() {
    this.tags = groups.map((group) => this.makeTag(group));
    this.layer.replaceChildren(...this.tags.map(({ box }) => box));
    this.show(this.moment);
  }

  /** @param {HTMLVideoElement | HTMLImageElement} pictures */
  attach(pictures) {
    this.pictures = pictures;
    this.watcher.disconnect();
    this.watcher.observe(pictures);
    for (const name of ["load", "loadedmetadata", "resize"]) {
      pictures.addEventListener(name, () => this.measure());
    }
    this.stage.append(this.layer);
  }

  /* They are as large as fits, in the middle. */
  measure() {
    const { pictures } = this;
    if (!pictures) return;
    const [wide, tall] =
      pictures instanceof HTMLVideoElement
        ? [pictures.videoWidth, pictures.videoHeight]
        : [pictures.naturalWidth, pictures.naturalHeight];
    const { offsetLeft: left, offsetTop: top, clientWidth: width, clientHeight: height } = pictures;
    const scale = wide && tall ? Math.min(width / wide, height / tall) : 0;
    const size = [wide * scale, tall * scale];
    this.area = [left + (width - size[0]) / 2, top + (height - size[1]) / 2, ...size];
    this.show(this.moment);
  }

  /** @param {boolean} isShown */
  toggle(isShown) {
    this.isShown = isShown;
    this.layer.hidden = !isShown;
    this.show(this.moment);
  }

  /** @param {number} moment */
  show(moment) {
    this.moment = moment;
    if (!this.isShown || !this.pictures || !this.area[2]) return;
    for (const tag of this.tags) this.place(tag);
  }

  /** @param {FaceBoxes["tags"][number]} tag */
  place({ group, box, emotion }) {
    /** @type {Box | null} */
    let found = null;
    for (const face of group.faces) {
      if (face.start > this.moment + 1) break;
      found = boxAt(face, this.moment) ?? found;
    }
    box.hidden = !found;
    if (!found) return;
    const [left, top, width, height] = this.area;
    // Whole pixels: most frames leave them where they are, and need no painting.
    const [first, upper, last, lower] = found.map((edge, side) =>
      Math.round(edge * (side % 2 ? height : width)),
    );
    box.style.transform = `translate(${left + first}px, ${top + upper}px)`;
    box.style.width = `${last - first}px`;
    box.style.height = `${lower - upper}px`;
    box.classList.toggle("is-dim", chosen.group !== null && chosen.group !== group);
    box.classList.toggle("is-high", upper < 20);
    box.classList.toggle("is-low", top + lower > this.stage.clientHeight - CONTROLS);
    this.tell(emotion, group);
  }

  /**
   * The strongest emotion that is present now.
   * @param {HTMLElement} place
   * @param {Group} group
   */
  tell(place, group) {
    const there = timed ? speakingAt(this.moment, group.utterances) : group.utterances;
    const present = there.flatMap(presentScores);
    const strongest = present.reduce(
      (most, score) => (most && most.probability >= score.probability ? most : score),
      /** @type {typeof present[number] | null} */ (null),
    );
    const words = strongest?.label ?? "";
    if (place.textContent !== words) place.textContent = words;
    place.style.setProperty("--emotion", strongest ? (colours.get(strongest.label) ?? "") : "none");
  }
}
