#!/usr/bin/python3
"""SIGKILL at random instants while several clients work: nothing that was acknowledged is lost.

Each client has a volume of its own and snapshots one that all share.  What the
daemon acknowledged is written down with the contents that it has to have; what
was under way when it died may have happened or not.
"""

import os
import random
import threading
import time

import here
here.with_own_mounts()
import cleanup  # noqa: E402 - what is mounted by now stays unseen
import cut  # noqa: E402
import tap  # noqa: E402
from archives import archive, bring, contents, fetch  # noqa: E402
from flocker import Gone, LONG, MIB  # noqa: E402
from tap import equal, test, true  # noqa: E402

KILLS = 1000 if LONG else 200
CLIENTS = 4
SEED = int(os.environ.get("FLOCKER_SEED", time.time_ns() % 10**9))

host, MOUNTS = cut.host_in_memory()


class Client:
    def __init__(self, number):
        self.random = random.Random(SEED + number)
        self.volume = f"client{number}"
        self.number = number
        self.count = 0
        self.snapshots = {}  # id -> (reference, name, marker)
        self.tags = {}       # name -> marker
        self.branches = {}   # name -> marker
        self.stashes = {}    # number -> marker
        self.fresh = []      # references acknowledged since the last kill, with their markers
        self.failure = None

    def marker(self):
        self.count += 1
        return f"{self.volume}-{self.count}"

    def acknowledged(self, ref, marker):
        self.fresh.append((ref, marker))

    # --- what it does -----------------------------------------------------------

    def write(self):
        marker = self.marker()
        host.write(self.volume, "marker", marker)
        return marker

    def snapshot(self):
        marker = self.write()
        taken = host.snapshot(self.volume, name=f"n{self.count}")
        ref = f"{self.volume}@{{{taken['id']}}}"
        self.snapshots[taken["id"]] = (ref, f"n{self.count}", marker)
        self.acknowledged(ref, marker)

    def unnamed(self):
        marker = self.write()
        taken = host.snapshot(self.volume)
        ref = f"{self.volume}@{{{taken['id']}}}"
        self.snapshots[taken["id"]] = (ref, None, marker)
        self.acknowledged(ref, marker)

    def shared(self):
        taken = host.snapshot("shared", name=f"{self.volume}-{self.marker()}")
        self.snapshots[taken["id"]] = (f"shared@{{{taken['id']}}}", taken["name"], "shared")

    def tag(self):
        marker = self.write()
        name = f"t{self.count}"
        host.tag(f"{name}@{self.volume}")
        self.tags[name] = marker
        self.acknowledged(f"{name}@{self.volume}", marker)

    def branch(self):
        marker = self.write()
        name = f"b{self.count}"
        host.branch(f"{self.volume}/{name}")
        self.branches[name] = marker

    def bring(self):
        marker = self.marker()
        name = f"i{self.count}"
        bring(host, f"{self.volume}/{name}", archive({"marker": marker.encode()}))
        self.branches[name] = marker

    def fetch(self):
        marker = self.write()
        equal(contents(fetch(host, self.volume))["marker"], marker.encode(), "what was exported")

    def destroy(self):
        if not self.branches:
            return
        name = self.random.choice(list(self.branches))
        del self.branches[name]  # from here on it may be there or not
        host.delete("/v1/branch", ref=f"{self.volume}/{name}")

    def rollback(self):
        if not self.snapshots:
            return
        ref, _, marker = self.random.choice([s for s in self.snapshots.values() if s[2] != "shared"]
                                            or [(None, None, None)])
        if ref is None:
            return
        replaced = self.write()
        done = host.rollback(self.volume, ref)
        number = done["stash"]["number"]
        self.stashes[number] = replaced
        self.acknowledged(f"stash/{number}@{self.volume}", replaced)
        equal(host.read(self.volume, "marker"), marker, "the head after a rollback")

    def drop(self):
        if len(self.stashes) < 5:
            return
        number = min(self.stashes)
        del self.stashes[number]
        self.fresh = [f for f in self.fresh if not f[0].startswith(f"stash/{number}@")]
        host.delete("/v1/stash", ref=f"stash/{number}@{self.volume}")

    def work(self):
        verbs = [self.snapshot] * 4 + [self.unnamed] * 3 + [self.shared, self.tag, self.branch, self.bring,
                                                            self.fetch, self.destroy, self.rollback,
                                                            self.drop]
        try:
            while True:
                self.random.choice(verbs)()
        except Gone:
            pass
        except Exception as failure:  # handed to the test
            self.failure = failure

    # --- what must be there -----------------------------------------------------------

    def check(self, everything):
        equal_at_least(self.tags, {t["name"] for t in host.items("/v1/tags", ref=self.volume)}, "tags")
        equal_at_least(self.branches, host.get("/v1/volume", ref=self.volume)["branches"], "branches")
        equal_at_least(self.stashes, {s["number"] for s in host.items("/v1/stashes", ref=self.volume)},
                       "stashes")
        wanted = self.snapshots.items() if everything else list(self.snapshots.items())[-20:]
        for identifier, (ref, name, _) in wanted:
            shown = host.get("/v1/snapshot", ref=ref)
            equal((shown["id"], shown["name"]), (identifier, name), f"snapshot {ref}")
        contents = self.fresh if not everything else (
            [(ref, marker) for ref, _, marker in self.snapshots.values() if marker != "shared"]
            + [(f"{name}@{self.volume}", marker) for name, marker in self.tags.items()]
            + [(f"stash/{number}@{self.volume}", marker) for number, marker in self.stashes.items()])
        for ref, marker in contents[-200:] if not everything else contents:
            equal(marker_at(ref), marker, f"contents of {ref}")
        for name, marker in self.branches.items():
            equal(host.read(f"{self.volume}/{name}", "marker"), marker, f"contents of branch {name}")
        self.fresh = []


def equal_at_least(wanted, got, what):
    missing = sorted(set(wanted) - set(got), key=str)
    true(not missing, f"{what} that were acknowledged are lost: {missing}")


def marker_at(ref):
    path = host.post("/v1/mounts", ref=ref)["path"]
    try:
        with open(f"{path}/marker", encoding="utf-8") as file:
            return file.read()
    finally:
        host.delete("/v1/mounts", ref=ref)


@test
def nothing_acknowledged_is_lost():
    tap.note(f"seed {SEED}: FLOCKER_SEED={SEED} repeats the clients' choices")
    host.start()
    host.pool(size=2048 * MIB)
    clients = [Client(number) for number in range(CLIENTS)]
    for client in clients:
        host.create(client.volume)
    host.create("shared")
    chance = random.Random(SEED)
    starts = []
    for _ in range(KILLS):
        threads = [threading.Thread(target=client.work) for client in clients]
        for thread in threads:
            thread.start()
        # The instant is what is random here; nothing waits for anything.
        time.sleep(chance.uniform(0, 0.12))
        host.kill()
        for thread in threads:
            thread.join(180)
            true(not thread.is_alive(), "a client hangs")
        for client in clients:
            if client.failure:
                raise client.failure
        starts.append(host.start())
        equal(host.get("/v1/health")["status"], "ok", "health")
        for client in clients:
            client.check(everything=False)
    for client in clients:
        client.check(everything=True)
    starts.sort()
    kept = sum(len(client.snapshots) for client in clients)
    tap.note(f"{KILLS} kills, {kept} snapshots kept; ready again after {starts[len(starts) // 2]:.3f} s"
             f" at the median, {starts[-1]:.3f} s at most")


@test
def nothing_is_left_over():
    true(len(cleanup.mounts_under(host.directory)) <= len(MOUNTS) + 2, "mounts upon mounts")
    # The kernel lets go of one that was used before a moment later.
    tap.wait_until(lambda: len(cleanup.loops_under(host.directory)) == 1, "there is one loop device")
    for item in host.items("/v1/trash"):
        host.post("/v1/trash/empty", item=item["uuid"])
    heads = {b["uuid"] for b in host.items("/v1/branches")}
    host.restart()
    here.await_releases(host)
    equal(host.stop(), 0, "exit status")
    found = here.looked_into(host)
    equal((found["staging"], found["retired"]), ([], []), "staging, retired")
    equal(set(found["heads"]), heads, "heads")
    equal((cleanup.mounts_under(host.directory), cleanup.loops_under(host.directory)), (MOUNTS, []),
          "mounts, loop devices")


if __name__ == "__main__":
    tap.main()
