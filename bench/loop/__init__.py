"""The loop beside its peers: one operation at a time, and messages echoed over TCP and TLS. How to read it: bench/README.md."""
