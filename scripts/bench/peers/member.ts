import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { FromWorker, ToWorker } from '../../../bench/worker/protocol.ts';

const ENDED_WITHIN_MS = 3_000;
const STDERR_TAIL_CHARACTERS = 2_000;

/** What a process answers to a message of some kind. */
export type Answer<Kind extends FromWorker['kind']> = Extract<FromWorker, { kind: Kind }>;

/** A process ended, or did not answer in time. What it was to measure is lost. */
export class MemberError extends Error {
  override readonly name = 'MemberError';
}

/** A process of contenders, see bench/worker/worker.ts. */
export class Member {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #stderr = '';

  /** @param program its compiled code */
  constructor(program: string) {
    this.#child = fork(program, {
      // Without the loader that this process runs with: compiled code is what users run.
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // Moments are bigints.
      serialization: 'advanced',
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_TAIL_CHARACTERS);
    });
    // Both, so that all it wrote has been read: 'close' does not come to one whose channel was closed from here.
    const { stderr } = this.#child;
    this.#exited = Promise.all([once(this.#child, 'exit'), stderr && once(stderr, 'close')]).catch(
      (error: unknown) => {
        this.#stderr += String(error);
      },
    );
  }

  /**
   * Says something, and resolves with the answer.
   *
   * @throws {MemberError} no such answer within `withinMs`, or the process has ended
   */
  async tell<Kind extends FromWorker['kind']>(
    message: ToWorker,
    kind: Kind,
    withinMs: number,
  ): Promise<Answer<Kind>> {
    const done = new AbortController();
    const { signal } = done;
    const ended = async (): Promise<never> => {
      await this.#exited;
      throw new MemberError(`a process of contenders has ended:\n${this.#stderr.trim()}`);
    };
    const late = async (): Promise<never> => {
      await delay(withinMs, undefined, { signal });
      throw new MemberError(`a process of contenders did not answer within ${withinMs} ms`);
    };
    try {
      const answered = once(this.#child, 'message', { signal });
      if (this.#child.connected) this.#child.send(message, () => undefined);
      const [answer] = (await Promise.race([answered, ended(), late()])) as [FromWorker];
      if (isOfKind(answer, kind)) return answer;
      throw new MemberError(`a process of contenders answered ${answer.kind} instead of ${kind}`);
    } finally {
      done.abort();
    }
  }

  /** Ends it in the middle of whatever it does. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Resolves when the process has gone: of itself, or else killed. */
  async end(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    const impatience = setTimeout(() => this.#child.kill('SIGKILL'), ENDED_WITHIN_MS);
    await this.#exited;
    clearTimeout(impatience);
  }
}

function isOfKind<Kind extends FromWorker['kind']>(answer: FromWorker, kind: Kind): answer is Answer<Kind> {
  return answer.kind === kind;
}
