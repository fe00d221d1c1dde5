"""Metrics, intervals and the gate: pure functions of arrays and frames; it may import core."""
