/** How far a run is, and how long the rest will take if it goes on like this. */
export class Progress {
  readonly #total: number;
  readonly #nowMs: () => number;
  readonly #startedAtMs: number;
  #known = 0;
  #done = 0;

  /**
   * @param total trials
   * @param nowMs a clock that does not step
   */
  constructor(total: number, nowMs: () => number) {
    this.#total = total;
    this.#nowMs = nowMs;
    this.#startedAtMs = nowMs();
  }

  /** How many trials were known from an earlier run. */
  skip(trials: number): void {
    this.#known += trials;
  }

  /** How many trials were made. */
  add(trials: number): void {
    this.#done += trials;
  }

  /** From 0 to 1. */
  get share(): number {
    return this.#total === 0 ? 1 : (this.#known + this.#done) / this.#total;
  }

  get text(): string {
    const trials = `${(this.#known + this.#done).toLocaleString('en')} of ${this.#total.toLocaleString('en')} trials`;
    if (this.#done === 0) return trials;
    const leftMs =
      ((this.#nowMs() - this.#startedAtMs) * (this.#total - this.#known - this.#done)) / this.#done;
    return `${trials}, ${clockFace(leftMs)} left`;
  }
}

/** Minutes and seconds. */
function clockFace(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
