import { describe, expect, it } from 'vitest';
import { runScript } from '../support/scripts.ts';

describe('npm run soak', () => {
  it('says that nothing was run if time was over before the first run, and fails', async () => {
    const { code, output } = await runScript('soak.ts', '--minutes', '0.0001', '--mode', 'inside');
    expect(output).toContain('Nothing was run');
    expect(output).not.toContain('Every promise held');
    expect(code).toBe(1);
  }, 60_000);
});

describe('npm run test:environments', () => {
  it('names the environments, and says of a name that is none where to look', async () => {
    const { code, output } = await runScript('environments.ts', '--help');
    expect(output).toMatch(/^Usage: npm run test:environments -- [\s\S]*\n {2}jest 30/);
    expect(code).toBe(0);
    const { code: complaint, output: said } = await runScript('environments.ts', 'no-such-name');
    expect(said).toContain('See npm run test:environments -- --help');
    expect(complaint).toBe(2);
  }, 60_000);
});

describe('npm run bench', () => {
  it('has a --help, which names every scenario and option', async () => {
    const { code, output } = await runScript('bench.ts', '--help');
    expect(output).toMatch(/^Usage: npm run bench -- /);
    const { output: complaint } = await runScript('bench.ts', 'no-such-scenario');
    const [, names = ''] = /there are ([\w, -]+)/.exec(complaint) ?? [];
    expect(names.split(', ')).toHaveLength(13);
    for (const name of names.split(', ')) expect(output).toMatch(new RegExp(`^  ${name} `, 'm'));
    for (const option of ['--rounds', '--draw', '--help']) expect(output).toContain(option);
    expect(code).toBe(0);
  }, 60_000);

  it('says of an option that it does not have where to look', async () => {
    const { code, output } = await runScript('bench.ts', '--hepl');
    expect(output).toContain("'--hepl'");
    expect(output).toContain('See npm run bench -- --help');
    expect(code).toBe(2);
  }, 60_000);
});
