"""What a test makes outside itself, and how it goes again.

Everything of a test lies in one directory, PREFIX + something.  Two files in
it say whose it is: `owner`, the test, and `daemons`, the processes that it
started, each by process id and start time, so that an id that the kernel gave
to somebody else since is never signalled.  A third, `engines`, has the processes
of container engines (engines.py): their containers are found by what they are.
"""

import fcntl
import glob
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

PREFIX = "/tmp/flocker-test."
LOOP_CLR_FD = 0x4C01
PLUGIN = "flocker-test-"  # and the test's process id: what volume plugins of tests are called


def start_time(pid):
    """When the process began, in the kernel's ticks; None when there is no such process (any more)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def record(path, pid):
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"{pid} {start_time(pid)}\n")


def recorded(path):
    """The processes of a record that still run: pairs of the number and the start time."""
    try:
        lines = pathlib.Path(path).read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return []
    pairs = [line.split() for line in lines if line]
    return [(int(pid), began) for pid, began in pairs if start_time(pid) == began != "None"]


def alive(path):
    return [pid for pid, _ in recorded(path)]


def make_directory():
    """Gets its name when it says whose it is: another test's sweep() would take it for one that was left."""
    new = tempfile.mkdtemp(prefix="/tmp/new-flocker-test.")
    record(f"{new}/owner", os.getpid())
    path = PREFIX + new.rpartition(".")[2]
    os.rename(new, path)
    return path


def mounts_under(directory):
    """Mount points at or below a directory, the innermost first."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            point = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), line.split()[4])
            if point == directory or point.startswith(directory + "/"):
                found.append(point)
    return found[::-1]


def loops_under(directory):
    """Loop devices whose file lies below a directory, or is this one."""
    found = []
    for path in glob.glob("/sys/block/loop*/loop/backing_file"):
        try:
            backing = pathlib.Path(path).read_text(encoding="utf-8").strip()
        except OSError:
            continue
        if backing == directory or backing.startswith(directory + "/"):
            found.append("/dev/" + path.split("/")[3])
    return found


def detach_under(directory):
    """A device may be let go meanwhile and get another test's file: one that we have open keeps its own."""
    for device in loops_under(directory):
        try:
            with open(device, "rb", buffering=0) as file:
                if device in loops_under(directory):
                    fcntl.ioctl(file, LOOP_CLR_FD)
        except OSError:
            pass


def cgroup_places():
    """Where control groups can be frozen: pairs of "v1" or "v2" and a directory."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            kind, _, options = after.split()[:3]
            if kind == "cgroup2":
                found.append(("v2", before.split()[4]))
            elif kind == "cgroup" and "freezer" in options.split(","):
                found.append(("v1", before.split()[4]))
    return found


def cgroups_of(directory):
    """The control groups of a test (cgroups.py)."""
    return [group for _, place in cgroup_places() for group in glob.glob(f"{place}/{os.path.basename(directory)}.*")]


def thaw(directory):
    """What is frozen, or paused by an engine, can't be ended."""
    below = [path for top in cgroups(directory) for path, _, _ in os.walk(top)]
    for group in cgroups_of(directory) + below:
        for name, word in (("cgroup.freeze", "0"), ("freezer.state", "THAWED")):
            try:
                if os.path.exists(f"{group}/{name}"):
                    pathlib.Path(f"{group}/{name}").write_text(word, encoding="ascii")
            except OSError:
                pass


def remove_own_cgroups(directory):
    for group in cgroups_of(directory):
        deadline = time.monotonic() + 10
        while os.path.exists(group) and time.monotonic() < deadline:
            try:
                for pid in pathlib.Path(f"{group}/cgroup.procs").read_text(encoding="ascii").split():
                    os.kill(int(pid), signal.SIGKILL)
                os.rmdir(group)
            except OSError:
                time.sleep(0.005)


def end(pid, began, seconds=10):
    for number in (signal.SIGTERM, signal.SIGKILL):
        if start_time(pid) != began:
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:  # it ended by itself
            return
        deadline = time.monotonic() + seconds
        while start_time(pid) == began and time.monotonic() < deadline:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
            time.sleep(0.005)


def read(path):
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:  # it has ended, or the kernel hides it
        return ""


def is_contained(pid, directory):
    """Is it a process of a container whose root lies below the directory, or the one that looks after it?"""
    if read(f"/proc/{pid}/comm").strip() in ("containerd-shim", "conmon"):
        return directory in read(f"/proc/{pid}/cmdline")
    try:
        if os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt"):
            return False
    except OSError:
        return False
    roots = [line for line in read(f"/proc/{pid}/mountinfo").split("\n") if line.split()[4:5] == ["/"]]
    return any(directory + "/" in line for line in roots)


def kill_all(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def contained(directory):
    """All processes of containers that an engine below the directory started."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if start_time(pid) and is_contained(pid, directory)]


def containers_of_podman(directory):
    return [path.rpartition("/")[2] for path in glob.glob(f"{directory}/*/root/overlay-containers/*")
            if os.path.isdir(path)]


def cgroups(directory):
    """Those of its engines' containers, in each hierarchy."""
    tops = glob.glob(f"/sys/fs/cgroup/**/{os.path.basename(directory)}", recursive=True)
    for name in containers_of_podman(directory):
        tops += glob.glob(f"/sys/fs/cgroup/**/libpod-*{name}*", recursive=True)
    return tops


def remove_cgroups(directory, seconds=5):
    """The innermost first, as soon as the kernel has let go of the last process."""
    deadline = time.monotonic() + seconds
    while (tops := cgroups(directory)) and time.monotonic() < deadline:
        for top in tops:
            for path, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(path)
                except OSError:
                    pass
        time.sleep(0.005)


def end_engines(directory):
    """Kills engines first, or they would start anew what ends; then containers, until there are none."""
    deadline = time.monotonic() + 20
    if not os.path.exists(f"{directory}/engines"):
        return
    while (left := alive(f"{directory}/engines") + contained(directory)) and time.monotonic() < deadline:
        kill_all(left)
        time.sleep(0.01)
    remove_cgroups(directory)


def words_of(path):
    return read(path).split()


def end_systems(directory):
    """User systems outlive their daemon: the first two words of `running` are its init and its keeper."""
    for place in glob.glob(f"{directory}/run/systems/*/") + glob.glob(f"{directory}/*/run/systems/*/"):
        pids = [int(word) for word in words_of(f"{place}/running")[:2]]
        kill_all([pid for pid in pids if start_time(pid) and directory in read(f"/proc/{pids[1]}/cmdline")])
        for name in glob.glob(f"{place}/runtime/*"):
            subprocess.run([read(f"{place}/program"), "--root", f"{place}/runtime", "delete", "--force",
                            os.path.basename(name)], check=False, stderr=subprocess.DEVNULL)


def remove_plugins():
    """Sockets and spec files of plugins: this test's, and those of tests that have ended."""
    for path in glob.glob(f"/run/docker/plugins/{PLUGIN}*") + glob.glob(f"/etc/docker/plugins/{PLUGIN}*"):
        pid = re.match(r"\d+", path.rpartition(PLUGIN)[2])
        if pid and (int(pid[0]) == os.getpid() or start_time(int(pid[0])) is None):
            pathlib.Path(path).unlink(missing_ok=True)  # its keeper, or another test, may be faster


def unmount_under(directory):
    for point in mounts_under(directory):
        subprocess.run(["umount", "-l", point], check=False, stderr=subprocess.DEVNULL)


def remove(directory):
    """Ends what runs, unmounts, detaches and deletes."""
    thaw(directory)
    end_engines(directory)
    for pid, began in reversed(recorded(f"{directory}/daemons")):  # what began later may need what began before
        end(pid, began)
    end_systems(directory)
    remove_own_cgroups(directory)
    unmount_under(directory)
    detach_under(directory)
    delete(directory)


def delete(directory):
    """`owner` goes last: without it, another test would take the rest for what was left."""
    for path in glob.glob(f"{glob.escape(directory)}/*") + glob.glob(f"{glob.escape(directory)}/.*"):
        if os.path.basename(path) == "owner":
            continue
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
            continue
        try:
            os.unlink(path)
        except OSError:
            pass
    shutil.rmtree(directory, ignore_errors=True)


def remove_left(directory):
    """Of a killed test, unless another one is about it, or has been."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_uid == os.getuid() and not alive(f"{directory}/owner"):
            remove(directory)
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)


def sweep():
    """Removes what killed tests left."""
    remove_plugins()
    for directory in glob.glob(PREFIX + "*"):
        if not alive(f"{directory}/owner"):
            remove_left(directory)
