"""Split, tuning, fit and the challenger; it may import registry and what that may."""
