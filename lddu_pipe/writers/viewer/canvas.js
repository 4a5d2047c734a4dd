/* What is painted on canvases: in pixels of the page, in its colours. */

/** @typedef {CanvasRenderingContext2D} Brush */

const MOST_DOTS = 16_000; // of a side: browsers paint nothing on a larger canvas

/**
 * An empty canvas of a size, to be painted in pixels of the page.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
export function brushOn(canvas, width, height) {
  const dots = Math.min(window.devicePixelRatio, MOST_DOTS / Math.max(width, height));
  canvas.width = Math.round(width * dots);
  canvas.height = Math.round(height * dots);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const brush = /** @type {Brush} */ (canvas.getContext("2d"));
  brush.scale(dots, dots);
  return brush;
}

/**
 * Strokes at a slant, and back where they are `crossed`, every so many pixels.
 * @param {string} colour
 * @param {number} size
 */
export function hatching(colour, size, { crossed = false } = {}) {
  const brush = brushOn(document.createElement("canvas"), size, size);
  brush.strokeStyle = colour;
  brush.lineWidth = crossed ? 0.6 : 1;
  brush.beginPath();
  // Three strokes, so that the corners of one tile meet those of the next.
  for (const at of [-size, 0, size]) {
    brush.moveTo(at, size);
    brush.lineTo(at + size, 0);
    if (!crossed) continue;
    brush.moveTo(at, 0);
    brush.lineTo(at + size, size);
  }
  brush.stroke();
  const pattern = /** @type {CanvasPattern} */ (brush.createPattern(brush.canvas, "repeat"));
  pattern.setTransform(new DOMMatrix().scale(size / brush.canvas.width));
  return pattern;
}

/** @param {number} share */
export function clamp(share) {
  return Math.min(Math.max(share, 0), 1);
}

/**
 * @param {string} colour  such as #0072B2
 * @param {number} opacity
 */
export function faded(colour, opacity) {
  const part = (/** @type {number} */ at) => parseInt(colour.slice(at, at + 2), 16);
  return `rgba(${part(1)},${part(3)},${part(5)},${opacity})`;
}
