"""What is asked of Node and of treadle alike, and what the server says to it. Not here: what came of it (node_facts.json).

One after the other: where a server talks nonsense c-ares closes the socket, and other questions that wait on it have another fate
in each version.
"""

from tests.unit.dns import server as says
from tests.unit.dns.server import Server

TIMEOUT_MS, TRIES = 5000, 2  # of both; each question is answered at once

REFUSALS = {
    "formerr": says.FORMERR, "servfail": says.SERVFAIL, "nxdomain": says.NXDOMAIN, "notimp": says.NOTIMP,
    "refused": says.REFUSED, "nodata": says.OK, "garbage": says.GARBAGE,
}  # fmt: skip

QUESTIONS = {  # method of a Resolver, and what it is asked for
    "A": ("resolve4", "example.com"),
    "AAAA": ("resolve6", "example.com"),
    "MX": ("resolve_mx", "example.com"),
    "TXT": ("resolve_txt", "example.com"),
    "TXT in parts": ("resolve_txt", "parts.example.com"),
    "SRV": ("resolve_srv", "_imap._tcp.example.com"),
    "CNAME": ("resolve_cname", "www.example.com"),
    "NS": ("resolve_ns", "example.com"),
    "PTR": ("resolve_ptr", "1.2.0.192.in-addr.arpa"),
    "SOA": ("resolve_soa", "example.com"),
    "NAPTR": ("resolve_naptr", "example.com"),
    "CAA": ("resolve_caa", "example.com"),
    "names of IPv4": ("reverse", "192.0.2.1"),
    "names of IPv6": ("reverse", "2001:db8::1"),
    "names of an address without": ("reverse", "192.0.2.77"),
    "A behind another name": ("resolve4", "alias.example.com"),
    "another name alone": ("resolve4", "alone.example.com"),
    "records of another kind alone": ("resolve4", "other.example.com"),
    "capitals": ("resolve4", "EXAMPLE.com"),
    "a dot at the end": ("resolve4", "example.com."),
    "beyond ASCII": ("resolve4", "bücher.example"),
    "an empty label": ("resolve4", "a..b"),
    "a space": ("resolve4", "a b"),
    "too long a name": ("resolve4", "a" * 300),
    "too long a label": ("resolve4", "a" * 64 + ".example.com"),
    **{f"{name}: A": ("resolve4", f"{name}.example") for name in REFUSALS},
    **{f"{name}: MX": ("resolve_mx", f"{name}.example") for name in REFUSALS},
}


def say_everything(server: Server) -> None:
    """The answers."""
    server.say("example.com", "A", says.a("192.0.2.1"), says.a("192.0.2.2"), ttl=77)
    server.say("example.com", "AAAA", says.aaaa("2001:db8::1"), ttl=78)
    server.say("example.com", "MX", says.mx(20, "second.example.com"), says.mx(10, "first.example.com"))
    server.say("example.com", "TXT", says.text(b"v=spf1 -all"), says.text(b"other"), says.text(b""))
    server.say("parts.example.com", "TXT", says.text(b"v=spf1 ", b"-all"))
    server.say("_imap._tcp.example.com", "SRV", says.srv(1, 2, 143, "imap.example.com"))
    server.say("www.example.com", "CNAME", says.name("example.com"))
    server.say("example.com", "NS", says.name("ns1.example.com"), says.name("ns2.example.com"))
    server.say("1.2.0.192.in-addr.arpa", "PTR", says.name("one.example.com"))
    server.say("example.com", "SOA", says.soa("ns1.example.com", "admin.example.com", 1, 2, 3, 4, 5))
    server.say("example.com", "NAPTR", says.naptr(100, 10, "u", "E2U+sip", "!^.*$!sip:a@example.com!", "."))
    server.say("example.com", "CAA", says.caa(0, "issue", "ca.example.net"), says.caa(128, "iodef", "mailto:a@example.com"))
    six = ".".join(reversed("20010db8000000000000000000000001")) + ".ip6.arpa"
    server.say(six, "PTR", says.name("one.example.com"), says.name("uno.example.com"))
    alias = ("CNAME", says.name("example.com"))
    server.say_records("alias.example.com", "A", alias, ("A", says.a("192.0.2.1")))
    server.say_records("alone.example.com", "A", alias)
    server.say_records("other.example.com", "A", ("TXT", says.text(b"x")))
    server.say("xn--bcher-kva.example", "A", says.a("192.0.2.1"))
    for name, rcode in REFUSALS.items():
        for kind in ("A", "MX"):
            server.refuse(f"{name}.example", kind, rcode)
