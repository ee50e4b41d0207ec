# SPDX-License-Identifier: BSD-3-Clause
"""The report as one page that needs nothing else."""
import html

from . import figures, svg

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #1f2937; }
table { border-collapse: collapse; margin: 1em 0; } td, th { padding: .25em .8em; text-align: left;
border-bottom: 1px solid #e5e7eb; } td.n { text-align: right; font-variant-numeric: tabular-nums; }
.met { color: #15803d; } .missed { color: #b91c1c; font-weight: 600; } .unknown { color: #6b7280; }
svg { width: 100%; max-width: 46em; } svg text { font-size: 12px; fill: #374151; } svg .small { font-size: 10px; }
svg .grid { stroke: #e5e7eb; } p.note { color: #6b7280; }
"""


def row(cells, tag="td"):
    return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"


def value_of(report, point, counter):
    value = report["points"].get(point, {}).get(counter)
    return value if isinstance(value, (int, float)) else None


def target_rows(report):
    kinds = {True: ("met", "met"), False: ("missed", "not met"), None: ("unknown", "not measured")}
    for target in report["targets"]:
        kind, words = kinds[target["met"]]
        words += f" ({target['note']})" if target["note"] else ""
        sign = {"<=": "≤", ">=": "≥"}[target["relation"]]
        yield (f"<tr><td><code>{target['name']}</code></td><td>{html.escape(target['what'])}</td>"
               f"<td class=n>{figures.number(target['value'])}</td>"
               f"<td class=n>{sign} {figures.number(target['limit'])}</td>"
               f"<td class={kind}>{words}</td></tr>")


def by_size(report):
    places = {"128": "len128_100k", "512": "len512_100k", "IMIX": "imix_100k", "1400": "len1400_100k"}
    return svg.lines({
        "inbound": [value_of(report, f"{p}_in", "cycles") for p in places.values()],
        "outbound": [value_of(report, f"{p}_out", "cycles") for p in places.values()],
        "limit (raw), in": [value_of(report, f"{p}_in", "raw_cycles") for p in places.values()],
        "limit (raw), out": [value_of(report, f"{p}_out", "raw_cycles") for p in places.values()],
        "no crypto, in": [value_of(report, f"{p}_in", "nocrypto_cycles") for p in places.values()],
        "librte_ipsec, in": [value_of(report, f"{p}_in", "librte_ipsec_cycles") for p in places.values()],
    }, list(places), "TSC cycles a packet")


def by_ues(report):
    places = {"1": "imix_1", "1,000": "imix_1k", "100,000": "imix_100k", "1,000,000": "imix_1m"}
    return svg.lines({
        "inbound": [value_of(report, f"{p}_in", "cycles") for p in places.values()],
        "outbound": [value_of(report, f"{p}_out", "cycles") for p in places.values()],
        "limit (raw), in": [value_of(report, f"{p}_in", "raw_cycles") for p in places.values()],
        "no crypto, in": [value_of(report, f"{p}_in", "nocrypto_cycles") for p in places.values()],
        "no crypto, out": [value_of(report, f"{p}_out", "nocrypto_cycles") for p in places.values()],
    }, list(places), "TSC cycles a packet")


def peers(report):
    def both(counter):
        return [value_of(report, f"imix_100k_{direction}", counter) for direction in ("in", "out")]
    return svg.bars({"gateway": both("cycles"), "ipsec-mb alone": both("raw_cycles"),
                     "no crypto": both("nocrypto_cycles"), "librte_ipsec": both("librte_ipsec_cycles"),
                     "OpenSSL alone": both("openssl_cycles")},
                    ["inbound", "outbound"], "TSC cycles a packet")


def axes(report):
    """What else was varied around the base point, as its ratio to raw."""
    places = {"base": "imix_100k", "IPv6": "imix_100k_ipv6", "TCP": "imix_100k_tcp", "burst 32": "imix_100k_burst32",
              "burst 128": "imix_100k_burst128", "256 buf.": "imix_100k_buffers256",
              "4,096 buf.": "imix_100k_buffers4096"}
    return svg.bars({direction: [value_of(report, f"{p}_{short}", "vs_raw") for p in places.values()]
                     for direction, short in (("inbound", "in"), ("outbound", "out"))}, list(places), "gateway / raw")


def workers(report):
    def both(counter):
        return [value_of(report, f"two_workers_{direction}", counter) for direction in ("in", "out")]
    return svg.bars({"two workers": both("ours_gain"), "two raw threads": both("raw_gain")}, ["inbound", "outbound"],
                    "packets/s of two over one")


def latency(report):
    """Percentiles by load, if a gateway ran; else nothing."""
    rows = report.get("latency") or []
    percentiles = sorted({name for entry in rows for name in entry["us"]}, key=float)
    if not rows:
        return '<p class="note">No gateway ran in this report.</p>'
    return svg.lines({f"{entry['load_percent']:g} % load": [entry["us"].get(name) for name in percentiles]
                      for entry in rows}, [f"p{name}" for name in percentiles], "microseconds", is_logarithmic=True)


def zb(report):
    """What bgf-zbload's phases did, if they ran."""
    phases = report.get("control", {}).get("phases") or []
    if not phases:
        return '<p class="note">bgf-zbload did not run in this report.</p>'
    keys = ("sets", "seconds", "sets_per_second", "install_p50_ms", "install_p99_ms", "control_cpu_us_per_set",
            "refused_for_overload")
    head = row(["phase", *(key.replace("_", " ") for key in keys)], "th")
    return "<table>" + head + "".join(
        f"<tr><td>{html.escape(phase['phase'])}</td>" +
        "".join(f"<td class=n>{figures.number(phase.get(key))}</td>" for key in keys) + "</tr>"
        for phase in phases) + "</table>"


def point_table(report):
    head = ["point", "cycles", "raw", "ours / raw", "tenths of rounds", "ours - raw", "no crypto", "librte_ipsec", "Gbit/s",
            "repeated"]
    yield "<table>" + row(head, "th")
    for name, point in report["points"].items():
        if "cycles" not in point:
            continue
        spread = f"{point['vs_raw_low']:.2f} to {point['vs_raw_high']:.2f}" if "vs_raw" in point else "-"
        cells = [figures.number(point.get(key)) for key in ("cycles", "raw_cycles", "vs_raw")] + [spread] + \
                [figures.number(point.get(key)) for key in ("minus_raw", "nocrypto_cycles", "librte_ipsec_cycles",
                                                            "gbit_per_s", "disturbed")]
        yield f"<tr><td><code>{name}</code></td>" + "".join(f"<td class=n>{cell}</td>" for cell in cells) + "</tr>"
    yield "</table>"


def base_turns(report):
    yield from (f"<p>{html.escape(line)}</p>" for line in figures.turns_told(report["base_turns"]))
    yield from (f"<p class=missed>{html.escape(name)} failed: {html.escape(error)}</p>"
                for name, error in report["failed"].items())


def contenders(report):
    found = report["points"].get("imix_100k_in", {}).get("contenders", {})
    rows = (row([f"<code>{name}</code>", html.escape(words)]) for name, words in found.items())
    return "<table>" + "".join(rows) + "</table>"


def machine(report):
    facts = {**report["machine"], "product": f"{report['product']['version']}, burst {report['product']['burst']}",
             "disturbed rounds": f"{report['disturbed_rounds']} repeated, {report['disturbed_rounds_kept']} kept"}
    return "<table>" + "".join(row([name, html.escape(str(value))]) for name, value in facts.items()) + "</table>"


def page(report):
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>BGF: the fast path, measured</title>",
        f"<style>{STYLE}</style><h1>The fast path, measured</h1>",
        f"<p>{report['made']}, a {report['mode']} run of {report['seconds']:.0f} s. TSC cycles a packet on one core, "
        "between rx burst and tx burst, medians of rounds that alternate with their reference's over the same buffers.</p>",
        "<h2>Targets</h2><table>", row(["name", "what", "value", "limit", ""], "th"), *target_rows(report),
        "</table>", *base_turns(report),
        "<h2>Cycles a packet by length of the IP packet</h2>", by_size(report),
        "<h2>By number of UEs (IMIX)</h2>", by_ues(report),
        "<h2>Peers (IMIX, 100,000 UEs)</h2>", peers(report),
        "<h2>One axis at a time, against raw</h2>", axes(report),
        "<h2>Workers</h2>", workers(report),
        "<h2>Residence in the gateway</h2>", latency(report),
        "<h2>SA sets over Zb</h2>", zb(report),
        "<h2>All points</h2>", *point_table(report),
        "<h2>Who is compared</h2>", contenders(report),
        "<h2>The machine</h2>", machine(report),
    ]
    return "\n".join(parts) + "</html>\n"
