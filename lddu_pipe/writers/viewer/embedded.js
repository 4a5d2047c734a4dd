/* What the page shows stands in the page itself. */
import { byId } from "./base.js";

/**
 * @typedef {object} Media  what was annotated, as the page shows it
 * @property {"video" | "audio" | "picture" | "none"} kind
 * @property {string} link
 * @property {string} name
 * @property {string} [absent]  why it is not there
 * @property {() => Promise<string>} [renew]  asks for another link
 */
/**
 * @typedef {object} Input
 * @property {import("../../../docs/annotation.d.ts").AnnotationLayout} annotation
 * @property {Media} media
 * @property {{aleatoric: number, epistemic: number}} high  from where on an uncertainty is called so
 */

/** @type {Input} */
export const input = JSON.parse(byId("input").textContent);
