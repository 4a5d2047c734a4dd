/* Files on their way: sent one after the other, then followed as jobs until they have ended. */
import { make, percent } from "../../writers/viewer/base.js";
import { amount, legible } from "../../writers/viewer/corpus.js";
import { Refusal, api, askForToken, authorised, events, refusalOf, tokenOfTab } from "./door.js";

/* The surest first. */
const TRANSCRIPTS = ["srt", "vtt", "eaf", "textgrid", "cha", "ass", "ssa", "ttml", "dfxp", "sbv",
  "lrc", "json3", "json", "tsv", "txt"];
const RETRY = 3000; // ms after which a server that does not answer is asked again

const suffixOf = (name) => name.slice(name.lastIndexOf(".") + 1).toLowerCase();
const stemOf = (name) => (name.includes(".") ? name.slice(0, name.lastIndexOf(".")) : name);
const isTranscript = ({ name }) => name.includes(".") && TRANSCRIPTS.includes(suffixOf(name));

/* The files to send, each with the transcript of its name. Transcripts of nothing go alone. */
export function paired(files) {
  const media = files.filter((file) => !isTranscript(file));
  const rank = ({ name }) => TRANSCRIPTS.indexOf(suffixOf(name));
  const words = files.filter(isTranscript).sort((one, other) => rank(one) - rank(other));
  const pairs = media.map((file) => ({
    media: file,
    transcript: words.find(({ name }) => stemOf(name) === stemOf(file.name)) ?? null,
  }));
  const spokenFor = new Set(media.map(({ name }) => stemOf(name)));
  const alone = words.filter(({ name }) => !spokenFor.has(stemOf(name)));
  return [...pairs, ...alone.map((file) => ({ media: file, transcript: null }))];
}

export function sizeOf(bytes) {
  const units = ["bytes", "kB", "MB", "GB"];
  const at = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  const number = bytes / 1000 ** at;
  return `${number.toFixed(at && number < 10 ? 1 : 0)} ${units[at]}`;
}

/* Post a form; unlike `api` it tells of what was sent so far. Rejects with a Refusal, or with null
 * where `signal` gave it up. */
async function post(path, form, { onProgress, signal }) {
  for (;;) {
    const token = tokenOfTab();
    const answer = await new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("POST", path);
      for (const header of Object.entries(authorised())) request.setRequestHeader(...header);
      request.upload.addEventListener("progress", ({ loaded, total }) => onProgress(loaded, total));
      request.addEventListener("load", () => {
        const { status, statusText, responseText } = request;
        resolve(new Response(responseText, { status, statusText }));
      });
      request.addEventListener("error", () => {
        reject(new Refusal(0, "the server does not answer, or does not take a file like this"));
      });
      request.addEventListener("abort", () => reject(null));
      signal.addEventListener("abort", () => request.abort());
      request.send(form);
    });
    if (answer.ok) return answer.json();
    const refusal = await refusalOf(answer);
    if (answer.status !== 401) throw refusal;
    await askForToken(token);
  }
}

/* All jobs in a state, the newest first, whatever number of pages they take. */
async function allJobs(state) {
  const jobs = [];
  let before = null;
  do {
    const asked = new URLSearchParams({ state, limit: "200", ...(before && { before }) });
    const answer = await api(`/v1/jobs?${asked}`).catch((refusal) => {
      if (before && refusal.status === 404) return null; // the page's last job was deleted meanwhile
      throw refusal;
    });
    if (!answer) return allJobs(state);
    const page = await answer.json();
    jobs.push(...page.jobs);
    before = page.next;
  } while (before);
  return jobs;
}

/* A line of the list: a file that waits to be sent, is being sent, or is a job. */
class Sent {
  constructor({ name, onEnd }) {
    this.name = name;
    this.job = null;
    this.giveUp = null; // of an upload
    this.bar = make("progress", { max: 1, "aria-label": `Progress of ${legible(name)}` });
    this.said = make("span", { class: "said quiet" });
    this.end = make("button", { type: "button" }, "Cancel");
    this.end.setAttribute("aria-label", `Cancel ${legible(name)}`);
    this.end.addEventListener("click", () => onEnd(this));
    const title = make("bdi", { class: "own-name" }, legible(name));
    this.element = make("li", {}, title, this.end, this.bar, this.said);
  }

  /* What is happening, and how much of it is done, 0..1. */
  tell(words, share = 0) {
    this.said.textContent = words;
    this.bar.value = share;
  }

  show(job) {
    this.job = job;
    if (job.state === "waiting") {
      this.tell(job.ahead ? `waits: ${amount(job.ahead, "job")} before it` : "is next");
    } else if (job.state === "running") {
      const share = job.share ? `: ${percent(job.share)}` : "";
      this.tell(job.stage ? job.stage + share : "begins", job.share ?? 0);
    }
  }

  refuse(words) {
    this.element.classList.add("is-refused");
    this.said.textContent = words;
    this.said.classList.remove("quiet");
    this.bar.remove();
    this.end.textContent = "Dismiss";
    this.end.setAttribute("aria-label", `Dismiss ${legible(this.name)}`);
  }
}

export class Sending {
  /* `place` is a list. `onChange` is told when a job has ended, `announce` of what is worth it. */
  constructor(place, { onChange, announce }) {
    this.place = place;
    this.onChange = onChange;
    this.announce = announce;
    this.lines = new Map(); // of jobs, by id
    this.givenUp = new Set(); // ids of jobs that the server may still tell of
    this.queue = [];
    this.busy = false;
    this.following = false;
  }

  /* Send pairs of media and transcript, with options of the form. */
  add(pairs, options) {
    for (const { media, transcript } of pairs) {
      const line = this.newLine(media.name);
      const form = new FormData();
      // Fields before files, so that the server knows what it is about to get.
      for (const [name, value] of Object.entries(options)) form.append(name, value);
      if (transcript) form.append("transcript", transcript);
      form.append("media", media);
      line.tell("waits to be sent");
      line.giveUp = new AbortController();
      this.queue.push({ line, form, size: media.size });
    }
    this.announce(`${amount(pairs.length, "file")} to send`);
    this.work();
  }

  newLine(name) {
    const line = new Sent({ name, onEnd: (ended) => this.cancel(ended) });
    this.place.append(line.element);
    return line;
  }

  async work() {
    if (this.busy) return;
    this.busy = true;
    while (this.queue.length) {
      const { line, form, size } = this.queue.shift();
      if (!line.giveUp.signal.aborted) await this.send(line, form, size);
    }
    this.busy = false;
  }

  async send(line, form, size) {
    const onProgress = (sent, all) => {
      const words = sent < all ? `${sizeOf(sent)} of ${sizeOf(size)} sent` : "arrives";
      line.tell(words, sent / all);
    };
    try {
      const { signal } = line.giveUp;
      const job = await post("/v1/jobs", form, { onProgress, signal });
      this.lines.get(job.id)?.element.remove(); // the list was faster than this answer
      this.lines.set(job.id, line);
      line.show(job);
      this.follow();
    } catch (refusal) {
      if (refusal === null) return; // given up: its line is gone
      line.refuse(`not sent: ${refusal.message}`);
      this.announce(`${line.name} was not sent: ${refusal.message}`);
    }
  }

  async cancel(line) {
    const { previousElementSibling: before, nextElementSibling: after } = line.element;
    (after ?? before)?.querySelector("button").focus();
    line.giveUp?.abort();
    line.element.remove();
    if (!line.job) return;
    this.lines.delete(line.job.id);
    if (line.element.classList.contains("is-refused")) return;
    this.givenUp.add(line.job.id);
    this.announce(`${line.name} is given up`);
    await api(`/v1/jobs/${line.job.id}`, { method: "DELETE" }).catch(({ status, message }) => {
      if (status !== 404) this.announce(`${line.name} could not be given up: ${message}`);
    });
  }

  /* Take up what is on its way already, and watch the job that is next to end until none is left.
   * The others wait for it: one connection is enough, of the few that a browser has. */
  async follow() {
    if (this.following) return;
    this.following = true;
    for (;;) {
      try {
        const jobs = await this.unfinished();
        if (jobs.length) await this.watch(jobs[0]);
        else if (!this.lines.size) break; // else a file arrived after the server had answered
      } catch (refusal) {
        // Deleted this very moment, or a server that is away or busy: ask again.
        const isTold = refusal instanceof Refusal;
        const words = isTold ? refusal.message : "the server does not answer; waiting for it";
        for (const line of this.lines.values()) line.tell(words);
        await new Promise((resolve) => setTimeout(resolve, RETRY));
      }
    }
    this.following = false;
  }

  /* Jobs that wait or run, the one that is done first at the front; each has a line. */
  async unfinished() {
    const ask = async (state) => {
      const jobs = await allJobs(state);
      return jobs.reverse().filter(({ id }) => !this.givenUp.has(id));
    };
    const known = [...this.lines];
    // In this order: a job that begins between the two questions is in both answers, not in none.
    const waiting = await ask("waiting");
    const running = await ask("running");
    const begun = new Set(running.map(({ id }) => id));
    if (waiting.some(({ id }) => begun.has(id))) return this.unfinished();
    const jobs = [...running, ...waiting];
    for (const job of jobs) {
      if (!this.lines.has(job.id)) this.lines.set(job.id, this.newLine(job.name ?? "media"));
      this.lines.get(job.id).show(job);
    }
    const ids = new Set(jobs.map(({ id }) => id));
    for (const [id, line] of known) if (!ids.has(id)) await this.finish(id, line);
    return jobs;
  }

  async watch({ id, ahead }) {
    await events(`/v1/jobs/${id}/events`, (name, job) => {
      const line = this.lines.get(id);
      if (name !== "job" || !line) return;
      line.show(job);
      if (job.ahead === ahead) return;
      // All move up together.
      for (const other of this.lines.values()) {
        if (other === line || other.job?.state !== "waiting") continue;
        other.show({ ...other.job, ahead: Math.max(other.job.ahead - ahead + job.ahead, 0) });
      }
      ahead = job.ahead;
    });
  }

  /* A job that was followed is not among the unfinished any more. */
  async finish(id, line) {
    if (!this.lines.delete(id)) return; // cancelled meanwhile
    const job = await api(`/v1/jobs/${id}`)
      .then((answer) => answer.json())
      .catch(() => ({ state: "deleted" }));
    if (job.state === "failed") {
      line.refuse(`failed: ${job.error}`);
      this.announce(`${line.name} failed: ${job.error}`);
    } else {
      line.element.remove();
      if (job.state === "done") this.announce(`${line.name} is annotated`);
    }
    this.onChange();
  }
}
