#!/usr/bin/python3
"""Completing paths in shells: names that want to be more than names, and words that are quoted."""

import pathlib
import subprocess

import tap
from flocker import host_with_pool
from tap import equal, tests_for
from terminals import SCRIPTS, Terminal, environment

host = host_with_pool()

place = pathlib.Path(host.directory, "place")

# Begins with two letters of its own each.
NAMES = ["aa file.img", "bb$(touch owned)", "cc`touch owned`", "dd'quote", 'ee"quote', "ff;touch owned;",
         "gg\nline", "hh*[x]?", "ii!hist", "jj\\back", "kk\x1b[31mred", "ll|&<>#", "mm~", "nn$HOME", "éé x",
         "oo=:@,{a,b}", "pp\ttab", "--option x"]

# Typed, then <TAB> -> the last word that the command gets.
TYPED = {
    **{f"flocker import v {name[:2]}": name for name in NAMES if name[0] != "-"},
    **{f"flocker import v '{name[:2]}": name for name in NAMES if name[0] != "-" and "'" not in name},
    **{f'flocker import v "{name[:2]}': name for name in NAMES if name[0] not in "-"},
    "flocker import v aa\\ f": "aa file.img",
    "flocker import v aa\\ ": "aa file.img",
    "flocker import v 'aa f": "aa file.img",
    "flocker import v \"aa f": "aa file.img",
    "flocker import v ./aa\\ f": "./aa file.img",
    "flocker import v bb\\$\\(to": "bb$(touch owned)",
    "flocker import v 'bb$(to": "bb$(touch owned)",
    "flocker import v dd\\'q": "dd'quote",
    "flocker import v oo\\=": "oo=:@,{a,b}",
    "flocker import v oo=": "oo=:@,{a,b}",
    "flocker import v oo=:@": "oo=:@,{a,b}",
    "flocker import v ./--opt": "./--option x",
    "flocker pool create --file=aa\\ f": "--file=aa file.img",
    "flocker pool create --file='aa f": "--file=aa file.img",
    "flocker pool create --file aa\\ f": "aa file.img",
    "flocker pool create --directory=zz\\ f": "--directory=zz folder/",
    "flocker import v zz\\ folder/in": "zz folder/inner file",
    "flocker import v 'zz folder/in": "zz folder/inner file",
    "flocker import v zz\\ folder/.h": "zz folder/.hidden",
    "flocker import v ~/in-h": f"{host.directory}/in-home",
    # Nothing to complete, and nothing to carry out.
    "flocker show '$(touch owned)'": "$(touch owned)",
    "flocker import v '`touch owned`/'": "`touch owned`/",
    "flocker '$(touch owned)' ": "$(touch owned)",
    "flocker show --root='$(touch owned)' ": "--root=$(touch owned)",
    "flocker show vol": "volume",
}

# Of a snapshot, with the { as it is typed: shells take it for the beginning of an expansion.
POINTS = {
    "flocker show volume@{befo": "volume@{before-upgrade}",
    "flocker show 'volume@{befo": "volume@{before-upgrade}",
    "flocker show volume@\\{befo": "volume@{before-upgrade}",
    "flocker create x --from=volume@{befo": "--from=volume@{before-upgrade}",
    "flocker show volume@{": "volume@{",
}

place.mkdir()
for file in NAMES:
    (place / file).touch()
(place / "zz folder").mkdir()
(place / "zz folder/inner file").touch()
(place / "zz folder/.hidden").touch()
pathlib.Path(host.directory, "in-home").touch()
host.create("volume", description="$(touch owned) `touch owned`; touch owned '\"")
host.snapshot("volume", name="before-upgrade")


def nothing_was_carried_out():
    equal(sorted(p.name for p in place.iterdir()), sorted(NAMES + ["zz folder"]), "files")


def typed_into(shell, typed, wanted):
    terminal = Terminal(host, place, shell)
    try:
        equal([word for word in terminal.completes(typed) if word][-1], wanted, "the last word")
        nothing_was_carried_out()
    finally:
        terminal.close()


BASH = {**TYPED, **POINTS}


@tests_for(BASH, name=repr)
def bash(typed):
    typed_into("bash", typed, BASH[typed])


# zsh begins a new word of its own after one that is complete.
ZSH = {typed: wanted for typed, wanted in TYPED.items() if "~" not in typed and "oo" not in typed}
ZSH = {**{typed: ZSH[typed] for typed in list(ZSH)[::3]}, **POINTS}


@tests_for(ZSH, name=repr)
def zsh(typed):
    typed_into("zsh", typed, ZSH[typed])


FISH = {
    "flocker import v aa": "aa file.img",
    "flocker import v aa\\ f": "aa file.img",
    "flocker import v 'aa f": "aa file.img",
    "flocker import v bb": "bb$(touch owned)",
    "flocker import v 'bb$(to": "bb$(touch owned)",
    "flocker import v dd": "dd'quote",
    "flocker import v ff": "ff;touch owned;",
    "flocker pool create --file=aa\\ f": "--file=aa file.img",
    "flocker show vol": "volume",
}


@tests_for(FISH, name=repr)
def fish(typed):
    done = subprocess.run(["fish", "--no-config", "-c", f"source {SCRIPTS}/flocker.fish; complete -C \"$TYPED\""],
                          env={**environment(host), "TYPED": typed}, cwd=place, check=False,
                          capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    equal(done.stderr, "", "errors")
    equal([line.split("\t")[0] for line in done.stdout.splitlines()], [FISH[typed]], "candidates")
    nothing_was_carried_out()


if __name__ == "__main__":
    tap.main()
