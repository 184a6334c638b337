"""How each foreign client gets onto this machine; everything lands below build/conformance.

`prepare()` of a module installs once (a stamp holds the hash of what it was made from) and raises
NotRun with a reason where the tools or the source cannot be reached.
"""
