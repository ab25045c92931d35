#!/usr/bin/python3
"""No room: in the pool, below a sparse pool, for the catalogue; few descriptors, little memory."""

import errno
import os
import socket
import subprocess

import tap
from flocker import DAEMON, Failure, Host, MIB, fill, unchanged
from tap import equal, note, test, true


def attempt(function):
    """A verb where there is no room: it works, or says so."""
    try:
        return function()
    except Failure as failure:
        equal(failure.code, "no-space", str(failure))
        return None


@test
def a_full_pool_reads_and_deletes_go_on():
    with Host() as host:
        host.pool(size=160 * MIB)
        host.create("data")
        host.write("data", "precious", "here since the beginning")
        host.snapshot("data", name="early")
        fill(f"{host.path('data')}/filler")
        host.snapshot("data", name="full") if attempt(lambda: host.snapshot("data", name="probe")) else None
        for verb in (lambda: host.branch("data/new"), lambda: host.create("more"),
                     lambda: host.tag("t@data", target="data@{early}"),
                     lambda: host.patch("/v1/volume", "data", description="d" * 500),
                     lambda: host.rollback("data", "data@{early}")):
            attempt(verb)
        equal(host.get("/v1/snapshot", ref="data@{early}")["name"], "early", "reads")
        path = host.post("/v1/mounts", ref="data@{early}")["path"]
        with open(f"{path}/precious", encoding="utf-8") as file:
            equal(file.read(), "here since the beginning", "contents")
        host.delete("/v1/mounts", ref="data@{early}")
        host.restart()
        equal(host.get("/v1/volume", ref="data")["name"], "data", "after a restart of a full pool")
        # Deletions are done although nothing can be written.
        for branch in host.items("/v1/branches"):
            if branch["name"] != "trunk":
                host.delete("/v1/branch", ref=branch["ref"])
        for stash in host.items("/v1/stashes", ref="data"):
            tap.wait_until(lambda s=stash: not host.get("/v1/stash", ref=s["ref"])["held"], "let go")
            host.delete("/v1/stash", ref=stash["ref"])
        for volume in host.items("/v1/volumes"):
            if volume["name"] == "more":
                host.delete("/v1/volume", ref="more")
        host.post("/v1/trash/empty")
        filler = f"{host.path('data')}/filler"
        if os.path.exists(filler):
            os.unlink(filler)
        host.snapshot("data", name="small")  # so that the tip is none of those that go
        for snapshot in host.items("/v1/snapshots", ref="data") + [
                {"ref": f"data@{{{n}}}"} for n in ("full", "probe")]:
            if snapshot.get("name") in ("early", "small"):
                continue
            try:
                host.delete("/v1/snapshot", ref=snapshot["ref"])
            except Failure as failure:
                equal(failure.code, "not-found", str(failure))
        tap.wait_until(lambda: host.get("/v1/pool")["free"] > 40 * MIB, "the space comes back", 240)
        host.write("data", "after", "x" * MIB)
        host.snapshot("data", name="again")


@test
def an_import_that_fills_the_pool_leaves_nothing():
    with Host() as host:
        host.pool(size=160 * MIB)
        host.create("data")
        host.write("data", "precious", "here since the beginning")
        host.snapshot("data", name="early")
        host.snapshot("data", name="later")
        source = f"{host.directory}/source"
        os.mkdir(source)
        for number in range(200):
            with open(f"{source}/{number}", "wb") as file:
                file.write(os.urandom(MIB))
        subprocess.run(["tar", "-C", source, "-cf", f"{source}.tar", "."], check=True)
        for words in (("import", "new", f"{source}.tar"), ("import", "data/new", f"{source}.tar"),
                      ("create", "new", "--from-directory", source)):
            unchanged(host, lambda w=words: host.fails("no-space", *w, says=("No space left",), hint="pool grow"))
            equal(host.items("/v1/operations")[0]["error"]["code"], "no-space", "its record")
        with open(host.log, encoding="utf-8") as log:
            true("half-made tree stays" not in log.read(), "no tree stays")
        host.delete("/v1/snapshot", ref="data@{early}")  # at once, however full it still is
        tap.wait_until(lambda: host.get("/v1/pool")["free"] > 40 * MIB, "the space comes back", 240)
        fill(f"{host.path('data')}/filler")
        host.fails("no-space", "import", "new", f"{source}.tar", hint="pool grow")
        os.unlink(f"{host.path('data')}/filler")
        host.delete("/v1/volume", ref="data")
        host.post("/v1/trash/empty")
        host.restart()
        equal(host.items("/v1/volumes"), [], "volumes")
        tap.wait_until(lambda: host.get("/v1/pool")["free"] > 40 * MIB, "the space comes back", 240)


@test
def a_pool_that_is_full_says_how_to_go_on():
    with Host() as host:
        host.pool(size=160 * MIB)
        host.create("data")
        fill(f"{host.path('data')}/filler")
        pool = host.get("/v1/pool")
        true(pool["free"] < 16 * MIB, f"it is full: {pool}")
        host.run("pool", "grow", "256M")
        host.run("snapshot", "data")
        host.write("data", "more", "x" * MIB)


def host_on_tmpfs(size):
    """A host whose state directory has a file system of its own."""
    host = Host()
    os.makedirs(f"{host.root}/lib")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=700,size={size}", "tmpfs", f"{host.root}/lib"], check=True)
    host.start()
    return host


@test
def a_full_file_system_of_the_catalogue():
    host = host_on_tmpfs("12m")
    host.pool()
    host.create("data")
    host.write("data", "a", "x")
    host.snapshot("data", name="early")
    host.snapshot("data", name="spare")
    fill(f"{host.root}/lib/filler")
    outcomes = []
    while outcomes.count(None) < 50 and len(outcomes) < 600:
        outcomes.append(attempt(lambda: host.snapshot("data", name=f"full{len(outcomes)}", message="m" * 1000)))
    true(None in outcomes, "the catalogue's file system never was full")
    note(f"{len(outcomes) - outcomes.count(None)} were taken")
    equal(host.get("/v1/snapshot", ref="data@{early}")["name"], "early", "reads")
    equal(len(host.log_of("data")), 2 + sum(1 for o in outcomes if o), "log: what was acknowledged")
    before = host.state()
    attempt(lambda: host.create("more"))
    attempt(lambda: host.branch("data/new"))
    attempt(lambda: host.rollback("data", "data@{early}"))
    after = host.state()
    # Each is done whole or not at all.
    true(len(after["volumes"]) == len({b["volume"] for b in after["branches"]}), f"{before} {after}")
    host.kill()
    os.unlink(f"{host.root}/lib/filler")
    host.start()
    equal(host.get("/v1/health")["status"], "ok", "health")
    state = host.state()
    true(state == after, "something that was not acknowledged appeared, or the reverse")
    host.snapshot("data", name="afterwards")
    host.remove()


@test
def deletions_are_recorded_on_a_full_file_system_of_the_catalogue():
    host = host_on_tmpfs("12m")
    host.pool()
    host.create("data")
    for name in ("a", "b", "c"):
        host.snapshot("data", name=name)
    fill(f"{host.root}/lib/filler")
    host.delete("/v1/snapshot", ref="data@{b}")
    equal([s["name"] for s in host.log_of("data")], ["c", "a"], "log")
    host.kill()
    host.start()
    equal([s["name"] for s in host.log_of("data")], ["c", "a"], "log after a kill")
    host.remove()


@test
def a_host_that_fills_up_under_a_sparse_pool_stops_writers_before_loss():
    with Host() as host:
        # The daemon wants room for all that the machine has not written yet, other tests' files too: there is more.
        below = f"{host.directory}/below"
        os.mkdir(below)
        with open(f"{below}.img", "wb") as file:
            file.truncate(64 << 30)
        subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", "-m", "0", "-N", "1000", f"{below}.img"], check=True)
        subprocess.run(["mount", "-o", "loop", f"{below}.img", below], check=True)
        host.run("pool", "create", "--file", f"{below}/pool", "--size", "4G", "--sparse")
        host.create("data")
        host.write("data", "a", "precious")
        host.snapshot("data", name="early")
        with open(f"{below}/other", "wb") as file:  # somebody else takes the room
            free = os.statvfs(below).f_bavail * 4096
            os.posix_fallocate(file.fileno(), 0, free - 64 * MIB)
        tap.wait_until(lambda: host.get("/v1/health")["status"] == "degraded", "it is noticed", 180)
        health = host.get("/v1/health")
        true(health["hint"], f"it says what to do: {health}")
        try:
            with open(f"{host.path('data')}/more", "wb") as file:
                file.write(b"x")
                os.fsync(file.fileno())
            raise AssertionError("a writer was not stopped")
        except OSError as error:
            equal(error.errno, errno.EROFS, "errno")
        equal(host.read("data", "a"), "precious", "reads go on")
        os.unlink(f"{below}/other")
        tap.wait_until(lambda: host.get("/v1/health")["status"] == "ok", "it goes on", 180)
        host.write("data", "more", "again")
        host.snapshot("data")
        host.stop()


def limited(**limits):
    """A host whose daemon runs under resource limits."""
    host = Host()
    host.start()
    host.pool()
    host.create("data")
    host.stop()
    words = [f"--{name}={value}" for name, value in limits.items()]
    with open(host.log, "ab") as log:
        host.daemon = subprocess.Popen(["prlimit", *words, DAEMON, "--root", host.root, *host.options], stdout=log,
                                       stderr=log, stdin=subprocess.DEVNULL)
    import cleanup
    cleanup.record(f"{host.directory}/daemons", host.daemon.pid)
    return host


@test
def too_few_descriptors_are_refused_at_the_start():
    host = limited(nofile=63)
    equal(host.daemon.wait(timeout=60), 1, "exit status")
    log = host.tail()
    for word in ("63 open files are allowed, and 64 are needed", "hint: raise it", "LimitNOFILE="):
        true(word in log, f"{word!r} is said:\n{log}")
    host.start()
    equal(host.get("/v1/health")["status"], "ok", "health without the limit")
    host.remove()


@test
def few_descriptors_give_typed_errors():
    host = limited(nofile=64)
    tap.wait_until(lambda: host.dead() or host.ready(), "flockerd answers")
    true(not host.dead(), f"it starts:\n{host.tail()}")
    held = [socket.socket(socket.AF_UNIX) for _ in range(36)]
    for client in held:  # they say nothing, and each that is accepted takes a descriptor
        client.connect(host.socket)
    tap.wait_until(lambda: "Too many open files" in host.tail(), "descriptors are used up")
    for client in held[:9]:
        client.close()
    refused = 0
    for _ in range(20):
        try:
            host.snapshot("data")
            host.items("/v1/volumes")
        except Failure as failure:
            refused += 1
            true(failure.code in ("system", "busy"), str(failure))
    note(f"{refused} of 20 refused")
    for client in held[9:]:
        client.close()
    true(not host.dead(), "it goes on")
    host.snapshot("data")
    host.kill()
    host.start()
    equal(host.get("/v1/health")["status"], "ok", "health without the limit")
    host.remove()


if __name__ == "__main__":
    tap.main()
