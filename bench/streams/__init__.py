"""Streams beside Node's and beside async generators: inside a process, and over sockets. How to read it: bench/README.md."""
