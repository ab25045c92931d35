#!/usr/bin/python3
"""The configuration: by the command, by the API, in the file, and when the file is not good."""

import datetime
import os
import pathlib
import random
import socket
import stat
import subprocess
import threading
import time

import tap
from flocker import CODES, Failure, Gone, Host, as_stranger
from tap import equal, test, tests_for, true

HAND_WRITTEN = """\
# Written by hand.
; This too.

[trash]
# a week and a bit
keep   =  8d

[log]
level = warning"""

host = Host(watches=True)
host.start()


def place(of=host):
    return pathlib.Path(f"{of.root}/etc/flocker.ini")


def write(text, of=host):
    place(of).parent.mkdir(parents=True, exist_ok=True)
    place(of).write_text(text, encoding="utf-8")
    place(of).chmod(0o600)


def setting(key, of=host):
    return of.get("/v1/setting", key=key)


def change(key, value, of=host):
    return of.call("PATCH", "/v1/setting", {"value": value}, key=key)


def unset(key, of=host):
    return of.call("DELETE", "/v1/setting", None, key=key)


def keys(of=host):
    return [item["key"] for item in of.items("/v1/config")]


def refused_start(of, status, *words):
    """The daemon must end at once, with this status and these words; nothing half-started stays."""
    pathlib.Path(of.log).unlink(missing_ok=True)
    found = of.spawn().wait(timeout=60)
    said = of.tail(1000)
    equal(found, status, f"exit status; it said:\n{said}")
    for word in words:
        true(word in said, f"{word!r} is not in\n{said}")
    true(not os.path.exists(of.socket), "a socket was left")
    true(not os.path.exists(f"{of.root}/lib/catalog.db"), "a catalogue was made")


@test
def without_a_file_all_is_default():
    true(not place().exists(), "there is a file already")
    for item in host.items("/v1/config"):
        equal((item["value"], item["set"], item["pending"], item["override"]),
              (item["default"], False, False, None), item["key"])
    equal(setting("trash.keep")["value"], "7d", "trash.keep")
    equal(setting("instance.name")["value"], host.get("/v1/version")["instance"]["name"], "name")


@test
def the_command_sets_gets_lists_and_unsets():
    equal(host.run("config", "set", "trash.keep", "30d"), "", "output")
    equal(host.run("config", "get", "trash.keep"), "30d\n", "value")
    equal(host.json("config", "get", "trash.keep"), setting("trash.keep"), "--json")
    rows = {line.split()[0]: line.split()[1:3]
            for line in host.run("config", "list").splitlines()}
    equal(list(rows), keys(), "keys of the list")
    equal(rows["trash.keep"], ["30d", "7d"], "value and default")
    equal(place().read_text(), "[trash]\nkeep = 30d\n", "the file")
    equal(stat.S_IMODE(place().stat().st_mode), 0o600, "its mode")
    host.restart()
    equal(setting("trash.keep")["value"], "30d", "after a restart")
    true(setting("trash.keep")["set"], "it is set")
    equal(host.run("config", "unset", "trash.keep"), "", "output")
    equal((setting("trash.keep")["value"], setting("trash.keep")["set"]), ("7d", False), "unset")
    host.run("config", "unset", "trash.keep")


@test
def what_the_daemon_believes_and_runs_is_set_by_root_alone():
    before = host.items("/v1/config")
    for key in ("docker.socket", "docker.plugin", "system.runtime"):
        for command in (("set", key, "/tmp/mine"), ("unset", key)):
            ran = as_stranger(host, "config", *command)
            true(ran.returncode == CODES["denied"][1] and f"{key} can be set by root alone" in ran.stderr, ran.stderr)
    equal(host.items("/v1/config"), before, "the settings")
    equal(as_stranger(host, "config", "set", "trash.keep", "31d").returncode, 0, "others can be set by all who are let in")
    host.run("config", "unset", "trash.keep")


@test
def comments_blank_lines_and_order_survive():
    host.stop()
    write(HAND_WRITTEN)
    host.start()
    equal(setting("trash.keep")["value"], "8d", "as written by hand")
    change("trash.keep", "9d")
    equal(place().read_text(), HAND_WRITTEN.replace("8d", "9d"), "after a change")
    change("http.timeout", "20s")
    unset("log.level")
    equal(place().read_text(), HAND_WRITTEN.replace("8d", "9d").replace("level = warning", "")
          + "\n[http]\ntimeout = 20s\n", "after one more and one less")
    for key in keys():
        unset(key)


@test
def what_is_written_by_hand_meanwhile_is_kept():
    write("[trash]\nkeep = 11d\n")
    equal(setting("trash.keep")["value"], "7d", "not yet")
    change("log.level", "info")
    equal(setting("trash.keep")["value"], "11d", "with the next set")
    true("setting changed by hand key=trash.keep" in host.tail(), "the log names it")
    write("[trash]\nkeep = 11d\nkepp = 3\n")
    error = host.fails("invalid", "config", "set", "log.level", "debug",
                       says=("flocker.ini", "line 3", "trash.kepp"), hint="trash.keep")
    true(str(place()) in error["message"], "the path")
    equal(setting("log.level")["value"], "info", "nothing changed")
    place().unlink()
    unset("log.level")
    equal(setting("trash.keep")["set"], False, "the file is gone")


@test
def the_log_level_counts_at_once():
    def debug_lines():
        return host.tail(10000).count(" debug request ")
    before = debug_lines()
    host.get("/v1/version")
    equal(debug_lines(), before, "lines at level info")
    change("log.level", "debug")
    host.get("/v1/version")
    tap.wait_until(lambda: debug_lines() > before, "requests are logged")
    unset("log.level")
    before = debug_lines()
    host.get("/v1/version")
    equal(debug_lines(), before, "lines at level info again")


def day_of(item):
    """On which it goes."""
    return datetime.date.fromisoformat(item["expires"][:10])


@test
def the_trash_keeps_as_long_as_is_set():
    host.pool()
    host.create("data")
    before = day_of(host.call("DELETE", "/v1/volume", None, ref="data"))
    change("trash.keep", "3650d")
    item, = host.items("/v1/trash")
    equal((day_of(item) - before).days, 3650 - 7, "days more")
    change("trash.keep", "0s")
    tap.wait_until(lambda: not host.items("/v1/trash"), "the trash is emptied at once")
    host.create("more")
    host.call("DELETE", "/v1/volume", None, ref="more")
    tap.wait_until(lambda: not host.items("/v1/trash"), "what comes in goes at once")
    unset("trash.keep")
    host.create("kept")
    host.call("DELETE", "/v1/volume", None, ref="kept")
    equal(len(host.items("/v1/trash")), 1, "items")


@test
def what_needs_a_restart_says_so():
    ran = host.try_run("config", "set", "instance.name", "alpha")
    equal((ran.status, ran.out), (0, ""), str(ran))
    true("restart" in ran.err, str(ran))
    true(setting("instance.name")["pending"], "pending")
    true("restart" in host.run("config", "list"), "the list says so too")
    true(host.get("/v1/version")["instance"]["name"] != "alpha", "not yet")
    host.restart()
    equal(host.get("/v1/version")["instance"]["name"], "alpha", "name")
    true(not setting("instance.name")["pending"], "pending")
    ran = host.try_run("config", "set", "instance.name", "alpha")
    equal(ran.err, "", "nothing is to be said of no change")
    unset("instance.name")
    true(setting("instance.name")["pending"], "the default is pending")
    host.restart()


@test
def the_command_line_is_stronger():
    change("instance.name", "alpha")
    host.stop()
    host.start("--name", "beta", "--log-level", "error")
    equal(host.get("/v1/version")["instance"]["name"], "beta", "name")
    item = setting("instance.name")
    equal((item["value"], item["override"], item["pending"]), ("alpha", "beta", False), "setting")
    ran = host.try_run("config", "set", "log.level", "debug")
    equal(ran.status, 0, str(ran))
    true("command line says error" in ran.err, str(ran))
    for key in ("log.level", "instance.name"):
        unset(key)
    host.restart()


@test
def connections_and_timeout_are_those_of_the_file():
    host.stop()
    write("[http]\nconnections = 2\ntimeout = 1s\n")
    host.start()
    began = time.monotonic()
    silent = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(2)]
    for connection in silent:
        connection.connect(host.socket)
        connection.settimeout(60)
    true(host.get("/v1/version"), "a third client waits, and is answered")
    for connection in silent:
        equal(connection.recv(1), b"", "a silent connection is closed")
        connection.close()
    true(time.monotonic() - began < 30, "the default would be 30 s")
    equal((setting("http.connections")["value"], setting("http.timeout")["value"]), ("2", "1s"),
          "values")
    host.stop()
    place().unlink()
    host.start()


@tests_for([
    ("trash.keep", "soon"), ("trash.keep", "3651d"), ("trash.keep", ""), ("trash.keep", "7"),
    ("log.level", "loud"), ("log.level", "INFO"), ("http.connections", "0"), ("http.connections", "1"),
    ("http.connections", "4097"), ("http.connections", "-1"), ("http.connections", "1 "),
    ("http.timeout", "0s"), ("instance.name", "a b"), ("instance.name", "x" * 64),
    ("instance.name", "a\nb"),
])
def a_wrong_value_is_refused(pair):
    key, value = pair
    before = setting(key), place().exists()
    host.fails("invalid", "config", "set", key, value)
    equal((setting(key), place().exists()), before, "nothing changed")


@test
def a_directory_that_was_replaced_is_not_written():
    etc = place().parent
    moved = etc.with_name("moved")
    before = setting("trash.keep")
    etc.rename(moved)
    etc.mkdir()
    try:
        host.fails("system", "config", "set", "trash.keep", "3d", says=("moved or replaced", str(etc)), hint="restart")
        equal((setting("trash.keep"), list(etc.iterdir())), (before, []), "nothing changed")
    finally:
        etc.rmdir()
        moved.rename(etc)
    host.run("config", "set", "trash.keep", "3d")
    host.run("config", "unset", "trash.keep")


@test
def an_unknown_setting_is_not_found():
    for arguments in (("get", "trash.kep"), ("set", "trash.kep", "1d"), ("unset", "trash.kep")):
        host.fails("not-found", "config", *arguments, says="trash.kep", hint="flocker config list")
    true("'trash.keep'" in host.fails("not-found", "config", "get", "trash.kep")["hint"], "nearest")


@tests_for([
    ("[trash]\nkeep = 7d\nkepp = 1d\n", "line 3", "trash.kepp", "'trash.keep'"),
    ("[trash]\nkeep = soon\n", "line 2", "soon"),
    ("[log]\n[trsh]\n", "line 2", "[trsh]", "[trash]"),
    ("[tr]\n", "line 1", "[tr]"),
    ("\n\nkeep = 7d\n", "line 3", "before any [SECTION]"),
    ("[trash\n", "line 1", "']'"),
    ("[trash]\nkeep = 1d\nkeep = 2d\n", "line 3", "line 2"),
    ("[trash]\n[log]\n[trash]\n", "line 3", "line 1"),
    ("[log]\nlevel\n", "line 2", "KEY = VALUE"),
    ("[log]\nlevel = in\0fo\n", "line 2", "control character"),
    ("#" * 70000, "larger than 65536"),
], name=lambda case: repr(case[0][:30]))
def a_broken_file_ends_the_start(case):
    other = Host(watches=True)
    write(case[0], other)
    refused_start(other, 2, f"{other.root}/etc/flocker.ini", "hint:" if "line" in case[1] else "",
                  *case[1:])
    equal(place(other).read_text(), case[0], "the file")
    place(other).unlink()
    other.start()
    other.remove()


@test
def a_file_that_others_may_write_is_refused():
    other = Host(watches=True)
    write("[trash]\nkeep = 1d\n", other)
    place(other).chmod(0o620)
    refused_start(other, CODES["denied"][1], "mode 620", "chmod 600")
    place(other).chmod(0o600)
    os.chown(place(other), 12345, -1)
    refused_start(other, CODES["denied"][1], "user 12345")
    os.chown(place(other), 0, -1)
    place(other).chmod(0o644)
    other.start()
    equal(stat.S_IMODE(place(other).stat().st_mode), 0o600, "a readable file is made private")
    equal(setting("trash.keep", other)["value"], "1d", "and read")
    other.remove()


@test
def what_is_no_file_is_refused():
    other = Host(watches=True)
    place(other).parent.mkdir()
    place(other).mkdir()
    refused_start(other, 1, "flocker.ini", "no regular file")
    place(other).rmdir()
    os.mkfifo(place(other), 0o600)
    refused_start(other, 1, "flocker.ini", "no regular file")
    place(other).unlink()
    place(other).symlink_to("/etc/passwd")
    refused_start(other, 1, "flocker.ini", "symbolic link")
    other.remove()


def on_tmpfs():
    """A host whose configuration directory is a small file system of its own."""
    other = Host(watches=True)
    place(other).parent.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place(other).parent],
                   check=True)
    other.start()
    change("trash.keep", "9d", other)
    return other


def cannot_set(other, code):
    before = place(other).read_text()
    host_answer = other.fails(code, "config", "set", "trash.keep", "10d", says="flocker.ini",
                              hint=str(place(other).parent))
    true(host_answer["code"] == code, "code")
    equal((place(other).read_text(), setting("trash.keep", other)["value"]), (before, "9d"),
          "nothing changed")
    equal(sorted(os.listdir(place(other).parent)), sorted(["flocker.ini", "volume.json"] +
          [name for name in os.listdir(place(other).parent) if name == "filler"]), "no left-overs")


@test
def a_read_only_directory_changes_nothing():
    other = on_tmpfs()
    mount = ["mount", "-o", "remount,ro", place(other).parent]
    subprocess.run(mount, check=True)
    cannot_set(other, "system")
    subprocess.run([word.replace(",ro", ",rw") if isinstance(word, str) else word
                    for word in mount], check=True)
    change("trash.keep", "10d", other)
    other.remove()


@test
def a_full_file_system_changes_nothing():
    other = on_tmpfs()
    filler = place(other).parent / "filler"
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    cannot_set(other, "no-space")
    filler.unlink()
    change("trash.keep", "10d", other)
    other.remove()


@test
def a_crash_leaves_the_old_value_or_the_new():
    other = Host(watches=True)
    chance = random.Random(7)
    last = 0
    for _ in range(15):
        other.start()
        found = int(setting("trash.keep", other)["value"].rstrip("d")) if last else 0
        true(not last or found in (last, last + 1), f"{found} after {last} was acknowledged")
        last = max(last, found)
        deadline = chance.randrange(1, 30)
        daemon = other.daemon
        timer = threading.Timer(deadline / 1000, daemon.kill)
        timer.start()
        try:
            while True:
                change("trash.keep", f"{last + 1}d", other)
                last += 1
        except Gone:
            pass
        timer.join()
        other.kill()
        true(last < 3600, "the range was left")
    other.start()
    other.remove()


@test
def changes_at_the_same_time_are_all_kept():
    failures = []

    def run(key, values):
        try:
            for value in values:
                change(key, value)
        except (Failure, Gone) as failure:
            failures.append(failure)
    work = {"trash.keep": [f"{n}d" for n in range(1, 41)],
            "http.timeout": [f"{n}s" for n in range(1, 41)],
            "http.connections": [str(n) for n in range(2, 42)]}
    threads = [threading.Thread(target=run, args=pair) for pair in work.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(failures, [], "failures")
    host.restart()
    for key, values in work.items():
        equal(setting(key)["value"], values[-1], key)


if __name__ == "__main__":
    tap.main()
