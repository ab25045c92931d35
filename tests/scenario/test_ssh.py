#!/usr/bin/env python3
"""Peers by ssh, between hosts of their own: transfers both ways, each way it fails, keys for one volume alone."""

import contextlib
import json
import os
import re
import signal
import threading

import tap
from flocker import PATIENCE, Gone, MIB
from hosts import Hosts
from peers import push_again
from tap import equal, test, true

LAB = Hosts(2)


def ssh_of(host):
    return host.processes("ssh")


@test
def hosts_are_there():
    LAB.build()
    LAB.start()
    LAB.sshd()
    for host in LAB.hosts:
        equal(host.must("hostname").strip(), host.name, "name of the host")


@test
def a_peer_by_ssh_is_asked_who_it_is():
    one, two = LAB.hosts
    one.run("peer", "add", "h2", "ssh://h2")
    shown = one.json("peer", "show", "h2")
    equal(shown["name"], "h2", "name")
    true(shown["round_trip"] > 0, f"a round trip: {shown}")
    one.fails("invalid", "peer", "add", "h3", f"ssh://root@{two.address}", says="h2")


@test
def volumes_go_there_and_come_back():
    one, two = LAB.hosts
    one.create("data")
    one.fill("data", "a", 3 * MIB)
    first = one.snapshot("data")
    one.run("push", "data", "h2")
    one.fill("data", "b")
    second = one.snapshot("data")
    one.run("push", "data", "h2")
    equal([s["id"] for s in two.log_of("h1/data/trunk")], [second["id"], first["id"]], "what has come")
    one.run("verify", "data", "--peer", "h2")
    two.create("other")
    two.fill("other", "c", MIB)
    taken = two.snapshot("other")
    one.run("fetch", "h2/other/trunk")
    equal([s["id"] for s in one.log_of("h2/other/trunk")], [taken["id"]], "what was fetched")


def kill_ssh(one):
    for pid in ssh_of(one):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def forget_link(one):
    """The next who wants the peer dials; nobody does now."""
    kill_ssh(one)
    tap.wait_until(lambda: not one.get("/v1/peers")["items"][0]["connected"], "the link is lost")


@test
def a_host_whose_key_is_not_known_is_refused():
    one, two = LAB.hosts
    forget_link(one)
    one.know()
    error = one.fails("unreachable", "push", "data", "h2", says=["Host key verification failed", "ssh to 'h2'"],
                      hint="flocker-volume --version")
    true("known" in error["message"], f"ssh's own reason: {error}")
    with open(f"{one.ssh_files}/known_hosts", "w", encoding="utf-8") as file:
        file.write(f"h2 {one.host_key()}\n")
    one.fails("unreachable", "push", "data", "h2", says=["has changed", "Host key verification failed"])
    one.know(*LAB.hosts)
    one.run("push", "data", "h2")


@test
def a_key_that_is_not_let_in_is_told_so():
    one, two = LAB.hosts
    forget_link(one)
    two.authorize(two.key())
    one.fails("unreachable", "push", "data", "h2", says="Permission denied", hint="flocker-volume --version")
    two.authorize(one.key(), two.key())


@test
def a_host_without_ssh_is_told_so():
    one, _ = LAB.hosts
    one.hide("ssh")
    try:
        one.fails("unreachable", "push", "data", "h2", says="there is no /usr/bin/ssh on this host",
                  hint="openssh-client")
    finally:
        one.show()
    one.run("push", "data", "h2")


@test
def a_host_that_is_down_is_told_in_time():
    one, _ = LAB.hosts
    forget_link(one)
    LAB.cut(2)
    try:
        shown = one.try_run("push", "data", "h2", timeout=60)
        equal(shown.status, 11, f"exit status of {shown}")
        true("ssh to 'h2'" in shown.err and "port 22" in shown.err, f"ssh says why: {shown}")
    finally:
        LAB.heal(2)


@test
def a_host_without_flocker_is_told_so():
    one, two = LAB.hosts
    two.serve_ssh(path="/nowhere")
    one.fails("unreachable", "push", "data", "h2", says="flocker-volume is not found on 'h2'",
              hint="install Flocker there")
    two.serve_ssh()


@test
def a_daemon_that_does_not_run_there_is_told_so():
    one, two = LAB.hosts
    two.stop()
    error = one.fails("unreachable", "push", "data", "h2", says=["flocker-volume on 'h2'", "no Flocker daemon"],
                      hint="on 'h2'")
    true("systemctl start flockerd" in error["hint"], f"how it is started: {error}")
    two.start()
    one.run("push", "data", "h2")


@test
def a_user_without_rights_is_told_so():
    one, two = LAB.hosts
    one.fails("denied", "peer", "add", "guest", "ssh://guest@h2", says="may not talk to the Flocker daemon",
              hint="flocker")


@test
def addresses_that_would_be_options_are_refused():
    one, _ = LAB.hosts
    for address in ("ssh://-oProxyCommand=x", "ssh://a b@h2", "ssh://h2/etc", "ssh://$(id)@h2", "ssh://"):
        one.fails("invalid", "peer", "add", "x", address)


# --- in the middle of a transfer -----------------------------------------------------------------

SIZE = 6 * MIB


def begin_push(one, ref):
    """A push that takes its time, on a thread; when some of it has arrived."""
    taken = {}

    def push():
        try:
            taken["answer"] = one.exchange("POST", "/v1/pushes", {"ref": ref, "peer": "h2", "limit": MIB // 2})
        except Gone:
            pass  # with the daemon

    one.create(ref)
    one.fill(ref, "big", SIZE)
    thread = threading.Thread(target=push, daemon=True)
    thread.start()
    tap.wait_until(lambda: any(o["verb"] == "receive" and o["state"] == "running" and o["done_bytes"] > MIB
                               for o in LAB[2].items("/v1/operations")), "some of it has arrived")
    return thread, taken


@test
def ssh_that_dies_in_the_middle_costs_nothing_but_time():
    one, two = LAB.hosts
    thread, taken = begin_push(one, "cut")
    kill_ssh(one)  # it is dialled anew at once
    thread.join(PATIENCE)
    status, answer = taken["answer"]
    equal(status, 201, f"the push went on: {answer}")
    equal(answer["resumed"], 1, "times that it was taken up again")
    true(answer["wire"] < SIZE + 3 * MIB, f"what had come was not sent again: {answer['wire']} bytes")
    one.run("verify", "cut", "--peer", "h2")


@test
def a_daemon_that_stops_leaves_no_ssh_behind():
    one, two = LAB.hosts
    thread, _ = begin_push(one, "stopped")
    true(ssh_of(one), "there is one")
    one.stop()
    equal(ssh_of(one), [], "what is left of ssh")
    tap.wait_until(lambda: two.processes("flocker-volume") == [], "the other end has gone, too")
    thread.join(PATIENCE)
    one.start()
    one.run("push", "stopped", "h2")
    one.run("verify", "stopped", "--peer", "h2")


@test
def a_daemon_that_is_killed_leaves_no_ssh_behind_and_pushes_again():
    one, two = LAB.hosts
    begin_push(one, "killed")
    one.kill()
    tap.wait_until(lambda: ssh_of(one) == [], "ssh has gone")
    tap.wait_until(lambda: two.processes("flocker-volume") == [], "the other end has gone, too")
    one.start()
    push_again(one, "killed")
    one.run("verify", "killed", "--peer", "h2")


# --- keys for one volume -----------------------------------------------------------------------


def only(one, two, command):
    two.authorize(f'restrict,command="{command}" {one.key()}', two.key())
    forget_link(one)


@test
def a_key_for_one_volume_lets_in_its_pushes_and_nothing_else():
    one, two = LAB.hosts
    only(one, two, "flocker-volume receive data --from h1")
    one.fill("data", "more")
    taken = one.snapshot("data")
    one.run("push", "data", "h2")
    equal(two.log_of("h1/data/trunk")[0]["id"], taken["id"], "what has come")
    one.create("secret")
    one.fill("secret", "a")
    one.fails("denied", "push", "secret", "h2", says=["for pushes of the volume 'data'", "'secret'"])
    one.fails("exists", "push", "secret", "h2", "--as", "data")
    one.fails("denied", "fetch", "h2/other/trunk", says="'data', and for nothing else", hint="authorized_keys")
    one.fails("denied", "verify", "data", "--peer", "h2", says="for nothing else")
    one.run("peer", "show", "h2")
    equal([v["name"] for v in two.items("/v1/volumes") if v["name"] == "secret"], [], "volumes that came in")
    equal(one.get("/v1/peer", name="h2")["volumes"], [], "what is told of volumes")


@test
def a_key_may_be_for_a_volumes_uuid_and_for_one_instance():
    one, two = LAB.hosts
    only(one, two, f"flocker-volume receive {one.get('/v1/volume', ref='data')['uuid']}")
    one.run("push", "data", "h2")
    one.fails("denied", "push", "secret", "h2")
    only(one, two, "flocker-volume receive data --from h9")
    one.fails("denied", "push", "data", "h2", says="for the instance 'h9', not for 'h1'")
    two.authorize(one.key(), two.key())
    one.run("push", "secret", "h2")


# --- the program itself ----------------------------------------------------------------------------


def fails_alone(host, status, *words, says, input=""):
    done = host.volume(*words, input=input)
    equal(done.returncode, status, f"exit status of {words}: {done}")
    true(says in done.stderr, f"{says!r} in {done}")
    return done


@test
def snapshots_are_named_the_oldest_first():
    one, two = LAB.hosts
    done = one.volume("snapshots", "data")
    names = done.stdout.split()
    equal(names, [s["storage_name"] for s in one.log_of("data")][::-1], "names")
    true(all(re.fullmatch(r"[0-9a-f-]{36}\.\d{8}T\d{6}\.\d{9}Z", name) for name in names) and names, f"form of {names}")
    equal(json.loads(one.volume("snapshots", "data/trunk", "--json").stdout), names, "as JSON")
    equal(two.volume("snapshots", "h1/data/trunk").stdout.split(), names, "there")
    fails_alone(one, 3, "snapshots", "nothing", says="nothing")
    fails_alone(one, 2, "snapshots", "data@{latest}", says="is no volume and no branch")


@test
def words_that_make_no_sense_are_refused():
    one = LAB[1]
    for words in ((), ("frobnicate",), ("serve", "more"), ("serve", "--json"), ("receive",), ("receive", "a b"),
                  ("receive", "data", "--from"), ("serve", "--root", "/a", "--socket", "/b")):
        fails_alone(one, 2, *words, says="flocker-volume: ")
    equal(one.volume("--version").stdout, one.run("--version").replace("flocker ", "flocker-volume "), "version")
    true("serve" in one.volume("--help").stdout, "help names the verbs")


@test
def who_is_no_instance_is_sent_away():
    one = LAB[1]
    done = one.volume("serve", input="")
    equal((done.returncode, done.stdout[:8], done.stderr), (0, "flocker\n", ""), "an end without a word")
    done = one.volume("serve", input="GET / HTTP/1.0\r\n\r\n")
    equal(done.returncode, 0, f"exit status of {done}")


@test
def the_daemon_is_found_as_flocker_finds_it():
    one = LAB[1]
    for words in (("--root", one.root), ("--socket", one.socket)):
        equal(one.volume("serve", *words, input="").returncode, 0, f"serve {words}")
    done = fails_alone(one, 11, "serve", "--root", "/nowhere", says="no Flocker daemon at /nowhere/run/flocker.sock")
    true("hint: start it: flockerd --root /nowhere" in done.stderr, f"how it is started: {done}")
    one.stop()
    done = fails_alone(one, 11, "serve", says="no Flocker daemon at /run/flocker/flocker.sock")
    true("systemctl start flockerd" in done.stderr, f"how it is started: {done}")
    one.start()


if __name__ == "__main__":
    tap.main()
