/* The WebSocket of a live session: sound and pictures out, messages in. docs/api.md has its words. */
import { askForToken, tokenOfTab } from "./door.js";

const HEADER = 16; // bytes
const KINDS = { int16: 1, jpeg: 3 };
const MOST_WAITING = 500_000; // bytes of ours in the browser, from which on pictures are left out
const NO_TOKEN = 4401;
const DONE = 1000;

export class Call {
  /**
   * @param {(message: any) => void} onMessage
   * @param {(reason: string) => void} onEnd  told once; the reason is empty where all is well
   */
  constructor(onMessage, onEnd) {
    this.onMessage = onMessage;
    this.onEnd = onEnd;
    this.socket = null;
    this.first = null; // the time that is 0 in messages
    this.ready = false;
  }

  /* Open a session; the token is asked for where the server wants one. */
  open(options) {
    const token = tokenOfTab();
    const address = new URL("/v1/live", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.addEventListener("open", () => this.say({ type: "open", token: token ?? "", ...options }));
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data);
      this.ready ||= message.type === "ready";
      this.onMessage(message);
    });
    socket.addEventListener("close", async ({ code, reason }) => {
      if (socket !== this.socket) return;
      this.ready = false;
      if (code === NO_TOKEN) {
        await askForToken(token);
        if (socket === this.socket) this.open(options);
        return;
      }
      this.socket = null;
      this.onEnd(code === DONE ? "" : reason || "the server does not answer; is it still running?");
    });
  }

  say(message) {
    this.socket?.send(JSON.stringify(message));
  }

  /* Send 16-bit samples of one channel. */
  hear(samples, at) {
    if (this.ready) this.send(KINDS.int16, 1, at, new Uint8Array(samples.buffer));
  }

  async see(blob, at) {
    if (!this.ready || this.socket.bufferedAmount > MOST_WAITING) return;
    const content = new Uint8Array(await blob.arrayBuffer());
    if (this.ready) this.send(KINDS.jpeg, 0, at, content);
  }

  send(kind, channels, at, content) {
    this.first ??= at;
    const message = new Uint8Array(HEADER + content.length);
    message.set([kind, channels]);
    new DataView(message.buffer).setFloat64(8, at, true);
    message.set(content, HEADER);
    this.socket.send(message);
  }

  /* Say that nothing more comes. */
  end() {
    if (!this.ready) return this.close();
    this.ready = false;
    this.say({ type: "end" });
  }

  close() {
    const { socket } = this;
    this.socket = null;
    this.ready = false;
    socket?.close();
  }
}
