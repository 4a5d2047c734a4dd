/* The card "Your review": an utterance, what is said of it, and what was said before. */
import {
  clock,
  colours,
  labels,
  source,
  timed,
  utterances,
  when,
} from "../../writers/viewer/annotation.js";
import { byId, make } from "../../writers/viewer/base.js";
import { isTyping } from "../../writers/viewer/viewer.js";
import { people } from "./cast.js";
import { calendar, differences, named } from "./corrections.js";
import { leaveToKeys } from "./keys.js";
import { correctionRow } from "./marks.js";
import { PersonChoice } from "./people.js";
import { reviewerName } from "./reviewer.js";
import { itemId } from "./served.js";
import { SpanEditor } from "./span.js";

export class ReviewCard {
  constructor({ onToggle, onChange, onName }) {
    this.toggles = new Map(
      labels.map((label, at) => [label, this.makeToggle(label, at, onToggle)]),
    );
    byId("review-labels").append(...[...this.toggles.values()].map(({ row }) => row));
    this.person = new PersonChoice({ onChange, onName });
    this.span = timed ? new SpanEditor({ onChange }) : null;
    byId("review-play").hidden = !timed || source.kind === "none";
    const comment = byId("review-comment");
    comment.addEventListener("input", () => onChange({ comment: comment.value }));
    comment.addEventListener("keydown", (event) => {
      if (event.key === "Escape") comment.blur();
    });
  }

  makeToggle(label, at, onToggle) {
    const box = make("input", { type: "checkbox" });
    const key = at < 9 ? make("kbd", { "aria-hidden": "true" }, String(at + 1)) : null;
    if (key) box.setAttribute("aria-keyshortcuts", String(at + 1));
    const row = make("label", { class: "toggle" }, box, key, make("span", { dir: "auto" }, label));
    row.style.setProperty("--colour", colours.get(label));
    box.addEventListener("change", () => {
      leaveToKeys(box);
      onToggle(label);
    });
    return { box, row };
  }

  /* Nothing is in view, or something is. */
  enable(isThere) {
    for (const control of byId("review").querySelectorAll("fieldset input, textarea, .span *")) {
      control.disabled = !isThere;
    }
    for (const name of ["save", "unsure", "play"]) byId(`review-${name}`).disabled = !isThere;
  }

  show(utterance, corrections) {
    const draft = corrections.draft(utterance);
    const made = corrections.of(utterance);
    const isDirty = corrections.isDirty(utterance);
    for (const [label, { box, row }] of this.toggles) {
      const decision = utterance.scores.get(label)?.decision;
      box.checked = draft.labels?.has(label) ?? false;
      row.classList.toggle("is-open", decision === "abstain");
      const isChanged = draft.labels && decision === (box.checked ? "absent" : "present");
      row.classList.toggle("is-changed", Boolean(isChanged));
    }
    byId("review-change").textContent = changeInWords(utterance, draft);
    const comment = byId("review-comment");
    if (comment.value !== draft.comment) comment.value = draft.comment;
    this.span?.show(utterance, draft);
    this.person.show(draft.person, people.who(utterance.person));
    byId("review-unsure").setAttribute("aria-pressed", String(draft.labels === null));
    byId("review-state").textContent = stateInWords(made, isDirty);
    const isMine = made !== null && made.reviewer === reviewerName();
    const words = isDirty ? "Save changes" : isMine ? "Go on" : "Confirm";
    byId("review-save").firstChild.textContent = `${words} `;
    this.showHistory(corrections.historyOf(utterance));
  }

  showWhy(words) {
    byId("review-why").textContent = words;
    byId("review-why").hidden = !words;
  }

  showHistory(found) {
    const details = byId("review-history");
    details.hidden = !found.length;
    details.querySelector("summary").textContent = `History (${found.length})`;
    byId("review-rows").replaceChildren(...found.map((made) => correctionRow(made)));
  }

  /* Say what would be undone. */
  showUndo(step) {
    byId("review-undo").hidden = !step;
    if (!step) return;
    const known = step.item === itemId && utterances.find(({ id }) => id === step.utterance);
    if (known && step.isOfPerson) {
      byId("review-undone").textContent = `Undo: ${step.words}`;
      return;
    }
    const where = !known ? step.name : timed ? clock(known.start, 1) : when(known);
    byId("review-undone").textContent = `Undo: ${step.words}, ${where}`;
  }

  /* Show what somebody else said while this reviewer was about to; they decide whose holds. */
  showConflict(other, { onTheirs, onMine }) {
    const theirs = make("button", { type: "button" }, other ? "Take theirs" : "Drop mine");
    const mine = make("button", { type: "button" }, "Save mine instead");
    theirs.addEventListener("click", onTheirs);
    mine.addEventListener("click", onMine);
    const said = other
      ? [make("b", { dir: "auto" }, other.reviewer), " was first: ",
        make("b", { dir: "auto" }, named(other.labels)), " ",
        other.person ? make("span", { dir: "auto" }, `of ${people.described(other.person)} `) : "",
        other.comment ? make("q", { dir: "auto" }, other.comment) : ""]
      : ["What you saw was undone meanwhile."];
    const answers = make("span", { class: "answers" }, theirs, mine);
    byId("review-conflict").replaceChildren(make("span", {}, ...said), answers);
    byId("review-conflict").hidden = false;
    // Not a button: who presses Enter twice has not decided anything.
    byId("review-conflict").focus();
  }

  hideConflict() {
    byId("review-conflict").hidden = true;
  }

  /* Keys are for the page again, not for a field of what is no longer in view. */
  leaveFields() {
    const field = /** @type {HTMLElement} */ (document.activeElement);
    if (field?.closest("#review") && isTyping(field)) field.blur();
  }

  tell(text, { isWrong = false } = {}) {
    const place = byId("review-message");
    place.textContent = text;
    place.classList.toggle("is-wrong", isWrong);
  }

  told() {
    return byId("review-message").textContent;
  }
}

/* How a draft compares with what the model decided. */
function changeInWords(utterance, draft) {
  const open = utterance.emotions.filter(({ decision }) => decision === "abstain");
  const isAllOpen = open.length > 0 && open.length === utterance.emotions.length;
  const { added, taken } = differences(utterance, draft.labels ?? new Set());
  const parts = [];
  if (!draft.labels) {
    parts.push("you cannot tell");
  } else if (added.length || taken.length) {
    if (added.length) parts.push(`you add ${added.join(", ")}`);
    if (taken.length) parts.push(`you take away ${taken.join(", ")}`);
  } else if (!isAllOpen) {
    parts.push("as the model decided");
  }
  const model = people.who(utterance.person);
  if (draft.person !== model) {
    const before = model === null ? "" : `, not ${people.nameOf(model)}`;
    parts.push(`you say it is ${people.nameOf(draft.person)}${before}`);
  }
  if (isAllOpen) parts.push("undecided by the model");
  else if (open.length) {
    parts.push(`undecided by the model: ${open.map(({ label }) => label).join(", ")}`);
  }
  return parts.join(" · ");
}

function stateInWords(made, isDirty) {
  if (isDirty) return "not saved yet";
  if (!made) return "not reviewed yet";
  return `by ${made.reviewer}, ${calendar(made.created)}`;
}
