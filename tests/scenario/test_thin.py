#!/usr/bin/python3
"""Policies and thinning by the command, over a real Btrfs."""

import os
import subprocess

import tap
from clocks import MINUTE, Clock
from flocker import MIB, Host, host_with_pool, unchanged
from tap import equal, test, true


def volume(host, count=0, **policy):
    """A volume `data` that keeps nothing for being young, with `count` snapshots s1, s2, ..."""
    host.pool()
    host.create("data")
    rules = {"keep-all": "0s", **{key.replace("_", "-"): value for key, value in policy.items()}}
    host.run("policy", "set", "data", *[f"{key}={value}" for key, value in rules.items()])
    for number in range(1, count + 1):
        host.write("data", "file", f"{number}\n")
        host.run("snapshot", "data", "--name", f"s{number}")


def names(host, ref="data"):
    return [snapshot["name"] for snapshot in reversed(host.log_of(ref))]


def rules(host, ref="data"):
    return {rule["key"]: (rule["value"], rule["source"]) for rule in host.json("policy", "show", ref)["settings"]}


@test
def a_policy_is_shown_set_and_unset():
    with Host() as host:
        host.pool()
        host.create("data")
        equal(rules(host)["max-count"], ("4096", "default"), "max-count at first")
        host.run("config", "set", "policy.max-count", "1000")
        equal(rules(host)["max-count"], ("1000", "instance"), "max-count of the instance")
        shown = host.run("policy", "set", "data", "max-count=50", "keep=24h 14d 12m")
        true("24h 14d 12m" in shown, "the new policy is shown")
        equal(rules(host)["max-count"], ("50", "branch"), "max-count of the branch")
        host.restart()
        equal(rules(host)["keep"], ("24h 14d 12m", "branch"), "keep after a restart")
        host.run("policy", "unset", "data", "max-count")
        equal(rules(host)["max-count"], ("1000", "instance"), "max-count that was unset")
        host.run("config", "unset", "policy.max-count")
        equal(rules(host)["max-count"], ("4096", "default"), "max-count in the end")
        host.branch("data/test")
        equal(rules(host, "data/test")["keep"], ("none", "default"), "keep of another branch")


@test
def what_contradicts_itself_is_refused():
    with Host(watches=True) as host:  # by hand, when a branch settles is all the same
        host.pool()
        host.create("data")
        before = rules(host)
        host.fails("invalid", "policy", "set", "data", "settle=10s", says=["max-lag"])
        host.fails("invalid", "policy", "set", "data", "max-count=1", says=["max-count"], hint="2 to 100000000")
        host.fails("invalid", "policy", "set", "data", "max-count=9", "colour=red", says=["colour"])
        host.fails("invalid", "policy", "unset", "data", "colour", says=["colour"])
        host.fails("invalid", "policy", "set", "data", "max-count", says=["KEY=VALUE"])
        host.fails("not-found", "policy", "show", "nope")
        equal(rules(host), before, "the policy")
        host.fails("invalid", "config", "set", "policy.settle", "10s", says=["max-lag"])
        host.fails("invalid", "config", "set", "policy.keep", "often", says=["often"])
        equal(rules(host), before, "the policy")


def own_rules(host, ref):
    return {rule["key"]: rule["value"] for rule in host.json("policy", "show", ref)["settings"]
            if rule["source"] == "branch"}


@test
def a_policy_is_given_at_creation():
    with Host() as host:
        host.pool()
        wanted = {"max-count": "50", "keep": "24h 14d"}
        options = [word for key, value in wanted.items() for word in ("--policy", f"{key}={value}")]
        host.run("create", "data", *options)
        host.run("branch", "data/test", "--policy", "max-count=60")
        host.run("create", "copy", "--from", "data", *options)
        host.run("export", "data", f"{host.directory}/data.tar")
        host.run("import", "brought", f"{host.directory}/data.tar", *options)
        host.run("import", "data/brought", f"{host.directory}/data.tar", "--policy", "max-count=70")
        for ref in "data", "copy", "brought":
            equal(own_rules(host, ref), wanted, ref)
        equal(own_rules(host, "data/test"), {"max-count": "60"}, "a branch")
        equal(own_rules(host, "data/brought"), {"max-count": "70"}, "an imported one")

        def refused(*words):
            unchanged(host, lambda: host.fails("invalid", *words))

        for rule in "resolution=0.3", "colour=red", "max-count=1", "max-count":
            refused("create", "bad", "--policy", rule)
            refused("create", "bad", "--from", "data", "--policy", rule)
            refused("branch", "data/bad", "--policy", rule)
            refused("import", "bad", f"{host.directory}/data.tar", "--policy", rule)
        host.run("pool", "recover")
        equal(own_rules(host, "data"), wanted, "after the catalogue was rebuilt")


@test
def a_branch_whose_policy_came_to_contradict_has_one_still():
    with Host() as host:
        host.pool()
        host.create("data")
        host.run("policy", "set", "data", "settle=4s")
        host.run("config", "set", "policy.max-lag", "2s")
        equal(host.run("thin", "data"), "", "what was thinned")
        host.run("snapshot", "data")
        # It says what is set; and it can be put right.
        equal(rules(host)["settle"], ("4s", "branch"), "settle")
        host.run("policy", "set", "data", "max-lag=5s")


@test
def what_would_go_goes():
    with Host() as host:
        volume(host, 12, max_count=4)
        told = host.json("thin", "data", "--dry-run")
        equal(len(names(host)), 12, "snapshots after a dry run")
        gone = host.json("thin", "data")
        # They are so young that time changes their order.
        equal((len(told), len(gone)), (8, 8), "how many went")
        left = names(host)
        equal((len(left), left[0], left[-1]), (4, "s1", "s12"), "what stays")
        equal(host.json("thin"), [], "what goes then")
        for name in left:
            path = host.run("mount", f"data@{{{name}}}").strip()
            with open(f"{path}/file", encoding="ascii") as file:
                equal(file.read(), f"{name[1:]}\n", f"contents of {name}")
            host.run("unmount", f"data@{{{name}}}")
        host.restart()
        equal(names(host), left, "what stays after a restart")


@test
def what_is_pinned_stays():
    with Host() as host:
        volume(host, 12, max_count=2)
        host.run("tag", "v1@data", "data@{s3}")
        host.branch("data/test", **{"from": "data@{s5}"})
        path = host.run("mount", "data@{s7}").strip()
        host.run("thin")
        equal(names(host), ["s1", "s3", "s5", "s7", "s12"], "what stays")
        equal(sorted(os.listdir(path)), ["file"], "contents of the one that is mounted")
        host.rollback("data", "data@{s5}")
        host.run("unmount", "data@{s7}")
        host.run("untag", "v1@data")
        host.write("data", "file", "13\n")
        host.run("snapshot", "data", "--name", "s13")
        host.run("thin", "data")
        equal(names(host), ["s1", "s5", "s13"], "what stays then")
        host.run("stash", "restore", "stash/1@data")
        equal(host.read("data", "file"), "12\n", "contents of the stash")


@test
def what_was_rolled_back_to_stays_as_long_as_something_came_of_it():
    def thinned_to(host, wanted, what):
        """What came of a snapshot goes first, be it by a pass of the daemon's own; then nothing keeps it any more."""
        def go():
            host.run("thin", "data")
            return names(host) == wanted

        tap.wait_until(go, f"{wanted} stay {what}")
        host.run("thin", "data")
        equal(names(host), wanted, what)

    with Host() as host:
        volume(host, 6, max_count=2)
        for name in ("s2", "s4", "s3", "s5"):
            host.rollback("data", f"data@{{{name}}}")
        thinned_to(host, ["s1", "s2", "s3", "s4", "s5"], "while there are stashes")
        equal([host.run("cat", f"stash/{n}@data:file") for n in (1, 2, 3, 4)], ["6\n", "2\n", "4\n", "3\n"],
              "the stashes")
        host.run("destroy", "stash/2@data")
        thinned_to(host, ["s1", "s3", "s4", "s5"], "with one stash less")
        host.fails("busy", "destroy", "data@{s4}", says="went on from it")
        for number in (1, 3, 4):
            host.run("destroy", f"stash/{number}@data")
        host.run("snapshot", "data", "--name", "s7")
        thinned_to(host, ["s1", "s5", "s7"], "without any")
        host.restart()
        equal(names(host), ["s1", "s5", "s7"], "after a restart")
        host.rollback("data", "data@{s1}")
        equal(host.read("data", "file"), "1\n", "the first")


@test
def what_a_process_uses_stays():
    with Host() as host:
        volume(host, 6, max_count=2)
        used = host.get("/v1/snapshot", ref="data@{s3}")
        branch = host.get("/v1/branch", ref="data")["uuid"]
        root = os.path.dirname(os.path.dirname(host.path("data")))
        stamps = sorted(os.listdir(f"{root}/.snaps/{branch}"))
        place = f"{root}/.snaps/{branch}/{[s for s in stamps if s != 'facts'][2]}"
        with subprocess.Popen(["/usr/bin/sleep", "1000"], cwd=place) as process:
            try:
                for options in (["--dry-run"], []):
                    told = host.json("thin", "data", *options)
                    equal([item["ref"] for item in told if item["held"]], [used["ref"]], "what is in use")
                equal(names(host), ["s1", "s3", "s6"], "what stays")
            finally:
                process.kill()
                process.wait()
        host.run("thin", "data")
        equal(names(host), ["s1", "s6"], "what stays when it is free")


@test
def each_snapshot_says_why():
    with Host() as host:
        volume(host, 6, max_count=5)
        host.run("tag", "v1@data", "data@{s2}")
        log = host.json("log", "data", "--why")
        stays = {snapshot["name"]: snapshot["why"]["stay"] for snapshot in log}
        equal((stays["s1"], stays["s2"], stays["s6"]), ("oldest", "pinned", "newest"), "why they stay")
        equal(sorted(stays[name] for name in ("s3", "s4", "s5")), ["goes", "room", "room"], "the others")
        printed = host.run("log", "data", "--why")
        for words in ("the oldest", "pinned: tag", "the newest", "nothing makes it go", "goes at one"):
            true(words in printed, f"{words!r} is in the log")
        host.run("policy", "set", "data", "keep-all=1h")
        stays = [snapshot["why"]["stay"] for snapshot in host.json("log", "data", "--why")]
        equal(stays, ["newest", "young", "young", "young", "pinned", "oldest"], "why they stay when young")
        equal(host.json("log", "data")[0]["why"], None, "why, where nobody asked")


@test
def a_kill_between_leaves_nothing_behind():
    with Host() as host:
        volume(host, 30, max_count=3)
        host.restart(FLOCKER_CRASH_AT="10")
        host.try_run("thin", "data")
        tap.wait_until(host.dead, "the daemon dies")
        host.restart()
        equal(len(names(host)), 3, "snapshots")
        branch = host.get("/v1/branch", ref="data")["uuid"]
        root = os.path.dirname(os.path.dirname(host.path("data")))
        trees = [name for name in os.listdir(f"{root}/.snaps/{branch}") if name != "facts"]
        equal(len(trees), 3, "trees in the pool")


@test
def snapshots_are_given_up_for_space():
    with Host() as host:
        host.pool(512 * MIB)
        host.create("data")
        host.create("gone")
        for number in range(1, 9):
            with open(f"{host.path('data')}/file", "wb") as file:
                file.write(os.urandom(40 * MIB))
            host.run("snapshot", "data", "--name", f"s{number}")
        host.run("tag", "v1@data", "data@{s4}")
        host.run("destroy", "gone")
        equal(len(names(host)), 8, "snapshots before")
        host.run("config", "set", "thin.min-free", "50")
        # They are young; but there are no others.
        tap.wait_until(lambda: len(names(host)) == 3, "snapshots are given up", 180)
        equal(names(host), ["s1", "s4", "s8"], "what stays")
        equal(host.json("trash", "list"), [], "the trash")

        def told():
            return [event["kind"] for event in host.json("events") if "given-up" in event["kind"]]

        # Their rows go first, then they themselves, and then it is told.
        tap.wait_until(lambda: "snapshots-given-up" in told(), "it is told")
        equal(told(), ["trash-given-up", "snapshots-given-up"], "what was told")


@test
def it_waits_while_the_file_system_cleans_up():
    with Host() as host:
        clock = Clock(host)
        clock.restart()
        volume(host, 40, max_count=2)
        host.run("config", "set", "thin.max-uncleaned", "4")
        states = []

        def pass_comes():
            clock.passes(MINUTE)
            host.create("waker")
            host.run("destroy", "waker")  # what is destroyed wakes the caretaker
            states.append(host.get("/v1/status")["thinning"])
            return len(names(host)) == 2

        tap.wait_until(pass_comes, "all goes that is to go", 300)
        tap.wait_until(lambda: host.get("/v1/status")["thinning"]["state"] == "idle", "it waits no more")
        told = [int(event["message"].split()[0]) for event in host.json("events") if event["kind"] == "thinned"]
        true(max(told) <= 4 and sum(told) <= 38, f"snapshots that went at a time: {told}")
        true(any(state["state"] == "cleaning" for state in states), "it waited")
        equal([state for state in states if state["uncleaned"] > 4], [], "more than that to clean up")


@test
def it_is_recorded():
    with Host() as host:
        volume(host, 5, max_count=2)
        host.run("thin", "data")
        records = host.json("audit", "-n", "2")
        verbs = [(record["verb"], record["object"]) for record in host.json("audit", "-n", "20")]
        equal(records[0]["verb"], "thin", "the last verb")
        true(("policy set", "data") in verbs, "the policy is recorded")
        message = [record["message"] for record in host.json("audit") if record["verb"] == "policy set"][0]
        true("max-count=2" in message, "what it became")


if __name__ == "__main__":
    tap.main()
