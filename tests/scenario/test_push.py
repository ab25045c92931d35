#!/usr/bin/python3
"""Volumes travel: two and three instances of one cluster, from the CA to the last pin."""

import os
import threading
import uuid

import tap
from flocker import MIB, PATIENCE, as_stranger, Failure
from peers import Peers, Proxy, reaches
from tap import equal, test, true


def tip(host, ref):
    return host.get("/v1/branch", ref=ref)["tip"]


def fill(host, size):
    """A file that cannot be compressed: so many bytes are on their way."""
    with open(f"{host.path('data')}/file", "wb") as file:
        file.write(os.urandom(size))


def same(one, two, ref="data"):
    """Both have the newest snapshot of h1's branch, and it is the same."""
    full = f"h1/{ref if '/' in ref else ref + '/trunk'}"
    equal(tip(two, full), tip(one, ref), "tip")
    answer = one.post("/v1/verifications", ref=ref, peer="h2")
    true(answer["equal"] and answer["digest"] == answer["theirs"], f"digests: {answer}")
    equal(two.digest_at(f"{full}@{{latest}}"), one.digest_at(f"{ref}@{{latest}}"), "contents")


def ended(host, verb):
    return [item for item in host.items("/v1/operations") if item["verb"] == verb]


def refused(code, function, *arguments, says=(), **options):
    try:
        function(*arguments, **options)
    except Failure as failure:
        equal(failure.code, code, f"code of {failure}")
        for word in [says] if isinstance(says, str) else says:
            true(word in failure.message, f"{word!r} is not in {failure.message!r}")
        return failure
    raise AssertionError(f"{arguments} was not refused")


@test
def a_host_joins_by_a_token():
    with Peers("h1", "h2", "h3", joined=False) as (one, two, three):
        one.fails("not-found", "ca", "show", hint="ca init")
        one.fails("not-found", "ca", "token", hint="ca init")
        one.fails("not-found", "ca", "leave", hint="ca init")
        true("CA of cluster" in one.run("ca", "init"), "what ca init says")
        one.fails("exists", "ca", "init")
        one.listens()
        token = one.run("ca", "token").strip()
        equal(one.get("/v1/cluster")["tokens"], 1, "open tokens")
        two.fails("invalid", "join", token[:-1])
        two.fails("invalid", "join", token, "--address", "h2.example.com:99999")
        one.fails("busy", "ca", "leave", hint="move the directory")
        said = two.run("join", token)
        true("h2, is a member of cluster" in said and "h1 (" in said, said)
        equal(two.get("/v1/cluster")["certificate"]["cluster"], one.get("/v1/cluster")["ca"]["cluster"], "cluster")
        three.fails("denied", "join", token)
        equal([peer["name"] for peer in one.items("/v1/peers")], ["h2"], "peers of h1")
        equal([peer["name"] for peer in two.items("/v1/peers")], ["h1"], "peers of h2")
        shown = reaches(one, "h2")
        equal(shown["volumes"], [], "what h2 tells")
        true(0 < shown["round_trip"] < 5 and abs(shown["clock_ahead"]) < 60, f"{shown}")
        for host in (one, two):
            log = open(host.log, encoding="utf-8").read()
            audit = str(host.items("/v1/audit")) + str(host.items("/v1/events"))
            true(token not in log and token not in audit, "the token is told to nobody else")
        true({"ca init", "ca token"} <= {record["verb"] for record in one.items("/v1/audit")}, "audit of h1")
        true({"join"} <= {record["verb"] for record in two.items("/v1/audit")}, "audit of h2")


@test
def only_root_changes_whom_a_host_believes():
    with Peers("h1", "h2") as (one, _):
        for words in (["ca", "init"], ["ca", "token"], ["ca", "issue", "read", "anna"], ["ca", "renew"],
                      ["ca", "revoke", "h2"], ["join", "flocker1_x"], ["peer", "add", "h3", "127.0.0.1"],
                      ["peer", "remove", "h2"], ["config", "set", "peer.listen", "*"]):
            ran = as_stranger(one, *words)
            true(ran.returncode == 10 and "root" in ran.stderr, f"{ran}")
        equal(as_stranger(one, "ca", "show").returncode, 0, "who may look")
        equal(as_stranger(one, "peer", "list").returncode, 0, "who may look")


@test
def certificates_are_issued_renewed_and_revoked():
    with Peers("h1", "h2") as (one, two):
        issued = one.json("ca", "issue", "read", "anna", "--valid", "30d")
        true("PRIVATE KEY" in issued["key"] and issued["identity"]["role"] == "read", "a key and its role")
        true(issued["key"] not in open(one.log, encoding="utf-8").read(), "the key is not logged")
        lines = one.run("ca", "issue", "admin", "bert", "--out", one.directory).split()
        equal([line.rsplit("/", 1)[1] for line in lines], ["bert.key", "bert.crt", "ca.crt"], "files")
        one.fails("invalid", "ca", "issue", "king", "carl")
        one.fails("invalid", "ca", "issue", "ca", "carl")
        old = two.get("/v1/cluster")["certificate"]["serial"]
        two.fails("invalid", "ca", "renew", hint="--peer")
        true(two.json("ca", "renew", "--peer", "h1")["serial"] != old, "a new certificate")
        equal(one.json("ca", "revoke", "anna")["revoked"], 1, "revoked")
        one.fails("not-found", "ca", "revoke", "nobody")
        one.fails("invalid", "ca", "revoke", "h1")
        one.run("ca", "revoke", "h2")
        states = {item["name"]: item["revoked"] for item in one.get("/v1/cluster")["issued"]}
        true(states["anna"] and not states["bert"], f"{states}")
        one.create("data")
        true(one.try_run("push", "data", "h2").status in (10, 11), "who was revoked is no peer")


@test
def a_branch_is_pushed():
    with Peers("h1", "h2") as (one, two):
        one.create("data", description="of h1")
        one.write("data", "one", "x" * MIB)
        equal(one.run("push", "data", "h2").split(",")[0], "h1/data/trunk: full", "first")
        same(one, two)
        equal(one.push("data", "h2")["outcome"], "up to date", "again")
        one.write("data", "two", "y")
        moved = one.push("data", "h2")
        equal((moved["outcome"], moved["snapshots"]), ("fast-forward", 1), "an increment")
        true(moved["bytes"] < MIB, f"an increment is small: {moved['bytes']}")
        same(one, two)
        for number in range(3):
            one.write("data", "two", f"{number}")
            one.snapshot("data", **({"name": "one"} if number == 1 else {}))
        equal(one.push("data", "h2")["snapshots"], 2, "the named one and the tip")
        same(one, two)
        for number in range(3):
            one.write("data", "two", f"again {number}")
            one.snapshot("data")
        equal(one.push("data", "h2", every=True)["snapshots"], 3, "all of them")
        remote, = two.items("/v1/remotes")
        equal((remote["ref"], remote["local"], remote["mounted"]), ("h1/data/trunk", False, False), "remote branch")
        equal(two.get("/v1/volume", ref="data")["description"], "of h1", "description")
        two.fails("not-owner", "push", "data", "h1", says="another instance's")
        two.fails("not-owner", "snapshot", "data")
        shown = one.get("/v1/peer", name="h2")["volumes"]
        equal(shown[0]["branches"][0]["tip"], tip(one, "data"), "what h2 says it has")
        equal({item["state"] for item in ended(one, "push") + ended(two, "receive")}, {"done"}, "operations")
        equal({item["object"] for item in ended(two, "receive")}, {"h1/data/trunk from h1"}, "what was received")
        equal(ended(two, "verify")[0]["object"], f"h1/{ended(one, 'verify')[0]['object']} for h1", "what was verified")


@test
def a_rollback_travels():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        one.write("data", "file", "first")
        one.snapshot("data", name="first")
        one.push("data", "h2")
        one.write("data", "file", "second")
        one.push("data", "h2")
        gone = tip(one, "data")
        one.rollback("data", "data@{first}")
        answer = one.run("push", "data", "h2")
        true(answer.startswith("h1/data/trunk: rewind"), answer)
        same(one, two)
        stash, = two.items("/v1/stashes", ref="data")
        equal(stash["snapshot"], gone, "what was the tip there")
        one.write("data", "file", "third")
        equal(one.push("data", "h2")["outcome"], "fast-forward", "and on")
        same(one, two)


@test
def a_rollback_behind_all_that_was_sent_needs_all_anew():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        one.write("data", "file", "never sent")
        one.snapshot("data")
        old = one.log_of("data")[0]["ref"]  # without a name: it is not sent
        one.write("data", "file", "sent")
        one.tag("v1@data")
        one.push("data", "h2")
        before = tip(two, "h1/data/trunk")
        one.rollback("data", old)
        one.write("data", "file", "another way")
        error = one.fails("diverged", "push", "data", "h2", says="no snapshot in common", hint="--anew")
        true("'h2' stays there, as a stash" in error["hint"], f"{error}")
        equal(tip(two, "h1/data/trunk"), before, "nothing has moved there")
        equal(one.push("data", "h2", anew=True)["outcome"], "rewind", "all of it")
        same(one, two)
        stash, = two.items("/v1/stashes", ref="data")
        equal(stash["snapshot"], before, "what was there is a stash")
        equal(two.run("cat", "stash/1@data:file"), "sent", "with its contents")
        equal([tag["snapshot"] for tag in two.items("/v1/tags", ref="data")], [before], "and its tag")


@test
def tags_and_snapshots_are_pushed():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        one.write("data", "file", "1")
        first = one.snapshot("data")
        one.tag("v1@data")
        one.write("data", "file", "2")
        one.push("v1@data", "h2")
        equal([tag["name"] for tag in two.items("/v1/tags", ref="data")], ["v1"], "tags there")
        one.write("data", "file", "3")
        third = one.snapshot("data")
        one.push(f"data@{{{third['id']}}}", "h2")
        equal(two.get("/v1/snapshot", ref=f"h1/data/trunk@{{{third['id']}}}")["id"], third["id"], "a snapshot there")
        one.push("data", "h2")
        same(one, two)
        true(first["id"], "the first")


@test
def names_that_are_taken():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        two.create("data")
        before = two.state()
        one.fails("exists", "push", "data", "h2", hint="--as")
        equal(two.state(), before, "nothing has changed there")
        equal(one.json("push", "data", "h2", "--as", "theirs")["outcome"], "full", "under another name")
        equal([branch["ref"] for branch in two.items("/v1/remotes")], ["h1/theirs/trunk"], "there")
        equal(one.push("data", "h2")["outcome"], "up to date", "it is known from then on")


@test
def fetch_and_pull():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        one.write("data", "file", "first")
        one.snapshot("data")
        fetched = two.json("fetch", "h1/data")
        equal((fetched["ref"], fetched["outcome"]), ("h1/data/trunk", "full"), "fetched")
        equal(two.json("fetch", "h1/data/trunk")["outcome"], "up to date", "again")
        two.branch("data/work", **{"from": "h1/data/trunk"})
        equal(two.read("data/work", "file"), "first", "a branch of what came")
        one.write("data", "file", "second")
        two.fetch("data", peer="h1")
        equal(two.read("data/work", "file"), "first", "a fetch moves no branch")
        pulled = two.json("pull", "data/work")
        true(pulled["moved"], f"{pulled}")
        equal(two.read("data/work", "file"), "second", "after the pull")
        equal(two.json("pull", "data/work")["moved"], False, "again")
        changes = two.items("/v1/diff", ref="h1/data/trunk@{-1}", to="h1/data/trunk@{latest}")
        equal([change["path"] for change in changes], ["file"], "diff of a remote branch")
        changes = two.items("/v1/diff", ref="h1/data/trunk@{latest}", to="data/work")
        equal(changes, [], "diff of a remote branch and a local one")
        for refs in (("h1/data/trunk", "data/work"), ("data/work", "h1/data/trunk"), ("h1/data/trunk",)):
            equal(two.json("diff", *refs), [], f"diff of {refs}: a remote branch stands for its newest")
        equal(two.json("pull", "data/work")["moved"], False, "a look at a branch is no change")
        equal([entry["branch"] for entry in two.log_of("h1/data/trunk")][:1], ["trunk"], "log of a remote branch")
        two.write("data/work", "own", "")
        one.write("data", "file", "third")
        two.fails("diverged", "pull", "data/work", hint="flocker rollback data/work --to 'h1/data/trunk@{latest}'")
        equal(two.read("data/work", "own"), "", "own changes stay")
        two.snapshot("data/work")
        two.fails("diverged", "pull", "data/work", says="snapshots", hint="'h1/data/trunk@{latest}'")
        two.run("rollback", "data/work", "--to", "h1/data/trunk@{latest}")
        equal(two.json("diff", "h1/data/trunk", "data/work"), [], "gone over")
        one.write("data", "file", "fourth")
        true(two.json("pull", "data/work")["moved"], "it follows again")
        equal(two.read("data/work", "file"), "fourth", "after that pull")
        two.create("alone")
        two.fails("invalid", "pull", "alone", says="was not made from another instance's branch")
        two.fails("invalid", "pull", "data", says="h1/data/trunk")
        two.fails("invalid", "fetch", "data")
        two.fails("not-found", "fetch", "h3/data")
        two.fails("not-found", "fetch", "h1/nothing", hint="flocker peer show h1")
        one.create("only-here")
        one.snapshot("only-here")
        one.fails("not-found", "verify", "only-here", "--peer", "h2", says="'h2' does not have", hint="peer show h2")
        true("equal:         yes" in one.run("verify", "data", "--peer", "h2"), "what verify says")


@test
def what_is_written_while_a_pull_goes_forward_stays_stashed():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        one.write("data", "file", "first")
        two.fetch("data", peer="h1")
        two.branch("data/work", **{"from": "h1/data/trunk"})
        os.makedirs(f"{two.root}/etc/hooks")
        with open(f"{two.root}/etc/hooks/flush", "w", encoding="ascii") as hook:
            hook.write('#!/bin/sh\necho flushed >"$FLOCKER_PATH/own"\necho ready; read -r word; echo done\n')
        os.chmod(f"{two.root}/etc/hooks/flush", 0o755)
        two.post("/v1/hooks", ref="data/work", name="flush")
        one.write("data", "file", "second")
        true(two.json("pull", "data/work")["moved"], "it went forward")
        equal(two.read("data/work", "file"), "second", "after the pull")
        stash, = two.items("/v1/stashes", ref="data")
        equal(two.run("cat", f"{stash['ref']}:own"), "flushed\n", "what was written after the branch was looked at")
        two.run("hook", "unset", "data/work", "flush")
        one.write("data", "file", "third")
        true(two.json("pull", "data/work")["moved"], "and once more")
        equal(len(two.items("/v1/stashes", ref="data")), 1, "what holds nothing of its own goes")


@test
def the_third_gets_it_from_the_second():
    with Peers("h1", "h2", "h3") as (one, two, three):
        two.run("peer", "remove", "h1")
        two.run("peer", "add", "h1", one.address)
        three.run("peer", "add", "h2", two.address)
        one.create("data")
        one.write("data", "file", "first")
        one.push("data", "h2")
        fetched = three.json("fetch", "h1/data/trunk", "--from", "h2")
        equal((fetched["ref"], fetched["peer"]), ("h1/data/trunk", "h2"), "fetched")
        equal({pin["peer"] for pin in two.items("/v1/pins")}, {"h1", "h3"}, "who fetches is called by his name")
        equal([pin["peer"] for pin in two.json("pins", "--peer", "h3")], ["h3"], "pins for one of them")
        equal([pin["peer"] for pin in two.json("pins", "data", "--peer", "h1")], ["h1"], "and for the other")
        two.fails("not-found", "pins", "--peer", "h9", says="'h9'", hint="flocker pins")
        equal(tip(three, "h1/data/trunk"), tip(one, "data"), "tip")


@test
def pins_hold_until_they_are_let_go():
    with Peers("h1", "h2") as (one, two):
        one.create("data", policy={"max-count": "2", "keep-all": "0s", "snapshot": "manual"})
        one.snapshot("data")  # the oldest stays anyway
        one.write("data", "file", "")
        one.push("data", "h2")
        base = tip(one, "data")
        for number in range(5):
            one.write("data", "file", f"{number}")
            one.snapshot("data")
        one.run("thin", "data")
        true(base in [entry["id"] for entry in one.log_of("data")], "the base is still there")
        pin, = one.items("/v1/pins", ref="data")
        equal((pin["id"], pin["peer"], pin["kind"]), (base, "h2", "peer"), "pin here")
        equal([item["id"] for item in two.items("/v1/pins")], [base], "pin there")
        one.fails("busy", "destroy", f"data@{{{base}}}")
        one.fails("busy", "unpin", "data", "--peer", "h2", hint="--force")
        one.fails("invalid", "unpin", "data")
        one.fails("not-found", "unpin", "data", "--peer", "h9", says="'h9'", hint="flocker pins")
        one.run("unpin", "data", "--peer", "h2", "--force")
        equal(one.items("/v1/pins"), [], "let go")
        one.run("thin", "data")
        true(base not in [entry["id"] for entry in one.log_of("data")], "the base has gone")


@test
def a_tag_takes_the_branchs_pin_from_nobody():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        one.snapshot("data")
        first = tip(one, "data")
        one.write("data", "file", "left behind")
        one.snapshot("data")
        one.run("tag", "v1@data")
        one.rollback("data", f"data@{{{first}}}")
        one.write("data", "file", "second")
        one.push("data", "h2")
        both = tip(one, "data")
        one.run("push", "v1@data", "h2", "--anew")
        for host in (one, two):
            equal({pin["id"] for pin in host.items("/v1/pins")}, {both, one.get("/v1/snapshot", ref="v1@data")["id"]},
                  f"pins of {host.name}")
        one.write("data", "file", "third")
        one.snapshot("data")
        one.fails("busy", "destroy", f"data@{{{both}}}")
        equal(one.push("data", "h2")["outcome"], "fast-forward", "what both have is still there")
        same(one, two)
        for host in (one, two):
            equal([pin["id"] for pin in host.items("/v1/pins")], [tip(one, "data")], f"pins of {host.name}")


@test
def a_tag_that_is_given_later_travels_with_its_branch():
    with Peers("h1", "h2", "h3") as (one, two, three):
        one.create("data", policy={"snapshot": "manual"})
        one.write("data", "only-0", "")
        for number in range(5):
            one.write("data", "file", f"{number} " * 1000)
            os.rename(f"{one.path('data')}/only-{max(number - 1, 0)}", f"{one.path('data')}/only-{number}")
            one.snapshot("data")
        three.run("peer", "add", "h1", one.address)
        one.push("data", "h2")
        three.json("fetch", "h1/data/trunk")
        line = [entry["id"] for entry in reversed(one.log_of("data"))]
        for host in two, three:
            equal([entry["id"] for entry in host.log_of("h1/data/trunk")], [line[-1]], f"what {host.name} has")
        one.run("tag", "v1@data", f"data@{{{line[1]}}}")
        pins = one.items("/v1/pins"), two.items("/v1/pins")
        sent = one.push("data", "h2")
        equal((sent["outcome"], sent["snapshots"]), ("up to date", 1), "the tagged one")
        equal((one.items("/v1/pins"), two.items("/v1/pins")), pins, "what both have is what it was")
        one.run("tag", "v3@data", f"data@{{{line[3]}}}")
        one.run("untag", "v1@data")
        fetched = three.json("fetch", "h1/data/trunk")
        equal((fetched["outcome"], fetched["snapshots"]), ("up to date", 1), "by a fetch")
        one.write("data", "file", "last")
        one.snapshot("data")
        for _ in range(2):  # the second brings nothing
            sent = one.push("data", "h2")
        equal((sent["outcome"], sent["snapshots"]), ("up to date", 0), "again")
        equal([tag["name"] for tag in two.items("/v1/tags", ref="data")], ["v3"], "tags of h2")
        for host, number in (two, 1), (two, 3), (three, 3):
            copy = f"h1/data/trunk@{{{line[number]}}}"
            equal(host.run("cat", f"{copy}:file"), f"{number} " * 1000, f"contents at {host.name}")
            true("equal:         yes" in one.run("verify", f"data@{{{line[number]}}}", "--peer", host.name), "verify")
        same(one, two)


@test
def a_push_is_cancelled():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        fill(one, MIB)
        operation = str(uuid.uuid4())
        failures = []

        def push():
            failures.append(refused("system", one.push, "data", "h2", limit=20000, operation=operation))

        pushing = threading.Thread(target=push, daemon=True)
        pushing.start()
        # Planned: so h2 has taken the branch for this one.
        tap.wait_until(lambda: [pin for pin in one.items("/v1/pins") if pin["kind"] == "transfer"], "it is sent")
        refused("busy", one.push, "data", "h2")
        one.post("/v1/operation/cancel", id=operation)
        pushing.join(PATIENCE)
        true(failures and "cancel" in failures[0].message, f"{failures}")
        equal(one.get("/v1/operation", id=operation)["state"], "cancelled", "its record")
        tap.wait_until(lambda: all(item["state"] != "running" for item in ended(two, "receive")), "it ends there")
        equal(two.items("/v1/remotes"), [], "nothing is there")
        equal([pin for pin in one.items("/v1/pins") if pin["kind"] == "transfer"], [], "no pins stay")
        one.push("data", "h2")
        same(one, two)


@test
def a_link_that_is_cut():
    with Peers("h1", "h2") as (one, two), Proxy(two.address) as proxy:
        one.run("peer", "remove", "h2")
        one.run("peer", "add", "h2", proxy.address)
        one.create("data")
        fill(one, 8 * MIB)
        proxy.cut_after = proxy.passed + MIB // 2
        answer = one.push("data", "h2")
        equal((answer["outcome"], answer["resumed"] > 0), ("full", True), f"{answer}")
        same(one, two)


@test
def peers_that_are_none():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        before = one.log_of("data")
        one.write("data", "file", "unsaved")
        one.fails("not-found", "push", "data", "h3", hint="peer add")
        equal(one.log_of("data"), before, "no snapshot is taken for nobody")
        one.fails("invalid", "peer", "add", "h1", one.address)
        one.run("peer", "add", "h2", two.address)  # it is one already
        one.fails("invalid", "peer", "add", "h3", two.address, says="h2")
        one.fails("invalid", "peer", "add", "self", one.address)
        one.fails("not-found", "push", "data", "h1")
        one.push("data", "h2")
        one.run("peer", "remove", "h2")
        equal(one.items("/v1/pins"), [], "what was kept for it")
        one.fails("not-found", "peer", "show", "h2")
        one.run("peer", "add", "h2", two.address)
        two.stop()
        shown = one.get("/v1/peer", name="h2")
        true(shown["trouble"] and shown["version"] is None, f"{shown}")
        one.write("data", "file", "")
        one.fails("unreachable", "push", "data", "h2")
        two.start()
        two.listens()
        equal(one.push("data", "h2")["outcome"], "fast-forward", "it is back")


if __name__ == "__main__":
    tap.main()
