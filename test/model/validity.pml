/*
 * Leases in time: can two callers hold the lock at once?
 *
 * Time passes in ticks, without end. A key has a time to live on its node; a lease that was won
 * is valid until its validity ends. Messages as in protocol.pml: late, lost, reordered, doubled.
 * A node's clock is at fault by SKEW ticks in the life of a key: the key may expire that much
 * early, and any time later. The client takes DRIFT off for it.
 *
 * Counters are left out: EXTEND takes an unowned key whatever its counter says, which permits
 * more than the rule c <= t does and more than "owner only" does. So what holds here holds
 * with and without fencing. CONFIRM only delays the moment at which a lease is won, and that may
 * be any moment here.
 *
 * Callers of a process take turns under its lease: one caller's handle is over before the next
 * one has its own, which is as valid as the lease. (Tokens are left out, and with them the end of
 * the block: more hand-overs than there are tokens permit more.) A lease that has ended, released
 * or out of time, is handed over no more.
 *
 * RESERVE: a RELEASE, however late, may leave the key reserved for a waiter. That waiter takes it, or an
 * older one does: which waiter is older is left open, so any of them may. A reservation may be moved to
 * another waiter, and may expire, at any moment.
 *
 * ADOPT adopters: the holder of a lease may give it away, and its handle is over then. An adopter, which was sent
 * it, asks with a ttl of its own for the keys that the giver owns, by ADOPT, and counts its validity from before it
 * asked. Any number of them may be sent one lease, at once or much later; what was adopted may be given away again.
 *
 * Checked in `check_alone` and `hand_over`:
 *   P4  two handles are never valid at the same time, be they of two leases or of one;
 *   P5  a hand-over gives the newest token there is: no other lease was won since its lease was.
 *       (A lease that is won later has the higher tokens: P2 in protocol.pml.)
 *
 * -DN=nodes (3 or 5), -DA=attempts (2 or 3). Weakened rules, each of which breaks P4 or P5:
 * SHORTENING_EXTENSION, ACQUIRE_SETS_EXPIRY, OLD_ANSWERS, VALIDITY_FROM_ANSWER, NO_DRIFT,
 * HANDOFF_EARLY, TWO_CALLERS, HAND_OVER_PAST_VALIDITY (with CALLERS_OWN_TTL too),
 * HAND_OVER_UNEXTENDED, HAND_OVER_BEFORE_AGREED; with RESERVE, CALL_IS_GRANT and RESERVED_OVER_OWNER;
 * with ADOPT, ADOPT_BY_MESSAGE and GIVER_GOES_ON;
 * and the weakened assumption EARLY_EXPIRY.
 */
#ifndef N
#define N 3
#endif
#ifndef A
#define A 2
#endif
#define QUORUM (N / 2 + 1)
#ifdef ADOPT
#define ALL (A + ADOPT) /* adopters are numbered after the attempts */
#else
#define ALL A
#endif

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
   whatever reason, its RELEASE is too. HOLDING and EXTENDING: the lease is valid. GIVEN: its holder
   has given it away. */
#define IDLE 0
#define ASKING 1
#define HOLDING 2
#define EXTENDING 3
#define ENDED 4
#define GIVEN 5

typedef Node {
  byte owner;          /* 0: unowned, else an attempt, 1 .. A; A + a: reserved for a */
  byte life;           /* ticks until the key may expire */
  bool heard[ALL + 1]    /* by each attempt: its ACQUIRE, or its latest EXTEND, was accepted */
}

typedef Attempt {
  byte phase;
  byte ttl;            /* of its ACQUIRE */
  byte left;           /* ticks of validity left; it counts from T1, won or not */
  byte extension;      /* the ttl of the latest EXTEND */
  byte extensionLeft;  /* the validity that this would give */
  bool sentLong, sentShort; /* the EXTENDs that are in the network */
#ifdef ADOPT
  byte giver;          /* of an adopter: whose lease it was sent; 0 while it is IDLE */
  bool isAdopted;      /* it was given away, and an adopter has won it */
#endif
  byte handles;        /* how many callers believe that they hold the lock under it */
  bool outrun          /* another lease was won since */
}

Node node[N];
Attempt at[ALL + 1];

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
  for (i : 1 .. ALL) { key = key * 2 + node[n].heard[i] }
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
          for (i : 1 .. ALL) { SWAP(node[k].heard[i], node[k + 1].heard[i]) }
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

/* Whether a may be handed over, now or by a weakened rule. */
#ifdef HAND_OVER_PAST_VALIDITY
#define IS_LEASE(a) (VALID(a) || at[a].handles > 0)
#else
#define IS_LEASE(a) VALID(a)
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

inline check_alone(a) {
#ifdef WITHOUT_P4
  skip
#else
  for (i : 1 .. ALL) {
    if
    :: i != a && VALID(i) && VALID(a) -> printf("P4 broken: %c is still valid for %d\n", NAME(i), at[i].left); assert(false)
    :: at[i].handles > 1 -> printf("P4 broken: two callers hold the lock under %c\n", NAME(i)); assert(false)
    :: else
    fi
  }
#endif
}

inline win(a) {
#ifdef VALIDITY_FROM_ANSWER
  at[a].left = at[a].ttl - DRIFT;
#endif
  at[a].phase = HOLDING;
  at[a].handles = 1;
  forget_answers(a);
  printf("%c wins, valid for %d\n", NAME(a), at[a].left);
  for (i : 1 .. ALL) { if :: i != a && IS_LEASE(i) -> at[i].outrun = true :: else fi }
  check_alone(a)
}

/* In memory, at one moment: the caller's handle is over, and the next caller has its own. */
inline hand_over(a) {
#ifndef TWO_CALLERS
  at[a].handles--;
#endif
  at[a].handles++;
  printf("%c is handed over, valid for %d\n", NAME(a), at[a].left);
  check_alone(a);
  if
  :: at[a].outrun -> printf("P5 broken: %c hands over a token, and a higher one is out\n", NAME(a)); assert(false)
  :: else
  fi
}

/* Weakened: the next caller counts the time that it asked for, whatever is left of the lease. */
inline hand_over_anew(a, ms) {
  at[a].phase = HOLDING;
  at[a].left = ms - DRIFT;
  at[a].handles = 1;
  at[a].extension = 0;
  at[a].extensionLeft = 0;
  forget_answers(a);
  printf("%c is handed over, its caller goes by %d\n", NAME(a), at[a].left);
  check_alone(a)
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

#ifdef ADOPT
/* At one moment, in memory: the handle is over. */
inline give_away(a) {
  printf("%c is given away\n", NAME(a));
#ifdef ADOPT_BY_MESSAGE
  i = at[a].left;
#endif
  end(a);
  at[a].phase = GIVEN;
  at[a].handles = 0;
#ifdef ADOPT_BY_MESSAGE
  at[a].left = i
#endif
}

inline start_adoption(a, g, ms) {
  at[a].phase = ASKING;
  at[a].giver = g;
  at[a].ttl = ms;
  at[a].left = ms - DRIFT;
  printf("%c starts to adopt %c, ttl %d\n", NAME(a), NAME(g), ms)
}

inline adopted(a) {
#ifndef ADOPT_BY_MESSAGE
  at[at[a].giver].isAdopted = true;
#endif
  win(a)
}
#endif

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
#ifdef RESERVE
#ifdef ADOPT
#error "an owner above A is a reservation, or an adopter"
#endif
#define IS_RESERVED(n) (node[n].owner > A)
#else
#define IS_RESERVED(n) false
#endif
#define OWNED(n) (node[n].owner != 0 && !IS_RESERVED(n))
#define MINE_OR_FREE(a, n) (node[n].owner == a || node[n].owner == 0)

#define IS_OVER(a) (at[a].phase == ENDED)
#define MAY_TAKE(n) (node[n].owner == 0 || IS_RESERVED(n))

/* The old critical section has settled, or not. */
#ifdef HANDOFF_EARLY
#define MAY_HAND_OFF(a) (at[a].phase >= HOLDING)
#else
#define MAY_HAND_OFF(a) IS_OVER(a)
#endif

#ifdef RESERVED_OVER_OWNER
#define RESERVABLE(n) true
#else
#define RESERVABLE(n) (!OWNED(n) || IS_OVER(node[n].owner))
#endif

#ifdef ADOPT
#define RELEASES(a) (IS_OVER(a) || at[a].isAdopted)
#else
#define RELEASES(a) IS_OVER(a)
#endif

/* EXTEND: of the latest round; of any round, late or doubled or unheard. RELEASE, which an adopter sends for its
   giver too. */
#define HOLDERS_MESSAGES(a, n) \
  :: d_step { at[a].phase == EXTENDING && !node[n].heard[a] && MINE_OR_FREE(a, n) -> \
    extend(a, n, at[a].extension); node[n].heard[a] = true; printf("\n") } \
  :: d_step { at[a].sentLong && MINE_OR_FREE(a, n) -> extend(a, n, LONG); printf(", unheard\n") } \
  :: d_step { at[a].sentShort && MINE_OR_FREE(a, n) -> extend(a, n, SHORT); printf(", unheard\n") } \
  :: d_step { RELEASES(a) && node[n].owner == a -> \
    node[n].owner = 0; node[n].life = 0; printf("node %d releases %c's key\n", n + 1, NAME(a)) }

proctype Wire(byte a, n) {
  do
  :: atomic { if
  /* ACQUIRE on an unowned key */
  :: d_step { LISTENS(a, n) && MAY_TAKE(n) ->
    take(a, n, at[a].ttl); node[n].heard[a] = true; printf("node %d grants %c\n", n + 1, NAME(a)) }
  :: d_step { at[a].phase >= ASKING && MAY_TAKE(n) ->
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
  :: d_step { LISTENS(a, n) && OWNED(n) && node[n].owner != a && MAY_HAND_OFF(node[n].owner) ->
    printf("node %d hands %c's key to %c\n", n + 1, NAME(node[n].owner), NAME(a));
    take(a, n, at[a].ttl); node[n].heard[a] = true }
  HOLDERS_MESSAGES(a, n)
#ifdef RESERVE
  /* RELEASE that calls a waiter, of an attempt that is over or on a key that no attempt owns */
  :: d_step { at[a].phase == ASKING && RESERVABLE(n) && node[n].owner != a && node[n].owner != A + a ->
    node[n].owner = A + a; node[n].life = 0; printf("node %d is reserved for %c\n", n + 1, NAME(a)) }
#ifdef CALL_IS_GRANT
  :: d_step { LISTENS(a, n) && node[n].owner == A + a ->
    node[n].heard[a] = true; printf("%c hears that node %d is reserved for it\n", NAME(a), n + 1) }
#endif
#endif
  fi; settle() }
  od
}

/* A reservation may end at any moment. */
#ifdef EARLY_EXPIRY
#define EXPIRES(n) true
#else
#define EXPIRES(n) (node[n].life == 0)
#endif

proctype Expiry(byte n) {
  do
  :: atomic { if
  :: d_step { node[n].owner != 0 && EXPIRES(n) ->
    if
    :: IS_RESERVED(n) -> printf("node %d: what is reserved for %c expires\n", n + 1, NAME(node[n].owner - A))
    :: else -> printf("node %d: %c's key expires\n", n + 1, NAME(node[n].owner))
    fi
    node[n].owner = 0; node[n].life = 0 }
  fi; settle() }
  od
}

#if N == 3
#define MAJORITY (node[0].heard[a] + node[1].heard[a] + node[2].heard[a] >= QUORUM)
#else
#define MAJORITY \
  (node[0].heard[a] + node[1].heard[a] + node[2].heard[a] + node[3].heard[a] + node[4].heard[a] >= QUORUM)
#endif

#ifdef ADOPT
#define GIVES(a) :: d_step { VALID(a) -> give_away(a) }
#else
#define GIVES(a)
#endif

/* At last: the holder is done, or an attempt is given up. */
#define HOLDERS_STEPS(a) \
  :: d_step { VALID(a) -> send_extension(a, LONG) } \
  :: d_step { VALID(a) -> send_extension(a, SHORT) } \
  :: d_step { at[a].phase == EXTENDING && at[a].extensionLeft > 0 && MAJORITY -> extended(a) } \
  :: d_step { VALID(a) -> hand_over(a); skip } \
  GIVES(a) \
  :: d_step { at[a].phase != IDLE && at[a].phase < ENDED -> at[a].handles = 0; end(a); printf("%c ends\n", NAME(a)) }

/* Attempts are interchangeable: they start in order. */
proctype Client(byte a) {
  do
  :: atomic { if
  :: d_step { at[a].phase == IDLE && (a == 1 || at[a - 1].phase != IDLE) -> start(a, LONG) }
  :: d_step { at[a].phase == IDLE && (a == 1 || at[a - 1].phase != IDLE) -> start(a, SHORT) }
  :: d_step { at[a].phase == ASKING && MAJORITY -> win(a); skip }
  HOLDERS_STEPS(a)
#ifdef HAND_OVER_PAST_VALIDITY
#ifdef CALLERS_OWN_TTL
  :: d_step { at[a].phase == ENDED && at[a].handles > 0 -> hand_over_anew(a, LONG); skip }
#else
  :: d_step { at[a].phase == ENDED && at[a].handles > 0 -> hand_over(a); skip }
#endif
#endif
#ifdef HAND_OVER_UNEXTENDED
  :: d_step { VALID(a) -> hand_over_anew(a, LONG); skip }
#endif
#ifdef HAND_OVER_BEFORE_AGREED
  :: d_step { at[a].phase == EXTENDING && at[a].extensionLeft > 0 -> hand_over_anew(a, at[a].extension); skip }
#endif
  fi; settle() }
  od
}

#ifdef ADOPT_BY_MESSAGE
#define TICKS(a) (at[a].phase != GIVEN)
#else
#define TICKS(a) true
#endif

/* A lease is valid, and an attempt may be won, as long as something is left. */
proctype Time() {
  do
  :: atomic {
    d_step {
      printf("a tick\n");
      for (i : 0 .. N - 1) { if :: node[i].life > 0 -> node[i].life-- :: else fi }
      for (i : 1 .. ALL) {
        if :: at[i].extensionLeft > 0 -> at[i].extensionLeft-- :: else fi
        if
        :: TICKS(i) && at[i].left > 1 -> at[i].left--
        :: TICKS(i) && at[i].left == 1 ->
          printf("  the validity of %c is over\n", NAME(i));
#ifndef HAND_OVER_PAST_VALIDITY
          at[i].handles = 0;
#endif
          end(i)
        :: else
        fi
      }
      skip
    }
    settle()
  }
  od
}

#ifdef ADOPT
#define ADOPTS(a, n) (node[n].owner == a || node[n].owner == at[a].giver)

inline adopt(a, n) {
  node[n].owner = a;
  if :: at[a].ttl - SKEW > node[n].life -> node[n].life = at[a].ttl - SKEW :: else fi
  printf("node %d lets %c adopt %c", n + 1, NAME(a), NAME(at[a].giver))
}

proctype AdoptersWire(byte a, n) {
  do
  :: atomic { if
  :: d_step { at[a].phase == ASKING && !node[n].heard[a] && ADOPTS(a, n) ->
    adopt(a, n); printf("\n"); node[n].heard[a] = true }
  :: d_step { at[a].phase >= ASKING && ADOPTS(a, n) -> adopt(a, n); printf(", unheard\n") }
  HOLDERS_MESSAGES(a, n)
  fi; settle() }
  od
}

#ifdef ADOPT_BY_MESSAGE /* which says what was left, however long it was under way */
#define BEGIN(a, g) at[a].left = at[g].left; adopted(a)
#else
#define BEGIN(a, g) skip
#endif

#ifdef GIVER_GOES_ON
#define IS_GIVEN(g) (VALID(g) || at[g].phase == ENDED)
#else
#define IS_GIVEN(g) (at[g].phase == GIVEN)
#endif

/* Adopters are interchangeable: they start in order. */
#define MAY_ADOPT(a, g) (at[a].phase == IDLE && (a == A + 1 || at[a - 1].phase != IDLE) && IS_GIVEN(g))
#define ADOPTER_OF(g) \
  :: d_step { MAY_ADOPT(a, g) -> start_adoption(a, g, LONG); BEGIN(a, g); skip } \
  :: d_step { MAY_ADOPT(a, g) -> start_adoption(a, g, SHORT); BEGIN(a, g); skip }

proctype Adopter(byte a) {
  do
  :: atomic { if
  ADOPTER_OF(1)
  ADOPTER_OF(2)
#if ALL > 3
  ADOPTER_OF(3)
#endif
  :: d_step { at[a].phase == ASKING && MAJORITY -> adopted(a); skip }
  HOLDERS_STEPS(a)
  fi; settle() }
  od
}
#endif

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
#ifdef ADOPT
    a = A + 1;
    do
    :: a > ALL -> a = 0; break
    :: else ->
      run Adopter(a);
      for (n : 0 .. N - 1) { run AdoptersWire(a, N - 1 - n) }
      a++
    od;
#endif
    n = 0
  }
}
