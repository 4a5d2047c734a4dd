// A page that calls the HTTP API: fetch alone, no library. What a server says is only ever text.
const find = (id) => document.getElementById(id);
const tell = (text) => { find("status").textContent = text; };

async function call(path, options = {}) {
  const token = find("token").value;
  const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(new URL(path, find("server").value), { ...options, headers });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({ detail: answer.statusText }));
  const fields = (problem.fields ?? []).map((item) => `${item.field}: ${item.problem}`);
  throw new Error([problem.detail, ...fields].join("; "));
}

async function readText(text) {
  const headers = { "Content-Type": "application/json" };
  return (await call("/v1/text", { method: "POST", headers, body: JSON.stringify({ text }) })).json();
}

async function readFile(media, transcript) {
  const body = new FormData();
  body.append("media", media);
  if (transcript) body.append("transcript", transcript);
  tell("uploading");
  let job = await (await call("/v1/jobs", { method: "POST", body })).json();
  job = await watch(job);
  if (job.state !== "done") throw new Error(job.error ?? "the job was deleted");
  const result = await (await call(`/v1/jobs/${job.id}/result`)).json();
  await call(`/v1/jobs/${job.id}`, { method: "DELETE" });
  return result;
}

// EventSource would be shorter, but it cannot send a token.
async function watch(job) {
  const answer = await call(`/v1/jobs/${job.id}/events`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return job;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines.filter((item) => item.startsWith("data: "))) {
      job = { ...job, ...JSON.parse(line.slice(6)) };
      const share = job.share === null ? "" : `: ${job.stage} ${Math.round(100 * job.share)} %`;
      tell(job.ahead ? `${job.ahead} jobs before this one` : `${job.state}${share}`);
    }
  }
}

function show(annotation) {
  const rows = annotation.utterances.map((utterance) => {
    const present = utterance.emotions.filter((item) => item.decision === "present");
    const emotions = present.map(
      (item) => `${item.label} ${Math.round(100 * item.probability)} %`,
    );
    const words = utterance.abstained ? "too unsure to decide" : emotions.join(", ") || "none";
    const row = document.createElement("tr");
    for (const text of [`${utterance.start} – ${utterance.end} s`, utterance.text, words]) {
      row.append(Object.assign(document.createElement("td"), { textContent: text }));
    }
    return row;
  });
  find("result").tBodies[0].replaceChildren(...rows);
  find("result").hidden = false;
}

find("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  find("result").hidden = true;
  const button = find("form").querySelector("button");
  button.disabled = true;
  try {
    const [media] = find("media").files;
    const [transcript] = find("transcript").files;
    show(media ? await readFile(media, transcript) : await readText(find("text").value));
    tell("done");
  } catch (error) {
    tell(error.message);
  } finally {
    button.disabled = false;
  }
});
