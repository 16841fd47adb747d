# Nothing of this unit is visible from Python: loop.LoopCore.statistics() tells what it holds.
