// `npm run example <name>`: runs one of the examples, or lists them.
import { existsSync, readdirSync } from 'node:fs';

const [name] = process.argv.slice(2);
const names = readdirSync(new URL('.', import.meta.url)).filter((entry) =>
  existsSync(new URL(`${entry}/main.ts`, import.meta.url)),
);

if (name !== undefined && names.includes(name)) {
  await import(`./${name}/main.ts`);
} else {
  console.error(`npm run example <name>, where the name is one of\n  ${names.join('\n  ')}`);
  process.exitCode = 2;
}
