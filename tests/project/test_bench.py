"""The benchmarks: wrong results are not timed, and every kernel has one."""

import dataclasses
import importlib
import subprocess
import sys

import numpy as np
import pytest
from kit import CHECKOUT
from kit.cases import KERNELS

import minidnn


@pytest.fixture(scope="module")
def bench():
    before = list(sys.path)
    sys.path.insert(0, str(CHECKOUT))
    try:
        yield importlib.import_module("bench.__main__")
    finally:
        sys.path[:] = before


def test_every_kernel_has_a_bench(bench):
    timed = {kernel for each in bench.all_benches() for kernel in each.kernels}
    assert timed == {row.name for row in KERNELS}


def test_names_are_distinct(bench):
    names = [each.name for each in bench.all_benches()]
    assert len(set(names)) == len(names)


def test_every_kernel_bench_declares_its_flops_or_bytes(bench):
    assert not [each.name for each in bench.all_benches() if not (each.flops or each.bytes)]


def test_a_wrong_answer_is_not_timed(bench):
    harness = sys.modules["bench.harness"]

    def check():
        raise AssertionError("3 is not 4")

    wrong = harness.Bench("wrong", (), lambda: (pytest.fail, pytest.fail, check))
    with pytest.raises(harness.WrongResult, match="bench wrong: the results differ: 3 is not 4"):
        harness.run(wrong, 1, 1, 0.001)


def test_results_are_times_ratios_and_rates(bench):
    harness = sys.modules["bench.harness"]
    calls = []
    each = harness.Bench("one", (), lambda: (lambda: calls.append("ours"), lambda: calls.append("peer"), list), bytes=8)
    result = harness.run(each, 2, rounds=3, round_seconds=1e-9)
    assert result.ours > 0 and result.peer > 0 and result.ratio == result.peer / result.ours
    assert calls[-6:] == ["ours", "peer"] * 3  # in turn
    assert harness.from_json(harness.to_json([result])) == [result]
    lines = harness.table([result]).splitlines()
    assert lines[0].split()[:2] == ["bench", "threads"] and lines[1].split()[:2] == ["one", "2"]


def test_the_checkout_does_not_hide_the_installed_package():
    program = "import sys; sys.path.insert(0, sys.argv[1]); import bench; sys.exit(sys.argv[1] in sys.path)"
    subprocess.run([sys.executable, "-P", "-c", program, str(CHECKOUT)], check=True)


@pytest.mark.compiled
@pytest.mark.parametrize("place", range(8))
def test_the_steps_that_peers_are_timed_against_are_captured_with_the_same_bytes(bench, place):
    workload = importlib.import_module("bench.peers.workloads").WORKLOADS[place]
    build = importlib.import_module("bench.peers.minidnn_steps").build
    ends = []
    for captured in (True, False):
        minidnn.manual_seed(1)
        small = dataclasses.replace(workload, batch=min(workload.batch, 50))
        step, read = build(small, captured=captured)
        for _ in range(3):
            step()
        ends.append([array.tobytes() for array in read()])
    assert ends[0] == ends[1]


def test_there_are_no_other_workloads(bench):
    assert len(importlib.import_module("bench.peers.workloads").WORKLOADS) == 8


@pytest.mark.parametrize("study", ["steps", "epochs", "accuracy", "products", "elementwise"])
def test_a_peer_with_another_answer_is_not_timed(bench, study):
    study = importlib.import_module(f"bench.peers.{study}")
    right, wrong = [np.asarray(1.0)], [np.asarray(0.5)]
    for case in study.CASES:
        masks_differ = getattr(case, "dropout", 0.0) > 0
        assert not study.disagreement(case, right, right)
        assert masks_differ or study.disagreement(case, right, wrong)


def test_an_unknown_study_is_refused(bench, capsys):
    with pytest.raises(SystemExit):
        importlib.import_module("bench.peers.run").main(["--studies", "steps,naps"])
    assert "study naps is unknown; give some of steps," in capsys.readouterr().err
