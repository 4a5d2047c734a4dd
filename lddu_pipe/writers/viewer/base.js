/* What every page is made with: elements, numbers in words, colours of emotions, light and dark.
 *
 * Every text that comes from a file is untrusted: it reaches a page as text, never as markup.
 */
/** @type {("text" | "audio" | "vision")[]} */
export const MODALITIES = ["text", "audio", "vision"];

/**
 * An element of the page, which knows of what kind it is.
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * An element with text and children; strings are text, never markup.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number | null | undefined>} attributes
 * @param {(Node | string | null)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) {
      element.setAttribute(name, String(value));
    }
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * As on the terminal: only 0 and 1 themselves are called 0 % and 100 %. The sign stays with its
 * number, whatever the width.
 * @param {number} share
 */
export function percent(share) {
  const rounded = Math.round(share * 100);
  const whole = share <= 0 ? 0 : share >= 1 ? 100 : Math.min(Math.max(rounded, 1), 99);
  const near = share > 0 && share < 0.005 ? "<" : share < 1 && share >= 0.995 ? ">" : "";
  return `${near}${whole}\u00a0%`;
}

/**
 * Seconds as m:ss, or h:mm:ss; with tenths or finer where they are asked for.
 * @param {number} seconds
 */
export function clockFace(seconds, { hours = seconds >= 3600, digits = 0 } = {}) {
  const unit = 10 ** digits;
  const all = Math.round(seconds * unit);
  const whole = Math.floor(all / unit);
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  const front = hours ? `${Math.floor(minutes / 60)}:${two(minutes % 60)}` : minutes;
  const rest = digits ? `.${String(all % unit).padStart(digits, "0")}` : "";
  return `${front}:${two(whole % 60)}${rest}`;
}

/* Okabe and Ito's colours, told apart with any colour vision, the first for emotions that are known;
 * as in writers/colours.py. */
const PALETTE = ["#E69F00", "#0072B2", "#D55E00", "#CC79A7", "#009E73", "#56B4E9", "#8A8A8A"];
const KNOWN = ["happy", "sad", "anger", "surprise", "disgust", "fear"];

/* Of people: Tol's light colours, to be told apart from each other with any colour vision and, where
 * they stand on a video, from the pictures; none of them is that of an emotion. */
export const PEOPLE = [
  ...["#77AADD", "#EE8866", "#44BB99", "#FFAABB", "#BBCC33", "#99DDFF", "#EEDD88", "#AAAA00"],
];
export const UNKNOWN = "#BBBBBB";

/**
 * The colour of each label, by name: known emotions have theirs, others what is free, then all once
 * more.
 * @param {string[]} labels
 * @returns {Map<string, string>}
 */
export function coloursOf(labels) {
  const free = PALETTE.filter((_, at) => !labels.includes(KNOWN[at]));
  const order = [...free, ...PALETTE];
  let next = 0;
  return new Map(
    labels.map((label) => {
      const known = KNOWN.indexOf(label);
      return [label, known >= 0 ? PALETTE[known] : order[next++ % order.length]];
    }),
  );
}

/* What a browser keeps beyond a page. Where it was told to keep nothing, or has no room left, the page
 * remembers as long as it is open. */
export class Kept {
  /** @param {() => Storage} storage  finding it is refused, too */
  constructor(storage) {
    this.storage = storage;
    /** @type {Map<string, string>} */
    this.unkept = new Map();
  }

  /**
   * @param {string} name
   * @returns {string | null}
   */
  get(name) {
    const unkept = this.unkept.get(name);
    if (unkept !== undefined) return unkept;
    try {
      return this.storage().getItem(name);
    } catch {
      return null;
    }
  }

  /**
   * @param {string} name
   * @param {string} text
   */
  set(name, text) {
    try {
      this.storage().setItem(name, text);
      this.unkept.delete(name);
    } catch {
      this.unkept.set(name, text);
    }
  }

  /** @param {string} name */
  remove(name) {
    this.unkept.delete(name);
    try {
      this.storage().removeItem(name);
    } catch {
      // Nothing was kept.
    }
  }
}

export const keptInTab = new Kept(() => sessionStorage);
export const keptInBrowser = new Kept(() => localStorage);

const THEME = "lddu-pipe-theme";

export function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/**
 * Let a button choose between light and dark, until then the system; `onChange` is told.
 * @param {HTMLElement} button
 */
export function startTheme(button, onChange = () => {}) {
  const show = () => {
    button.setAttribute("aria-pressed", String(isDark()));
    onChange();
  };
  const chosen = keptInTab.get(THEME); // on a page before this one
  if (chosen) document.documentElement.dataset.theme = chosen;
  button.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    keptInTab.set(THEME, theme);
    show();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
}
