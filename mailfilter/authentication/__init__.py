"""Sender authentication as pure dialogues over DNS questions: SPF, DKIM, DMARC and ARC.

Every evaluator is a generator that yields `DnsQuestion` tuples and is sent `DnsAnswer` tuples; none touches a socket.
What DNS did not tell is ``temperror`` in each of them, and evidence of nothing (law 3).
"""
