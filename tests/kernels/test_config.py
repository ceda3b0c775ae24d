"""The environment variables, and the output of show_config."""

import os
import subprocess
import sys

import numpy as np
import pytest

import minidnn
from minidnn import config, kernels


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60, env=os.environ | environment
    )


@pytest.mark.compiled
@pytest.mark.parametrize("isa", kernels.usable_isas())
def test_minidnn_isa_chooses(isa):
    assert run("import minidnn; print(minidnn.kernels.isa())", MINIDNN_ISA=isa).stdout == f"{isa}\n"


@pytest.mark.compiled
def test_an_unknown_isa_is_an_error_that_lists_the_choices():
    done = run("import minidnn", MINIDNN_ISA="sse9")
    assert done.returncode == 1
    assert (
        f"'sse9' is unknown or not supported by this CPU; choose from {', '.join(kernels.usable_isas())}" in done.stderr
    )


@pytest.mark.compiled
@pytest.mark.parametrize(("value", "threads"), [("1", 1), ("3", 3), ("2,4", 2), (" 5 ", 5)])
def test_omp_num_threads_is_honoured(value, threads):
    assert run("import minidnn; print(minidnn.get_num_threads())", OMP_NUM_THREADS=value).stdout == f"{threads}\n"


@pytest.mark.parametrize("value", ["", "0", "-1", "many", "99999"])
def test_invalid_numbers_of_threads_are_ignored(value, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert config._threads_of_environment() is None


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.max": ""}, None),
        ({}, None),
        # nested groups: the smallest quota of all levels
        ({"own": "0::/a/b\n", "a/b/cpu.max": "max 100000\n", "a/cpu.max": "100000 100000\n"}, 1.0),
        ({"own": "0::/a/b\n", "a/b/cpu.max": "50000 100000\n", "a/cpu.max": "100000 100000\n"}, 0.5),
        ({"own": "0::/a\n", "cpu.max": "300000 100000\n", "a/cpu.max": "max 100000\n"}, 3.0),
        ({"own": "0::/\n", "a/cpu.max": "100000 100000\n"}, None),
        (
            {
                "own": "4:memory:/m\n1:cpu,cpuacct:/x/y\n0::/\n",
                "cpu/x/cpu.cfs_quota_us": "200000\n",
                "cpu/x/cpu.cfs_period_us": "100000\n",
                "m/cpu.max": "1000 100000\n",
            },
            2.0,
        ),
        ({"own": "nonsense\n", "cpu.max": "150000 0\n"}, None),
    ],
)
def test_the_quota_of_a_control_group(tmp_path, files, quota):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text)
    assert config._cgroup_quota(tmp_path, tmp_path / "own") == quota


@pytest.mark.compiled
def test_a_limit_of_openmp_is_kept():
    """As `threadpoolctl.threadpool_limits` sets it, in this thread; the number that OpenMP started with is no limit."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    started_with = {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "openmp"}
    limit = min({1, 2, 3} - started_with)
    x = np.ones((512, 512), np.float32)
    minidnn.set_num_threads(4)
    expected = kernels.matmul(x, x).tobytes()
    with threadpoolctl.threadpool_limits(limits=limit):
        assert kernels.matmul(x, x).tobytes() == expected
        assert kernels._core.thread_limit() == limit
    assert kernels._core.thread_limit() == 4


def test_show_config_prints_every_setting(capsys):
    minidnn.show_config()
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if len(line.split()) > 1)
    assert lines["minidnn"] == minidnn.__version__
    assert {"backend", "threads", "compiler", "flags", "openmp", "numpy", "python"} <= set(lines)
