#!/usr/bin/env python3
"""flocker-volume between its standard streams and a socket whose other end is this test's."""

import hashlib
import os
import pty
import random
import select
import socket
import subprocess
import threading

import cleanup
import tap
from flocker import BUILD, MIB
from tap import equal, test, true

VOLUME = str(BUILD / "src/volume/flocker-volume")
DIRECTORY = cleanup.make_directory()
tap.finally_(lambda: cleanup.remove(DIRECTORY))
LISTENER = socket.socket(socket.AF_UNIX)
LISTENER.bind(f"{DIRECTORY}/peers.sock")
LISTENER.listen()
LISTENER.settimeout(120)
DATA = random.Random(3).randbytes(8 * MIB)


class Link:
    """The program, and the daemon's end of what it carries."""

    def __init__(self, *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE):
        self.program = subprocess.Popen([VOLUME, *(words or ("serve",)), "--socket", f"{DIRECTORY}/api.sock"],
                                        stdin=stdin, stdout=stdout, stderr=subprocess.PIPE)
        cleanup.record(f"{DIRECTORY}/daemons", self.program.pid)
        self.daemon, _ = LISTENER.accept()
        self.daemon.settimeout(120)
        self.line = b""
        while not self.line.endswith(b"\n"):
            self.line += self.daemon.recv(1)

    def take(self):
        """What the daemon gets, to the end."""
        taken = hashlib.sha256()
        while data := self.daemon.recv(1 << 16):
            taken.update(data)
        return taken.hexdigest()

    def ends(self, status=0):
        equal(self.program.wait(timeout=120), status, "exit status")
        return self.program.stderr.read().decode()


def digest(data):
    return hashlib.sha256(data).hexdigest()


@test
def the_first_line_says_what_the_link_is_for():
    for words, line in ((("serve",), b"serve\n"), (("receive", "mydata"), b"limit volume=mydata\n"),
                        (("receive", "mydata", "--from", "alpha"), b"limit volume=mydata from=alpha\n")):
        link = Link(*words)
        equal(link.line, line, f"what {words} says")
        link.daemon.close()
        link.ends()


def carries(link, put, get):
    """DATA goes both ways at once; each side ends when it has said all, and hears the rest."""
    results = {}

    def say():
        for at in range(0, len(DATA), 100000):
            put(DATA[at:at + 100000])
        put(None)

    def hear():
        results["there"] = link.take()

    def answer():
        link.daemon.sendall(DATA[::-1])
        link.daemon.shutdown(socket.SHUT_WR)

    def listen():
        results["here"] = digest(b"".join(iter(get, b"")))

    tap.in_threads([say, hear, answer, listen])
    equal(results, {"there": digest(DATA), "here": digest(DATA[::-1])}, "what has come")
    equal(link.ends(), "", "errors")


@test
def pipes_carry_both_ways_and_each_ends_alone():
    link = Link()
    carries(link, lambda data: link.program.stdin.close() if data is None else link.program.stdin.write(data),
            lambda: link.program.stdout.read1())


@test
def a_socket_as_sshd_gives_it_carries_both_ways():
    ours, theirs = socket.socketpair()
    link = Link(stdin=theirs, stdout=theirs)
    theirs.close()
    carries(link, lambda data: ours.shutdown(socket.SHUT_WR) if data is None else ours.sendall(data),
            lambda: ours.recv(1 << 16))


@test
def streams_that_do_not_block_are_waited_for():
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    link = Link(stdin=theirs, stdout=theirs)
    theirs.close()
    carries(link, lambda data: ours.shutdown(socket.SHUT_WR) if data is None else ours.sendall(data),
            lambda: ours.recv(1 << 16))


@test
def who_has_said_all_still_hears():
    link = Link()
    link.program.stdin.close()
    equal(link.take(), digest(b""), "what the daemon gets, to its end")
    link.daemon.sendall(b"late")
    link.daemon.close()
    equal(link.program.stdout.read(), b"late", "what comes after that")
    link.ends()


@test
def who_has_heard_all_may_still_speak():
    for both in (True, False):
        ours, theirs = socket.socketpair()
        link = Link(stdin=theirs, stdout=theirs) if both else Link()
        theirs.close()
        hear, speak, end = (lambda: ours.recv(1), ours.sendall, lambda: ours.shutdown(socket.SHUT_WR)) if both else (
            lambda: link.program.stdout.read(1), lambda data: (link.program.stdin.write(data), link.program.stdin.flush()),
            link.program.stdin.close)
        link.daemon.shutdown(socket.SHUT_WR)
        equal(hear(), b"", "the end of what is heard")
        speak(b"late")
        end()
        equal(link.take(), digest(b"late"), "what the daemon gets after that")
        link.ends()


@test
def a_terminal_is_read_and_written():
    ours, theirs = pty.openpty()
    link = Link(stdin=theirs, stdout=theirs)
    os.close(theirs)
    os.write(ours, b"hello\n")
    equal(link.daemon.recv(6, socket.MSG_WAITALL), b"hello\n", "what was typed")
    link.daemon.sendall(b"answer\n")
    shown = b""
    while b"answer" not in shown:
        true(select.select([ours], [], [], 120)[0], f"more is shown than {shown}")
        shown += os.read(ours, 100)
    link.daemon.close()
    link.ends()
    os.close(ours)


@test
def it_ends_with_the_daemon_though_nobody_ends_its_input():
    link = Link()
    link.daemon.close()
    equal(link.ends(), "", "errors")


@test
def it_ends_when_nobody_reads_what_the_daemon_says():
    link = Link()
    link.program.stdout.close()
    said = threading.Thread(target=lambda: link.daemon.sendall(b"a"), daemon=True)
    said.start()
    true("nobody reads" in link.ends(11), "it says why")
    said.join()


@test
def who_waits_does_nothing():
    link = Link()
    link.daemon.sendall(b"a")
    equal(link.program.stdout.read(1), b"a", "it is up")

    def switches():
        texts = [cleanup.read(f"/proc/{link.program.pid}/task/{task}/status")
                 for task in os.listdir(f"/proc/{link.program.pid}/task")]
        return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if "ctxt_switches" in line)

    def sleeps():
        return all(cleanup.read(f"/proc/{link.program.pid}/task/{task}/stat").rpartition(")")[2].split()[0] == "S"
                   for task in os.listdir(f"/proc/{link.program.pid}/task"))

    def rests():
        """Nobody ran while they were looked at one after the other: what sleeps then was not just woken by another."""
        before = switches()
        return sleeps() and before == switches()

    tap.wait_until(rests, "all its threads wait")
    before = switches()
    subprocess.run([VOLUME, "--version"], check=True, capture_output=True)  # some time in which others run
    equal(switches(), before, "times that it ran")
    link.daemon.close()
    link.ends()


if __name__ == "__main__":
    tap.main()
