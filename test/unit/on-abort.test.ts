import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { onAbort } from '../../src/base/abort-signal.ts';

describe('onAbort', () => {
  it('tells every listener that is left, in the order in which they began to listen', () => {
    const controller = new AbortController();
    const { signal } = controller;
    const told: string[] = [];
    onAbort(signal, () => told.push('first'));
    const stop = onAbort(signal, () => told.push('second'));
    onAbort(signal, () => told.push('third'));
    stop();
    controller.abort();
    expect(told).toEqual(['first', 'third']);
  });

  it('leaves nothing at the signal once no listener is left, and begins anew', () => {
    const controller = new AbortController();
    const { signal } = controller;
    const stops = Array.from({ length: 100 }, () => onAbort(signal, () => {}));
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    for (const stop of [...stops, ...stops]) stop();
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    let isTold = false;
    onAbort(signal, () => {
      isTold = true;
    });
    controller.abort();
    expect(isTold).toBe(true);
  });

  it('lets a listener stop others while it is told', () => {
    const controller = new AbortController();
    const { signal } = controller;
    const told: string[] = [];
    onAbort(signal, () => {
      told.push('first');
      stop();
    });
    const stop = onAbort(signal, () => told.push('second'));
    controller.abort();
    expect(told).toEqual(['first']);
  });
});
