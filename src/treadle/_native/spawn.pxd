"""Declarations of spawn.pyx: nothing that other native units may touch."""
