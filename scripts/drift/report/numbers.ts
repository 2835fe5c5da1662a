/** A ratio as percent, with `digits` digits after the point. */
export function percent(ratio: number, digits = 2): string {
  return `${(100 * ratio).toFixed(digits)} %`;
}

/** Milliseconds. */
export function milliseconds(ms: number, digits = 2): string {
  return `${ms.toFixed(digits)} ms`;
}

/** A duration in the unit that reads best. */
export function duration(ms: number): string {
  return ms >= 1_000 ? `${ms / 1_000} s` : `${ms} ms`;
}
