"""Nets, peer engines and the stopwatch; compare.py is the whole bench on one page: read it first.

Nothing is imported here, for a peer's worker process has numpy and the peer's packages only.
"""
