/* Who reviews, and how they like to work: kept in this browser. */
import { byId, keptInBrowser } from "../../writers/viewer/base.js";

const REVIEWER = "lddu-pipe-reviewer";

export function reviewerName() {
  return keptInBrowser.get(REVIEWER) ?? "";
}

let naming = null;

/* Ask who reviews, once for whoever wants to know; the answer is empty where they would rather not
 * say. */
export function askForName() {
  naming ??= answerOfDialog().finally(() => {
    naming = null;
  });
  return naming;
}

function answerOfDialog() {
  const dialog = byId("who");
  const field = byId("who-name");
  field.value = reviewerName();
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    const close = () => {
      const name = dialog.returnValue === "yes" ? field.value.trim() : "";
      if (name) keptInBrowser.set(REVIEWER, name);
      resolve(name);
    };
    dialog.addEventListener("close", close, { once: true });
  });
}

byId("who-cancel").addEventListener("click", () => byId("who").close());
byId("who").addEventListener("cancel", () => byId("who-name").blur());

/* Let a field show what was chosen in it last time. */
export function remember(id) {
  const field = byId(id);
  const property = field.type === "checkbox" ? "checked" : "value";
  const name = `lddu-pipe ${id}`;
  const last = keptInBrowser.get(name);
  if (last !== null) field[property] = JSON.parse(last);
  field.addEventListener("change", () => {
    keptInBrowser.set(name, JSON.stringify(field[property]));
  });
}
