"""The version, in the one place that packaging reads too. Invariant: a literal, so that nothing is imported to read it."""

VERSION = "0.1.0"
