/* Runs beside the page, in the thread of its sound: passes on what the microphone gives, in pieces
 * of a tenth of a second, with the time of the first sample by the clock of the sound. */
const scope = /** @type {any} */ (globalThis);

class Microphone extends scope.AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Float32Array(Math.round(scope.sampleRate / 10));
    this.filled = 0;
    this.begun = 0;
  }

  /* `channels` are those of the one input, as floats in -1..1; they are made one. */
  process([channels]) {
    if (!channels.length) return true;
    for (let at = 0; at < channels[0].length; at += 1) {
      if (!this.filled) this.begun = scope.currentTime + at / scope.sampleRate;
      this.piece[this.filled] =
        channels.reduce((sum, channel) => sum + channel[at], 0) / channels.length;
      this.filled += 1;
      if (this.filled === this.piece.length) {
        this.port.postMessage({ samples: this.piece.slice(), begun: this.begun });
        this.filled = 0;
      }
    }
    return true;
  }
}

scope.registerProcessor("microphone", Microphone);
