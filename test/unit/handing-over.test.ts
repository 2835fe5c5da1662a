import { expect, it } from 'vitest';
import { type Job, perform, submit } from '../../examples/recipes/handing-over.ts';
import { LockHeldError } from '../../src/index.ts';
import { Scene } from './waiting/scene.ts';

/** A request's process, a worker's, and a queue that delivers in order. */
async function shop() {
  const scene = new Scene();
  const [request, worker] = await scene.programs(2);
  const queue: string[] = [];
  const jobs = { add: async (job: Job) => queue.push(JSON.stringify(job)) };
  return { ...scene, scene, simulation: scene.simulation, request, worker, queue, jobs };
}

const looked = async () => undefined;

it('an order is locked by the request and then by the worker, and no other one comes between', async () => {
  const { simulation, request, worker, queue, jobs } = await shop();
  const tokens: number[] = [];
  const look = async ({ token }: { readonly token: number }) => void tokens.push(token);
  await simulation.until(submit(request.redlock, jobs, '7', look));
  const refused = await simulation.until(submit(request.redlock, jobs, '7', look).catch((error) => error));
  expect(refused).toBeInstanceOf(LockHeldError);
  await simulation.advance(5_000);
  const done: unknown[] = [];
  const work = async (lock: { readonly token: number }, isNew: boolean) =>
    void done.push([lock.token, isNew]);
  await simulation.until(perform(worker.redlock, JSON.parse(queue[0] ?? ''), work));
  expect(done).toEqual([[tokens[0], false]]);
  await simulation.until(submit(request.redlock, jobs, '7', look));
});

it('an order whose job was delayed, or comes twice, is looked at again', async () => {
  const { simulation, request, worker, queue, jobs } = await shop();
  await simulation.until(submit(request.redlock, jobs, '7', looked));
  await simulation.advance(31_000);
  const wereNew: boolean[] = [];
  const work = async (_: unknown, isNew: boolean) => void wereNew.push(isNew);
  await simulation.until(perform(worker.redlock, JSON.parse(queue[0] ?? ''), work));
  await simulation.until(submit(request.redlock, jobs, '7', looked));
  const job = JSON.parse(queue[1] ?? '');
  await simulation.until(
    Promise.all([perform(worker.redlock, job, work), perform(request.redlock, job, work)]),
  );
  expect(wereNew.toSorted()).toEqual([false, true, true]);
});

it('an order that is refused by its check is free again', async () => {
  const { simulation, request, jobs } = await shop();
  const failing = async () => {
    throw new Error('sold out');
  };
  await expect(simulation.until(submit(request.redlock, jobs, '7', failing))).rejects.toThrow('sold out');
  await simulation.until(submit(request.redlock, jobs, '7', looked));
});
