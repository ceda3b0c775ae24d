// The threads. One team serves the whole process; a region's parts are claimed by whoever is running.
//
// The thread that opens a region begins with part 0 and takes every part that nobody has begun, so that it
// can always finish alone: a helper that is asleep, or that the scheduler has not running, costs nothing. It
// waits only for parts that a helper has begun: some microseconds spinning, then asleep, so that its core is
// free for the helper to be moved to. Helpers that find nothing to do sleep, too. One that the scheduler has
// put on the caller's core, as it does where others use the remaining ones, leaves it.
#pragma once

namespace minidnn::runtime {

// work(context, part) for part = 0 .. parts - 1, each once, by some threads of the team. Part p may wait for
// parts before it, never for later ones. The first exception is thrown on.
using Work = void (*)(const void* context, int part);
void run_parts(int parts, Work work, const void* context);

// The cores that the process may use, which bound the parts of a region and the helpers: those of its
// affinity, until this says less, or more, as tests do.
int usable_cores();
void use_cores(int n);

// Called for each claimed part before it runs, if it is set; for tests, which delay threads by it.
extern void (*before_part)(int part);

// A fork copies only the calling thread: the child begins with a new team.
void survive_fork();

constexpr int kMostParts = 64;

}  // namespace minidnn::runtime
