/**
 * What is done about a node that may have lost its memory. `auto`: it waits until all it may have forgotten has
 * expired, but a deployment in which *no* node has a marker is new and starts at once. `strict`: it waits even then.
 * `off`: nothing; a node that restarts empty may give away a lock that is still held.
 */
export type Quarantine = 'auto' | 'strict' | 'off';
