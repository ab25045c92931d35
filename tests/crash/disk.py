"""A fault disk (tests/disk/): files that are disks, all writes and flushes to them in one log, and
what each may hold after a power cut.

    disks = Disks(directory, "pool")        # directory/images/pool is the image, made before
    disks.serve()                           # directory/disks/pool is the disk
    position = disks.position()             # what was told to anyone by now is covered by the log up to here
    disks.end()
    disks.state("pool", position, 7, out)   # the seed 7 says what is lost of what was not flushed

Nothing in it knows what lies on a disk.
"""

import os
import struct
import subprocess

import here
import cleanup
import tap
from flocker import BUILD

PROGRAM = str(BUILD / "tests/disk/fault-disk")
RECORD = struct.Struct("=IIQQQ")  # tests/disk/log.h
WRITE, ZERO, FLUSH = 1, 2, 3
NOTHING, ALL = "none", "all"  # what is lost, beside seeds


class Disks:
    def __init__(self, directory, *names):
        self.directory = directory
        self.names = names
        self.point = f"{directory}/disks"
        self.log = f"{directory}/log"
        self.process = None

    def image(self, name):
        """What the disk began with; nobody writes to it."""
        return f"{self.directory}/images/{name}"

    def path(self, name):
        return f"{self.point}/{name}"

    def serve(self):
        """Begins on copies of the images."""
        os.makedirs(f"{self.directory}/live")
        for name in self.names:
            subprocess.run(["cp", "--sparse=always", self.image(name), f"{self.directory}/live/{name}"],
                           check=True)
        os.makedirs(self.point, exist_ok=True)
        self.process = subprocess.Popen([PROGRAM, "serve", self.point, self.log,
                                         *(f"{self.directory}/live/{name}" for name in self.names)])
        cleanup.record(f"{self.directory}/daemons", self.process.pid)
        tap.wait_until(lambda: os.path.ismount(self.point) or self.process.poll() is not None,
                       "the disks are there")
        tap.true(self.process.poll() is None, "fault-disk ended at once")

    def end(self):
        """Nothing uses the disks any more."""
        here.unmount(self.point)
        tap.equal(self.process.wait(timeout=120), 0, "exit status of fault-disk")

    def position(self):
        return os.stat(self.log).st_size // RECORD.size

    def records(self):
        """All of the log: (kind, disk, offset, length, place of the data)."""
        with open(self.log, "rb") as file:
            return list(RECORD.iter_unpack(file.read()))

    def state(self, name, position, loss, out, sector=4096):
        """Makes the file `out`: what the disk may hold when the power went at that position."""
        subprocess.run([PROGRAM, "state", self.log, str(self.names.index(name)), str(position),
                        str(loss), str(sector), self.image(name), out], check=True)

    def fail(self, name, after=0):
        """Writes and flushes answer EIO, from the so-many-th write from now on."""
        os.setxattr(self.path(name), "user.fail", str(after).encode())

    def delay(self, name, milliseconds, after=0):
        os.setxattr(self.path(name), "user.delay", f"{after} {milliseconds}".encode())

    def heal(self, name):
        os.removexattr(self.path(name), "user.fail")
        os.removexattr(self.path(name), "user.delay")
