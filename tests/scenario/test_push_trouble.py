#!/usr/bin/python3
"""What can go wrong while volumes travel: each ends in an error that says so, nothing is half there, and the next
try works."""

import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

import tap
from flocker import COMMAND, MIB, PATIENCE, Failure
from peers import Peers, Push, push_again, quiet, same
from tap import equal, test, tests_for, true

def fill(host, name="data", size=MIB, text="first"):
    """Contents that cannot be compressed."""
    with open(f"{host.path(name)}/file", "wb") as file:
        file.write(os.urandom(size))
    host.write(name, "text", text)


@tests_for([("file", "dir"), ("dir", "file"), ("dir", "dir")], name=" to ".join)
def pools_of_different_kinds(kinds):
    with Peers("h1", "h2", pools=kinds) as (one, two):
        one.create("data")
        fill(one)
        one.write("data", "deep/er/name", "x")
        os.symlink("text", f"{one.path('data')}/link")
        os.link(f"{one.path('data')}/text", f"{one.path('data')}/hard")
        one.push("data", "h2")
        same(one, two)
        os.rename(f"{one.path('data')}/deep", f"{one.path('data')}/moved")
        os.unlink(f"{one.path('data')}/hard")
        one.write("data", "text", "second")
        answer = one.push("data", "h2")
        equal(answer["outcome"], "fast-forward", "an increment")
        true(answer["bytes"] < MIB // 2, f"is small: {answer['bytes']}")
        same(one, two)


@test
def several_go_at_once():
    with Peers("h1", "h2") as (one, two):
        names = [f"v{number}" for number in range(6)]
        for name in names:
            one.create(name)
            fill(one, name)
        tap.in_threads([lambda name=name: one.push(name, "h2") for name in names])
        for name in names:
            same(one, two, name)
        for name in names:
            one.write(name, "text", "second")
        back = {"theirs": two}
        two.create("theirs")
        tap.in_threads([lambda name=name: one.push(name, "h2") for name in names] +
                       [lambda: back["theirs"].push("theirs", "h1")])
        for name in names:
            same(one, two, name)
        quiet(one, two)


@test
def the_receiver_is_killed():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        fill(one)
        with Push(one) as push:
            two.kill()
            two.start()
            two.listens()
        true(push.answer and push.answer["resumed"] > 0, f"{push.answer} {push.failure}")
        same(one, two)
        quiet(one, two)


@test
def the_sender_is_killed():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        fill(one)
        with Push(one):
            one.kill()
        one.start()
        quiet(one)
        equal(two.items("/v1/remotes"), [], "nothing is there")
        answer = push_again(one)
        same(one, two)
        for host, verb in ((one, "push"), (two, "receive")):
            record = [item for item in host.items("/v1/operations") if item["verb"] == verb][0]
            equal(record["done_bytes"], answer["bytes"], f"what the record of {verb} counts")
        quiet(one, two)


@test
def either_is_stopped_in_good_order():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        fill(one)
        for host in (one, two):
            with Push(one) as push:
                equal(host.stop(), 0, "exit status")
                if host is two:
                    push.cancel()
            if host is one and isinstance(push.failure, Failure):
                true("'h1' was stopped" in push.failure.message and push.failure.hint, f"{push.failure}")
            host.start()
            host.listens()
            quiet(one, two)
        one.push("data", "h2")
        same(one, two)


@test
def what_is_sent_changes_meanwhile():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        fill(one)
        one.snapshot("data", name="first")
        one.write("data", "text", "second")
        with Push(one):
            one.rollback("data", "data@{first}")
        one.push("data", "h2")
        same(one, two)
        fill(one, text="third")
        with Push(one):
            one.run("thin", "data")
        same(one, two)
        quiet(one, two)


@test
def the_volume_is_destroyed_meanwhile():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        fill(one)
        with Push(one) as push:
            ran = one.try_run("destroy", "data")
            if ran.status:
                equal(ran.status, 5, f"{ran}")
                push.cancel()
        quiet(one, two)
        if ran.status == 0:
            one.post("/v1/trash/restore", item="data")
        one.push("data", "h2")
        same(one, two)


@test
def what_came_is_destroyed_there():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        fill(one)
        one.push("data", "h2")
        two.run("unpin", "data", "--peer", "h1", "--force")
        two.run("destroy", "data")
        two.post("/v1/trash/empty")
        equal(two.items("/v1/remotes"), [], "it is gone there")
        one.write("data", "text", "second")
        equal(one.push("data", "h2")["outcome"], "full", "from the beginning")
        same(one, two)


@test
def the_receivers_pool_is_full():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        fill(one, size=100 * MIB)
        two.create("ballast")
        fill(two, "ballast", size=130 * MIB)
        ran = one.try_run("push", "data", "h2")
        equal(ran.status, 8, f"{ran}")
        true("h2" in ran.err, f"{ran}")
        quiet(one, two)
        equal(two.items("/v1/remotes"), [], "nothing is there")
        two.run("destroy", "ballast")
        two.post("/v1/trash/empty")
        tap.wait_until(lambda: two.get("/v1/pool")["free"] > 150 * MIB, "the space is free again", PATIENCE)
        one.push("data", "h2")
        same(one, two)


@test
def who_is_revoked_is_cut_off():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        fill(one)
        one.push("data", "h2")
        two.create("theirs")
        two.push("theirs", "h1")
        one.run("ca", "revoke", "h2")
        one.write("data", "text", "second")
        two.write("theirs", "text", "second")
        for host, name, peer in ((one, "data", "h2"), (two, "theirs", "h1")):
            ran = host.try_run("push", name, peer)
            true(ran.status in (10, 11), f"{ran}")


@tests_for([("push", "data", "h2"), ("fetch", "h1/data")], name=lambda words: words[0])
def a_person_watches_and_gives_up(words):
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        fill(one, size=4 * MIB)
        one.snapshot("data")
        at = one if words[0] == "push" else two
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(COMMAND, ["flocker", *words, "--limit", "200K"],
                      {**os.environ, "FLOCKER_SOCKET": at.socket, "TERM": "dumb"})
        seen, deadline = "", time.monotonic() + PATIENCE
        try:
            while not re.search(r"[KM]iB/s, \d+%, \d+ s left", seen):
                true(time.monotonic() < deadline, f"progress is shown: {seen!r}")
                if select.select([terminal], [], [], 1)[0]:
                    seen += os.read(terminal, 4096).decode()
            attributes = termios.tcgetattr(terminal)
            attributes[3] |= termios.NOFLSH  # else the kernel may throw away what is said after the signal
            termios.tcsetattr(terminal, termios.TCSANOW, attributes)
            os.write(terminal, b"\x03")
            while True:
                try:
                    data = os.read(terminal, 4096)
                except OSError:
                    break
                if not data:
                    break
                seen += data.decode()
            status = os.waitpid(pid, 0)[1]
            pid = 0
        finally:
            if pid:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            os.close(terminal)
        equal(os.WTERMSIG(status), signal.SIGINT, f"ended by the signal: {seen!r}")
        true("cancelled" in seen, f"{seen!r}")
        equal(at.items("/v1/operations")[0]["state"], "cancelled", "its record")
        quiet(one, two)
        equal(two.items("/v1/remotes"), [], "nothing is there")


@test
def names_complete():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        one.push("data", "h2")

        def offered(host, *words):
            done = subprocess.run([COMMAND, "complete", "--", *words], capture_output=True, text=True, check=True,
                                  env={**os.environ, "FLOCKER_SOCKET": host.socket})
            return [line.split("\t")[0] for line in done.stdout.splitlines()]

        equal(offered(one, "push", "data", ""), ["h2"], "peers")
        equal(offered(one, "fetch", "x", "--from", ""), ["h2"], "peers")
        equal(offered(two, "fetch", ""), ["h1/data/trunk", "h1/"], "remote branches and peers")
        true("h1/data/trunk" in offered(two, "log", "h1/"), "remote branches as references")


if __name__ == "__main__":
    tap.main()
