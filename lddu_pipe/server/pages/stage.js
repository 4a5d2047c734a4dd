/* The picture of a live session, with a box and a name on each face. */
import { make } from "../../writers/viewer/base.js";

const STALE = 2; // s after which a box that is not told of any more is taken away

export class Stage {
  /* `video` shows the camera, `place` lies on it. */
  constructor(video, place) {
    this.video = video;
    this.place = place;
    this.boxes = new Map(); // by track
  }

  show(stream) {
    this.video.srcObject = stream;
  }

  /* The picture is cut off nowhere: what surrounds it takes its shape. */
  fit() {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (width) this.place.parentElement.style.aspectRatio = `${width} / ${height}`;
  }

  /* What the server saw; `lookOf` says what somebody is called, and their colour. */
  see({ faces }, lookOf) {
    for (const { track, person, still, boxes } of faces) {
      const box = boxes.at(-1);
      const known = this.boxes.get(track) ?? this.add(track);
      known.seen = performance.now();
      known.person = person ?? known.person;
      known.element.hidden = !box || still;
      if (!box) continue;
      const [left, top, right, bottom] = box.map((edge) => edge * 100);
      Object.assign(known.element.style, {
        left: `${left}%`,
        top: `${top}%`,
        width: `${right - left}%`,
        height: `${bottom - top}%`,
      });
      const { name, colour, feeling } = lookOf(known.person);
      known.element.style.setProperty("--colour", colour);
      known.name.textContent = feeling ? `${name} · ${feeling}` : name;
      known.name.hidden = known.person === null;
      known.name.classList.toggle("is-below", top < 9);
    }
  }

  add(track) {
    const name = make("span", { class: "name" });
    const element = make("div", { class: "face" }, name);
    this.place.append(element);
    const box = { element, name, person: null, seen: 0 };
    this.boxes.set(track, box);
    return box;
  }

  /* Take away what was not told of for a while. */
  tidy() {
    const now = performance.now();
    for (const [track, { element, seen }] of this.boxes) {
      if (now - seen < STALE * 1000) continue;
      element.remove();
      this.boxes.delete(track);
    }
  }

  clear() {
    this.video.srcObject = null;
    this.place.replaceChildren();
    this.boxes.clear();
  }
}
