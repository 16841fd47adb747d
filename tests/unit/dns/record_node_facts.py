"""Records what Node makes of what the server says, as node_facts.json.

python -m tests.unit.dns.record_node_facts NODE      the Node that is named there
"""

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.unit.dns.questions import QUESTIONS, TIMEOUT_MS, TRIES, say_everything
from tests.unit.dns.server import Server

FACTS = Path(__file__).with_name("node_facts.json")
PROGRAM = """
const { Resolver } = require('dns');
const { server, timeout, tries, questions } = JSON.parse(process.argv[1]);
const resolver = new Resolver({ timeout, tries });
resolver.setServers([server]);
const facts = {};
const ask = (method, hostname) => new Promise((resolve) => resolver[method](hostname, (error, found) => {
  resolve(error ? { error: error.code, syscall: error.syscall, hostname: error.hostname } : found);
}));
async function main() {
  for (const [name, [method, hostname]] of Object.entries(questions)) facts[name] = await ask(method, hostname);
  console.log(JSON.stringify({ node: process.version, facts }));
}
main();
"""


def camel(name: str) -> str:
    """resolve_mx -> resolveMx."""
    return re.sub("_([a-z])", lambda letter: letter[1].upper(), name)


def main() -> None:
    """Record."""
    questions = {name: (camel(method), hostname) for name, (method, hostname) in QUESTIONS.items()}
    with Server() as server:
        say_everything(server)
        asked = {"server": server.address, "timeout": TIMEOUT_MS, "tries": TRIES, "questions": questions}
        done = subprocess.run([sys.argv[1], "-e", PROGRAM, json.dumps(asked)], capture_output=True, text=True, check=True)
    recorded = json.loads(done.stdout)
    lines = [f"    {json.dumps(name)}: {json.dumps(recorded['facts'][name])}" for name in QUESTIONS]
    node = json.dumps(recorded["node"])
    FACTS.write_text(f'{{\n  "node": {node},\n  "facts": {{\n' + ",\n".join(lines) + "\n  }\n}\n")


if __name__ == "__main__":
    main()
