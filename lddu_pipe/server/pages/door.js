/* The way to the API: calls with the token of this browser tab, which is asked for when the server
 * wants one, and errors in the server's own words.
 */
import { byId, keptInTab } from "../../writers/viewer/base.js";

const TOKEN = "lddu-pipe-token";

/* Of a call that the server refused: `status` of HTTP, and a message for a person. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const tokenOfTab = () => keptInTab.get(TOKEN);

export function authorised(headers = {}) {
  const token = tokenOfTab();
  return token ? { ...headers, Authorization: `Bearer ${token}` } : headers;
}

/**
 * Call the API. An object as `body` is sent as JSON, a form as a form. The answer is a good one, or a
 * Refusal is thrown.
 * @param {string} path
 * @param {Record<string, any>} options  of `fetch`
 */
export async function api(path, { body, headers, ...options } = {}) {
  const isJson = body !== undefined && !(body instanceof FormData);
  for (;;) {
    const token = tokenOfTab();
    const answer = await fetch(path, {
      ...options,
      cache: "no-store",
      headers: authorised(isJson ? { ...headers, "Content-Type": "application/json" } : headers),
      body: isJson ? JSON.stringify(body) : body,
    }).catch(() => {
      throw new Refusal(0, "the server does not answer; is it still running?");
    });
    if (answer.ok) return answer;
    const refusal = await refusalOf(answer);
    if (answer.status !== 401) throw refusal;
    await askForToken(token);
  }
}

export async function refusalOf(answer) {
  const problem = await answer.json().catch(() => ({}));
  const fields = (problem.fields ?? []).map((item) => `${item.field}: ${item.problem}`);
  const text = [problem.detail ?? answer.statusText, ...fields].join("; ");
  return new Refusal(answer.status, text);
}

/* Server-sent events; EventSource itself cannot send a token. */
export async function events(path, onEvent) {
  const answer = await api(path);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let name = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("event: ")) name = line.slice(7);
      if (line.startsWith("data: ")) onEvent(name, JSON.parse(line.slice(6)));
    }
  }
}

let asking = null;

/* Ask for the token, once for however many calls wait for it, and not where another was given since
 * the one that was refused was sent. */
export async function askForToken(refused) {
  if (!asking && tokenOfTab() !== refused) return;
  asking ??= new Promise((/** @type {(value?: void) => void} */ resolve) => {
    const dialog = document.createElement("dialog");
    dialog.className = "door";
    dialog.setAttribute("aria-labelledby", "door-title");
    dialog.innerHTML = `
      <form method="dialog">
        <h2 id="door-title">This server asks for a token</h2>
        <p id="door-wrong" role="alert" hidden>That token was not the right one.</p>
        <label>Token <input id="door-token" type="password" autocomplete="off" required></label>
        <p class="quiet">It is kept until this tab is closed.</p>
        <button>Enter</button>
      </form>`;
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => {
      keptInTab.set(TOKEN, byId("door-token").value.trim());
      dialog.remove();
      asking = null;
      resolve();
    });
    document.body.append(dialog);
    byId("door-wrong").hidden = !tokenOfTab();
    dialog.showModal();
  });
  await asking;
}
