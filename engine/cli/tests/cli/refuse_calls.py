"""Runs a program for which the kernel refuses some system calls, as a container's seccomp profile does.

    refuse_calls.py ERRNO CALL[,CALL...] PROGRAM [ARGUMENT...]

Calls are numbers of x86-64. Everything else is allowed.
"""

import ctypes
import os
import struct
import sys

LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL_WITH = 0x7FFF0000, 0x00050000
SET_NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


def compiled(calls, errno):
    """A filter that loads the call's number and compares it with each of `calls` in turn."""
    steps = [(LOAD, 0, 0, 0)]
    for left, call in zip(range(len(calls), 0, -1), calls):
        steps.append((JUMP_IF_EQUAL, left, 0, call))
    steps += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, FAIL_WITH | errno)]
    return len(steps), b"".join(struct.pack("HBBI", *step) for step in steps)


def main():
    errno, calls = int(sys.argv[1]), [int(call) for call in sys.argv[2].split(",")]
    length, code = compiled(calls, errno)
    memory = ctypes.create_string_buffer(code)
    program = Filter(length, ctypes.cast(memory, ctypes.c_void_p))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or prctl(SET_SECCOMP, FILTER, ctypes.byref(program), 0, 0):
        sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
    os.execv(sys.argv[3], sys.argv[3:])


main()
