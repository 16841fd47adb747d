"""Declarations of python_jobs.pyx: what other native units may touch."""
