/*
 * Leases over N independent nodes, with no assumption about time.
 *
 * A node keeps an owner and a counter c. A key may expire at any moment; the counter stays.
 * A message, once sent, stays in the network for ever: a node may execute it at once, much
 * later, in any order, any number of times, or never, and its answer may be lost.
 * So an attempt that is given up is one that takes no further step, a RELEASE is an expiry,
 * and a handoff (RELEASE and ACQUIRE in one script) is an expiry and an ACQUIRE.
 *
 * An ACQUIRE asks for a block of k tokens and raises c by at least k. A lease that was won with
 * token t has the block t - k + 1 .. t: its first caller has the lowest token of it, and each
 * hand-over inside the process gives the next one. All tokens of a block count as given from the
 * win on: a later moment only weakens P1 and P2.
 *
 * RESERVE: a RELEASE may leave the key reserved for a waiter. Only that waiter, or an older one,
 * may take a reserved key; it reserves nothing for an EXTEND. A reservation may expire or be
 * moved at any moment. WITHOUT it, every key that could be reserved is unowned, which permits more.
 *
 * ADOPT adopters: a process that has won a lease may give it away, with the token that its last
 * caller had. An adopter is another process that was sent it. It asks for what the giver owns, by
 * ADOPT, and raises c to one above the giver's token. Any number of them may be sent one lease, and
 * what was adopted may be given away again. The giver's messages are in the network for ever. An
 * adopter that has won has the tokens from the giver's last one to its own, and the giver had those
 * below.
 *
 * Checked in `won`, `hand_over`, `adopted` and `extended`:
 *   P1  no token is given twice: the blocks of two leases never overlap, and no hand-over
 *       leaves its block;
 *   P2  a lease that was won before another attempt started has the lower tokens: its highest
 *       is below the other's lowest;
 *   P3  an extension that a majority accepted proves that no higher token had been won
 *       before it was sent. So does an adoption.
 *
 * -DN=nodes (3 to 5), -DA=attempts (2 or 3), -DK=largest block (1 to 3; blocks of 1 .. K mixed).
 * -DREDUCE and -DMERGE make the search smaller without losing a violation: see there. Weakened
 * rules, each of which breaks a property: NO_CONFIRM, NO_OWNER_CHECK, NO_CONFIRM_COUNTER_CHECK,
 * NO_COUNTER_CHECK, OWNER_ONLY_EXTEND, OLD_ANSWERS, HANDOFF_KEEPS_COUNTER; with K > 1,
 * RAISED_BY_ONE, PAST_BLOCK, BLOCK_IN_MEMORY; with RESERVE, RESERVED_KEEPS_COUNTER; with ADOPT,
 * ADOPT_LOST, ADOPT_ANY, ADOPT_KEEPS_COUNTER, ADOPT_UNCHECKED, ADOPT_MINORITY, SHARED_VALUE,
 * GIVER_GOES_ON; and the weakened assumption NODE_FORGETS.
 */
#ifndef N
#define N 3
#endif
#ifndef A
#define A 2
#endif
#ifndef K
#define K 1
#endif
#ifndef MAX_COUNTER
#define MAX_COUNTER 3 /* at most 9; with REDUCE and blocks of one token there is no bound */
#endif
#define QUORUM (N / 2 + 1)
#ifdef ADOPT
#define ALL (A + ADOPT) /* adopters are numbered after the attempts */
#else
#define ALL A
#endif

/* Where an attempt is. From ASKING on its ACQUIRE is in the network, from CONFIRMING on its
   CONFIRM too, from EXTENDING on its EXTEND too. An adopter asks by ADOPT and has no CONFIRM. */
#define IDLE 0
#define ASKING 1
#define CONFIRMING 2
#define WON 3
#define EXTENDING 4
#define GIVEN 5 /* its process has given it away */

/* What an attempt has heard from a node. While it asks: a counter LOWER than the highest it
   has heard, or equal to it (TOP). Later, TOP: its CONFIRM, then its EXTEND, was accepted. */
#define NOTHING 0
#define LOWER 1
#define TOP 2

typedef Node {
  byte owner;        /* 0: unowned, else an attempt, 1 .. A; A + a: reserved for a */
  byte c;
  byte heard[ALL + 1]
#ifdef ACQUIRE_ONCE
  ; bool asked[A + 1]
#endif
}

typedef Attempt {
  byte phase;
  byte token;        /* the highest counter heard; fixed from CONFIRMING on */
#if K > 1
  byte block;        /* how many tokens its ACQUIRE asks for; 0 while it is IDLE */
#endif
#ifdef PAST_BLOCK
  byte given;        /* how many tokens its callers have had */
#endif
#ifdef ADOPT
  byte giver;        /* of an adopter: whose lease it was sent; 0 while it is IDLE */
  byte last;         /* the token of the last caller before it was given away */
  bool isAdopted;    /* it was given away, and an adopter has won it */
#endif
  byte wonBefore;    /* bit b: attempt b had won when this one started */
  bool outrun        /* a higher token had been won when the last extension was sent */
}

Node node[N];
Attempt at[ALL + 1];

/* Scratch, no part of the state. (A breadth-first search does not allow hidden variables.) */
#if defined(REDUCE) || defined(SORT)
hidden byte i, j, k, count, swap;
hidden int lhs, rhs, used;
#else
byte i, count;
#endif

#define NAME(a) (64 + a)

#if K > 1
#define BLOCK(a) at[a].block
#else
#define BLOCK(a) 1
#endif
#ifdef ADOPT
#define LOWEST(a) (a > A -> at[at[a].giver].last : at[a].token + 1 - BLOCK(a))
#else
#define LOWEST(a) (at[a].token + 1 - BLOCK(a))
#endif

#if defined(REDUCE) || defined(SORT)
#define SWAP(x, y) swap = x; x = y; y = swap

inline node_key(n, key) {
  key = node[n].owner * 16 + node[n].c;
  for (i : 1 .. ALL) { key = key * 3 + node[n].heard[i] }
}

inline sort_nodes() {
  for (j : 1 .. N - 1) {
    for (k : 0 .. N - 1 - j) {
      node_key(k, lhs);
      node_key((k + 1), rhs);
      if
      :: lhs > rhs ->
        SWAP(node[k].owner, node[k + 1].owner);
        SWAP(node[k].c, node[k + 1].c);
        for (i : 1 .. ALL) { SWAP(node[k].heard[i], node[k + 1].heard[i]) }
      :: else
      fi
    }
  }
}
#endif

/*
 * SORT. Nodes are interchangeable: they are kept sorted.
 *
 * REDUCE. So are attempts.
 *
 * With blocks of one token, counters are only compared with tokens and with new counters, and
 * what a node permits with a counter it also permits with a lower one. So a counter is rounded
 * down, to a token or to just above one, and tokens are kept as ranks: counters have no bound,
 * and neither has the number of times that a message is executed. With larger blocks it matters
 * how far a counter is above a token, so both stay numbers, up to MAX_COUNTER.
 */
#ifdef REDUCE
#ifdef ACQUIRE_ONCE
#error "REDUCE relies on repeated messages"
#endif
#ifdef BLOCK_IN_MEMORY
#error "REDUCE takes attempts for interchangeable, and these are of two processes"
#endif
#ifdef ADOPT
#error "REDUCE takes attempts for interchangeable, and an adopter is not; SORT does not"
#endif
#if K == 1
byte top;

/* 2r is the token of rank r, 2r + 1 a number above it and below the next, as low as can be.
   A new counter q above c is one of the tokens, or lies below, above or between them. */
#define ABOVE(q, c) ((q > c || (q == c && q % 2 == 1)) && q <= 2 * top + 1)
#define NEXT(q, c) (q == c + 1 - c % 2)
#define IS_TOKEN(c) (c > 0 && c % 2 == 0)

/* A number between two tokens gets a rank of its own while it may become one. */
inline set_counter(n, q) {
  node[n].c = q;
  if
  :: q % 2 == 1 ->
    for (i : 0 .. N - 1) { if :: node[i].c > q -> node[i].c = node[i].c + 2 :: else fi }
    for (i : 1 .. A) { if :: at[i].token > q -> at[i].token = at[i].token + 2 :: else fi }
    node[n].c = q + 1;
    top++
  :: else
  fi
}

inline drop_rank(t) {
  for (i : 0 .. N - 1) {
    if
    :: node[i].c == t -> node[i].c = t - 1
    :: node[i].c > t -> node[i].c = node[i].c - 2
    :: else
    fi
    if :: node[i].c == 1 -> node[i].c = 0 :: else fi
  }
  for (i : 1 .. A) { if :: at[i].token > t -> at[i].token = at[i].token - 2 :: else fi }
}

inline round_down() {
  used = 0;
  for (i : 1 .. A) { used = used | (1 << at[i].token) }
  j = top;
  do
  :: j == 0 -> break
  :: else ->
    if :: (used >> (2 * j)) & 1 :: else -> drop_rank(2 * j); top-- fi
    j--
  od
}
#else
#define ABOVE(q, c) (q > c && q <= MAX_COUNTER)
#define NEXT(q, c) (q == c + 1 && q <= MAX_COUNTER)
#define IS_TOKEN(c) true
inline set_counter(n, q) { node[n].c = q }

inline round_down() { skip }
#endif

#define BIT(set, b) ((set >> b) & 1)

inline swap_attempts(a, b) {
  SWAP(at[a].phase, at[b].phase);
  SWAP(at[a].token, at[b].token);
#if K > 1
  SWAP(at[a].block, at[b].block);
#endif
#ifdef PAST_BLOCK
  SWAP(at[a].given, at[b].given);
#endif
  SWAP(at[a].wonBefore, at[b].wonBefore);
  SWAP(at[a].outrun, at[b].outrun);
  for (i : 1 .. A) {
    if
    :: BIT(at[i].wonBefore, a) != BIT(at[i].wonBefore, b) ->
      at[i].wonBefore = at[i].wonBefore ^ ((1 << a) | (1 << b))
    :: else
    fi
  }
  for (i : 0 .. N - 1) {
    SWAP(node[i].heard[a], node[i].heard[b]);
    if
    :: node[i].owner == a -> node[i].owner = b
    :: node[i].owner == b -> node[i].owner = a
#ifdef RESERVE
    :: node[i].owner == A + a -> node[i].owner = A + b
    :: node[i].owner == A + b -> node[i].owner = A + a
#endif
    :: else
    fi
  }
}

/* The key says nothing of an attempt's index. Equal keys only cost time. */
inline attempt_key(a, key) {
  key = (at[a].phase * 4 + BLOCK(a)) * 16 + at[a].token;
  count = 0;
  for (i : 1 .. A) { count = count + 16 + BIT(at[a].wonBefore, i) - 4 * BIT(at[i].wonBefore, a) }
  key = key * 64 + count;
  count = 0;
  for (i : 0 .. N - 1) { count = count + node[i].heard[a] + 12 * (node[i].owner == a) }
  key = key * 256 + count * 2 + at[a].outrun
}

/* Idle attempts come last, and the first of them is the next to start. */
inline sort_attempts() {
  for (j : 1 .. A - 1) {
    for (k : 1 .. A - j) {
      attempt_key(k, lhs);
      attempt_key((k + 1), rhs);
      if :: lhs < rhs -> swap_attempts(k, (k + 1)) :: else fi
    }
  }
}

inline settle() { d_step { round_down(); sort_attempts(); sort_nodes(); count = 0 } }
#else
#define ABOVE(q, c) (q > c && q <= MAX_COUNTER)
#define NEXT(q, c) (q == c + 1 && q <= MAX_COUNTER)
#define IS_TOKEN(c) true
inline set_counter(n, q) { node[n].c = q }
#ifdef SORT
inline settle() { d_step { sort_nodes(); count = 0 } }
#else
inline settle() { d_step { i = 0; count = 0 } }
#endif
#endif

/*
 * MERGE. Fewer steps, and under the full rules none of the violations lost:
 * - A key expires when an ACQUIRE or an EXTEND finds it in the way. Earlier, its expiry
 *   would only take possibilities away.
 * - An attempt starts with its first grant. An earlier start only weakens P2.
 * - A grant is heard at once or never: a later ACQUIRE would be answered with the same c.
 *   If it is not heard, c rises as little as it can: a lower one only permits more.
 * - A CONFIRM or EXTEND that is accepted is heard, and completes a majority, at once: to wait
 *   only weakens P2 and P3. Of an EXTEND only when P3 is at stake.
 */
#ifdef RAISED_BY_ONE
#define RISE(k) 1
#else
#define RISE(k) k
#endif

/* From c an ACQUIRE for a block of k goes to q, or to the lowest counter that it may go to. */
#define RAISED(q, k, c) (q >= k && ABOVE(q, c + RISE(k) - 1))
#define LEAST(q, k, c) (NEXT(q, (c + RISE(k) < k -> k - 1 : c + RISE(k) - 1)))

#ifdef RESERVE
#ifdef ADOPT
#error "an owner above A is a reservation, or an adopter"
#endif
#ifdef MERGE
#error "MERGE takes any key: a reservation would keep nothing"
#endif
/* A waiter is older than another one, or it is not: any number of them may be. */
#define IS_RESERVED(n) (node[n].owner > A)
#define MAY_TAKE(a, n) (node[n].owner == 0 || IS_RESERVED(n))
#else
#define IS_RESERVED(n) false
#define MAY_TAKE(a, n) FREE(n)
#endif

#ifdef MERGE
#define FREE(n) true
#define STARTED(a) (at[a].phase != IDLE || a == 1 || at[a - 1].phase != IDLE)
#define LISTENS(a, n) (at[a].phase <= ASKING && node[n].heard[a] == NOTHING)
#define UNHEARD(q, k, c) LEAST(q, k, c)
#else
#define FREE(n) (node[n].owner == 0)
#define STARTED(a) (at[a].phase != IDLE)
#define LISTENS(a, n) (at[a].phase == ASKING && node[n].heard[a] == NOTHING)
#define UNHEARD(q, k, c) RAISED(q, k, c)
#endif

/* ---- An attempt ---- */

inline forget_answers(a) {
  for (i : 0 .. N - 1) { node[i].heard[a] = NOTHING }
}

inline count_accepted(a) {
  count = 0;
  for (i : 0 .. N - 1) { count = count + (node[i].heard[a] == TOP) }
}

inline start(a, k) {
  printf("%c starts, for a block of %d\n", NAME(a), k);
  at[a].phase = ASKING;
#if K > 1
  at[a].block = k;
#endif
  for (i : 1 .. ALL) { if :: at[i].phase >= WON -> at[a].wonBefore = at[a].wonBefore | (1 << i) :: else fi }
}

/* A node has answered c to a's ACQUIRE. */
inline hear(a, n) {
  if
  :: node[n].c > at[a].token ->
    for (i : 0 .. N - 1) { if :: node[i].heard[a] == TOP -> node[i].heard[a] = LOWER :: else fi }
    at[a].token = node[n].c;
    node[n].heard[a] = TOP
  :: node[n].c == at[a].token -> node[n].heard[a] = TOP
  :: else -> node[n].heard[a] = LOWER
  fi
}

/* What a's callers have, or may yet have, by the rules. */
#ifdef ADOPT
#define HIGHEST(a) (at[a].isAdopted -> at[a].last - 1 : at[a].token)
#elif defined(PAST_BLOCK)
#define HIGHEST(a) (at[a].given > BLOCK(a) -> at[a].token + 1 : at[a].token)
#else
#define HIGHEST(a) at[a].token
#endif
#define OVERLAP(a, b) (LOWEST(a) <= HIGHEST(b) && LOWEST(b) <= HIGHEST(a))

/* With blocks of one token, equal ones are P1's business. */
#if K > 1
#define IS_BELOW(a, b) (HIGHEST(a) < LOWEST(b))
#else
#define IS_BELOW(a, b) (at[a].token <= at[b].token)
#endif

inline check_unique(a) {
#ifdef WITHOUT_P1
  skip
#else
  for (i : 1 .. ALL) {
    if
    :: i != a && at[i].phase >= WON && OVERLAP(a, i) ->
      printf("P1 broken: %c has tokens %d to %d, and %c %d to %d\n",
        NAME(i), LOWEST(i), HIGHEST(i), NAME(a), LOWEST(a), HIGHEST(a)); assert(false)
    :: else
    fi
  }
#endif
}

inline won(a) {
#ifdef BLOCK_IN_MEMORY
  /* A and B are of one process, which goes on counting where A's block ended. */
  if
  :: a == 2 && at[1].phase >= WON && at[2].wonBefore & (1 << 1) -> at[2].token = at[1].token + BLOCK(2)
  :: else
  fi;
#endif
  at[a].phase = WON;
#ifdef PAST_BLOCK
  at[a].given = 1;
#endif
  printf("%c wins with tokens %d to %d\n", NAME(a), LOWEST(a), at[a].token);
  check_unique(a);
  for (i : 1 .. ALL) {
    if
    :: (at[a].wonBefore & (1 << i)) && !IS_BELOW(i, a) ->
      printf("P2 broken: %c had won token %d before %c started\n", NAME(i), HIGHEST(i), NAME(a)); assert(false)
    :: else
    fi
  }
  at[a].wonBefore = 0;
  forget_answers(a)
}

#ifdef PAST_BLOCK
/* The caller is over, and the next one has the next token. */
inline hand_over(a) {
  at[a].given++;
  printf("%c hands over token %d\n", NAME(a), LOWEST(a) + at[a].given - 1);
  check_unique(a)
}
#endif

/* A majority has granted: the token is the highest counter among them, and the nodes that
   answered it are confirmed. Otherwise a asks the others. */
inline tally(a) {
  count_accepted(a);
#ifdef NO_CONFIRM
  count = QUORUM;
#endif
  if
  :: count >= QUORUM -> won(a)
  :: else ->
    printf("%c has a majority and asks the other nodes to confirm token %d\n", NAME(a), at[a].token);
    at[a].phase = CONFIRMING;
    for (i : 0 .. N - 1) { if :: node[i].heard[a] == LOWER -> node[i].heard[a] = NOTHING :: else fi }
  fi
}

/* A new round: answers to the last one do not count for it. */
inline send_extension(a) {
  printf("%c sends an extension\n", NAME(a));
  at[a].phase = EXTENDING;
#ifndef OLD_ANSWERS
  forget_answers(a);
#endif
  at[a].outrun = false;
  for (i : 1 .. ALL) { if :: at[i].phase >= WON && at[i].token > at[a].token -> at[a].outrun = true :: else fi }
}

inline extended(a) {
  printf("%c is extended, with token %d\n", NAME(a), at[a].token);
  if
  :: at[a].outrun -> printf("P3 broken: a higher token had been won before the extension was sent\n"); assert(false)
  :: else
  fi
#ifdef WITNESS
  /* Not a violation: shows that the search gets this far. */
  count = 0;
  for (i : 1 .. A) { count = count + (at[i].phase >= WON && at[i].token <= at[a].token) }
  if
  :: count == A -> printf("reached: all attempts won, and the last one was extended\n"); assert(false)
  :: else
  fi
#endif
}

#ifdef ADOPT
/* At one moment, in memory. The lease is no caller's of this process any more. */
inline give_away(a) {
  printf("%c is given away, with token %d\n", NAME(a), at[a].last);
  at[a].phase = GIVEN;
  at[a].outrun = false;
  forget_answers(a)
}

#ifdef ADOPT_KEEPS_COUNTER
#define RAISE 0
#else
#define RAISE 1
#endif

inline start_adoption(a, g) {
  printf("%c starts to adopt %c\n", NAME(a), NAME(g));
  at[a].phase = ASKING;
  at[a].giver = g;
  at[a].token = at[g].token + RAISE;
  for (i : 1 .. ALL) { if :: at[i].phase >= WON && at[i].token > at[g].token -> at[a].outrun = true :: else fi }
}

inline adopted(a) {
  at[a].phase = WON;
#ifndef GIVER_GOES_ON
  at[at[a].giver].isAdopted = true;
#endif
  printf("%c has adopted %c, with tokens %d to %d\n", NAME(a), NAME(at[a].giver), LOWEST(a), at[a].token);
  check_unique(a);
  if
  :: at[a].outrun -> printf("P3 broken: a higher token had been won before the adoption began\n"); assert(false)
  :: else
  fi
  forget_answers(a)
}
#endif

/* ---- A node executes a message ---- */

#ifdef ACQUIRE_ONCE /* at most once on a node, and not after the tally */
#define ARRIVES(a, n) (!node[n].asked[a] && at[a].phase == ASKING)
#else
#define ARRIVES(a, n) true
#endif

#ifdef NO_OWNER_CHECK
#define CONFIRMS(a, n) (node[n].c <= at[a].token)
#elif defined(NO_CONFIRM_COUNTER_CHECK)
#define CONFIRMS(a, n) (node[n].owner == a)
#else
#define CONFIRMS(a, n) (node[n].owner == a && node[n].c <= at[a].token)
#endif

#ifdef NO_COUNTER_CHECK
#define EXTENDS(a, n) (node[n].owner == a || FREE(n))
#elif defined(OWNER_ONLY_EXTEND)
#define EXTENDS(a, n) (node[n].owner == a)
#else
#define EXTENDS(a, n) ((node[n].owner == a || FREE(n)) && node[n].c <= at[a].token)
#endif

#ifdef ADOPT
#ifdef SHARED_VALUE /* the adopters of one giver are one to the nodes */
#define IS_OWN(a, n) (node[n].owner == a || (node[n].owner > A && at[node[n].owner].giver == at[a].giver))
#else
#define IS_OWN(a, n) (node[n].owner == a)
#endif

#ifdef ADOPT_LOST
#define MAY_ADOPT(a, n) (IS_OWN(a, n) || node[n].owner == at[a].giver || node[n].owner == 0)
#elif defined(ADOPT_ANY)
#define MAY_ADOPT(a, n) (node[n].owner != 0)
#else
#define MAY_ADOPT(a, n) (IS_OWN(a, n) || node[n].owner == at[a].giver)
#endif

#ifdef ADOPT_UNCHECKED
#define ADOPTS(a, n) MAY_ADOPT(a, n)
#else
#define ADOPTS(a, n) (MAY_ADOPT(a, n) && node[n].c <= at[a].token)
#endif

/* Only a weakened rule meets a higher counter here. */
inline adopt(a, n) {
  node[n].owner = a;
  if :: node[n].c < at[a].token -> node[n].c = at[a].token :: else fi
  printf("node %d lets %c adopt %c", n + 1, NAME(a), NAME(at[a].giver))
}
#endif

inline own(a, n) {
  if
  :: node[n].owner != 0 && !IS_RESERVED(n) && node[n].owner != a ->
    printf("  node %d: %c's key expires\n", n + 1, NAME(node[n].owner))
  :: else
  fi
  node[n].owner = a
}

/* ACQUIRE on an unowned key. The clamp makes of p another number on every node and at every
   time: max(c + k, clamp(p)) may be any number from c + k on. */
inline grant(a, n, q, k) {
#ifdef MERGE
  if :: at[a].phase == IDLE -> printf("  "); start(a, k) :: else fi
#endif
#ifdef ACQUIRE_ONCE
  node[n].asked[a] = true;
#endif
  own(a, n);
  set_counter(n, q);
  printf("node %d grants %c with counter %d", n + 1, NAME(a), node[n].c)
}

#if K > 1
#define ASKS_FOR(a, k) (at[a].block == k || at[a].phase == IDLE)
#else
#define ASKS_FOR(a, k) true
#endif

#define GRANT(q, k) \
  :: d_step { STARTED(a) && MAY_TAKE(a, n) && ARRIVES(a, n) && LISTENS(a, n) && ASKS_FOR(a, k) && RAISED(q, k, node[n].c) -> \
    grant(a, n, q, k); printf("\n"); hear(a, n); skip } \
  :: d_step { STARTED(a) && MAY_TAKE(a, n) && ARRIVES(a, n) && ASKS_FOR(a, k) && UNHEARD(q, k, node[n].c) -> \
    grant(a, n, q, k); printf(", unheard\n") }

#if K == 1
#define GRANTS(q) GRANT(q, 1)
#elif K == 2
#define GRANTS(q) GRANT(q, 1) GRANT(q, 2)
#else
#define GRANTS(q) GRANT(q, 1) GRANT(q, 2) GRANT(q, 3)
#endif

inline confirm(a, n) {
  printf("node %d confirms token %d of %c", n + 1, at[a].token, NAME(a));
  node[n].c = at[a].token
}

/* Only a weakened rule meets a higher counter here. It is left as it is. */
inline extend(a, n) {
  own(a, n);
  if :: node[n].c < at[a].token -> node[n].c = at[a].token :: else fi
  printf("node %d accepts the extension of %c", n + 1, NAME(a))
}

proctype Wire(byte a, n) {
  do
  :: atomic { if
  GRANTS(1) GRANTS(2) GRANTS(3) GRANTS(4) GRANTS(5) GRANTS(6) GRANTS(7)
#if MAX_COUNTER > 7
  GRANTS(8) GRANTS(9)
#endif
  :: d_step { at[a].phase == CONFIRMING && node[n].heard[a] == NOTHING && CONFIRMS(a, n) ->
    confirm(a, n);
    printf("\n");
    node[n].heard[a] = TOP;
#ifdef MERGE
    count_accepted(a);
    if :: count >= QUORUM -> won(a) :: else fi
#endif
    skip }
  :: d_step { at[a].phase == EXTENDING && node[n].heard[a] == NOTHING && EXTENDS(a, n) ->
    extend(a, n);
    printf("\n");
#ifdef MERGE
    if :: at[a].outrun -> node[n].heard[a] = TOP :: else fi
    count_accepted(a);
    if :: count >= QUORUM -> extended(a) :: else fi
#else
    node[n].heard[a] = TOP;
#endif
    skip }
  /* The same two, late or doubled or with their answers lost. */
  :: d_step { at[a].phase >= CONFIRMING && CONFIRMS(a, n) && node[n].c != at[a].token ->
    confirm(a, n); printf(", unheard\n") }
  :: d_step { at[a].phase >= EXTENDING && EXTENDS(a, n) ->
    extend(a, n); printf(", unheard\n") }
#ifndef MERGE
  /* ACQUIRE finds that the key is a's already. (A counter that was rounded down need not be
     heard: if the key expires and is granted again, the same is heard.) */
  :: d_step { LISTENS(a, n) && node[n].owner == a && IS_TOKEN(node[n].c) ->
    printf("node %d answers %c again, counter %d\n", n + 1, NAME(a), node[n].c); hear(a, n); skip }
#endif
#ifdef HANDOFF_KEEPS_COUNTER
  :: d_step { LISTENS(a, n) && node[n].owner != 0 && at[node[n].owner].phase >= WON ->
    printf("node %d hands %c's key to %c, counter %d\n", n + 1, NAME(node[n].owner), NAME(a), node[n].c);
    node[n].owner = a; hear(a, n); skip }
#endif
#ifdef RESERVE
  /* RELEASE by any that was won or given up calls a. */
  :: d_step { at[a].phase != IDLE && (node[n].owner == 0 || node[n].owner > A || at[node[n].owner].phase >= WON) &&
      node[n].owner != A + a && node[n].owner != a ->
    printf("node %d is reserved for %c\n", n + 1, NAME(a)); node[n].owner = A + a }
#ifdef RESERVED_KEEPS_COUNTER
  :: d_step { LISTENS(a, n) && node[n].owner == A + a && node[n].c > 0 ->
    printf("node %d lets %c have what is reserved for it, counter %d\n", n + 1, NAME(a), node[n].c);
    node[n].owner = a; hear(a, n); skip }
#endif
#endif
  fi; settle() }
  od
}

proctype Expiry(byte n) {
  do
  :: atomic { if
  :: d_step { node[n].owner != 0 ->
    if
    :: IS_RESERVED(n) -> printf("node %d: what is reserved for %c expires\n", n + 1, NAME(node[n].owner - A))
    :: else -> printf("node %d: %c's key expires\n", n + 1, NAME(node[n].owner))
    fi
    node[n].owner = 0 }
#ifdef NODE_FORGETS
  :: d_step { node[n].c != 0 ->
    printf("node %d forgets everything\n", n + 1); node[n].owner = 0; node[n].c = 0 }
#endif
  fi; settle() }
  od
}

#define HEARD(n, least) (node[n].heard[a] >= least)
#if N == 3
#define HEARD_BY_ALL(least) (HEARD(0, least) + HEARD(1, least) + HEARD(2, least))
#elif N == 4
#define HEARD_BY_ALL(least) (HEARD(0, least) + HEARD(1, least) + HEARD(2, least) + HEARD(3, least))
#else
#define HEARD_BY_ALL(least) \
  (HEARD(0, least) + HEARD(1, least) + HEARD(2, least) + HEARD(3, least) + HEARD(4, least))
#endif
#define MAJORITY(least) (HEARD_BY_ALL(least) >= QUORUM)

proctype Client(byte a) {
  do
  :: atomic { if
  :: d_step { at[a].phase == ASKING && MAJORITY(LOWER) -> tally(a); skip }
#ifdef PAST_BLOCK
  :: d_step { at[a].phase >= WON && at[a].given <= BLOCK(a) -> hand_over(a); skip }
#endif
#ifdef MERGE
  :: d_step { at[a].phase >= WON && !at[a].outrun -> send_extension(a); skip }
#else
  :: d_step { at[a].phase == IDLE && (a == 1 || at[a - 1].phase != IDLE) -> start(a, 1); skip }
#if K > 1
  :: d_step { at[a].phase == IDLE && (a == 1 || at[a - 1].phase != IDLE) -> start(a, 2); skip }
#endif
#if K > 2
  :: d_step { at[a].phase == IDLE && (a == 1 || at[a - 1].phase != IDLE) -> start(a, 3); skip }
#endif
  :: d_step { at[a].phase == CONFIRMING && MAJORITY(TOP) -> won(a); skip }
  :: d_step { at[a].phase >= WON && at[a].phase != GIVEN -> send_extension(a); skip }
#ifdef ADOPT
  :: d_step { at[a].phase >= WON && at[a].phase != GIVEN -> at[a].last = at[a].token; give_away(a); skip }
#if K > 1
  :: d_step { at[a].phase >= WON && at[a].phase != GIVEN && BLOCK(a) > 1 -> at[a].last = LOWEST(a); give_away(a); skip }
#endif
#endif
  :: d_step { at[a].phase == EXTENDING && MAJORITY(TOP) -> extended(a); skip }
#endif
  fi; settle() }
  od
}

#ifdef ADOPT
proctype AdoptersWire(byte a, n) {
  do
  :: atomic { if
  :: d_step { at[a].phase == ASKING && node[n].heard[a] == NOTHING && ADOPTS(a, n) ->
    adopt(a, n); printf("\n"); node[n].heard[a] = TOP }
  :: d_step { at[a].phase >= ASKING && ADOPTS(a, n) && (node[n].owner != a || node[n].c != at[a].token) ->
    adopt(a, n); printf(", unheard\n") }
  :: d_step { at[a].phase == EXTENDING && node[n].heard[a] == NOTHING && EXTENDS(a, n) ->
    extend(a, n); printf("\n"); node[n].heard[a] = TOP }
  :: d_step { at[a].phase >= EXTENDING && EXTENDS(a, n) ->
    extend(a, n); printf(", unheard\n") }
  fi; settle() }
  od
}

#ifdef ADOPT_MINORITY
#define AGREED (HEARD_BY_ALL(TOP) >= 1)
#else
#define AGREED MAJORITY(TOP)
#endif

/* Adopters are interchangeable: they start in order. */
#define MAY_START(a) (at[a].phase == IDLE && (a == A + 1 || at[a - 1].phase != IDLE))
#define ADOPTER_OF(g) \
  :: d_step { MAY_START(a) && at[g].phase == GIVEN -> start_adoption(a, g); skip }

proctype Adopter(byte a) {
  do
  :: atomic { if
  ADOPTER_OF(1)
  ADOPTER_OF(2)
#if ALL > 3
  ADOPTER_OF(3)
#endif
#if ALL > 4
  ADOPTER_OF(4)
#endif
  :: d_step { at[a].phase == ASKING && AGREED -> adopted(a); skip }
  :: d_step { at[a].phase == WON || at[a].phase == EXTENDING -> send_extension(a); skip }
  :: d_step { at[a].phase == EXTENDING && MAJORITY(TOP) -> extended(a); skip }
  :: d_step { at[a].phase == WON || at[a].phase == EXTENDING -> at[a].last = LOWEST(a); give_away(a); skip }
  :: d_step { at[a].phase == WON || at[a].phase == EXTENDING -> at[a].last = at[a].token; give_away(a); skip }
  fi; settle() }
  od
}
#endif

/* The search tries the process that was started last first: attempt 1, node 1. */
init {
  atomic {
    byte a = A, n;
    do
    :: a == 0 -> break
    :: else ->
#ifndef MERGE
      if :: a == 1 -> for (n : 0 .. N - 1) { run Expiry(N - 1 - n) } :: else fi
#endif
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
