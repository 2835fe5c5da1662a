import { describe, it } from 'vitest';
import { ModelSubject } from '../../conformance/subject.ts';
import { RuleNode } from '../../support/rules/node.ts';
import { RULES } from '../../support/rules/rules.ts';

const RUN_ID = 'abcdef0123'.repeat(4);
const TIME_US = 1_893_456_000_000_000;

/** A simulated server, its time told by how much has passed. */
function simulated(): RuleNode {
  const model = new ModelSubject(RUN_ID, TIME_US);
  return new RuleNode({
    runId: RUN_ID,
    get timeUs() {
      return model.server.timeUs;
    },
    run: async (passMs, commands) => {
      model.pass(passMs);
      return commands.map((command) => model.run(command));
    },
  });
}

describe('a simulated node keeps the rule that', () => {
  it.each(RULES.map((rule) => [rule.name, rule] as const))('%s', async (_, { holds }) => {
    const node = simulated();
    await node.reset();
    await holds(node);
  });
});
