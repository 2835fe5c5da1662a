import { expect, it } from 'vitest';
import { NodeStates } from '../../src/membership/node-states.ts';
import type { Node } from '../../src/node/node.ts';
import { Simulation } from '../../src/testing/index.ts';

// Found by the swarm's drift, with seed 2863407308: 1e-13 ms added to a clock of millions leave it as it is.
it('looks at a node whose clock is wrong at most once a millisecond, also where a rounding error is left of that', async () => {
  const simulation = new Simulation({ nodes: 1 });
  let looks = 0;
  const node: Partial<Node> = {
    address: 'a node',
    state: 'clock',
    get clockWrongForMs() {
      looks += 1;
      if (looks > 1_000) throw new Error('it looks again and again, and no time passes');
      return 1e-13;
    },
    onStateChange: () => () => undefined,
  };
  const states = new NodeStates(simulation.machine().clock, () => undefined);
  states.follow(node as Node);
  await simulation.advance(10);
  states.close();
  expect(looks).toBeLessThanOrEqual(11);
});
