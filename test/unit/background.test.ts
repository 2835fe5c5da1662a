import { describe, expect, it } from 'vitest';
import { Background } from '../../src/redlock/background.ts';

/** A promise to settle later. */
function open() {
  let [resolve, reject] = [() => {}, () => {}];
  const promise = new Promise<void>((...settle) => {
    [resolve, reject] = settle;
  });
  return { promise, resolve, reject };
}

describe('work in the background', () => {
  it('is done at once where there is none', async () => {
    await new Background().done();
  });

  it('is done when all of it has settled, however that is', async () => {
    const background = new Background();
    const [one, other] = [open(), open()];
    background.add(one.promise);
    background.add(other.promise);
    let isDone = false;
    const both = Promise.all([background.done(), background.done()]).then(() => {
      isDone = true;
    });
    one.reject();
    await new Promise(setImmediate);
    expect(isDone).toBe(false);
    other.resolve();
    await both;
  });

  it('is not done before what it led to, a few steps later', async () => {
    const background = new Background();
    const [first, second] = [open(), open()];
    background.add(first.promise);
    void first.promise
      .then(() => undefined)
      .then(() => undefined)
      .then(() => background.add(second.promise));
    let isDone = false;
    const done = background.done().then(() => {
      isDone = true;
    });
    first.resolve();
    await new Promise(setImmediate);
    expect(isDone).toBe(false);
    second.resolve();
    await done;
  });
});
