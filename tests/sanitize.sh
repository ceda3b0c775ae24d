#!/usr/bin/env bash
# Runs the suite, or the tests named in TESTS, with _core and _pipeline built under ASan and UBSan.
# Usage: [TESTS="tests/kernels/test_kernels.py ..."] sanitize.sh FOLDER [CMAKE FLAGS]
set -euo pipefail
folder=$(realpath -m "$1")
shift
cd "$(dirname "$0")/.."
cmake --preset sanitize -B "$folder" "$@" >/dev/null
cmake --build "$folder"
# An installed package of its own, with the sanitized libraries in it.
mkdir -p "$folder/site/minidnn"
cp -r minidnn/. "$folder/site/minidnn"
rm -rf "$folder/site/minidnn/notebook"
cp -r examples/notebook "$folder/site/minidnn/notebook"
cp "$folder"/_core*.so "$folder/site/minidnn/"
cp "$folder"/_pipeline*.so "$folder/site/minidnn/pipeline/"
# The finder of an editable install would come first.
echo 'import sys; sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in type(f).__module__]' >"$folder/site/sitecustomize.py"
# Python itself keeps memory at exit, so leaks are not looked for; NumPy and _core answer a null pointer by MemoryError.
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export LD_PRELOAD="$("${CXX:-g++}" -print-file-name=libasan.so) $("${CXX:-g++}" -print-file-name=libstdc++.so)"
export PYTHONPATH=$folder/site MINIDNN_SANITIZED=$folder/site
read -ra tests <<<"${TESTS:-tests}"
pytest -s -p no:cacheprovider "${tests[@]}"
