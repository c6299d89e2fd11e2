"""No process of a job outlives another."""

import os
import subprocess
import sys
import time

# One import for both: a main process that hangs while its child fails, and a child whose main process is gone.
BOTH = """
import os, subprocess, sys, time
from textgan_lit import launch

orphan = os.fork()
if orphan == 0:
    main = os.getppid()
    launch.follow(main)
    time.sleep(60)
    os._exit(0)
print(orphan, flush=True)
launch.GRACE = 0.2
launch.Watch([subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])]).start()
time.sleep(60)
"""


def test_a_child_that_fails_ends_the_main_process_and_that_its_other_children():
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", BOTH], capture_output=True, text=True, timeout=50)
    assert done.returncode == 1
    assert done.stderr.endswith("textgan_lit: one of the processes ended with code 3, so all were ended.\n")
    orphan, latest = int(done.stdout), time.monotonic() + 10
    while os.path.exists(f"/proc/{orphan}") and time.monotonic() < latest:
        time.sleep(0.1)
    assert not os.path.exists(f"/proc/{orphan}")
    assert time.monotonic() - begun < 50
