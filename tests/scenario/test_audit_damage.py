#!/usr/bin/python3
"""An audit log that was damaged while the daemon did not run: it starts, says so, and goes on."""

import json
import pathlib
import random
import shutil

import tap
from flocker import Failure, Host, MIB
from tap import equal, test, true

host = Host()
host.start()
host.pool(size=256 * MIB)
LIB = f"{host.root}/lib"
KEPT = f"{host.directory}/kept"
LOG = pathlib.Path(f"{LIB}/audit/000001.log")

for name in ("a", "b", "c", "d"):
    host.create(name)
host.stop()
shutil.copytree(LIB, KEPT)
TEXT = LOG.read_bytes()
LINES = TEXT.splitlines(True)


def segments():
    return sorted(LOG.parent.glob("*.log"))


def as_it_was():
    """The stopped host, before any damage."""
    if not host.dead():
        host.kill()
    shutil.rmtree(LIB)
    shutil.copytree(KEPT, LIB)


def one_more():
    """A change that is refused: the catalogue stays as its backup in the pool has it."""
    try:
        host.create("a")
        raise AssertionError("there are two of it")
    except Failure as failure:
        equal(failure.code, "exists", "code")
    newest = json.loads(segments()[-1].read_bytes().splitlines()[-1])
    equal((newest["verb"], newest["object"], newest["outcome"]), ("create", "a", "exists"), "the newest")


def check_found(what):
    """Starts with what is there now; the damage is found, then and after more records and a restart."""
    host.start()
    equal(host.get("/v1/health")["status"], "ok", f"health after {what}")
    found = host.get("/v1/audit/verification")
    true(not found["intact"] and found["problem"]["text"], f"{what} went unnoticed: {found}")
    one_more()
    found = host.get("/v1/audit/verification")
    true(not found["intact"], f"{what} is forgotten with the next record: {found}")
    host.kill()
    return found["problem"]["number"]


def damaged(text):
    as_it_was()
    LOG.write_bytes(text)


@test
def untouched_it_is_intact():
    host.start()
    one_more()
    equal(host.get("/v1/audit/verification"),
          {"records": 6, "first": 1, "last": 6, "unrecorded": 0, "intact": True, "problem": None}, "verification")
    host.kill()


@test
def bits_that_flipped_are_found():
    chance = random.Random(5)
    ends = [at for at, byte in enumerate(TEXT) if byte == ord("\n")]
    places = ends + [0, 1, len(TEXT) - 2] + chance.sample(range(len(TEXT)), 40)
    for place in places:
        text = bytearray(TEXT)
        text[place] ^= 1 << chance.randrange(8)
        damaged(bytes(text))
        check_found(f"a bit at {place} of {len(TEXT)}")


@test
def an_end_that_was_cut_is_found():
    for count in range(len(LINES)):
        damaged(b"".join(LINES[:count]))
        # The log's own record of it may have come by then.
        where = check_found(f"a log cut after {count} records")
        true(where in (count + 1, count + 2), f"cut after {count}, found at {where}")
    for missing in (1, 100):
        damaged(TEXT[:-missing])
        check_found(f"a log without its last {missing} bytes")


@test
def records_that_moved_are_found():
    for name, lines in {
            "one that is gone": LINES[:2] + LINES[3:], "two exchanged": [LINES[0], LINES[2], LINES[1], *LINES[3:]],
            "one twice": LINES[:3] + LINES[2:], "an empty line": LINES[:3] + [b"\n"] + LINES[3:],
            "one of another's log": LINES + [LINES[-1]], "nothing but newlines": [b"\n"] * 5,
            "bytes that are no text": [random.Random(1).randbytes(2000)], "a first that is gone": LINES[1:]}.items():
        damaged(b"".join(lines))
        check_found(name)


@test
def a_file_that_is_none():
    as_it_was()
    LOG.unlink()
    LOG.mkdir()
    host.start()
    health = host.get("/v1/health")
    true(health["status"] == "degraded" and "audit log" in health["reason"], f"health: {health}")
    LOG.rmdir()
    host.kill()


@test
def segments_that_are_gone_are_found():
    as_it_was()
    host.start()
    # Records as long as they get: the reference that was asked for is kept, and the message too.
    for number in range(4000):
        host.exchange("DELETE", "/v1/branch", query={"ref": f"{number}-" + "x" * 4000})
        if len(segments()) == 4:
            break
    equal(len(segments()), 4, "segments")
    true(host.get("/v1/audit/verification")["intact"], "intact")
    host.stop()
    there = segments()
    shutil.rmtree(KEPT)
    shutil.copytree(LIB, KEPT)
    for gone in there:
        as_it_was()
        gone.unlink()
        check_found(f"without {gone}")


if __name__ == "__main__":
    tap.main()
