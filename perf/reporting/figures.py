# SPDX-License-Identifier: BSD-3-Clause
"""From the suites' counters to the report's names, and to the targets."""
import datetime
import re

from . import control, gateway

# The report's names, and of which point and counter they are. Ratios are ours / reference.
SOURCES = {
    "imix_100k_in_vs_raw": ("imix_100k_in", "vs_raw"),
    "imix_100k_out_vs_raw": ("imix_100k_out", "vs_raw"),
    "imix_100k_in_minus_raw_cycles": ("imix_100k_in", "minus_raw"),
    "imix_100k_out_minus_raw_cycles": ("imix_100k_out", "minus_raw"),
    "imix_100k_in_vs_librte_ipsec": ("imix_100k_in", "vs_librte_ipsec"),
    "imix_100k_out_vs_librte_ipsec": ("imix_100k_out", "vs_librte_ipsec"),
    "imix_1m_vs_1_in": ("imix_1m_in", "vs_ours_other"),
    "imix_1m_vs_1_out": ("imix_1m_out", "vs_ours_other"),
    "nocrypto_100k_in_cycles": ("imix_100k_in", "nocrypto_cycles"),
    "nocrypto_100k_out_cycles": ("imix_100k_out", "nocrypto_cycles"),
    "bytes_per_ue_dataplane": ("imix_1m_in", "bytes_per_ue"),
    "self_check_ratio": ("self_check", "vs_raw_again"),
    "slowed_check_cycles": ("slowed_check", "minus_ours"),
}
# The points that most names come from, and what is told of each of their turns.
BASE = ("imix_100k_in", "imix_100k_out")
BASE_TURNS = tuple(base + turn for base in BASE for turn in ("_begin", "_middle", ""))
OF_A_TURN = ("groups", "clean", "cycles", "vs_raw", "minus_raw", "vs_librte_ipsec", "nocrypto_cycles")
CLEAN_LEAST = 15  # groups.h
PAIRS = ("two_workers_in", "two_workers_out")
NAMES = [*SOURCES, "two_workers_vs_two_raw_threads", "hot_bytes_per_set", *gateway.NAMES, *control.NAMES]
COUNTERS_OF_GOOGLE = ("name", "family_index", "per_family_instance_index", "run_name", "run_type", "repetitions",
                      "repetition_index", "threads", "iterations", "real_time", "cpu_time", "time_unit", "label",
                      "error_occurred", "error_message")


def matching(names, pattern):
    return [name for name in names if pattern is None or re.search(pattern, name)]


def glance(line):
    """The few figures of a line of Google Benchmark's table that tell how it goes."""
    if "ERROR" in line:
        return "failed: " + line.split("'", 1)[-1].rstrip().rstrip("'")
    shown = dict(re.findall(r"(\S+?)=([0-9.e+-]+[kMG]?)", line))
    wanted = [(name, shown[name]) for name in ("cycles", "vs_raw", "vs_raw_again", "minus_ours",
                                               "two_workers_vs_two_raw_threads") if name in shown]
    return "  ".join(f"{name} {value}" for name, value in wanted)


def points(suites):
    """{name: {counter: number, "label": ...}}; a point that failed has "error" alone."""
    found = {}
    for run in suites["benchmarks"]:
        name = run["name"].split("/", 1)[0]
        if run.get("error_occurred"):
            found[name] = {"error": run.get("error_message", "")}
            continue
        found[name] = {key: round(value, 4) for key, value in run.items() if key not in COUNTERS_OF_GOOGLE}
        found[name]["contenders"] = dict(part.split(": ", 1) for part in run.get("label", "").split("; ") if ": " in part)
    return found


def named(found):
    """The report's plain numbers, those that were measured."""
    values = {name: found.get(point, {}).get(counter) for name, (point, counter) in SOURCES.items()}
    pairs = [found[name]["two_workers_vs_two_raw_threads"] for name in PAIRS
             if "two_workers_vs_two_raw_threads" in found.get(name, {})]
    values["two_workers_vs_two_raw_threads"] = min(pairs) if pairs else None
    return values


def base_turns(found):
    """How the base points' figures came about: {point: {"groups", "clean", "turns": [a turn's own figures, ...]}}."""
    told = {}
    for base in BASE:
        point = found.get(base, {})
        if "groups" not in point:
            continue
        turns = [{name: point[f"turn{number}_{name}"] for name in OF_A_TURN if f"turn{number}_{name}" in point}
                 for number in range(1, 10) if f"turn{number}_groups" in point]
        alone = {name: point[name] for name in OF_A_TURN if name in point}
        told[base] = {"groups": point["groups"], "clean": point["clean"], "turns": turns or [alone]}
    return told


def turns_told(told):
    """The same in a line a point."""
    for base, of in told.items():
        groups, clean = int(of["groups"]), int(of["clean"])
        which = f"{clean} of {groups} groups were undisturbed" + (
            ", and count alone" if CLEAN_LEAST <= clean < groups else "" if clean == groups else ": too few, all count")
        read = [f"{name} " + " ".join(number(turn.get(name)) for turn in of["turns"])
                for name in ("vs_raw", "vs_librte_ipsec", "nocrypto_cycles")]
        yield f"{base}: {which}; by turns of the run: " + ", ".join(read)


def failed(found):
    """{point: error} of those that ended in one, the base points first."""
    errors = {name: point["error"] for name, point in found.items() if "error" in point}
    return dict(sorted(errors.items(), key=lambda entry: entry[0] not in BASE_TURNS))


def raw_limit(found, direction):
    """Of the ratio to raw: the larger of 1.25 and what raw + 130 cycles makes."""
    cycles = found.get(f"imix_100k_{direction}", {}).get("raw_cycles")
    return max(1.25, 1 + 130 / cycles) if cycles else 1.25


def targets(values, found):
    """Rows of PERFORMANCE's table: name, what it is, value, limit, whether it is met (None: not measured)."""
    at_most = [
        ("imix_100k_in_vs_raw", "IMIX, 100,000 UEs, inbound, against raw", raw_limit(found, "in")),
        ("imix_100k_out_vs_raw", "the same outbound", raw_limit(found, "out")),
        ("imix_100k_in_vs_librte_ipsec", "the same against librte_ipsec, inbound", 0.5),
        ("imix_100k_out_vs_librte_ipsec", "the same outbound", 0.5),
        ("nocrypto_100k_in_cycles", "cycles without crypto, inbound", 130),
        ("nocrypto_100k_out_cycles", "the same outbound", 130),
        ("imix_1m_vs_1_in", "1,000,000 UEs against one, inbound", 1.4),
        ("imix_1m_vs_1_out", "the same outbound", 1.4),
        ("hot_bytes_per_set", "hot octets of a set of four SAs", 320),
        ("bytes_per_ue_dataplane", "octets of an established UE in the data plane", 1024),
        ("bytes_per_ue_control", "and in control", 1024),
        ("gateway_loss_at_80_percent", "packets lost at 80 % of the limit while sets come and go", 0),
        ("zb_install_p99_ms_at_80_percent_load", "INSTALL at 80 % load, p99, ms", 5),
        ("loss_during_storm", "registrations lost while everyone registers anew", 0),
        ("timers_1m_cpu_percent", "per cent of a processor for a million timers", 1),
        ("residence_p99_us_at_10_percent", "residence at 10 % load, p99, us", 100),
    ]
    rows = [(name, what, values.get(name), "<=", limit) for name, what, limit in at_most]
    rows.insert(8, ("two_workers_vs_two_raw_threads", "two workers' gain against two raw threads'",
                    values.get("two_workers_vs_two_raw_threads"), ">=", 0.95))
    rows += [(name, what, values.get(name), ">=", limit) for name, what, limit in (
        ("zb_sets_per_s_pipelined", "sets a second over one Zb connection, pipelined", 50000),
        ("zb_sets_per_s_at_80_percent_load", "the same at 80 % load", 10000))]
    notes = remarks(values.get("gateway", {}))
    return [{"name": name, "what": what, "value": value, "relation": relation, "limit": round(limit, 3),
             "met": None if value is None else value <= limit if relation == "<=" else value >= limit,
             "note": notes.get(name, "")}
            for name, what, value, relation, limit in rows]


def remarks(gateway_run):
    """By target: what the trial behind it was like, where that bears on its verdict."""
    offered = gateway_run.get("offered_percent_at_80_percent_load")
    while_churned = gateway_run.get("offered_percent_while_sets_come_and_go")
    notes = {}
    if gateway_run.get("residence_disturbed"):
        notes["residence_p99_us_at_10_percent"] = "from a disturbed trial"
    if offered is not None and while_churned is not None:
        notes["gateway_loss_at_80_percent"] = f"at {offered:.0f} % and, with sets, {while_churned:.0f} %"
        for name in ("zb_install_p99_ms_at_80_percent_load", "zb_sets_per_s_at_80_percent_load"):
            notes[name] = f"at {while_churned:.0f} %"
    return notes


def number(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(rows):
    lines = [f"{'target':36} {'value':>9}    {'limit':>8}  "]
    for row in rows:
        verdict = {True: "met", False: "NOT MET", None: "not measured"}[row["met"]]
        lines.append(f"{row['name']:36} {number(row['value']):>9} {row['relation']} {number(row['limit']):>8}  {verdict}" +
                     (f" ({row['note']})" if row["note"] else ""))
    return "\n".join(lines) + "\n"


def report(suites, measured, machine):
    found = points(suites)
    values = {**named(found), **measured}
    context = suites["context"]
    values["hot_bytes_per_set"] = int(context["hot_bytes_per_set"])
    return {
        "report": 1,
        "made": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": {**machine, **{key: context.get(key) for key in ("dpdk", "intel_ipsec_mb", "openssl")},
                    "tsc_hz": int(context["tsc_hz"])},
        "product": {"version": context["product"], "burst": int(context["product_burst"])},
        **{name: values.get(name) for name in NAMES},
        "disturbed_rounds": int(sum(point.get("disturbed", 0) for point in found.values())),
        "disturbed_rounds_kept": int(sum(point.get("disturbed_kept", 0) for point in found.values())),
        "base_turns": base_turns(found),
        "failed": failed(found),
        "targets": targets(values, found),
        "points": found,
        "latency": measured.get("latency", []),
        "gateway": measured.get("gateway", {}),
        "control": measured.get("control", {}),
    }
