"""What lies on the fault disk of a pool (disk.py), and how a host comes by it, for each driver.

    create(host)            makes the pool, where created() then takes the image from
    attach(image, host)     before the daemon starts on the pool on this disk
    place(image, host)      the pool's path then
    release(host, image)    after the daemon: nothing uses the disk any more
    staging(host, image)    what lies in the pool's staging, which no path leads to
"""

import glob
import os
import shutil
import signal
import subprocess
import time

import here
import cleanup
import tap
from flocker import LONG, MIB
from tap import equal


def make_file_system(image, size, kind):
    subprocess.run(["truncate", "-s", size, image], check=True)
    subprocess.run([f"mkfs.{kind}", "-q", image], check=True)


def mount(image, point, options="loop"):
    """A file system in a file, by a loop device that goes with the mount."""
    os.makedirs(point, exist_ok=True)
    subprocess.run(["mount", "-o", options, image, point], check=True)


def unmount(point, *files):
    """All mounts there, and then nothing uses these files any more."""
    for inner in cleanup.mounts_under(point):
        here.unmount(inner)
    # The kernel lets go of the loop devices a moment later.
    tap.wait_until(lambda: not set(files) & set(backing_files()), "the loop devices are gone")


def backing_files():
    found = []
    for path in glob.glob("/sys/block/loop*/loop/backing_file"):
        try:
            with open(path, encoding="utf-8") as file:
                found.append(file.read().strip())
        except OSError:
            pass
    return found


class BtrfsInFile:
    """The disk is the pool's file."""

    states, workers = (1000 if LONG else 100), 2
    syncs_directories = True

    def __init__(self, disks):
        self.disks = disks

    def create(self, host):
        host.post("/v1/pool", kind="file", path=self.disks.path("pool"), size=512 * MIB)

    def created(self):
        shutil.move(self.disks.path("pool"), self.disks.image("pool"))

    def attach(self, _image, _host):
        pass

    def place(self, image, _host):
        """Where the pool is that lies on this disk."""
        return image

    def release(self, host, image):
        unmount(host.root, image)

    def staging(self, host, image):
        """What lies in the pool's staging, which no path leads to."""
        point = f"{host.root}.looked"
        devices = subprocess.run(["losetup", "-n", "-O", "NAME", "-j", image], check=True, capture_output=True,
                                 text=True).stdout.split()
        equal(len(devices), 1, "loop devices of the pool")
        os.makedirs(point, exist_ok=True)
        subprocess.run(["mount", "-t", "btrfs", "-o", "subvolid=5", devices[0], point], check=True)
        try:
            return os.listdir(f"{point}/staging")
        finally:
            here.unmount(point)


class InDirectory:
    """The disk has a file system with the pool in it, which is mounted beside the host."""

    states, workers = (1000 if LONG else 100), 2
    syncs_directories = True

    def __init__(self, disks):
        self.disks = disks
        self.kind = os.environ.get("FLOCKER_TEST_FILE_SYSTEM", "ext4")
        # Two states are two file systems of one UUID, to which XFS objects.
        self.options = "loop,nouuid" if self.kind == "xfs" else "loop"

    def point(self, host):
        return f"{host.root}.fs"

    def create(self, host):
        make_file_system(self.disks.image("pool"), "512M", self.kind)
        self.attach(self.disks.image("pool"), host)
        host.post("/v1/pool", kind="directory", driver="dir", path=self.place(None, host))

    def created(self):
        pass

    def attach(self, image, host):
        mount(image, self.point(host), self.options)

    def place(self, _image, host):
        return f"{self.point(host)}/pool"

    def release(self, host, image):
        unmount(host.root)
        unmount(self.point(host), image)

    def staging(self, host, image):
        return os.listdir(f"{self.place(image, host)}/staging")


class ZfsInFile:
    """The disk is the pool's file, beside a zfs-fuse of our own (tests/with-zfs-fuse)."""

    # A state takes seconds; and the pool of each is the same to ZFS: one at a time.
    states, workers = (300 if LONG else 100), 1
    syncs_directories = False  # zfs-fuse answers fsync() of a directory, and does nothing

    def __init__(self, disks):
        self.disks = disks
        self.server = int(os.environ["ZFS_FUSE_PID"])

    def create(self, host):
        host.post("/v1/pool", kind="file", driver="zfs", path=self.disks.path("pool"), size=512 * MIB)

    def created(self):
        shutil.move(self.disks.path("pool"), self.disks.image("pool"))

    def attach(self, image, host):
        """In a directory of its own: ZFS looks for its pools in all files of one."""
        if os.path.dirname(image) != self.disks.point:
            os.makedirs(f"{host.root}.zfs", exist_ok=True)
            os.replace(image, f"{host.root}.zfs/pool")

    def place(self, _image, host):
        return f"{host.root}.zfs/pool"

    def release(self, host, _image):
        unmount(host.root)
        if zfs("zpool", "list") and not self.exports():
            self.renew()

    def exports(self):
        """zfs-fuse now and then keeps a pool busy that nobody uses any more (docs/drivers.md)."""
        for _ in range(20):
            for pool in zfs("zpool", "list"):
                subprocess.run(["/usr/sbin/zpool", "export", "-f", pool], check=False, capture_output=True)
            if not zfs("zpool", "list"):
                return True
            time.sleep(0.1)
        return False

    def renew(self):
        """Another zfs-fuse, which knows of no pool."""
        tap.note("zfs-fuse keeps a pool busy: another one is started")
        os.kill(self.server, signal.SIGKILL)
        tap.wait_until(lambda: cleanup.start_time(self.server) is None, "zfs-fuse has ended")
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            points = [line.split()[4] for line in file if "zfs" in line.split(" - ")[1].split()[0]]
        for point in reversed(points):
            subprocess.run(["umount", "-l", point], check=True)
        tap.wait_until(self.serves, "zfs-fuse answers")

    def serves(self):
        """Starts it, once more if it ends: one does that which finds something of the one before it."""
        if cleanup.start_time(self.server) is None:
            self.server = subprocess.Popen(SERVER, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                           stderr=subprocess.DEVNULL).pid
        return subprocess.run(["/usr/sbin/zpool", "list"], check=False, capture_output=True).returncode == 0

    def staging(self, _host, _image):
        (pool,) = zfs("zpool", "list")
        found = subprocess.run(["/usr/sbin/zfs", "get", "-H", "-r", "-o", "value", "flocker:tree", pool], check=True,
                               capture_output=True, text=True).stdout
        return [line for line in found.split("\n") if line.startswith("staging/")]


SERVER = ["/usr/sbin/zfs-fuse", "--no-daemon", "--no-kstat-mount", "--enable-xattr"]


def zfs(program, verb):
    """The names of what it lists."""
    return subprocess.run([f"/usr/sbin/{program}", verb, "-H", "-o", "name"], check=True, capture_output=True,
                          text=True).stdout.split()


def chosen(disks):
    return {"": BtrfsInFile, "dir": InDirectory, "zfs": ZfsInFile}[os.environ.get("FLOCKER_TEST_DRIVER", "")](disks)
