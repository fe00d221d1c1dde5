"""The story of the sample; it may import everything, nothing imports it, and it may be deleted."""
