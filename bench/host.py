"""Private daemons and a bare Btrfs beside them, for measuring.

Everything of a run lies in one directory and goes with it, also when the run is
killed: a guard, a process of its own session, waits for the end of a pipe that
only the run holds, and then cleans up.
"""

import errno
import fcntl
import http.client
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.parse

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tests/scenario"))
import cleanup  # noqa: E402

cleanup.PREFIX = "/tmp/flocker-bench."
MIB = 1 << 20

# <linux/btrfs.h>
QUOTA_CTL, ENABLE_SIMPLE_QUOTA = 0xC0109428, 4
SNAP_CREATE, READ_ONLY = 0x50009417, 1 << 1


def guarded_directory():
    """A new directory; when this process is gone, however it ended, it is removed with all that is in it."""
    cleanup.sweep()
    directory = cleanup.make_directory()
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.close(writing)
        os.read(reading, 1)
        cleanup.remove(directory)
        os._exit(0)
    os.close(reading)
    os.set_inheritable(writing, False)
    return directory, writing


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=120)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


class Host:
    """A daemon below DIRECTORY/NAME."""

    def __init__(self, build, directory, name, watches=False, owner=None):
        """
        `watches`: branches are snapshotted by themselves; elsewhere that would be measured too.
        `owner`: the directory of the run, where DIRECTORY is another below it.
        """
        self.options = [] if watches else ["--snapshot", "manual"]
        self.build = build
        self.directory = owner or directory
        self.root = f"{directory}/{name}"
        self.socket = f"{self.root}/run/flocker.sock"
        self.catalog = f"{self.root}/lib/catalog.db"
        self.daemon = None
        os.makedirs(self.root)

    def start(self):
        """Returns the seconds from exec to the first answer."""
        began = time.monotonic()
        with open(f"{self.root}.log", "ab") as log:
            self.daemon = subprocess.Popen([f"{self.build}/src/flockerd/flockerd", "--root", self.root,
                                            *self.options],
                                           stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        cleanup.record(f"{self.directory}/daemons", self.daemon.pid)
        while not self.answers():
            if self.daemon.poll() is not None:
                sys.exit(f"flockerd ended:\n{pathlib.Path(self.root + '.log').read_text()}")
            time.sleep(0.0005)
        return time.monotonic() - began

    def answers(self):
        try:
            return bool(self.call("GET", "/v1/version"))
        except (ConnectionError, FileNotFoundError, http.client.HTTPException):
            return False

    def kill(self):
        self.daemon.kill()
        self.daemon.wait()

    def stop(self):
        self.daemon.terminate()
        self.daemon.wait(timeout=120)

    def call(self, method, path, body=None, **query):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        connection = Connection(self.socket)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text) if text else None

    def pool(self, size):
        self.call("POST", "/v1/pool", {"kind": "file", "path": f"{self.root}.img", "size": size})

    def resident(self):
        """Bytes of memory that are the daemon's now."""
        for line in pathlib.Path(f"/proc/{self.daemon.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0


def ioctl(path, request, argument):
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(descriptor, request, argument)
    finally:
        os.close(descriptor)


def count_space(point):
    """Switches simple quotas on, as a pool has them; a kernel that can't leaves its pools without, too."""
    try:
        ioctl(point, QUOTA_CTL, struct.pack("QQ", ENABLE_SIMPLE_QUOTA, 0))
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTTY, errno.EOPNOTSUPP):
            raise


def snapshot(source, directory, name):
    """The ioctl alone; the seconds that it took."""
    descriptor = os.open(source, os.O_RDONLY | os.O_DIRECTORY)
    argument = bytearray(struct.pack("qQQ32x", descriptor, 0, READ_ONLY) + name.encode().ljust(4040, b"\0"))
    try:
        began = time.monotonic()
        ioctl(directory, SNAP_CREATE, argument)
        return time.monotonic() - began
    finally:
        os.close(descriptor)


def bare_btrfs(directory, name, size, counts=True):
    """A Btrfs in a preallocated file behind a loop device with direct I/O, as a file pool is; its mount point."""
    image, point = f"{directory}/{name}.img", f"{directory}/{name}"
    os.mkdir(point)
    with open(image, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)
    subprocess.run(["mkfs.btrfs", "--nodiscard", "--quiet", image], check=True,
                   capture_output=True)
    loop = subprocess.run(["losetup", "--find", "--show", "--direct-io=on", image], check=True,
                          capture_output=True, text=True).stdout.strip()
    subprocess.run(["mount", "-t", "btrfs", "-o", "noatime,nodiscard,nosuid,nodev", loop, point], check=True)
    if counts:
        count_space(point)
    return point


def mount_new(directory, kind, size):
    """A file system of this kind in a file; its mount point."""
    image, point = f"{directory}/{kind}.img", f"{directory}/{kind}"
    os.mkdir(point)
    with open(image, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)
    subprocess.run([f"mkfs.{kind}", "-q", image], check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop,noatime", image, point], check=True)
    os.mkdir(f"{point}/here")
    return f"{point}/here"


def make_files(path, count):
    """`count` small files in directories of a thousand."""
    for i in range(count):
        if i % 1000 == 0:
            os.makedirs(f"{path}/d{i // 1000}")
        with open(f"{path}/d{i // 1000}/f{i}", "wb") as file:
            file.write(b"%d" % i * 20)
