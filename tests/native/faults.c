// Preloaded (LD_PRELOAD) into a process: at the n-th call that changes files it dies by SIGKILL, or the call fails.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN, WRITE, FSYNC, CHMOD, RENAME, UNLINK, KINDS };
static long armed, failure, calls;
long fault_kinds[KINDS];

// From now on calls are counted, and the `at`-th (from 1; 0: none) fails with errno `error`, or with 0 kills.
void fault_arm(long at, long error) {
  armed = at, failure = error, calls = 0;
  memset(fault_kinds, 0, sizeof fault_kinds);
}

long fault_calls(void) { return calls; }

static int due(int kind) {
  ++fault_kinds[kind];
  return ++calls == armed;
}

static int strike(void) {
  if (failure == 0) kill(getpid(), SIGKILL);
  errno = (int)failure;
  return -1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

// A file that is only read does not count.
#define OPENER(name)                                         \
  int name(const char* path, int flags, ...) {               \
    va_list rest;                                            \
    va_start(rest, flags);                                   \
    const int mode = flags & O_CREAT ? va_arg(rest, int) : 0; \
    va_end(rest);                                            \
    if (flags & O_CREAT && due(OPEN)) return strike();       \
    return REAL(name)(path, flags, mode);                    \
  }
OPENER(open)
OPENER(open64)

// Half of what was to be written is on the disk by then.
ssize_t write(int file, const void* from, size_t n) {
  if (file > 2 && due(WRITE)) {
    REAL(write)(file, from, n / 2);
    return strike();
  }
  return REAL(write)(file, from, n);
}

int fsync(int file) { return due(FSYNC) ? strike() : REAL(fsync)(file); }
int chmod(const char* path, mode_t mode) { return due(CHMOD) ? strike() : REAL(chmod)(path, mode); }
int rename(const char* from, const char* to) { return due(RENAME) ? strike() : REAL(rename)(from, to); }
int unlink(const char* path) { return due(UNLINK) ? strike() : REAL(unlink)(path); }
