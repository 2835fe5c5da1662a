import type { Case } from './cases.ts';
import { type Figures, typical } from './figures.ts';
import { type Goal, goalsOf } from './goals.ts';
import { isPeer, isQuorlock, type Variant } from './variants.ts';

/** What was measured of one library in one case. */
interface Entry {
  readonly variant: Variant;
  readonly rounds: readonly Figures[];
  /** The medians of the rounds. */
  readonly figures: Figures;
}

/** All that came of a case. */
export interface CaseResult {
  readonly case: Case;
  /** In the order in which they are listed. */
  readonly entries: readonly Entry[];
  readonly goals: readonly Goal[];
}

/** Collects figures while rounds go on. */
export class Results {
  readonly #cases: readonly Case[];
  readonly #variants: readonly Variant[];
  readonly #rounds = new Map<Case, Map<Variant, Figures[]>>();

  constructor(cases: readonly Case[], variants: readonly Variant[]) {
    this.#cases = cases;
    this.#variants = variants;
    for (const one of cases) this.#rounds.set(one, new Map(variants.map((variant) => [variant, []])));
  }

  add(one: Case, variant: Variant, figures: Figures): void {
    this.#rounds.get(one)?.get(variant)?.push(figures);
  }

  get all(): readonly CaseResult[] {
    return this.#cases.map((one) => this.#resultOf(one));
  }

  #resultOf(one: Case): CaseResult {
    const entries = this.#variants.flatMap((variant) => {
      const rounds = this.#rounds.get(one)?.get(variant) ?? [];
      return rounds.length === 0 ? [] : [{ variant, rounds, figures: typical(rounds) }];
    });
    const own = entries.find(({ variant }) => isQuorlock(variant))?.figures;
    const figuresOf = (isWanted: (variant: Variant) => boolean) =>
      entries.filter(({ variant }) => isWanted(variant)).map(({ figures }) => figures);
    const field = {
      peers: figuresOf(isPeer),
      shipped: figuresOf((variant) => isPeer(variant) && variant.settings === 'shipped'),
      raw: figuresOf(({ peer }) => peer === 'raw'),
      plain: figuresOf(({ settings }) => settings === 'plain'),
    };
    return { case: one, entries, goals: own === undefined ? [] : goalsOf(one, own, field) };
  }
}
