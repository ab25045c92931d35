"""What these tests share: a directory in memory; and of power cuts, states of the disks, each tried in another process."""

import json
import multiprocessing
import os
import subprocess

import here  # noqa: F401 - makes the harness importable
import cleanup
import tap
from flocker import Host


def directory():
    """It, and what is mounted there.  In memory: how fast the machine's own disk is has no part in it.

    Who cleans up after a killed test sees none of these mounts, but which processes to end."""
    top = cleanup.make_directory()
    tap.finally_(lambda: cleanup.remove(top))
    daemons = os.open(f"{top}/daemons", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3G,mode=700", "flocker-test", top], check=True)
    open(f"{top}/daemons", "w", encoding="utf-8").close()
    subprocess.run(["mount", "--bind", f"/proc/{os.getpid()}/fd/{daemons}", f"{top}/daemons"], check=True)
    return top, [f"{top}/daemons", top]


def host_in_memory():
    """A host that lasts as long as the test program, and what is mounted there without it."""
    top, mounts = directory()
    host = Host(top, "root")
    tap.finally_(host.remove)
    tap.on_failure(host.tail)
    return host, mounts


def move_pool(host, path):
    """The pool of a host that does not run has another path now."""
    with open(f"{host.root}/lib/pool.json", encoding="utf-8") as file:
        spec = json.load(file)
    with open(f"{host.root}/lib/pool.json", "w", encoding="utf-8") as file:
        json.dump({**spec, "path": path}, file)


def worker():
    """The number of the process that calls."""
    return multiprocessing.current_process().name.split("-")[-1]


def record_worker(top):
    """A worker that outlives a killed test is ended by the next one."""
    cleanup.record(f"{top}/daemons", os.getpid())


def in_workers(top, function, jobs, count):
    """What the function answers to each job, in any order, from so many processes."""
    with multiprocessing.get_context("fork").Pool(count, record_worker, (top,)) as pool:
        results = list(pool.imap_unordered(function, jobs))
        # Workers that are left to end by themselves: one that is ended while it waits for work keeps
        # the lock that ending the pool then waits for.
        pool.close()
        pool.join()
    return results
