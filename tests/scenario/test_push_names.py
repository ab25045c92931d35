#!/usr/bin/python3
"""What is called otherwise on the other host: by --as, since it was renamed; and what an error there says to do where."""

import pathlib
import shutil

from flocker import Failure
from peers import Peers, tip
from tap import equal, test, true


def saved(host, ref, text, **options):
    """A snapshot with this text in a file."""
    host.write(ref, "file", text)
    return host.snapshot(ref, **options)


@test
def a_volume_is_followed_by_another_name():
    """What --as gave it here, and what it has been renamed to there since."""
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        saved(one, "data", "first")
        equal(two.fetch("h1/data", **{"as": "copy"})["ref"], "h1/copy/trunk", "what came, as it is called here")
        two.branch("copy/work", **{"from": "h1/copy/trunk"})
        for number, name in enumerate(("data", "renamed")):
            if name != "data":
                one.run("rename", "data", name)
            saved(one, name, f"{number}")
            true(two.json("pull", "copy/work")["moved"], f"a pull of {name}")
            equal(two.read("copy/work", "file"), f"{number}", "what it brought")
            for ref in ("h1/copy", "h1/copy/trunk", f"h1/{name}"):
                saved(one, name, f"{number} {ref}")
                equal(two.json("fetch", ref)["ref"], "h1/copy/trunk", f"a fetch of {ref}")
                equal(tip(two, "h1/copy/trunk"), tip(one, name), f"the tip after {ref}")
        one.branch("renamed/new", **{"from": "renamed"})
        one.run("tag", "v1@renamed")
        equal(two.json("fetch", "h1/copy/new")["ref"], "h1/copy/new", "a branch that was not known here")
        two.run("fetch", "v1@copy", "--from", "h1")
        equal([tag["name"] for tag in two.items("/v1/tags", ref="copy")], ["v1"], "a tag")
        two.fails("not-found", "fetch", "h1/data", hint="flocker peer show h1")
        two.fails("not-owner", "rename", "copy", "other", says="'h1'", hint="keeps its name here")


@test
def volumes_of_one_name_are_told_apart():
    """Own ones, and those of several hosts; what is gone is not taken for what has its name now."""
    with Peers("h1", "h2", "h3") as (one, two, three):
        three.run("peer", "add", "h2", two.address)
        for host in (one, two, three):
            host.create("data")
            saved(host, "data", host.name)
        three.fetch("h1/data", **{"as": "theirs"})
        three.fetch("h2/data", **{"as": "others"})
        for host, name in ((one, "theirs"), (two, "others")):
            saved(host, "data", "more")
            equal(three.fetch(f"{host.name}/data")["ref"], f"{host.name}/{name}/trunk", "by the name there")
            equal(tip(three, f"{host.name}/{name}/trunk"), tip(host, "data"), "its tip")
        three.fails("not-found", "fetch", "h1/others/trunk")
        three.branch("theirs/work", **{"from": "h1/theirs/trunk"})
        one.run("destroy", "data")
        one.create("theirs")
        saved(one, "theirs", "another")
        three.fails("not-found", "fetch", "h1/theirs", says="does not have the volume 'theirs'", hint="--as")
        three.fails("not-found", "pull", "theirs/work", says="'h1'", hint="flocker peer show h1")
        equal(three.json("fetch", "h1/theirs", "--as", "new")["ref"], "h1/new/trunk", "the other one")


@test
def by_a_third_who_calls_it_otherwise():
    with Peers("h1", "h2", "h3") as (one, two, three):
        three.run("peer", "add", "h2", two.address)
        one.create("data")
        saved(one, "data", "first")
        one.push("data", "h2", **{"as": "second"})
        three.run("fetch", "h1/second/trunk", "--from", "h2", "--as", "third")
        saved(one, "data", "more")
        one.push("data", "h2")
        equal(three.json("fetch", "h1/third/trunk", "--from", "h2")["ref"], "h1/third/trunk", "from the second")
        equal(tip(three, "h1/third/trunk"), tip(one, "data"), "its tip")
        saved(one, "data", "and more")
        equal(three.json("fetch", "h1/third")["ref"], "h1/third/trunk", "and from the first")
        equal(tip(three, "h1/third/trunk"), tip(one, "data"), "its tip then")


@test
def an_instance_that_took_anothers_name():
    """The host was set up anew: here its instance has a name that tells it from the one that was there before."""
    with Peers("h2", "h1") as (two, one):
        one.create("old")
        saved(one, "old", "first")
        one.push("old", "h2")
        one.stop()
        two.run("ca", "revoke", "h1")
        two.run("peer", "remove", "h1")
        for name in ("lib", "etc/tls", "mnt", "pool"):
            shutil.rmtree(f"{one.root}/{name}", ignore_errors=True)
        pathlib.Path(f"{one.root}/pool.img").unlink(missing_ok=True)
        with open(f"{one.root}/etc/volume.json", "w", encoding="ascii") as file:
            file.write('{"uuid": "ffffffff-ffff-4fff-bfff-ffffffffffff", "version": 1}')
        one.start()
        one.make_pool()
        one.post("/v1/cluster/join", token=two.post("/v1/cluster/tokens")["token"])
        one.listens()
        one.create("new")
        saved(one, "new", "first")
        one.push("new", "h2")
        equal([branch["ref"] for branch in two.items("/v1/remotes")], ["h1-ffffffff/new/trunk", "h1/old/trunk"], "there")
        two.branch("new/work", **{"from": "h1-ffffffff/new/trunk"})
        saved(one, "new", "second")
        true(two.json("pull", "new/work")["moved"], "a pull")
        for ref in ("h1-ffffffff/new/trunk", "h1/new"):
            saved(one, "new", ref)
            two.run("fetch", ref)
            equal(tip(two, "h1-ffffffff/new/trunk"), tip(one, "new"), f"the tip after a fetch of {ref}")
        two.fails("not-found", "fetch", "h1/old/trunk", hint="flocker peer show h1")


@test
def a_snapshot_there_goes_by_what_it_is_called_there():
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        first = saved(one, "data", "first", name="s1")
        second = saved(one, "data", "second")
        saved(one, "data", "third")
        for point, snapshot in (("s1", first), (second["id"][:8], second)):
            equal(two.json("fetch", f"h1/data/trunk@{{{point}}}")["snapshots"], 1, f"one comes by {point}")
            equal(two.run("cat", f"h1/data/trunk@{{{snapshot['id']}}}:file"), one.run("cat", f"{snapshot['ref']}:file"),
                  "its contents")
        equal(two.json("fetch", "h1/data@{-1}")["outcome"], "up to date", "the last but one")
        equal(two.json("fetch", f"h1/data@{{{second['id']}}}")["outcome"], "up to date", "by its whole id")
        for point in ("s9", "123456"):
            two.fails("not-found", "fetch", f"h1/data/trunk@{{{point}}}", says=point, hint="there: flocker log")
        equal(two.json("fetch", "h1/data@{latest}")["snapshots"], 1, "the newest is the branch")
        equal(tip(two, "h1/data/trunk"), tip(one, "data"), "its tip")


@test
def an_error_there_says_what_to_do_there():
    """No command of a hint that is for the other host is given this one's root."""
    with Peers("h1", "h2") as (one, two):
        one.create("data")
        saved(one, "data", "first")
        one.push("data", "h2")
        two.run("destroy", "data")
        error = one.fails("exists", "--root", one.root, "push", "data", "h2", says="'h2' has volume 'data' in its trash")
        true(error["hint"].startswith("there: flocker trash restore data"), f"{error}")
        error = two.fails("exists", "--root", two.root, "fetch", "h1/data", says="'h2' has volume 'data' in its trash")
        true(error["hint"].startswith("flocker trash restore data"), f"{error}")
        for host, arguments in ((one, ("push", "data", "h2")), (two, ("fetch", "h1/data"))):
            ran = host.try_run("--root", host.root, *arguments)
            equal(f"--root {host.root} trash" in ran.err, host is two, f"its own root:\n{ran}")
        two.run("trash", "restore", "data")
        error = two.fails("not-owner", "push", "h1/data/trunk", "h1", says="another instance's")
        true(error["hint"].startswith("there: flocker fetch h1/data/trunk --from h2"), f"{error}")
        try:
            two.fetch("h1/nothing")
        except Failure as failure:
            equal(failure.hint, "flocker peer show h1 lists what it has", "what is to be looked at here")
        else:
            true(False, "what is not there was fetched")


if __name__ == "__main__":
    import tap

    tap.main()
