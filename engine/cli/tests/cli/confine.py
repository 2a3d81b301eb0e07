"""Runs a program under a seccomp profile of containers (OCI, as Docker and Podman read it), on x86-64.

    confine.py PROFILE.json PROGRAM [ARGUMENT...]
    confine.py PROFILE.json PROGRAM --refused       mount, ptrace and unshare must be refused
    confine.py UNIT.service PROGRAM [ARGUMENT...]   under the SystemCallFilter= of a unit of systemd

Reads as much of the format as our profile uses: names, SCMP_ACT_ALLOW and SCMP_ACT_ERRNO, and one
masked comparison of an argument. The kernel reads the filter as linux/seccomp.h says.
"""

import ctypes
import json
import os
import re
import struct
import subprocess
import sys

HEADERS = ["/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"]
LOAD, JUMP, JUMP_IF_EQUAL, AND, RETURN = 0x20, 0x05, 0x15, 0x54, 0x06
ALLOW, FAIL_WITH = 0x7FFF0000, 0x00050000
NUMBER, FIRST_ARGUMENT = 0, 16
SET_NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2
EPERM = 1


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


def numbers():
    """The system calls of this machine by name."""
    for header in HEADERS:
        if os.path.exists(header):
            with open(header, encoding="utf-8") as text:
                return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", text.read())}
    sys.exit("SKIPPED: the kernel's headers are missing (linux-libc-dev)")


def calls_of(name):
    """A name as systemd has them: of a call, or with @ of a set of calls and other sets."""
    if not name.startswith("@"):
        return {name}
    command = ["systemd-analyze", "syscall-filter", name]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[1:]
    names = [line.strip() for line in listed if line.strip() and not line.strip().startswith("#")]
    return set().union(*map(calls_of, names))


def profile_of_unit(path):
    """The filter of a unit as a profile: each line adds, or takes away after a ~; systemd itself adds execve."""
    allowed = set()
    with open(path, encoding="utf-8") as unit:
        filters = [line.strip().partition("=")[2] for line in unit if line.startswith("SystemCallFilter=")]
    for words in filters:
        calls = set().union(*map(calls_of, words.lstrip("~").split()))
        allowed = allowed - calls if words.startswith("~") else allowed | calls
    rule = {"names": sorted(allowed | {"execve"}), "action": "SCMP_ACT_ALLOW"}
    return {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]}


def read_profile(path):
    if path.endswith(".service"):
        return profile_of_unit(path)
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def verdict(action, errno):
    return ALLOW if action == "SCMP_ACT_ALLOW" else FAIL_WITH | (EPERM if errno is None else errno)


def compiled(profile):
    """A filter that compares the call's number with each name in turn; a name it does not know is of another machine."""
    known, steps = numbers(), [(LOAD, 0, 0, NUMBER)]
    for rule in profile["syscalls"]:
        answer = verdict(rule["action"], rule.get("errnoRet"))
        for name in rule["names"]:
            if name not in known:
                continue
            if "args" not in rule:
                steps += [(JUMP_IF_EQUAL, 0, 1, known[name]), (RETURN, 0, 0, answer)]
                continue
            (test,) = rule["args"]
            assert test["op"] == "SCMP_CMP_MASKED_EQ", test
            steps += [
                (JUMP_IF_EQUAL, 0, 5, known[name]),
                (LOAD, 0, 0, FIRST_ARGUMENT + 8 * test["index"]),
                (AND, 0, 0, test["value"]),
                (JUMP_IF_EQUAL, 0, 1, test["valueTwo"]),
                (RETURN, 0, 0, answer),
                # Whatever stands below is about the number again.
                (LOAD, 0, 0, NUMBER),
            ]
    steps.append((RETURN, 0, 0, verdict(profile["defaultAction"], profile.get("defaultErrnoRet"))))
    return len(steps), b"".join(struct.pack("HBBI", *step) for step in steps)


def confine(profile):
    length, code = compiled(profile)
    memory = ctypes.create_string_buffer(code)
    program = Filter(length, ctypes.cast(memory, ctypes.c_void_p))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or prctl(SET_SECCOMP, FILTER, ctypes.byref(program), 0, 0):
        sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")


def check_refusals():
    """Each call with arguments that the kernel itself would take or refuse otherwise, also for root."""
    libc, known = ctypes.CDLL(None, use_errno=True), numbers()
    new_user_namespace = 0x10000000
    for name, argument in [("unshare", 0), ("ptrace", 0), ("mount", 0), ("clone", new_user_namespace)]:
        if libc.syscall(known[name], argument, 0, 0, 0, 0) == 0 or ctypes.get_errno() != EPERM:
            sys.exit(f"{name} was not refused: {os.strerror(ctypes.get_errno())}")


def main():
    confine(read_profile(sys.argv[1]))
    if sys.argv[3:] == ["--refused"]:
        check_refusals()
    else:
        os.execv(sys.argv[2], sys.argv[2:])


main()
