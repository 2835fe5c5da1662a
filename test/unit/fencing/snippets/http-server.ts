import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { fencingStatus, memoryRegister, readFencingToken } from '../../../../src/fencing/index.ts';

const documents = new Map<string, string>();
const register = memoryRegister();

export const server = createServer(async (request, response) => {
  try {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const body = await text(request);
    const token = readFencingToken(request.headers);
    // Nothing else gets at this document until the function has returned.
    const document = await register.run(pathname, token, () => {
      if (request.method === 'PUT') documents.set(pathname, body);
      return documents.get(pathname) ?? '';
    });
    response.end(document);
  } catch (error) {
    response.writeHead(fencingStatus(error) ?? 500).end(error instanceof Error ? error.message : 'failed');
  }
});
