// Checks the models in test/model with Spin: every rule of the protocol must hold, and every
// weakened rule must give its counterexample. See test/model/README.md.
//
//   npm run model                     all rows
//   npm run model -- --quick          the small ones
//   npm run model -- --trace NAME     one weakened rule, told step by step

import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const MODELS = fileURLToPath(new URL('../test/model/', import.meta.url));
const MEMORY_LIMIT_MIB = 4000;
const DEPTH_LIMIT = 5_000_000;
const ROW_LIMIT_MS = 20 * 60_000;

const HOLDS = { kind: 'holds' };
const breaks = (property, steps) => ({ kind: 'breaks', property, steps });
const reaches = (steps) => ({ kind: 'reaches', steps });

/** One run each. `flags` are the model's compile-time switches. */
const ROWS = [
  // The full rules.
  row('plain-3-2', 'protocol', 3, 2, ['MAX_COUNTER=4'], HOLDS),
  row('apart-3-2', 'protocol', 3, 2, ['REDUCE'], HOLDS, 'quick'),
  row('merged-4-2', 'protocol', 4, 2, ['REDUCE', 'MERGE'], HOLDS, 'quick'),
  row('merged-3-3', 'protocol', 3, 3, ['REDUCE', 'MERGE'], HOLDS),
  row('merged-5-2', 'protocol', 5, 2, ['REDUCE', 'MERGE'], HOLDS),
  row('merged-plain-3-3', 'protocol', 3, 3, ['MERGE', 'MAX_COUNTER=3'], HOLDS),
  row('validity-3-2', 'validity', 3, 2, ['REDUCE'], HOLDS, 'quick'),
  row('validity-3-3', 'validity', 3, 3, ['REDUCE'], HOLDS),
  row('validity-5-2', 'validity', 5, 2, ['REDUCE'], HOLDS),
  row('reserved-3-2', 'protocol', 3, 2, ['REDUCE', 'RESERVE'], HOLDS),
  row('reserved-validity-3-2', 'validity', 3, 2, ['REDUCE', 'RESERVE'], HOLDS, 'quick'),
  row('reserved-validity-3-3', 'validity', 3, 3, ['REDUCE', 'RESERVE'], HOLDS),
  // Blocks of several tokens, of all sizes up to K mixed.
  row('blocks-apart-3-2', 'protocol', 3, 2, ['REDUCE', 'K=2', 'MAX_COUNTER=4'], HOLDS, 'quick'),
  row('blocks-reserved-3-2', 'protocol', 3, 2, ['REDUCE', 'RESERVE', 'K=2', 'MAX_COUNTER=4'], HOLDS),
  row('blocks-3-2', 'protocol', 3, 2, ['REDUCE', 'MERGE', 'K=3', 'MAX_COUNTER=7'], HOLDS),
  row('blocks-5-2', 'protocol', 5, 2, ['REDUCE', 'MERGE', 'K=2', 'MAX_COUNTER=4'], HOLDS),
  row('blocks-3-3', 'protocol', 3, 3, ['REDUCE', 'MERGE', 'K=2', 'MAX_COUNTER=5'], HOLDS),
  // Leases that are given away to other processes, of which several may be sent one.
  row('adopt-3-2', 'protocol', 3, 2, ['SORT', 'ADOPT=2', 'MAX_COUNTER=4'], HOLDS),
  row('adopt-5-2', 'protocol', 5, 2, ['SORT', 'ADOPT=1', 'MAX_COUNTER=2'], HOLDS),
  row('adopt-chain-3-1', 'protocol', 3, 1, ['SORT', 'ADOPT=3', 'MAX_COUNTER=4'], HOLDS, 'quick'),
  row('adopt-blocks-3-2', 'protocol', 3, 2, ['SORT', 'ADOPT=1', 'K=2', 'MAX_COUNTER=4'], HOLDS),
  row('adopt-validity-3-2', 'validity', 3, 2, ['REDUCE', 'ADOPT=1', 'LONG=3'], HOLDS),
  row('adopt-validity-3-1', 'validity', 3, 1, ['REDUCE', 'ADOPT=2', 'LONG=3'], HOLDS),
  // Not a weakened rule: shows that the search does reach extensions after several wins.
  row('witness', 'protocol', 3, 2, ['WITNESS'], reaches(13)),
  // One rule weakened at a time.
  row('no-confirm', 'protocol', 3, 2, ['NO_CONFIRM'], breaks('P1', 9), 'quick'),
  row('no-confirm-order', 'protocol', 3, 2, ['NO_CONFIRM', 'WITHOUT_P1'], breaks('P2', 9)),
  row('no-owner-check', 'protocol', 3, 2, ['NO_OWNER_CHECK'], breaks('P1', 11), 'quick'),
  row('no-confirm-counter-check', 'protocol', 3, 2, ['NO_CONFIRM_COUNTER_CHECK'], breaks('P1', 13)),
  row('no-counter-check', 'protocol', 3, 2, ['NO_COUNTER_CHECK'], breaks('P3', 14)),
  row('owner-only-extend', 'protocol', 3, 2, ['OWNER_ONLY_EXTEND'], breaks('P3', 15)),
  row('owner-only-extend-once', 'protocol', 3, 2, ['OWNER_ONLY_EXTEND', 'ACQUIRE_ONCE'], breaks('P3', 15)),
  row('old-answers', 'protocol', 3, 2, ['OLD_ANSWERS'], breaks('P3', 14)),
  row('handoff-keeps-counter', 'protocol', 3, 2, ['HANDOFF_KEEPS_COUNTER'], breaks('P1', 8), 'quick'),
  row('node-forgets', 'protocol', 3, 2, ['NODE_FORGETS'], breaks('P1', 9)),
  row('shortening-extension', 'validity', 3, 2, ['SHORTENING_EXTENSION'], breaks('P4', 12), 'quick'),
  row('acquire-sets-expiry', 'validity', 3, 2, ['ACQUIRE_SETS_EXPIRY'], breaks('P4', 15)),
  row('old-answers-validity', 'validity', 3, 2, ['OLD_ANSWERS'], breaks('P4', 15)),
  row('validity-from-answer', 'validity', 3, 2, ['VALIDITY_FROM_ANSWER'], breaks('P4', 12)),
  row('no-drift', 'validity', 3, 2, ['NO_DRIFT'], breaks('P4', 10)),
  row('handoff-early', 'validity', 3, 2, ['HANDOFF_EARLY'], breaks('P4', 8), 'quick'),
  row('raised-by-one', 'protocol', 3, 2, ['RAISED_BY_ONE', 'K=2', 'MAX_COUNTER=4'], breaks('P1', 9), 'quick'),
  row(
    'raised-by-one-order',
    'protocol',
    3,
    2,
    ['RAISED_BY_ONE', 'WITHOUT_P1', 'K=2', 'MAX_COUNTER=4'],
    breaks('P2', 9),
  ),
  row('past-block', 'protocol', 3, 2, ['PAST_BLOCK', 'K=2', 'MAX_COUNTER=4'], breaks('P1', 10), 'quick'),
  row('block-in-memory', 'protocol', 3, 3, ['MERGE', 'BLOCK_IN_MEMORY', 'K=2'], breaks('P1', 9)),
  row(
    'reserved-keeps-counter',
    'protocol',
    3,
    2,
    ['RESERVE', 'RESERVED_KEEPS_COUNTER'],
    breaks('P1', 9),
    'quick',
  ),
  row('reserved-over-owner', 'validity', 3, 2, ['RESERVE', 'RESERVED_OVER_OWNER'], breaks('P4', 9), 'quick'),
  row('call-is-grant', 'validity', 3, 2, ['RESERVE', 'CALL_IS_GRANT'], breaks('P4', 9), 'quick'),
  row('two-callers', 'validity', 3, 2, ['TWO_CALLERS'], breaks('P4', 5), 'quick'),
  row('past-validity', 'validity', 3, 2, ['HAND_OVER_PAST_VALIDITY'], breaks('P5', 10), 'quick'),
  row(
    'past-validity-own-ttl',
    'validity',
    3,
    2,
    ['HAND_OVER_PAST_VALIDITY', 'CALLERS_OWN_TTL'],
    breaks('P4', 10),
  ),
  row('unextended', 'validity', 3, 2, ['HAND_OVER_UNEXTENDED'], breaks('P4', 11), 'quick'),
  row('before-agreed', 'validity', 3, 2, ['HAND_OVER_BEFORE_AGREED'], breaks('P4', 12)),
  row('adopt-lost', 'protocol', 3, 1, ['ADOPT=2', 'ADOPT_LOST'], breaks('P1', 14), 'quick'),
  row('adopt-any', 'protocol', 3, 1, ['ADOPT=2', 'ADOPT_ANY'], breaks('P1', 13), 'quick'),
  row('adopt-keeps-counter', 'protocol', 3, 1, ['ADOPT=2', 'ADOPT_KEEPS_COUNTER'], breaks('P1', 16), 'quick'),
  row('adopt-unchecked', 'protocol', 3, 1, ['ADOPT=2', 'ADOPT_UNCHECKED'], breaks('P1', 16), 'quick'),
  row('adopt-minority', 'protocol', 3, 1, ['ADOPT=2', 'ADOPT_MINORITY'], breaks('P1', 11), 'quick'),
  row('shared-value', 'protocol', 3, 1, ['ADOPT=2', 'SHARED_VALUE'], breaks('P1', 13), 'quick'),
  row('giver-goes-on', 'protocol', 3, 1, ['ADOPT=1', 'GIVER_GOES_ON'], breaks('P1', 9), 'quick'),
  row('giver-goes-on-alone', 'validity', 3, 2, ['ADOPT=1', 'GIVER_GOES_ON'], breaks('P4', 8), 'quick'),
  row('by-message', 'validity', 3, 2, ['ADOPT=1', 'ADOPT_BY_MESSAGE'], breaks('P4', 13)),
  row('early-expiry', 'validity', 3, 2, ['EARLY_EXPIRY'], breaks('P4', 9)),
  row('early-expiry-order', 'validity', 3, 2, ['EARLY_EXPIRY', 'WITHOUT_P4'], breaks('P5', 10)),
];

function row(name, model, nodes, attempts, flags, expected, quick) {
  return { name, model, nodes, attempts, flags, expected, quick: quick === 'quick' };
}

const tell = (text) => process.stdout.write(`${text}\n`);

function stop(message) {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

/* ---- Tools ---- */

const answers = (command, flag, pattern) => {
  const { status, stdout } = spawnSync(command, [flag], { encoding: 'utf8' });
  return status === 0 && pattern.test(stdout);
};

const hasSpin = () => answers('spin', '-V', /Spin Version/);

function findCompiler() {
  return [process.env.CC, 'gcc', 'clang', 'cc'].find((name) => name && answers(name, '--version', /./));
}

function findTools() {
  const compiler = findCompiler();
  if (!compiler) {
    stop('A C compiler is needed. Debian: apt-get install gcc libc6-dev. macOS: xcode-select --install.');
  }
  if (!hasSpin() && process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
    tell('spin is missing: apt-get install -y --no-install-recommends spin');
    const install = () => {
      spawnSync('apt-get', ['install', '-y', '--no-install-recommends', 'spin'], { stdio: 'ignore' });
      return hasSpin();
    };
    if (!install()) {
      spawnSync('apt-get', ['update'], { stdio: 'ignore' });
      install();
    }
  }
  if (!hasSpin()) {
    stop(
      'The model checker Spin (6.5 or later) is needed. Debian: apt-get install --no-install-recommends spin. ' +
        'macOS: brew install spin. Elsewhere: https://spinroot.com.',
    );
  }
  return compiler;
}

/* ---- One run ---- */

let running;

/** Runs a command to its end and returns all it printed, with its exit code. */
function run(directory, command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: directory, timeout: ROW_LIMIT_MS, killSignal: 'SIGKILL' });
    running = child;
    const chunks = [];
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => chunks.push(chunk));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, text: Buffer.concat(chunks).toString() }));
  });
}

async function mustRun(directory, command, args) {
  const result = await run(directory, command, args);
  if (result.code !== 0) {
    throw new Error(
      `${command} ${args.join(' ')} ended with ${result.signal ?? result.code}:\n${result.text}`,
    );
  }
  return result.text;
}

/** Full rules: depth first. Weakened ones: breadth first, for a shortest counterexample. */
const isBreadthFirst = ({ expected }) => expected.kind !== 'holds';

const compilerFlags = (row) => [
  ...['-w', '-O1', '-DSAFETY', '-DNOREDUCE', '-DNOFAIR', '-DNOBOUNDCHECK', `-DMEMLIM=${MEMORY_LIMIT_MIB}`],
  isBreadthFirst(row) ? '-DBFS' : '-DSFH',
];

const number = (text, pattern) => Number(pattern.exec(text)?.[1] ?? Number.NaN);

const spinFlags = (row, compiler) => [
  `-P${compiler} -E -x c`,
  `-DN=${row.nodes}`,
  `-DA=${row.attempts}`,
  ...row.flags.map((flag) => `-D${flag}`),
];

/** What one run found: `outcome` is `holds`, `breaks`, `reaches` or `unclear`. */
async function check(row, compiler, directory) {
  const file = `${row.model}.pml`;
  const flags = spinFlags(row, compiler);
  copyFileSync(join(MODELS, file), join(directory, file));
  await mustRun(directory, 'spin', [...flags, '-a', file]);
  await mustRun(directory, compiler, [...compilerFlags(row), '-o', 'pan', 'pan.c']);
  const started = performance.now();
  // -E: that every counter is at its bound, or every attempt has ended, is not an error.
  const { code, text } = await run(directory, join(directory, 'pan'), ['-n', '-E', `-m${DEPTH_LIMIT}`]);
  const seconds = (performance.now() - started) / 1000;
  const result = {
    states: number(text, /(\S+) states, stored/),
    depth: number(text, /depth reached (\d+)/),
    memory: number(text, /(\S+)\s+total actual memory usage/),
    seconds,
    text,
  };
  const errors = number(text, /errors: (\d+)/);
  if (errors === 0 && code === 0 && !/not completed|too small|limit|out of memory/i.test(text)) {
    return { ...result, outcome: 'holds' };
  }
  if (errors === 1 && existsSync(join(directory, `${file}.trail`))) {
    return { ...result, ...(await readTrail(directory, flags, file)) };
  }
  return { ...result, outcome: 'unclear' };
}

/** The story of a counterexample: one line per step, indented lines belong to the one before. */
async function readTrail(directory, flags, file) {
  const { text } = await run(directory, 'spin', [...flags, '-t', '-T', '-B', file]);
  const lines = text.split('\n').filter((line) => !line.startsWith('spin:'));
  const end = lines.findIndex((line) => /^(P\d broken|reached):/.test(line));
  if (end < 0) return { outcome: 'unclear' };
  const trail = lines.slice(0, end);
  return {
    outcome: lines[end].startsWith('reached') ? 'reaches' : 'breaks',
    property: lines[end].slice(0, 2),
    steps: trail.filter((line) => !line.startsWith(' ')).length,
    trail,
    verdict: lines[end],
  };
}

/* ---- The table ---- */

function words({ kind, outcome, property, steps }) {
  switch (kind ?? outcome) {
    case 'holds':
      return 'holds';
    case 'breaks':
      return `breaks ${property} in ${steps} steps`;
    case 'reaches':
      return `reached in ${steps} steps`;
    default:
      return 'no answer';
  }
}

const COLUMNS = [
  ['row', 26],
  ['model', 10],
  ['nodes', 6],
  ['attempts', 9],
  ['states', 11],
  ['depth', 7],
  ['seconds', 8],
  ['MiB', 6],
  ['expected', 23],
  ['got', 0],
];

const line = (cells) => cells.map((cell, index) => String(cell).padEnd(COLUMNS[index][1])).join(' ');

const isExpected = (row, result) => words(row.expected) === words(result);

function tellRow(row, result) {
  const mark = isExpected(row, result) ? '' : '   <-- UNEXPECTED';
  const counts = [result.states, result.depth, result.seconds.toFixed(1), Math.round(result.memory)];
  const cells = [row.name, row.model, row.nodes, row.attempts, ...counts, words(row.expected), words(result)];
  tell(line(cells) + mark);
}

function tellTrail({ trail, verdict }) {
  let step = 0;
  for (const text of trail) {
    if (!text.startsWith(' ')) step += 1;
    tell(text.startsWith(' ') ? `     ${text}` : `${String(step).padStart(3)}  ${text}`);
  }
  tell(`     ${verdict}`);
}

/** Not the turns of a loop, nor the start of the processes. */
const saysSomething = (text) =>
  !/\[(DO|IF|else|break|sub-sequence|\(1\)|\.?\(?goto.*|[ijk] = .*)\]$|:init:|^Starting|^\s*$/.test(text);

/** Everything there is to know about a run that went wrong. */
async function tellFailure(row, result, compiler, directory) {
  if (result.trail) {
    tellTrail(result);
    const file = `${row.model}.pml`;
    const { text } = await run(directory, 'spin', [...spinFlags(row, compiler), '-t', '-p', '-T', file]);
    tell(text.split('\n').filter(saysSomething).join('\n'));
    if (row.flags.includes('REDUCE')) {
      tell('(REDUCE sorts nodes and attempts after each step, so a name here may mean another one there.)');
    }
  } else {
    tell(result.text);
  }
}

/* ---- The command ---- */

function readOptions() {
  try {
    const options = { quick: { type: 'boolean' }, trace: { type: 'string' } };
    const { values } = parseArgs({ options });
    return values;
  } catch (error) {
    return stop(`${error.message}\nUsage: npm run model [-- --quick | --trace NAME]`);
  }
}

const traceable = ROWS.filter(isBreadthFirst);

function chooseRows({ quick, trace }) {
  if (trace === undefined) return ROWS.filter((row) => !quick || row.quick);
  const chosen = traceable.filter((row) => row.name === trace);
  if (chosen.length === 0) {
    stop(`No weakened rule is called ${trace}. There are: ${traceable.map((row) => row.name).join(', ')}.`);
  }
  return chosen;
}

async function main() {
  const options = readOptions();
  const rows = chooseRows(options);
  const compiler = findTools();
  const directory = mkdtempSync(join(tmpdir(), 'quorlock-model-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      running?.kill('SIGKILL');
      process.exit(130);
    });
  }

  let failed = 0;
  tell(line(COLUMNS.map(([name]) => name)));
  for (const row of rows) {
    const place = mkdtempSync(join(directory, `${row.name}-`));
    const result = await check(row, compiler, place);
    tellRow(row, result);
    if (!isExpected(row, result)) {
      failed += 1;
      await tellFailure(row, result, compiler, place);
    } else if (options.trace !== undefined) {
      tellTrail(result);
    }
    rmSync(place, { recursive: true, force: true });
  }
  tell(`${rows.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

await main();
