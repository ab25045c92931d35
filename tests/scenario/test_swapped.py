#!/usr/bin/python3
"""Links that others swap in while files are looked at: nothing outside of the volume is ever read."""

import ctypes
import os
import shutil
import subprocess
import threading

from flocker import COMMAND, LONG, host_with_pool, temporary
from tap import equal, in_threads, main, note, test, true

SWAPS = 1_000_000 if LONG else 10_000
ROUNDS = 200 if LONG else 30
PATIENCE = 6000 if LONG else 900  # seconds: each of all these commands may be slow
MARK = b"OUTSIDE-OF-THE-VOLUME"

host = host_with_pool()
libc = ctypes.CDLL(None, use_errno=True)


def exchange(a, b):
    if libc.renameat2(-100, os.fsencode(a), -100, os.fsencode(b), 2) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def ask(*arguments):
    done = subprocess.run([COMMAND, "--root", host.root, *arguments], capture_output=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def contents(path):
    """All that lies there, links themselves."""
    for folder, _, names in os.walk(path):
        for name in names:
            with open(os.open(f"{folder}/{name}", os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
                yield file.read()


@test
def a_link_that_is_swapped_in_leads_nowhere():
    outside = temporary(host)
    with open(f"{outside}/{MARK.decode()}", "wb") as file:
        file.write(MARK)
    with open(f"{outside}/secret", "wb") as file:
        file.write(MARK + b"\n")
    host.create("data")
    top = host.path("data")
    host.write("data", "way/secret", "inside, before\n")
    host.write("data", "file", "inside, before\n")
    host.snapshot("data", name="one")
    host.write("data", "way/secret", "inside\n")
    host.write("data", "file", "inside\n")
    os.symlink(outside, f"{top}/other")
    os.symlink(f"{outside}/secret", f"{top}/other-file")
    places = temporary(host)
    readers = [
        ("cat", "data:way/secret"), ("cat", "data:file"), ("ls", "data:way"), ("cp", "data:way/secret", "-"),
        ("cp", "data:way", "{place}"), ("cp", "data:file", "{place}"), ("export", "data:way", "-"),
        ("diff", "data@{one}:way", "data", "--content"), ("diff", "data@{one}", "--content"),
        ("diff", "data@{one}:file", "data", "--content"), ("diff", "data@{one}:file", "data:way/secret", "--content"),
        ("versions", "data:way/secret"),
    ]
    swaps = [0]
    statuses = {reader: {} for reader in readers}
    reading = threading.Event()
    reading.set()

    def swap():
        while reading.is_set() or swaps[0] < SWAPS:
            exchange(f"{top}/way", f"{top}/other")
            exchange(f"{top}/file", f"{top}/other-file")
            swaps[0] += 2

    def read(share):
        for turn in range(ROUNDS):
            for reader in readers[share::2]:
                place = f"{places}/{share}-{turn}"
                status, out = ask(*(word.format(place=place) if "{place}" in word else word for word in reader))
                true(MARK not in out, f"{reader} read outside: {out}")
                for found in [*contents(place)] if os.path.isdir(place) else [b""]:
                    true(MARK not in found, f"{reader} copied from outside")
                if os.path.isfile(place) and not os.path.islink(place):
                    with open(place, "rb") as file:
                        true(MARK not in file.read(), f"{reader} copied from outside")
                    os.unlink(place)
                shutil.rmtree(place, ignore_errors=True)
                statuses[reader][status] = statuses[reader].get(status, 0) + 1

    def read_all():
        try:
            in_threads([lambda share=share: read(share) for share in range(2)], PATIENCE)
        finally:
            reading.clear()

    in_threads([swap, read_all], PATIENCE)
    note(f"{swaps[0]} swaps, {2 * ROUNDS * len(readers) // 2} reads")
    true(swaps[0] >= SWAPS, "as many swaps as wanted")
    # Inside, and refused; nothing else, whenever it was.
    for reader, seen in statuses.items():
        equal(set(seen) - {0, 2, 3, 9, 10}, set(), f"{reader}: {seen}")
    true(any(0 in seen for seen in statuses.values()) and any(10 in seen for seen in statuses.values()),
         f"both were met: {statuses}")


if __name__ == "__main__":
    main()
