import { describe, expect, it } from 'vitest';
import { ConnectionReason } from '../../../src/wire/clients/reason.ts';

describe('the reason of a connection with TLS that gets no answer', () => {
  it.each(['connect ETIMEDOUT', 'Connection timeout', 'timed out'])(
    'is that, and that the port may have none: %s',
    (message) => {
      const reason = new ConnectionReason({ tls: {} });
      reason.connecting();
      reason.failed(new Error(message));
      expect(reason.text(false)).toBe(`${message}; if the port has no TLS, connect with redis://`);
    },
  );

  it('says nothing of TLS where a connection has worked, or none is wanted', () => {
    const worked = new ConnectionReason({ tls: {} });
    worked.ready();
    worked.failed(new Error('connect ETIMEDOUT'));
    expect(worked.text(false)).toBe('connect ETIMEDOUT');
    const plain = new ConnectionReason({});
    plain.failed(new Error('connect ETIMEDOUT'));
    expect(plain.text(false)).toBe('connect ETIMEDOUT');
  });
});
