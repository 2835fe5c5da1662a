import { ALONE } from './alone.ts';
import { MIXES } from './mixes.ts';
import type { Scenario } from './scenario.ts';

/** All of them by name. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = { ...ALONE, ...MIXES };
