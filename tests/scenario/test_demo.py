#!/usr/bin/python3
"""./demo: the first five minutes of every user; twice, interrupted, and kept; on Btrfs and in directories."""

import demos
from tap import equal, main, test, tests_for, true

NOBODY = 65534
KINDS = ([], ["--directory"])
LESS = ("touches every file", "no quotas", "no compression")


@test
def the_demo_runs():
    said = demos.runs(built=False)
    true(not any(word in said for word in LESS), f"Btrfs lacks nothing, but it says\n{said}")


@test
def and_a_second_time():
    demos.runs(built=False)


@test
def in_a_directory_it_says_what_is_less():
    said = demos.runs("--directory", says=("--directory", *LESS))
    true("without using space" not in said, f"a promise that is not kept in\n{said}")


@test
def in_a_directory_it_needs_no_root():
    demos.runs("--directory", user=NOBODY, group=NOBODY, extra_groups=[])


@test
def anything_else_does():
    for kind in ([], ["--zfs-file"]):
        done = demos.demo(*kind, user=NOBODY, group=NOBODY, extra_groups=[])
        equal((done.returncode, done.stdout), (1, ""), f"{kind} without root")
        true("./demo --directory" in done.stderr, f"what to do instead: {done.stderr}")


@test
def what_is_no_option_is_refused():
    for wrong in (["--directory", "--zfs-file"], ["x"], ["--stop"], ["--stop", "/tmp"], ["--keep", "--stop", "/"]):
        done = demos.demo(*wrong)
        equal((done.returncode, done.stdout), (2, ""), f"{wrong}")
        true("usage: ./demo" in done.stderr, f"the usage: {done.stderr}")


@tests_for([(kind, end) for kind in KINDS for end in demos.ENDS], lambda row: f"{row[0]} {row[1].name}")
def interrupted_it_leaves_nothing(row):
    demos.interrupted(row[1], *row[0])


@tests_for(KINDS)
def kept_it_can_be_reached_and_stopped(kind):
    demos.kept(*kind)


if __name__ == "__main__":
    main()
