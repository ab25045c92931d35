"""Every way in which a file system can be changed: functions of a place, where they make files, and a chance.

`SOON` are those that are noticed at once, at least where something is being changed anyway; `LATE` those that
may have to be committed first (docs/watching.md).  Several may work in one place: what another one has
removed meanwhile is no failure.
"""

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import stat
import struct

FS_IOC_GETFLAGS, FS_IOC_SETFLAGS = 0x80086601, 0x40086602
FICLONE, FICLONERANGE = 0x40049409, 0x4020940D
NODUMP = 0x40
KEEP_SIZE, PUNCH_HOLE, ZERO = 1, 2, 16
EXCHANGE = 2  # renameat2
AT_FDCWD, SYMLINK_FOLLOW = -100, 0x400
PAGE = 4096
LARGEST = 256 * 1024
NAMES = 8

libc = ctypes.CDLL(None, use_errno=True)


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def flags(path, change=None):
    """The flags of chattr; `change` switches one."""
    with opened(path, os.O_RDONLY) as descriptor:
        value = struct.unpack("l", fcntl.ioctl(descriptor, FS_IOC_GETFLAGS, bytes(8)))[0]
        if change:
            fcntl.ioctl(descriptor, FS_IOC_SETFLAGS, struct.pack("l", value ^ change))
        return value


def everything(root):
    """What a tree is beyond a digest of it: flags, times of change, number of names, size."""
    found = []
    for path, directories, names in os.walk(root):
        for name in [".", *names, *(n for n in directories if os.path.islink(f"{path}/{n}"))]:
            place = os.path.normpath(f"{path}/{name}")
            info = os.lstat(place)
            regular = stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode)
            # Of the top the time of change moves in memory alone when a subvolume is renamed.
            found.append((os.path.relpath(place, root), info.st_ctime_ns if place != root else 0,
                          info.st_nlink, info.st_size,
                          flags(place) if regular else None))
    return sorted(found)


@contextlib.contextmanager
def opened(path, how, mode=0o644):
    descriptor = os.open(path, how, mode)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def some(place, chance, size=None):
    """A file of the place, with contents."""
    path = f"{place}/f{chance.randrange(NAMES)}"
    with opened(path, os.O_RDWR | os.O_CREAT) as descriptor:
        if os.fstat(descriptor).st_size < (size or 1):
            os.pwrite(descriptor, chance.randbytes(size or PAGE), 0)
    return path


def at(chance):
    return PAGE * chance.randrange(LARGEST // PAGE)


# --- contents ---------------------------------------------------------------------------


def buffered(place, chance):
    with opened(some(place, chance), os.O_WRONLY) as descriptor:
        os.pwrite(descriptor, chance.randbytes(chance.randrange(1, 3 * PAGE)), chance.randrange(LARGEST))


def overwritten(place, chance):
    """What was there before; nothing but the contents and the times is another then."""
    path = some(place, chance, PAGE)
    with opened(path, os.O_WRONLY) as descriptor:
        os.pwrite(descriptor, chance.randbytes(8), chance.randrange(PAGE - 8))


def appended(place, chance):
    with opened(some(place, chance), os.O_WRONLY | os.O_APPEND) as descriptor:
        os.writev(descriptor, [chance.randbytes(100), chance.randbytes(1)])


def synced(place, chance):
    with opened(some(place, chance), os.O_WRONLY) as descriptor:
        os.pwrite(descriptor, chance.randbytes(100), chance.randrange(LARGEST))
        os.fsync(descriptor)


def direct(place, chance):
    with opened(some(place, chance), os.O_RDWR | os.O_DIRECT) as descriptor, mmap.mmap(-1, PAGE) as block:
        block[:] = chance.randbytes(PAGE)
        os.pwrite(descriptor, block, at(chance))


def spliced(place, chance):
    reading, writing = os.pipe()
    try:
        os.write(writing, chance.randbytes(PAGE))
        with opened(some(place, chance), os.O_WRONLY) as descriptor:
            os.splice(reading, descriptor, PAGE, offset_dst=at(chance))
    finally:
        os.close(reading)
        os.close(writing)


def sent(place, chance):
    with opened(f"{place}/source", os.O_RDWR | os.O_CREAT) as source:
        os.pwrite(source, chance.randbytes(PAGE), 0)
        with opened(some(place, chance), os.O_WRONLY) as descriptor:
            os.lseek(descriptor, at(chance), os.SEEK_SET)
            os.sendfile(descriptor, source, 0, PAGE)


def copied(place, chance):
    with opened(some(place, chance, PAGE), os.O_RDONLY) as source, \
            opened(f"{place}/copy", os.O_WRONLY | os.O_CREAT) as descriptor:
        os.copy_file_range(source, descriptor, PAGE, 0, at(chance))


def cloned(place, chance):
    with opened(some(place, chance, PAGE), os.O_RDONLY) as source, \
            opened(f"{place}/clone", os.O_WRONLY | os.O_CREAT) as descriptor:
        if chance.random() < 0.5:
            fcntl.ioctl(descriptor, FICLONE, source)
        else:
            fcntl.ioctl(descriptor, FICLONERANGE, struct.pack("qQQQ", source, 0, PAGE, at(chance)))


def truncated(place, chance):
    os.truncate(some(place, chance), chance.randrange(LARGEST))


def emptied(place, chance):
    with opened(some(place, chance), os.O_WRONLY | os.O_TRUNC):
        pass


def allocated(place, chance):
    """Holes, zeroes, room in front and behind."""
    with opened(some(place, chance), os.O_RDWR) as descriptor:
        how = chance.choice((0, PUNCH_HOLE | KEEP_SIZE, ZERO, ZERO | KEEP_SIZE, KEEP_SIZE))
        checked(libc.fallocate(descriptor, how, ctypes.c_long(at(chance)),
                               ctypes.c_long(chance.randrange(1, 4 * PAGE))))


KEPT = {}


def kept(place, chance):
    """By a descriptor that stays open over all snapshots."""
    if place not in KEPT:
        KEPT[place] = os.open(f"{place}/kept-{os.getpid()}", os.O_RDWR | os.O_CREAT, 0o600)
    os.pwrite(KEPT[place], chance.randbytes(64), chance.randrange(LARGEST))


MAPPED = {}


def mapped(place, chance):
    """Into a mapping that stays; of a file without holes and of one that is all holes."""
    if place not in MAPPED:
        with opened(f"{place}/mapped-{os.getpid()}", os.O_RDWR | os.O_CREAT) as descriptor:
            os.ftruncate(descriptor, LARGEST)
            os.pwrite(descriptor, bytes(LARGEST // 2), 0)
            MAPPED[place] = mmap.mmap(descriptor, LARGEST)
    where = chance.randrange(LARGEST - 8)
    MAPPED[place][where:where + 8] = chance.randbytes(8)


# --- attributes -------------------------------------------------------------------------


def moded(place, chance):
    os.chmod(some(place, chance), chance.choice((0o600, 0o644, 0o640, 0o4755, 0)))


def owned(place, chance):
    os.chown(some(place, chance), chance.randrange(9), chance.randrange(9))


def timed(place, chance):
    os.utime(some(place, chance), ns=(0, chance.randrange(1 << 60)))


def extended(place, chance):
    name, path = f"user.{chance.randrange(3)}", some(place, chance)
    if chance.random() < 0.7:
        os.setxattr(path, name, chance.randbytes(chance.randrange(200)))
    elif name in os.listxattr(path):
        os.removexattr(path, name)


def flagged(place, chance):
    flags(some(place, chance), NODUMP)


def directory_attributes(place, chance):
    path = f"{place}/directory"
    with contextlib.suppress(FileExistsError):
        os.mkdir(path)
    os.chmod(path, chance.choice((0o700, 0o755, 0o1777)))
    os.setxattr(path, "user.test", chance.randbytes(8))


# --- names ------------------------------------------------------------------------------


def renamed(place, chance):
    """Over another one, as those do who replace a file in one step."""
    new = f"{place}/new-{os.getpid()}"
    with open(new, "wb") as file:
        file.write(chance.randbytes(100))
    os.rename(new, f"{place}/f{chance.randrange(NAMES)}")


def exchanged(place, chance):
    one, other = some(place, chance), some(place, chance)
    checked(libc.renameat2(AT_FDCWD, one.encode(), AT_FDCWD, other.encode(), EXCHANGE))


def moved(place, chance):
    """A directory with what is in it, back and forth."""
    one, other = f"{place}/moved", f"{place}/deep/er/moved"
    os.makedirs(f"{place}/deep/er", exist_ok=True)
    if not os.path.exists(one) and not os.path.exists(other):
        os.makedirs(f"{one}/inner")
    os.rename(*((one, other) if os.path.exists(one) else (other, one)))


def linked(place, chance):
    name = f"{place}/link{chance.randrange(3)}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name)
    os.link(some(place, chance), name)


def unlinked(place, chance):
    os.unlink(some(place, chance))


def made(place, chance):
    """And removed again: directories, symbolic links, pipes, devices."""
    name = f"{place}/node{chance.randrange(6)}"
    if os.path.lexists(name):
        (os.rmdir if os.path.isdir(name) and not os.path.islink(name) else os.unlink)(name)
        return
    chance.choice((os.mkdir, os.mkfifo, lambda path: os.symlink(chance.randbytes(5).hex(), path),
                   lambda path: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))))(name)


def unnamed(place, chance):
    """Written without a name, which it gets at last."""
    name = f"{place}/unnamed{chance.randrange(3)}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name)
    with opened(place, os.O_TMPFILE | os.O_WRONLY) as descriptor:
        os.write(descriptor, chance.randbytes(100))
        # os.link() does not follow.
        checked(libc.linkat(AT_FDCWD, b"/proc/self/fd/%d" % descriptor, AT_FDCWD, name.encode(), SYMLINK_FOLLOW))


SOON = (buffered, overwritten, appended, synced, direct, spliced, sent, copied, cloned, truncated, emptied,
          allocated, kept, moded, owned, timed, extended, directory_attributes, renamed, exchanged, moved, linked,
          unlinked, made, unnamed, flagged)
LATE = (mapped,)

# What two that work in one place may do to each other: one is gone, or shorter, or a pipe instead of a file.
RACES = {errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.ENODATA, errno.ENXIO, errno.EINVAL}


def change(ways, places, chance):
    """One change somewhere; false: another one was faster."""
    try:
        chance.choice(ways)(chance.choice(places), chance)
        return True
    except OSError as error:
        if error.errno not in RACES:
            raise
        return False
