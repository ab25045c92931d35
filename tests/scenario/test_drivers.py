#!/usr/bin/python3
"""What is written of the storage drivers is what the code says: its tables of abilities and of entries."""

import re

from flocker import TOP, Host
from tap import equal, main, test, true

ABILITIES = ("snapshot", "browse", "diff", "quota", "grow", "compress", "send")
COLUMNS = ("places", *ABILITIES)

host = Host()
host.start()


def text_of(path):
    return (TOP / path).read_text(encoding="utf-8")


def listed():
    return {driver["name"]: {"places": ", ".join(driver["kinds"]), **driver["abilities"]}
            for driver in host.json("pool", "drivers")}


def tables(markdown):
    """The rows of each table, as lists of cells."""
    for block in re.findall(r"(?:^\|.*\n)+", markdown, re.M):
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()]
        yield [rows[0], *rows[2:]]


def documented(rows):
    equal(tuple(rows[0]), ("driver", *COLUMNS), "titles")
    return {row[0]: dict(zip(COLUMNS, row[1:], strict=True)) for row in rows[1:]}


def roff_rows(page):
    """Of scdoc's first table."""
    rows = []
    for line in re.search(r"^\[\[.*?(?=\n\n)", page, re.M | re.S)[0].splitlines():
        if line[0] in "[|":
            rows.append([])
        rows[-1].append(re.sub(r"^..\W*|\W*$", "", line))
    return rows


@test
def the_api_tells_of_each_ability():
    drivers = host.json("pool", "drivers")
    equal([driver["name"] for driver in drivers], ["btrfs", "dir", "zfs"], "drivers")
    for driver in drivers:
        equal(tuple(driver["abilities"]), ABILITIES, f"abilities of {driver['name']}")


@test
def the_command_shows_them():
    found = {}
    for line in host.run("pool", "drivers").splitlines():
        cells = re.split(r" {2,}", line)
        found[cells[0]] = dict(zip(COLUMNS, cells[2:], strict=False))
    equal(found, listed(), "the table")


@test
def the_documentation_has_the_same_table():
    equal(documented(next(tables(text_of("docs/drivers.md")))), listed(), "docs/drivers.md")


@test
def the_man_page_has_the_same_table():
    equal(documented(roff_rows(text_of("man/flocker-drivers.7.scd"))), listed(), "flocker-drivers(7)")


@test
def every_entry_of_the_contract_is_documented():
    """With the capability that it needs, as driver_check() knows it."""
    code = dict(re.findall(r"^\tENTRY\((\w+), (\w+)\)", text_of("src/driver/driver.c"), re.M))
    chapter = text_of("docs/drivers.md").split("### The entries")[1]
    rows = next(tables(chapter))
    equal(rows[0][0], "entry", "the first table of the chapter")
    found = {row[0].strip("`"): row[3].strip("`") or "0" for row in rows[1:]}
    equal(found, code, "the table of entries")
    true(len(found) > 30, f"entries: {found}")
    for bit in re.findall(r"^\t(DRIVER_\w+) = 1 << ", text_of("src/driver/driver.h"), re.M):
        true(f"`{bit}`" in chapter, f"{bit} is not in the chapter")


@test
def what_a_pool_can_is_what_its_driver_says():
    host.pool()
    done = host.json("pool", "show")
    abilities = listed()[done["driver"]]
    equal(done["share"], abilities["snapshot"] == "native", "whether snapshots share")
    host.run("create", "data")
    host.run("snapshot", "data", "--name", "one")
    for ability, words in (("diff", ["diff", "data@{one}"]), ("grow", ["pool", "grow", "1G"])):
        if abilities[ability] == "no":
            host.fails("unsupported", *words)
        else:
            host.run(*words)


if __name__ == "__main__":
    main()
