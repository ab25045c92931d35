#!/usr/bin/env python3
"""Pushes by TLS between hosts whose network fails: unplugged, reset, silent; killed peers and full ones."""

import random
import threading
import time

import cleanup
import tap
from flocker import CODES, LONG, MIB, PATIENCE, Gone
from hosts import Hosts
from tap import equal, test, true

LAB = Hosts(3)
BIG = (200 if LONG else 80) * MIB
SLACK = 2 * MIB  # what is under way when a link is cut


class Push:
    """A push of a volume of its own, on a thread, with a limit of the rate, so that there is a middle."""

    def __init__(self, ref, size=BIG, rate=0, peer="h2"):
        self.one, self.two = LAB[1], LAB[int(peer[1:])]
        self.ref, self.size, self.peer, self.rate = ref, size, peer, rate
        self.answer = None
        self.one.create(ref)
        self.one.fill(ref, "big", size)
        self.began = len(cleanup.read(self.one.log))
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            self.answer = self.one.exchange("POST", "/v1/pushes",
                                            {"ref": self.ref, "peer": self.peer, "limit": self.rate})
        except Gone as gone:
            self.answer = str(gone)

    def until(self, arrived):
        """Until so many bytes are there."""
        def enough():
            try:
                return any(o["verb"] == "receive" and o["state"] == "running" and o["done_bytes"] >= arrived
                           for o in self.two.items("/v1/operations"))
            except Gone:
                return False
        tap.wait_until(lambda: enough() or not self.thread.is_alive(), f"{arrived} bytes have arrived")
        true(self.thread.is_alive(), f"it goes on: {self.answer}")

    def was_cut(self):
        tap.wait_until(lambda: "was cut and is tried again" in cleanup.read(self.one.log)[self.began:],
                       "the cut is known")

    def ends_well(self):
        self.thread.join(PATIENCE)
        true(self.answer is not None, "the push ends")
        status, answer = self.answer
        equal(status, 201, f"the push: {answer}")
        self.one.run("verify", self.ref, "--peer", self.peer)
        self.one.run("destroy", self.ref)
        return answer


@test
def hosts_are_there_and_members():
    LAB.build()
    for host, size in zip(LAB.hosts, (1024, 1024, 160)):
        host.start()
        host.make_pool(size * MIB)
    LAB.join()
    LAB[1].create("data")
    LAB[1].fill("data", "a")
    for peer in ("h2", "h3"):
        LAB[1].run("push", "data", peer)


@test
def a_plug_that_is_out_for_a_second_costs_nothing():
    push = Push("plug", rate=40 * MIB)
    push.until(10 * MIB)
    LAB.cut(2)
    time.sleep(1)  # what is tested: a pause, not an event
    LAB.heal(2)
    answer = push.ends_well()
    equal(answer["resumed"], 0, "the connection outlives it")
    true(answer["wire"] <= BIG + SLACK, f"bytes that went over: {answer['wire']}")


@test
def a_connection_that_breaks_goes_on_where_it_was():
    push = Push("broken", rate=8 * MIB)
    push.until(10 * MIB)
    LAB.reset(1, 2)
    push.was_cut()
    LAB.restore(1, 2)
    answer = push.ends_well()
    equal(answer["resumed"], 1, "times that it was taken up again")
    true(answer["wire"] <= BIG + SLACK, f"bytes that went over: {answer['wire']}")


@test
def a_peer_that_is_killed_and_comes_back_gets_all_of_it():
    push = Push("killed", 40 * MIB, 4 * MIB)
    push.until(10 * MIB)
    LAB[2].kill()
    LAB[2].start()
    answer = push.ends_well()
    true(answer["resumed"] >= 1, f"it was taken up again: {answer}")


@test
def a_peer_that_is_full_says_so_and_nothing_is_left():
    three = LAB[3]
    push = Push("large", 120 * MIB, peer="h3")
    push.thread.join(PATIENCE)
    status, answer = push.answer
    equal((status, answer["error"]["code"]), (CODES["no-space"][0], "no-space"), f"the push: {answer}")
    ended = [o for o in three.items("/v1/operations") if o["verb"] == "receive" and o["state"] == "failed"]
    equal([o["error"]["code"] for o in ended], ["no-space"], "what the receiver says")
    three.fails("not-found", "log", "h1/large/trunk")
    LAB[1].fill("data", "b")
    # What came of the large one is deleted in the background.
    tap.wait_until(lambda: LAB[1].try_run("push", "data", "h3").status == 0, "there is room for a small one", PATIENCE)
    LAB[1].run("verify", "data", "--peer", "h3")


@test
def silence_is_a_cut():
    if not LONG:
        raise tap.Skip("takes a minute: FLOCKER_TEST_LONG=1")
    push = Push("silent", 60 * MIB, 20 * MIB)
    push.until(10 * MIB)
    LAB.drop(1, 2)
    push.was_cut()
    LAB.undrop(1, 2)
    answer = push.ends_well()
    true(answer["resumed"] >= 1, f"it was taken up again: {answer}")
    true(answer["wire"] <= 60 * MIB + answer["resumed"] * SLACK, f"bytes that went over: {answer['wire']}")


@test
def a_link_that_is_cut_all_the_time_gets_there():
    if not LONG:
        raise tap.Skip("takes a minute: FLOCKER_TEST_LONG=1")
    dice = random.Random(7)
    push = Push("torn", 80 * MIB, 20 * MIB)
    push.until(MIB)
    while push.thread.is_alive():
        time.sleep(dice.uniform(0.05, 0.5))
        LAB.reset(1, 2)
        time.sleep(0.02)
        LAB.restore(1, 2)
    answer = push.ends_well()
    true(answer["wire"] <= 80 * MIB + answer["resumed"] * SLACK,
         f"bytes that went over in {answer['resumed']} parts: {answer['wire']}")


if __name__ == "__main__":
    tap.main()
