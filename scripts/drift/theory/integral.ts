/** Even, as Simpson's rule needs it; more changes nothing that is shown. */
const STRIPS = 2_000;

/** The integral of a function between two bounds, by Simpson's rule. */
export function integrate(f: (x: number) => number, from: number, to: number): number {
  const width = (to - from) / STRIPS;
  let sum = f(from) + f(to);
  for (let strip = 1; strip < STRIPS; strip += 1) sum += (strip % 2 === 1 ? 4 : 2) * f(from + strip * width);
  return (sum * width) / 3;
}
