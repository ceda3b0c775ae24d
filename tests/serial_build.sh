#!/usr/bin/env bash
# Builds _core without OpenMP and shows that it computes the same bytes. Usage: serial_build.sh FOLDER [CMAKE FLAGS]
set -euo pipefail
folder=$1
shift
cmake -S "$(dirname "$0")/.." -B "$folder" "$@" -DCMAKE_BUILD_TYPE=Release -DMINIDNN_OPENMP=OFF >/dev/null
cmake --build "$folder" --target _core
program='
import hashlib, sys, numpy as np
if len(sys.argv) > 1:
    sys.path.insert(0, sys.argv[1])
    import _core as core
    assert core.openmp == 0
else:
    from minidnn import _core as core
    assert core.openmp > 0
core.set_num_threads(3)
words = core.random_bits(3_000_000, 1, 2, 3)
x = (words >> 8).astype(np.float32) * np.float32(2.0**-24) - np.float32(0.5)
a, b = x[:900_000].reshape(1000, 900), x[900_000:1_800_000].reshape(900, 1000)
results = [core.matmul(a, b), core.elu(x, 1.0), core.softmax(a), core.column_sum(a), core.dropout(x, 0.5, 4, 5, 6)]
print(hashlib.sha256(b"".join(result.tobytes() for result in results)).hexdigest())
'
threaded=$(python -P -c "$program")
serial=$(python -P -c "$program" "$folder")
echo "with threads    $threaded"
echo "without threads $serial"
test "$threaded" = "$serial"
