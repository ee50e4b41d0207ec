# SPDX-License-Identifier: BSD-3-Clause
"""Numbered requests at a steady pace, so that whoever asks can tell which were lost. Both the phone's UE and the S-CSCF
send them."""
import threading
import time

LAST_ANSWER_WAIT_S = 40


class Numbered:
    """One of them; stands where its sender's table of waiting transactions has a queue."""

    def __init__(self, message, send, status_of):
        self.message, self.send, self.status_of = message, send, status_of
        self.begin, self.status, self.copies, self.answered = time.monotonic(), None, 0, None

    def put(self, answer):
        status = self.status_of(answer)
        if status >= 200 and self.status is None:
            self.status, self.answered = status, time.monotonic()


class Traffic:
    """compose(number) returns (message, send); answers is the table into which the sender puts responses by branch.
    One that is not answered is sent again after repeat_s, as SIP does over UDP; with 0 never, so that a lost one is
    seen to be lost."""

    def __init__(self, compose, answers, status_of, interval_s, repeat_s=0):
        self._compose, self._answers, self._status_of = compose, answers, status_of
        self._interval_s, self._repeat_s = interval_s, repeat_s
        self._sent, self._ending = [], threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self):
        """Sends no new ones, waits for the answers, and tells how it was: how many were sent, sent again, and answered
        with which status; longest_ms: the longest time without an answer."""
        self._ending.set()
        self._thread.join()
        begin = time.monotonic()
        while time.monotonic() < begin + LAST_ANSWER_WAIT_S and any(one.status is None for one in self._sent):
            self._repeat()
            time.sleep(0.05)
        statuses = {}
        for one in self._sent:
            self._answers.pop(one.message.branch, None)
            statuses[str(one.status or 0)] = statuses.get(str(one.status or 0), 0) + 1
        times = sorted(one.answered for one in self._sent if one.answered)
        return {"sent": len(self._sent), "repeated": sum(one.copies - 1 for one in self._sent), "statuses": statuses,
                "longest_ms": round(1000 * max((b - a for a, b in zip(times, times[1:])), default=0))}

    def _run(self):
        due = time.monotonic()
        while not self._ending.wait(max(0.0, due - time.monotonic())):
            message, send = self._compose(len(self._sent) + 1)
            one = Numbered(message, send, self._status_of)
            self._answers[message.branch] = one
            self._sent.append(one)
            self._send(one)
            self._repeat()
            due = max(due + self._interval_s, time.monotonic())

    def _repeat(self):
        if self._repeat_s:
            now = time.monotonic()
            for one in self._sent:
                if one.status is None and now - one.begin > self._repeat_s * (2 ** one.copies - 1):
                    self._send(one)

    @staticmethod
    def _send(one):
        one.copies += 1
        try:
            one.send()
        except OSError:
            pass  # nobody answers it then, which is what counts
