import { Redis } from 'ioredis';

/**
 * Counts the commands that this process sends, of any library: they all send with the same ioredis. A script is one
 * command, whatever it does on the server; the server's own counters add what scripts call, so they can't tell.
 */
export class CommandCounter {
  #sent = 0;

  /** Counts from now on. */
  constructor() {
    const { sendCommand } = Redis.prototype;
    const count = () => {
      this.#sent += 1;
    };
    Redis.prototype.sendCommand = function counted(...args) {
      count();
      return sendCommand.apply(this, args);
    };
  }

  get sent(): number {
    return this.#sent;
  }
}
