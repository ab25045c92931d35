#!/usr/bin/python3
"""Hooks that run inside of containers: what is told to them, and what becomes of them."""

import os
import threading

import engines
import tap
from flocker import LONG, Host
from tap import equal, test, tests_for, true, wait_until

places = {}


class Place:
    """A host that asks one engine; its branch `data` is bound by the container `app`, which runs."""

    def __init__(self, kind):
        self.engine = kind()
        self.engine.start()
        self.engine.busybox()
        self.host = Host()
        self.hooks = f"{self.host.root}/etc/hooks"
        os.makedirs(self.hooks)
        self.host.start()
        self.host.pool()
        self.host.create("data")
        self.host.run("config", "set", "docker.socket", self.engine.socket)
        self.host.restart()
        self.engine.start_container("app", "-v", f"{self.host.path('data')}:/data")

    def make(self, name, body, first="#!/bin/sh"):
        path = f"{self.hooks}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"{first}\n{body}\n")
        os.chmod(path, 0o755)

    def hook(self, name, **options):
        """The one hook of the branch."""
        for found in self.host.items("/v1/hooks", ref="data"):
            self.host.call("DELETE", "/v1/hooks", None, ref="data", name=found["name"])
        return self.host.post("/v1/hooks", ref="data", name=name,
                              **{"container": "app", "required": True, **options})

    def failure(self):
        ran = self.host.try_run("snapshot", "data")
        true(ran.status != 0, f"it is taken: {ran}")
        return ran.err

    def failing(self):
        return "\n".join(row["message"] for row in self.host.get("/v1/status")["failing"])

    def processes(self, word):
        return [line for line in self.engine.exec("app", "ps").splitlines() if word in line]

    def has(self, path):
        return self.engine.try_run("exec", "app", "test", "-e", path).status == 0


def place_of(kind):
    if kind not in places:
        places[kind] = Place(kind)
    return places[kind]


def each_engine(function):
    return tests_for(engines.ENGINES, lambda kind: kind.__name__)(function)


@each_engine
def it_is_told_there_what_it_is_about(kind):
    place = place_of(kind)
    host, engine = place.host, place.engine
    place.make("tells", 'env | grep ^FLOCKER_ | sort >/tmp/told; echo held >"$FLOCKER_PATH/state"; echo ready\n'
                        'read -r word; echo "$word" >"$FLOCKER_PATH/state"; echo done')
    place.hook("tells", settings={"some-key": "a 'value'; $x"})
    taken = host.snapshot("data")
    told = dict(line.split("=", 1) for line in engine.exec("app", "cat", "/tmp/told").splitlines())
    del told["FLOCKER_RUN"]
    equal(told, {"FLOCKER_BRANCH": "data/trunk", "FLOCKER_CONTAINER": "app", "FLOCKER_EVENT": "snapshot",
                 "FLOCKER_HOOK": "tells", "FLOCKER_PATH": "/data", "FLOCKER_REASON": "user",
                 "FLOCKER_SET_SOME_KEY": "a 'value'; $x", "FLOCKER_TIMEOUT": "30"}, "its environment")
    equal(host.run("cat", f"{taken['ref']}:state"), "held\n", "in the snapshot")
    equal(host.read("data", "state"), "go\n", "after it")
    equal(place.processes("FLOCKER"), [], "nothing is left of it")


@each_engine
def what_fails_there_is_told(kind):
    place = place_of(kind)
    host, engine = place.host, place.engine
    place.make("bad", "echo 'cannot lock' >&2; echo failed it is broken")
    place.make("status", "echo ready; read -r word; echo done; exit 3")
    place.make("chatty", "echo something else")
    place.make("silent", "exit 0")
    place.hook("bad")
    true("hook 'bad' failed: it is broken" in (said := place.failure()), said)
    place.hook("chatty")
    true("said 'something else' where 'ready' was expected" in (said := place.failure()), said)
    place.hook("silent")
    true("before it was ready" in (said := place.failure()), said)
    place.hook("status")
    host.snapshot("data")
    true("was done, but ended with a failure" in (said := place.failing()), said)
    engine.run("stop", "app")
    place.hook("bad")
    host.snapshot("data")  # what does not run holds still
    engine.run("start", "app")


@each_engine
def one_that_hangs_is_ended(kind):
    place = place_of(kind)
    host, engine = place.host, place.engine
    place.make("hangs", "trap '' TERM; sleep 4321 & sleep 4321; sleep 4321")
    place.hook("hangs", timeout=10)  # enough for the engine to start it
    true("was not ready within 10 s" in (said := place.failure()), said)
    # They were killed, which takes effect when the kernel gets to it.
    wait_until(lambda: place.processes("4321") == [], "nothing is left of it, nor of what it started")
    equal(len(place.processes("sleep 100000")), 2, "the container's own shell and its sleep")
    place.make("keeps", "echo ready; read -r word; sleep 4321")
    place.hook("keeps", timeout=10)
    host.snapshot("data")
    true("was not done within 10 s" in (said := place.failing()), said)
    wait_until(lambda: place.processes("4321") == [], "nothing is left of it")


@each_engine
def the_one_container_that_uses_the_branch_is_found(kind):
    place = place_of(kind)
    host, engine = place.host, place.engine
    place.make("where", 'echo "$FLOCKER_CONTAINER $FLOCKER_PATH" >/tmp/where; echo ready; read -r word; echo done')
    place.hook("where", container="*")
    host.snapshot("data")
    equal(engine.exec("app", "cat", "/tmp/where"), "app /data", "where it ran")
    engine.start_container("second", "-v", f"{host.root}/mnt/.heads:/all", "-v",
                           f"{os.path.realpath(host.path('data'))}:/second")
    true("is used by several containers: app and second" in (said := place.failure()), said)
    place.hook("where", container="second")
    host.snapshot("data")
    equal(engine.exec("second", "cat", "/tmp/where"), "second /second", "where it ran")
    engine.run("stop", "second")
    place.hook("where", container="*")
    host.snapshot("data")
    engine.run("rm", "second")
    host.branch("data/lonely")
    host.post("/v1/hooks", ref="data/lonely", name="where", container="*", required=True)
    true("no container uses data/lonely" in host.try_run("snapshot", "data/lonely").err, "nobody uses it")
    place.hook("where", container="nonesuch")
    true("nonesuch" in (said := place.failure()), said)
    engine.start_container("aside")
    place.hook("where", container="aside")
    host.snapshot("data")
    equal(engine.exec("aside", "cat", "/tmp/where"), "aside ", "one that does not use the branch has no path")
    engine.run("rm", "-f", "aside")


@each_engine
def the_daemon_may_die_under_it(kind):
    place = place_of(kind)
    host, engine = place.host, place.engine
    place.make("waits", "touch /tmp/ready; echo ready; read -r word || touch /tmp/given-up")
    place.make("zblocks", "touch /tmp/blocks; sleep 600")
    place.hook("waits", timeout=600)
    host.post("/v1/hooks", ref="data", name="zblocks", container="app", required=True, timeout=600)
    engine.exec("app", "rm", "-f", "/tmp/ready", "/tmp/blocks", "/tmp/given-up")
    thread = threading.Thread(target=lambda: host.try_run("snapshot", "data"))
    thread.start()
    wait_until(lambda: place.has("/tmp/blocks"), "both have begun")
    host.kill()
    thread.join()
    wait_until(lambda: place.has("/tmp/given-up"), "it sees the end of its input")
    host.start()


@each_engine
def a_rollback_passes_over_those_that_do_not_run(kind):
    place = place_of(kind)
    host, engine = place.host, place.engine
    place.make("refuses", 'if [ "$FLOCKER_EVENT" = rollback ]; then echo failed it runs; exit; fi\n'
                          'echo ready; read -r word; echo done')
    place.hook("refuses")
    taken = host.snapshot("data")
    engine.run("stop", "app")
    host.write("data", "state", "new")
    host.rollback("data", taken["ref"])
    equal(host.log_of("data")[0]["id"], taken["id"], "rolled back")
    engine.run("start", "app")


@each_engine
def a_database_is_saved_in_its_container(kind):
    """By the hook that comes with Flocker; nothing of ours is in the image."""
    if kind is engines.Podman and not LONG:
        raise tap.Skip("with --long")
    place = place_of(kind)
    host, engine = place.host, place.engine
    engine.postgres()
    host.create("shop")
    engine.start_postgres("db", "-v", f"{host.path('shop')}:/data")
    host.run("hook", "set", "shop", "postgresql", "--container", "*", "--required", "--timeout", "10m")
    (listed,) = host.json("hook", "list", "shop")
    equal((listed["container"], listed["trouble"]), ("*", None), "as it is listed")
    engine.sql("db", "CREATE TABLE t AS SELECT generate_series(1, 1000) AS n")
    before = checkpoint(engine)
    taken = host.snapshot("shop")
    true(checkpoint(engine) != before, "a checkpoint: the server was asked, as the user that it lets in")
    engine.sql("db", "DELETE FROM t")
    engine.run("stop", "db")
    host.rollback("shop", taken["ref"])
    engine.run("start", "db")
    engine.await_postgres("db")
    equal(engine.sql("db", "SELECT count(*) FROM t"), "1000", "all rows are back")


def checkpoint(engine):
    return engine.sql("db", "SELECT checkpoint_lsn FROM pg_control_checkpoint()")


@test
def what_can_t_run_there_is_refused():
    place = place_of(engines.Podman)
    host = place.host
    place.make("binary", "", first="#!/usr/bin/python3")
    host.fails("unsupported", "hook", "set", "data", "binary", "--container", "app", says="#!/bin/sh", hint="/bin/sh")
    host.fails("invalid", "hook", "set", "data", "tells", "--container", "../x", says="no name of a container")
    host.fails("invalid", "hook", "set", "data", "tells", "--container", "", says="no name of a container")
    host.run("config", "set", "docker.socket", f"{host.directory}/nonesuch")
    host.restart()
    host.run("hook", "set", "data", "tells", "--container", "*", "--required")
    true("no container engine at" in (said := place.failure()), said)
    host.run("config", "set", "docker.socket", "")
    host.restart()
    host.fails("unsupported", "hook", "set", "data", "tells", "--container", "app", says="no container engine",
               hint="docker.socket")
    true("no container engine is configured" in place.failure(), "and those that there are fail")
    for found in host.items("/v1/hooks"):
        host.call("DELETE", "/v1/hooks", None, ref=found["ref"], name=found["name"])
    host.run("snapshot", "data")


if __name__ == "__main__":
    tap.main()
