#!/usr/bin/python3
"""Completing a command line: what `flocker complete` answers, and bash, zsh and fish as they are."""

import os
import pathlib
import re
import socket
import subprocess
import threading

import tap
from flocker import COMMAND, host_with_pool
from tap import equal, test, tests_for, true
from terminals import PATIENT, SCRIPTS, Terminal, environment

host = host_with_pool()
DAY = "[0-9-]{10}T[0-9:]{8}"


def lines(*words, command=PATIENT, **env):
    """[(candidate, description)]; the last word is the one at the cursor."""
    done = subprocess.run([*command, "complete", "--", *words], capture_output=True, text=True,
                          check=False, timeout=60, cwd=host.directory,
                          env={**os.environ, "FLOCKER_SOCKET": host.socket, **env})
    equal((done.returncode, done.stderr), (0, ""), f"status and errors for {words}")
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]


def offers(*words, **options):
    return [line[0] for line in lines(*words, **options)]


def prepare():
    host.create("mydata", description="data\tof\n it; $(touch gone) 'é\"", metadata={"team": "a", "tier": "1"})
    host.create("other")
    host.snapshot("mydata", name="before-upgrade", message="first: [x] {y}")
    host.snapshot("mydata", metadata={"reason": "why"})
    host.branch("mydata/test")
    host.branch("mydata/next.1")
    host.tag("v1@mydata")
    host.tag("v2@mydata")
    host.rollback("mydata", "mydata@{before-upgrade}")
    host.create("gone")
    host.delete("/v1/volume", "gone")
    pathlib.Path(host.directory, "a file.img").touch()
    pathlib.Path(host.directory, "a folder").mkdir()


prepare()
IDS = [s["id"][:8] for s in host.log_of("mydata")]

# What is typed -> what is offered.
CASES = {
    ("ro",): ["rollback"],
    ("po",): ["pool", "policy"],
    ("stash", "re"): ["restore"],
    ("help", "tra"): ["trash"],
    ("help", "trash", "e"): ["empty"],
    ("help", "trash", "empty", ""): [],
    ("nosuch", ""): [],
    ("system", "create", "x", "--set", "ne"): ["network="],
    ("system", "create", "x", "--set=ne"): ["--set=network="],
    ("system", "create", "x", "--set", "network="): ["network="],
    ("system", "set", "x", "sto"): ["stop-signal=", "stop-timeout="],
    ("create", "x", "--set", ""): [],
    ("policy", "set", "mydata", "max"): ["max-lag=", "max-count="],
    ("policy", "unset", "mydata", "dut"): ["duty"],
    ("pool", "nosuch", ""): [],
    ("complet",): [],
    ("--json", "--root", "list", "untag"): ["untag"],
    ("log", "--co"): ["--count"],
    ("log", "-n", "5", "--co"): [],
    ("create", "--set", "a=b", "--s"): ["--set", "--socket"],
    ("create", "--", "--s"): [],
    ("list", "--fro"): [],
    ("pool", "create", "--driver", ""): ["btrfs", "dir", "zfs"],
    ("pool", "create", "--driver=b"): ["--driver=btrfs"],
    ("pool", "create", "--file", "x"): [":files"],
    ("pool", "create", "--directory", "x"): [":directories"],
    ("pool", "grow", ""): [],
    ("create", "--mount-path", "/"): [],
    ("create", "my"): [],
    ("tags", ""): ["mydata", "other"],
    ("tags", "mydata", ""): [],
    ("show", ""): ["mydata", "other"],
    ("show", "o"): ["other"],
    ("show", "my"): ["mydata", "mydata/trunk", "mydata/next.1", "mydata/test"],
    ("show", "mydata/"): ["mydata/trunk", "mydata/next.1", "mydata/test"],
    ("show", "mydata/t"): ["mydata/trunk", "mydata/test"],
    ("show", "v"): ["v1@mydata", "v2@mydata"],
    ("show", "v1@"): ["v1@mydata"],
    ("show", "sta"): ["stash/1@mydata"],
    ("show", "stash/1@my"): ["stash/1@mydata"],
    ("show", "mydata@{befo"): ["mydata@{before-upgrade}"],
    ("show", "mydata@{l"): ["mydata@{latest}"],
    ("show", "other@{"): [],
    ("show", "nosuch@{"): [],
    ("show", "@{"): [],
    ("show", "}{"): [],
    ("create", "new", "--from", "mydata@{befo"): ["mydata@{before-upgrade}"],
    ("create", "new", "--from=mydata@{befo"): ["--from=mydata@{before-upgrade}"],
    ("rollback", "mydata", "--to=v1"): ["--to=v1@mydata"],
    ("rollback", "mydata", "--to", ""): ["mydata", "v1@mydata", "v2@mydata", "stash/1@mydata"],
    ("rollback", "mydata/test", "--to", "my"): ["mydata/test"],
    ("rollback", "mydata", "--to", "mydata@{l"): ["mydata@{latest}"],
    ("rollback", "other", "--to", ""): ["other"],
    ("rollback", "--to", "o"): ["other"],
    ("create", "other", "--from", "o"): ["other"],
    ("destroy", "mydata", "o"): ["other"],
    ("destroy", "other", "o"): [],
    ("diff", "o"): ["other"],
    ("diff", "mydata@{l"): ["mydata@{latest}"],
    ("diff", "mydata", "v1"): ["v1@mydata"],
    ("diff", "mydata", "--co"): ["--content"],
    ("cat", "other:x", "v1"): ["v1@mydata"],
    ("cp", "o"): ["other"],
    ("cp", "other:x", ""): [":files"],
    ("rename", "mydata", ""): [],
    ("tag", "new@"): ["new@mydata", "new@other"],
    ("untag", ""): ["v1@mydata", "v2@mydata"],
    ("branch", ""): ["mydata/", "other/"],
    ("branch", "mydata/n"): [],
    ("stash", "drop", ""): ["stash/1@mydata"],
    ("config", "set", "log.level", ""): ["error", "warning", "info", "debug"],
    ("config", "set", "log.level", "i"): ["info"],
    ("config", "set", "trash.keep", ""): [],
    ("config", "set", "nosuch", ""): [],
    ("trash", "restore", ""): ["gone"],
    ("trash", "empty", "g"): ["gone"],
    ("set", "mydata", "t"): ["team=", "tier="],
    ("unset", "mydata", "t"): ["team", "tier"],
    ("unset", "mydata", "team", ""): ["tier"],
    ("unset", "mydata@{-1}", ""): [],
}


@tests_for(CASES, " ".join)
def offered(words):
    equal(sorted(offers(*words)), sorted(CASES[words]), "candidates")


@test
def points_are_latest_names_and_ids():
    found = offers("show", "mydata@{")
    equal(found[:2], ["mydata@{latest}", "mydata@{before-upgrade}"], "the first")
    equal(found[2:], [f"mydata@{{{i}}}" for i in IDS], "the ids")
    equal(offers("show", "mydata@")[:1], ["mydata@{latest}"], "without the brace")
    for point in found:
        host.run("show", point)


@test
def names_of_snapshots_that_are_offered_exist_on_that_branch():
    for point in offers("show", "mydata/test@{"):
        host.run("show", point)


@test
def keys_of_a_snapshot():
    equal(offers("unset", "v1@mydata", ""), [], "no metadata")
    of = next(s for s in host.log_of("mydata/test") if s["metadata"])
    equal(offers("unset", f"mydata/test@{{{of['id']}}}", ""), ["reason"], "keys")


@test
def descriptions_are_one_clean_field():
    texts = dict(lines("tags", ""))
    equal(texts["mydata"], "data?of? it; $(touch gone) 'é\"", "of a volume")
    texts = dict(lines("show", "mydata@{befo"))
    true(re.fullmatch(rf"{DAY} first: \[x\] \{{y\}}", texts["mydata@{before-upgrade}"]), texts)
    true(dict(lines("ro"))["rollback"], "of a command")


@test
def a_uuid_of_the_trash_once_it_is_begun():
    uuid = host.get("/v1/trash")["items"][0]["uuid"]
    equal(offers("trash", "restore", uuid[:9]), [uuid], "candidates")


@test
def root_and_socket_of_the_line_are_asked():
    elsewhere = {"FLOCKER_SOCKET": "/nonexistent/socket"}
    equal(offers("tags", "", **elsewhere), [], "nobody listens")
    equal(offers("--root", host.root, "tags", "o", **elsewhere), ["other"], "--root")
    equal(offers("tags", f"--socket={host.socket}", "o", **elsewhere), ["other"], "--socket")
    equal(offers("--root", host.root, "--socket", "x", "tags", ""), [], "both are refused")


@test
def without_a_daemon_all_but_names_is_offered():
    equal(offers("ro", FLOCKER_SOCKET="/nonexistent"), ["rollback"], "a command")
    equal(offers("log", "--co", FLOCKER_SOCKET="/nonexistent"), ["--count"], "an option")


@test
def a_daemon_that_does_not_answer_is_left():
    path = f"{host.directory}/slow.sock"
    with socket.socket(socket.AF_UNIX) as slow:
        slow.bind(path)
        slow.listen()
        equal(offers("tags", "", command=[COMMAND], FLOCKER_SOCKET=path), [], "names")
        equal(offers("ro", FLOCKER_SOCKET=path), ["rollback"], "commands")


@test
def a_daemon_that_answers_nonsense_offers_nothing():
    path = f"{host.directory}/odd.sock"
    with socket.socket(socket.AF_UNIX) as odd:
        odd.bind(path)
        odd.listen()

        def answer():
            connection, _ = odd.accept()
            with connection:
                connection.recv(65536)
                body = b'{"items": [1, null, {"name": 3, "branches": {"a": 1}}, []], "next": null}'
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

        thread = threading.Thread(target=answer)
        thread.start()
        equal(offers("tags", "m", FLOCKER_SOCKET=path), [], "names")
        thread.join()


# --- the shells ----------------------------------------------------------------------------

ENVIRONMENT = environment(host)

# Typed, then <TAB> -> the words that the command gets.  A quote that is open is closed by the shell.
TYPED = {
    "flocker ro": ["rollback"],
    "flocker stash dr": ["stash", "drop"],
    "flocker log --cou": ["log", "--count"],
    "flocker show mydata@{befo": ["show", "mydata@{before-upgrade}"],
    "flocker show 'mydata@{befo": ["show", "mydata@{before-upgrade}"],
    "flocker show \"mydata@{befo": ["show", "mydata@{before-upgrade}"],
    "flocker show mydata/te": ["show", "mydata/test"],
    "flocker show stash/": ["show", "stash/1@mydata"],
    "flocker untag v1@": ["untag", "v1@mydata"],
    "flocker create x --from=mydata@{befo": ["create", "x", "--from=mydata@{before-upgrade}"],
    "flocker create x --from mydata@{befo": ["create", "x", "--from", "mydata@{before-upgrade}"],
    "flocker --root=/tmp/../nonexistent tags o": ["--root=/tmp/../nonexistent", "tags", "o"],
    "flocker branch ot": ["branch", "other/"],
    "flocker set mydata te": ["set", "mydata", "team="],
    "flocker pool create --directory=a": ["pool", "create", "--directory=a folder/"],
}


@tests_for(TYPED)
def bash(typed):
    shell = Terminal(host, host.directory)
    try:
        equal(shell.completes(typed), TYPED[typed], "words")
    finally:
        shell.close()


FISH = {
    "flocker ro": ["rollback"],
    "flocker pool create --fi": ["--file"],
    "flocker show mydata@{befo": [],
    "flocker show mydata@\\{befo": ["mydata@{before-upgrade}"],
    "flocker show \"mydata@{befo": ["mydata@{before-upgrade}"],
    "flocker show \'mydata@{befo": ["mydata@{before-upgrade}"],
    "flocker show mydata/te": ["mydata/test"],
    "flocker untag v1@": ["v1@mydata"],
    "flocker create x --from=mydata@{befo": [],
    "flocker create x --from=mydata@\\{befo": ["--from=mydata@{before-upgrade}"],
    "flocker pool create --directory=a": ["--directory=a folder/"],
    "flocker nosuch ": [],
}


@tests_for(FISH)
def fish(typed):
    done = subprocess.run(["fish", "--no-config", "-c", f"source {SCRIPTS}/flocker.fish; complete -C \"$TYPED\""],
                          env={**ENVIRONMENT, "TYPED": typed}, cwd=host.directory, check=False,
                          capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    equal(done.stderr, "", "errors")
    equal([line.split("\t")[0] for line in done.stdout.splitlines()], FISH[typed], "candidates")


ZSH = r"""
compadd() { local a=${argv[-1]}; printf '[[%s]]\n' "${(@P)a}"; }
compset() { print "<$2>" }
_files() { print "files $*" }
CURRENT=$#words
PREFIX=$words[-1]
source "$SCRIPT"
"""


def zsh_offers(*words):
    typed = " ".join(f"'{word}'" for word in words)
    done = subprocess.run(["zsh", "-f", "-c", f"() {{ local -a words=(flocker {typed}); {ZSH} }}"],
                          env={**ENVIRONMENT, "SCRIPT": str(SCRIPTS / "_flocker")}, check=False,
                          capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    equal(done.stderr, "", "errors")
    return [line for line in done.stdout.splitlines() if line != "[[]]"]


@test
def zsh():
    equal(zsh_offers("ro"), ["[[rollback]]"], "a command")
    equal(zsh_offers("show", "mydata@{befo"), ["[[mydata@{before-upgrade}]]"], "a snapshot")
    equal(zsh_offers("create", "x", "--from=mydata@{befo"), ["[[--from=mydata@{before-upgrade}]]"], "attached")
    equal(zsh_offers("branch", "o"), ["[[other/]]"], "something follows")
    equal(zsh_offers("pool", "create", "--directory=a"), ["<--directory=>", "files -/"], "a path")


if __name__ == "__main__":
    tap.main()
