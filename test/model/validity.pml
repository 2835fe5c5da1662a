/*
 * The lock protocol in time: can two locks be valid at once?
 *
 * Time passes in ticks, without end. A key has a time to live on its node; a lock that was won
 * is valid until its validity ends. Messages as in protocol.pml: late, lost, reordered, doubled.
 * A node's clock is at fault by SKEW ticks in the life of a key: the key may expire that much
 * early, and any time later. The client takes DRIFT off for it.
 *
 * Counters are left out: EXTEND takes an unowned key whatever its counter says, which permits
 * more than the rule c <= t does and more than "owner only" does. So what holds here holds
 * with and without fencing. CONFIRM only delays the moment at which a lock is won, and that may
 * be any moment here.
 *
 * Checked in `win`:
 *   P4  two locks are never valid at the same time.
 *
 * -DN=nodes (3 or 5), -DA=attempts (2 or 3). Weakened rules, each of which breaks P4:
 * SHORTENING_EXTENSION, ACQUIRE_SETS_EXPIRY, OLD_ANSWERS, VALIDITY_FROM_ANSWER, NO_DRIFT,
 * HANDOFF_EARLY.
 */
#ifndef N
#define N 3
#endif
#ifndef A
#define A 2
#endif
#define QUORUM (N / 2 + 1)

/* The times to live that an ACQUIRE or an EXTEND may ask for, in ticks. */
#ifndef LONG
#define LONG 4
#endif
#ifndef SHORT
#define SHORT 2
#endif
#define SKEW 1
#ifdef NO_DRIFT
#define DRIFT 0
#else
#define DRIFT 1
#endif

/* Where an attempt is. From ASKING on its ACQUIRE is in the network; when it has ENDED, for
   whatever reason, its RELEASE is too. HOLDING and EXTENDING: the lock is valid. */
#define IDLE 0
#define ASKING 1
#define HOLDING 2
#define EXTENDING 3
#define ENDED 4

typedef Node {
  byte owner;          /* 0: unowned, else an attempt, 1 .. A */
  byte life;           /* ticks until the key may expire */
  bool heard[A + 1]    /* by each attempt: its ACQUIRE, or its latest EXTEND, was accepted */
}

typedef Attempt {
  byte phase;
  byte ttl;            /* of its ACQUIRE */
  byte left;           /* ticks of validity left; it counts from T1, won or not */
  byte extension;      /* the ttl of the latest EXTEND */
  byte extensionLeft;  /* the validity that this would give */
  bool sentLong, sentShort /* the EXTENDs that are in the network */
}

Node node[N];
Attempt at[A + 1];

#ifdef REDUCE
hidden byte i, j, k, swap;
hidden int lhs, rhs;
#else
byte i, j;
#endif

#define NAME(a) (64 + a)

/* REDUCE. Nodes are interchangeable: they are kept sorted. */
#ifdef REDUCE
#define SWAP(x, y) swap = x; x = y; y = swap

inline node_key(n, key) {
  key = node[n].owner * 16 + node[n].life;
  for (i : 1 .. A) { key = key * 2 + node[n].heard[i] }
}

inline settle() {
  d_step {
    for (j : 1 .. N - 1) {
      for (k : 0 .. N - 1 - j) {
        node_key(k, lhs);
        node_key((k + 1), rhs);
        if
        :: lhs > rhs ->
          SWAP(node[k].owner, node[k + 1].owner);
          SWAP(node[k].life, node[k + 1].life);
          for (i : 1 .. A) { SWAP(node[k].heard[i], node[k + 1].heard[i]) }
        :: else
        fi
      }
    }
    i = 0; j = 0
  }
}
#else
inline settle() { d_step { i = 0; j = 0 } }
#endif

#define VALID(a) (at[a].phase == HOLDING || at[a].phase == EXTENDING)

/* ---- An attempt ---- */

inline forget_answers(a) {
  for (i : 0 .. N - 1) { node[i].heard[a] = false }
}

inline start(a, ms) {
  at[a].phase = ASKING;
  at[a].ttl = ms;
  at[a].left = ms - DRIFT;
  printf("%c starts, ttl %d\n", NAME(a), ms)
}

inline end(a) {
  at[a].phase = ENDED;
  at[a].left = 0;
  at[a].extension = 0;
  at[a].extensionLeft = 0;
  for (j : 0 .. N - 1) { node[j].heard[a] = false }
}

inline win(a) {
#ifdef VALIDITY_FROM_ANSWER
  at[a].left = at[a].ttl - DRIFT;
#endif
  at[a].phase = HOLDING;
  forget_answers(a);
  printf("%c wins, valid for %d\n", NAME(a), at[a].left);
  for (i : 1 .. A) {
    if
    :: i != a && VALID(i) -> printf("P4 broken: %c is still valid for %d\n", NAME(i), at[i].left); assert(false)
    :: else
    fi
  }
}

/* A new round. The last one may have failed: that leaves the lock as it is. */
inline send_extension(a, ms) {
  at[a].phase = EXTENDING;
  at[a].extension = ms;
  at[a].extensionLeft = ms - DRIFT;
  if :: ms == LONG -> at[a].sentLong = true :: else -> at[a].sentShort = true fi
#ifndef OLD_ANSWERS
  forget_answers(a);
#endif
  printf("%c sends an extension, ttl %d\n", NAME(a), ms)
}

inline extended(a) {
#ifdef SHORTENING_EXTENSION
  at[a].left = at[a].extensionLeft;
#else
  if :: at[a].extensionLeft > at[a].left -> at[a].left = at[a].extensionLeft :: else fi
#endif
  at[a].phase = HOLDING;
  at[a].extension = 0;
  at[a].extensionLeft = 0;
  forget_answers(a);
  printf("%c is extended, valid for %d\n", NAME(a), at[a].left)
}

/* ---- A node executes a message ---- */

inline take(a, n, ms) {
  node[n].owner = a;
  node[n].life = ms - SKEW
}

inline extend(a, n, ms) {
  node[n].owner = a;
#ifdef SHORTENING_EXTENSION
  node[n].life = ms - SKEW;
#else
  if :: ms - SKEW > node[n].life -> node[n].life = ms - SKEW :: else fi
#endif
  printf("node %d accepts the extension of %c, ttl %d", n + 1, NAME(a), ms)
}

#define LISTENS(a, n) (at[a].phase == ASKING && !node[n].heard[a])
#define MINE_OR_FREE(a, n) (node[n].owner == a || node[n].owner == 0)

/* The old critical section has settled, or not. */
#ifdef HANDOFF_EARLY
#define MAY_HAND_OFF(a) (at[a].phase >= HOLDING)
#else
#define MAY_HAND_OFF(a) (at[a].phase == ENDED)
#endif

proctype Wire(byte a, n) {
  do
  :: atomic { if
  /* ACQUIRE on an unowned key */
  :: d_step { LISTENS(a, n) && node[n].owner == 0 ->
    take(a, n, at[a].ttl); node[n].heard[a] = true; printf("node %d grants %c\n", n + 1, NAME(a)) }
  :: d_step { at[a].phase >= ASKING && node[n].owner == 0 ->
    take(a, n, at[a].ttl); printf("node %d grants %c, unheard\n", n + 1, NAME(a)) }
  /* ACQUIRE again: the expiry is left as it is. */
#ifndef ACQUIRE_SETS_EXPIRY
  :: d_step { LISTENS(a, n) && node[n].owner == a ->
    node[n].heard[a] = true; printf("node %d answers %c again\n", n + 1, NAME(a)) }
#else
  :: d_step { at[a].phase >= ASKING && node[n].owner == a ->
    take(a, n, at[a].ttl); node[n].heard[a] = LISTENS(a, n); printf("node %d executes %c's ACQUIRE again\n", n + 1, NAME(a)) }
#endif
  /* RELEASE(owner) and ACQUIRE(a) in one script */
  :: d_step { LISTENS(a, n) && node[n].owner != 0 && node[n].owner != a && MAY_HAND_OFF(node[n].owner) ->
    printf("node %d hands %c's key to %c\n", n + 1, NAME(node[n].owner), NAME(a));
    take(a, n, at[a].ttl); node[n].heard[a] = true }
  /* EXTEND: of the latest round; of any round, late or doubled or unheard */
  :: d_step { at[a].phase == EXTENDING && !node[n].heard[a] && MINE_OR_FREE(a, n) ->
    extend(a, n, at[a].extension); node[n].heard[a] = true; printf("\n") }
  :: d_step { at[a].sentLong && MINE_OR_FREE(a, n) -> extend(a, n, LONG); printf(", unheard\n") }
  :: d_step { at[a].sentShort && MINE_OR_FREE(a, n) -> extend(a, n, SHORT); printf(", unheard\n") }
  /* RELEASE */
  :: d_step { at[a].phase == ENDED && node[n].owner == a ->
    node[n].owner = 0; node[n].life = 0; printf("node %d releases %c's key\n", n + 1, NAME(a)) }
  fi; settle() }
  od
}

proctype Expiry(byte n) {
  do
  :: atomic { if
  :: d_step { node[n].owner != 0 && node[n].life == 0 ->
    printf("node %d: %c's key expires\n", n + 1, NAME(node[n].owner)); node[n].owner = 0 }
  fi; settle() }
  od
}

#if N == 3
#define MAJORITY (node[0].heard[a] + node[1].heard[a] + node[2].heard[a] >= QUORUM)
#else
#define MAJORITY \
  (node[0].heard[a] + node[1].heard[a] + node[2].heard[a] + node[3].heard[a] + node[4].heard[a] >= QUORUM)
#endif

/* Attempts are interchangeable: they start in order. */
proctype Client(byte a) {
  do
  :: atomic { if
  :: d_step { at[a].phase == IDLE && (a == 1 || at[a - 1].phase != IDLE) -> start(a, LONG) }
  :: d_step { at[a].phase == IDLE && (a == 1 || at[a - 1].phase != IDLE) -> start(a, SHORT) }
  :: d_step { at[a].phase == ASKING && MAJORITY -> win(a); skip }
  :: d_step { VALID(a) -> send_extension(a, LONG) }
  :: d_step { VALID(a) -> send_extension(a, SHORT) }
  :: d_step { at[a].phase == EXTENDING && at[a].extensionLeft > 0 && MAJORITY -> extended(a) }
  /* The holder is done, or an attempt is given up. */
  :: d_step { at[a].phase != IDLE && at[a].phase != ENDED -> end(a); printf("%c ends\n", NAME(a)) }
  fi; settle() }
  od
}

/* A lock is valid, and an attempt may be won, as long as something is left. */
proctype Time() {
  do
  :: atomic {
    d_step {
      printf("a tick\n");
      for (i : 0 .. N - 1) { if :: node[i].life > 0 -> node[i].life-- :: else fi }
      for (i : 1 .. A) {
        if :: at[i].extensionLeft > 0 -> at[i].extensionLeft-- :: else fi
        if
        :: at[i].left > 1 -> at[i].left--
        :: at[i].left == 1 -> printf("  the validity of %c is over\n", NAME(i)); end(i)
        :: else
        fi
      }
      skip
    }
    settle()
  }
  od
}

/* The search tries the process that was started last first: attempt 1, node 1. */
init {
  atomic {
    byte a = A, n;
    run Time();
    do
    :: a == 0 -> break
    :: else ->
      if :: a == 1 -> for (n : 0 .. N - 1) { run Expiry(N - 1 - n) } :: else fi
      run Client(a);
      for (n : 0 .. N - 1) { run Wire(a, N - 1 - n) }
      a--
    od;
    n = 0
  }
}
