"""Params, workspace, use case, errors, files, locks, cache keys, events, provenance; it may import features."""
