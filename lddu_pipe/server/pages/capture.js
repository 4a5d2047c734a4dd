/* What a microphone and a camera give: pieces of sound and pictures, with their times on one clock. */
const PICTURES = 7; // a second
const WIDEST = 640; // pixels of a picture that is sent
const QUALITY = 0.8; // of a JPEG
const DRIFT = 0.25; // s between the clocks of sound and page, from which on the sound's is set again

/* Seconds of the clock that all times are told by. */
export const clockNow = () => performance.now() / 1000;

const REFUSALS = {
  NotAllowedError: "The browser was not allowed to use them. Allow it beside the address, and start again.",
  NotFoundError: "There is no such device. Plug it in, or leave it out above.",
  NotReadableError: "A device is used by another program. Close that, and start again.",
};

/* Why they cannot be had, in words. */
export function whyNot(error) {
  if (!navigator.mediaDevices) {
    return "A browser gives microphone and camera only to pages by HTTPS or of this machine.";
  }
  return REFUSALS[error.name] ?? `Microphone and camera cannot be used: ${error.message}`;
}

export class Capture {
  /* Ask for the devices; rejects where they are refused. `module` is the address of the script that
   * runs beside the page. */
  static async open({ microphone, camera, module }) {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: microphone && { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      video: camera && { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: "user" },
    });
    const capture = new Capture(stream);
    if (microphone) await capture.listen(module);
    return capture;
  }

  constructor(stream) {
    this.stream = stream;
    this.sound = null; // the context, where there is a microphone
    this.offset = null; // what makes the sound's clock the page's
    this.timer = null;
    this.onSound = (_samples, _at) => {};
    this.onPicture = (_blob, _at) => {};
  }

  get rate() {
    return this.sound?.sampleRate ?? null;
  }

  async listen(module) {
    this.sound = new AudioContext();
    await this.sound.audioWorklet.addModule(module);
    await this.sound.resume();
    const node = new AudioWorkletNode(this.sound, "microphone", { numberOfOutputs: 0 });
    node.port.addEventListener("message", ({ data }) => this.hear(data));
    node.port.start();
    this.sound.createMediaStreamSource(this.stream).connect(node);
  }

  hear({ samples, begun }) {
    const offset = clockNow() - samples.length / this.rate - begun;
    if (this.offset === null || Math.abs(offset - this.offset) > DRIFT) this.offset = offset;
    this.onSound(Int16Array.from(samples, toInt16), begun + this.offset);
  }

  /* Take pictures from the video element that shows them. */
  look(video) {
    const canvas = document.createElement("canvas");
    const pen = canvas.getContext("2d", { alpha: false });
    let busy = false;
    this.timer = setInterval(() => {
      const isOff = !this.tracks("video").some(({ enabled }) => enabled);
      if (busy || isOff || !video.videoWidth) return;
      busy = true;
      const at = clockNow();
      const scale = Math.min(1, WIDEST / video.videoWidth);
      canvas.width = Math.round(video.videoWidth * scale);
      canvas.height = Math.round(video.videoHeight * scale);
      pen.drawImage(video, 0, 0, canvas.width, canvas.height);
      canvas.toBlob(
        (blob) => {
          busy = false;
          if (blob && this.timer) this.onPicture(blob, at);
        },
        "image/jpeg",
        QUALITY,
      );
    }, 1000 / PICTURES);
  }

  tracks(kind) {
    return this.stream.getTracks().filter((track) => track.kind === kind);
  }

  /* Let a device give silence, or nothing to see. */
  enable(kind, on) {
    for (const track of this.tracks(kind)) track.enabled = on;
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.onSound = () => {};
    for (const track of this.stream.getTracks()) track.stop();
    this.sound?.close();
  }
}

const toInt16 = (sample) => Math.round(Math.min(Math.max(sample, -1), 1) * 32767);
