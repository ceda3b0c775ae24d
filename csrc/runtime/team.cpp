#include "runtime/team.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <new>

#include "runtime/parallel.hpp"
#include "runtime/thread.hpp"
#include "runtime/wait.hpp"

namespace minidnn::runtime {

void (*before_part)(int part) = nullptr;

namespace {

using std::chrono::microseconds;
using Clock = std::chrono::steady_clock;

// Long enough for the gap between two calls of a step, short enough to free the core for other processes.
constexpr microseconds kHelperSpins{150}, kCallerSpins{50};
// A helper was interrupted if the caller waits this long for it, and 7/8 as long as its own part took: alone
// it would be about as fast.
constexpr microseconds kStalled{500};
constexpr microseconds kInVain{100};  // the cost of a helper that cannot leave the caller's core
// Callers then work alone for this many times as long. Helpers that work for less than kWorth times as long
// until the next interruption cost more than they save: the next rest is twice as long.
constexpr int kRest = 4, kWorth = 10;
constexpr std::chrono::seconds kLongestRest{2};

// One region; lives on the stack of the thread that opened it.
struct Region {
  Region(Work w, const void* c, int n) : work(w), context(c), parts(n) {}
  const Work work;
  const void* const context;
  const int parts;
  std::atomic<std::uint64_t> begun{1};  // a bit for each part; part 0 is the caller's
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::exception_ptr error;

  bool claim(int part) {
    const std::uint64_t bit = std::uint64_t{1} << part;
    return !(begun.load(std::memory_order_relaxed) & bit) &&
           !(begun.fetch_or(bit, std::memory_order_acq_rel) & bit);
  }

  void run(int part) {
    if (before_part) before_part(part);
    try {
      work(context, part);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex);
      if (!error) error = std::current_exception();
      failed = true;  // set after `error`: threads that stop because of it must not replace it
    }
  }

  // First a thread's own part, whose data are in its cache; then unclaimed parts, in order.
  void help(int own) {
    const std::atomic<bool>* const before = stopped;
    stopped = &failed;
    if (own == 0 || (own < parts && claim(own))) run(own);
    for (int part = 0; part < parts; ++part)
      if (claim(part)) run(part);
    stopped = before;
  }
};

class Team {
 public:
  void run(Region& region) {
    const Clock::time_point opened = Clock::now();
    ensure(region.parts - 1);
    callers_core_.store(current_core(), std::memory_order_relaxed);
    region_.store(&region);
    ticket_.fetch_add(1);
    if (const std::uint32_t sleepers = sleepers_.load())
      wake(ticket_, std::min<int>(sleepers, region.parts - 1));
    region.help(0);
    region_.store(nullptr);
    const auto alone = [this] { return inside_.load() == 0; };
    if (!spin(kCallerSpins, alone)) wait(opened);
    if (in_vain_.load(std::memory_order_relaxed)) {
      in_vain_.store(false, std::memory_order_relaxed);
      rest(Clock::now(), kInVain);
    }
  }

  // Whether a helper was recently interrupted in its part, or could not leave the caller's core. Then callers
  // work alone for a while: some times as long as one had to wait, and longer if it soon happens again.
  bool rests() {
    if (!resting_) return false;
    resting_ = Clock::now() < rests_until_;
    return resting_;
  }

  // Whether the team is the caller's now; it belongs to one region at a time.
  bool take() { return !taken_.exchange(true, std::memory_order_acquire); }
  void give_back() { taken_.store(false, std::memory_order_release); }

 private:
  void wait(Clock::time_point opened) {
    const Clock::time_point begin = Clock::now();
    waiting_.store(1);
    while (const std::uint32_t inside = inside_.load()) sleep_on(inside_, inside);
    waiting_.store(0);
    const Clock::time_point end = Clock::now();
    const Clock::duration own = begin - opened;
    if (end - begin > std::max<Clock::duration>(kStalled, own - own / 8)) rest(end, end - begin);
  }

  void rest(Clock::time_point now, Clock::duration waited) {
    const bool again = now < rests_until_ + kWorth * waited;
    const Clock::duration first = kRest * waited;
    rest_ = std::min<Clock::duration>(again ? std::max(first, 2 * rest_) : first, kLongestRest);
    rests_until_ = now + rest_;
    resting_ = true;
  }

  void ensure(int wanted) {
    const int most = std::min(wanted, usable_cores() - 1);
    while (helpers_ < most && start(helpers_ + 1)) ++helpers_;
  }

  struct Start {
    Team* team;
    int number;
  };

  bool start(int number) {
    auto* given = new (std::nothrow) Start{this, number};
    const bool started = given && start_thread(helper, given);
    if (!started) delete given;
    return started;
  }

  static void helper(void* given) {
    const Start start = *static_cast<Start*>(given);
    delete static_cast<Start*>(given);
    start.team->serve(start.number);
  }

  [[noreturn]] void serve(int number) {
    std::uint32_t seen = 0;
    for (;;) {
      const auto called = [&] { return ticket_.load() != seen; };
      if (!spin(kHelperSpins, called)) {
        sleepers_.fetch_add(1);
        while (!called()) sleep_on(ticket_, seen);
        sleepers_.fetch_sub(1);
      }
      seen = ticket_.load();
      if (!leaves_the_caller()) {
        in_vain_.store(true, std::memory_order_relaxed);
        continue;
      }
      inside_.fetch_add(1);
      if (Region* region = region_.load()) region->help(number);
      if (inside_.fetch_sub(1) == 1 && waiting_.load()) wake(inside_, 1);
    }
  }

  // A helper that the scheduler wakes on the caller's core displaces the caller, which would then wait for
  // it. So the helper moves to another core; returns whether it has moved.
  bool leaves_the_caller() const {
    const int core = current_core();
    return core < 0 || core != callers_core_.load(std::memory_order_relaxed) || avoid_core(core);
  }

  // Each in cache lines of its own.
  alignas(128) std::atomic<Region*> region_{nullptr};
  alignas(128) Word ticket_{0};    // counts the regions
  alignas(128) Word inside_{0};    // helpers that may look at the region
  alignas(128) Word sleepers_{0};  // helpers asleep, or about to be
  Word waiting_{0};                // whether the caller sleeps on inside_
  std::atomic<int> callers_core_{-1};
  std::atomic<bool> in_vain_{false};  // whether a helper could not leave the caller's core
  std::atomic<bool> taken_{false};
  int helpers_ = 0;
  Clock::time_point rests_until_{};  // like helpers_, used by the caller alone
  Clock::duration rest_{};
  bool resting_ = false;
};

alignas(Team) char memory[sizeof(Team)];  // never destroyed: helpers outlive static objects
Team& team() {
  static Team* const one = new (memory) Team;
  return *one;
}

std::atomic<int> cores{std::max(1, cores_of_process())};

thread_local bool inside = false;  // a region opened within a part is run by its own thread

}  // namespace

void run_parts(int parts, Work work, const void* context) {
  Region region(work, context, parts);
  const bool mine = !inside && parts <= kMostParts && team().take();
  const bool before = inside;
  inside = true;
  if (mine && !team().rests())
    team().run(region);
  else
    region.help(0);
  if (mine) team().give_back();
  inside = before;
  if (region.error) std::rethrow_exception(region.error);
}

int usable_cores() { return cores.load(std::memory_order_relaxed); }

void use_cores(int n) { cores = std::max(1, n); }

void survive_fork() {
  team();
  after_fork([] { new (memory) Team; });
}

}  // namespace minidnn::runtime
