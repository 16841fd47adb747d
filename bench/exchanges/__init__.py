"""Exchanges beyond hello world beside the servers of others: see command.py."""
