#!/usr/bin/python3
"""run: a command between two snapshots, and what it changed."""

import os
import pty
import shlex
import signal
import subprocess

import cleanup
from flocker import COMMAND, as_stranger, host_with_pool
from tap import equal, main, test, true, wait_until

host = host_with_pool()
host.run("create", "data")
TOP = host.path("data")
# Says that it runs, counts interrupts, and ends with 7 after the first.
COUNTS = 'n=0; trap "n=\\$((n+1)); echo \\$n >>caught" INT; echo begun >begun; ' \
         'until [ -e caught ]; do sleep 0.05; done; exit 7'


def words(ref, *command):
    return [COMMAND, "--root", host.root, "run", ref, "--", *command]


def run(ref, *command, **options):
    return subprocess.run(words(ref, *command), capture_output=True, text=True, timeout=60, check=False, **options)


def shell(script):
    return ("sh", "-c", script)


def snapshots():
    return host.log_of("data")


def forget(*names):
    for name in names:
        if os.path.exists(f"{TOP}/{name}"):
            os.unlink(f"{TOP}/{name}")


@test
def what_a_command_changes_is_told():
    host.write("data", "old", "old")
    host.write("data", "gone", "gone")
    done = run("data", *shell("pwd -P; cat; echo \"$WORD\"; echo new >new; echo changed >old; rm gone; exit 3"),
               input="typed\n", env={**os.environ, "WORD": "word"})
    equal(done.returncode, 3, done.stderr)
    equal(done.stdout, f"{os.path.realpath(TOP)}\ntyped\nword\n", "its output alone")
    lines = done.stderr.splitlines()
    equal(lines[:3], ["- gone", "+ new", "M old"], done.stderr)
    after, before = snapshots()[:2]
    equal((before["message"], after["message"]), ("before sh", "after sh"), "the snapshots")
    true(lines[3].startswith("undo: flocker") and before["id"] in lines[3], done.stderr)
    host.run(*shlex.split(lines[3])[2:])
    equal((host.read("data", "old"), host.read("data", "gone"), os.path.exists(f"{TOP}/new")),
          ("old", "gone", False), "undone")


@test
def nothing_changed():
    done = run("data", "true")
    equal((done.returncode, done.stdout, done.stderr), (0, "", "no changes\n"), "true")
    equal(run("data", "false").returncode, 1, "false")
    equal(run("data", *shell("kill -KILL $$")).returncode, 128 + signal.SIGKILL, "killed")


@test
def what_cannot_run():
    done = run("data", "no-such-command")
    true(done.returncode == 3 and "no-such-command" in done.stderr, done)
    true(snapshots()[0]["ref"] in done.stderr, done)
    equal(run("data", "/etc/passwd").returncode, 10, "no program")
    count = len(snapshots())
    equal(run("nothing", "true").returncode, 3, "no volume")
    for ref in ("data@{latest}", "data:old"):
        equal(run(ref, "true").returncode, 2, ref)
    equal(run("data").returncode, 2, "no command")
    equal(len(snapshots()), count, "no snapshot")


@test
def it_runs_with_the_rights_of_who_calls():
    done = as_stranger(host, "run", "data", "--", *shell("id -u; echo x >new || exit 9"))
    equal((done.returncode, done.stdout), (9, "65534\n"), done.stderr)
    true(not os.path.exists(f"{TOP}/new"), "nothing was written")


def two_more_than(count):
    equal(len(snapshots()), count + 2, "both snapshots")


def start_counting():
    """How many snapshots there were, and the command, which runs."""
    forget("begun", "caught")
    count = len(snapshots())
    command = subprocess.Popen(words("data", *shell(COUNTS)), stderr=subprocess.PIPE, text=True)
    cleanup.record(f"{host.directory}/daemons", command.pid)
    wait_until(lambda: os.path.exists(f"{TOP}/begun"), "it runs")
    return count, command


@test
def a_signal_is_passed_on_once():
    count, command = start_counting()
    command.send_signal(signal.SIGINT)
    said = command.stderr.read()
    equal(command.wait(), 7, said)
    true("+ caught" in said, said)
    equal(host.read("data", "caught"), "1\n", "interrupts")
    two_more_than(count)


@test
def ctrl_c_reaches_the_command():
    forget("begun", "caught")
    count = len(snapshots())
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(COMMAND, words("data", *shell(COUNTS)))
    cleanup.record(f"{host.directory}/daemons", pid)
    wait_until(lambda: os.path.exists(f"{TOP}/begun"), "it runs")
    os.write(terminal, b"\x03")
    said = b""
    try:
        while part := os.read(terminal, 65536):
            said += part
    except OSError:
        pass  # the end of a terminal
    equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 7, said)
    os.close(terminal)
    true(b"caught" in said, said)
    equal(host.read("data", "caught"), "1\n", "interrupts")
    two_more_than(count)


@test
def a_daemon_that_was_away_is_found_again():
    count, command = start_counting()
    host.restart()
    command.send_signal(signal.SIGINT)
    said = command.stderr.read()
    equal(command.wait(), 7, said)
    two_more_than(count)


@test
def nobody_has_to_read_what_changed():
    count = len(snapshots())
    reading, writing = os.pipe()
    os.close(reading)
    equal(subprocess.run(words("data", *shell("echo new >unread; exit 7")), stderr=writing, timeout=60,
                         check=False).returncode, 7, "the status")
    os.close(writing)
    two_more_than(count)


@test
def what_is_not_there_afterwards_is_told():
    host.run("create", "moved")
    ran = run("moved", *shell(f"'{COMMAND}' --root '{host.root}' rename moved elsewhere; exit 6"))
    equal(ran.returncode, 6, ran)
    true("the snapshot after the command" in ran.stderr, ran)
    true("moved/trunk@{" in ran.stderr, f"the snapshot before is named: {ran}")
    equal([s["message"] for s in host.log_of("elsewhere")], ["before sh"], "snapshots")


if __name__ == "__main__":
    main()
