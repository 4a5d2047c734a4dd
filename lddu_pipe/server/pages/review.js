/* The card "Your review": what is said of the utterance in view, saved with a key, and what comes
 * next.
 */
const REVIEWER = "lddu-pipe-reviewer";
const AFTER = "lddu-pipe-after";
const AUTOPLAY = "lddu-pipe-autoplay";

/* Parts of the page that this script brings. */
for (const template of document.querySelectorAll("template[data-into]")) {
  const place = document.querySelector(template.dataset.into);
  if ("before" in template.dataset) place.before(template.content);
  else if ("after" in template.dataset) place.after(template.content);
  else place.append(template.content);
}
document.body.classList.add("is-review");

class ReviewCard {
  constructor() {
    this.corrections = new Corrections();
    this.steps = new Steps();
    this.queue = new Queue();
    this.filter = new Filter(this.corrections);
    this.utterance = null;
    this.isBusy = false;
    this.why = null;
    this.toggles = new Map(labels.map((label, at) => [label, this.makeToggle(label, at)]));
    byId("review-labels").append(...[...this.toggles.values()].map(({ row }) => row));
    if (timed) this.marks = new Marks(this.corrections);
    this.span = timed ? new SpanEditor({ onChange: (changes) => this.change(changes) }) : null;
    list.more = (utterance) => reviewChips(this.corrections, utterance);
    this.listen();
  }

  makeToggle(label, at) {
    const box = make("input", { type: "checkbox" });
    const key = at < 9 ? make("kbd", { "aria-hidden": "true" }, String(at + 1)) : null;
    if (key) box.setAttribute("aria-keyshortcuts", String(at + 1));
    const row = make("label", { class: "toggle" }, box, key, make("span", { dir: "auto" }, label));
    row.style.setProperty("--colour", colours.get(label));
    box.addEventListener("change", () => this.toggle(label));
    return { box, row };
  }

  listen() {
    const clicks = {
      "review-save": () => this.save(),
      "review-unsure": () => this.saveUnsure(),
      "review-next": () => this.next(),
      "review-undo": () => this.undo(),
      "review-play": () => this.play(),
      "review-rename": () => this.askName(),
    };
    for (const [id, action] of Object.entries(clicks)) byId(id).addEventListener("click", action);
    const comment = byId("review-comment");
    comment.addEventListener("input", () => this.change({ comment: comment.value }));
    comment.addEventListener("keydown", (event) => {
      if (event.key === "Escape") comment.blur();
    });
    const after = byId("review-after");
    after.value = localStorage.getItem(AFTER) ?? "queue";
    after.addEventListener("change", () => localStorage.setItem(AFTER, after.value));
    const autoplay = byId("review-autoplay");
    autoplay.checked = localStorage.getItem(AUTOPLAY) === "yes";
    autoplay.addEventListener("change", () => {
      localStorage.setItem(AUTOPLAY, autoplay.checked ? "yes" : "no");
    });
    byId("review-hold").addEventListener("change", (event) => this.hold(event.target.checked));
    // Whoever plays on wants to follow, unless something of this one is not saved yet.
    byId("stage").addEventListener("play", () => this.onPlay(), { capture: true });
    followers.push((utterance) => this.show(utterance));
    window.addEventListener("hashchange", () => this.goToAddress());
    document.addEventListener("keydown", (event) => this.onKey(event));
  }

  async start() {
    this.showName();
    try {
      await this.corrections.load();
    } catch (refusal) {
      this.tell(`What was reviewed cannot be shown: ${refusal.message}`, { isWrong: true });
    }
    this.refresh();
    if (!this.goToAddress()) this.show(view.current);
    showProgress();
  }

  /* Everything that shows what is in force. */
  refresh() {
    for (const item of list.items) list.fill(item);
    this.filter.apply();
    showUnmatched(this.corrections);
    timeline?.place();
  }

  /* Show an utterance that has come into view. */
  show(utterance) {
    if (utterance !== this.utterance) {
      this.utterance = utterance;
      byId("review-conflict").hidden = true;
      this.tell("");
      this.hold(Boolean(utterance) && this.corrections.isDirty(utterance));
      this.filter.apply();
      this.note();
    }
    const why = utterance && this.why?.utterance === utterance ? this.why.words : "";
    byId("review-why").textContent = why;
    byId("review-why").hidden = !why;
    for (const control of byId("review").querySelectorAll("fieldset input, textarea, .span *")) {
      control.disabled = !utterance;
    }
    for (const name of ["save", "unsure", "play"]) byId(`review-${name}`).disabled = !utterance;
    this.showUndo();
    if (!utterance) return;
    const draft = this.corrections.draft(utterance);
    const made = this.corrections.of(utterance);
    for (const [label, { box, row }] of this.toggles) {
      const decision = utterance.scores.get(label)?.decision;
      box.checked = draft.labels?.has(label) ?? false;
      row.classList.toggle("is-open", decision === "abstain");
      const isChanged = draft.labels && decision === (box.checked ? "absent" : "present");
      row.classList.toggle("is-changed", Boolean(isChanged));
    }
    byId("review-change").textContent = this.changeInWords(utterance, draft);
    const comment = byId("review-comment");
    if (comment.value !== draft.comment) comment.value = draft.comment;
    this.span?.show(utterance, draft);
    byId("review-unsure").setAttribute("aria-pressed", String(draft.labels === null));
    byId("review-state").textContent = this.stateInWords(made);
    const isMine = made !== null && made.reviewer === this.reviewer();
    const words = this.corrections.isDirty(utterance)
      ? "Save changes"
      : made && isMine ? "Go on" : "Confirm";
    byId("review-save").firstChild.textContent = `${words} `;
    byId("review-play").hidden = !timed || source.kind === "none";
    this.showHistory(utterance);
  }

  /* How a draft compares with what the model decided. */
  changeInWords(utterance, draft) {
    const open = utterance.emotions.filter(({ decision }) => decision === "abstain");
    const isAllOpen = open.length > 0 && open.length === utterance.emotions.length;
    const { added, taken } = differences(utterance, draft.labels ?? new Set());
    const parts = [];
    if (!draft.labels) parts.push("you cannot tell");
    else if (added.length || taken.length) {
      if (added.length) parts.push(`you add ${added.join(", ")}`);
      if (taken.length) parts.push(`you take away ${taken.join(", ")}`);
    } else if (!isAllOpen) parts.push("as the model decided");
    if (isAllOpen) parts.push("undecided by the model");
    else if (open.length) {
      parts.push(`undecided by the model: ${open.map(({ label }) => label).join(", ")}`);
    }
    return parts.join(" · ");
  }

  stateInWords(made) {
    if (this.corrections.isDirty(this.utterance)) return "not saved yet";
    if (!made) return "not reviewed yet";
    return `by ${made.reviewer}, ${calendar(made.created)}`;
  }

  showHistory(utterance) {
    const found = this.corrections.historyOf(utterance);
    const details = byId("review-history");
    details.hidden = !found.length;
    details.querySelector("summary").textContent = `History (${found.length})`;
    byId("review-rows").replaceChildren(...found.map((made) => correctionRow(made)));
  }

  showUndo() {
    const step = this.steps.last(this.corrections, this.reviewer());
    const button = byId("review-undo");
    button.hidden = !step;
    const known = step?.item === itemId && utterances.find(({ id }) => id === step.utterance);
    const where = !known ? step?.name : timed ? clock(known.start, 1) : when(known);
    byId("review-undone").textContent = step ? `Undo: ${step.words}, ${where}` : "Undo";
  }

  /* Changes of the utterance in view. */

  change(changes) {
    if (!this.utterance) return;
    this.corrections.change(this.utterance, changes);
    this.hold(this.corrections.isDirty(this.utterance));
    this.show(this.utterance);
    const wrong = this.span?.problem(this.corrections.draft(this.utterance));
    this.tell(wrong ? `The span: ${wrong}.` : "", { isWrong: Boolean(wrong) });
    list.fill(list.items[this.utterance.index]);
    timeline?.place();
  }

  toggle(label) {
    if (!this.utterance) return;
    const chosen = new Set(this.corrections.draft(this.utterance).labels ?? []);
    if (!chosen.delete(label)) chosen.add(label);
    this.change({ labels: chosen });
    byId("announcer").textContent = `${label}: ${chosen.has(label) ? "present" : "absent"}`;
  }

  /* Saving. */

  async save({ isUnsure = false } = {}) {
    const { utterance } = this;
    if (!utterance || this.isBusy) return;
    const draft = { ...this.corrections.draft(utterance), ...(isUnsure && { labels: null }) };
    const made = this.corrections.of(utterance);
    const isNew = this.corrections.isDirty(utterance) || made?.reviewer !== this.reviewer();
    if (!isNew && !isUnsure) {
      await this.busy(() => this.goAfter());
      return;
    }
    const wrong = this.span?.problem(draft);
    if (wrong) {
      this.tell(`Not saved: ${wrong}.`, { isWrong: true });
      return;
    }
    const reviewer = this.reviewer() || (await this.askName());
    if (!reviewer) return;
    await this.busy(async () => {
      const saved = await this.post(utterance, draft, reviewer);
      if (!saved) return;
      this.steps.add(saved);
      this.queue.resume();
      this.showMade(utterance);
      this.tell(`Saved: ${named(saved.labels)}.`);
      showProgress();
      await this.goAfter();
    });
  }

  async post(utterance, draft, reviewer) {
    try {
      return await this.corrections.save(utterance, draft, reviewer);
    } catch (refusal) {
      this.corrections.change(utterance, draft);
      if (refusal.status === 409) return this.settle(utterance, draft, reviewer);
      this.show(utterance);
      const kept = "What you chose stays here; try again.";
      this.tell(`Not saved: ${refusal.message}. ${kept}`, { isWrong: true });
      return null;
    }
  }

  saveUnsure() {
    return this.save({ isUnsure: true });
  }

  /* Somebody else was first; or this reviewer was, and the answer never arrived. */
  async settle(utterance, draft, reviewer) {
    await this.corrections.load();
    this.refresh();
    const other = this.corrections.of(utterance);
    const isOwn =
      other?.reviewer === reviewer && isSame(draft, this.corrections.preset(utterance));
    if (isOwn) {
      this.corrections.drop(utterance);
      return other;
    }
    this.show(utterance);
    this.showConflict(utterance, draft, other);
    return null;
  }

  showConflict(utterance, draft, other) {
    const theirs = make("button", { type: "button" }, other ? "Take theirs" : "Drop mine");
    const mine = make("button", { type: "button" }, "Save mine instead");
    theirs.addEventListener("click", () => {
      this.corrections.drop(utterance);
      this.showMade(utterance);
    });
    mine.addEventListener("click", () => {
      this.corrections.change(utterance, { ...draft, replaces: other?.number ?? null });
      byId("review-conflict").hidden = true;
      this.save();
    });
    const said = other
      ? [make("b", { dir: "auto" }, other.reviewer), " was first: ",
        make("b", { dir: "auto" }, named(other.labels)), " ",
        other.comment ? make("q", { dir: "auto" }, other.comment) : ""]
      : ["What you saw was undone meanwhile."];
    const answers = make("span", { class: "answers" }, theirs, mine);
    byId("review-conflict").replaceChildren(make("span", {}, ...said), answers);
    byId("review-conflict").hidden = false;
    this.tell("Not saved yet: decide whose holds.");
    // Not a button: who presses Enter twice has not decided anything.
    byId("review-conflict").focus();
  }

  /* What is in force of an utterance has changed. */
  showMade(utterance) {
    byId("review-conflict").hidden = true;
    list.fill(list.items[utterance.index]);
    if (utterance === this.utterance) {
      this.hold(false);
      this.show(utterance);
    }
    timeline?.place();
  }

  async undo() {
    const step = this.steps.last(this.corrections, this.reviewer());
    if (!step || this.isBusy) return;
    await this.busy(async () => {
      const path = `/v1/annotations/${encodeURIComponent(step.item)}/corrections/${step.number}`;
      try {
        await api(path, { method: "DELETE" });
      } catch (refusal) {
        // Refused for good, or only not reached.
        if (refusal.status >= 400 && refusal.status < 500) this.steps.remove(step);
        this.showUndo();
        this.tell(`Not undone: ${refusal.message}`, { isWrong: true });
        return;
      }
      this.steps.remove(step);
      if (step.item !== itemId) {
        location.assign(addressOf(step));
        return;
      }
      await this.corrections.load();
      this.refresh();
      const utterance = utterances.find(({ id }) => id === step.utterance);
      if (utterance) {
        goTo(utterance);
        this.show(utterance);
        this.arrive({ isPlayed: false });
      }
      this.tell(`Undone: ${step.words}.`);
      showProgress();
    });
  }

  /* One thing at a time: a key that is held down saves once. */
  async busy(action) {
    this.isBusy = true;
    byId("review").setAttribute("aria-busy", "true");
    try {
      await action();
    } catch (refusal) {
      this.tell(refusal.message, { isWrong: true });
    } finally {
      this.isBusy = false;
      byId("review").removeAttribute("aria-busy");
    }
  }

  /* Where to go. */

  async next() {
    if (!this.isBusy) await this.busy(() => this.goOn());
  }

  async goAfter() {
    const after = byId("review-after").value;
    if (after === "queue") await this.goOn();
    if (after === "list") {
      const said = byId("review-message").textContent;
      move(1);
      this.tell(said);
      this.arrive();
    }
  }

  async goOn() {
    const said = byId("review-message").textContent;
    let offer;
    try {
      offer = await this.queue.next(this.utterance);
    } catch (refusal) {
      this.tell(`${said} What is next is not known: ${refusal.message}`, { isWrong: true });
      return;
    }
    if (!offer) {
      this.tell(`${said} Nothing else is left to review.`);
    } else if (offer.item === itemId) {
      history.pushState(null, "", addressOf(offer));
      this.goToAddress();
      if (said) this.tell(said);
    } else {
      location.assign(addressOf(offer));
    }
  }

  /* Go to the utterance that the address names; false where it names none. */
  goToAddress() {
    const { utterance, why, isUnknown } = fromAddress();
    if (isUnknown) this.tell("The address names an utterance that is not here.");
    if (!utterance) return false;
    this.why = { utterance, why, words: whyInWords(utterance, why) };
    goTo(utterance, { announce: true });
    this.show(utterance);
    this.arrive();
    return true;
  }

  arrive({ isPlayed = true } = {}) {
    // Who works in the list stays with the utterance in view.
    if (document.activeElement?.closest("#utterances")) list.focusCurrent();
    if (isPlayed && byId("review-autoplay").checked) this.play();
  }

  /* The address names the utterance in view, for a reload and for others. */
  note() {
    clearTimeout(this.noting);
    this.noting = setTimeout(() => {
      if (!this.utterance) return;
      const why = this.why?.utterance === this.utterance ? this.why.why : null;
      const { id } = this.utterance;
      history.replaceState(null, "", addressOf({ item: itemId, utterance: id, why }));
    }, 300); // browsers refuse to be told with every key
  }

  play() {
    if (!this.utterance || !timed) return;
    if (!player.works) {
      this.tell("The media cannot be played.");
      return;
    }
    const { start, end } = this.corrections.draft(this.utterance);
    this.hold(true);
    player.play(start ?? this.utterance.start, end ?? this.utterance.end);
  }

  onPlay() {
    if (!player.stretch && !this.corrections.isDirty(this.utterance)) this.hold(false);
  }

  hold(isHeld) {
    view.held = isHeld ? this.utterance : null;
    byId("review-hold").checked = Boolean(view.held);
  }

  /* Words. */

  tell(text, { isWrong = false } = {}) {
    const place = byId("review-message");
    place.textContent = text;
    place.classList.toggle("is-wrong", isWrong);
  }

  reviewer() {
    return localStorage.getItem(REVIEWER) ?? "";
  }

  showName() {
    byId("review-name").textContent = this.reviewer() || "nobody yet";
  }

  /* Ask who reviews; the answer is empty where they would rather not say. */
  askName() {
    const dialog = byId("who");
    byId("who-name").value = this.reviewer();
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) => {
      const close = () => {
        const name = byId("who-name").value.trim();
        if (dialog.returnValue === "yes" && name) localStorage.setItem(REVIEWER, name);
        this.showName();
        if (this.utterance) this.show(this.utterance);
        resolve(dialog.returnValue === "yes" ? this.reviewer() : "");
      };
      dialog.addEventListener("close", close, { once: true });
    });
  }

  /* Enter and Ctrl+Z; single letters are among the keys of the page. */
  onKey(event) {
    if (!listensToKeys() || event.altKey || event.shiftKey) return;
    const withControl = event.ctrlKey || event.metaKey;
    const { target } = event;
    if (event.key === "Enter") {
      const isHere = target.matches("#utterances [aria-current]");
      const isOthers = target.matches("button, a, summary, audio, video, select") && !isHere;
      if (!withControl && (isOthers || isTyping(target))) return;
      event.preventDefault();
      if (!event.repeat) this.enter();
    } else if (event.key.toLowerCase() === "z" && withControl && !isTyping(target)) {
      event.preventDefault();
      this.undo();
    }
  }

  /* What plays on may have left the utterance that was meant: stop there first. */
  enter() {
    if (player.isPlaying() && !view.held) {
      player.toggle();
      this.hold(true);
      this.tell("Stopped here. Enter again saves this one.");
      return;
    }
    this.save();
  }
}

const review = new ReviewCard();
labels.slice(0, 9).forEach((label, at) => {
  KEYS[at + 1] = () => review.toggle(label);
});
Object.assign(KEYS, {
  u: () => review.saveUnsure(),
  n: () => review.next(),
  p: () => review.play(),
  c: () => byId("review-comment").focus(),
  z: () => review.undo(),
  h: () => review.hold(!view.held),
  "[": () => review.span?.setHere("start"),
  "]": () => review.span?.setHere("end"),
});
byId("who-cancel").addEventListener("click", () => byId("who").close());
await review.start();
