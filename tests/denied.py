"""Starts a program for which the kernel refuses some system calls, as a container's seccomp profile does.

    python denied.py NAME,NAME... PROGRAM ARGS...

The filter is classic BPF as in seccomp(2); `prctl` means its request to turn off dumpability only.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

NUMBERS = {"x86_64": {"memfd_create": 319, "prctl": 157}, "aarch64": {"memfd_create": 279, "prctl": 167}}
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 22, 38
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _EPERM = 0x7FFF0000, 0x00050001


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One instruction of the filter."""
    return struct.pack("HBBI", code, if_true, if_false, value)


def deny(names: list[str]) -> None:
    """Have the kernel refuse system calls from now on, for this process and what it starts."""
    numbers = NUMBERS[platform.machine()]
    code = []
    for name in names:
        code.append(instruction(_LOAD, 0))
        if name == "prctl":  # the lower half of the first argument says what is asked for
            code += [
                instruction(_JUMP_IF_EQUAL, numbers[name], 0, 3),
                instruction(_LOAD, 16),
                instruction(_JUMP_IF_EQUAL, _PR_SET_DUMPABLE, 0, 1),
            ]
        else:
            code.append(instruction(_JUMP_IF_EQUAL, numbers[name], 0, 1))
        code.append(instruction(_RETURN, _EPERM))
    code.append(instruction(_RETURN, _ALLOW))
    text = ctypes.create_string_buffer(b"".join(code))
    program = _Program(len(code), ctypes.addressof(text))
    libc = ctypes.CDLL(None)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, 2, ctypes.byref(program)):
        sys.exit("no filter can be set here")


if __name__ == "__main__":
    deny(sys.argv[1].split(","))
    os.execv(sys.argv[2], sys.argv[2:])
