"""The host that a mail comes from: its way to us, its reverse name, its HELO, and whether the sender's domains exist.

The host is the first that is not ours, or the one before a known forwarder (`mailfilter.trust`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..authentication.dialogue import Dialogue, askable, together
from ..authentication.hosts import Address, HostAnswer, Standing, exchangers, greeting, reverse
from ..authentication.spf_session import read_address
from ..symbols import Findings, Symbol, declared_by
from ..trust import NOBODY, Hop, Path, Trust, is_private, named, path_of
from . import Asking, Mail
from ._text import quote

if TYPE_CHECKING:
    from ..config import Config

UNKNOWN = "CLIENT_UNKNOWN"
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")

_REVERSE = {
    Standing.CONFIRMED: "RDNS_CONFIRMED",
    Standing.OTHER: "RDNS_UNCONFIRMED",
    Standing.MISSING: "RDNS_NONE",
}
_HELO = {Standing.CONFIRMED: "HELO_CONFIRMED", Standing.OTHER: "HELO_OTHER_HOST", Standing.MISSING: "HELO_UNRESOLVED"}
_SENDER = {
    Standing.OTHER: "SENDER_NO_MX",
    Standing.MISSING: "SENDER_DOMAIN_MISSING",
    Standing.REFUSES: "SENDER_NULL_MX",
}
_FROM = {Standing.OTHER: "FROM_NO_MX", Standing.MISSING: "FROM_DOMAIN_MISSING", Standing.REFUSES: "FROM_NULL_MX"}


class ClientCheck:
    """`LookupCheck` of the host that connects; everything is asked side by side, in two rounds.

    ``trust``  which hosts are ours; ``names``  further names of our own, that nobody else may give in HELO.
    ``asking``  False where there is nobody to ask: what the SMTP session shows is still looked at.

    Not looked at: mail that we send, or that a user has handed in.
    """

    name = "client"

    def __init__(self, trust: Trust = NOBODY, names: Iterable[str] = (), *, asking: bool = True) -> None:
        self.trust = trust
        self.names = frozenset(name.lower().rstrip(".") for name in names if "." in name) | trust.hosts
        self.asking = asking
        self.symbols = declared_by(self.name)

    def unasked(self, mail: Mail, answered: Container[type[Any]] = ()) -> Findings | None:
        """Nothing where the host is not looked at, or nothing is known of it."""
        envelope = mail.envelope
        if envelope.auth_user or envelope.direction != "inbound":
            return ()
        return None if self.asking or self.trust or envelope.client_ip else ()

    def ask(self, mail: Mail) -> Asking:
        """What the way shows, then everything that DNS is asked."""
        if self.unasked(mail) is not None:
            return ()
        path = path_of(mail, self.trust)
        found = list(_way(path))
        if path.submitted:
            return tuple(found)
        address = read_address(path.origin.ip.partition("%")[0]) if path.origin is not None else None
        host = path.origin if path.origin is not None and not is_private(path.origin.ip) else None
        if host is not None and address is not None:
            found += _helo(host.helo, address, self._is_ours)
        if self.asking:
            found += yield from self._asked(mail, host, address, path.ends)
        return tuple(found)

    def _is_ours(self, name: str) -> bool:
        """Whether a name or address is one that nobody outside has."""
        address = read_address(name)
        return named(name, self.names) if address is None else not is_private(name) and self.trust.ours(name)

    def _asked(self, mail: Mail, host: Hop | None, address: Address | None, ends: str) -> Dialogue[list[Symbol]]:
        unknown = [ends] if ends else []
        plan: list[tuple[dict[Standing, str], str, Dialogue[HostAnswer]]] = []
        found: list[Symbol] = []
        if host is not None and address is not None:
            if host.name:
                found.append(Symbol("RDNS_CONFIRMED", 1.0, quote(host.name)))
            else:
                plan.append((_REVERSE, str(address), reverse(address)))
            name = host.helo.rstrip(".").lower()
            if _is_name(name) and not self._is_ours(name):
                plan.append((_HELO, "HELO", greeting(name, address)))
        for names, domain in _domains(mail):
            plan.append((names, "", exchangers(domain)))
        answers = yield from together([dialogue for _, _, dialogue in plan])
        for (names, what, _), answer in zip(plan, answers, strict=True):
            if answer.standing is Standing.UNKNOWN:
                unknown.append(answer.reason)
            elif symbol := names.get(answer.standing):
                said = ", ".join(map(quote, answer.names)) or "no name"
                found.append(Symbol(symbol, 1.0, f"{what}: {said}" if what else said))
        if unknown:
            found.append(Symbol(UNKNOWN, 1.0, "; ".join(unknown)))
        return found


def _way(path: Path) -> Iterator[Symbol]:
    """What the trust path shows."""
    if path.own:
        yield Symbol("RCVD_OWN_HOSTS", 1.0, _named(path.own))
    if path.own and path.client is None and not path.submitted and path.anchored and not path.written:
        yield Symbol("RCVD_INTERNAL", 1.0, path.ends)
    if path.forwarders:
        before = f", before it {path.origin.ip}" if path.origin else ", what is before it is not told"
        yield Symbol("RCVD_FORWARDER", 1.0, _named(path.forwarders) + before)
    if path.submitted:
        yield Symbol("RCVD_SUBMITTED", 1.0, path.ends or "with a login")


def _named(hops: tuple[Hop, ...]) -> str:
    shown = ", ".join(f"{hop.ip} {quote(hop.name)}" if hop.name else hop.ip for hop in hops[:5])
    return shown + (f" and {len(hops) - 5} more" if len(hops) > 5 else "")


def _helo(helo: str, address: Address, is_ours: Callable[[str], bool]) -> Iterator[Symbol]:
    """What is wrong with a HELO name by itself (RFC 5321 section 4.1.1.1 and 4.1.3)."""
    name = helo.rstrip(".").lower()
    if not name:
        return
    literal = name.startswith("[") and name.endswith("]")
    claimed = read_address(name.strip("[]").removeprefix("ipv6:"))
    if is_ours(str(claimed) if claimed is not None else name):
        yield Symbol("HELO_OURS", 1.0, quote(helo))
    elif claimed is not None and not literal:
        yield Symbol("HELO_BARE_IP", 1.0, quote(helo))
    elif literal:
        same = claimed is not None and claimed == address
        yield Symbol("HELO_LITERAL" if same else "HELO_LITERAL_OTHER", 1.0, quote(helo))
    elif not _is_name(name):
        yield Symbol("HELO_NOT_FQDN", 1.0, quote(helo))


def _is_name(name: str) -> bool:
    labels = name.split(".")
    is_host = len(name) <= 253 and len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels)
    return is_host and not labels[-1].isdigit()


def _domains(mail: Mail) -> Iterator[tuple[dict[Standing, str], str]]:
    """The domains of MAIL FROM and From, the same one once."""
    sender = askable((mail.envelope.mail_from or "").rpartition("@")[2])
    if sender is not None and not _is_address(sender):
        yield _SENDER, sender
    for address in mail.message.addresses("from")[:1]:
        author = askable(address.address.rpartition("@")[2].strip(" .>"))
        if author is not None and author != sender and not _is_address(author):
            yield _FROM, author


def _is_address(domain: str) -> bool:
    return domain.startswith("[") or domain.rpartition(".")[2].isdigit()


def configured(config: Config) -> ClientCheck:
    """The check that the settings describe."""
    names = (config.headers.authserv_id, config.bounce.hostname)
    return ClientCheck(config.trusted(), names, asking=bool(config.dns.resolvers))
