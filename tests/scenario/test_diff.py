#!/usr/bin/python3
"""What differs between two moments, by the command and the API."""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ZFS = os.environ.get("FLOCKER_TEST_DRIVER") == "zfs"
if ZFS and os.environ.get("WITH_ZFS_FUSE") != "1":
    wrapper = os.path.join(HERE, "..", "with-zfs-fuse")
    os.execv(wrapper, [wrapper, sys.executable, "-B", os.path.abspath(__file__), *sys.argv[1:]])

from flocker import COMMAND, host_with_pool  # noqa: E402
from tap import equal, main, test, wait_until  # noqa: E402

host = host_with_pool()


def changes(earlier, later=None):
    """{path: (letter, what, from)}, by the API, whose answers are held against the contract."""
    options = {"to": later} if later else {}
    letters = {"added": "+", "removed": "-", "modified": "M", "renamed": "R"}
    return {c["path"]: (letters[c["kind"]], ",".join(c["what"]), c["from"])
            for c in host.get("/v1/diff", ref=earlier, **options)["items"]}


def lines(*arguments):
    return host.run("diff", *arguments).splitlines()


def prepare(name):
    host.create(name)
    place = host.path(name)
    os.mkdir(f"{place}/dir")
    for file in ("keep", "write", "mode", "gone", "move", "type", "dir/in"):
        host.write(name, file, f"{file}\n")
    host.snapshot(name, name="one")
    host.write(name, "write", "something else\n")
    os.chmod(f"{place}/mode", 0o600)
    os.unlink(f"{place}/gone")
    os.rename(f"{place}/move", f"{place}/moved")
    os.unlink(f"{place}/type")
    os.symlink("keep", f"{place}/type")
    os.rename(f"{place}/dir", f"{place}/folder")
    host.write(name, "folder/in", "written there\n")
    host.write(name, "new", "new\n")
    os.mkdir(f"{place}/empty")
    return place


WANTED = {
    "empty": ("+", "", None),
    "folder": ("R", "", "dir"),
    "folder/in": ("M", "contents", "dir/in"),
    "gone": ("-", "", "gone"),
    "mode": ("M", "attributes", "mode"),
    "moved": ("R", "", "move"),
    "new": ("+", "", None),
    "type": ("M", "contents,type", "type"),
    "write": ("M", "contents", "write"),
}


def without_times(told):
    """Who writes also sets a time, which may be told besides."""
    return {path: (letter, what.replace("contents,attributes", "contents"), old)
            for path, (letter, what, old) in told.items()}


@test
def each_kind_of_change_is_told():
    prepare("data")
    equal(without_times(changes("data@{one}")), WANTED, "until now")
    host.snapshot("data", name="two")
    equal(without_times(changes("data@{one}", "data@{two}")), WANTED, "until then")
    equal(changes("data@{two}"), {}, "since then")
    equal(changes("data"), {}, "a branch and itself")


@test
def the_command_prints_a_line_for_each():
    equal(lines("data@{one}", "data@{two}"),
          ["+ empty/", "R dir -> folder/", "M folder/in", "- gone", "a mode", "R move -> moved",
           "+ new", "T type", "M write"], "lines")
    equal(lines("data@{one}", "--stat"), ["2 added, 1 removed, 4 modified, 2 renamed"], "counts")
    equal(lines("data@{two}", "--stat"), ["no changes"], "no counts")
    equal(json.loads(host.run("diff", "data@{one}", "--json")),
          host.get("/v1/diff", ref="data@{one}")["items"], "the document")


@test
def every_kind_of_reference_is_a_moment():
    host.tag("v1@data", target="data@{one}")
    host.run("branch", "data/side", "--from", "data@{one}")
    host.run("rollback", "data@{one}", "--json")
    equal(changes("v1@data", "stash/1@data"), changes("data@{one}", "data@{two}"), "a tag and a stash")
    equal(changes("v1@data"), {}, "what was gone back to")
    equal(changes("data/side"), {}, "a branch")
    backwards = changes("stash/1@data", "data/side")
    equal(sorted(k for k, (letter, _, _) in backwards.items() if letter == "+"), ["gone"], "backwards")


@test
def unrelated_contents_differ_in_everything():
    host.create("other")
    host.write("other", "write", "something else\n")
    told = changes("data@{one}", "other")
    equal(told["write"][0], "M", "the same name")
    equal({path for path, change in told.items() if change[0] == "-"},
          {"keep", "mode", "gone", "move", "type", "dir", "dir/in"}, "what is not there")


@test
def names_do_no_harm():
    host.create("names")
    host.snapshot("names", name="one")
    host.write("names", "a\x1b[31mb\nc", "text")
    equal(lines("names@{one}"), ["+ a?[31mb?c"], "cleaned")
    equal(list(changes("names@{one}")), ["a\x1b[31mb\nc"], "exact")


@test
def what_is_wrong_is_said():
    host.fails("not-found", "diff", "nope", says=("no volume 'nope'",))
    host.fails("not-found", "diff", "data@{one}", "data@{nope}")
    host.fails("invalid", "diff", "data@{one}", "@@")
    done = subprocess.run([COMMAND, "--root", host.root, "diff"], capture_output=True, text=True,
                          check=False)
    equal(done.returncode, 2, f"usage: {done.stderr}")


def zfs_in_staging():
    properties = subprocess.run(["zfs", "get", "-H", "-r", "-o", "value,source", "flocker:tree"],
                                capture_output=True, text=True, check=True).stdout
    return [line for line in properties.splitlines() if line.startswith("staging") and "local" in line]


def btrfs_in_staging():
    listed = subprocess.run(["btrfs", "subvolume", "list", f"{host.root}/mnt/.heads"],
                            capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if "staging" in line]


@test
def nothing_is_left_in_staging():
    wait_until(lambda: (zfs_in_staging if ZFS else btrfs_in_staging)() == [], "staging is empty")


if __name__ == "__main__":
    main()
