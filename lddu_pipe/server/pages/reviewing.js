/* The card of the review: how far it is, how often the model is right, and what comes next. */
import { byId, make, percent } from "../../writers/viewer/base.js";
import { amount, counted, legible } from "../../writers/viewer/corpus.js";
import { api } from "./door.js";
import { sizeOf } from "./sending.js";

const shareText = ({ share }) => (share === null ? "–" : percent(share));

function between({ low, high }) {
  return low === null ? "" : `${percent(low)} – ${percent(high)}`;
}

/* A share on a scale from 0 to 1: its interval as a band, what is expected as a line. */
function scaleOf({ share, low, high }, expected = null) {
  const scale = make("span", { class: "scale-of-share", "aria-hidden": "true" });
  const put = (kind, from, to) => {
    const part = make("i", { class: kind });
    part.style.left = `${from * 100}%`;
    part.style.width = `${(to - from) * 100}%`;
    scale.append(part);
  };
  if (low !== null) put("interval", low, high);
  if (share !== null) put("point", share, share);
  if (expected !== null) put("expected", expected, expected);
  return scale;
}

export class Reviewing {
  constructor(place, said) {
    this.place = place;
    this.said = said;
    this.found = null;
    this.busy = new Set(); // buttons whose work is not done yet
    byId("review-next").addEventListener("click", () => this.next());
    byId("export").addEventListener("click", () => this.export());
  }

  show(found) {
    this.found = found;
    this.enable();
    if (!found.utterances) {
      const words =
        "Once something is annotated, look at what the model is least sure of, say what is " +
        "right, and see how far it can be trusted on your own recordings.";
      this.place.replaceChildren(make("p", { class: "quiet" }, words));
      return;
    }
    const { judged, utterances } = found;
    const bar = make("progress", { max: utterances, value: judged, "aria-label": "Reviewed" });
    const words = `${counted.format(judged)} of ${amount(utterances, "utterance")} reviewed`;
    this.place.replaceChildren(
      make("p", {}, words),
      bar,
      ...(found.sample ? this.agreement(found) : [make("p", { class: "quiet" }, this.hint(found))]),
    );
  }

  /* What there is to export is known when it is asked for: corrections that fit no utterance any more
   * are in none of the figures. */
  enable() {
    const isOff = { "review-next": !this.found?.utterances, export: !this.found };
    for (const [id, off] of Object.entries(isOff)) {
      byId(id).disabled = off || this.busy.has(byId(id));
    }
  }

  hint({ judged }) {
    return judged
      ? "How often you and the model agree is told from utterances drawn at random, every " +
          "fourth of those offered; none of them has a verdict yet."
      : "“Review next” offers what the model is least sure of, and every fourth time one drawn " +
          "at random: from these is told how often you and the model agree.";
  }

  agreement(found) {
    const { sets, decisions, expected, people, sample } = found;
    const row = (name, share, note, scale) =>
      make(
        "div",
        { class: "agreement" },
        make("dt", {}, name),
        make("dd", {}, make("b", {}, shareText(share)), make("span", { class: "quiet" }, note)),
        scale,
      );
    const isKnown = sets.low !== null;
    const interval = isKnown ? `95 % interval ${between(sets)}` : "none can be compared: a decision is left open in each";
    const list = make(
      "dl",
      {},
      row("Utterances with all labels right", sets, interval, scaleOf(sets)),
      row(
        "Single decisions that are right",
        decisions,
        expected === null ? "" : `the model expects ${percent(expected)}`,
        scaleOf(decisions, expected),
      ),
      people.total
        ? row(
            "Utterances of the right person",
            people,
            `95 % interval ${between(people)}`,
            scaleOf(people),
          )
        : "",
    );
    const note = `Estimated from ${amount(sample, "utterance")} drawn at random.`;
    return [list, make("p", { class: "quiet small" }, note), this.details(found)];
  }

  details({ labels, doubtful }) {
    const heads = ["Emotion", "Agreed", "95 % interval", "Expected", "Kappa"];
    const body = labels.map(({ label, agreed, expected, kappa }) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, make("bdi", {}, legible(label))),
        make("td", {}, shareText(agreed)),
        make("td", {}, between(agreed) || "–"),
        make("td", {}, expected === null ? "–" : percent(expected)),
        make("td", {}, kappa === null ? "–" : kappa.toFixed(2)),
      ),
    );
    const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)));
    const isOpen = this.place.querySelector("details")?.open;
    const others = doubtful.total
      ? `Of ${amount(doubtful.total, "other")} that you reviewed, mostly what the model was least ` +
        `sure of, ${counted.format(doubtful.count)} had all labels right; that says little of the ` +
        "rest."
      : "";
    return make(
      "details",
      isOpen ? { open: "" } : {},
      make("summary", {}, "By emotion"),
      make("table", { class: "by-label" }, make("thead", {}, head), make("tbody", {}, ...body)),
      make("p", { class: "quiet small" }, others),
    );
  }

  async next() {
    await this.busily(byId("review-next"), async () => {
      const { next } = await (await api("/v1/queue?limit=1")).json();
      if (!next.length) {
        this.said.textContent = "Every utterance has been reviewed.";
        return;
      }
      const [{ item, utterance, why }] = next;
      location.assign(`/annotations/${item}#${new URLSearchParams({ utterance, why })}`);
    });
  }

  /* Through fetch: an address that is simply opened could not send the token. */
  async export() {
    await this.busily(byId("export"), async () => {
      this.said.textContent = "Corrections are put together…";
      const content = await (await api("/v1/corrections.zip")).blob();
      const url = URL.createObjectURL(content);
      make("a", { href: url, download: "corrections.zip" }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
      this.said.textContent = `corrections.zip is saved, ${sizeOf(content.size)}.`;
    });
  }

  async busily(button, action) {
    this.busy.add(button);
    this.enable();
    this.said.textContent = "";
    try {
      await action();
    } catch (refusal) {
      this.said.textContent = refusal.message;
    }
    this.busy.delete(button);
    this.enable();
  }
}
