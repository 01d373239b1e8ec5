"""Objects of the lake as structs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_CHILD = """
import os, sys, threading
from reelhouse.raw.json_objects import decode
from reelhouse.raw.plan import Plan
from reelhouse.raw.receipt import Receipt
from reelhouse.warehouse.manifest import BuildManifest

sys.setswitchinterval(1e-6)
KINDS = (Plan, Receipt, BuildManifest)


def read(barrier, kind):
    barrier.wait()
    try:
        decode("key", b'{"format":3}', kind)
    except Exception:
        pass


def one():
    barrier = threading.Barrier(9)
    threads = [threading.Thread(target=read, args=(barrier, KINDS[number % 3])) for number in range(9)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    os._exit(0)


died = 0
for _ in range(40):
    child = os.fork() or one()
    died += os.WIFSIGNALED(os.waitpid(child, 0)[1])
print(died)
"""


@pytest.mark.skipif(os.name != "posix", reason="there is no fork")
def test_threads_may_read_a_kind_for_the_first_time_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", _CHILD], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "0", "")
