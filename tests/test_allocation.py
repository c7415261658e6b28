"""How memory is handed out: whatever thread asks, freed blocks stay with the process and are used again."""

import platform
import subprocess
import sys
import textwrap

import pytest

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told how to hand out memory")


def printed(program: str) -> str:
    """What a program of its own prints."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@glibc
@pytest.mark.parametrize("told", [True, False])
def test_blocks_of_every_thread_lie_in_the_one_heap(told):
    """A megabyte that another thread asks for comes from the heap of the process, where it stays when it is freed;
    without being told so, glibc maps it from the system and gives it back."""
    found = printed(f"""
        import threading
        from app.allocation import reuse_freed_memory
        if {told}:
            assert reuse_freed_memory()
        kept = []
        thread = threading.Thread(target=lambda: kept.append(bytearray(1 << 20)))
        thread.start()
        thread.join()
        heap = next(line for line in open("/proc/self/maps") if line.rstrip().endswith("[heap]"))
        first, last = (int(edge, 16) for edge in heap.split()[0].split("-"))
        view = memoryview(kept[0])
        import ctypes
        print(first <= ctypes.addressof(ctypes.c_char.from_buffer(view)) < last)
    """)
    assert found == str(told)


def test_command_line_has_one_thread_when_it_begins():
    """What the C library is told about threads counts only before there are any, so numeric libraries come later."""
    found = printed("""
        import os, sys
        import app.__main__
        print(len(os.listdir("/proc/self/task")), "numpy" in sys.modules)
    """)
    assert found == "1 False"
