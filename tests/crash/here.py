"""Makes the harness of tests/scenario importable, and looks into a pool from outside."""

import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "scenario"))

import cleanup  # noqa: E402 - found by the line above
import tap  # noqa: E402


def with_own_mounts():
    """Runs this program once more, in a mount namespace of its own; for ZFS beside one of its own.

    Else a test that makes a namespace meanwhile holds what is mounted here until it ends; and we would hold theirs."""
    program = [sys.executable, "-B", os.path.abspath(sys.argv[0]), *sys.argv[1:]]
    if os.environ.get("WITH_ZFS_FUSE") == "1":  # which has both
        return
    if os.environ.get("FLOCKER_TEST_DRIVER") == "zfs":
        os.environ.setdefault("WITH_ZFS_FUSE_SECONDS", "5000" if os.environ.get("FLOCKER_TEST_LONG") else "2600")
        wrapper = str(pathlib.Path(__file__).resolve().parent.parent / "with-zfs-fuse")
        os.execv(wrapper, [wrapper, *program])
    if os.environ.get("FLOCKER_TEST_MOUNTS") != "own":
        os.environ["FLOCKER_TEST_MOUNTS"] = "own"
        os.execv("/usr/bin/unshare", ["unshare", "--mount", "--propagation", "private", "--", *program])
    for point in cleanup.mounts_under("/tmp"):
        if point.startswith("/tmp/flocker-"):
            subprocess.run(["umount", "-l", point], check=False, stderr=subprocess.DEVNULL)


def folders(pool):
    found = {name: sorted(os.listdir(f"{pool}/{name}"))
             for name in ("heads", "snaps", "staging", "retired")}
    found["trees"] = sorted(f"{branch}/{name}" for branch in found["snaps"]
                            for name in os.listdir(f"{pool}/snaps/{branch}")
                            if not name.startswith("facts"))
    return found


def properties(directory):
    """What the datasets of the ZFS pool in a file there say that they are."""
    def run(program, *arguments):
        return subprocess.run([f"/usr/sbin/{program}", *arguments], check=True, capture_output=True,
                              text=True).stdout.split()
    run("zpool", "import", "-d", directory, "-a", "-f")
    (pool,) = run("zpool", "list", "-H", "-o", "name")
    values = run("zfs", "get", "-H", "-r", "-s", "local", "-o", "value", "flocker:tree", pool)
    run("zpool", "export", pool)
    pairs = [value.partition("+")[0].split("/", 1) for value in values if "/" in value]
    return {kind: sorted(name for of, name in pairs if of == kind)
            for kind in ("heads", "snaps", "staging", "retired")}


def unmount(point):
    """A loop device that is gone may hold its file, and so what that lies on, for a moment longer."""
    tap.wait_until(lambda: subprocess.run(["umount", point], check=False, stderr=subprocess.DEVNULL).returncode == 0,
                   f"{point} is in use no more")


def await_releases(host):
    """Replaced heads go when the caretaker has seen that nobody holds them: some time after the start."""
    def held():
        return [stash for volume in host.items("/v1/volumes")
                for stash in host.items("/v1/stashes", ref=volume["name"]) if stash["held"]]
    tap.wait_until(lambda: not held(), "nobody holds a replaced head", 300)


def looked_into(host):
    """What lies in the folders of a stopped host's pool: {"staging": [names], ...}.

    Of one in a directory the file system that the test has put below it is taken away then, too."""
    directory = f"{host.directory}/pool.mnt"
    if os.environ.get("FLOCKER_TEST_DRIVER") == "zfs":
        return properties(host.directory)
    if os.path.isdir(f"{directory}/pool"):
        found = folders(f"{directory}/pool")
        unmount(directory)
    else:
        point = f"{host.directory}/looked"
        os.makedirs(point, exist_ok=True)
        tap.wait_until(lambda: not cleanup.loops_under(host.directory), "the daemon's loop device is gone")
        subprocess.run(["mount", "-o", "loop,ro", f"{host.directory}/pool.img", point], check=True)
        try:
            found = folders(point)
        finally:
            unmount(point)
    # The kernel lets go of the loop device a moment later.
    tap.wait_until(lambda: not cleanup.loops_under(host.directory), "the loop device is gone")
    return found
