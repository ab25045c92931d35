#!/usr/bin/python3
"""./demo: the first five minutes of every user; twice, interrupted, and kept."""

import glob
import os
import pathlib
import re
import signal
import subprocess

import cleanup
import tap
from tap import equal, test, true

TOP = pathlib.Path(__file__).resolve().parent.parent.parent


def left_over():
    """What any demo has on this machine now: directories, mounts, loop devices."""
    return (sorted(glob.glob("/tmp/flocker-demo.*")),
            [m for m in cleanup.mounts_under("/tmp") if "flocker-demo" in m],
            [p for p in glob.glob("/sys/block/loop*/loop/backing_file")
             if "flocker-demo" in pathlib.Path(p).read_text(encoding="utf-8")])


def demo(*arguments):
    return subprocess.run(["./demo", *arguments], cwd=TOP, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=600, check=False)


def runs():
    before = left_over()
    done = demo()
    equal(done.returncode, 0, f"exit status of\n{done.stdout}{done.stderr}\n")
    equal(done.stdout.count("✔"), 5, f"proofs in\n{done.stdout}\n")
    for word in ("flocker snapshot", "flocker rollback", "flocker stash restore", "What to try next"):
        true(word in done.stdout, f"{word!r} is not in\n{done.stdout}")
    true("\x1b" not in done.stdout, "no colours where there is no terminal")
    equal(left_over(), before, "what is left")


@test
def the_demo_runs():
    runs()


@test
def and_a_second_time():
    runs()


@test
def interrupted_it_leaves_nothing():
    before = left_over()
    process = subprocess.Popen(["./demo"], cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, stdin=subprocess.DEVNULL, start_new_session=True)
    for line in process.stdout:
        if "flocker snapshot" in line:
            os.killpg(process.pid, signal.SIGINT)
            break
    process.stdout.read()
    true(process.wait(timeout=60) != 0, "exit status")
    tap.wait_until(lambda: left_over() == before, f"nothing is left: {left_over()}", 30)


@test
def kept_it_can_be_reached_and_stopped():
    before = left_over()
    done = demo("--keep")
    equal(done.returncode, 0, f"exit status of\n{done.stdout}{done.stderr}\n")
    directory = re.search(r"--stop (/tmp/flocker-demo\.\w+)", done.stdout)[1]
    reach = re.search(r"export PATH=.*FLOCKER_SOCKET=.*", done.stdout)[0]
    listed = subprocess.run(["bash", "-c", f"{reach}; flocker list"], capture_output=True, text=True,
                            check=False)
    true("shop" in listed.stdout, f"the volume is listed: {listed}")
    exported = subprocess.run(["bash", "-c", f"{reach}; flocker export v1@shop - | tar t | wc -l"],
                              capture_output=True, text=True, check=False)
    true(int(exported.stdout) > 100, f"what is in an archive of it: {exported}")
    equal(demo("--stop", directory).returncode, 0, "exit status of --stop")
    equal(left_over(), before, "what is left")


if __name__ == "__main__":
    tap.main()
