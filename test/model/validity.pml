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
 * HEIRS: attempt 2 may be the heir of attempt 1, a lock of the same process that takes the keys over while attempt 1
 * is valid, and is had when that has ended. It is asked for only if no key expires sooner for it: with no shorter a
 * ttl, and if nothing has been extended. Nothing of it is given back before attempt 1 has ended. Attempt 1 is extended
 * in its name if it has a majority; if it was given up, in its own, but for no longer a ttl before its ACQUIRE is too
 * late (gone).
 *
 * Checked in `win`:
 *   P4  two locks are never valid at the same time.
 *
 * -DN=nodes (3 or 5), -DA=attempts (2 or 3). Weakened rules, each of which breaks P4:
 * SHORTENING_EXTENSION, ACQUIRE_SETS_EXPIRY, OLD_ANSWERS, VALIDITY_FROM_ANSWER, NO_DRIFT,
 * HANDOFF_EARLY; with HEIRS: HEIR_HAD_EARLY, HEIR_GIVEN_BACK_EARLY, HEIR_SHORTER, HEIR_BESIDE_EXTENSION,
 * EXTENDED_BESIDE_HEIR.
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
#ifdef HEIRS
  byte before;         /* whose heir it is; 0: nobody's */
  bool gone;           /* its ACQUIRE comes too late, wherever it is */
  bool inHeirsName     /* its EXTENDs */
#endif
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

#ifdef HEIRS
#define HEIR 2
#define HAS_HEIR(a) (a == 1 && at[HEIR].before == 1)
/* Whether it is the heir of a lock that is valid. */
#define WAITS(a) (at[a].before != 0 && VALID(at[a].before))
#define IS_GONE(a) at[a].gone
/* In whose name an attempt extends. */
#define NAMED(a) (at[a].inHeirsName -> HEIR : a)
#ifdef HEIR_SHORTER
#define LONG_ENOUGH(ms) true
#else
#define LONG_ENOUGH(ms) (ms >= at[1].ttl)
#endif
#ifdef HEIR_BESIDE_EXTENSION
#define IS_AS_GRANTED true
#else
#define IS_AS_GRANTED (at[1].phase == HOLDING && !at[1].sentLong && !at[1].sentShort)
#endif
#else
#define WAITS(a) false
#define IS_GONE(a) false
#define NAMED(a) a
#endif

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

#ifdef HEIRS
inline start_heir(ms) {
  at[HEIR].before = 1;
  start(HEIR, ms);
  printf("  as the heir of A\n")
}
#endif

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
  node[n].owner = NAMED(a);
#ifdef SHORTENING_EXTENSION
  node[n].life = ms - SKEW;
#else
  if :: ms - SKEW > node[n].life -> node[n].life = ms - SKEW :: else fi
#endif
  printf("node %d accepts the extension of %c, ttl %d", n + 1, NAME(a), ms)
}

#define LISTENS(a, n) (at[a].phase == ASKING && !node[n].heard[a])
#define MINE_OR_FREE(a, n) (node[n].owner == NAMED(a) || node[n].owner == 0)

/* Whether what an attempt has is given back. */
#ifdef HEIR_GIVEN_BACK_EARLY
#define IS_OVER(a) (at[a].phase == ENDED)
#else
#define IS_OVER(a) (at[a].phase == ENDED && !WAITS(a))
#endif

/* The old critical section has settled, or not. */
#ifdef HANDOFF_EARLY
#define MAY_HAND_OFF(a) (at[a].phase >= HOLDING)
#else
#define MAY_HAND_OFF(a) IS_OVER(a)
#endif

proctype Wire(byte a, n) {
  do
  :: atomic { if
  /* ACQUIRE on an unowned key */
  :: d_step { LISTENS(a, n) && node[n].owner == 0 ->
    take(a, n, at[a].ttl); node[n].heard[a] = true; printf("node %d grants %c\n", n + 1, NAME(a)) }
  :: d_step { at[a].phase >= ASKING && node[n].owner == 0 && !IS_GONE(a) ->
    take(a, n, at[a].ttl); printf("node %d grants %c, unheard\n", n + 1, NAME(a)) }
#ifdef HEIRS
  /* ACQUIRE that takes over a key of the lock before it, which may be valid */
  :: d_step { LISTENS(a, n) && at[a].before != 0 && node[n].owner == at[a].before && !IS_GONE(a) ->
    take(a, n, at[a].ttl); node[n].heard[a] = true; printf("node %d grants %c what A has\n", n + 1, NAME(a)) }
  :: d_step { at[a].phase >= ASKING && at[a].before != 0 && node[n].owner == at[a].before && !IS_GONE(a) ->
    take(a, n, at[a].ttl); printf("node %d grants %c what A has, unheard\n", n + 1, NAME(a)) }
#endif
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
  :: d_step { IS_OVER(a) && node[n].owner == a ->
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

#ifdef HEIRS
#if N == 3
#define HEIR_HAS (node[0].heard[HEIR] + node[1].heard[HEIR] + node[2].heard[HEIR] >= QUORUM)
#else
#define HEIR_HAS (node[0].heard[HEIR] + node[1].heard[HEIR] + node[2].heard[HEIR] + \
  node[3].heard[HEIR] + node[4].heard[HEIR] >= QUORUM)
#endif
#define HEIR_IS_THERE (at[HEIR].phase == ASKING && HEIR_HAS)
#ifdef EXTENDED_BESIDE_HEIR
#define MAY_EXTEND(a, ms) true
#else
#define MAY_EXTEND(a, ms) (!HAS_HEIR(a) || at[a].inHeirsName || HEIR_IS_THERE || at[HEIR].gone || \
  (at[HEIR].phase == ENDED && ms <= at[HEIR].ttl))
#endif
inline name_extension(a) {
  if
  :: HAS_HEIR(a) && HEIR_IS_THERE -> at[a].inHeirsName = true
  :: else
  fi
}
#endif

/* Attempts are interchangeable: they start in order. */
proctype Client(byte a) {
  do
  :: atomic { if
  :: d_step { at[a].phase == IDLE && (a == 1 || at[a - 1].phase != IDLE) -> start(a, LONG) }
  :: d_step { at[a].phase == IDLE && (a == 1 || at[a - 1].phase != IDLE) -> start(a, SHORT) }
#ifdef HEIR_HAD_EARLY
  :: d_step { at[a].phase == ASKING && MAJORITY -> win(a); skip }
#else
  :: d_step { at[a].phase == ASKING && MAJORITY && !WAITS(a) -> win(a); skip }
#endif
#ifdef HEIRS
  :: d_step { a == HEIR && at[a].phase == IDLE && VALID(1) && IS_AS_GRANTED && LONG_ENOUGH(LONG) -> start_heir(LONG) }
  :: d_step { a == HEIR && at[a].phase == IDLE && VALID(1) && IS_AS_GRANTED && LONG_ENOUGH(SHORT) -> start_heir(SHORT) }
  /* An ACQUIRE has a deadline. */
  :: d_step { HAS_HEIR(a) && VALID(a) && at[HEIR].phase == ENDED && !at[HEIR].gone ->
    at[HEIR].gone = true; printf("nothing of B is on its way any more\n") }
  :: d_step { VALID(a) && MAY_EXTEND(a, LONG) -> name_extension(a); send_extension(a, LONG) }
  :: d_step { VALID(a) && MAY_EXTEND(a, SHORT) -> name_extension(a); send_extension(a, SHORT) }
#else
  :: d_step { VALID(a) -> send_extension(a, LONG) }
  :: d_step { VALID(a) -> send_extension(a, SHORT) }
#endif
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
