#include "dispatch.hpp"

#include <atomic>
#include <stdexcept>

namespace minidnn {

#define X(isa)              \
  namespace isa {           \
  extern const Table table; \
  }
MINIDNN_ISA_LIST
#undef X

namespace {

#if defined(__x86_64__)
bool runs_x86_v4() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
bool runs_x86_v3() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2");
}
#endif
bool runs_baseline() { return true; }

struct Implementation {
  const Table* table;
  bool (*runs)();
};

// In the order of preference.
const Implementation kImplementations[] = {
#define X(isa) {&isa::table, runs_##isa},
    MINIDNN_ISA_LIST
#undef X
};

const Table* best() {
#if defined(__x86_64__)
  __builtin_cpu_init();  // this runs while the library is being loaded
#endif
  for (const auto& candidate : kImplementations)
    if (candidate.runs()) return candidate.table;
  return kImplementations[0].table;  // not reached: the baseline always runs
}

std::atomic<const Table*> in_use{best()};

}  // namespace

const Table& kernels() { return *in_use.load(std::memory_order_relaxed); }

std::vector<std::string> usable_isas() {
  std::vector<std::string> names;
  for (const auto& candidate : kImplementations)
    if (candidate.runs()) names.emplace_back(candidate.table->isa);
  return names;
}

bool has_vnni() {
#if defined(__x86_64__)
  static const bool vnni = runs_x86_v4() && __builtin_cpu_supports("avx512vnni");
  return vnni;
#else
  return false;
#endif
}

void use_isa(const std::string& name) {
  std::string choices;
  for (const auto& candidate : kImplementations) {
    if (!candidate.runs()) continue;
    if (name == candidate.table->isa) return in_use.store(candidate.table, std::memory_order_relaxed);
    choices += (choices.empty() ? "" : ", ") + std::string(candidate.table->isa);
  }
  throw std::invalid_argument("MINIDNN_ISA: '" + name +
                              "' is unknown or not supported by this CPU; choose from " + choices);
}

}  // namespace minidnn
