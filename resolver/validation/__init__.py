"""Checks that may take long: JSON Schemas and regular expressions, in a bounded child process."""
