"""A disk under a directory of a running daemon that fails: ext4 goes read-only when it meets an error.

    disk = FailingDisk(host, "lib")     # before the daemon is started
    disk.fail()
    disk.mend()                         # when the daemon has ended
"""

import os
import pathlib
import subprocess

import cleanup
import tap
from flocker import MIB


class FailingDisk:
    def __init__(self, host, place):
        self.point = f"{host.root}/{place}"
        self.image = f"{host.directory}/{place}.img"
        os.makedirs(self.point)
        with open(self.image, "wb") as file:
            file.truncate(64 * MIB)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.image], check=True)
        self.mount()
        os.chmod(self.point, 0o700)

    def mount(self):
        subprocess.run(["mount", "-o", "loop,errors=remount-ro", self.image, self.point], check=True)

    def fail(self):
        source = subprocess.run(["findmnt", "-no", "SOURCE", self.point], check=True,
                                capture_output=True, text=True).stdout.strip()
        trigger = pathlib.Path(f"/sys/fs/ext4/{os.path.basename(source)}/trigger_fs_error")
        trigger.write_text("1", encoding="ascii")

    def mend(self):
        subprocess.run(["umount", self.point], check=True)
        # A name space that another test is making may have had a copy of the mount.
        tap.wait_until(lambda: not cleanup.loops_under(self.image), "nothing has the disk any more")
        subprocess.run(["fsck.ext4", "-fy", self.image], check=False, capture_output=True)
        self.mount()
