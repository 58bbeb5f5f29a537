"""Puts the parts together: the only place that constructs stores, ciphers and services."""
