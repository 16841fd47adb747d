"""Declarations of census.pyx: none. It looks at the types of other units from outside, and no unit knows of it."""
