"""Hostile input for everything that maskd reads: files, and messages from the broker.

`targets` holds what is fed, one function per kind of input; hypothesis (`test_fuzz`, and `python -m tests.fuzz` for
many examples) and atheris (`under_atheris`, where it is installed) feed the same functions.
"""
