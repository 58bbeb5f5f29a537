"""Handing over resolved text, to stdout or to a child process.

`stdout_policy` decides whether resolved text may be written to stdout, `log_sources` tells it whose
output that is; `hardening` and `private_memory` keep our own memory out of core files and debuggers.
`child` runs a command, `signals` forwards signals to it. `child_input` has the ways in which it gets
texts: `memfd`, a sealed memory file; `fifo`, which can be read once and is removed by `fifo_cleanup`; or
stdin. `child_output` masks what it prints, by `masking`; `pty_proxy`, `session_leader` and
`termios_tools` give it a terminal of its own. Nothing here prints, exits or reads the environment:
messages and exit codes are the command line's.
"""
