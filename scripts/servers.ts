// Five masters on this machine, ports 7101 to 7105, until Ctrl-C: npm run servers
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findServerBinary } from './fleet/binary.ts';

const PORTS = [7101, 7102, 7103, 7104, 7105];

const binary = findServerBinary();
const directory = mkdtempSync(join(tmpdir(), 'quorlock-servers-'));
const servers = PORTS.map((port) =>
  spawn(binary, ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--dir', directory], {
    stdio: ['ignore', 'ignore', 'inherit'],
  }),
);
console.log(`${PORTS.length} masters on ports ${PORTS.join(', ')}. Ctrl-C stops them.`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    for (const server of servers) server.kill();
  });
}
await Promise.all(servers.map((server) => once(server, 'exit')));
rmSync(directory, { recursive: true, force: true });
if (servers.some(({ exitCode }) => exitCode !== 0)) {
  console.error(`A server ended by itself: is one of the ports ${PORTS.join(', ')} in use?`);
  process.exitCode = 1;
}
