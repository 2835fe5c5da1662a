import { expect, it } from 'vitest';
import { Inflictor } from '../../../scripts/faults/fleet/inflictor.ts';
import type { Masters } from '../../../scripts/faults/fleet/masters/masters.ts';
import { now } from '../../../scripts/support/time.ts';

it('faults of one node come one after the other, also where several wait for one that takes long', async () => {
  const course: string[] = [];
  const later = () => new Promise((resolve) => void setImmediate(resolve));
  const server = {
    kill: async () => {
      course.push('killed');
      await later();
    },
    restart: async () => {
      await later();
      course.push('back');
    },
  };
  const masters = { nodes: [{ index: 0, server }], abilities: new Set(), hasSpare: false };
  const inflictor = new Inflictor(masters as unknown as Masters, {} as never, { clocks: [] } as never);
  const kill = { kind: 'kill', nodes: [0], atMs: 0, forMs: 0 } as const;

  await inflictor.run([kill, kill, kill], now(), new AbortController().signal);

  expect(course).toEqual(['killed', 'back', 'killed', 'back', 'killed', 'back']);
});
