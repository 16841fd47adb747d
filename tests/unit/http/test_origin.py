"""Whose a request is: of a chain, what an address that is trusted says, and not a word more."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle import TreadleError
from treadle.http.edge import Edge
from treadle.http.origin import Origin, OriginPolicy, TrustedPeers, _forwarded_hops

LOCAL = ("127.0.0.1", 8000)
PROXY = ("10.0.0.1", 5000)


def seen(
    fields: dict[str, str], *, trusted: str = "10.0.0.0/8, unix", peer: Any = PROXY, before: Any = None, kind: str = "x-forwarded"
) -> Any:
    names = ("for", "proto", "host", "port", "forwarded")
    values = [fields[name].encode("latin-1") if name in fields else None for name in names]
    return OriginPolicy(Origin(trusted, kind)).origin_of("http", before, (LOCAL, peer), values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("trusted", "host", "is_trusted"),
    [
        ("", "127.0.0.1", False),
        ("", "", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("10.0.0.0/8,::1", "10.255.0.1", True),
        ("10.0.0.0/8,::1", "::1", True),
        ("10.0.0.0/8", "::ffff:10.0.0.1", True),
        ("10.0.0.0/8", "::ffff:11.0.0.1", False),
        ("fe80::/10", "fe80::1%eth0", True),
        ("*", "192.0.2.1", True),
        ("*", "", True),
        ("unix", "", True),
        ("unix", "127.0.0.1", False),
        (" 10.0.0.1 , 10.0.0.2 ,", "10.0.0.2", True),
        ("10.0.0.1", "garbage", False),
        ("::ffff:10.0.0.0/104", "10.0.0.1", True),  # IPv4 in IPv6's clothes, in a list as elsewhere
        ("::ffff:10.0.0.0/104", "::ffff:10.0.0.1", True),
        ("::ffff:10.0.0.0/104", "11.0.0.1", False),
        ("::/0", "10.0.0.1", False),
        ("0.0.0.0/0", "10.0.0.1", True),
        ("0.0.0.0/0", "::1", False),
    ],
)
def test_trusted_peers(trusted: str, host: str, is_trusted: bool) -> None:
    assert TrustedPeers(trusted).has(host) is is_trusted


@pytest.mark.parametrize("trusted", ["localhost", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8;::1", "10.0.0"])
def test_a_list_that_says_something_else_is_refused(trusted: str) -> None:
    with pytest.raises(TreadleError) as caught:
        Edge(Origin(trusted))
    assert caught.value.code == "ERR_INVALID_ARG_VALUE"


def test_a_proxy_header_of_nobody_is_refused() -> None:
    with pytest.raises(TreadleError):
        Edge(Origin("", proxy_protocol=True))


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.66, 192.0.2.1", "192.0.2.1"),  # what stands left of the client is the client's own word
        ("192.0.2.66, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("192.0.2.66,192.0.2.1,10.0.0.2,10.0.0.3", "192.0.2.1"),
        ("10.0.0.9, 192.0.2.1, 10.0.0.2", "192.0.2.1"),  # a client that says it were a proxy
        ("10.0.0.7, 10.0.0.8", "10.0.0.7"),  # from within
        ("garbage, 192.0.2.1", "192.0.2.1"),
        ("192.0.2.66, garbage, 10.0.0.2", "10.0.0.2"),  # nobody is believed beyond what cannot be read
        ("192.0.2.66, unknown", "10.0.0.1"),
        ("", "10.0.0.1"),
        (",,", "10.0.0.1"),
        ("192.0.2.1,", "10.0.0.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:0DB8::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[2001:db8::1", "10.0.0.1"),
        ("[2001:db8::1]x", "10.0.0.1"),
        ("192.0.2.1\x00", "10.0.0.1"),
        ("192.0.2.01", "10.0.0.1"),
        ("<script>", "10.0.0.1"),
        (", ".join(["192.0.2.1", *["10.0.0.2"] * 200]), "10.0.0.2"),  # a chain without end is not walked to its end
    ],
)
def test_of_a_chain_the_client_is_the_first_from_the_right_that_is_not_trusted(chain: str, client: str) -> None:
    assert seen({"for": chain})[1][0] == client


def test_the_port_of_a_client_is_kept_where_one_is_said() -> None:
    assert seen({"for": "192.0.2.1:4711"})[1] == ("192.0.2.1", 4711)
    assert seen({"for": "192.0.2.1"})[1] == ("192.0.2.1", 0)


def test_who_is_not_trusted_says_nothing() -> None:
    fields = {"for": "192.0.2.1", "proto": "https", "host": "example.com", "forwarded": "for=192.0.2.1"}
    for peer in (("192.0.2.9", 1), ("::1", 1, 0, 0)):
        assert seen(fields, peer=peer) is None
        assert seen(fields, peer=peer, kind="forwarded") is None
    assert seen(fields, trusted="10.0.0.1", peer="") is None


def test_a_unix_socket_is_trusted_by_its_name() -> None:
    assert seen({"for": "192.0.2.1", "proto": "https"}, peer="") == ("https", ("192.0.2.1", 0), LOCAL)


@pytest.mark.parametrize("trusted", ["*", "0.0.0.0/0", "::ffff:0:0/96", "*, unix", "0.0.0.0/0, ::/0"])
@pytest.mark.parametrize("kind", ["x-forwarded", "forwarded"])
def test_where_every_peer_is_trusted_a_chain_says_its_last_element(trusted: str, kind: str) -> None:
    """What stands left of it the client may have written."""
    fields = {"for": "192.0.2.66, 192.0.2.1", "forwarded": "for=192.0.2.66, for=192.0.2.1"}
    assert seen(fields, trusted=trusted, kind=kind)[1][0] == "192.0.2.1"


def test_beside_a_star_the_proxies_that_are_named_are_walked_past() -> None:
    assert seen({"for": "192.0.2.66, 192.0.2.1, 10.0.0.2"}, trusted="*, 10.0.0.0/8")[1][0] == "192.0.2.1"
    assert seen({"for": "192.0.2.1, 10.0.0.2"}, trusted="*, 10.0.0.0/8", peer=("192.0.2.9", 1))[1][0] == "192.0.2.1"


@pytest.mark.parametrize(
    ("fields", "scheme"),
    [
        ({"proto": "https"}, "https"),
        ({"proto": "HTTPS"}, "https"),
        ({"proto": "ftp"}, "http"),
        ({"proto": "https", "for": "unknown"}, "https"),
        ({"proto": "https, http", "for": "192.0.2.66, 192.0.2.1"}, "http"),  # each speaks for the hop beside it
        ({"proto": "https, http", "for": "192.0.2.1, 10.0.0.2"}, "https"),
        ({"proto": "https", "for": "192.0.2.66, 192.0.2.1"}, "https"),
        ({"proto": "https, http"}, "http"),
    ],
)
def test_the_scheme(fields: dict[str, str], scheme: str) -> None:
    assert seen(fields)[0] == scheme


@pytest.mark.parametrize(
    ("fields", "server"),
    [
        ({"host": "example.com"}, ("example.com", 80)),
        ({"host": "example.com", "proto": "https"}, ("example.com", 443)),
        ({"host": "example.com:8443", "proto": "https"}, ("example.com", 8443)),
        ({"host": "[2001:db8::1]:81"}, ("[2001:db8::1]", 81)),
        ({"host": "[2001:db8::1]"}, ("[2001:db8::1]", 80)),
        ({"host": "example.com", "port": "81"}, ("example.com", 81)),
        ({"port": "81"}, ("127.0.0.1", 81)),
        ({"port": "99999"}, LOCAL),
        ({"port": "x"}, LOCAL),
        ({"for": "192.0.2.1"}, LOCAL),
        ({"host": "[::1]:81:82"}, LOCAL),  # what could not stand in Host is none here either
        ({"host": "[:::]"}, LOCAL),
        ({"host": 'evil"><script>'}, LOCAL),
        ({"host": "a b"}, LOCAL),
        ({"host": "user@example.com"}, LOCAL),
        ({"host": "example.com/path"}, LOCAL),
        ({"host": "b\xfccher.example"}, LOCAL),
        ({"host": ":81"}, LOCAL),
        ({"host": "x" * 262}, LOCAL),
        ({"host": "example.com:99999"}, ("example.com", 80)),
        ({"host": "example.com:"}, ("example.com", 80)),
    ],
)
def test_the_server(fields: dict[str, str], server: Any) -> None:
    assert seen(fields)[2] == server


@pytest.mark.parametrize(
    ("value", "scheme", "client"),
    [
        ("for=192.0.2.1;proto=https;by=203.0.113.43", "https", "192.0.2.1"),
        ('For="[2001:db8:cafe::17]:4711"', "http", "2001:db8:cafe::17"),
        ("for=192.0.2.66, for=192.0.2.1;proto=https, for=10.0.0.2", "https", "192.0.2.1"),
        ("for=192.0.2.66;proto=https, for=192.0.2.1", "http", "192.0.2.1"),
        ("for=_hidden, for=10.0.0.2", "http", "10.0.0.2"),
        ("for=unknown;proto=https", "https", "10.0.0.1"),
        ('for="192.0.2.1', "http", "10.0.0.1"),
        ('for=192.0.2.66;x=", for=192.0.2.1', "http", "192.0.2.1"),  # a quote that a client left open
        ('for=192.0.2.66;x=", for="[2001:db8::1]"', "http", "2001:db8::1"),  # ... has no hold on what a proxy has added
        ('for=192.0.2.66;x="\\, for="[2001:db8::1]";proto=https', "https", "2001:db8::1"),
        ('for=192.0.2.66;x=", for="192.0.2.1", for="10.0.0.2"', "http", "192.0.2.1"),
        ('for="192.0.2.66, for=192.0.2.1"', "http", "10.0.0.1"),
        ('for=192.0.2.1;x="a, for=10.0.0.2;b\\"=\\"", for=10.0.0.3', "http", "192.0.2.1"),
        ('for=192.0.2.1;x="a"b"', "http", "10.0.0.1"),
        ("for=192.0.2.1;;proto=https", "https", "192.0.2.1"),  # RFC 7239 section 4: a pair may be missing
        ("for=192.0.2.1;proto=https;", "https", "192.0.2.1"),
        ("for=192.0.2.66,, for=192.0.2.1 ,", "http", "192.0.2.1"),  # RFC 9110 section 5.6.1.2: and an element, too
        ("for = 192.0.2.1", "http", "10.0.0.1"),
        ("", "http", "10.0.0.1"),
        ("proto=https", "https", "10.0.0.1"),
        ("for=192.0.2.1;for=192.0.2.2", "http", "10.0.0.1"),  # RFC 7239 section 4: not more than once
        ("for=192.0.2.1;FOR=192.0.2.2", "http", "10.0.0.1"),
        ('for="192.0.2.\\1"', "http", "192.0.2.1"),
        ("for=192.0.2.66;broken, for=10.0.0.2", "http", "10.0.0.2"),
        ("for=192.0.2.66, =x, for=10.0.0.2", "http", "10.0.0.2"),
        ('for="_gazonk:4711", for=10.0.0.2', "http", "10.0.0.2"),
        ('for="[2001:db8::1]:_port"', "http", "2001:db8::1"),
        ('for="[fe80::1%25eth0]"', "http", "10.0.0.1"),
        # Lines of the field, which do not run into each other:
        ("for=192.0.2.66\nfor=192.0.2.1;proto=https", "https", "192.0.2.1"),
        ("for=192.0.2.1;proto=https\nfor=10.0.0.2", "https", "192.0.2.1"),
        ('for=192.0.2.66;x="\nfor=192.0.2.1;proto=https', "https", "192.0.2.1"),
        ('for=192.0.2.66;x="\nfor="[2001:db8::1]"', "http", "2001:db8::1"),
        ('for=10.0.0.9;x="\nfor="10.0.0.2"', "http", "10.0.0.2"),  # a malformed line is nobody's word
        ('for=192.0.2.1;x="a\nb"\nfor=10.0.0.2', "http", "10.0.0.2"),
        ("\n\nfor=192.0.2.1\n", "http", "192.0.2.1"),
        (", ".join(["for=192.0.2.1", *["for=10.0.0.2"] * 400]), "http", "10.0.0.2"),  # not walked to its end
        ("for=192.0.2.1" + "," * 5_000, "http", "10.0.0.1"),
    ],
)
def test_forwarded(value: str, scheme: str, client: str) -> None:
    said = seen({"forwarded": value, "for": "192.0.2.99", "proto": "https"}, kind="forwarded")
    assert (said[0], said[1][0]) == (scheme, client)


TOKEN = st.text("ab1.-_~!#$%&'*+^`|", min_size=1, max_size=5)
QUOTED = st.text('ab"\\\\ ,;=\t\xe9', max_size=8)
ELEMENT = st.lists(st.tuples(TOKEN, st.one_of(TOKEN, QUOTED)), min_size=1, max_size=4, unique_by=lambda pair: pair[0].lower())


def written(element: list[tuple[str, str]]) -> str:
    quoted = [value.replace("\\", "\\\\").replace('"', '\\"') for _, value in element]
    return ";".join(f'{name}="{value}"' for (name, _), value in zip(element, quoted, strict=True))


@settings(deadline=None)
@given(st.lists(ELEMENT, max_size=5), st.text('ab"\\ ,;=\n', max_size=30), st.sampled_from([", ", ",", "\n"]))
def test_what_is_well_formed_is_read_whatever_stands_left_of_it(
    chain: list[list[tuple[str, str]]], theirs: str, between: str
) -> None:
    ours = between.join(written(element) for element in chain)
    hops = _forwarded_hops((theirs + between + ours if ours else theirs).encode("latin-1"))
    read = list(islice(hops, len(chain)))
    assert read == [{name.lower(): value for name, value in element} for element in reversed(chain)]


@settings(deadline=None)
@given(st.text('ab"\\ ,;=\n', max_size=60))
def test_whatever_it_says_it_is_read_to_an_end(text: str) -> None:
    assert all(all(name for name in hop) for hop in _forwarded_hops(text.encode()))


def test_fields_of_the_other_kind_are_not_looked_at() -> None:
    """A proxy that sets X-Forwarded-For lets Forwarded pass as its client wrote it."""
    assert seen({"forwarded": "for=192.0.2.66"}) == ("http", PROXY, LOCAL)
    assert seen({"for": "192.0.2.66"}, kind="forwarded") == ("http", PROXY, LOCAL)


def test_fields_are_believed_of_whom_the_proxy_header_names_only_if_that_one_is_trusted() -> None:
    far: Any = ("https", ("192.0.2.1", 1), ("10.1.1.1", 443))
    assert seen({"for": "192.0.2.66"}, before=far, trusted="*") == far, "a star is for who connects"
    assert seen({"for": "192.0.2.66"}, before=far, trusted="0.0.0.0/0") == far
    near = ("https", ("10.0.0.5", 1), ("10.1.1.1", 443))
    assert seen({"for": "192.0.2.66"}, before=far) == far
    assert seen({"for": "192.0.2.66"}, before=near) == ("https", ("192.0.2.66", 0), ("10.1.1.1", 443))


def test_quoted_strings_without_end_take_no_time() -> None:
    seen({"forwarded": 'a="' * 10_000}, kind="forwarded")
    seen({"forwarded": 'a="\\' * 8_000}, kind="forwarded")
    seen({"forwarded": "a" * 32_000}, kind="forwarded")
    seen({"forwarded": " " * 32_000 + "x"}, kind="forwarded")
    seen({"forwarded": ",".join([" " * 30] * 1_000)}, kind="forwarded")
    seen({"forwarded": '"' * 32_000}, kind="forwarded")
    seen({"forwarded": '="' * 16_000 + '"'}, kind="forwarded")
    seen({"forwarded": ("a" * 30 + '="') * 1_000 + '"'}, kind="forwarded")
    seen({"forwarded": "\n" * 32_000}, kind="forwarded")
    seen({"forwarded": ";" * 32_000}, kind="forwarded")
    seen({"forwarded": "a=1;b=2;" * 4_000}, kind="forwarded")
