"""What the names and values of a blueprint must fulfil beyond the form of each: `--check --strict`.

The rules are those of Cloudify's `dsl_parser`, as far as they can be decided from what is in reach: where an
import that is left to the manager may define a name, nothing is said of it.
"""
