# SPDX-License-Identifier: BSD-3-Clause
"""What only a running gateway shows: bgf-pktgen's runs around it, over memif."""
import json
import os

NAMES = ("gateway_loss_at_80_percent", "residence_p99_us_at_10_percent", "bytes_per_ue_control")


def measure(build, out, quick, say):
    """The figures of NAMES that bgf-pktgen wrote, by name; {} where there are none."""
    del build, quick
    path = os.path.join(out, "pktgen.json")
    try:
        with open(path, encoding="utf-8") as file:
            written = json.load(file)
    except (OSError, ValueError):
        say("no figures of a running gateway: bgf-pktgen left none")
        return {}
    return {name: written[name] for name in NAMES if isinstance(written.get(name), (int, float))}
