import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { onlyHere } from '../../examples/running-it/development.ts';
import { probes } from '../../examples/running-it/probes.ts';
import { Fleet } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import { Redlock } from '../../src/index.ts';
import { nodeAt, PATIENT, startDeployment, untilAllVote } from '../support/deployment.ts';

const root = new URL('../../', import.meta.url);
const page = await readFile(new URL('docs/running-it.md', root), 'utf8');

/** The YAML that the page shows, document by document. */
const documents = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].flatMap(([, text = '']) =>
  parseAllDocuments(text, { merge: true }),
);

interface StatefulSet {
  readonly spec: {
    readonly minReadySeconds: number;
    readonly template: {
      readonly spec: {
        readonly containers: readonly [
          {
            readonly args: readonly string[];
            readonly readinessProbe: { readonly exec: { readonly command: string[] } };
          },
        ];
      };
    };
  };
}

const statefulSet = (): StatefulSet =>
  documents.map((document) => document.toJS()).find(({ kind }) => kind === 'StatefulSet');

describe('docs/running-it.md', () => {
  it('shows YAML without a fault', () => {
    expect(documents.map(({ errors, warnings }) => [...errors, ...warnings])).toEqual(
      documents.map(() => []),
    );
    expect(documents.map((document) => document.toJS().kind)).toEqual([
      'Service',
      'StatefulSet',
      'PodDisruptionBudget',
      undefined,
    ]);
  });

  it('lets a pod be available after the longest quarantine of the default maxTtl', () => {
    expect(statefulSet().spec.minReadySeconds).toBeGreaterThan(30 * 1.01 + 2.1);
  });
});

describe('the masters of the page', () => {
  it('start with those arguments, and their probe says when they vote', async () => {
    const [container] = statefulSet().spec.template.spec.containers;
    await using fleet = await Fleet.start(3, { directives: container.args });
    const { port } = nodeAt(fleet, 0);
    const [shell = '', flag = '', script = ''] = container.readinessProbe.exec.command;
    const probe = script.replaceAll('redis-cli', `redis-cli -p ${port}`);
    const isReady = () =>
      promisify(execFile)(shell, [flag, probe]).then(
        () => true,
        () => false,
      );
    expect(await isReady()).toBe(false);
    await using redlock = new Redlock(fleet.urls, { ...PATIENT, nodeTimeout: 2_000, maxTtl: 2_500 });
    await eventually('it votes', isReady);
    await untilAllVote(redlock);
    await nodeAt(fleet, 0).restart();
    expect(await isReady()).toBe(false);
    await eventually('it votes again', isReady);
  });

  it('are what the probes of a program look at', async () => {
    await using fleet = await startDeployment(3);
    await using redlock = new Redlock(fleet.urls, PATIENT);
    const server = probes(redlock).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const ask = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      return `${response.status} ${await response.text()}`;
    };
    await eventually('it is ready', async () => (await ask('/ready')) === '204 ');
    await Promise.all([nodeAt(fleet, 0).kill(), nodeAt(fleet, 1).kill()]);
    await eventually('it is not ready', async () =>
      /^503 NoQuorumError: no quorum/.test(await ask('/ready')),
    );
    expect(await ask('/live')).toBe('204 ');
    server.close();
    server.closeAllConnections();
  });

  it('may be one for development, which votes at once after a restart', async () => {
    await using fleet = await Fleet.start(1);
    await using redlock = onlyHere(nodeAt(fleet, 0).url);
    await (await redlock.acquire('r')).release();
    await nodeAt(fleet, 0).restart();
    await redlock.ready({ timeout: 60_000 });
  });
});
