#!/usr/bin/python3
"""Catalogues and backups that an older program wrote; and programs that are killed in between."""

import glob
import os
import pathlib
import shutil
import subprocess

import cleanup
import tap
from flocker import DAEMON, Host, recoverable, same
from tap import equal, test, true
from versions import first_backup, make_first, with_version

host = Host()
host.start()
host.pool()
LIB = f"{host.root}/lib"
CATALOG = f"{LIB}/catalog.db"
OLD = f"{host.directory}/old"  # the state directory as the first version left it


def furnish():
    host.create("app", description="the application", mount_path="/srv/app", metadata={"team": "blue"})
    host.write("app", "a", "one")
    host.snapshot("app", name="one", message="the first", metadata={"ticket": "17"})
    host.snapshot("app")
    host.tag("v1@app", target="app@{one}")
    host.branch("app/side", **{"from": "app@{one}"})
    host.write("app/side", "a", "side")
    host.write("app", "a", "two")
    host.rollback("app", "app@{one}")
    host.create("copy", **{"from": "v1@app"})
    host.create("trashed", description="in the trash")
    host.snapshot("trashed", name="t")
    host.delete("/v1/volume", ref="trashed")


def old_again():
    """The stopped host as the first version left it."""
    shutil.rmtree(LIB)
    shutil.copytree(OLD, LIB)


def backup(change):
    """Rewrites the backup in the pool of the stopped host."""
    point = f"{host.directory}/changed"
    os.makedirs(point, exist_ok=True)
    tap.wait_until(lambda: not cleanup.loops_under(host.directory), "the daemon's loop device is gone")
    subprocess.run(["mount", "-o", "loop", f"{host.directory}/pool.img", point], check=True)
    try:
        path = pathlib.Path(f"{point}/catalog.backup")
        path.write_bytes(change(path.read_bytes()))
    finally:
        subprocess.run(["umount", point], check=True)
        tap.wait_until(lambda: not cleanup.loops_under(host.directory), "the loop device is gone")


furnish()
host.restart()
truth = host.state()
host.stop()
make_first(CATALOG)
for extra in glob.glob(f"{CATALOG}-*") + glob.glob(f"{LIB}/*before*"):
    os.unlink(extra)
shutil.copytree(LIB, OLD)


def killed_at(call, number):
    """The old catalogue, and a start that is killed at its n-th such call; was it?"""
    old_again()
    with open(host.log, "ab") as log:
        host.daemon = subprocess.Popen(
            ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
             "-e", f"inject={call}:signal=SIGKILL:when={number}", DAEMON, "--root", host.root, *host.options],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    cleanup.record(f"{host.directory}/daemons", host.daemon.pid)
    tap.wait_until(lambda: host.dead() or host.ready(), "flockerd answers or dies")
    died = host.dead()
    if not died:
        host.kill()
    return died


@test
def killed_in_a_migration_it_is_old_or_new():
    for call in ("pwrite64", "fdatasync"):
        died = 0
        for number in range(1, 200):
            if not killed_at(call, number):
                break
            died += 1
            host.start()
            equal(host.get("/v1/health")["status"], "ok", f"health after {call} {number}")
            same(truth, host.state(), f"{call} {number}")
            host.stop()
        true(died > 0, f"never killed at {call}")
        tap.note(f"killed {died} times at {call}")


@test
def a_catalogue_of_the_first_version_is_migrated():
    old_again()
    host.start()
    equal(host.get("/v1/health")["status"], "ok", "health")
    same(truth, host.state(), "all that it held")
    equal(host.items("/v1/operations"), [], "operations")
    equal(host.get("/v1/volume", ref="app")["quota"], None, "quota")
    equal(host.get("/v1/branch", ref="app")["policy"], {}, "policy")
    equal(host.json("thin", "app", "--dry-run"), [], "what would go")
    host.stop()


@test
def the_copy_from_before_is_the_old_one():
    copy = f"{CATALOG}.before-1"
    true(os.path.exists(copy), "it is there")
    for path in glob.glob(f"{CATALOG}*"):
        if path != copy:
            os.unlink(path)
    os.rename(copy, CATALOG)
    host.start()
    same(truth, host.state(), "the copy, migrated again")
    host.stop()


@test
def a_backup_of_the_first_version_recovers():
    backup(first_backup)
    for path in glob.glob(f"{CATALOG}*"):
        os.unlink(path)
    host.start()
    found = host.json("pool", "recover")
    true(found["backup_used"] and found["backup_complete"], f"the backup was used: {found}")
    same(recoverable(truth), recoverable(host.state()), "all that it held")
    host.run("policy", "set", "app", "max-count=9")
    host.stop()


@test
def a_backup_of_a_newer_version_is_refused():
    backup(lambda data: with_version(data, 99))
    for path in glob.glob(f"{CATALOG}*"):
        os.unlink(path)
    host.start()
    host.fails("unsupported", "pool", "recover", says=("version 99", "this program knows"), hint=True)
    host.stop()


if __name__ == "__main__":
    tap.main()
