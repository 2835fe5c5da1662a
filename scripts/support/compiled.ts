import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** What comes before code that is bundled from CommonJS modules: they ask for Node's own ones in their way. */
const REQUIRE =
  "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);";

const SCRIPT_FOLDERS = ['wire/lua', 'fencing/lua', 'cli/lua'];

/**
 * A program of this repository, compiled into one file in a temporary folder: what tsx adds to every closure would
 * cost a simulation more time than all else.
 */
export class Compiled implements Disposable {
  readonly #folder: string;
  /** The file that a process or a worker thread runs. */
  readonly path: string;

  private constructor(folder: string, path: string) {
    this.#folder = folder;
    this.path = path;
  }

  /**
   * @param entry the TypeScript file that is run
   * @param others files that it runs in its turn, which stand beside it under their own names
   * @param parent where its folder is made
   */
  static async make(
    entry: URL,
    { others = [], parent = tmpdir() }: { readonly others?: readonly URL[]; readonly parent?: string } = {},
  ): Promise<Compiled> {
    const folder = mkdtempSync(join(parent, 'quorlock-compiled-'));
    const path = join(folder, 'program.mjs');
    try {
      await build({
        entryPoints: [entry, ...others].map((each, index) => {
          const file = fileURLToPath(each);
          return { in: file, out: index === 0 ? 'program' : basename(file, '.ts') };
        }),
        outdir: folder,
        outExtension: { '.js': '.mjs' },
        bundle: true,
        format: 'esm',
        platform: 'node',
        target: 'node20',
        // It has a native part, and no program here connects with it.
        external: ['@valkey/valkey-glide'],
        banner: { js: REQUIRE },
        logLevel: 'error',
      });
      // The library reads its scripts from beside its own files, which are one file now.
      for (const scripts of SCRIPT_FOLDERS) {
        const source = fileURLToPath(new URL(`../../src/${scripts}`, import.meta.url));
        cpSync(source, join(folder, 'lua'), { recursive: true });
      }
      return new Compiled(folder, path);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
