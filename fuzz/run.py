"""Every fuzz target, one after the other; arguments go to each. Ends with 1 if one found something."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz import http_mutation

if __name__ == "__main__":
    sys.exit(http_mutation.main())
