"""Where resolved text may go, and how a child process gets it.

`hardening` keeps our own memory out of core files and debuggers; `sink` judges what stdout is. `parcels` are
the ways in which a command gets texts: `memfd`, a sealed memory file; `fifo`, which can be read once and is
removed by `watcher`; or stdin. `child` runs a command with one; `relay` passes signals on to it; `taps` mask
what it prints, by `masking`, in all `forms` of a value; `terminal`, `ttys` and `session` give it a terminal
of its own. Nothing here prints, exits or reads the environment: words and exit codes are the command line's.
"""
