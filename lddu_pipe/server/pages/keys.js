/* What keys are for. */

/* Of who clicks with a pointer, the space bar still plays. */
export function leaveToKeys(control) {
  if (!control.matches(":focus-visible")) control.blur();
}
