"""The pool beside Node's and beside executors: files, hashes, and a loop that is busy. How to read it: bench/README.md."""
