// The team of threads. One team serves the whole process; running threads claim the parts of a region.
//
// The thread that opens a region begins with part 0 and takes every part that no helper has begun, so that it
// can always finish alone: a helper that is asleep, or not scheduled, costs nothing. It waits only for parts
// that a helper has begun: it spins for some microseconds, then sleeps, which frees its core for the helper.
// Helpers without work sleep, too. A helper that the scheduler has put on the caller's core, which happens
// where other processes use the remaining cores, leaves that core.
#pragma once

namespace minidnn::runtime {

// work(context, part) for part = 0 .. parts - 1, each once, by some threads of the team. Part p may wait for
// parts before it, never for later ones. The first exception is rethrown.
using Work = void (*)(const void* context, int part);
void run_parts(int parts, Work work, const void* context);

// Sets the number of cores that the process may use, which bounds the parts of a region and the helpers. The
// default is the number of cores in its affinity mask; tests set others.
int usable_cores();
void use_cores(int n);

// If set, called for each claimed part before it runs; tests use it to delay threads.
extern void (*before_part)(int part);

// A fork copies only the calling thread: the child begins with a new team.
void survive_fork();

constexpr int kMostParts = 64;

}  // namespace minidnn::runtime
