#!/usr/bin/python3
"""What people in a hurry type: each is told what it would be, leads to the same daemon, and changes nothing."""

import os
import pathlib
import pty
import re
import subprocess

import tap
from flocker import COMMAND, DAEMON, MIB, Host, host_with_pool, unchanged
from tap import equal, test, tests_for, true

host = host_with_pool()
host.create("data")
host.write("data", "file", "contents")
host.snapshot("data", name="first")
host.write("data", "file", "changed")
host.snapshot("data", name="second")
host.branch("data/side")
host.tag("v1@data")

# What is typed -> what the hint says.
HINTS = {
    ("show", "data@latest"): "written 'data@{latest}', a tag latest@data",
    ("tag", "data@v2"): "written 'data@{v2}', a tag v2@data",
    ("log", "data@{2h", "ago}"): "quote what has a space: 'data@{2h ago}'",
    ("diff", "data@{2h", "ago}"): "quote what has a space",
    ("rollback", "data", "first"): "rollback 'data@{first}'",
    ("rollback", "data", "v1@data"): "rollback data --to 'v1@data'",
    ("rollback", "data", "data@{first}"): "rollback data --to 'data@{first}'",
    ("rollback", "data", "--to", "first"): "--to 'data@{first}'; a tag: --to first@data",
    ("rollback", "data", "--to", "data/side"): "--to 'data/side@{latest}'",
    ("stash", "restore", "1"): "write stash/1@VOLUME",
    ("rename", "data/side", "data/other"): "the new name stands alone",
    ("rename", "v1@data", "v2@data"): "the new name stands alone",
    ("snapshot", "data", "--mesage", "x"): "did you mean --message?",
    ("export", "data", "data.tar.gz"): "| gzip > FILE",
    ("export", "data", "data.tgz"): ".tar.zst",
    ("pool", "create", "--file", "x", "--size", "0"): "leave --size out",
}


@tests_for(HINTS, name=" ".join)
def a_hint_says_how_to_write_it(arguments):
    unchanged(host, lambda: host.fails(
        "not-found" if "@" in arguments[1] and len(arguments) == 2 and "{" not in arguments[1]
        else "invalid", *arguments, hint=HINTS[arguments]))


@test
def reversed_operands_of_an_import_are_told():
    host.run("export", "data", "data.tar")
    unchanged(host, lambda: host.fails("not-found", "import", "data.tar", "new",
                                       hint="the archive comes second"))


@test
def a_tag_that_is_missing_is_no_volume_that_is_missing():
    host.fails("not-found", "show", "v9@data", hint="flocker tags data")
    host.fails("not-found", "show", "v1@none", hint="flocker list")


@test
def one_that_is_missing_keeps_all_from_being_destroyed():
    for missing in ("none", "data/none", "data@{none}", "none@data", "stash/9@data"):
        unchanged(host, lambda: host.fails("not-found", "destroy", "data/side", "v1@data", missing))


@test
def settings_that_are_far_off_are_not_guessed():
    true("did you mean" not in host.fails("not-found", "config", "get", "nonsense")["hint"], "a guess")
    host.fails("not-found", "config", "get", "keep", hint="did you mean 'trash.keep'?")


def shown(*arguments):
    """What the command prints about its failure, with --root instead of the variable."""
    done = subprocess.run([COMMAND, "--root", host.root, *arguments], capture_output=True, text=True,
                          check=False, timeout=60, env={**os.environ, "FLOCKER_SOCKET": "/nowhere"})
    true(done.returncode != 0, f"{arguments} succeeded")
    return done.stderr


@test
def hints_lead_to_the_same_daemon():
    true(f"hint: flocker --root {host.root} list shows" in shown("show", "none"), "a hint")
    true(f"take one: flocker --root {host.root} snapshot" not in shown("nonsense"), "no command, no daemon")
    true("usage: flocker create NAME" in shown("create"), "the usage is as it is")
    true("'flocker help stash'" in shown("stash"), "help needs no daemon")


def at_terminal(*arguments):
    """What the command shows there."""
    master, slave = pty.openpty()
    done = subprocess.run([COMMAND, *arguments], stdout=slave, check=False, timeout=60,
                          env={**os.environ, "FLOCKER_SOCKET": host.socket, "NO_COLOR": "1"})
    os.close(slave)
    shown = b""
    try:
        while part := os.read(master, 65536):  # of what was written some may still be on its way
            shown += part
    except OSError:
        pass  # the end of a terminal
    os.close(master)
    equal(done.returncode, 0, f"status of {arguments}: {shown}")
    return shown.decode()


@test
def people_see_how_much_of_a_quota_is_used():
    host.create("small", quota=4 * MIB)
    with open(f"{host.path('small')}/half", "wb") as file:
        file.write(os.urandom(2 * MIB))
        os.fsync(file.fileno())
    host.snapshot("small")
    share = re.search(r"used: .* \((\d+) % of the quota\)", at_terminal("show", "small"))
    true(share and 50 <= int(share[1]) < 75, f"of 4 MiB 2 are used: {share}")
    true("%" not in host.run("show", "small"), "programs get bytes")
    true("%" not in at_terminal("show", "data"), "without a quota there is no share")
    host.run("destroy", "small")


# --- nothing to read from, nothing to write to --------------------------------------------


def closed(descriptor, *arguments):
    """Runs the command with this descriptor closed; its status and all that it printed."""
    done = subprocess.run(["/bin/sh", "-c", f'exec "$@" {descriptor}>&-', "sh", COMMAND, *arguments],
                          capture_output=True, text=True, check=False, timeout=60,
                          env={**os.environ, "FLOCKER_SOCKET": host.socket})
    return done.returncode, done.stdout + done.stderr


@test
def a_closed_descriptor_becomes_no_connection():
    equal(closed(1, "list")[0], 1, "status of a list that cannot be printed")
    status, text = closed(1, "export", "data", "-")
    equal(status, 1, "status of an export that cannot be written")
    true("writing what came: Bad file descriptor" in text, text)
    status, text = closed(0, "import", "new", "-")
    equal(status, 1, "status of an import that cannot be read")
    true("Bad file descriptor" in text, text)
    equal(closed(2, "show", "none")[0], 3, "status of an error that cannot be printed")
    equal(closed(1, "config", "set", "trash.keep", "8d")[0], 0, "what has nothing to print")
    host.run("config", "unset", "trash.keep")


@test
def a_daemon_without_a_terminal_logs_into_none_of_its_files():
    with Host() as other:
        other.stop()
        other.daemon = subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", DAEMON, "--root", other.root])
        tap.wait_until(lambda: other.ready() or other.dead(), "flockerd answers or ends")
        pid = other.daemon.pid
        equal([os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)], ["/dev/null"] * 3, "descriptors")
        equal(pathlib.Path(other.root, "run/flockerd.lock").read_text().strip(), str(pid), "the lock")


# --- pools ----------------------------------------------------------------------------------


@test
def what_is_wrong_stays_so_when_another_pool_is_not_taken_over():
    with Host() as other:
        before = other.get("/v1/health")
        other.fails("not-found", "pool", "adopt", "--file", f"{other.directory}/none")
        equal(other.get("/v1/health"), before, "health")


@test
def an_ordinary_user_is_told_of_a_pool_that_can_be_made():
    with Host() as other:
        true("--file" in other.get("/v1/health")["hint"], "root is told of a file")
    other = Host(user=65534)
    other.start()
    hint = other.get("/v1/health")["hint"]
    equal(hint, f"make one: flocker pool create --directory {other.root}/lib/pool", "hint")
    other.fails("denied", "pool", "create", "--file", f"{other.root}/pool.img", hint="--directory")
    other.run(*hint.split("flocker ")[1].split())
    other.create("data")
    other.remove()


if __name__ == "__main__":
    tap.main()
