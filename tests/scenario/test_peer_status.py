#!/usr/bin/python3
"""What status says of peers that do not answer, and of certificates that end."""

import socket

import tap
from clocks import DAY, Clock
from peers import Peers, free_port
from tap import equal, test, true


def notes(host):
    return {row["object"]: row for row in host.get("/v1/status")["failing"] if row["what"] == "peer-away"}


def kinds(host):
    return [event["kind"] for event in host.items("/v1/events") if event["object"] == "h2"]


@test
def who_does_not_answer_is_noted_until_he_is_back():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        one.push("data", "h2")
        equal(notes(one), {}, "all answer")
        two.stop()
        one.fails("unreachable", "push", "data", "h2")
        note = notes(one)["h2"]
        equal((note["note"], note["code"]), (True, "unreachable"), "a note")
        said = one.run("status")
        true("all is well" in said and "note:          a peer is not reached: h2, since " in said, said)
        equal(one.get("/v1/health")["status"], "ok", "health")
        one.fails("unreachable", "push", "data", "h2")
        equal(notes(one)["h2"]["since"], note["since"], "since it was found")
        equal(kinds(one).count("peer-away"), 1, "told once")
        two.start()
        two.listens()
        one.push("data", "h2")
        equal(notes(one), {}, "it is back")
        equal(kinds(one).count("peer-back"), 1, "told once")


@test
def peers_are_looked_for_by_themselves():
    with Peers("h1", "h2") as (one, two):
        equal(one.get("/v1/status")["failing"], [], "at first")
        two.stop()
        one.run("config", "set", "peer.check", "1s")
        tap.wait_until(lambda: notes(one), "it is noticed")
        two.start()
        tap.wait_until(lambda: not notes(one), "and that it is back")
        true([peer["connected"] for peer in one.items("/v1/peers")] == [True], "there is a link")
        two.stop()
        tap.wait_until(lambda: notes(one), "a link that is lost is noticed, too")
        one.run("peer", "remove", "h2")
        tap.wait_until(lambda: not notes(one), "who is no peer is no concern")
        one.run("config", "set", "peer.check", "0s")
        one.fails("invalid", "config", "set", "peer.check", "400d")


@test
def a_certificate_that_ends_soon_is_told():
    def ends(host):
        return {row["what"]: row for row in host.get("/v1/status")["failing"]}.get("certificate-ends")

    with Peers("h1", "h2") as (one, two):
        clock = Clock(one)
        for host in (one, two):
            clock.host = host  # it is theirs
            clock.restart()
            host.listens()
        clock.jump(330 * DAY)
        for host in (one, two):
            host.run("config", "set", "peer.check", "1m")  # it looks at once
        equal([ends(host) for host in (one, two)], [None, None], "in time")
        clock.jump(10 * DAY)
        for host, how in ((one, ()), (two, ("--peer", "h1"))):
            host.run("config", "set", "peer.check", "2m")
            tap.wait_until(lambda host=host: ends(host), "it is told")
            equal((ends(host)["note"], "flocker ca renew" in ends(host)["hint"]), (False, True), f"{ends(host)}")
            host.run("ca", "renew", *how)
            equal(ends(host), None, "it is good for long")


@test
def who_cannot_be_reached_by_peers_says_so():
    def locked_out():
        return {row["what"]: row for row in one.get("/v1/status")["failing"]}.get("peers-locked-out")

    with Peers("h1", joined=False) as (one,), socket.create_server(("127.0.0.1", free_port())) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        one.run("config", "set", "peer.listen", address)
        equal(locked_out(), None, "no member listens to nobody")
        one.run("ca", "init")
        row = tap.wait_until(locked_out, "it is told")
        true(address in row["message"] and "config set peer.listen" in row["hint"], f"{row}")
        said = one.run("status")
        true("all is well" not in said and "peers cannot connect" in said and address in said, said)
        one.run("config", "set", "peer.listen", one.address)
        one.listens()
        tap.wait_until(lambda: not locked_out(), "it listens elsewhere")
        one.run("config", "set", "peer.listen", address)
        tap.wait_until(locked_out, "it is told again")
        taken.close()
        tap.wait_until(lambda: not locked_out(), "it is tried by itself")
        one.run("config", "set", "peer.listen", "")
        tap.wait_until(lambda: not locked_out(), "it need not listen")


if __name__ == "__main__":
    tap.main()
