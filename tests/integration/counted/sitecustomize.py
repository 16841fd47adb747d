"""What Python imports first in every program of tests.integration.support: its native objects are counted from the start, and
those that are alive at its very end, when the program's own names are gone, are written to the file that TREADLE_TEST_LEFT names.

Not here: whoever reads it (tests/integration/support.py). A program that a signal kills writes nothing.
"""

import atexit
import gc
import importlib.util
import os
import sys
from pathlib import Path

FILE = os.environ.get("TREADLE_TEST_LEFT")
PROGRAMS = str(Path(__file__).resolve().parents[1] / "http" / "programs")


def count() -> None:
    place = Path(__file__).resolve().parents[2] / "census.py"  # not as `tests`: the program shall find what it finds without us
    specification = importlib.util.spec_from_file_location("_counted", place)
    assert specification is not None
    assert specification.loader is not None
    module = sys.modules["_counted"] = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    module.census.watch(module.native_types())
    before = module.Holdings.now()

    def report() -> None:
        for name in ("last_value", "last_traceback"):
            sys.__dict__.pop(name, None)
        for program in list(sys.modules.values()):
            if program.__name__ == "__main__" or (getattr(program, "__file__", None) or "").startswith(PROGRAMS):
                for name in [name for name in vars(program) if not name.startswith("__")]:
                    delattr(program, name)
        gc.collect()
        left = module.Holdings.now().since(before).objects
        if left:
            with open(FILE, "a", encoding="utf-8") as file:
                file.write(f"{' '.join(sys.argv)}:\n{module.Holdings(left, module.Counter())}\n")

    atexit.register(report)


if FILE is not None:
    count()
