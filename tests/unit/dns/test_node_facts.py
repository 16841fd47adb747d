"""The questions of questions.py, whose answers must be what Node left in node_facts.json (record_node_facts.py). Where treadle
means to differ the table below says how, and why."""

import json
import re
from pathlib import Path
from typing import Any

import treadle
from tests.unit.dns.questions import QUESTIONS, TIMEOUT_MS, TRIES, say_everything
from tests.unit.dns.server import Server
from treadle import dns

FACTS = json.loads(Path(__file__).with_name("node_facts.json").read_text())["facts"]

DIFFERENT: dict[str, Any] = {
    "TXT in parts": [["v=spf1 -all"]],  # pycares joins them
    "another name alone": {"error": "ENODATA", "syscall": "query_a", "hostname": "alone.example.com"},  # there an empty list
}


def snake(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def as_in_treadle(fact: Any) -> Any:
    """Node's answer as it would be here: names of questions, no type beside a record, the tag of CAA no key."""
    if isinstance(fact, dict) and "error" in fact:
        return {**fact, "syscall": snake(fact["syscall"])}
    if isinstance(fact, list):
        return [as_in_treadle(one) for one in fact]
    if isinstance(fact, dict) and fact.get("type") == "CAA":
        [(tag, value)] = [(key, value) for key, value in fact.items() if key not in ("critical", "type")]
        return {"critical": fact["critical"], "tag": tag, "value": value}
    return {key: value for key, value in fact.items() if key != "type"} if isinstance(fact, dict) else fact


def plain(found: Any) -> Any:
    """An answer of treadle's as JSON."""
    if isinstance(found, tuple):
        return found._asdict()  # type: ignore[attr-defined]
    return [plain(one) for one in found] if isinstance(found, list) else found


async def ask_everything(address: str) -> dict[str, Any]:
    resolver = dns.Resolver(timeout=TIMEOUT_MS, tries=TRIES)
    resolver.set_servers([address])
    found: dict[str, Any] = {}
    for name, (method, hostname) in QUESTIONS.items():
        try:
            found[name] = plain(await getattr(resolver, method)(hostname))
        except dns.DnsError as error:
            found[name] = {"error": error.code, "syscall": error.syscall, "hostname": error.hostname}
    return found


def test_answers_are_those_of_node(server: Server) -> None:
    say_everything(server)
    found = treadle.run(ask_everything(server.address))
    expected = {name: as_in_treadle(fact) for name, fact in FACTS.items()}
    for name, ours in DIFFERENT.items():
        assert expected[name] != ours
        expected[name] = ours
    assert found == expected
