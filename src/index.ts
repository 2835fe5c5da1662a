export type { AbortSignalLike } from './base/abort-signal.ts';
export type { Clock, Timer } from './base/clock.ts';
export type { LockMode, NodeState, QuorlockChannels } from './base/diagnostics.ts';
export {
  ClosedError,
  type ErrorCode,
  type ErrorDetails,
  ExtendFailedError,
  InitializeError,
  LockExpiredError,
  LockHandedOverError,
  LockHeldError,
  LockLostError,
  LockReleasedError,
  NoQuorumError,
  NotALockError,
  type OwnHold,
  QuorlockError,
  UpgradeError,
  WaitTimeoutError,
} from './base/errors.ts';
export type { Random } from './base/random.ts';
export type { FailureReason, NodeVote, Reply } from './base/vote.ts';
export type { RedlockWarning } from './base/warning.ts';
export type { ReleaseReport } from './lock/lease.ts';
export type { Lock, LockJSON } from './lock/lock.ts';
export type { NodeStatus } from './membership/node-status.ts';
export type { Quarantine } from './membership/quarantine.ts';
export type { Held, HeldLock, WaitingCaller } from './redlock/held.ts';
export type { InspectedReader, Inspection, NodeInspection } from './redlock/inspection.ts';
export type { NodeSource } from './redlock/nodes.ts';
export type {
  AcquireOptions,
  AttemptPlan,
  OnOutage,
  ReadyOptions,
  RedlockOptions,
  TryAcquireOptions,
  UsingOptions,
} from './redlock/options.ts';
export type { Queue, QueuedProcess } from './redlock/queue.ts';
export type { ReadWriteLock } from './redlock/read-write.ts';
export type { Resources } from './redlock/resources.ts';
export type { Routine } from './redlock/routines.ts';
export type { Semaphore } from './redlock/semaphore.ts';
export type { Status } from './redlock/status.ts';
export { Redlock } from './redlock.ts';
export type { Client, ConnectionState, Subscription, SubscriptionEvents } from './wire/client.ts';
export type { DriverName } from './wire/clients/driver.ts';
