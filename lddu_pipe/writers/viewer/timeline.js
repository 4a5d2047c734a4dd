/* The time line: lanes drawn by plotly.js, under them the fill of what is decided present, and over
 * them what moves: playhead, thresholds, words.
 *
 * plotly.js draws shapes only. It is given no text of the annotation (it would read it as markup).
 * What changes while a reader drags or plays is drawn apart, since it takes plotly.js a tenth of a
 * second to draw a thousand utterances anew.
 */
const AMBIGUITY_STEPS = [
  { below: 0.15, opacity: 0.62 },
  { below: high.aleatoric, opacity: 0.38 },
  { below: Infinity, opacity: 0.2 },
];
/* The range of a lane: a line at 0 or 1 is seen whole. */
const LEVELS = [-0.02, 1.02];
/* plotly.js thins out points that lie within a pixel, which is where short utterances live. */
const EXACT = { simplify: false };
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];

/* Each utterance's row in the track of words: a row a speaker; where there are none, or the same
 * person is there twice at once, the first row that is free. */
const rows = (() => {
  const speakers = [...new Set(utterances.map(({ speaker }) => speaker ?? ""))];
  const bySpeaker = speakers.length > 1 && speakers.length <= 6;
  const taken = []; // by row: whose it is, and until when
  const found = utterances.map(({ start, end, speaker }) => {
    const name = bySpeaker ? (speaker ?? "") : "";
    let row = taken.find((other) => other.until <= start + 0.001 && other.name === name);
    if (!row) taken.push((row = { name }));
    row.until = end;
    return row;
  });
  taken.sort((one, other) => speakers.indexOf(one.name) - speakers.indexOf(other.name));
  return {
    of: found.map((row) => taken.indexOf(row)),
    count: Math.max(taken.length, 1),
    names: bySpeaker ? taken.map(({ name }) => name) : [],
  };
})();

/* Corners of a rectangle. The way to and from it runs along y = 0 and up its left side and back, so
 * that any number of them are one outline, which encloses nothing else. (With gaps between them
 * plotly.js keeps an element for each, and a thousand utterances stutter.) */
function addBox(shape, left, right, low, high) {
  shape.x.push(left, left, right, right, left, left);
  shape.y.push(0, high, high, low, low, 0);
}

class Timeline {
  constructor(element, { onSeek, onView }) {
    this.element = element;
    this.plot = element.querySelector("#plot");
    this.overlay = element.querySelector("#overlay");
    this.tip = document.getElementById("tip");
    this.onSeek = onSeek;
    this.onView = onView;
    this.view = [0, length];
    this.moment = 0;
    this.current = null;
    /* What else is painted over it, with every move. */
    this.painters = [];
    this.playhead = make("div", { class: "playhead" });
    this.focus = make("div", { class: "focus" });
    this.fills = make("canvas", { class: "fills" });
    this.moving = make("div", { class: "moving" });
    this.names = make("div", { class: "names" });
    this.words = make("div", { class: "words" });
    // The tint of the utterance in view lies under the shapes, so that their colours stay true.
    this.plot.before(this.focus, this.fills);
    this.probe = make("i", { hidden: "" });
    this.plot.before(this.probe);
    this.overlay.append(this.words, this.names, this.moving, this.playhead);
    this.listen();
    new ResizeObserver(() => this.draw()).observe(element);
  }

  /* Pixels: where the lanes lie. Narrow screens have the names above the lanes, not beside them. */
  measure() {
    const width = this.element.clientWidth;
    const narrow = width < 640;
    const shown = labels.filter((label) => !hidden.has(label));
    const laneHeight = narrow ? 40 : 48;
    const tracks = [];
    let top = narrow ? 18 : 4;
    const add = (kind, height, gap, name = kind) => {
      tracks.push({ kind, name, top, height });
      top += height + gap;
    };
    add("words", rows.count * (narrow ? 26 : 24), narrow ? 20 : 10);
    for (const label of shown) add("label", laneHeight, narrow ? 18 : 8, label);
    add("missing", MODALITIES.length * 9, 0);
    this.box = {
      narrow,
      laneHeight,
      tracks,
      left: narrow ? 6 : 92,
      right: narrow ? 36 : 44,
      bottom: 26,
      width,
      height: top + 26,
    };
    this.inner = Math.max(width - this.box.left - this.box.right, 1);
  }

  x(seconds) {
    const [from, to] = this.view;
    return this.box.left + ((seconds - from) / (to - from)) * this.inner;
  }

  secondsAt(pixels) {
    const [from, to] = this.view;
    const moment = from + ((pixels - this.box.left) / this.inner) * (to - from);
    return Math.min(Math.max(moment, 0), length);
  }

  draw() {
    if (!this.element.clientWidth) return;
    this.measure();
    // What is far outside the view is left out, so that moving through long media stays smooth.
    const margin = this.view[1] - this.view[0];
    this.drawn = [this.view[0] - margin, this.view[1] + margin];
    const [first, last] = this.drawn;
    this.near = utterances.filter(({ start, end }) => end >= first && start <= last);
    const { tracks, height, width, left, right, bottom } = this.box;
    // Of light-dark() only an element's own colour tells which half holds.
    const style = getComputedStyle(this.probe);
    const colour = (name) => {
      this.probe.style.color = `var(${name})`;
      return style.color;
    };
    const inner = height - bottom;
    const layout = {
      width,
      height,
      margin: { l: left, r: right, t: 0, b: bottom },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      showlegend: false,
      hovermode: false,
      dragmode: false,
      font: { family: "inherit", size: 11, color: colour("--quiet") },
      xaxis: {
        range: this.view,
        showgrid: false,
        zeroline: false,
        anchor: axisName("y", tracks.length - 1),
        tickcolor: colour("--rule"),
        ticks: "outside",
        ...this.ticks(),
      },
    };
    const traces = [];
    tracks.forEach((track, place) => {
      const axis = axisName("y", place);
      const rangeOfKind = { words: [0, rows.count], label: LEVELS, missing: [0, 3] };
      const isLabel = track.kind === "label";
      layout[axis.replace("y", "yaxis")] = {
        range: rangeOfKind[track.kind],
        domain: [1 - (track.top + track.height) / inner, 1 - track.top / inner].map(clamp),
        anchor: "x",
        side: "right",
        fixedrange: true,
        zeroline: isLabel,
        zerolinecolor: colour("--base"),
        showgrid: isLabel,
        gridcolor: colour("--rule"),
        showticklabels: isLabel,
        tickvals: isLabel ? [0, 0.5] : [],
        ticktext: ["", "50 %"],
        tickfont: { size: 10 },
      };
      const add = (shape, look) => {
        if (!shape.x.length) return;
        traces.push({ ...shape, yaxis: axis, mode: "none", fill: "toself", line: EXACT, ...look });
      };
      if (track.kind === "words") this.addWords(add, colour);
      if (track.kind === "label") this.addLabel(track.name, add, colour);
      if (track.kind === "missing") this.addMissing(add, colour);
    });
    Plotly.react(this.plot, traces, layout, { staticPlot: true });
    this.element.style.height = `${height}px`;
    this.placeNames();
    this.place();
  }

  addWords(add, colour) {
    const blocks = { x: [], y: [] };
    const silent = { x: [], y: [] };
    const pixel = (this.view[1] - this.view[0]) / this.inner;
    for (const { index, start, end, text } of this.near) {
      const low = rows.count - 1 - rows.of[index];
      const pad = Math.min(pixel / 2, (end - start) / 10); // keeps neighbours apart
      addBox(text ? blocks : silent, start + pad, end - pad, low + 0.06, low + 0.94);
    }
    add(blocks, { fillcolor: colour("--block") });
    add(silent, { fillcolor: colour("--silent") });
  }

  addLabel(label, add, colour) {
    const hatched = { x: [], y: [] };
    const band = { x: [], y: [] };
    const line = { x: [], y: [] };
    const leaning = { x: [], y: [] };
    const half = 1 / this.box.laneHeight; // a line is two pixels high
    for (const utterance of this.near) {
      const score = utterance.scores.get(label);
      if (!score) continue;
      const { start, end } = utterance;
      const level = score.probability;
      const undecided = decide(score) === "abstain";
      if (undecided) addBox(hatched, start, end, 0, 1);
      const low = clamp(level - spread(score));
      addBox(band, start, end, low, clamp(level + spread(score)));
      addBox(undecided ? leaning : line, start, end, level - half, level + half);
    }
    const own = colours.get(label);
    const grey = colour("--hatch");
    add(hatched, {
      fillcolor: "rgba(0,0,0,0)",
      fillpattern: { shape: "/", fgcolor: grey, bgcolor: "rgba(0,0,0,0)", size: 6, solidity: 0.25 },
    });
    add(band, { fillcolor: faded(own, 0.45) });
    add(line, { fillcolor: own });
    add(leaning, { fillcolor: colour("--quiet") });
  }

  addMissing(add, colour) {
    const there = { x: [], y: [] };
    const gone = { x: [], y: [] };
    for (const { start, end, modalities } of this.near) {
      MODALITIES.forEach((name, place) => {
        const low = MODALITIES.length - 1 - place;
        if (modalities[name].present) addBox(there, start, end, low + 0.35, low + 0.65);
        else addBox(gone, start, end, low + 0.08, low + 0.92);
      });
    }
    add(there, { fillcolor: colour("--there") });
    add(gone, {
      fillcolor: "rgba(0,0,0,0)",
      fillpattern: { shape: "x", fgcolor: colour("--gone"), bgcolor: "rgba(0,0,0,0)", size: 4 },
    });
  }

  ticks() {
    const [from, to] = this.view;
    const wanted = (to - from) / Math.max(this.inner / 64, 2);
    const step = TICKS.find((candidate) => candidate >= wanted) ?? TICKS[TICKS.length - 1];
    const tickvals = [];
    for (let place = Math.ceil(from / step); place * step <= to + 1e-9; place += 1) {
      tickvals.push(place * step);
    }
    return { tickvals, ticktext: tickvals.map((value) => clock(value, step < 1 ? 1 : 0)) };
  }

  placeNames() {
    const { narrow, tracks, left } = this.box;
    this.names.replaceChildren();
    const put = (text, top, height, className) => {
      const name = make("span", { class: `name ${className}`, title: text, dir: "auto" }, text);
      name.style.top = `${narrow ? top - 17 : top}px`;
      name.style.height = `${narrow ? 16 : height}px`;
      name.style.width = narrow ? "100%" : `${left - 10}px`;
      this.names.append(name);
      return name;
    };
    for (const { kind, name, top, height } of tracks) {
      if (kind === "label") {
        put(name, top, height, "of-label").style.setProperty("--colour", colours.get(name));
      } else if (kind === "missing") {
        const each = height / MODALITIES.length;
        if (narrow) put("text, audio, vision: crossed where missing", top, height, "");
        else MODALITIES.forEach((part, at) => put(part, top + at * each, each, "tiny"));
      } else if (rows.names.length && !narrow) {
        const each = height / rows.count;
        rows.names.forEach((speaker, at) => put(speaker || "–", top + at * each, each, ""));
      } else {
        put("words", top, height, "");
      }
    }
  }

  /* Put everything that moves where it belongs. */
  place() {
    if (!this.box) return;
    this.fill();
    const { left, tracks } = this.box;
    const right = left + this.inner;
    const bottom = tracks[tracks.length - 1].top + tracks[tracks.length - 1].height;
    const at = this.x(this.moment);
    this.playhead.hidden = at < left - 1 || at > right + 1;
    this.playhead.style.transform = `translateX(${at}px)`;
    this.playhead.style.height = `${bottom}px`;
    this.placeFocus(right, bottom);
    this.placeWords(right);
    for (const paint of this.painters) paint();
  }

  /* Fill the lanes where an emotion is decided present, paler where the data are ambiguous. */
  fill() {
    const { tracks, left, width, height } = this.box;
    const brush = brushOn(this.fills, width, height);
    brush.beginPath();
    brush.rect(left, 0, this.inner, height);
    brush.clip();
    const [from, to] = this.view;
    for (const { kind, name, top, height: tall } of tracks) {
      if (kind !== "label") continue;
      const y = (level) => top + ((LEVELS[1] - level) / (LEVELS[1] - LEVELS[0])) * tall;
      const looks = AMBIGUITY_STEPS.map(({ opacity }) => faded(colours.get(name), opacity));
      for (const { start, end, scores } of this.near) {
        const score = end < from || start > to ? null : scores.get(name);
        if (!score || decide(score) !== "present") continue;
        brush.fillStyle =
          looks[AMBIGUITY_STEPS.findIndex(({ below }) => ambiguity(score) < below)];
        const level = y(score.probability);
        brush.fillRect(this.x(start), level, this.x(end) - this.x(start), y(0) - level);
      }
    }
  }

  placeFocus(right, bottom) {
    const { left, tracks } = this.box;
    this.moving.replaceChildren();
    for (const track of tracks) {
      const threshold = thresholds.get(track.name);
      if (track.kind !== "label" || threshold === undefined) continue;
      const line = make("div", { class: "threshold", "data-label": track.name });
      line.style.top = `${track.top + (1 - threshold) * track.height}px`;
      line.style.left = `${left}px`;
      line.style.width = `${this.inner}px`;
      this.moving.append(line);
    }
    const from = this.current ? Math.max(this.x(this.current.start), left) : 0;
    const to = this.current ? Math.min(this.x(this.current.end), right) : 0;
    this.focus.hidden = to <= from;
    if (to <= from) return;
    this.focus.style.left = `${from}px`;
    this.focus.style.width = `${Math.max(to - from, 2)}px`;
    this.focus.style.height = `${bottom}px`;
    for (const track of tracks) {
      const score = track.kind === "label" ? this.current.scores.get(track.name) : null;
      if (!score) continue;
      const mark = make("div", { class: "level" });
      mark.style.top = `${track.top + (1 - score.probability) * track.height}px`;
      mark.style.left = `${from}px`;
      mark.style.width = `${Math.max(to - from, 3)}px`;
      mark.style.setProperty("--colour", colours.get(track.name));
      this.moving.append(mark);
    }
  }

  /* The words of utterances that are wide enough for some: never more than fit the screen. */
  placeWords(right) {
    const { left, tracks, narrow } = this.box;
    const each = tracks[0].height / rows.count;
    const blocks = [];
    for (const utterance of this.near) {
      const from = Math.max(this.x(utterance.start), left);
      const to = Math.min(this.x(utterance.end), right);
      if (to - from < 34 || !utterance.text) continue;
      const speaker = narrow && utterance.speaker ? `${utterance.speaker}: ` : "";
      const block = make("span", { class: "word-block", dir: "auto" }, speaker + utterance.text);
      block.style.left = `${from}px`;
      block.style.width = `${to - from}px`;
      block.style.top = `${tracks[0].top + rows.of[utterance.index] * each}px`;
      block.style.height = `${each}px`;
      block.style.lineHeight = `${each}px`;
      blocks.push(block);
    }
    this.words.replaceChildren(...blocks);
  }

  setMoment(moment, playing) {
    const hasMoved = moment !== this.moment;
    this.moment = moment;
    const [from, to] = this.view;
    const isOutside = moment > to || moment < from;
    const lead = playing ? 0 : (to - from) * 0.1;
    if (isOutside && (playing || hasMoved)) this.show(moment - lead, moment - lead + to - from);
    else this.movePlayhead();
  }

  movePlayhead() {
    if (!this.box) return;
    const at = this.x(this.moment);
    this.playhead.hidden = at < this.box.left - 1 || at > this.box.left + this.inner + 1;
    this.playhead.style.transform = `translateX(${at}px)`;
  }

  setCurrent(utterance) {
    this.current = utterance;
    this.place();
  }

  /* Bring an utterance into view, without zooming. */
  reveal({ start, end }) {
    const [from, to] = this.view;
    const width = to - from;
    if (start >= from && Math.min(end, start + width) <= to) return;
    this.show(start - width * 0.1, start + width * 0.9);
  }

  zoom(factor, around = this.moment) {
    const [from, to] = this.view;
    const centre = around >= from && around <= to ? around : (from + to) / 2;
    const width = Math.min(Math.max((to - from) * factor, Math.min(1, length)), length);
    const share = (centre - from) / (to - from);
    this.show(centre - share * width, centre + (1 - share) * width);
  }

  /* Show a stretch of time, kept within the media; drawn with the next frame. */
  show(from, to) {
    const width = Math.min(to - from, length);
    const start = Math.min(Math.max(from, 0), length - width);
    this.view = [start, start + width];
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = null;
      if (!this.box) return;
      if (this.isDrawn()) this.slide();
      else this.draw();
      this.onView(this.view);
    });
  }

  /* Whether what was drawn last holds the view, and not much that lies outside of it. */
  isDrawn() {
    const [from, to] = this.view;
    const [first, last] = this.drawn;
    return from >= first && to <= last && last - first < 6 * (to - from);
  }

  slide() {
    const { tickvals, ticktext } = this.ticks();
    Plotly.relayout(this.plot, {
      "xaxis.range": this.view,
      "xaxis.tickvals": tickvals,
      "xaxis.ticktext": ticktext,
    });
    this.place();
  }

  isZoomed() {
    return this.view[1] - this.view[0] < length - 1e-6;
  }

  listen() {
    const pointers = new Map();
    let drag = null;
    const local = (event) => event.clientX - this.element.getBoundingClientRect().left;
    this.element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      pointers.set(event.pointerId, local(event));
      this.element.setPointerCapture(event.pointerId);
      drag = { from: local(event), view: [...this.view], moved: false };
      if (pointers.size === 2) drag.apart = gap(pointers);
    });
    this.element.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse") this.showTip(event);
      if (!drag || !pointers.has(event.pointerId)) return;
      pointers.set(event.pointerId, local(event));
      const way = local(event) - drag.from;
      if (pointers.size === 2) {
        drag.moved = true;
        const middle = [...pointers.values()].reduce((sum, place) => sum + place, 0) / 2;
        this.zoom(drag.apart / Math.max(gap(pointers), 8), this.secondsAt(middle));
        drag.apart = gap(pointers);
        return;
      }
      if (Math.abs(way) > 4) drag.moved = true;
      if (!drag.moved) return;
      if (this.isZoomed()) {
        const seconds = (way / this.inner) * (drag.view[1] - drag.view[0]);
        this.show(drag.view[0] - seconds, drag.view[1] - seconds);
      } else {
        this.onSeek(this.secondsAt(local(event)), null);
      }
    });
    const end = (event) => {
      if (!pointers.delete(event.pointerId) || pointers.size) return;
      if (event.type === "pointerup" && drag && !drag.moved) {
        const found = this.hit(event);
        this.onSeek(found.moment, found.utterance);
      }
      drag = null;
    };
    this.element.addEventListener("pointerup", end);
    this.element.addEventListener("pointercancel", end);
    this.element.addEventListener("pointerleave", () => {
      this.tip.hidden = true;
    });
    this.element.addEventListener(
      "wheel",
      (event) => {
        if (event.ctrlKey || event.metaKey) {
          event.preventDefault();
          this.zoom(Math.exp(event.deltaY / 300), this.secondsAt(local(event)));
        } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY) && this.isZoomed()) {
          event.preventDefault();
          const seconds = (event.deltaX / this.inner) * (this.view[1] - this.view[0]);
          this.show(this.view[0] + seconds, this.view[1] + seconds);
        }
      },
      { passive: false },
    );
  }

  /* What lies under a pointer: the moment, the track, and the utterance that is nearest to it. */
  hit(event) {
    const box = this.element.getBoundingClientRect();
    const moment = this.secondsAt(event.clientX - box.left);
    const y = event.clientY - box.top;
    const track = this.box.tracks.find(({ top, height }) => y >= top && y < top + height) ?? null;
    let there = speakingAt(moment);
    if (there.length > 1 && track?.kind === "words") {
      const row = Math.floor(((y - track.top) / track.height) * rows.count);
      const same = there.filter(({ index }) => rows.of[index] === row);
      there = same.length ? same : there;
    } else if (there.length > 1 && track?.kind === "label") {
      const level = 1 - (y - track.top) / track.height;
      const away = (utterance) =>
        Math.abs((utterance.scores.get(track.name)?.probability ?? 2) - level);
      there.sort((one, other) => away(one) - away(other));
    }
    return { moment, track, y, utterance: there[0] ?? null };
  }

  showTip(event) {
    const { track, y, utterance } = this.hit(event);
    this.tip.hidden = !utterance;
    if (!utterance) return;
    const head = utterance.speaker ? `${when(utterance)}  ${utterance.speaker}` : when(utterance);
    const lines = [make("b", {}, head)];
    if (track?.kind === "label") {
      lines.push(make("span", {}, described(utterance.scores.get(track.name))));
    }
    if (track?.kind === "missing") {
      const place = Math.min(Math.floor(((y - track.top) / track.height) * 3), 2);
      const name = MODALITIES[place];
      const gone = utterance.missing.includes(name);
      lines.push(make("span", {}, gone ? reason(utterance, name) : `${name} was used`));
    } else {
      lines.push(make("span", { dir: "auto", class: "tip-words" }, saidIn(utterance)));
    }
    this.tip.replaceChildren(...lines);
    const width = this.tip.offsetWidth;
    const left = Math.min(event.clientX + 14, document.documentElement.clientWidth - width - 8);
    const below = event.clientY + 18 + this.tip.offsetHeight < window.innerHeight;
    this.tip.style.left = `${Math.max(left, 8)}px`;
    const above = event.clientY - this.tip.offsetHeight - 10;
    this.tip.style.top = `${below ? event.clientY + 18 : above}px`;
  }
}

/* An empty canvas of a size, to be painted in pixels of the page. */
function brushOn(canvas, width, height) {
  const dots = window.devicePixelRatio;
  canvas.width = Math.round(width * dots);
  canvas.height = Math.round(height * dots);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const brush = canvas.getContext("2d");
  brush.scale(dots, dots);
  return brush;
}

function gap(pointers) {
  const [one, other] = [...pointers.values()];
  return Math.abs(one - other);
}

function axisName(letter, place) {
  return place ? `${letter}${place + 1}` : letter;
}

function clamp(share) {
  return Math.min(Math.max(share, 0), 1);
}

function faded(colour, opacity) {
  const part = (at) => parseInt(colour.slice(at, at + 2), 16);
  return `rgba(${part(1)},${part(3)},${part(5)},${opacity})`;
}
