"""HTTP servers' and frameworks' own test suites against a live `treadle serve`: ``make http-suites``, see
docs/reference/http-conformance.md. No test of theirs is copied here; each comes with its source distribution.
"""

from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
