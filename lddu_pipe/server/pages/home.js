/* The page on which files are sent and found again. */
import { byId, make, startTheme } from "../../writers/viewer/base.js";
import { CorpusTable, amount, counted, legible } from "../../writers/viewer/corpus.js";
import { api } from "./door.js";
import { Reading } from "./reading.js";
import { Reviewing } from "./reviewing.js";
import { Sending, paired } from "./sending.js";

const DATES = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });
const TIMES = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hour12: false });
const MOMENTS = new Intl.DateTimeFormat("en", { dateStyle: "long", timeStyle: "short" });

const announce = (text) => {
  byId("announcer").textContent = legible(text);
};

function trouble(refusal) {
  byId("trouble").hidden = refusal === null;
  byId("trouble").textContent = refusal?.message ?? "";
}

/* Ask before something is gone for good. */
function isSure(question, details) {
  const dialog = byId("sure");
  byId("sure-question").textContent = question;
  byId("sure-details").textContent = details;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

const JUDGED = {
  key: "judged",
  name: "Reviewed",
  width: "5.4rem",
  isNumber: true,
  largestFirst: true,
  value: ({ state, judged }) => (state === "done" ? judged : null),
  fill(cell, { judged }) {
    cell.textContent = counted.format(judged);
    cell.classList.toggle("is-none", !judged);
  },
};

/* A date, or null where the words are none. */
function momentOf(words) {
  const moment = new Date(words);
  return Number.isNaN(moment.getTime()) ? null : moment;
}

const WHEN = {
  key: "when",
  name: "When",
  width: "4.6rem",
  isAlways: true,
  largestFirst: true,
  value: ({ created }) => momentOf(created)?.getTime() ?? null,
  fill(cell, { created }) {
    const moment = momentOf(created);
    if (!moment) {
      cell.textContent = "–"; // an annotation may have been made by anything
      return;
    }
    const isToday = moment.toDateString() === new Date().toDateString();
    const words = (isToday ? TIMES : DATES).format(moment);
    cell.append(make("time", { datetime: created, title: MOMENTS.format(moment) }, words));
  },
};

/* What can be done with a row: a file of the server's own folder is not deleted from here. */
function actionsOf(row) {
  if (row.source !== "job") return [];
  const button = make("button", { type: "button", class: "bin", title: "Delete" }, "×");
  button.setAttribute("aria-label", `Delete ${legible(row.name)}`);
  button.addEventListener("click", () => remove(row));
  return [button];
}

async function remove({ id, name, state, judged }) {
  const lost = state === "failed" ? [] : ["its annotation"];
  if (judged) lost.push(`what was said of ${amount(judged, "utterance")}`);
  if (lost.length) {
    const details = `Gone for good will be ${lost.join(" and ")}.`;
    if (!(await isSure(`Delete ${legible(name)}?`, details))) return;
  }
  try {
    await api(`/v1/jobs/${id}`, { method: "DELETE" });
    announce(`${name} is deleted`);
  } catch (refusal) {
    if (refusal.status !== 404) trouble(refusal);
  }
  byId("files").focus({ preventScroll: true });
  await refresh();
}

/* The table of these labels: another model brings others. */
const shown = { labels: null, table: null };

function tableOf(labels) {
  if (shown.labels?.join("\n") === labels.join("\n")) return shown.table;
  byId("table").replaceChildren();
  shown.labels = labels;
  shown.table = new CorpusTable(byId("table"), {
    labels,
    linkOf: ({ id, state }) => (state === "done" ? `/annotations/${encodeURIComponent(id)}` : null),
    keyOf: ({ id }) => id,
    columns: [JUDGED, WHEN],
    actions: actionsOf,
    first: "when",
  });
  return shown.table;
}

/* Ask anew for everything that the page shows. */
async function refresh() {
  const ask = async (path, show) => show(await (await api(path)).json());
  try {
    await Promise.all([
      ask("/v1/annotations", showItems),
      ask("/v1/agreement", (found) => reviewing.show(found)),
    ]);
    trouble(null);
  } catch (refusal) {
    trouble(refusal);
  }
}

/* What is on its way is asked for first: what ends after that is followed, what ended before it is
 * among the items. */
async function takeUp() {
  try {
    await sending.unfinished();
    await refresh();
    await sending.follow();
  } catch (refusal) {
    trouble(refusal);
  }
}

function showItems({ items, labels }) {
  byId("nothing").hidden = items.length > 0;
  byId("table").hidden = !items.length;
  tableOf(labels).show(items);
}

/* What the folded options say, without those that are empty. */
function chosenOptions() {
  const options = {};
  for (const name of ["fps", "window"]) {
    const field = byId(name);
    if (!field.checkValidity()) {
      byId("options").open = true;
      field.reportValidity();
      return null;
    }
    if (field.value) options[name] = field.value;
  }
  if (byId("aligned").checked) options.aligned = "true";
  return options;
}

function send(files) {
  const options = chosenOptions();
  if (!files.length || options === null) return;
  const [transcript] = byId("transcript").files;
  let pairs = paired([...files]);
  const isOne = pairs.length === 1;
  byId("refused").hidden = !transcript || isOne;
  if (transcript) {
    if (!isOne) {
      byId("refused").textContent =
        `The transcript ${legible(transcript.name)} can go with one file only, and these are ` +
        `${pairs.length}. Send the file alone, or give transcripts the names of their files.`;
      return;
    }
    pairs = [{ ...pairs[0], transcript }];
    byId("transcript").value = "";
  }
  sending.add(pairs, options);
}

function listenForFiles() {
  const drop = byId("drop");
  const chosen = byId("files-chosen");
  chosen.addEventListener("change", () => {
    send(chosen.files);
    chosen.value = "";
  });
  // A file dropped beside the box would open in place of the page.
  for (const name of /** @type {const} */ (["dragover", "drop", "dragleave"])) {
    document.addEventListener(name, (event) => {
      const hasFiles = event.dataTransfer?.types.includes("Files");
      if (hasFiles && name !== "dragleave") event.preventDefault();
      drop.classList.toggle("is-over", hasFiles && name === "dragover");
      if (hasFiles && name === "drop") send(event.dataTransfer.files);
    });
  }
}

const reviewing = new Reviewing(byId("reviewing"), byId("reviewing-said"));
const sending = new Sending(byId("sent"), { onChange: refresh, announce });
new Reading(byId("reading"), { list: byId("readings"), said: byId("reading-said") });
startTheme(byId("theme"));
listenForFiles();
// Somebody comes back from a file that was reviewed, or from another tab.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) takeUp();
});
window.addEventListener("pageshow", ({ persisted }) => {
  if (persisted) takeUp();
});
takeUp();
