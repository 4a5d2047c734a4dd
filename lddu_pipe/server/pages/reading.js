/* The box for a text: its cues, each with the emotions that are present in it. */
import { coloursOf, make, percent } from "../../writers/viewer/base.js";
import { legible } from "../../writers/viewer/corpus.js";
import { api } from "./door.js";

/* The emotions that are present in an utterance, the most probable first; or that there are none. */
export function chipsOf({ emotions, abstained }, colours) {
  const byProbability = [...emotions].sort((one, other) => other.probability - one.probability);
  const present = byProbability.filter(({ decision }) => decision === "present");
  const chips = present.map(({ label, probability }) => {
    const chip = make("span", { class: "chip" }, make("i", { class: "swatch" }));
    chip.append(make("bdi", {}, legible(label)), ` ${percent(probability)}`);
    chip.style.setProperty("--colour", colours.get(label));
    return chip;
  });
  if (!chips.length && byProbability.length) {
    const [most] = byProbability;
    const why = abstained ? "too unsure to decide" : "no emotion present";
    const lean = `most probable is ${legible(most.label)}, ${percent(most.probability)}`;
    chips.push(make("span", { class: "quiet small" }, `${why}; ${lean}`));
  }
  return chips;
}

export class Reading {
  constructor(form, { list, said }) {
    this.list = list;
    this.said = said;
    this.text = form.querySelector("textarea");
    this.button = form.querySelector("button");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.read();
    });
    this.text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
  }

  async read() {
    this.button.disabled = true;
    this.said.hidden = true;
    try {
      const body = { text: this.text.value };
      const { utterances, model } = await (
        await api("/v1/text", { method: "POST", body })
      ).json();
      const colours = coloursOf(model.labels);
      this.list.replaceChildren(...utterances.map((utterance) => this.item(utterance, colours)));
    } catch (refusal) {
      this.list.replaceChildren();
      this.said.hidden = false;
      this.said.textContent = refusal.message;
    }
    this.button.disabled = false;
  }

  item(utterance, colours) {
    return make(
      "li",
      {},
      make("span", { dir: "auto" }, utterance.text),
      make("span", { class: "chips" }, ...chipsOf(utterance, colours)),
    );
  }
}
