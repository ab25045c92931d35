#!/usr/bin/python3
"""64 clients: parallel where they may, queued where they must, and no deadlock."""

import os
import random

import tap
from flocker import BUILD, Failure, Host, MIB, same
from tap import equal, in_threads, test, true

CLIENTS = 64
ROUNDS = 4
DEADLINE = 800
SEED = int(os.environ.get("FLOCKER_SEED", "1"))

host = Host()
host.start()
host.pool(size=1024 * MIB)


def fine(function, *codes):
    """A verb that others may come before: its answer, or None for one of the codes."""
    try:
        return function()
    except Failure as failure:
        if failure.code not in codes:
            raise
        return None


def consistent():
    """What the nouns say of each other, and what the files say."""
    branches = host.items("/v1/branches")
    for volume in host.items("/v1/volumes"):
        mine = [b for b in branches if b["volume"] == volume["name"]]
        equal([b["name"] for b in mine], volume["branches"], f"branches of {volume['name']}")
        for tag in host.items("/v1/tags", ref=volume["name"]):
            equal(host.get("/v1/snapshot", ref=f"{tag['name']}@{volume['name']}")["id"], tag["snapshot"],
                  "what a tag points at")
        numbers = [s["number"] for s in host.items("/v1/stashes", ref=volume["name"])]
        equal(numbers, sorted(set(numbers), reverse=True), "stashes")
    for branch in branches:
        log = host.log_of(branch["ref"])
        equal([s["parent"] for s in log], ([s["id"] for s in log] + [None])[1:], f"log of {branch['ref']}")
        true(os.path.isdir(branch["path"]), f"{branch['path']} is there")


@test
def different_verbs_on_different_branches():
    def client(number):
        name = f"own{number:02}"
        host.create(name)
        for step in range(ROUNDS):
            host.write(name, "a", f"{name}-{step}")
            host.snapshot(name, name=f"s{step}")
            host.tag(f"t{step}@{name}", target=f"{name}@{{s{step}}}")
        host.branch(f"{name}/side", **{"from": f"{name}@{{s1}}"})
        host.rollback(name, f"{name}@{{s0}}")
        equal(host.read(name, "a"), f"{name}-0", "the head after its rollback")
        equal(host.read(f"{name}/side", "a"), f"{name}-1", "the branch")
        host.patch("/v1/volume", name, metadata={"n": str(number)})
        if number % 2:
            host.delete("/v1/volume", ref=name)

    in_threads([lambda n=n: client(n) for n in range(CLIENTS)], DEADLINE)
    equal(len(host.items("/v1/volumes")), CLIENTS // 2, "volumes")
    equal(len(host.items("/v1/trash")), CLIENTS // 2, "trash")
    consistent()
    for volume in host.items("/v1/volumes"):
        host.delete("/v1/volume", ref=volume["name"])
    host.post("/v1/trash/empty")


@test
def snapshots_of_one_branch_by_all():
    host.create("one")
    taken = []
    in_threads([lambda: taken.append(host.snapshot("one")["id"]) for _ in range(CLIENTS)], DEADLINE)
    log = host.log_of("one")
    equal(len(log), CLIENTS, "snapshots")
    equal(sorted(s["id"] for s in log), sorted(taken), "all that were acknowledged, each once")
    equal([s["sequence"] for s in log], list(range(CLIENTS, 0, -1)), "sequence")
    consistent()


@test
def one_name_for_all_goes_to_one():
    host.create("names")
    for verb in (lambda: host.create("wanted"), lambda: host.branch("names/wanted"),
                 lambda: host.tag("wanted@names"), lambda: host.snapshot("names", name="wanted")):
        won = []
        in_threads([lambda: won.append(fine(verb, "exists", "busy")) for _ in range(CLIENTS)], DEADLINE)
        equal(sum(1 for w in won if w), 1, "how many got it")
    consistent()


@test
def everything_on_the_same_branches():
    """destroy and rollback against snapshot, rename against all."""
    host.create("same")
    host.write("same", "a", "0")
    host.snapshot("same", name="base")
    acknowledged = []

    def client(number):
        chance = random.Random(SEED * 1000 + number)
        side = f"same/side{number % 4}"
        for step in range(ROUNDS):
            verb = chance.randrange(9)
            gone = ("not-found", "exists", "busy")
            if verb <= 2:
                taken = fine(lambda: host.snapshot("same", name=f"c{number}s{step}"), *gone)
                if taken:
                    acknowledged.append(taken["id"])
            elif verb == 3:
                fine(lambda: host.rollback("same", "same@{base}"), *gone)
            elif verb == 4:
                fine(lambda: host.branch(side, **{"from": "same@{base}"}), *gone)
            elif verb == 5:
                fine(lambda: host.delete("/v1/branch", ref=side), *gone)
            elif verb == 6:
                fine(lambda: host.snapshot("same", side), *gone)
            elif verb == 7:
                fine(lambda: host.tag(f"t{number}s{step}@same"), *gone)
            else:
                fine(lambda: host.log_of("same"), *gone)
                fine(lambda: host.rollback(side, "same@{base}"), *gone)

    in_threads([lambda n=n: client(n) for n in range(CLIENTS)], DEADLINE)
    for identifier in acknowledged:
        equal(host.get("/v1/snapshot", ref=f"same@{{{identifier}}}")["id"], identifier, "snapshot")
    consistent()


@test
def destroy_and_rename_a_volume_under_its_users():
    def user(number):
        for step in range(ROUNDS):
            fine(lambda: host.snapshot("moving"), "not-found", "busy")
            fine(lambda: host.branch(f"moving/b{number}x{step}"), "not-found", "busy")

    def mover():
        for _ in range(ROUNDS):
            fine(lambda: host.patch("/v1/volume", "moving", name="moved"), "not-found", "exists", "busy")
            fine(lambda: host.patch("/v1/volume", "moved", name="moving"), "not-found", "exists", "busy")

    def destroyer():
        for _ in range(ROUNDS):
            fine(lambda: host.delete("/v1/volume", ref="moving"), "not-found", "busy")
            fine(lambda: host.create("moving"), "exists", "busy")

    host.create("moving")
    in_threads([lambda n=n: user(n) for n in range(20)] + [mover] * 4 + [destroyer] * 4, DEADLINE)
    consistent()


@test
def trash_is_emptied_while_it_is_restored():
    for number in range(20):
        host.create(f"waste{number}")
        host.snapshot(f"waste{number}")
        host.delete("/v1/volume", ref=f"waste{number}")

    def restore(number):
        fine(lambda: host.post("/v1/trash/restore", item=f"waste{number}"), "not-found", "busy")

    in_threads([lambda n=n: restore(n) for n in range(20)]
               + [lambda: host.post("/v1/trash/empty")] * 4, DEADLINE)
    consistent()


@test
def all_of_it_is_there_after_a_restart():
    before = host.state()
    host.restart()
    after = host.state()
    same(before, after, "something changed by a restart")


@test
def the_sanitizers_have_nothing_to_say():
    equal(host.stop(), 0, "exit status")
    with open(host.log, encoding="utf-8", errors="replace") as file:
        text = file.read()
    found = max(text.find("ThreadSanitizer"), text.find("runtime error"))
    true(found < 0, f"built in {BUILD.name}:\n{text[max(0, found - 200):found + 6000]}")


if __name__ == "__main__":
    tap.main()
