export {
  checkFencingToken,
  FENCING_TOKEN_HEADER,
  FencingHeaderError,
  fencingHeaders,
  fencingStatus,
  type RequestHeaders,
  readFencingToken,
} from './http-guard.ts';
export { type MemoryRegister, type MemoryRegisterOptions, memoryRegister } from './memory-register.ts';
export {
  type GuardedWriteOptions,
  type NodeRedisEval,
  type RedisEval,
  type RedisGuard,
  type RedisGuardOptions,
  redisGuard,
} from './redis-guard.ts';
export {
  type SqlConnectionGuard,
  type SqlGuard,
  type SqlGuardOptions,
  type SqlQuery,
  type SqlRows,
  type SqlStatement,
  sqlGuard,
} from './sql-guard.ts';
export { assertFencingToken, StaleTokenError } from './token.ts';
export type { TokenRegister } from './token-register.ts';
