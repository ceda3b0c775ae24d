#!/usr/bin/env bash
# Kernels, products and parallel_for under the thread sanitizer, with Clang and LLVM's OpenMP, whose Archer tells the
# sanitizer about barriers. Shows first that a seeded race is caught. Usage: tsan.sh FOLDER [CLANG VERSION]
# Needs, on Debian: clang-14 libomp-14-dev libclang-rt-14-dev.
set -euo pipefail
folder=$1
version=${2:-14}
mkdir -p "$folder"
cd "$(dirname "$0")/.."
compiler=clang++-$version
archer=$(dirname "$(realpath "$(command -v "$compiler")")")/../lib/libarcher.so
flags=(-std=gnu++17 -g -O1 -fopenmp -fsanitize=thread -ffp-contract=off -fno-math-errno -Icsrc -Wno-psabi -Wno-unknown-pragmas -Wno-pass-failed)

# As in CMakeLists.txt: one table for each instruction set.
isas=(baseline)
objects=()
if [ "$(uname -m)" = x86_64 ]; then isas=(x86_v4 x86_v3 baseline); fi
for isa in "${isas[@]}"; do
  case $isa in
    x86_v4) march=(-march=x86-64-v4 -mprefer-vector-width=512) ;;
    x86_v3) march=(-march=x86-64-v3) ;;
    *) march=() ;;
  esac
  "$compiler" "${flags[@]}" ${march[@]+"${march[@]}"} -DMINIDNN_ISA="$isa" -c csrc/kernels/table.cpp -o "$folder/table_$isa.o"
  objects+=("$folder/table_$isa.o")
done
list=$(printf 'X(%s)' "${isas[@]}")
"$compiler" "${flags[@]}" "-DMINIDNN_ISA_LIST=$list" -o "$folder/threads" \
  csrc/dispatch.cpp csrc/gemm.cpp tests/native/threads.cpp "${objects[@]}"

export OMP_TOOL_LIBRARIES=$archer TSAN_OPTIONS=ignore_noninstrumented_modules=1:exitcode=66
if "$folder/threads" race 2>"$folder/race.log"; then
  echo "the seeded race was not caught" >&2
  exit 1
fi
grep -q "WARNING: ThreadSanitizer: data race" "$folder/race.log"
echo "a seeded race was caught"
"$folder/threads"
