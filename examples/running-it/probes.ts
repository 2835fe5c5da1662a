import { createServer, type Server } from 'node:http';
import type { Redlock } from 'quorlock';

/** Answers the probes of an orchestrator: /live as long as the program runs, /ready while it can get locks. */
export function probes(redlock: Redlock): Server {
  return createServer(async ({ url }, response) => {
    if (url === '/live') return response.writeHead(204).end();
    try {
      await redlock.ready({ timeout: 500 });
      return response.writeHead(204).end();
    } catch (error) {
      return response.writeHead(503).end(String(error));
    }
  });
}
