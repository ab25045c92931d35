#!/usr/bin/python3
"""A transfer that is cut goes on where it was: the link is cut, a daemon is killed, somebody cancels."""

import contextlib
import json
import os
import random
import shutil
import threading
import time
import uuid

import tap
from archives import inside, staging
from flocker import BUILD, LONG, MIB, PATIENCE, Failure, Gone
from peers import Peers, Proxy, Push, push_again, tip
from tap import equal, test, true, wait_until

SIZE = (200 if LONG else 40) * MIB
WINDOW = 2 * MIB  # what may be under way when a link is cut


class Pair(Peers):
    """h1 reaches h2 through a proxy; both have room for what is sent."""

    def __init__(self):
        super().__init__("h1", "h2", size=4 * SIZE + 256 * MIB)

    def __enter__(self):
        one, two = super().__enter__()
        self.proxy = Proxy(two.address)
        one.run("peer", "remove", "h2")
        one.run("peer", "add", "h2", self.proxy.address)
        one.create("data")
        return one, two, self.proxy

    def __exit__(self, *failure):
        self.proxy.__exit__()
        super().__exit__(*failure)


class Pushing(threading.Thread):
    """A push by itself; what came of it is `answer` or `failure`."""

    def __init__(self, host, **options):
        super().__init__(daemon=True)
        self.host, self.options = host, options
        self.answer = self.failure = None
        self.start()

    def run(self):
        try:
            self.answer = self.host.push("data", "h2", **self.options)
        except (Failure, Gone, OSError) as failure:
            self.failure = failure

    def end(self):
        self.join(PATIENCE)
        true(not self.is_alive(), "the push ends")
        return self


def fill(host, size=SIZE, name="big", seed=1):
    """Bytes that zstd can do nothing about."""
    with open(f"{host.path('data')}/{name}", "wb") as file:
        noise = random.Random(seed)
        for _ in range(size // MIB):
            file.write(noise.randbytes(MIB))


def fill_small(host, count, names="d"):
    """Files with links, owners and times, in directories that are renamed later."""
    noise = random.Random(count)
    for number in range(count):
        directory = f"{host.path('data')}/{names}{number % 17}"
        os.makedirs(directory, exist_ok=True)
        path = f"{directory}/f{number}"
        with open(path, "wb") as file:
            file.write(noise.randbytes(noise.randrange(1, 20000)))
        os.chmod(path, 0o600 + number % 64)
        if number % 5 == 0:
            os.link(path, f"{host.path('data')}/{names}{(number + 3) % 17 if number > 34 else number % 17}/l{number}")
        if number % 7 == 0:
            os.symlink(f"../f{number}", f"{directory}/s{number}")


def records(host):
    """Of half-received trees, in the state directory."""
    return [f"{top}/{name}" for top, _, names in os.walk(f"{host.root}/lib") for name in names
            if os.path.basename(top) == "receiving"]


def whole(one, two):
    """All is there, nothing else is left, and the next increment goes its way."""
    answer = one.post("/v1/verifications", ref="data", peer="h2")
    true(answer["equal"] and answer["digest"] == answer["theirs"], f"digests: {answer}")
    equal(two.digest_at("h1/data/trunk@{latest}"), one.digest_at("data@{latest}"), "contents")
    for host in (one, two):
        equal((staging(host), records(host)), ([], []), f"what is left in staging of {host.name}")
        equal([pin for pin in host.items("/v1/pins") if pin["kind"] == "transfer"], [], f"pins of {host.name}")
        equal([item for item in host.items("/v1/operations") if item["state"] == "running"], [], "what runs")
    one.write("data", "more", "more")
    equal(one.push("data", "h2")["outcome"], "fast-forward", "the next increment")
    true(one.post("/v1/verifications", ref="data", peer="h2")["equal"], "the next increment")


def cheap(proxy, since, size=SIZE, most=1.1):
    passed = proxy.passed - since
    tap.note(f"{passed / size:.3f} of {size // MIB} MiB over the wire")
    true(passed <= most * size, f"{passed} bytes over the wire for {size}")


def half_sent(one, proxy, size=SIZE):
    """A push that stands still when half of it has gone over the wire."""
    proxy.stall_after = proxy.passed + size // 2
    pushing = Pushing(one)
    true(proxy.stalled.wait(PATIENCE) and not pushing.answer, f"half is sent: {pushing.failure}")
    return pushing


@contextlib.contextmanager
def half_way():
    """A pair, and a push between them that stands still; in the end all is there, and little was sent twice."""
    with Pair() as (one, two, proxy):
        fill(one)
        before = proxy.passed
        yield one, two, proxy, half_sent(one, proxy)
        cheap(proxy, before)
        whole(one, two)


@test
def the_link_is_cut():
    with Pair() as (one, two, proxy):
        fill(one)
        before = proxy.passed
        proxy.cut_after = before + SIZE // 2
        answer = one.push("data", "h2")
        equal((answer["outcome"], answer["resumed"]), ("full", 1), f"{answer}")
        true(answer["wire"] <= SIZE + 3 * MIB, f"sent again: {answer['wire'] - SIZE}")
        cheap(proxy, before)
        whole(one, two)


@test
def what_has_come_takes_its_time_there():
    """The link is cut while h2 puts it in its place: who dials again waits for that, and is not refused."""
    with Peers("h1", "h2", pools=(None, "dir")) as (one, two), Proxy(two.address) as proxy:
        one.run("peer", "remove", "h2")
        one.run("peer", "add", "h2", proxy.address)
        one.create("data")
        one.push("data", "h2")
        slow = f"{two.root}/slow"
        two.stop()
        two.start(LD_PRELOAD=BUILD / "tests/scenario/libslow.so", FLOCKER_TEST_SLOW=slow)
        two.listens()
        one.write("data", "text", "all of it")
        with open(slow, "w", encoding="ascii"):
            pushing = Pushing(one)
        wait_until(lambda: os.path.exists(f"{slow}.held"), "all has come")
        proxy.cut()
        wait_until(lambda: proxy.pairs, "it is dialled again")
        pushing.join(25 if LONG else 1)
        true(pushing.is_alive(), f"it waits: {pushing.failure}")
        os.unlink(slow)
        true(pushing.end().answer, f"{pushing.failure}")
        true(one.post("/v1/verifications", ref="data", peer="h2")["equal"], "digests")
        equal([item for item in two.items("/v1/operations") if item["state"] == "running"], [], "what runs")
        one.write("data", "text", "more")
        equal(one.push("data", "h2")["outcome"], "fast-forward", "the next increment")


def lose_taken(one, two, proxy, seed):
    """All of a push arrives, and who pushed never hears of it."""
    fill(one, MIB, seed=seed)
    one.snapshot("data")
    with Push(one, limit=MIB // 4):
        proxy.deaf = True
        wait_until(lambda: tip(two, "h1/data/trunk") == tip(one, "data"), "it has come")
        one.kill()
    proxy.cut()
    proxy.deaf = False
    one.start()


@test
def what_came_is_not_heard_of_twice_in_a_row():
    with Pair() as (one, two, proxy):
        one.push("data", "h2")
        for seed in (1, 2):
            lose_taken(one, two, proxy, seed)
        for host, ref in ((one, "data"), (two, "h1/data/trunk")):
            for entry in host.log_of(ref)[1:]:
                host.try_run("destroy", f"{ref}@{{{entry['id']}}}")  # as thinning would
        one.write("data", "more", "more")
        equal(one.push("data", "h2")["outcome"], "fast-forward", "both have one in common")
        whole(one, two)
        last = [tip(one, "data")]
        equal([[pin["id"] for pin in host.items("/v1/pins")] for host in (one, two)], [last, last], "pins")


@test
def the_link_is_cut_before_anything_is_planned():
    with Pair() as (one, two, proxy):
        one.push("data", "h2")
        taken_up = 0
        while not taken_up:  # what was cut may also have been another frame of the link, or its beginning
            one.write("data", "file", str(proxy.passed))
            one.get("/v1/peer", name="h2")
            proxy.cut_after = proxy.passed + 1
            pushing = Pushing(one).end()
            if pushing.answer:
                equal(pushing.answer["outcome"], "fast-forward", f"{pushing.answer}")
                taken_up = pushing.answer["resumed"]
            else:
                equal(pushing.failure.code, "unreachable", f"{pushing.failure}")
        proxy.cut_after = None
        whole(one, two)


@test
def the_sender_is_killed():
    with half_way() as (one, two, proxy, pushing):
        one.kill()
        pushing.end()
        proxy.cut()
        proxy.go_on()
        one.start()
        answer = push_again(one)
        true(answer["resumed"] == 1 and answer["wire"] <= 0.6 * SIZE, f"{answer}")


@test
def the_receiver_is_killed():
    with half_way() as (one, two, proxy, pushing):
        two.kill()
        proxy.cut()
        proxy.go_on()
        two.start()
        answer = pushing.end().answer
        true(answer and answer["resumed"] > 0, f"{answer} {pushing.failure}")


@test
def both_are_killed_again_and_again():
    with Pair() as (one, two, proxy):
        fill(one)
        fill_small(one, 300)
        before, size = proxy.passed, SIZE + 3 * MIB
        for _ in range(2):
            pushing = half_sent(one, proxy, size * 2 // 3)
            one.kill()
            two.kill()
            pushing.end()
            proxy.cut()
            proxy.go_on()
            two.start()
            one.start()
        answer = one.push("data", "h2")
        equal(answer["resumed"], 1, f"{answer}")
        cheap(proxy, before, size, 1.2)
        whole(one, two)


@test
def it_is_cancelled_and_pushed_again():
    with half_way() as (one, two, proxy, pushing):
        running = [item for item in one.items("/v1/operations") if item["verb"] == "push"][0]
        one.run("operation", "cancel", running["id"])
        proxy.go_on()
        true(pushing.end().failure, "it was cancelled")
        wait_until(lambda: not [item for item in two.items("/v1/operations") if item["state"] == "running"],
                   "the receiver has noticed")
        one.write("data", "later", "the tip has moved on since")
        answer = one.push("data", "h2")
        equal((answer["resumed"], answer["snapshots"]), (1, 2), f"{answer}")


@test
def an_increment_of_many_small_changes():
    with Pair() as (one, two, proxy):
        fill_small(one, 3000)
        one.push("data", "h2")
        data = one.path("data")
        for number in range(0, 16, 2):
            os.rename(f"{data}/d{number}", f"{data}/renamed{number}")
        for number in range(1, 3000, 17):
            os.link(f"{data}/d1/f{number}", f"{data}/again{number}")
            os.unlink(f"{data}/d1/f{number}")
        shutil.rmtree(f"{data}/d3")
        fill_small(one, 2500, "e")
        fill(one, 8 * MIB)
        size = 8 * MIB + 25 * MIB
        before = proxy.passed
        pushing = half_sent(one, proxy, size)
        two.kill()
        one.kill()
        pushing.end()
        proxy.cut()
        proxy.go_on()
        one.start()
        two.start()
        answer = one.push("data", "h2")
        equal((answer["outcome"], answer["resumed"]), ("fast-forward", 1), f"{answer}")
        cheap(proxy, before, size, 1.2)
        whole(one, two)


def reaches(host, peer):
    try:
        return host.get("/v1/peer", name=peer)["round_trip"]
    except Failure as failure:
        equal(failure.code, "unreachable", str(failure))
        return None


@test
def the_link_is_cut_all_the_time():
    with Pair() as (one, two, proxy):
        fill(one)
        before = proxy.passed
        pushing = Pushing(one, limit=16 * MIB)
        # Who can't be reached at all is told so at once.
        wait_until(lambda: proxy.passed > before + MIB, "it is under way")
        dice = random.Random(7)
        cuts = 0
        while pushing.is_alive():  # by bytes: by time, a slow machine might never come to send any in between
            if proxy.cut_after is None:
                proxy.cut_after = proxy.passed + dice.randrange(8 * MIB)
                cuts += 1
            pushing.join(0.005)
        proxy.cut_after = None
        proxy.cut()
        true(pushing.answer and pushing.answer["resumed"] > 1, f"{pushing.answer} {pushing.failure}")
        tap.note(f"{cuts} cuts, {pushing.answer['resumed']} times taken up")
        cheap(proxy, before, most=1.05 + pushing.answer["resumed"] * WINDOW / SIZE)
        wait_until(lambda: reaches(one, "h2"), "the last cut is over")
        whole(one, two)


def left_halfway(one, two, proxy):
    """The sender dies at half, and two stops: the record of what two has."""
    pushing = half_sent(one, proxy)
    one.kill()
    pushing.end()
    proxy.cut()
    proxy.go_on()
    two.stop()
    found = [name for name in records(two) if name.endswith(".json")]
    equal(len(found), 1, "half-received trees")
    true("a half-received tree stays branch=h1/data/trunk" in open(two.log, encoding="utf-8").read(), "the log")
    return found[0]


@test
def a_point_that_is_another_streams_is_not_gone_on_from():
    with Pair() as (one, two, proxy):
        fill(one)
        point = left_halfway(one, two, proxy).replace(".json", ".point")
        with open(point, "r+b") as file:
            spoilt = bytearray(file.read())
            second = 24 + (len(spoilt) - 24) // 2
            for at in (40, second + 16):
                spoilt[at] ^= 0xff
            file.seek(0)
            file.write(spoilt)
        two.start()
        one.start()
        answer = one.push("data", "h2")
        equal(answer["resumed"], 0, f"{answer}")
        whole(one, two)


@test
def a_tree_that_was_spoilt_halfway_is_refused():
    with Pair() as (one, two, proxy):
        fill(one)
        left_halfway(one, two, proxy)
        two.start()
        one.start()
        half, = staging(two)
        with inside(two) as pool:
            with open(f"{pool}/staging/{half}/big", "r+b") as file:
                file.seek(MIB)
                file.write(b"spoilt")
        try:
            one.push("data", "h2")
            raise AssertionError("it was taken")
        except Failure as failure:
            equal(failure.code, "corrupt", f"{failure}")
        equal((staging(two), records(two)), ([], []), "what is left of it")
        equal(one.push("data", "h2")["resumed"], 0, "all of it is sent then")
        whole(one, two)


@test
def what_the_machine_forgot_is_not_kept():
    with Pair() as (one, two, proxy):
        fill(one)
        record = left_halfway(one, two, proxy)
        with open(record, encoding="utf-8") as file:
            noted = json.load(file)
        noted["boot"] = str(uuid.uuid4())
        with open(record, "w", encoding="utf-8") as file:
            json.dump(noted, file)
        two.start()
        equal((staging(two), records(two)), ([], []), "what is left of another run of the machine")
        one.start()
        equal(one.push("data", "h2")["resumed"], 0, "all of it is sent")
        whole(one, two)


@test
def who_does_not_want_it_drops_it():
    with Pair() as (one, two, proxy):
        one.push("data", "h2")
        for drop in (["destroy", "h1/data/trunk"], ["peer", "remove", "h1"]):
            fill(one)
            left_halfway(one, two, proxy)
            two.start()
            one.start()
            two.run(*drop)
            equal((staging(two), records(two)), ([], []), f"what is left after {drop}")
            told = [event for event in two.items("/v1/events") if event["kind"] == "half-received"]
            equal([event["object"] for event in told], ["h1/data/trunk"], "what was told")
            true("dropped" in str(told[0]), f"{told}")
            equal(one.push("data", "h2")["resumed"], 0, "all of it is sent")
        whole(one, two)


@test
def killed_a_thousand_times():
    if not LONG:
        raise tap.Skip("takes an hour: FLOCKER_TEST_LONG=1")
    with Pair() as (one, two, proxy):
        fill_small(one, 2000)
        fill(one)
        dice = random.Random(11)
        for number in range(1000):
            pushing = Pushing(one, limit=4 * MIB)
            time.sleep(dice.uniform(0.05, 0.5))
            for host in dice.choice([(one,), (two,), (one, two)]):
                host.kill()
            proxy.cut()
            for host in (one, two):
                if host.dead():
                    host.start()
            pushing.end()
            if pushing.answer:
                fill(one, 32 * MIB, f"next{number % 3}", number)
        one.push("data", "h2")
        whole(one, two)


if __name__ == "__main__":
    tap.main()
