#!/usr/bin/python3
"""Hooks: programs that make what uses a branch hold still.  Here they are small scripts.

A hook writes what it does to a file of the test's, a line for each step.
"""

import os
import pathlib
import signal
import threading

import tap
from flocker import Host, host_with_pool
from tap import equal, test, true

host = host_with_pool()
hooks = f"{host.root}/etc/hooks"
os.makedirs(hooks)
trace = pathlib.Path(f"{host.directory}/trace")

GOOD = """say "$FLOCKER_HOOK ready"
echo ready
if read -r word; then say "$FLOCKER_HOOK $word"; echo done; else say "$FLOCKER_HOOK given up"; fi
"""


def make(name, body, directory=hooks, mode=0o755):
    path = f"{directory}/{name}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\nsay() {{ echo \"$1\" >>{trace}; }}\n{body}\n")
    os.chmod(path, mode)
    return path


def steps():
    """What the hooks have done since it was asked last."""
    text = trace.read_text() if trace.exists() else ""
    trace.write_text("")
    return text.splitlines()


def volume(name, **given):
    """A volume with hooks by name: {"good": {"required": True}}."""
    host.create(name)
    host.write(name, "file", "contents")
    for hook, options in given.items():
        host.post("/v1/hooks", ref=name, name=hook, **options)
    steps()
    return name


def failing():
    """The branches whose hooks fail at present, and why."""
    return {row["object"]: row["message"] for row in host.get("/v1/status")["failing"] if row["what"] == "hook-failed"}


def snapshots(name):
    return len(host.log_of(name))


def hanging():
    """The process of the hook that is called so, the last one there was."""
    return int(pathlib.Path(f"{host.directory}/hanging").read_text())


for hook_name in ("a", "b", "c"):
    make(hook_name, GOOD)
make("bad", "say \"bad runs\"; echo 'cannot lock' >&2; echo failed it is broken")
make("hanging", f"echo $$ >{host.directory}/hanging; say \"hanging runs\"; exec sleep 600")


# --- what they are told ------------------------------------------------------------------


@test
def all_are_ready_before_the_snapshot_and_let_go_in_reverse():
    volume("order", b={}, a={}, c={})
    host.snapshot("order")
    equal(steps(), ["a ready", "b ready", "c ready", "c go", "b go", "a go"], "steps")
    equal(host.log_of("order")[0]["metadata"], {}, "metadata")


@test
def what_is_written_before_ready_is_in_the_snapshot_and_what_comes_after_is_not():
    make("writes", 'echo held >"$FLOCKER_PATH/state"; echo ready; read -r word\n'
                   'echo free >"$FLOCKER_PATH/state"; echo done')
    volume("moment", writes={})
    taken = host.snapshot("moment")
    equal(host.run("cat", f"{taken['ref']}:state"), "held\n", "in the snapshot")
    equal(host.run("cat", "moment:state"), "free\n", "now")


@test
def its_environment_says_what_it_is_about():
    make("tells", 'env | grep ^FLOCKER_ | sort >"$FLOCKER_SET_TO_FILE"; echo ready; read -r word; echo done')
    told = f"{host.directory}/told"
    volume("told", tells={"settings": {"to-file": told}, "timeout": 7})
    host.snapshot("told")
    equal(pathlib.Path(told).read_text().splitlines(),
          ["FLOCKER_BRANCH=told/trunk", "FLOCKER_EVENT=snapshot", "FLOCKER_HOOK=tells",
           f"FLOCKER_PATH={host.path('told')}", "FLOCKER_REASON=user", f"FLOCKER_SET_TO_FILE={told}",
           "FLOCKER_TIMEOUT=7"], "environment")
    host.rollback("told", "told@{latest}")
    true("FLOCKER_EVENT=rollback" in pathlib.Path(told).read_text(), "a rollback says so")


@test
def every_verb_that_takes_a_snapshot_goes_by_them():
    volume("verbs", a={})
    taken = host.snapshot("verbs")["ref"]
    one = ["a ready", "a go"]
    steps()
    for act in (lambda: host.branch("verbs/side"), lambda: host.tag("now@verbs"),
                lambda: host.create("copy", **{"from": "verbs"}), lambda: host.rollback("verbs", taken),
                lambda: host.post("/v1/stash/restore", ref="stash/1@verbs"),
                lambda: host.run("restore", f"{taken}:file")):
        act()
        equal(steps(), one, "steps")
    for act in (lambda: host.branch("verbs/past", **{"from": taken}), lambda: host.tag("then@verbs", target=taken),
                lambda: host.snapshot("verbs/side"), lambda: host.snapshot("copy")):
        act()
        equal(steps(), [], "from a snapshot, or on another branch, none runs")


@test
def several_branches_at_once():
    volume("one", a={})
    volume("two", b={})
    host.snapshot("one", "two")
    equal(steps(), ["a ready", "b ready", "b go", "a go"], "steps")


@test
def given_up_when_the_verb_fails():
    volume("taken", a={})
    host.snapshot("taken", name="first")
    steps()
    host.fails("exists", "snapshot", "taken", "--name", "first")
    equal(steps(), ["a ready", "a given up"] * 2, "steps")


# --- failures -------------------------------------------------------------------------------


@test
def a_hook_that_fails_marks_the_snapshot():
    volume("marked", a={}, bad={})
    ran = host.try_run("snapshot", "marked")
    equal(ran.status, 0, str(ran))
    true("may be inconsistent: hooks failed: bad" in ran.err, f"a warning:\n{ran}")
    equal(steps(), ["a ready", "bad runs", "a go"], "steps")
    equal(host.log_of("marked")[0]["metadata"], {"flocker.hooks": "failed: bad"}, "metadata")
    why = failing()["marked/trunk"]
    true("'bad'" in why and "it is broken" in why and "cannot lock" in why, f"why: {why}")
    true("'bad'" in host.run("status"), "flocker status names it")
    host.snapshot("marked")
    told = [e["message"] for e in host.get("/v1/events")["items"]
            if e["object"] == "marked/trunk" and e["kind"] == "hook-failed"]
    equal(told, [why], "the event comes once")
    host.run("hook", "unset", "marked", "bad")
    true("marked/trunk" not in failing(), "nothing fails without it")
    host.snapshot("marked")
    equal(host.log_of("marked")[0]["metadata"], {}, "metadata without the hook")


@test
def the_mark_outlives_the_catalogue():
    volume("lost", bad={})
    host.snapshot("lost")
    host.stop()
    for path in pathlib.Path(f"{host.root}/lib").glob("catalog.db*"):
        path.unlink()
    host.start()
    host.run("pool", "recover")
    equal(host.log_of("lost")[0]["metadata"], {"flocker.hooks": "failed: bad"}, "metadata")
    equal([(h["ref"], h["name"]) for h in host.items("/v1/hooks", ref="lost")], [("lost/trunk", "bad")],
          "the hooks are in the backup")


@test
def a_required_hook_that_fails_keeps_the_snapshot_from_being_taken():
    volume("strict", a={}, bad={"required": True}, c={})
    before = snapshots("strict")
    error = host.fails("system", "snapshot", "strict", says=["nothing was changed", "'bad'", "it is broken"],
                       hint="flocker hook unset strict/trunk bad")
    equal(error["object"], "strict/trunk", "object")
    equal(steps(), ["a ready", "bad runs", "a given up"] * 2, "steps")
    for arguments in (["tag", "x@strict"], ["branch", "strict/side"]):
        host.fails("system", *arguments, says="'bad'")
    equal(snapshots("strict"), before, "snapshots")
    volume("fine", a={})
    host.fails("system", "snapshot", "fine", "strict", says="'bad'")
    equal(snapshots("fine"), 0, "none of several is taken")


@test
def any_hook_that_fails_refuses_a_rollback():
    volume("back", bad={})
    taken = host.snapshot("back")["ref"]
    host.write("back", "file", "newer")
    host.fails("system", "rollback", "back", "--to", taken, says="'bad'", hint="hook unset back/trunk bad")
    equal(host.run("cat", "back:file"), "newer", "contents")
    host.run("hook", "unset", "back", "bad")
    host.run("rollback", "back", "--to", taken)


@test
def one_that_fails_after_the_snapshot_is_told_and_no_failure():
    make("after", "echo ready; read -r word; echo failed to let go")
    volume("late", after={"required": True})
    taken = host.snapshot("late")
    equal(taken["metadata"], {}, "metadata")
    true("late/trunk" in failing(), "it is told")
    make("after", GOOD)
    host.snapshot("late")
    true("late/trunk" not in failing(), "that it works again, too")


@test
def one_that_lets_go_too_early_counts_as_failed():
    # Its thread hears of the end while another hook is waited for, and has done so when there is no such process any more.
    early = f"{host.directory}/early"
    make("early", f"echo $$ >{early}; echo ready; exit 0")
    make("slow", f"while [ -e /proc/$(cat {early}) ]; do sleep 0.05; done; echo ready; read -r word; echo done")
    volume("tooearly", early={}, slow={})
    equal(host.snapshot("tooearly")["metadata"], {"flocker.hooks": "failed: early"}, "metadata")
    equal(host.log_of("tooearly")[0]["metadata"], {"flocker.hooks": "failed: early"}, "in the log")
    host.post("/v1/hooks", ref="tooearly", name="early", required=True)
    host.fails("system", "snapshot", "tooearly", says="'early'")


@test
def one_that_hangs_delays_by_its_timeout_and_nothing_else():
    volume("hung", hanging={"timeout": 600})
    volume("other")
    asked = threading.Thread(target=lambda: host.snapshot("hung"))
    asked.start()
    tap.wait_until(lambda: "hanging runs" in trace.read_text(), "the hook runs")
    host.snapshot("other")
    host.write("hung", "file", "the branch is not locked meanwhile")
    host.run("set", "hung", "-d", "nor is the volume")
    true(asked.is_alive(), "the hook still hangs")
    os.kill(hanging(), signal.SIGKILL)
    asked.join(timeout=120)
    equal(host.log_of("hung")[0]["metadata"], {"flocker.hooks": "failed: hanging"}, "metadata")
    host.post("/v1/hooks", ref="hung", name="hanging", timeout=2)
    equal(host.snapshot("hung")["metadata"], {"flocker.hooks": "failed: hanging"}, "metadata after its timeout")
    true("within 2 s" in failing()["hung/trunk"], f"why: {failing()}")
    true(not os.path.exists(f"/proc/{hanging()}"), "nothing of it is left")


@test
def a_hook_hears_when_the_daemon_dies():
    flag = f"{host.directory}/flag"
    make("flagged", f"touch {flag}; echo ready; read -r word || rm {flag}; echo done")
    volume("dies", flagged={"timeout": 600}, hanging={"timeout": 600})
    asked = threading.Thread(target=lambda: host.try_run("snapshot", "dies"))
    asked.start()
    tap.wait_until(lambda: "hanging runs" in trace.read_text(), "both run")
    true(os.path.exists(flag), "it holds")
    host.kill()
    tap.wait_until(lambda: not os.path.exists(flag), "it lets go")
    os.kill(hanging(), signal.SIGKILL)  # its time is not up
    asked.join(timeout=120)
    host.start()
    equal(snapshots("dies"), 0, "snapshots")


# --- which there are --------------------------------------------------------------------------


@test
def they_are_listed_and_changed():
    volume("listed")
    host.run("hook", "set", "listed", "a", "--set", "x=1", "--set", "y=two words", "--timeout", "1m", "--required")
    want = {"ref": "listed/trunk", "name": "a", "settings": {"x": "1", "y": "two words"}, "container": None, "timeout": 60,
            "required": True, "trouble": None}
    equal(host.json("hook", "list", "listed"), [want], "the hooks")
    true("x=1 y=two words" in host.run("hook", "list"), "for people")
    equal(host.json("hook", "set", "listed", "a"),
          {**want, "settings": {}, "timeout": 30, "required": False}, "set anew")
    host.branch("listed/side")
    equal(host.items("/v1/hooks", ref="listed/side"), [], "a new branch has none")
    host.restart()
    true("listed/trunk" in [hook["ref"] for hook in host.items("/v1/hooks")], "after a restart, among all")
    host.run("rename", "listed", "called")
    equal([hook["ref"] for hook in host.items("/v1/hooks", ref="called")], ["called/trunk"], "after a rename")
    host.run("hook", "unset", "called", "a")
    host.fails("not-found", "hook", "unset", "called", "a", says=["called/trunk", "'a'"], hint="flocker hook list called/trunk")
    host.fails("not-found", "hook", "list", "nothing")


@test
def those_of_a_destroyed_volume_go_with_it():
    volume("gone", a={})
    host.run("destroy", "gone")
    equal([hook for hook in host.items("/v1/hooks") if hook["ref"] == "gone/trunk"], [], "in the trash")
    host.run("trash", "restore", "gone")
    equal(len(host.items("/v1/hooks", ref="gone")), 1, "and back")
    host.run("destroy", "gone")
    host.run("trash", "empty", "gone")
    host.create("gone")
    equal(host.items("/v1/hooks", ref="gone"), [], "of a new one")


@test
def what_is_there_to_be_run():
    found = {hook["name"]: hook for hook in host.items("/v1/hooks/available")}
    true({"mysql", "postgresql", "a"} <= set(found), f"hooks: {sorted(found)}")
    true(found["mysql"]["shipped"] and not found["a"]["shipped"], "where they come from")
    true("functions.sh" not in found, "what is no program is no hook")
    make("mysql", GOOD)
    found = {hook["name"]: hook for hook in host.json("hook", "available")}
    equal((found["mysql"]["path"], found["mysql"]["shipped"]), (f"{hooks}/mysql", False), "the administrator's counts")
    os.unlink(f"{hooks}/mysql")


@test
def bad_input_is_refused():
    volume("input")
    host.fails("not-found", "hook", "set", "input", "nobody", says="'nobody'", hint="postgresql")
    host.fails("invalid", "hook", "set", "input", "../a", says="hook")
    host.fails("invalid", "hook", "set", "input", "a", "--set", "Big=1", says="'Big'")
    host.fails("invalid", "hook", "set", "input", "a", "--timeout", "0s", says="1s to 10m")
    host.fails("invalid", "hook", "set", "input", "a", "--timeout", "11m", says="1s to 10m")
    host.fails("invalid", "hook", "set", "input", "a", "--timeout", "soon", says="--timeout")
    host.fails("invalid", "hook", "set", "input@{latest}", "a")
    equal(host.items("/v1/hooks", ref="input"), [], "hooks")


@test
def what_others_could_have_written_is_not_run():
    volume("trust")
    path = make("loose", GOOD, mode=0o777)
    error = host.fails("denied", "hook", "set", "trust", "loose", says=["'loose' is not run", "0777"])
    true("chmod go-w" in error["hint"], "hint")
    os.chmod(path, 0o755)
    host.run("hook", "set", "trust", "loose", "--required")
    os.chown(path, 65534, -1)
    host.fails("system", "snapshot", "trust", says="belongs to the user 65534")
    true("belongs to the user" in host.items("/v1/hooks", ref="trust")[0]["trouble"], "it is listed with why")
    os.chown(path, 0, -1)
    os.chmod(hooks, 0o777)
    host.fails("system", "snapshot", "trust", says="others may write to")
    os.chmod(hooks, 0o755)
    os.unlink(path)
    host.fails("system", "snapshot", "trust", says="there is no hook 'loose'")
    os.symlink(f"{hooks}/a", path)
    host.fails("system", "snapshot", "trust", says="not a regular file")


# --- snapshots that are taken by themselves ------------------------------------------------------


@test
def by_itself_too_and_not_for_ever():
    with Host(watches=True) as watched:
        watched.pool()
        own = f"{watched.root}/etc/hooks"
        os.makedirs(own)
        log = pathlib.Path(f"{watched.directory}/log")
        # It writes to the branch before it is ready, as a checkpoint does: that must not be
        # a reason for one more snapshot.
        make("checkpoint", f'date +%N >"$FLOCKER_PATH/checkpoint"; echo "$FLOCKER_REASON" >>{log}\n'
                           'echo ready; read -r word; echo done', own)
        watched.create("auto")
        watched.post("/v1/hooks", ref="auto", name="checkpoint", required=True)
        watched.patch("/v1/policy", "auto", policy={"settle": "0s", "min-interval": "0s", "duty": "100%"})
        count = 0
        for text in ("one", "two"):
            watched.write("auto", "file", text)
            tap.wait_until(lambda: [s for s in watched.log_of("auto")
                                    if watched.try_run("cat", f"{s['ref']}:file").out == text],
                           f"{text} is saved")
            tap.wait_until(lambda: not watched.get("/v1/branch", ref="auto")["head_changed_since"],
                           "nothing is left to save")
            runs = len(log.read_text().splitlines())
            true(runs <= count + 3, f"the hook ran {runs} times")
            equal(set(log.read_text().split()), {"change"}, "reasons")
            count = runs
        # One that fails is tried again, and again until it does not.
        make("checkpoint", "echo failed for now", own)
        watched.write("auto", "file", "three")
        tap.wait_until(lambda: "for now" in (watched.get("/v1/branch", ref="auto")["snapshot_failure"] or ""),
                       "the failure shows")
        make("checkpoint", "echo ready; read -r word; echo done", own)
        tap.wait_until(lambda: not watched.get("/v1/branch", ref="auto")["snapshot_failure"], "it recovers")


@test
def one_that_hangs_does_not_stop_snapshots_by_themselves():
    with Host(watches=True) as watched:
        watched.pool()
        own = f"{watched.root}/etc/hooks"
        os.makedirs(own)
        make("hanging", "exec sleep 600", own)
        watched.create("auto")
        watched.post("/v1/hooks", ref="auto", name="hanging", timeout=1)
        for text in ("one", "two"):
            watched.write("auto", "file", text)
            tap.wait_until(lambda: [s for s in watched.log_of("auto")
                                    if watched.try_run("cat", f"{s['ref']}:file").out == text],
                           f"{text} is saved", 60)
        for taken in watched.log_of("auto"):
            equal(taken["metadata"], {"flocker.hooks": "failed: hanging"}, "metadata")


if __name__ == "__main__":
    tap.main()
