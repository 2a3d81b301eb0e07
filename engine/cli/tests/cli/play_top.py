"""Runs `ringwire top` on a pseudo-terminal and fails unless it behaves: play_top ENDING PROGRAM..."""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

WITHIN_SECONDS = 90


def wait_for(terminal, seen, words):
    """Reads until the words were written since the last call; the rest of the picture may follow."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while words not in seen:
        assert time.monotonic() < deadline, f"{words!r} is not in {bytes(seen)!r}"
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 65536)
    del seen[: seen.index(words) + len(words)]


def main():
    ending, program = sys.argv[1], sys.argv[2:]
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(inside)
    child = os.fork()
    if child == 0:
        os.login_tty(inside) if hasattr(os, "login_tty") else login(inside)
        os.environ.update(TERM="xterm", NO_COLOR="1")
        if ending == "GONE UNTOLD":
            # In a process below the leader of the session, which hears of no hangup while that lives.
            os.close(terminal)
            below = os.fork()
            if below > 0:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
                sys.exit(os.waitstatus_to_exitcode(os.waitpid(below, 0)[1]))
            os.setpgid(0, 0)
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            os.tcsetpgrp(0, os.getpgid(0))
        os.execvp(program[0], program)
    seen = bytearray()
    wait_for(terminal, seen, b"\x1b[?1049h")
    wait_for(terminal, seen, b"asking")
    os.write(terminal, b"?")
    wait_for(terminal, seen, b"Any")
    os.write(terminal, b"x")
    wait_for(terminal, seen, b"sort:")
    if ending.startswith("GONE"):
        return leave(child, [terminal, inside])
    if ending in ("TERM", "HUP"):
        os.kill(child, getattr(signal, "SIG" + ending))
    else:
        os.write(terminal, ending.encode())
    wait_for(terminal, seen, b"\x1b[?1049l")
    status = os.waitpid(child, 0)[1]
    assert os.waitstatus_to_exitcode(status) == 0, status
    assert termios.tcgetattr(inside)[3] == before[3], "the terminal is not as it was"


def leave(child, ends):
    """Closes the terminal, as who closes its window: the program ends, whether a signal tells it or not."""
    for end in ends:
        os.close(end)
    deadline = time.monotonic() + WITHIN_SECONDS / 3
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            raise AssertionError("it goes on without its terminal")
        time.sleep(0.05)
    assert os.waitstatus_to_exitcode(status) == 0, status


def login(inside):
    os.setsid()
    fcntl.ioctl(inside, termios.TIOCSCTTY, 0)
    for stream in range(3):
        os.dup2(inside, stream)


main()
