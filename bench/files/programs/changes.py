"""Changes files for watch.py and watch.js: for each line of its input, all of them once, which is a change each.

    changes.py FOLDER FILES PAUSE_US FIFO

It waits after each of them; with a pause of 0 it changes all in one go, and then says so by FIFO.
"""

from __future__ import annotations

import os
import sys
import time


def main() -> None:
    """Wait for lines, and change."""
    folder, files, pause_us, fifo = sys.argv[1:]
    paths = [f"{folder}/{number}" for number in range(int(files))]
    for line in sys.stdin:
        for path in paths:
            os.truncate(path, int(line))
            if pause_us != "0":
                time.sleep(int(pause_us) / 1e6)
        if pause_us == "0":
            with open(fifo, "w") as saying:
                saying.write("done")


if __name__ == "__main__":
    main()
