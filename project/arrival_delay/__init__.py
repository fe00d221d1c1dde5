"""The model arrival-delay of the sample."""
