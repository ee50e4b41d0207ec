# SPDX-License-Identifier: BSD-3-Clause
"""Shows the gateway at work in network namespaces of its own. The main story: a phone registers through it, talks, is
attacked in vain, and is torn down; a second phone's lifetime ends. Another one is about the life of SA sets."""
import argparse
import contextlib
import importlib
import os
import subprocess
import sys
import tempfile

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STORIES = {"main": ("deploy.lab.story", "Demo"), "lifecycle": ("deploy.lab.lifecycle", "Lifecycle")}
FOLDER_MAX = 80  # octets: the sockets' paths in it must fit a sockaddr_un
sys.path.insert(0, REPOSITORY)
sys.dont_write_bytecode = True

from deploy.lab.netns import Lab, LabError, raise_on_signals, require_machine  # noqa: E402  (the path comes first)


def arguments():
    parser = argparse.ArgumentParser(
        prog="deploy/demo", description=__doc__,
        epilog="It must run as root. Its last line is 'demo: N checks passed, M failed'; the exit status is 0 only if "
               "M is 0.")
    parser.add_argument("--story", choices=STORIES, default="main", help="main (default): registration, messages, "
                        "attacks. lifecycle: re-authentication and failed authentication while messages go both ways, "
                        "kill -9 of both daemons and of the P-CSCF, deregistration, expiry, loss of the store")
    parser.add_argument("--transport", choices=("udp", "tcp"), default="udp", help="SIP over udp (default) or tcp")
    parser.add_argument("--family", type=int, choices=(4, 6), default=4, help="IPv4 (default) or IPv6")
    parser.add_argument("--keep", action="store_true",
                        help="stay up afterwards, with a registered phone, and print commands to look around with")
    parser.add_argument("--folder", help="where captures and logs go (default: a new folder in /tmp)")
    parser.add_argument("--name", default="demo", help="prefix of the network namespaces (default: demo)")
    return parser.parse_args()


def run_folder(wanted):
    folder = os.path.abspath(wanted) if wanted else tempfile.mkdtemp(prefix="bgf-demo-")
    if len(folder.encode()) > FOLDER_MAX:
        raise LabError(f"{folder}: at most {FOLDER_MAX} octets, for sockets are made in it; choose a shorter --folder")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    print(f"demo: captures and logs are in {folder}", flush=True)
    return folder


def show(options, report):
    """The whole run. What ends it early counts as one failed check."""
    story = importlib.import_module(STORIES[options.story][0])  # needs packages that deploy/setup installs
    with Lab(options.name) as lab:
        made = getattr(story, STORIES[options.story][1])
        demo = made(lab, run_folder(options.folder), report, options.family, options.transport)
        try:
            demo.run()
        except LabError as error:
            report.check("the run comes to its end", False, error)
        if options.keep:
            report.last_line()
            with contextlib.suppress(KeyboardInterrupt):  # here it is the ordinary end
                demo.keep()


def main():
    options = arguments()
    raise_on_signals()
    try:
        require_machine()
        if setup := subprocess.run([os.path.join(REPOSITORY, "deploy", "setup"), "--quiet"], check=False).returncode:
            return setup
        from deploy.lab.report import Report
        report = Report()
        try:
            show(options, report)
        finally:
            report.last_line()
        return 1 if report.failed else 0
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted; everything is cleaned up", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
