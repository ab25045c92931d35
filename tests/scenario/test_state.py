#!/usr/bin/python3
"""The state directory: read-only, in the way, with wrong rights, on a disk that fails."""

import os
import pathlib
import subprocess

import tap
from failing import FailingDisk
from flocker import Failure, Gone, Host
from tap import equal, test, true


def refused(host, status, *says):
    """The daemon ends by itself, with this status and a message that holds these words."""
    equal(host.spawn().wait(timeout=60), status, "exit status")
    log = host.tail()
    for word in says:
        true(word in log, f"{word!r} is not in\n{log}")
    true("ready" not in log.splitlines()[-1] and "hint: " in log, f"a hint ends the log:\n{log}")


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


@test
def a_read_only_state_directory_is_no_start():
    host = Host()
    state = f"{host.root}/lib"
    os.makedirs(state)
    mount("-t", "tmpfs", "-o", "mode=700,size=32m", "tmpfs", state)
    host.start()
    host.pool()
    host.create("data")
    host.write("data", "a", "x")
    host.snapshot("data", name="early")
    host.stop()
    before = sorted(os.listdir(state))
    mount("-o", "remount,ro", state)
    refused(host, 1, "the state directory", state, "Read-only", "read-write")
    equal(sorted(os.listdir(state)), before, "what is in it")
    mount("-o", "remount,rw", state)
    host.start()
    equal(host.get("/v1/snapshot", ref="data@{early}")["name"], "early", "name")
    host.remove()


@test
def others_may_not_write_to_it():
    host = Host()
    state = f"{host.root}/lib"
    os.makedirs(state, 0o700)
    for mode in (0o777, 0o770, 0o1702):
        os.chmod(state, mode)
        refused(host, 10, "the state directory", "others may write", f"{mode:04o}", "chmod 0700")
        equal(os.listdir(state), [], "nothing was made in it")
    os.chmod(state, 0o700)
    os.chown(state, 65534, 0)
    refused(host, 10, "belongs to the user 65534", "chown 0")
    os.chown(state, 0, 0)
    os.chmod(state, 0o755)
    host.start()
    host.remove()


@test
def a_file_in_its_place():
    host = Host()
    pathlib.Path(f"{host.root}/lib").write_text("", encoding="ascii")
    equal(host.spawn().wait(timeout=60), 4, "exit status")
    true("is there and is no directory" in host.tail(), host.tail())
    host.remove()


@test
def a_disk_that_fails_below_it_ends_acknowledging():
    host = Host()
    disk = FailingDisk(host, "lib")
    host.start()
    host.pool()
    host.create("data")
    host.snapshot("data", name="acknowledged")
    disk.fail()
    try:
        host.snapshot("data", name="not-acknowledged")
        raise AssertionError("a snapshot was acknowledged that the catalogue could not keep")
    except (Failure, Gone):
        pass
    host.kill() if not host.dead() else None
    refused(host, 1, "the state directory", "Read-only")
    disk.mend()
    host.start()
    true("acknowledged" in [s["name"] for s in host.log_of("data")], "the acknowledged one is there")
    host.remove()


if __name__ == "__main__":
    tap.main()
