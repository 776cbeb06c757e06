"""Which hosts a mail came through are ours, and which is the first that is not.

A Received field proves nothing but what the host says that wrote it, and everybody can write some.  So they are read
from the top: a hop is believed where a host of our own wrote it, that is, where the hop above came from one, and the
first hop from outside ends that (RFC 5321 section 4.4, 7.4).  What stands below may be invented.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .checks import Mail
    from .envelope import Envelope
    from .sections import TrustSection

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PRIVATE: tuple[Network, ...] = tuple(
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
                    "::/127", "fc00::/7", "fe80::/10")
)  # fmt: skip
"""Networks from which no mail of others comes: who connects from there has taken it from somebody else."""

MAX_HOPS = 50
"""Received fields that are followed; a mail with more hops of our own goes in circles."""


class Hop(NamedTuple):
    """A host that handed the mail on.  ``name`` is its reverse name, ``""`` where none was verified."""

    ip: str
    name: str = ""
    helo: str = ""
    auth: str = ""
    """How its user has logged in, ``""`` where none did."""


FETCHED = Hop("fetched")
"""A step by a program that fetched the mail from a mailbox: what comes above it says nothing of where it is from."""
_END = Hop("")
"""Behind the last field."""


@dataclass(frozen=True, slots=True)
class Path:
    """How a mail came to us.

    ``own``  hosts of ours that it came through, the latest first.
    ``client``  the host outside that gave it to the first of ours; None where that is not known, and for our own mail.
    ``forwarders``  known forwarders from ``client`` on, the latest first; ``origin`` the host that gave the mail to
    the last of them: ``client`` where there are none, None where it is not told.
    ``submitted``  a user of ours has handed it in, with a login or at a host that takes mail of users only.
    ``anchored``  the SMTP session has told who connects.  Without that the topmost Received field is taken for our
    own, as in an archive it is: good enough to ask a list about, never proof.
    ``written``  Received fields, from the top, that hosts of ours wrote.
    ``ends``  why ``client`` is not known, ``""`` where it is.
    """

    own: tuple[Hop, ...] = ()
    client: Hop | None = None
    forwarders: tuple[Hop, ...] = ()
    origin: Hop | None = None
    submitted: bool = False
    anchored: bool = False
    written: int = 0
    ends: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Trust:
    """Whom we believe: networks and verified host names of our own, hosts of submission, forwarders, lists.

    A name stands for itself; with a leading dot for every host below it.
    """

    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()
    submission: tuple[Network, ...] = ()
    forwarder_networks: tuple[Network, ...] = ()
    forwarder_hosts: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.networks or self.hosts or self.submission or self.forwards_any)

    @property
    def forwards_any(self) -> bool:
        """Whether there are known forwarders."""
        return bool(self.forwarder_networks or self.forwarder_hosts)

    def ours(self, ip: str, name: str = "") -> bool:
        """Whether a host is one of our own; private addresses always are."""
        if is_private(ip) or named(name, self.hosts):
            return True
        return bool(self.networks or self.submission) and _within(ip, (*self.networks, *self.submission))

    def forwards(self, ip: str, name: str = "") -> bool:
        """Whether a host is a known forwarder."""
        return _within(ip, self.forwarder_networks) or named(name, self.forwarder_hosts)

    def submits(self, ip: str) -> bool:
        """Whether a host of ours takes mail from users only."""
        return bool(self.submission) and _within(ip, self.submission)


NOBODY = Trust()
"""Only private networks are ours."""


def read_trust(section: TrustSection, faults: list[str]) -> Trust:
    """The settings of [trust]; what is wrong in them is appended to ``faults``."""
    forwarders = [text for text in section.forwarders if not _is_network(text)]
    networks = [text for text in section.forwarders if _is_network(text)]
    return Trust(
        _networks(section.networks, "networks", faults),
        _names(section.hosts, "hosts", faults),
        _networks(section.submission, "submission", faults),
        _networks(networks, "forwarders", faults),
        _names(forwarders, "forwarders", faults),
        frozenset(name.removeprefix(".") for name in _names(section.lists, "lists", faults)),
    )


def _is_network(text: str) -> bool:
    return ":" in text or "/" in text or text.rpartition(".")[2].isdigit()


def _networks(texts: Iterable[str], key: str, faults: list[str]) -> tuple[Network, ...]:
    found: list[Network] = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            faults.append(f'trust.{key}: a network like "192.0.2.0/24" is expected, got {text!r}')
    return tuple(found)


def _names(texts: Iterable[str], key: str, faults: list[str]) -> frozenset[str]:
    found = set()
    for text in texts:
        name = text.lower().rstrip(".")
        if name.count(".") - name.startswith(".") < 1 or not name.isprintable() or set(name) & set(" @[]/*"):
            faults.append(f'trust.{key}: a name like "mx.example.org" or ".example.org" is expected, got {text!r}')
        found.add(name)
    return frozenset(found)


_PRIVATE_FIRST = frozenset({"10", "100", "127", "169", "172", "192"})
"""First numbers of the private networks of IPv4."""


def is_private(ip: str) -> bool:
    """Whether an address is of a private network or of the host itself."""
    return (":" in ip or ip.partition(".")[0] in _PRIVATE_FIRST) and _is_private(ip)


@lru_cache(maxsize=4096)
def _is_private(ip: str) -> bool:
    return _within(ip, PRIVATE)


def _within(ip: str, networks: Sequence[Network]) -> bool:
    if not networks:
        return False
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in networks if network.version == address.version)


def named(name: str, names: frozenset[str]) -> bool:
    """Whether a host name is one of ``names``, or below one that begins with a dot."""
    if not name or not names:
        return False
    name = name.lower().rstrip(".")
    labels = name.split(".")[-10:]
    return name in names or any("." + ".".join(labels[start:]) in names for start in range(1, len(labels)))


def path_of(mail: Mail, trust: Trust) -> Path:
    """How ``mail`` came to us.  Pure, and linear in the size of the header."""
    given = _given(mail.envelope)
    if given is not None:
        if mail.envelope.auth_user:
            return Path((), given, (), given, True, True)
        if not trust.ours(given.ip, given.name) and not (trust.forwards_any and trust.forwards(given.ip, given.name)):
            return Path((), given, (), given, False, True)
    return _walk(trust, mail.message.header_all("received")[:MAX_HOPS], given)


def _given(envelope: Envelope) -> Hop | None:
    """The host that connected, as the SMTP session has it."""
    if envelope.client_ip is None:
        return None
    auth = "ESMTPA" if envelope.auth_user else ""
    return Hop(envelope.client_ip, envelope.client_name or "", envelope.helo or "", auth)


@lru_cache(maxsize=256)
def _walk(trust: Trust, lines: tuple[str, ...], given: Hop | None) -> Path:
    """Follow the hops down, as far as each was written by a host that is believed."""
    fields = hops(lines)
    own: list[Hop] = []
    number, hop = (0, given) if given is not None else next(fields, (0, _END))
    while hop is not None and not hop.auth and (hop is FETCHED or trust.ours(hop.ip, hop.name)):
        own = [] if hop is FETCHED else [*own, hop]
        if trust.submits(hop.ip):
            return Path(tuple(own), None, (), None, True, given is not None, number, "a user has handed it in")
        number, hop = next(fields, (number, _END))
    if hop is None or hop is _END:
        why = "a Received field of our own is not understood" if hop is None else "it came through hosts of ours only"
        return Path(tuple(own), None, (), None, False, given is not None, number, why)
    forwarders, origin = _forwarded(trust, hop, fields)
    return Path(tuple(own), hop, forwarders, origin, bool(hop.auth), given is not None, number)


def _forwarded(
    trust: Trust, client: Hop, fields: Iterator[tuple[int, Hop | None]]
) -> tuple[tuple[Hop, ...], Hop | None]:
    """Known forwarders, and who gave the mail to them."""
    found: list[Hop] = []
    hop: Hop | None = client
    while hop is not None and trust.forwards_any and trust.forwards(hop.ip, hop.name):
        found.append(hop)
        _, hop = next(fields, _NO_HOP)
        while hop is not None and is_private(hop.ip):
            _, hop = next(fields, _NO_HOP)
    return tuple(found), hop if hop is not FETCHED else None


_NO_HOP: tuple[int, Hop | None] = (0, None)


def hops(lines: Iterable[str]) -> Iterator[tuple[int, Hop | None]]:
    """What Received fields tell: how many have been read, and the hop, None where it cannot be understood.

    Fields of steps within a host are passed over.
    """
    from .ruleset.received import FETCHED as FETCHED_LINE
    from .ruleset.received import IGNORED
    from .ruleset.relays import parse_received

    for number, line in enumerate(lines, 1):
        relay = parse_received(line)
        if relay is None or not relay.ip:
            yield number, None
        elif relay is FETCHED_LINE:
            yield number, FETCHED
        elif relay is not IGNORED:
            yield number, Hop(relay.ip, verified(relay.rdns, line), relay.helo, relay.auth)


def verified(name: str, line: str) -> str:
    """A reverse name where the field gives it apart from what the client said: ``helo (name [address])``."""
    if not name:
        return ""
    if ". [" in line:
        line = line.replace(". [", " [")
    return name if f"({name} [" in line and "may be forged" not in line else ""


def before(mail: Mail, path: Path, most: int) -> tuple[str, ...]:
    """Addresses of hosts that the mail is said to have come through before ``path.client``; they may be invented."""
    lines = mail.message.header_all("received")[path.written : path.written + 4 * most + 8]
    return tuple(islice((hop.ip for _, hop in hops(lines) if hop is not None and hop is not FETCHED), 4 * most + 8))
