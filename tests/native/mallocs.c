// Preloaded (LD_PRELOAD) into a process: counts the calls of all its threads that ask for memory, while it is told to.
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

// The GNU C library's own, under the names that nobody replaces; `new` in C++ calls malloc.
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t n, size_t bytes);
void* __libc_realloc(void* old, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);

static atomic_int counting;
static atomic_long calls;

void mallocs_start(void) { calls = 0, counting = 1; }

long mallocs_stop(void) {
  counting = 0;
  return calls;
}

static void count(void) {
  if (counting) ++calls;
}

void* malloc(size_t bytes) {
  count();
  return __libc_malloc(bytes);
}

void* calloc(size_t n, size_t bytes) {
  count();
  return __libc_calloc(n, bytes);
}

void* realloc(void* old, size_t bytes) {
  count();
  return __libc_realloc(old, bytes);
}

void* memalign(size_t alignment, size_t bytes) {
  count();
  return __libc_memalign(alignment, bytes);
}

void* aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }

int posix_memalign(void** to, size_t alignment, size_t bytes) {
  *to = memalign(alignment, bytes);
  return *to || bytes == 0 ? 0 : ENOMEM;
}
