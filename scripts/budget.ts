// Counts what is to stay small in src, from the code as it is: npm run budget

import { measure } from './budget/budget.ts';

const { lines, longest, fields, copies } = await measure();

if (process.argv.includes('--json')) {
  console.log(JSON.stringify({ lines, longest, fields, copies: [...copies] }));
} else {
  const cells = (values: readonly (string | number)[]) =>
    values
      .map((value, index) => (index === 0 ? String(value).padEnd(46) : String(value).padStart(8)))
      .join(' ');
  console.log(cells(['what', 'before', 'now', 'budget']));
  for (const { what, before, now, budget } of lines) {
    console.log(`${cells([what, before ?? '–', now, budget])}${now > budget ? '' : '  reached'}`);
  }
  console.log('\nThe longest functions');
  for (const { where, name, lines: length } of longest)
    console.log(`${String(length).padStart(4)}  ${name}  src/${where}`);
  console.log(`\nMutable fields of the waiting state: ${fields.join(', ')}`);
  const twice = [...copies].map(([file, count]) => `${file} ${count} times`);
  console.log(`In the batch script more than once: ${twice.join(', ') || 'none'}`);
}
