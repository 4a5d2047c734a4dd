/* Whose the utterance in view is, and everybody: to be chosen, named and made one. */
import { clock, source, timed } from "../../writers/viewer/annotation.js";
import { byId, make } from "../../writers/viewer/base.js";
import { lookOf } from "../../writers/viewer/people.js";
import { SOMEBODY_NEW, identityInWords, people, personChip, personSwatch } from "./cast.js";
import { api } from "./door.js";
import { leaveToKeys } from "./keys.js";
import { sayerOf } from "./marks.js";
import { itemPath } from "./served.js";

/* Whose the utterance in view is: a list to choose from, and a key that goes through it. */
export class PersonChoice {
  constructor({ onChange, onName }) {
    this.choice = byId("review-who");
    this.choice.addEventListener("change", () => {
      leaveToKeys(this.choice);
      onChange({ person: this.choice.value || null });
    });
    byId("review-who-name").addEventListener("click", () => onName(this.choice.value));
  }

  /* Show whose it is, and whose it may be: nobody's only where the model knows nobody either. */
  show(id, model) {
    byId("review-person").hidden = !people.all.length;
    const ids = [...people.all.map((member) => member.id), SOMEBODY_NEW];
    if (model === null) ids.unshift("");
    const options = ids.map((each) =>
      make("option", { value: each, dir: "auto" }, people.described(each || null)),
    );
    this.choice.replaceChildren(...options);
    this.choice.value = id ?? "";
    byId("review-who-swatch").style.setProperty("--colour", lookOf(id).colour);
    byId("review-who-name").hidden = !people.knows(id);
  }

  /* Who comes after somebody. */
  after(id) {
    const ids = [...people.all.map((member) => member.id), SOMEBODY_NEW];
    return ids[(ids.indexOf(id) + 1) % ids.length];
  }
}

/* Everybody, to be named and made one. */
export class PeopleCard {
  constructor({ onSay }) {
    this.onSay = onSay;
    this.place = byId("cast");
    this.rows = byId("cast-rows");
    byId("cast-save").addEventListener("click", () => this.save());
  }

  /* Through fetch: an address that is simply opened could not send the token. */
  async save() {
    const [chosen] = byId("cast-format").selectedOptions;
    const format = encodeURIComponent(chosen.value);
    try {
      const answer = await api(`${itemPath}/corrected?format=${format}`);
      const url = URL.createObjectURL(await answer.blob());
      make("a", { href: url, download: source.name + chosen.dataset.suffix }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (refusal) {
      this.tell(refusal.message);
    }
  }

  show() {
    const { all } = people;
    this.place.hidden = !all.length;
    this.tell("");
    byId("cast-legend").replaceChildren(...all.map((member) => personChip(member.id)));
    const unsaved = new Map(
      [...this.rows.children]
        .filter((row) => !row.querySelector("[type='submit']").hidden)
        .map((row) => [row.dataset.person, row.querySelector("input").value]),
    );
    const focused = document.activeElement?.closest("#cast-rows select, #cast-rows input");
    const { person } = focused?.closest("li").dataset ?? {};
    this.rows.replaceChildren(...all.map((member) => this.row(member, unsaved.get(member.id))));
    if (focused) this.rowOf(person)?.querySelector(focused.tagName)?.focus();
    const history = byId("cast-history");
    history.hidden = !people.history.length;
    history.querySelector("summary").textContent = `History (${people.history.length})`;
    byId("cast-said").replaceChildren(...people.history.map(identityRow));
  }

  tell(text) {
    byId("cast-message").textContent = text;
  }

  rowOf(id) {
    return [...this.rows.children].find(({ dataset }) => dataset.person === id);
  }

  /* Show where somebody is named. */
  open(id) {
    this.place.open = true;
    const field = this.rowOf(people.who(id))?.querySelector("input");
    field?.focus();
    field?.select();
  }

  row(member, unsaved) {
    const name = make("input", {
      "aria-label": `Name of ${member.id}`, placeholder: "no name", maxlength: 100, dir: "auto",
      autocomplete: "off",
    });
    const save = make("button", { type: "submit" }, "Save");
    const offer = () => {
      save.hidden = name.value === (member.name ?? "");
    };
    const put = (value) => {
      name.value = value;
      offer();
    };
    put(unsaved ?? member.name ?? "");
    name.addEventListener("input", offer);
    name.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      put(member.name ?? "");
      name.blur();
    });
    const form = make("form", {}, name, save);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      name.blur(); // keys are for the page again
      put(name.value.split(/\s+/).filter(Boolean).join(" ")); // as it is kept
      if (!save.hidden) this.onSay(member, { name: name.value || null });
    });
    const item = make(
      "li",
      { "data-person": member.id },
      make("b", {}, personSwatch(member.id), make("span", { dir: "auto" }, member.id)),
      form,
      make("span", { class: "quiet small" }, shareOf(member)),
      this.merging(member),
      ...people.others(member).map((other) => this.separating(other)),
    );
    if (member.overlapping) {
      const count = member.overlapping;
      const words =
        count === 1
          ? "1 utterance begins before another of theirs has ended"
          : `${count} utterances begin before another of theirs has ended`;
      item.append(make("span", { class: "chip gone" }, words));
    }
    return item;
  }

  merging(member) {
    const others = people.all.filter(({ id }) => id !== member.id);
    if (!others.length) return null;
    const choice = make(
      "select",
      { "aria-label": `${member.id} is the same person as` },
      make("option", { value: "" }, "is the same as…"),
      ...others.map(({ id }) => make("option", { value: id, dir: "auto" }, people.described(id))),
    );
    choice.addEventListener("change", () => {
      if (choice.value) this.onSay(member, { same_as: choice.value });
    });
    return choice;
  }

  separating(other) {
    const label = `${other.id} is not the same person`;
    const button = make("button", { type: "button", "aria-label": label }, "Not the same");
    button.addEventListener("click", () => this.onSay(other, { same_as: null }));
    return make("span", { class: "merged small" }, `found as ${other.id}, too`, button);
  }
}

function shareOf(member) {
  const count = member.utterances;
  return [
    member.found ? "" : "brought in by a reviewer",
    timed && member.seconds_visible ? `seen ${clock(member.seconds_visible)}` : "",
    timed && member.seconds_speaking ? `speaks ${clock(member.seconds_speaking)}` : "",
    `${count} ${count === 1 ? "utterance" : "utterances"}`,
  ].filter(Boolean).join(" · ");
}

function identityRow(said) {
  return make(
    "li",
    { class: said.undone ? "is-undone" : null },
    make(said.undone ? "del" : "span", { dir: "auto" }, identityInWords(said)),
    ...sayerOf(said),
  );
}
