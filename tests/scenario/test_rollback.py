#!/usr/bin/python3
"""Going back in a hurry: what will be undone is shown and asked for on a terminal, and nowhere else."""

import os
import pty
import re
import subprocess

import tap
from flocker import COMMAND, host_with_pool, unchanged
from tap import equal, test, true, wait_until

host = host_with_pool()
host.create("data")
for name in "one", "two":
    host.write("data", name, name)
good = host.snapshot("data", name="good")["id"]
host.write("data", "one", "changed")
host.write("data", "three", "new")


def typed(answer, *arguments):
    """On a terminal: what the command says, and its exit status."""
    master, slave = pty.openpty()
    said = b""
    with subprocess.Popen([COMMAND, "--root", host.root, *arguments], stdin=slave, stdout=slave, stderr=slave) as done:
        os.close(slave)
        os.write(master, answer)
        while True:
            try:
                said += os.read(master, 4096)
            except OSError:  # so a terminal ends
                break
    os.close(master)
    return said.decode(), done.returncode


def question(*arguments):
    """What is said before somebody says no; asked anew where the comparison took longer than the command waits for it."""
    said = []

    def is_known():
        said[:] = [re.sub("\033\\[[0-9;]*m", "", typed(b"n\n", "rollback", *arguments)[0])]
        return "is not known" not in said[0]

    wait_until(is_known, "it is known what has changed", 300)
    return said[0]


@test
def no_is_no():
    for answer in b"\n", b"n\n", b"no\n", b"\x04", b"what?\n":
        said, status = [], []
        def ask():
            said[:], status[:] = zip(typed(answer, "rollback", "data@{good}"))
        unchanged(host, ask)
        true(status[0] == 1 and "nothing was changed" in said[0], f"{answer}: {status} {said}")


@test
def what_will_be_undone_is_shown():
    said = question("data@{good}")
    for word in ("data goes back to snapshot", good[:8], "good", "M one", "+ three", "1 added, 1 modified",
                 "stashed first", "[y/N]"):
        true(word in said, f"'{word}' in {said}")
    true(re.search(r"just now|\d+ (second|minute|hour)s? ago", said), f"its age in {said}")
    true("two" not in said, "what stays is not named")


@test
def yes_is_yes_and_says_how_to_undo_it():
    said, status = typed(b"y\n", "rollback", "data@{good}")
    equal(status, 0, said)
    equal((host.read("data", "one"), os.path.exists(f"{host.path('data')}/three")), ("one", False), "contents")
    command = next(line for line in said.splitlines() if line.startswith("undo: "))[len("undo: "):]
    subprocess.run(["sh", "-c", command], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "PATH": f"{os.path.dirname(COMMAND)}:{os.environ['PATH']}"})
    equal((host.read("data", "one"), host.read("data", "three")), ("changed", "new"), "all is back")


@test
def many_changes_are_counted():
    for i in range(100):
        host.write("data", f"many{i}", "x")
    said = question("data", "--to", "data@{good}")
    true("101 added" in said and said.count("+ ") < 20, said)


@test
def with_yes_and_for_programs_nobody_is_asked():
    for arguments in ["--yes"], ["-y"], ["--json"]:
        said, status = typed(b"", "rollback", "data@{good}", *arguments)
        true(status == 0 and "[y/N]" not in said, f"{arguments}: {said}")
    host.run("rollback", "data@{good}")


@test
def what_is_not_there_is_not_asked_about():
    said, status = typed(b"y\n", "rollback", "data@{nothing}")
    true(status == 3 and "[y/N]" not in said, said)


if __name__ == "__main__":
    tap.main()
