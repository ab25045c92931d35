"""One digest over everything that a file tree is: names, contents, and attributes."""

import hashlib
import os
import stat


def attributes(path, info):
    names = sorted(os.listxattr(path, follow_symlinks=False))
    xattrs = [(name, os.getxattr(path, name, follow_symlinks=False)) for name in names]
    return (stat.S_IFMT(info.st_mode), stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid,
            info.st_mtime_ns, info.st_rdev, xattrs)


def contents(path, info):
    if stat.S_ISLNK(info.st_mode):
        return os.readlink(os.fsencode(path))
    if not stat.S_ISREG(info.st_mode):
        return b""
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.digest()


def entries(root):
    """Relative path and everything about it, in a fixed order; hard links by the first name of the file."""
    first = {}
    stack = [os.fsencode(root)]
    while stack:
        path = stack.pop()
        info = os.lstat(path)
        relative = os.path.relpath(path, os.fsencode(root))
        same = b""
        if info.st_nlink > 1 and not stat.S_ISDIR(info.st_mode):
            same = first.setdefault(info.st_ino, relative)
        yield relative, attributes(path, info), contents(path, info), same
        if stat.S_ISDIR(info.st_mode):
            names = sorted(os.listdir(path), reverse=True)
            stack.extend(os.path.join(path, name) for name in names)


def digest(root):
    sha = hashlib.sha256()
    for entry in entries(os.path.realpath(root)):
        sha.update(repr(entry).encode())
    return sha.hexdigest()


if __name__ == "__main__":
    import sys
    for argument in sys.argv[1:]:
        print(digest(argument))
