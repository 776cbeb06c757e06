"""Two lists, one of codes and one of bits, and what they answer."""

from __future__ import annotations

from mailfilter.dnslists import read_lists, shipped_lists
from mailfilter.lookups import DnsAnswer, DnsState

TEXT = """
[first]
zone = "bl.test"
families = ["ipv4", "ipv6"]
refused = ["127.0.0.255"]
[first.codes]
"127.0.0.2" = { symbol = "DNSBL_FIRST", points = 2.0, description = "Listed." }
"127.0.0.4-7" = { symbol = "DNSBL_FIRST_BOT", points = 3.0, description = "A bot." }

[masked]
zone = "multi.test"
refused_bits = 1
[masked.bits]
2 = { symbol = "DNSBL_MASKED_A", points = 1.0, description = "A." }
8 = { symbol = "DNSBL_MASKED_B", points = 1.0, description = "B." }
128 = { symbol = "DNSBL_MASKED_C", points = 1.0, description = "C." }
"""
FIRST, MASKED = read_lists(TEXT, "test")
EVERY = [FIRST, MASKED, *(d for d in shipped_lists().values())]
ADDRESS = "11.22.33.44"
NOTHING = DnsAnswer(DnsState.NOT_FOUND)


def found(*records: str) -> DnsAnswer:
    return DnsAnswer(DnsState.FOUND, records, 60)
