/**
 * Remembers the highest fencing token of every resource. Each guard of this module is one or gives
 * one; a store of your own becomes one by this single method.
 */
export interface TokenRegister {
  /**
   * Registers a token: from now on every lower one is refused. The same token may come again.
   * Comparing and remembering must be one atomic step.
   *
   * @param resource any non-empty string; the one name under which all holders know the resource.
   * @param token `lock.token`, 1 … 2^53 − 1.
   * @throws StaleTokenError when a higher token was registered before. It is thrown and not returned
   * as a boolean, because a result can be overlooked.
   */
  register(resource: string, token: number): Promise<void>;
}
