import type { Mode } from './terms.ts';
import type { Verdict } from './verdict.ts';

interface Sum {
  runs: number;
  acquisitions: number;
  faults: number;
  overlaps: number;
  tokenFaults: number;
}

/** What all runs of a soak come to. */
export class Totals {
  #broken = 0;
  readonly #sums = new Map<Mode, Sum>();

  add({ terms, acquisitions, faults, overlaps, tokenFaults, broken }: Verdict): void {
    const sum = this.#sums.get(terms.mode) ?? {
      runs: 0,
      acquisitions: 0,
      faults: 0,
      overlaps: 0,
      tokenFaults: 0,
    };
    sum.runs += 1;
    sum.acquisitions += acquisitions;
    sum.faults += faults;
    sum.overlaps += overlaps;
    sum.tokenFaults += tokenFaults;
    this.#sums.set(terms.mode, sum);
    if (broken.length > 0) this.#broken += 1;
  }

  get isEmpty(): boolean {
    return this.#sums.size === 0;
  }

  /** Whether there was a run, and none broke a promise. */
  get holds(): boolean {
    return !this.isEmpty && this.#broken === 0;
  }

  get text(): string {
    const sums = [...this.#sums.values()];
    const total = (what: keyof Sum) => sums.reduce((all, sum) => all + sum[what], 0);
    return `${total('runs')} runs, ${total('acquisitions')} acquisitions, ${total('faults')} faults`;
  }

  get summary(): string {
    if (this.isEmpty) return 'Nothing was run: time was over before the first run could begin';
    const lines = [...this.#sums].map(
      ([mode, { runs, acquisitions, faults, overlaps, tokenFaults }]) =>
        `  ${mode}: ${runs} runs, ${acquisitions} acquisitions, ${faults} faults, ${overlaps} overlaps, ` +
        `${tokenFaults} token faults`,
    );
    const judgement = this.#broken === 0 ? 'Every promise held' : 'A promise was BROKEN, see above';
    return [`${judgement}: ${this.text}`, ...lines].join('\n');
  }
}
