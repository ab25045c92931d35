#!/usr/bin/python3
"""A peer whose address or limit changes stays the peer that it was."""

import os

import tap
from flocker import MIB, Failure
from peers import SLOW, Peers, Proxy, Push, same
from tap import equal, test, true


def fill(host, ref="data", size=MIB):
    with open(f"{host.path(ref)}/file", "wb") as file:
        file.write(os.urandom(size))


def peer(host):
    return {key: value for key, value in host.items("/v1/peers")[0].items() if key != "connected"}


@test
def another_address_and_limit_cost_no_pins():
    with Peers("h1", "h2") as (one, two), Proxy(two.address) as proxy:
        one.create("data")
        fill(one)
        one.push("data", "h2")
        before, pins = peer(one), one.items("/v1/pins")
        true(pins, "there are pins")
        one.run("peer", "add", "h2", proxy.address, "--limit", "4M")
        equal(peer(one), {**before, "address": proxy.address, "limit": 4 * MIB}, "what changes")
        equal(one.items("/v1/pins"), pins, "pins stay")
        fill(one)
        passed = proxy.passed
        equal(one.push("data", "h2")["outcome"], "fast-forward", "it goes on")
        true(proxy.passed > passed + MIB // 2, "by the address that counts now")
        one.run("peer", "add", "h2", two.address)
        equal(peer(one)["limit"], 4 * MIB, "what is not said stays")
        one.run("peer", "add", "h2", two.address, "--limit", "0")
        equal(peer(one), before, "as at first")
        same(one, two)
        told = [event["message"] for event in one.items("/v1/events") if event["kind"] == "peer"]
        equal(sorted(told), ["added"] + 3 * ["changed"], "events")


@test
def what_is_under_way_goes_on_by_the_other_address():
    with Peers("h1", "h2") as (one, two), Proxy(two.address) as proxy:
        one.create("data")
        fill(one)
        with Push(one) as push:
            one.run("peer", "add", "h2", proxy.address)
        true(push.answer and push.answer["resumed"] > 0 and proxy.passed > 0, f"{push.answer} {push.failure}")
        same(one, two)
        fill(one)
        with Push(one) as push:
            one.run("peer", "remove", "h2")
        equal(push.failure.code, "not-found", f"who is removed is not dialled again: {push.failure}")


@test
def another_instance_of_that_name_is_another_peer():
    with Peers("h1", "h2", "h3") as (one, two, three):
        three.stop()
        with open(f"{three.root}/etc/flocker.ini", encoding="utf-8") as file:
            text = file.read()
        with open(f"{three.root}/etc/flocker.ini", "w", encoding="utf-8") as file:
            file.write(text.replace("name = h3", "name = h2"))
        three.start()
        three.listens()
        before = peer(one)
        one.fails("exists", "peer", "add", "h2", three.address, says="another instance", hint="pins")
        equal(peer(one), before, "it stays")


def newest(host, verb):
    return [item for item in host.items("/v1/operations") if item["verb"] == verb][0]


class Fetch(Push):
    """The same the other way."""

    def run(self):
        try:
            self.answer = self.host.fetch("h1/data", operation=self.operation, limit=SLOW)
        except Failure as failure:
            self.failure = failure


@test
def transfers_are_told_apart_and_cancelled_on_both_sides():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        fill(one, size=4 * MIB)
        for host, other, transfer, verb, there in ((one, two, Push, "push", "receive"),
                                                   (two, one, Fetch, "fetch", "send")):
            for cancelling in (host, other):
                with transfer(host) as running:
                    ours, theirs = newest(host, verb), newest(other, there)
                    busy = ["push", "data", "h2"] if host is one else ["fetch", "h1/data"]
                    error = host.fails("busy", *busy)
                    true(ours["id"] in error["hint"], f"{error}")
                    cancelling.post("/v1/operation/cancel", id=(ours if cancelling is host else theirs)["id"])
                true("it was cancelled" in str(running.failure), f"{running.failure}")
                true(cancelling is host or f"at '{other.name}'" in str(running.failure), f"{running.failure}")
                for where, record in ((host, ours), (other, theirs)):
                    tap.wait_until(lambda: where.get("/v1/operation", id=record["id"])["state"] != "running", "it ends")
                    equal(where.get("/v1/operation", id=record["id"])["state"], "cancelled", f"{record['verb']}")
            equal(ours["object"], "h1/data/trunk to h2" if host is one else "h1/data/trunk from h1", "what it is about")
        equal(two.items("/v1/remotes"), [], "nothing is there")


@test
def remote_branches_and_members_are_offered():
    def offers(host, *words):
        return [line.split("\t")[0] for line in host.run("complete", "--", *words).splitlines()]

    with Peers("h1", "h2") as (one, two):
        one.create("data")
        one.push("data", "h2")
        two.create("mine")
        remote = ["h1/data/trunk"]
        for words in (["log", "h"], ["branch", "mine/n", "--from", "h"], ["rollback", "mine", "--to", "h1/d"],
                      ["destroy", "h1"], ["log", "h1/"]):
            equal(offers(two, *words), remote, f"{words}")
        equal(offers(two, "log", ""), ["data", "mine"], "until then volumes are enough of a choice")
        equal(offers(one, "ca", "revoke", "h2"), ["h2"], "members")
        equal(len(offers(one, "operation", "show", "")), 1, "what has ended")
        equal(offers(one, "operation", "cancel", ""), [], "what runs")
        one.create("long")
        fill(one, "long")
        with Push(one, ref="long") as push:
            equal(offers(one, "operation", "cancel", ""), [push.operation], "what runs")
            push.cancel()


if __name__ == "__main__":
    tap.main()
