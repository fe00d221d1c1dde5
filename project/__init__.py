"""Yours: contract, target and features of your models. It imports nothing of the starter; core loads it by name."""
