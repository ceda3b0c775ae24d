"""The configuration: version, instruction set, threads, compiler, and the environment variables that set them."""

from __future__ import annotations

import os
import sys

import numpy as np

from minidnn import kernels
from minidnn.kernels import num_threads as get_num_threads
from minidnn.kernels import set_num_threads
from minidnn.version import __version__

__all__ = ["apply_environment", "get_num_threads", "set_num_threads", "show_config"]


def show_config() -> None:
    """Prints version, backend, instruction set, threads, compiler and flags."""
    from minidnn.columns import columns

    build = kernels.build_info()
    rows = {
        "minidnn": __version__,
        "backend": kernels.backend(),
        "instruction set": f"{kernels.isa()} (usable: {', '.join(kernels.usable_isas()) or 'none'})",
        "threads": f"{get_num_threads()} (of {available_cpus()} available)",
        "compiler": build.get("compiler", "none"),
        "flags": build.get("flags", "none"),
        "openmp": build.get("openmp", "none"),
        "numpy": np.__version__,
        "python": sys.version.split()[0],
    }
    print(columns(rows.items(), left=(0, 1)))


def apply_environment() -> None:
    """Applies ``MINIDNN_ISA`` (instruction set) and ``OMP_NUM_THREADS`` (number of threads). Called once, at import.

    Raises:
        ValueError: the instruction set of ``MINIDNN_ISA`` is unknown or this CPU does not support it.
    """
    if isa := os.environ.get("MINIDNN_ISA"):
        kernels.use_isa(isa)
    cores = available_cpus()
    kernels.use_cores(cores)
    set_num_threads(_threads_of_environment() or cores)


def _threads_of_environment() -> int | None:
    """The first number of ``OMP_NUM_THREADS`` ("4" or "4,2"); None if it is not an integer in [1, 1024]."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isascii() and first.isdigit() and 1 <= int(first) <= 1024 else None


def available_cpus() -> int:
    """The number of CPUs that this process may use: the smaller of its affinity mask and its control group's quota."""
    if sys.platform == "linux":
        cpus = len(os.sched_getaffinity(0))
    else:
        cpus = os.cpu_count() or 1
    quota = _cgroup_quota("/sys/fs/cgroup", "/proc/self/cgroup")
    return min(cpus, 1024) if quota is None else max(1, min(cpus, int(quota), 1024))


def _cgroup_quota(root: str, own: str) -> float | None:
    """The number of CPUs (quota / period) of this process: the minimum over its control groups at every nesting level.

    Paths are strings, because importing pathlib would take a fifth of the import time of minidnn.

    Args:
        root: where the control groups are mounted.
        own: the file that lists the control groups of this process, one line ``number:controllers:path`` each.

    Returns:
        None if no level sets a limit.
    """
    try:
        lines = [line.split(":", 2) for line in _read(own).splitlines()]
    except OSError:
        lines = []
    folders = [root, os.path.join(root, "cpu")]  # in a container the mounted root is often the group itself
    for _, controllers, path in (line for line in lines if len(line) == 3):
        mounted = folders[1] if "cpu" in controllers.split(",") else root if not controllers else None
        if mounted is not None:
            group = os.path.normpath(os.path.join(mounted, path.lstrip("/")))
            while group.startswith(os.path.join(mounted, "")):
                folders.append(group)
                group = os.path.dirname(group)
            folders.append(mounted)
    quotas = [quota for folder in dict.fromkeys(folders) if (quota := _quota_of(folder)) is not None]
    return min(quotas, default=None)


def _quota_of(group: str) -> float | None:
    """The quota of one control group (version 2 or 1); None if it sets no limit or does not exist."""
    try:
        if os.path.exists(version2 := os.path.join(group, "cpu.max")):
            quota, period = _read(version2).split()[:2]
        else:
            quota = _read(os.path.join(group, "cpu.cfs_quota_us"))
            period = _read(os.path.join(group, "cpu.cfs_period_us"))
        return float(quota) / float(period) if float(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None  # no control group, or "max": no limit


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()
