#!/usr/bin/env bash
# Kernels, products, parallel_for and the team of threads under the thread sanitizer. Shows first that a seeded race is
# caught; then delays threads at random places, by seed. Usage: tsan.sh FOLDER [COMPILER]
set -euo pipefail
folder=$1
compiler=${2:-g++}
mkdir -p "$folder"
cd "$(dirname "$0")/.."
flags=(-std=gnu++17 -g -O1 -pthread -fopenmp-simd -fsanitize=thread -DMINIDNN_THREADS -ffp-contract=off -fno-math-errno -Icsrc -Wno-psabi -Wno-unknown-pragmas)

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
  csrc/dispatch.cpp csrc/gemm.cpp csrc/runtime/team.cpp tests/native/threads.cpp "${objects[@]}"

export TSAN_OPTIONS=exitcode=66
if "$folder/threads" race 2>"$folder/race.log"; then
  echo "the seeded race was not caught" >&2
  exit 1
fi
grep -q "WARNING: ThreadSanitizer: data race" "$folder/race.log"
echo "a seeded race was caught"
"$folder/threads"
