"""The model late-arrivals of the sample."""
