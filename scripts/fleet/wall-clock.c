/*
 * A wall clock that can be set wrong, for one process, while it runs. Test use only.
 *
 * Preloaded into a process, this library answers for clock_gettime(CLOCK_REALTIME), gettimeofday and time.
 * The file named by QUORLOCK_WALL_CLOCK holds one line "OFFSET_MS RATE" and is looked at on every reading:
 *
 *   - a new OFFSET_MS is a step, by the difference to the one before;
 *   - RATE is how fast the clock runs from then on (1.05 gains 50 ms a second), without a jump.
 *
 * Monotonic clocks are not touched, so timers and timeouts stay true.
 *
 * No lock and no malloc: the allocator reads the clock while it holds its own locks, and a server forks.
 * The line in force is an immutable record; a change publishes a new one with a compare-and-swap.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL
#define NS_PER_MS 1000000LL
#define NS_PER_US 1000LL

/* A record is used again only this many changes later, when no reader can still be in the middle of it. */
#define RECORDS 1024

struct setting {
  long long since_true_ns; /* when this line was first seen, on the true clock */
  long long since_shown_ns; /* and what the process was shown at that moment */
  long long offset_ms;
  double rate;
  /* which state of the file this is */
  ino_t inode;
  long long modified_ns;
};

static struct setting records[RECORDS];
static atomic_uint records_used;
static struct setting truthful = {.rate = 1};
static _Atomic(struct setting *) in_force = &truthful;

/* Copied at start, because servers overwrite their environment to show a process title. */
static char control_file[4096];

__attribute__((constructor)) static void remember_control_file(void) {
  const char *path = getenv("QUORLOCK_WALL_CLOCK");
  if (path != NULL && strlen(path) < sizeof control_file) strcpy(control_file, path);
}

/* Straight to the kernel: the library function of this name is the one replaced below. */
static int true_clock(clockid_t clock, struct timespec *out) {
  return (int)syscall(SYS_clock_gettime, clock, out);
}

static long long to_ns(struct timespec t) { return t.tv_sec * NS_PER_S + t.tv_nsec; }

static long long shown_at(const struct setting *s, long long true_ns) {
  return s->since_shown_ns + (long long)((double)(true_ns - s->since_true_ns) * s->rate);
}

/* The two numbers of the control file; 0 if it is missing or malformed, and the old line stays in force. */
static int read_line(struct setting *into) {
  char text[128];
  int file = open(control_file, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return 0;
  text[length] = '\0';
  char *after_offset, *after_rate;
  into->offset_ms = strtoll(text, &after_offset, 10);
  if (after_offset == text) return 0;
  into->rate = strtod(after_offset, &after_rate);
  return after_rate != after_offset && into->rate > 0;
}

static const struct setting *current_setting(long long true_ns) {
  struct setting *old = atomic_load(&in_force);
  struct stat state;
  if (control_file[0] == '\0' || stat(control_file, &state) != 0) return old;
  long long modified_ns = to_ns(state.st_mtim);
  if (state.st_ino == old->inode && modified_ns == old->modified_ns) return old;

  struct setting *fresh = &records[atomic_fetch_add(&records_used, 1) % RECORDS];
  if (!read_line(fresh)) return old;
  fresh->inode = state.st_ino;
  fresh->modified_ns = modified_ns;
  fresh->since_true_ns = true_ns;
  fresh->since_shown_ns = shown_at(old, true_ns) + (fresh->offset_ms - old->offset_ms) * NS_PER_MS;
  /* Another thread may have seen the change first; then its record counts, and a step is not taken twice. */
  if (atomic_compare_exchange_strong(&in_force, &old, fresh)) return fresh;
  return old;
}

static long long shown_now(void) {
  struct timespec now;
  true_clock(CLOCK_REALTIME, &now);
  long long true_ns = to_ns(now);
  return shown_at(current_setting(true_ns), true_ns);
}

int clock_gettime(clockid_t clock, struct timespec *out) {
  if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) return true_clock(clock, out);
  long long shown_ns = shown_now();
  out->tv_sec = shown_ns / NS_PER_S;
  out->tv_nsec = shown_ns % NS_PER_S;
  return 0;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
  (void)zone;
  long long shown_ns = shown_now();
  out->tv_sec = shown_ns / NS_PER_S;
  out->tv_usec = shown_ns % NS_PER_S / NS_PER_US;
  return 0;
}

time_t time(time_t *out) {
  time_t seconds = shown_now() / NS_PER_S;
  if (out != NULL) *out = seconds;
  return seconds;
}

/*
 * Valkey 9 asks for the wall clock only once a millisecond, and counts the processor's ticks in between if this
 * file says that they are regular. If it can't read the file, it asks every time.
 */
FILE *fopen64(const char *restrict path, const char *restrict mode) {
  if (control_file[0] != '\0' && strcmp(path, "/proc/cpuinfo") == 0) {
    errno = ENOENT;
    return NULL;
  }
  /* The same function; servers call it by the name above. */
  return fopen(path, mode);
}
