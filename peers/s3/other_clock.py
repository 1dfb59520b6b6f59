"""Runs a Python program whose clock is some seconds off: `other_clock.py SECONDS PROGRAM`.

To a gateway whose clock is wrong, every server is one whose clock is off.
"""

import datetime
import runpy
import sys

import time_machine

seconds, program = sys.argv[1:3]
there = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=int(seconds))
sys.argv = sys.argv[2:]
time_machine.travel(there, tick=True).start()
runpy.run_path(program, run_name="__main__")
