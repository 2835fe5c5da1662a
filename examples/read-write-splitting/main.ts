// Many readers and a writer, over a primary and a read copy that lags: who reads where, and sees what he must see?
import { openRedlock, startMasters } from '../support/masters.ts';
import { printTable } from '../support/table.ts';
import { Replicated } from './replicated.ts';
import { Session, type Source, write } from './session.ts';

const ARTICLES = 10;
const EDITS = 8;
const READERS = 20;

await using masters = await startMasters();
await using databases = await Replicated.start(ARTICLES);
await using redlock = openRedlock(masters.urls);

printTable(
  `One writer edits, and ${READERS} readers who are told of it read that article and all others`,
  ['reading from', 'reads', 'by the primary', 'by the copy', 'older than what the reader was told of'],
  [await run('primary'), await run('copy'), await run('copy, by token')],
);

async function run(source: Source) {
  const readers = Array.from({ length: READERS }, () => new Session(source, databases));
  let stale = 0;
  for (let edit = 1; edit <= EDITS; edit++) {
    const edited = 1 + (edit % ARTICLES);
    const token = await write(redlock, databases, edited, `edit ${edit}`);
    await Promise.all(
      readers.map(async (reader) => {
        reader.knows(edited, token);
        for (let id = 1; id <= ARTICLES; id++) {
          const { fence } = await reader.read(id);
          if (id === edited && fence < token) stale += 1;
        }
      }),
    );
  }
  const sum = (count: (reader: Session) => number) => readers.reduce((total, each) => total + count(each), 0);
  const [primary, copy] = [sum(({ fromPrimary }) => fromPrimary), sum(({ fromCopy }) => fromCopy)];
  return [source, primary + copy, primary, copy, stale];
}
