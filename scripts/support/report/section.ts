import type { Chart } from './chart.ts';
import type { TextTable } from './html.ts';

/** A part of the report. Tables are shown in the terminal too. */
export interface Section {
  readonly title: string;
  /** A paragraph each. */
  readonly text: readonly string[];
  readonly charts: readonly Chart[];
  readonly tables: readonly TextTable[];
}
