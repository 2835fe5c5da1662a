import { randomBytes } from 'node:crypto';

/** The source of chance. A simulation passes a seeded one and gets the same run again. */
export interface Random {
  /** A fraction in [0, 1), for delays. Need not be unpredictable. */
  fraction(): number;
  /** A fresh string of at least 128 random bits that no other process will draw. */
  identifier(): string;
}

export class SystemRandom implements Random {
  fraction(): number {
    return Math.random();
  }

  identifier(): string {
    return randomBytes(16).toString('base64url');
  }
}
