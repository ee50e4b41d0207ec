# SPDX-License-Identifier: BSD-3-Clause
"""What the demo prints, and its count of checks."""
import time


class Report:
    """Prints what happens as it happens, and counts."""

    def __init__(self):
        self.begin, self.passed, self.failed = time.monotonic(), 0, 0

    def say(self, text):
        print(f"[{time.monotonic() - self.begin:6.2f} s] {text}", flush=True)

    def step(self, text):
        print(flush=True)
        self.say(text)

    def check(self, what, holds, instead=""):
        """One check. `instead` is what was found, for when it does not hold."""
        self.passed, self.failed = self.passed + bool(holds), self.failed + (not holds)
        found = f": {instead}" if not holds and instead != "" else ""
        self.say(f"  {'ok    ' if holds else 'FAILED'}  {what}{found}")
        return holds

    def within(self, what, condition, patience, instead=lambda: ""):
        """A check of something that comes about within `patience` seconds."""
        deadline = time.monotonic() + patience
        while not (holds := condition()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return self.check(what, holds, "" if holds else instead())

    def last_line(self):
        print(f"demo: {self.passed} checks passed, {self.failed} failed", flush=True)
