"""Starts the real daemon, breaks what is around it, and checks that not one event is lost.

`python -m tests.faults.run --rounds 200 --seed 1` is the long run, `make faults` the same.
"""
