import { afterAll, beforeAll, describe, it } from 'vitest';
import { findServerBinary, nameServer } from '../../scripts/fleet/binary.ts';
import { RealSubject } from '../conformance/subject.ts';
import { RuleNode } from '../support/rules/node.ts';
import { RULES } from '../support/rules/rules.ts';

/** The same as of a simulated one: neither is compared with the other, but both with what the protocol says. */
describe.skipIf(process.platform !== 'linux')('a real node keeps the rule that', () => {
  let subject: RealSubject;
  let node: RuleNode;

  beforeAll(async () => {
    subject = await RealSubject.start(nameServer(findServerBinary()));
    node = new RuleNode(subject);
  });
  afterAll(() => subject[Symbol.asyncDispose]());

  it.each(RULES.map((rule) => [rule.name, rule] as const))('%s', async (_, { holds }) => {
    await node.reset();
    await holds(node);
  });
});
