#!/usr/bin/python3
"""./demo --zfs-file, where there is a ZFS (tests/with-zfs-fuse) and where there is none."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
if os.environ.get("WITH_ZFS_FUSE") != "1":
    os.environ.setdefault("WITH_ZFS_FUSE_SECONDS", "550")
    wrapper = os.path.join(HERE, "..", "with-zfs-fuse")
    os.execv(wrapper, [wrapper, sys.executable, "-B", os.path.abspath(__file__), *sys.argv[1:]])

import signal  # noqa: E402

import demos  # noqa: E402
import tap  # noqa: E402
from tap import equal, test, tests_for, true  # noqa: E402


@test
def the_demo_runs():
    demos.runs("--zfs-file", says=("--zfs-file", "at a greater cost"))


@tests_for(demos.ENDS, lambda end: end.name)
def interrupted_it_leaves_nothing(end):
    demos.interrupted(end, "--zfs-file")


@test
def kept_it_can_be_reached_and_stopped():
    demos.kept("--zfs-file")


@test
def without_zfs_it_says_what_to_start():
    """The last one: the ZFS of this test ends."""
    os.kill(int(os.environ["ZFS_FUSE_PID"]), signal.SIGKILL)
    done = demos.demo("--zfs-file")
    equal((done.returncode, done.stdout), (1, ""), "exit status, output")
    for word in ("no ZFS runs here", "modprobe zfs", "zfs-fuse", "./demo --directory"):
        true(word in done.stderr, f"{word!r} is not in {done.stderr}")
    tap.wait_until(lambda: demos.left_over()[:3] == demos.NOTHING[:3], "nothing is left", 180)


if __name__ == "__main__":
    tap.main()
