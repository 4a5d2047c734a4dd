/* The review at work: what is in view is judged, saved, taken back, and the next comes up. */
import { labels, timed, utterances } from "../../writers/viewer/annotation.js";
import { byId } from "../../writers/viewer/base.js";
import { regroup } from "../../writers/viewer/people.js";
import {
  KEYS,
  followers,
  goTo,
  isTyping,
  list,
  listensToKeys,
  move,
  overview,
  player,
  showPeople,
  timeline,
  view,
} from "../../writers/viewer/viewer.js";
import { ReviewCard } from "./card.js";
import { SOMEBODY_NEW, identityInWords, people } from "./cast.js";
import { Corrections, isSame, named } from "./corrections.js";
import { api } from "./door.js";
import { leaveToKeys } from "./keys.js";
import { Filter, Marks, reviewChips, showUnmatched } from "./marks.js";
import { PeopleCard } from "./people.js";
import { Queue, addressOf, fromAddress, showProgress, whyInWords } from "./queue.js";
import { askForName, remember, reviewerName } from "./reviewer.js";
import { itemId } from "./served.js";
import { Steps, stepOf, stepOfPerson } from "./undo.js";

/* Parts of the page that this script brings. */
/** @type {NodeListOf<HTMLTemplateElement>} */
const templates = document.querySelectorAll("template[data-into]");
for (const template of templates) {
  const place = document.querySelector(template.dataset.into);
  if ("before" in template.dataset) place.before(template.content);
  else if ("after" in template.dataset) place.after(template.content);
  else place.append(template.content);
}
document.body.classList.add("is-review");

class Review {
  constructor() {
    this.corrections = new Corrections();
    this.steps = new Steps();
    this.queue = new Queue();
    this.filter = new Filter(this.corrections);
    this.card = new ReviewCard({
      onToggle: (label) => this.toggle(label),
      onChange: (changes) => this.change(changes),
      onName: (person) => this.people.open(person),
    });
    this.people = new PeopleCard({ onSay: (member, changes) => this.identify(member, changes) });
    if (timed) {
      this.marks = new Marks(this.corrections);
      overview.isMarked = (utterance) => this.corrections.of(utterance) !== null;
    }
    this.utterance = null;
    this.why = null; // of which utterance, and why it was chosen
    this.whose = new Map(); // by utterance, the id of whose it is on this page
    this.isBusy = false;
    list.more = (utterance) => reviewChips(this.corrections, utterance);
    this.listen();
  }

  listen() {
    const clicks = {
      save: () => this.save(),
      unsure: () => this.save({ isUnsure: true }),
      next: () => this.next(),
      undo: () => this.undo(),
      play: () => this.play(),
      rename: () => this.askName(),
    };
    for (const [name, action] of Object.entries(clicks)) {
      byId(`review-${name}`).addEventListener("click", (event) => {
        leaveToKeys(event.currentTarget);
        action();
      });
    }
    for (const id of ["review-after", "review-autoplay"]) remember(id);
    byId("review-hold").addEventListener("change", () => this.pin());
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
      this.card.tell(`What was reviewed cannot be shown: ${refusal.message}`, { isWrong: true });
    }
    this.refresh();
    if (!this.goToAddress()) this.show(view.current);
    showProgress();
  }

  /* Everything that shows what is in force. */
  refresh() {
    this.regroup();
    for (const item of list.items) list.fill(item);
    this.people.show();
    this.filter.apply();
    showUnmatched(this.corrections);
    timeline?.place();
    overview?.paint();
  }

  /* Everything that shows who is there, and whose what is: as it will be once drafts are saved. */
  regroup() {
    if (!people.members.size) return;
    this.whose = new Map(utterances.map((each) => [each, this.corrections.draft(each).person]));
    const members = [...people.members.values()];
    if ([...this.whose.values()].includes(SOMEBODY_NEW)) members.push(newcomer());
    regroup(members, (utterance) => this.whose.get(utterance));
    showPeople();
  }

  /* Show an utterance that has come into view, or what is said of it. */
  show(utterance) {
    if (utterance !== this.utterance) {
      this.utterance = utterance;
      this.card.leaveFields();
      this.card.hideConflict();
      this.card.tell("");
      this.hold({ isPinned: false });
      this.filter.apply();
      this.note();
    }
    this.card.showWhy(utterance && this.why?.utterance === utterance ? this.why.words : "");
    this.card.showUndo(this.steps.last(this.corrections, reviewerName()));
    this.card.enable(Boolean(utterance));
    if (utterance) this.card.show(utterance, this.corrections);
  }

  /* What is said of an utterance has changed. */
  showChange(utterance) {
    if (this.whose.get(utterance) !== this.corrections.draft(utterance).person) this.regroup();
    list.fill(list.items[utterance.index]);
    if (utterance === this.utterance) {
      this.hold();
      this.show(utterance);
    }
    timeline?.place();
    overview?.paint();
  }

  change(changes) {
    if (!this.utterance) return;
    this.corrections.change(this.utterance, changes);
    this.showChange(this.utterance);
    const wrong = this.card.span?.problem(this.corrections.draft(this.utterance));
    this.card.tell(wrong ? `The span: ${wrong}.` : "", { isWrong: Boolean(wrong) });
  }

  toggle(label) {
    if (!this.utterance) return;
    const chosen = new Set(this.corrections.draft(this.utterance).labels ?? []);
    if (!chosen.delete(label)) chosen.add(label);
    this.change({ labels: chosen });
    byId("announcer").textContent = `${label}: ${chosen.has(label) ? "present" : "absent"}`;
  }

  async save({ isUnsure = false } = {}) {
    const { utterance } = this;
    if (!utterance || this.isBusy) return;
    const draft = { ...this.corrections.draft(utterance), ...(isUnsure && { labels: null }) };
    const isMine = this.corrections.of(utterance)?.reviewer === reviewerName();
    if (isMine && !isUnsure && !this.corrections.isDirty(utterance)) {
      await this.busy(() => this.goAfter());
      return;
    }
    const wrong = this.card.span?.problem(draft);
    if (wrong) {
      this.card.tell(`Not saved: ${wrong}.`, { isWrong: true });
      return;
    }
    const reviewer = reviewerName() || (await this.askName());
    if (!reviewer || this.isBusy) return;
    await this.busy(async () => {
      // What is sent is the draft: what differs from it later was changed meanwhile.
      if (isUnsure) this.change({ labels: null });
      const saved = await this.post(utterance, draft, reviewer);
      if (!saved) return;
      this.steps.add(stepOf(saved));
      this.regroup();
      this.people.show();
      this.queue.resume();
      this.card.hideConflict();
      this.showChange(utterance);
      this.card.tell(`Saved: ${named(saved.labels)}.`);
      showProgress();
      // Whoever went on meanwhile, or changed their mind, is left alone.
      if (this.utterance === utterance && !this.corrections.isDirty(utterance)) {
        await this.goAfter();
      }
    });
  }

  /* The correction that was made, or null where it was not. */
  async post(utterance, draft, reviewer) {
    try {
      return await this.corrections.save(utterance, draft, reviewer);
    } catch (refusal) {
      if (refusal.status === 409) return this.settle(utterance, draft, reviewer);
      this.showChange(utterance);
      const kept = "What you chose stays here; try again.";
      this.card.tell(`Not saved: ${refusal.message}. ${kept}`, { isWrong: true });
      return null;
    }
  }

  /* Somebody else was first; or this reviewer was, and the answer never arrived. */
  async settle(utterance, draft, reviewer) {
    if (await this.corrections.isOutdated()) {
      this.showChange(utterance);
      const words = "Not saved: the file was annotated anew since this page was opened. Load the page";
      this.card.tell(`${words} again to see what the model says now.`, { isWrong: true });
      return null;
    }
    await this.corrections.load();
    this.refresh();
    const other = this.corrections.of(utterance);
    if (other?.reviewer === reviewer && isSame(draft, this.corrections.preset(utterance))) {
      this.corrections.settle(utterance, draft, other);
      return other;
    }
    this.showChange(utterance);
    if (utterance !== this.utterance) return null; // it is asked again when it is saved again
    this.card.tell("Not saved yet: decide whose holds.");
    this.card.showConflict(other, {
      onTheirs: () => {
        this.corrections.drop(utterance);
        this.card.hideConflict();
        this.card.tell("");
        this.showChange(utterance);
      },
      onMine: () => {
        // Something may have been changed since it was sent.
        const mine = this.corrections.isDirty(utterance) ? {} : draft;
        this.corrections.change(utterance, { ...mine, replaces: other?.number ?? null });
        this.card.hideConflict();
        this.save();
      },
    });
    return null;
  }

  /* Say who somebody is. */
  async identify(member, changes) {
    const reviewer = reviewerName() || (await this.askName());
    if (!reviewer || this.isBusy) {
      this.people.show();
      return;
    }
    await this.busy(async () => {
      let words = "";
      try {
        const said = await people.identify(member, changes, reviewer);
        this.steps.add(stepOfPerson(said, this.utterance));
        this.card.tell(`Saved: ${identityInWords(said)}.`);
      } catch (refusal) {
        words = `Not saved: ${refusal.message}`;
        this.card.tell(words, { isWrong: true });
      }
      await this.corrections.load();
      this.refresh();
      this.show(this.utterance);
      this.people.tell(words);
    });
  }

  /* Give what is in view to the next of the people. */
  giveOn() {
    if (!this.utterance || !people.all.length) return;
    const person = this.card.person.after(this.corrections.draft(this.utterance).person);
    this.change({ person });
    byId("announcer").textContent = people.described(person);
  }

  async undo() {
    await this.ended; // of a correction that is on its way: it is what is to be undone
    const step = this.steps.last(this.corrections, reviewerName());
    if (step && !this.isBusy) await this.busy(() => this.takeBack(step));
  }

  async takeBack(step) {
    try {
      await api(step.path, { method: "DELETE" });
    } catch (refusal) {
      // Refused for good, or only not reached.
      if (refusal.status >= 400 && refusal.status < 500) this.steps.remove(step);
      this.card.showUndo(this.steps.last(this.corrections, reviewerName()));
      this.card.tell(`Not undone: ${refusal.message}`, { isWrong: true });
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
    if (step.isOfPerson) {
      this.show(this.utterance);
    } else if (utterance) {
      goTo(utterance);
      this.show(utterance);
      this.arrive({ isPlayed: false });
    }
    this.card.tell(`Undone: ${step.words}.`);
    showProgress();
  }

  /* One thing at a time: a key that is held down saves once. */
  busy(action) {
    this.ended = this.run(action);
    return this.ended;
  }

  async run(action) {
    this.isBusy = true;
    byId("review").setAttribute("aria-busy", "true");
    try {
      await action();
    } catch (refusal) {
      this.card.tell(refusal.message, { isWrong: true });
    } finally {
      this.isBusy = false;
      byId("review").removeAttribute("aria-busy");
    }
  }

  async next() {
    if (!this.isBusy) await this.busy(() => this.goOn());
  }

  async goAfter() {
    const after = byId("review-after").value;
    if (after === "queue") await this.goOn();
    if (after === "list") {
      const said = this.card.told();
      move(1);
      this.card.tell(said);
      this.arrive();
    }
  }

  /* Go to what the queue offers next, here or on the page of another item. */
  async goOn() {
    const said = this.card.told();
    const offer = await this.queue.next(this.utterance).catch((refusal) => {
      throw new Error(`${said} What is next is not known: ${refusal.message}`);
    });
    if (!offer) {
      this.card.tell(`${said} Nothing else is left to review.`);
    } else if (offer.item === itemId) {
      history.pushState(null, "", addressOf(offer));
      this.goToAddress();
      if (said) this.card.tell(said);
    } else {
      location.assign(addressOf(offer));
    }
  }

  /* Go to the utterance that the address names; false where it names none. */
  goToAddress() {
    const { utterance, why, isUnknown } = fromAddress();
    if (isUnknown) this.card.tell("The address names an utterance that is not here.");
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
      this.card.tell("The media cannot be played.");
      return;
    }
    const { start, end } = this.corrections.draft(this.utterance);
    this.hold({ isHeld: true });
    player.play(start ?? this.utterance.start, end ?? this.utterance.end);
  }

  onPlay() {
    if (!player.stretch) this.hold();
  }

  /* Keep the utterance in view, or follow the media: where nothing is unsaved, and nobody wished
   * otherwise. */
  hold({ isHeld = false, isPinned = view.isPinned } = {}) {
    const isDirty = this.utterance !== null && this.corrections.isDirty(this.utterance);
    view.held = isHeld || isPinned || isDirty ? this.utterance : null;
    view.isPinned = isPinned;
    byId("review-hold").checked = isPinned;
  }

  pin() {
    this.hold({ isPinned: !view.isPinned });
    const words = view.isPinned ? "Stays here until you go to another." : "Follows the media.";
    this.card.tell(words);
  }

  showName() {
    byId("review-name").textContent = reviewerName() || "nobody yet";
  }

  async askName() {
    const name = await askForName();
    this.showName();
    this.show(this.utterance);
    return name;
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
      if (!event.repeat) this.saveByKey();
    } else if (event.key.toLowerCase() === "z" && withControl && !isTyping(target)) {
      event.preventDefault();
      this.undo();
    }
  }

  /* What plays on may have left the utterance that was meant: stop there first. */
  saveByKey(options) {
    if (player.isPlaying() && !view.held) {
      player.toggle();
      this.hold({ isHeld: true });
      this.card.tell("Stopped here. The same key again saves this one.");
      return;
    }
    this.save(options);
  }
}

/* Whoever was not found by the model, until the server has given them an id. */
function newcomer() {
  const name = people.nameOf(SOMEBODY_NEW);
  return { id: SOMEBODY_NEW, name, seconds_visible: 0, seconds_speaking: 0 };
}

const review = new Review();
labels.slice(0, 9).forEach((label, at) => {
  KEYS[at + 1] = () => review.toggle(label);
});
Object.assign(KEYS, {
  u: () => review.saveByKey({ isUnsure: true }),
  n: () => review.next(),
  p: () => review.play(),
  w: () => review.giveOn(),
  c: () => byId("review-comment").focus(),
  z: () => review.undo(),
  h: () => review.pin(),
  "[": () => review.card.span?.setHere("start"),
  "]": () => review.card.span?.setHere("end"),
});
await review.start();
