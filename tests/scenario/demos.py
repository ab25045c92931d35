"""./demo over each kind of pool: run, interrupted, killed, and kept."""

import glob
import os
import pathlib
import re
import signal
import socket
import subprocess

import cleanup
import tap
from flocker import BUILD, PATIENCE
from tap import equal, true

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
WORDS = ("flocker snapshot", "flocker diff", "flocker rollback", "flocker stash restore", "What to try next")

top = cleanup.make_directory()
os.chmod(top, 0o1777)
tap.finally_(lambda: cleanup.remove(top))


def zfs_pools():
    """Those of Flocker that ZFS has imported."""
    try:
        done = subprocess.run(["/usr/sbin/zpool", "list", "-H", "-o", "name"], capture_output=True, text=True,
                              timeout=30, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return []
    return [name for name in done.stdout.split("\n") if name.startswith("flocker-")]


def left_over():
    """What our demos have on this machine now: directories, mounts, loop devices, ZFS pools."""
    return glob.glob(f"{top}/flocker-demo.*"), cleanup.mounts_under(top), cleanup.loops_under(top), zfs_pools()


NOTHING = ([], [], [], [])


def nothing_left():
    """A name space that another test is making may have had the mounts, and so the devices, for a moment more."""
    equal(left_over()[:2], NOTHING[:2], "what is left")
    tap.wait_until(lambda: left_over() == NOTHING, "no device or pool is left", PATIENCE)


def environment(built):
    """`built`: it makes no programs of its own."""
    return {**os.environ, "TMPDIR": top, **({"FLOCKER_BUILD": str(BUILD)} if built else {})}


def demo(*arguments, built=True, **options):
    return subprocess.run(["./demo", *arguments], cwd=TOP, capture_output=True, text=True, env=environment(built),
                          stdin=subprocess.DEVNULL, timeout=1100, check=False, **options)


def runs(*arguments, says=(), **options):
    done = demo(*arguments, **options)
    equal(done.returncode, 0, f"exit status of\n{done.stdout}{done.stderr}\n")
    equal(done.stdout.count("✔"), 5, f"proofs in\n{done.stdout}\n")
    for word in (*WORDS, *says):
        true(word in done.stdout, f"{word!r} is not in\n{done.stdout}")
    true("\x1b" not in done.stdout, "no colours where there is no terminal")
    nothing_left()
    return done.stdout


def interrupted(number, *arguments):
    """In the middle, by a signal to all of it; SIGKILL lets nobody clean up who is hit.

    It can't get to its end before: what it says has room for some lines only, until we have read them."""
    output, its = socket.socketpair()
    its.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    process = subprocess.Popen(["./demo", *arguments], cwd=TOP, stdout=its, stderr=its, env=environment(True),
                               stdin=subprocess.DEVNULL, start_new_session=True)
    its.close()
    said = ""
    with output, output.makefile(encoding="utf-8") as lines:
        for line in lines:
            said += line
            if "flocker snapshot" in line:
                os.killpg(process.pid, number)
                break
        said += lines.read()
    true("flocker snapshot" in said, f"it ended before that:\n{said}")
    true(process.wait(timeout=PATIENCE) != 0, "exit status")
    tap.wait_until(lambda: left_over() == NOTHING, "nothing is left", PATIENCE)


def kept(*arguments):
    done = demo(*arguments, "--keep")
    equal(done.returncode, 0, f"exit status of\n{done.stdout}{done.stderr}\n")
    directory = re.search(r"--stop (/.*/flocker-demo\.\w+)", done.stdout)[1]
    cleanup.record(f"{top}/daemons", int(pathlib.Path(f"{directory}/pid").read_text(encoding="utf-8")))
    try:
        reach = re.search(r"export PATH=.*FLOCKER_SOCKET=.*", done.stdout)[0]
        listed = subprocess.run(["bash", "-c", f"{reach}; flocker list"], capture_output=True, text=True,
                                check=False)
        true("shop" in listed.stdout, f"the volume is listed: {listed}")
        exported = subprocess.run(["bash", "-c", f"{reach}; flocker export v1@shop - | tar t | wc -l"],
                                  capture_output=True, text=True, check=False)
        true(int(exported.stdout) > 100, f"what is in an archive of it: {exported}")
    finally:
        stopped = demo("--stop", directory)
    equal(stopped.returncode, 0, f"exit status of --stop: {stopped}")
    nothing_left()


ENDS = (signal.SIGINT, signal.SIGKILL)
