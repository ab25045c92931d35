#!/usr/bin/python3
"""How it goes, at one look: what is not saved, what fails, what runs, how much room there is."""

import json
import subprocess

import tap
from flocker import MIB, Host
from tap import equal, test, true, wait_until

PATIENCE = 180  # seconds: what failed for long is tried again after up to 75

host = Host(watches=True)
host.start()


def status():
    return json.loads(host.run("status", "--json"))


def failing(what):
    """The objects of what fails so, and is told; the contract holds the rest."""
    return [item["object"] for item in status()["failing"] if item["what"] == what]


@test
def without_a_pool_it_says_so():
    found = status()
    equal((found["pool"], found["branches"], found["last_snapshot"]), (None, 0, None), "nothing is there")
    equal([item["what"] for item in found["failing"]], ["no-pool"], "what fails")
    shown = host.run("status")
    true("something fails" in shown and "pool create" in shown, shown)
    host.pool(size=1024 * MIB)
    equal(status()["failing"], [], "with a pool")
    kinds = [item["kind"] for item in host.items("/v1/events")]
    true("no-pool" in kinds and "pool-opened" in kinds, f"events {kinds}")


@test
def all_is_well():
    host.create("data")
    host.write("data", "file", "contents")
    wait_until(lambda: status()["last_snapshot"] and status()["unsaved_count"] == 0, "it is saved")
    found = status()
    equal((found["branches"], found["unsaved"], found["operations"]), (1, [], []), "branches")
    newest = host.get("/v1/snapshots", ref="data", limit=1)["items"][0]
    equal(found["last_snapshot"], newest["time"], "the last snapshot")
    pool = host.get("/v1/pool")
    equal((found["pool"]["size"], found["pool"]["health"]), (pool["size"], "ok"), "the pool")
    equal((found["pool"]["forecast"], found["pool"]["full_in"]), ("unknown", None), "too soon to say")
    shown = host.run("status")
    true("all is well" in shown and "not known yet" in shown and "last snapshot" in shown, shown)
    true("\033" not in shown, "no colours where there is no terminal")


@test
def what_waits_is_named():
    host.create("slow")
    host.run("policy", "set", "slow", "snapshot=every 7d")
    host.run("snapshot", "slow")
    newest = host.get("/v1/snapshots", ref="slow", limit=1)["items"][0]
    host.write("slow", "file", "one")
    wait_until(lambda: status()["unsaved_count"] == 1, "it waits")
    found = status()["unsaved"]
    equal([(item["ref"], item["last_snapshot"]) for item in found], [("slow/trunk", newest["time"])], "which")
    true(found[0]["since"] > newest["time"], "since when")
    true("changed just now" in host.run("status"), "that is calm")
    host.run("rename", "slow", "renamed")
    equal(status()["unsaved"][0]["ref"], "renamed/trunk", "by its name of now")
    host.run("destroy", "renamed")
    equal(status()["unsaved_count"], 0, "in the trash nothing waits")


@test
def what_fails_is_named_until_it_works():
    host.create("nested")
    inner = f"{host.path('nested')}/inner"
    subprocess.run(["btrfs", "-q", "subvolume", "create", inner], check=True)
    host.write("nested", "file", "one")
    wait_until(lambda: failing("not-saved") == ["nested/trunk"], "it fails")
    item = status()["failing"][0]
    true("inner" in item["message"] and item["hint"], f"why: {item}")
    shown = host.run("status")
    true("something fails" in shown and "nested/trunk" in shown and item["message"] in shown, shown)
    health = host.get("/v1/health")
    true(health["status"] == "degraded" and "nested/trunk" in health["reason"], f"health: {health}")
    host.run("rename", "nested", "other")
    wait_until(lambda: failing("not-saved") == ["other/trunk"], "by its name of now", PATIENCE)
    inner = f"{host.path('other')}/inner"
    subprocess.run(["btrfs", "-q", "subvolume", "delete", inner], check=True)
    wait_until(lambda: failing("not-saved") == [], "it works again", PATIENCE)
    equal(host.get("/v1/health")["status"], "ok", "health")


@test
def what_is_destroyed_fails_no_more():
    host.create("doomed")
    subprocess.run(["btrfs", "-q", "subvolume", "create", f"{host.path('doomed')}/inner"], check=True)
    host.write("doomed", "file", "one")
    wait_until(lambda: failing("not-saved") == ["doomed/trunk"], "it fails")
    host.run("destroy", "doomed")
    wait_until(lambda: failing("not-saved") == [], "it is gone", PATIENCE)
    kinds = [item["kind"] for item in host.items("/v1/events") if item["object"] == "doomed/trunk"]
    true("saved-again" not in kinds, "nobody says that it works")


@test
def a_policy_that_does_not_count_is_named():
    host.run("policy", "set", "data", "settle=4s")
    host.run("config", "set", "policy.max-lag", "3s")
    host.write("data", "file", "again")
    wait_until(lambda: failing("policy-ignored") == [None], "it is told")
    true("data/trunk" in host.run("status"), "whose")
    host.run("config", "unset", "policy.max-lag")
    equal(failing("policy-ignored"), [], "the policies agree")


if __name__ == "__main__":
    tap.main()
