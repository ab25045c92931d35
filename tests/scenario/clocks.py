"""A daemon whose clocks a test sets, while it runs and across its restarts; the machine's stay as they are.

    clock = Clock(host)
    clock.restart()
    clock.jump(400 * DAY)   # the wall clock alone
    clock.passes(HOUR)      # both clocks: so much time goes by

(jump.c)
"""

import calendar
import mmap
import struct
import time

from flocker import BUILD

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Clock:
    def __init__(self, host):
        self.host = host
        self.path = f"{host.directory}/clock"
        with open(self.path, "wb") as file:
            file.write(bytes(mmap.PAGESIZE))
        self.wall = self.boot = 0
        with open(self.path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), mmap.PAGESIZE)

    def start(self):
        self.host.start(LD_PRELOAD=BUILD / "tests/scenario/libjump.so", FLOCKER_TEST_CLOCK=self.path)

    def restart(self):
        self.host.stop()
        self.start()

    def set(self, wall, boot):
        """How far ahead of the machine's clocks they are, ns."""
        self.wall, self.boot = wall, boot
        # Aligned words: each is written at once.
        self.map[0:8] = struct.pack("q", wall)
        self.map[8:16] = struct.pack("q", boot)

    def jump(self, by):
        self.set(self.wall + by, self.boot)

    def jump_to(self, text):
        """The wall clock, to a time of RFC 3339 without a zone, UTC."""
        there = calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))
        self.set(there * SECOND - time.time_ns(), self.boot)

    def boot_jumps(self, by):
        self.set(self.wall, self.boot + by)

    def passes(self, duration):
        """So much that no day goes by at once."""
        while duration > 0:
            step = min(duration, 6 * HOUR)
            self.set(self.wall + step, self.boot + step)
            self.host.get("/v1/thinning")  # looks at its clocks
            duration -= step

    def back(self):
        """The wall clock is right again."""
        self.set(self.boot, self.boot)

    def now(self):
        return time.time_ns() + self.wall
