#!/usr/bin/python3
"""Clocks that jump, under a real daemon and across its restarts: nothing is thinned or emptied for it,
times never repeat or run backwards, and "10m ago" is ten minutes ago."""

import subprocess
import tarfile

import tap
from clocks import DAY, HOUR, MINUTE, Clock
from flocker import COMMAND, Host
from tap import equal, test, true, wait_until


def begin(host):
    """With the volume `data`, and clocks to set."""
    clock = Clock(host)
    clock.restart()
    host.pool()
    host.create("data")
    return clock


JUMPS = {
    "an hour ahead": lambda clock: clock.jump(HOUR),
    "an hour back": lambda clock: clock.jump(-2 * HOUR),
    "400 days ahead": lambda clock: clock.jump(400 * DAY),
    "400 days back": lambda clock: clock.jump(-800 * DAY),
    "to the last second of 2038": lambda clock: clock.jump_to("2038-01-19T03:14:06"),
    "beyond 2038": lambda clock: clock.jump_to("2100-01-01T00:00:00"),
    "to 1971": lambda clock: clock.jump_to("1971-01-01T00:00:00"),
    "right again": lambda clock: clock.back(),
    "the boot clock ahead": lambda clock: clock.boot_jumps(400 * DAY),
}


def history(host, clock, count, apart, **policy):
    """So many snapshots s1, s2, ... , each `apart` after the one before."""
    rules = {key.replace("_", "-"): value for key, value in policy.items()}
    host.run("policy", "set", "data", *[f"{key}={value}" for key, value in rules.items()])
    for number in range(1, count + 1):
        host.write("data", "file", f"{number}\n")
        host.snapshot("data", name=f"s{number}")
        clock.passes(apart)


def names(host):
    return [snapshot["name"] for snapshot in reversed(host.log_of("data"))]


def going(host):
    return [item["ref"] for item in host.get("/v1/thinning", ref="data")["items"]]


def thins_by_itself(host, clock):
    """Lets a pass of thinning happen, and waits until it has: `marker` keeps two snapshots."""
    host.snapshot("marker")
    clock.passes(2 * MINUTE)
    host.create("waker")
    host.run("destroy", "waker")  # what is destroyed wakes the caretaker
    wait_until(lambda: len(host.log_of("marker")) == 2, "a pass of thinning", 180)


@test
def time_that_passes_thins_and_a_jump_does_not():
    with Host() as host:
        clock = begin(host)
        host.create("marker")
        host.run("policy", "set", "marker", "keep-all=0s", "max-count=2")
        history(host, clock, 24, 10 * HOUR, keep_all="1d", resolution="1/2")
        host.run("thin", "data")
        clock.passes(5 * HOUR)  # no snapshot is about to be a day old
        host.run("thin", "data")
        kept = names(host)
        true(8 < len(kept) < 24, f"{len(kept)} of 24 stay")
        for _ in range(3):
            host.snapshot("marker")
        for what, jump in JUMPS.items():
            jump(clock)
            equal(going(host), [], f"what is to go after the jump: {what}")
            thins_by_itself(host, clock)
            equal(names(host), kept, f"what stays after the jump: {what}")
            clock.restart()
            equal(going(host), [], f"what is to go after the restart: {what}")
        clock.back()
        clock.passes(10 * DAY)
        true(len(going(host)) > 3, "snapshots go as time passes")


@test
def a_jump_is_told():
    with Host() as host:
        clock = begin(host)
        state = host.get("/v1/status")["thinning"]
        equal((state["clock_behind"], state["clock_jumped"]), (0, 0), "before a jump")
        clock.jump(HOUR)
        clock.jump(-HOUR)
        equal(host.get("/v1/status")["thinning"]["clock_jumped"], 0, "after an hour, there and back")
        clock.jump(400 * DAY)
        state = host.get("/v1/status")["thinning"]
        true(abs(state["clock_jumped"] - 400 * 86400) < 60, f"what jumped: {state}")
        true(abs(state["clock_behind"] - 400 * 86400) < 60, f"what it is behind: {state}")
        told = [event["message"] for event in host.json("events") if event["kind"] == "clock-jumped"]
        equal(len(told), 1, "events")
        true(told[0].startswith("400 days and 0 hours ahead"), told[0])
        with open(host.log, encoding="utf-8") as log:
            equal(log.read().count("the host's clock jumped"), 1, "lines of the log")
        noted = host.try_run("status").out
        true("400 days behind" in noted, f"what the command says: {noted}")
        clock.restart()
        state = host.get("/v1/status")["thinning"]
        true(abs(state["clock_behind"] - 400 * 86400) < 60, f"what it is behind after a restart: {state}")
        clock.back()
        true(abs(host.get("/v1/status")["thinning"]["clock_behind"]) < 60, "what it is behind when it is right again")
        true("behind" not in host.try_run("status").out, "what the command says then")


@test
def times_never_repeat_or_run_backwards():
    with Host() as host:
        clock = begin(host)
        number = 0
        for jump in JUMPS.values():
            jump(clock)
            for again in (False, True):
                if again:
                    clock.restart()
                number += 1
                host.write("data", "file", f"{number}\n")
                host.snapshot("data", name=f"n{number}")
            if number % 6 == 0:
                host.rollback("data", f"data@{{n{number - 1}}}")
        log = host.log_of("data")
        times = [snapshot["time"] for snapshot in reversed(log)]
        sequences = [snapshot["sequence"] for snapshot in reversed(log)]
        equal(times, sorted(set(times)), "times, by sequence")
        equal(sequences, sorted(set(sequences)), "sequences")
        records = host.json("audit", "-n", "100")
        numbers = [record["number"] for record in records]
        equal(numbers, sorted(numbers, reverse=True), "the order of the audit log")
        host.run("audit", "--verify")
        for snapshot in (log[0], log[3], log[-1]):
            equal(host.get("/v1/snapshot", ref=f"data@{{{snapshot['time']}}}")["id"], snapshot["id"],
                  "a snapshot by the time that the log shows")


@test
def ten_minutes_ago_is_ten_minutes_ago():
    with Host() as host:
        clock = begin(host)
        for number, jump in enumerate([lambda: None, lambda: clock.jump(400 * DAY), clock.back,
                                       lambda: clock.jump_to("2038-01-20T00:00:00"), clock.back]):
            jump()
            for minutes in (20, 0):
                host.write("data", "file", f"{number} {minutes}\n")
                host.snapshot("data", name=f"at-{number}-{minutes}")
                clock.passes(minutes * MINUTE)
            equal(host.get("/v1/snapshot", ref="data@{10m ago}")["name"], f"at-{number}-20", "10m ago")
            clock.restart()
            equal(host.get("/v1/snapshot", ref="data@{10m ago}")["name"], f"at-{number}-20", "after a restart")
            clock.passes(20 * MINUTE)
        host.write("data", "file", "broken\n")
        host.snapshot("data", name="broken")
        clock.passes(3 * MINUTE)
        host.run("rollback", "data@{10m ago}")
        equal(host.read("data", "file"), "4 0\n", "what it was ten minutes ago")
        error = host.fails("not-found", "show", "data@{2099-01-01}", says=["future"])
        true("data/trunk@{" in error["hint"], f"the nearest is named: {error}")


@test
def the_trash_waits_its_time():
    with Host() as host:
        clock = begin(host)
        expected = []

        def trash():
            return [item["ref"] for item in host.get("/v1/trash")["items"]]

        def wake():
            host.create("waker")
            host.run("destroy", "waker")
            [uuid] = [item["uuid"] for item in host.get("/v1/trash")["items"] if item["ref"] == "waker"]
            host.run("trash", "empty", uuid)

        for name, jump in JUMPS.items():
            volume = f"v{len(expected)}"
            jump(clock)
            host.create(volume)
            host.run("destroy", volume)
            expected.append(volume)
            wake()
            clock.restart()
            wake()
            clock.passes(MINUTE)
            equal(sorted(trash()), expected, f"the trash: {name}")
        clock.back()
        last = host.get("/v1/trash")["items"][0]
        equal(last["ref"], expected[-1], "what is shortest in the trash")
        clock.passes(6 * DAY)
        wake()
        equal(sorted(trash()), expected, "the trash after six days")
        clock.passes(2 * DAY)
        wake()
        wait_until(lambda: trash() == [], "all of it expires")


@test
def an_operation_does_not_end_before_it_began():
    with Host() as host:
        clock = begin(host)
        archive = f"{host.directory}/in.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(__file__, "file")
        with subprocess.Popen([COMMAND, "--socket", host.socket, "import", "new", "-"], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL) as importing:
            with open(archive, "rb") as file:
                wait_until(lambda: [o for o in host.items("/v1/operations") if o["state"] == "running"], "it runs")
                clock.jump(-HOUR)
                importing.stdin.write(file.read())
            importing.stdin.close()
            equal(importing.wait(), 0, "the import")
        [operation] = host.items("/v1/operations")
        equal(operation["state"], "done", "state")
        true(operation["ended"] >= operation["started"], f"{operation}")


@test
def changes_are_saved_whatever_the_clock_says():
    with Host(watches=True) as host:
        clock = begin(host)
        host.run("policy", "set", "data", "settle=0s", "duty=100%", "min-interval=0s")
        for number, jump in enumerate(JUMPS.values()):
            jump(clock)
            host.write("data", "file", f"{number}\n")
            # One may come between the file's being emptied and written, and one of before may be late.
            wait_until(lambda n=number: host.try_run("cat", "data@{latest}:file").out == f"{n}\n",
                       "a snapshot of what was written")


@test
def a_lost_catalogue_is_recovered_under_a_wrong_clock():
    with Host() as host:
        clock = begin(host)
        history(host, clock, 12, 10 * MINUTE, keep_all="1d", resolution="1/2")
        host.create("gone")
        host.run("destroy", "gone")
        clock.jump(400 * DAY)
        host.stop()
        subprocess.run(["rm", "-f", f"{host.root}/lib/catalog.db", f"{host.root}/lib/catalog.db-wal",
                        f"{host.root}/lib/catalog.db-shm"], check=True)
        clock.start()
        host.run("pool", "recover")
        equal(len(names(host)), 12, "snapshots")
        state = host.get("/v1/status")["thinning"]
        true(398 * 86400 < state["clock_behind"] < 400 * 86400, f"no more than a day is believed: {state}")
        equal([item["ref"] for item in host.get("/v1/trash")["items"]], ["gone"], "the trash")


if __name__ == "__main__":
    tap.main()
