"""Drift, window check, Evidently report and retrain policy; it may import training and what that may."""
