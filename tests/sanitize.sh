#!/usr/bin/env bash
# Runs the kernel tests with _core built under ASan and UBSan. Usage: sanitize.sh FOLDER [CMAKE FLAGS]
set -euo pipefail
folder=$1
shift
source=$(cd "$(dirname "$0")/.." && pwd)
cmake -S "$source" -B "$folder" "$@" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DMINIDNN_SANITIZE=ON >/dev/null
cmake --build "$folder"
# An installed package of its own, with the sanitized library in it.
mkdir -p "$folder/site"
cp -r "$source/minidnn" "$folder/site/minidnn"
cp "$folder"/_core*.so "$folder/site/minidnn/"
cp "$folder"/_pipeline*.so "$folder/site/minidnn/data/"
# Python itself keeps memory at exit, so leaks are not looked for.
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 MINIDNN_SANITIZED="$folder/site"
export LD_PRELOAD=$("${CXX:-g++}" -print-file-name=libasan.so) PYTHONPATH=$folder/site
cd "$source"
pytest -s -p no:cacheprovider tests/test_kernels.py tests/test_deploy_kernels.py tests/test_random.py tests/test_pipeline.py
