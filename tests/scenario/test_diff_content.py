#!/usr/bin/python3
"""What changed within files: diff --content, and diff of one path."""

import json
import os
import pty
import re
import socket
import stat
import subprocess

from flocker import COMMAND, LONG, MIB, host_with_pool
from tap import equal, main, test, true

host = host_with_pool()
top = ""


def run(*arguments):
    """(exit status, standard output as bytes, standard error)"""
    done = subprocess.run([COMMAND, "--root", host.root, "diff", *arguments], capture_output=True,
                          timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def shown(*arguments):
    status, out, err = run(*arguments, "--content")
    equal((status, err), (0, ""), "diff")
    return out


def take_apart(out):
    """{(earlier name, later name): [(first line, lines, first line, lines, [line])]}, [sentence]"""
    found, sentences, lines, at = {}, [], out.split(b"\n"), 0
    equal(lines.pop(), b"", "the last line ends")
    while at < len(lines):
        if not lines[at].startswith(b"--- "):
            sentences.append(lines[at].decode())
            at += 1
            continue
        hunks = found[(lines[at][4:].decode(), lines[at + 1][4:].decode())] = []
        at += 2
        while at < len(lines) and (head := re.fullmatch(
                rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", lines[at])):
            first, count, other, added = (int(n) if n else 1 for n in head.groups())
            at += 1
            body = []
            left = [count, added]
            while left != [0, 0] or (at < len(lines) and lines[at].startswith(b"\\")):
                body.append(lines[at])
                left[0] -= lines[at][:1] in b" -"
                left[1] -= lines[at][:1] in b" +"
                at += 1
            hunks.append((first, count, other, added, body))
    return found, sentences


def apply(before, hunks):
    """What `patch` makes of it."""
    lines, made, at = before.split(b"\n"), [], 0
    lines = [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    for first, count, other, _, body in hunks:
        first -= count > 0
        made += lines[at:first]
        at = first
        equal(len(made), other - (hunks and body and any(b[:1] in b" +" for b in body)), "its place")
        for i, line in enumerate(body):
            text = line[1:] + (b"" if body[i + 1:i + 2] == [b"\\ No newline at end of file"] else b"\n")
            if line[:1] in (b" ", b"-"):
                equal(lines[at], text, "a line that is there")
                at += 1
            if line[:1] in (b" ", b"+"):
                made.append(text)
    return b"".join(made + lines[at:])


def write(name, data):
    with open(f"{top}/{name}", "wb") as file:
        file.write(data)


TEXTS = {
    "plain": (b"".join(b"%d\n" % i for i in range(30)),
              b"".join(b"%d\n" % i for i in range(30) if i != 4).replace(b"25", b"TWENTY")),
    "no-end": (b"a\nb", b"a\nb\n"),
    "latin": (b"caf\xe9\n", b"th\xe9\n"),
    "crlf": (b"a\r\nb\r\n", b"a\r\nc\r\n"),
    "filled": (b"", b"first\n"),
    "emptied": (b"last\n", b""),
    "-- a\tb \x1b[31m\"": (b"x\n", b"y\n"),
}


@test
def text_becomes_a_unified_diff():
    global top
    host.create("data")
    top = host.path("data")
    for name, (before, _) in TEXTS.items():
        write(name, before)
    write("gone", b"was\nhere\n")
    write("same", b"same\n")
    host.snapshot("data", name="one")
    for name, (_, after) in TEXTS.items():
        write(name, after)
    write("new", b"one line, no end")
    write("same", b"same\n")
    os.unlink(f"{top}/gone")
    host.snapshot("data", name="two")
    found, sentences = take_apart(shown("data@{one}", "data@{two}"))
    for name, (before, after) in TEXTS.items():
        spelled = [f"{ref}:{name}" for ref in ("data@{one}", "data@{two}")]
        if "\x1b" in name:
            spelled = ['"%s"' % s.replace("\t", "\\011").replace("\x1b", "\\033").replace('"', '\\"')
                       for s in spelled]
        equal(apply(before, found.pop(tuple(spelled))), after, f"what it makes of {name}")
    equal(found.pop(("/dev/null", "data@{two}:new")),
          [(0, 0, 1, 1, [b"+one line, no end", b"\\ No newline at end of file"])], "added")
    equal(found.pop(("data@{one}:gone", "/dev/null")), [(1, 2, 0, 0, [b"-was", b"-here"])], "removed")
    equal((found, sentences), ({}, []), "nothing else: what was written again is the same")


@test
def patch_takes_it():
    for name in ("plain", "no-end", "crlf"):
        before, after = TEXTS[name]
        path = f"{host.directory}/patched"
        with open(path, "wb") as file:
            file.write(before)
        done = subprocess.run(["patch", "--binary", path], input=shown("data@{one}:" + name, "data@{two}"),
                              capture_output=True, check=False)
        equal(done.returncode, 0, f"patch: {done}")
        with open(path, "rb") as file:
            equal(file.read(), after, name)
    for name, text in zip(("before", "after"), TEXTS["plain"]):
        with open(f"{host.directory}/{name}", "wb") as file:
            file.write(text)
    done = subprocess.run(["diff", "-u", "before", "after"], capture_output=True, check=False, cwd=host.directory)
    equal(shown("data@{one}:plain", "data@{two}").split(b"\n")[2:], done.stdout.split(b"\n")[2:],
          "as diff writes it")


@test
def all_else_is_a_sentence():
    write("binary", b"\0\1")
    write("ran", b"x\n")
    write("was-file", b"text\n")
    write("moved", b"1\n2\n3\n")
    write("large", b"x\n" * (5 * MIB))
    os.symlink("one", f"{top}/link")
    os.mkdir(f"{top}/old")
    host.snapshot("data", name="three")
    write("binary", b"\0\1\2")
    os.chown(f"{top}/ran", 12, 34)
    os.chmod(f"{top}/ran", 0o4711)
    os.setxattr(f"{top}/plain", "user.note", b"new")
    os.unlink(f"{top}/was-file")
    os.symlink("there", f"{top}/was-file")
    os.rename(f"{top}/moved", f"{top}/renamed")
    with open(f"{top}/renamed", "ab") as file:
        file.write(b"4\n")
    with open(f"{top}/large", "ab") as file:
        file.write(b"y\n")
    with open(f"{top}/sparse", "wb") as file:
        file.truncate(1 << 40)
    os.unlink(f"{top}/link")
    os.symlink("/etc/passwd", f"{top}/link")
    os.rmdir(f"{top}/old")
    os.mkfifo(f"{top}/fifo")
    os.mknod(f"{top}/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(f"{top}/sock")
    write("empty", b"")
    found, sentences = take_apart(shown("data@{three}"))
    earlier = "data@{three}"
    equal(found, {(f"{earlier}:moved", "data/trunk:renamed"): [(1, 3, 1, 4, [b" 1", b" 2", b" 3", b"+4"])]},
          "the only text")
    equal(sentences, [
        f"Changed: {earlier}:binary was a binary file of 2 B, data/trunk:binary is a binary file of 3 B",
        "Added: data/trunk:empty is an empty file",
        "Added: data/trunk:fifo is a fifo",
        f"Changed: {earlier}:large was a file of 10.0 MiB, too large to be shown, "
        "data/trunk:large is a file of 10.0 MiB, too large to be shown",
        f"Changed: {earlier}:link was a symbolic link to 'one', "
        "data/trunk:link is a symbolic link to '/etc/passwd'",
        "Added: data/trunk:null is a character device",
        f"Removed: {earlier}:old was a directory",
        "Attributes: data/trunk:plain extended attributes",
        "Attributes: data/trunk:ran mode 0644 -> 4711 owner 0:0 -> 12:34",
        f"Renamed: {earlier}:moved is data/trunk:renamed",
        "Added: data/trunk:sock is a socket",
        "Added: data/trunk:sparse is a file of 1.0 TiB, too large to be shown",
        f"Changed: {earlier}:was-file was a file of 5 B, data/trunk:was-file is a symbolic link to 'there'",
    ], "sentences")


@test
def a_document_holds_the_hunks():
    told = {c["path"]: c for c in json.loads(run("data@{three}", "--content", "--json")[1])}
    plain = json.loads(run("data@{three}", "--json")[1])
    equal([{k: v for k, v in c.items() if k != "content"} for c in told.values()], plain,
          "the changes as they are without")
    equal(told["renamed"]["content"],
          {"state": "text", "message": None,
           "hunks": [{"before": 1, "before_lines": 3, "after": 1, "after_lines": 4,
                      "lines": [" 1", " 2", " 3", "+4"]}]}, "text")
    equal({p: told[p]["content"] and told[p]["content"]["state"]
           for p in ("binary", "large", "sparse", "link", "ran", "was-file", "old", "empty")},
          {"binary": "binary", "large": "large", "sparse": "large", "link": None, "ran": None,
           "was-file": None, "old": None, "empty": "text"}, "what is no text")
    equal(run("data@{two}", "data@{two}", "--content", "--json")[:2], (0, b"[]\n"), "nothing")
    latin = json.loads(run("data@{one}:latin", "data@{two}", "--content", "--json")[1])
    equal(latin[0]["content"]["hunks"][0]["lines"], ["-caf\ufffd", "+th\ufffd"], "bad bytes")
    equal(json.loads(run("data@{one}", "data@{two}", "--stat", "--json")[1]),
          {"added": 1, "removed": 1, "modified": 8, "renamed": 0}, "counts")


@test
def a_terminal_gets_no_control_characters():
    write("evil", b"\x1b]0;title\x07\n\ttab\n")
    main_end, end = pty.openpty()
    child = subprocess.Popen([COMMAND, "--root", host.root, "--no-color", "diff", "data@{three}:evil",
                              "data", "--content"], stdout=end, stderr=end)
    os.close(end)
    equal(child.wait(), 0, "diff")
    out = os.read(main_end, 65536)
    os.close(main_end)
    equal(out.split(b"\r\n")[3:], [b"+?]0;title?", b"+\ttab", b""], "lines")


@test
def one_path_is_compared_alone():
    host.create("paths")
    place = host.path("paths")
    for name in ("dir/a", "dir/sub/b", "other/c", "dir-not/d", "x"):
        host.write("paths", name, f"{name}\n")
    os.symlink("dir", f"{place}/way")
    os.mkdir(f"{place}/into")
    host.snapshot("paths", name="one")
    for name in ("dir/a", "dir/sub/b", "other/c", "dir-not/d", "x", "dir/new"):
        host.write("paths", name, "changed\n")
    os.rename(f"{place}/other", f"{place}/another")
    os.rename(f"{place}/dir/sub", f"{place}/into/sub")

    def told(*refs):
        return [(c["kind"], c["from"], c["path"]) for c in json.loads(run(*refs, "--json")[1])]

    moved = [("renamed", "dir/sub", "into/sub"), ("modified", "dir/sub/b", "into/sub/b")]
    equal(told("paths@{one}:dir"), [("modified", "dir/a", "dir/a"), ("added", None, "dir/new"), *moved],
          "a directory")
    equal(told("paths@{one}", "paths:dir"), told("paths@{one}:dir"), "the path on the other side")
    equal(told("paths@{one}:/dir//", "paths:dir"), told("paths@{one}:dir"), "on both")
    equal(told("paths@{one}:x"), [("modified", "x", "x")], "a file")
    equal(told("paths@{one}:into"), moved, "what came in")
    equal(told("paths@{one}:other/c"), [("renamed", "other", "another"),
                                        ("modified", "other/c", "another/c")], "below what moved")
    equal(told("paths@{one}:way"), [], "a link itself")
    equal(told("paths@{one}:x", "paths:dir/a"), [("modified", "x", "dir/a")], "two files")
    equal(told("paths@{one}:x", "paths@{one}:x"), [], "one file")
    equal([(kind, path) for kind, _, path in told("paths@{one}:dir", "paths:another")],
          [("removed", "dir/a"), ("added", "another/c"), ("removed", "dir/sub"), ("removed", "dir/sub/b")],
          "two directories")
    equal(told("paths@{one}:x", "paths:dir"), [("modified", "x", "dir")], "a file and a directory")
    equal(shown("paths@{one}:x", "paths:dir/a").split(b"\n")[:2],
          [b"--- paths@{one}:x", b"+++ paths:dir/a"], "with contents")
    host.fails("not-found", "diff", "paths@{one}:nope", says=("in either",))
    host.fails("not-found", "diff", "paths@{one}:x/y")
    host.fails("invalid", "diff", "paths@{one}:way/a", says=("symbolic link",), hint="leads to")
    host.fails("invalid", "diff", "paths@{one}:" + "n" * 256, says=("256 bytes",))
    host.fails("invalid", "diff", "paths@{one}:x", "--stat", "--content")


@test
def moments_stay_what_they_were():
    """A point that moves, and a tag, mean what they meant when the diff began."""
    host.create("moving")
    host.write("moving", "f", "1\n")
    host.snapshot("moving")
    host.write("moving", "f", "2\n")
    host.snapshot("moving")
    equal(shown("moving@{-1}", "moving@{latest}").split(b"\n")[:2],
          [b"--- moving@{-1}:f", b"+++ moving@{latest}:f"], "they are called as they were typed")
    host.tag("v1@moving", target="moving@{-1}")
    equal(shown("v1@moving", "moving@{latest}").split(b"\n")[3:], [b"-1", b"+2", b""], "a tag")


@test
def unrelated_moments_are_compared():
    host.create("stranger")
    for name in ("plain", "binary"):
        with open(f"{host.path('stranger')}/{name}", "wb") as file:
            file.write(TEXTS["plain"][0])
    status, out, err = run("data@{two}:plain", "stranger", "--content")
    equal(status, 0, "diff")
    true("'data' and 'stranger' are two volumes" in err and "longer" in err, f"it is said: {err}")
    found, _ = take_apart(out)
    equal(apply(TEXTS["plain"][1], found[("data@{two}:plain", "stranger:plain")]), TEXTS["plain"][0], "text")
    found, _ = take_apart(run("data@{two}", "stranger", "--content")[1])
    true(("data@{two}:crlf", "/dev/null") in found, "what is only in one")
    equal(run("data@{two}", "stranger", "--stat", "--json")[2], "", "not with a document")


@test
def what_cannot_be_read_is_said_and_the_rest_shown():
    place = host.path("data")
    os.mkdir(f"{place}/bytes")
    with open(os.fsencode(place) + b"/bytes/\xff", "wb") as file:
        file.write(b"text\n")
    write("bytes/z", b"text\n")
    host.snapshot("data", name="bytes")
    status, out, err = run("data@{three}:bytes", "data@{bytes}", "--content")
    equal(status, 3, "the command fails")
    true("1 of the files" in err, err)
    true(b"cannot be read" in out and b"+++ data@{bytes}:bytes/z\n@@ -0,0 +1 @@\n+text\n" in out, f"{out}")


@test
def large_files_take_bounded_time():
    lines = 400_000 if LONG else 40_000
    write("long", b"".join(b"%d\n" % (i * 7919 % 1000) for i in range(lines)))
    host.snapshot("data", name="long")
    after = b"".join(b"%d\n" % (i * 104729 % 1000) for i in range(lines))
    write("long", after)
    found, _ = take_apart(shown("data@{long}"))
    with open(f"{host.directory}/long", "wb") as file:
        file.write(subprocess.run([COMMAND, "--root", host.root, "cat", "data@{long}:long"], check=True,
                                  capture_output=True).stdout)
    with open(f"{host.directory}/long", "rb") as file:
        equal(apply(file.read(), found[("data@{long}:long", "data/trunk:long")]), after, "what it makes")


if __name__ == "__main__":
    main()
