/** The exit codes of the command: those of sysexits.h, of timeout(1) and of shells where they have one for the case. */
export const EXIT = {
  ok: 0,
  /** `doctor` found what may fail some day. */
  warnings: 1,
  /** `doctor` found what makes locks unsafe, or keeps a node from voting. */
  errors: 2,
  usage: 64,
  noQuorum: 69,
  /** The command itself is at fault. */
  internal: 70,
  held: 75,
  lost: 76,
  /** The command ran for longer than `--max-hold`. */
  tooLong: 124,
  notExecutable: 126,
  notFound: 127,
} as const;

/** The exit code of a program that a signal ended is this and the signal's number. */
export const BY_SIGNAL = 128;

/** Ends the command with a message and an exit code. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Arguments that make no sense; the message says which, and what to write instead. */
export class UsageError extends CommandError {
  constructor(message: string) {
    super(message, EXIT.usage);
  }
}
