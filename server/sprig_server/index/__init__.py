"""The index of a workspace: its files and their definitions, full text and vectors, and the ranking of hits.

It is a cache (DESIGN invariant 8): deleting or damaging its file costs time, never correctness.
"""
