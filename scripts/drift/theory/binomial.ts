import { majorityOf } from './majority.ts';

/** In how many ways `chosen` of `count` things can be picked. */
export function combinations(count: number, chosen: number): number {
  let ways = 1;
  for (let taken = 1; taken <= chosen; taken += 1) ways = (ways * (count - chosen + taken)) / taken;
  return ways;
}

/** The probability that at least `least` of `count` independent trials succeed, each with `probability`. */
export function atLeast(least: number, count: number, probability: number): number {
  let sum = 0;
  for (let successes = Math.max(0, least); successes <= count; successes += 1) {
    const failures = count - successes;
    sum += combinations(count, successes) * probability ** successes * (1 - probability) ** failures;
  }
  return Math.min(1, sum);
}

/** The probability that a majority of nodes is up when each is down with `downProbability`, whatever the others are. */
export function availability(nodes: number, downProbability: number): number {
  return atLeast(majorityOf(nodes), nodes, 1 - downProbability);
}

/** The standard error of a share that is measured in a number of trials. */
export function standardError(probability: number, trials: number): number {
  return Math.sqrt((probability * (1 - probability)) / trials);
}
