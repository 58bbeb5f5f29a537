"""Where resolved text may go, and how a child process gets it.

`hardening` keeps our own memory out of core files and debuggers; `sink` judges what stdout is; `memfd` holds
a text in a sealed memory file; `child` runs a command with one; `relay` passes signals on to it. Nothing here
prints, exits or reads the environment: words and exit codes are the command line's.
"""
