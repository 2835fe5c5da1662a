import type { WallClockSetting } from '../../../fleet/wall-clock.ts';
import type { Ability } from '../../plan.ts';

/** One Redis server that can be hurt: a process of this machine, or a container. */
export interface MasterServer {
  /** Where it listens on 127.0.0.1, as long as it lives and after every restart. */
  readonly port: number;
  /** Where another server of the fleet reaches it. */
  peer(): Promise<{ readonly host: string; readonly port: number }>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** It stands still, and its connections stay open. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Starts it again, after killing it if it runs: with what it has on disk, or without. */
  restart(memory: 'kept' | 'lost'): Promise<void>;
  /** Leaves it a small share of a processor. Returns how to give it back. */
  starve(): Promise<() => Promise<void>>;
  setWallClock(setting: WallClockSetting): Promise<void>;
  /** Takes it off its network. Returns how to put it back. */
  disconnect(): Promise<() => Promise<void>>;
}

/** A fleet of servers before anything stands in front of them. */
export interface ServerFleet extends AsyncDisposable {
  readonly servers: readonly MasterServer[];
  /** Not a master of the deployment, for now. */
  readonly spare: MasterServer | undefined;
  readonly abilities: ReadonlySet<Ability>;
  /** What it is, in words. */
  readonly description: string;
}
