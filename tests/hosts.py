"""Trains over ranks on hosts that are network namespaces: ``python tests/hosts.py`` (Linux, as root, ``ip``).

Hosts a, b and c have a name, an address and a route of their own; this process carries their packets, late, and loses
some. mpich starts the ranks by ``ip netns exec`` in place of ssh. Each training must leave the bytes of one process.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import os
import random
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import kill_ranks

HOSTS = {"a": "10.77.0.1", "b": "10.77.0.2", "c": "10.77.0.3"}
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000


class Network:
    """The hosts and what lies between them.

    Attributes:
        delay: seconds that a packet takes.
        loss: probability that it is lost.
        down: hosts whose packets are all lost.
    """

    def __init__(self, folder):
        self.delay, self.loss, self.down, self.enter = 0.0, 0.0, set(), folder / "enter"
        self._devices, self._open = {}, True
        for host, address in HOSTS.items():
            self._add(host, address)
        self.enter.write_text(ENTER)
        self.enter.chmod(0o755)
        threading.Thread(target=self._carry, daemon=True).start()

    def _add(self, host, address):
        space, device = f"minidnn-{host}", f"tun-{host}"
        subprocess.run(["ip", "netns", "add", space], check=True)
        etc = Path("/etc/netns") / space
        etc.mkdir(parents=True)
        (etc / "hosts").write_text("127.0.0.1 localhost\n" + "".join(f"{at} {name}\n" for name, at in HOSTS.items()))
        handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(handle, TUNSETIFF, struct.pack("16sH", device.encode(), IFF_TUN | IFF_NO_PI))
        subprocess.run(["ip", "link", "set", device, "netns", space], check=True)
        for words in ("link set lo up", f"addr add {address}/24 dev {device}", f"link set {device} up"):
            subprocess.run(["ip", "-n", space, *words.split()], check=True)
        self._devices[bytes(map(int, address.split(".")))] = handle, host

    def _carry(self):
        rng, late = random.Random(0), []
        names, count = dict(self._devices.values()), 0
        while self._open:
            wait = 0.2 if not late else max(0.0, late[0][0] - time.monotonic())
            for handle in select.select(list(names), [], [], min(wait, 0.2))[0]:
                try:
                    packet, count = os.read(handle, 65536), count + 1
                except OSError:  # the host is gone, at the end
                    return
                target, host = self._devices.get(packet[16:20], (None, None))
                lost = target is None or self.down & {host, names[handle]} or rng.random() < self.loss
                if not lost:
                    heapq.heappush(late, (time.monotonic() + self.delay, count, target, packet))
            while late and late[0][0] <= time.monotonic():
                _, _, target, packet = heapq.heappop(late)
                with contextlib.suppress(BlockingIOError):  # the host's queue is full: a packet more is lost
                    os.write(target, packet)

    def processes(self, host):
        """The processes of a host."""
        return subprocess.run(
            ["ip", "netns", "pids", f"minidnn-{host}"], check=True, capture_output=True, text=True
        ).stdout.split()

    def close(self):
        self._open = False
        for host in HOSTS:
            for process in self.processes(host):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(process), signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", f"minidnn-{host}"], check=False)
            shutil.rmtree(Path("/etc/netns") / f"minidnn-{host}")


ENTER = """#!/bin/sh
# Stands for ssh: enter [-x] HOST COMMAND...
[ "$1" = -x ] && shift
host=$1; shift
exec ip netns exec "minidnn-$host" unshare --uts sh -c "hostname $host; $*"
"""


def train(network, folder, hosts, epochs, restarts=0):
    """Starts a training on host a over ranks on these hosts."""
    ranks = len(hosts)
    words = kill_ranks.command(folder, ranks, epochs, restarts)
    words += ["--hosts", ",".join(f"{host}:1" for host in hosts)]
    environment = os.environ | {"HYDRA_LAUNCHER": "ssh", "HYDRA_LAUNCHER_EXEC": str(network.enter)}
    inside = ["ip", "netns", "exec", "minidnn-a", "unshare", "--uts", "sh", "-c", 'hostname a; exec "$@"', "sh", *words]
    return subprocess.Popen(
        inside, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def after(folder, checkpoints):
    """Waits until that many checkpoints were begun."""
    while kill_ranks.checkpoint(folder) < f"checkpoint-{checkpoints:08d}":
        time.sleep(0.01)


def ranks_on(network, host, folder):
    here = set(network.processes(host))
    return [rank for rank in kill_ranks.ranks_of(folder).values() if str(rank) in here]


def slow_link(network, folder):
    network.delay = 0.002


def lossy_link(network, folder):
    network.delay, network.loss = 0.0005, 0.01


def link_down_for_a_while(network, folder):
    after(folder, 1)
    network.down = {"b"}
    time.sleep(5)
    network.down = set()


def slow_rank(network, folder):
    after(folder, 1)
    for _ in range(5):
        for rank in ranks_on(network, "b", folder):
            os.kill(rank, signal.SIGSTOP)
            time.sleep(1)
            os.kill(rank, signal.SIGCONT)
        time.sleep(0.2)


def vanished_host(network, folder):
    after(folder, 1)
    network.down = {"b"}
    for process in network.processes("b"):
        os.kill(int(process), signal.SIGKILL)


def rank_lost(network, folder):
    after(folder, 1)
    os.kill(ranks_on(network, "b", folder)[0], signal.SIGKILL)


CASES = {
    "a link of 2 ms": (slow_link, ("a", "b"), 2),
    "a link that loses 1 % of the packets": (lossy_link, ("a", "b"), 2),
    "a link that is down for 5 s": (link_down_for_a_while, ("a", "b"), 40),
    "a rank that stands still 5 times for 1 s": (slow_rank, ("a", "b"), 40),
    "a rank that is lost on another host": (rank_lost, ("a", "b"), 40),
    "a host that vanishes": (vanished_host, ("a", "b"), 40),
}


def main():
    wrong = 0
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as at_end:
        network = Network(Path(name))
        at_end.callback(network.close)
        expected = {}
        for title, (disturb, hosts, epochs) in CASES.items():
            if epochs not in expected:
                whole = Path(name) / f"whole-{epochs}"
                subprocess.run(kill_ranks.command(whole, 1, epochs), check=True, stdout=subprocess.DEVNULL)
                expected[epochs] = kill_ranks.model_of(whole)
            network.delay, network.loss, network.down = 0.0001, 0.0, set()
            folder, start = Path(name) / "run", time.monotonic()
            process = train(network, folder, hosts, epochs, restarts=1)
            disturb(network, folder)
            _, printed = process.communicate(timeout=300)
            same = process.returncode == 0 and kill_ranks.model_of(folder) == expected[epochs]
            wrong += not same
            print(f"{title}: {'same bytes' if same else 'WRONG'}, {time.monotonic() - start:.0f} s", flush=True)
            print("".join(f"    {line}\n" for line in printed.splitlines()), end="", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
