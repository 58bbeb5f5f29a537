"""The rules: what a call is, who may use what, how a plan becomes a new document.

Pure: the standard library and `resolver.errors` only. No I/O, no SQL, no cryptography, no YAML.
"""
