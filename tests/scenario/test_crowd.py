#!/usr/bin/python3
"""Many connections at the door of a host: who may come in comes in, whoever else is there."""

import contextlib
import itertools
import socket
import ssl

import tap
import wire
from peers import Peers
from tap import equal, test, true, wait_until

CROWD = 100  # more than there is room for, of any kind
STRANGERS = 8  # that there is room for
EACH = 8  # links of one member


def connect(host):
    address, port = host.address.split(":")
    return socket.create_connection((address, int(port)), timeout=60)


def by_tls(host, member=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["flocker"])
    if member:
        context.load_cert_chain(f"{member.root}/etc/tls/node.crt", f"{member.root}/etc/tls/node.key")
    return context.wrap_socket(connect(host))


def greet(stream, instance):
    with contextlib.suppress(OSError):
        stream.sendall(wire.GREETING + wire.u16(1) + wire.u16(1) + wire.frame(wire.HELLO, 0, instance.hello()))
    return stream


def is_open(stream):
    stream.settimeout(0.01)
    try:
        while stream.recv(65536):
            pass
        return False
    except TimeoutError:
        return True
    except OSError:
        return False


def close(streams):
    for stream in streams:
        stream.close()


crowd = Peers("h1", "h2", "h3")
tap.finally_(lambda: crowd.__exit__(None))
one, two, three = crowd.__enter__()
two.create("mine")
pushes = itertools.count()


def is_served():
    """A member who comes now is let in, and one by ssh."""
    two.run("peer", "remove", "h1")
    two.run("peer", "add", "h1", one.address)
    two.write("mine", "file", f"{next(pushes)}")
    true(two.push("mine", "h1")["snapshots"] > 0, "it was pushed")
    with wire.Link(one) as link:
        link.ping(1)


@test
def who_says_nothing_keeps_nobody_out():
    idle = [connect(one) for _ in range(CROWD)]
    is_served()
    close(idle)


@test
def strangers_keep_nobody_out():
    strangers = [greet(by_tls(one), wire.Instance(f"stranger-{i}")) for i in range(CROWD)]
    is_served()
    strangers.append(greet(by_tls(one), wire.Instance("stranger-last")))  # who is silent for long has to go too
    wait_until(lambda: sum(is_open(stream) for stream in strangers) <= STRANGERS, "the others are gone")
    equal(is_open(strangers[-1]), True, "who came last")
    close(strangers)


@test
def a_member_keeps_no_other_out():
    with wire.Link(three) as link:
        instance = link.peer
    links = [greet(by_tls(one, three), instance) for _ in range(CROWD)]
    is_served()
    links.append(greet(by_tls(one, three), instance))
    wait_until(lambda: sum(is_open(stream) for stream in links) <= EACH, "the others are gone")
    equal(is_open(links[-1]), True, "what came last")
    close(links)


@test
def who_may_push_by_ssh_alone_keeps_no_other_out():
    links = []
    for _ in range(CROWD):
        links.append(socket.socket(socket.AF_UNIX))
        links[-1].connect(f"{one.root}/run/peers.sock")
        links[-1].sendall(b"limit volume=mine\n")
    is_served()
    close(links)


if __name__ == "__main__":
    tap.main()
