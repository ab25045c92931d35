#!/usr/bin/python3
"""Who belongs to a cluster no more is refused by all its hosts, wherever they learn of it."""

import shutil

import tap
from flocker import Failure
from peers import Peers, reaches
from tap import equal, test, true


def refused(host, ref, peer):
    try:
        host.push(ref, peer)
    except Failure as failure:
        equal(failure.code, "denied", f"code of {failure}")
        return failure.message
    raise AssertionError(f"{host.name} pushes to {peer}")


def connected(host, name):
    return [peer["connected"] for peer in host.items("/v1/peers") if peer["name"] == name][0]


@test
def who_is_revoked_loses_his_links_and_gets_no_others():
    with Peers("h1", "h2", "h3") as (one, two, three):
        for host in (two, three):
            host.post("/v1/volumes", name=f"of-{host.name}")
        two.post("/v1/peers", name="h3", address=three.address)
        three.post("/v1/peers", name="h2", address=two.address)
        equal(two.push("of-h2", "h3")["outcome"], "full", "before")
        equal(three.push("of-h3", "h2")["outcome"], "full", "before")
        two.push("of-h2", "h1")
        true(connected(three, "h2"), "h3 is linked to h2")
        # h1 has no link of its own to h2: h2 dialled it, and so it is told over that.
        equal(one.json("ca", "revoke", "h3")["revoked"], 1, "revoked")
        tap.wait_until(lambda: not connected(three, "h2") and not connected(two, "h3"), "links of h3 are cut")
        true("revoked" in refused(three, "of-h3", "h2"), "why h3 is refused by h2")
        true("revoked" in refused(two, "of-h2", "h3"), "why h2 refuses h3")
        equal(two.push("of-h2", "h1")["outcome"], "up to date", "the others go on")


@test
def who_was_revoked_may_join_anew():
    with Peers("h1", "h2") as (one, two):
        for host, peer in ((one, "h2"), (two, "h1")):
            host.create(f"of-{host.name}")
            host.push(f"of-{host.name}", peer)
        one.run("ca", "revoke", "h2")
        error = two.fails("denied", "push", "of-h2", "h1", says="revoked")
        true("ca leave" in error["hint"] and "is lost" not in error["message"], f"{error}")
        two.fails("exists", "join", one.run("ca", "token").strip())
        true("no cluster" in two.run("ca", "leave"), "what ca leave says")
        two.fails("not-found", "push", "of-h2", "h1", hint="token")
        equal([peer["name"] for peer in two.items("/v1/peers")], ["h1"], "peers stay")
        said = two.run("join", one.run("ca", "token").strip())
        true("h1 (" in said, said)
        two.listens()
        equal(two.push("of-h2", "h1")["outcome"], "up to date", "as before")
        equal(one.push("of-h1", "h2")["outcome"], "up to date", "and back")


@test
def the_ca_moves_with_its_directory():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        one.fails("busy", "ca", "leave", hint="move the directory")
        shutil.move(f"{one.root}/etc/ca", f"{two.root}/etc/ca")
        equal(one.push("data", "h2")["outcome"], "full", "both are members as before")
        one.fails("not-found", "ca", "token", hint="has the CA")
        serial = one.get("/v1/cluster")["certificate"]["serial"]
        one.run("ca", "renew", "--peer", "h2")
        true(one.get("/v1/cluster")["certificate"]["serial"] != serial, "who has the CA now renews")
        one.run("ca", "leave")
        two.run("ca", "revoke", "h1")
        one.run("join", two.run("ca", "token").strip())
        one.write("data", "file", "more")
        equal(one.push("data", "h2")["outcome"], "fast-forward", "it is let in again")


@test
def who_has_left_comes_back_as_he_is_told():
    with Peers("h1", "h2") as (one, two):
        said = two.run("ca", "leave")
        true("on the host with the CA `flocker ca revoke h2`, then\n`flocker ca token`" in said, said)
        one.run("ca", "revoke", "h2")
        two.run("join", one.run("ca", "token").strip())
        two.listens()
        reaches(one, "h2")


@test
def who_was_away_learns_it_with_the_next_link():
    with Peers("h1", "h2", "h3") as (one, two, three):
        three.post("/v1/volumes", name="data")
        three.post("/v1/peers", name="h2", address=two.address)
        two.kill()
        one.run("ca", "revoke", "h3")
        two.start()
        two.listens()
        # It does not know yet, and lets h3 in.
        equal(three.push("data", "h2")["outcome"], "full", "before h2 knows")
        reaches(two, "h1")
        tap.wait_until(lambda: not connected(three, "h2"), "the link of h3 is cut")
        true("revoked" in refused(three, "data", "h2"), "why h3 is refused")


if __name__ == "__main__":
    tap.main()
