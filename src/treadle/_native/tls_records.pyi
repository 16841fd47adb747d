# Nothing of this unit is visible from Python.
