#!/usr/bin/python3
"""A host joins a cluster whole or not at all: what keeps the two from being peers of each other is found before
the token is spent."""

import tap
from peers import Peer, Peers, Proxy, reaches
from tap import equal, test, true


class Pools(Peers):
    """None of them has a pool yet."""

    def __enter__(self):
        make, Peer.make_pool = Peer.make_pool, lambda *_: None
        try:
            return super().__enter__()
        finally:
            Peer.make_pool = make


def peers_of(host):
    return [peer["name"] for peer in host.items("/v1/peers")]


def are_peers(one, two):
    equal((peers_of(one), peers_of(two)), (["h2"], ["h1"]), "each is a peer of the other")
    two.listens()
    reaches(one, "h2")


@test
def who_has_no_pool_keeps_the_token():
    with Pools("h1", "h2", joined=False) as (one, two):
        one.make_pool()
        one.run("ca", "init")
        one.listens()
        token = one.run("ca", "token").strip()
        two.fails("not-found", "join", token, says="no pool yet", hint="pool create")
        two.fails("not-found", "ca", "leave")
        two.make_pool()
        two.run("join", token)
        are_peers(one, two)


@test
def where_the_ca_has_no_pool_the_token_is_good_still():
    with Pools("h1", "h2", joined=False) as (one, two):
        two.make_pool()
        one.run("ca", "init")
        one.listens()
        token = one.run("ca", "token").strip()
        error = two.fails("not-found", "join", token, says="'h1' has no open pool")
        true("on 'h1': `pool create`" in error["hint"] and "--root" not in error["hint"], f"{error}")
        two.fails("not-found", "ca", "leave")
        one.make_pool()
        two.run("join", token)
        are_peers(one, two)


class Once(Proxy):
    """Takes one connection."""

    def carry(self, near, far):
        self.refusing = True
        super().carry(near, far)


@test
def who_is_a_member_but_no_peer_is_told_what_is_left_to_do():
    with Peers("h1", "h2", joined=False) as (one, two):
        one.run("ca", "init")
        one.listens()
        with Once(one.address) as proxy:
            token = one.run("ca", "token", "--address", proxy.address).strip()
            ran = two.try_run("join", token)
            true("has joined the cluster, but 'h1' is no peer here yet" in ran.err, f"{ran}")
            true(f"flocker peer add h1 {proxy.address}" in ran.err, f"{ran}")
            equal((peers_of(one), peers_of(two)), (["h2"], []), "as it says")
            proxy.refusing = False
            two.run("peer", "add", "h1", proxy.address)
            are_peers(one, two)


if __name__ == "__main__":
    tap.main()
