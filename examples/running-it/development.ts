import { Redlock } from 'quorlock';

/** One server that is started with everything else, for development alone. */
export function onlyHere(url = 'redis://127.0.0.1:6379'): Redlock {
  return new Redlock([url], { quarantine: 'off' });
}
