import { fencingHeaders } from '../../../../src/fencing/index.ts';

export async function put(url: string, lock: { token: number }, body: string): Promise<void> {
  const response = await fetch(url, { method: 'PUT', body, headers: { ...fencingHeaders(lock) } });
  if (response.status === 412) throw new Error(`the lock has a newer holder: ${await response.text()}`);
}
