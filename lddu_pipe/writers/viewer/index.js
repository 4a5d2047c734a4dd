/* The page of a folder of annotations: figures of the corpus, and its files. */
import { MODALITIES, byId, coloursOf, make, percent, startTheme } from "./base.js";
import { CorpusTable, amount, counted, legible } from "./corpus.js";

const input = JSON.parse(byId("input").textContent);
const { title, corpus, labels, rows } = input;

function fillFigures() {
  const { files, hours, utterances, abstained, missing } = corpus;
  const share = (value) => (value === null ? "–" : percent(value));
  const failed = make("button", { type: "button", class: "plain" }, counted.format(files.failed));
  failed.setAttribute("aria-label", `${amount(files.failed, "failure")}, show them`);
  failed.addEventListener("click", () => {
    table.showFailures();
    byId("files").scrollIntoView();
    byId("files").focus({ preventScroll: true });
  });
  const figures = [
    ["files done", `${counted.format(files.done)} of ${counted.format(files.total)}`],
    ...(files.failed ? [["failed", failed]] : []),
    ...(files.waiting ? [["waiting", counted.format(files.waiting)]] : []),
    ["of media", lengthOf(hours)],
    ["utterances", counted.format(utterances)],
    ["abstained", share(abstained)],
    ...MODALITIES.map((name) => [`without ${name}`, share(missing[name])]),
  ];
  byId("figures").append(
    ...figures.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))),
  );
}

function lengthOf(hours) {
  if (hours >= 1) return `${counted.format(Math.round(hours * 10) / 10)} h`;
  return hours >= 1 / 60 ? `${(hours * 60).toFixed(1)} min` : `${Math.round(hours * 3600)} s`;
}

function fillPrevalence() {
  const known = labels.filter((label) => corpus.prevalence[label] !== null);
  if (!known.length) {
    byId("prevalence-note").textContent = "No utterance has been annotated yet.";
    return;
  }
  const colours = coloursOf(labels);
  const most = Math.max(...known.map((label) => corpus.prevalence[label]));
  for (const label of known) {
    const share = corpus.prevalence[label];
    const bar = make("span", { class: "prevalence-bar", "aria-hidden": "true" });
    const name = make("bdi", { class: "prevalence-name", title: label }, legible(label));
    const item = make("li", {}, name, bar, make("span", { class: "value" }, percent(share)));
    item.style.setProperty("--colour", colours.get(label) ?? "");
    item.style.setProperty("--share", String(most ? share / most : 0));
    byId("prevalence").append(item);
  }
}

const table = new CorpusTable(byId("files"), {
  labels,
  linkOf: ({ link }) => link ?? null,
});
byId("title").textContent = legible(title);
byId("facts").textContent = `${amount(corpus.files.total, "file")}, annotated by lddu-pipe batch`;
const withoutPage = rows.some(({ state, link }) => state === "done" && !link?.endsWith(".html"));
byId("files-note").textContent = withoutPage
  ? "A name leads to the annotation as JSON. For pages to look through, give the same command " +
    "again with -f html."
  : "A name leads to the page of the file.";
byId("files-note").hidden = !rows.some(({ link }) => link);
fillFigures();
fillPrevalence();
table.show(rows);
startTheme(byId("theme"));
