# SPDX-License-Identifier: BSD-3-Clause
"""perf/report: runs, and what it writes is whole. No time is judged here."""
import json
import os
import re
import subprocess

import pytest

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BGF_BUILD") or os.path.join(REPOSITORY, "build")
NAMES = """imix_100k_in_vs_raw imix_100k_out_vs_raw imix_100k_in_minus_raw_cycles imix_100k_out_minus_raw_cycles
imix_100k_in_vs_librte_ipsec imix_100k_out_vs_librte_ipsec imix_1m_vs_1_in imix_1m_vs_1_out
two_workers_vs_two_raw_threads hot_bytes_per_set bytes_per_ue_dataplane bytes_per_ue_control nocrypto_100k_in_cycles
nocrypto_100k_out_cycles gateway_loss_at_80_percent residence_p99_us_at_10_percent zb_sets_per_s_pipelined
zb_sets_per_s_one_by_one zb_sets_per_s_at_80_percent_load zb_install_p99_ms_at_80_percent_load loss_during_storm
timers_1m_cpu_percent""".split()
MEASURED = {"imix_100k_in_vs_raw", "imix_100k_in_minus_raw_cycles", "imix_100k_in_vs_librte_ipsec",
            "nocrypto_100k_in_cycles", "hot_bytes_per_set"}

pytestmark = pytest.mark.skipif(not os.path.exists(os.path.join(BUILD, "perf", "bgf-bench")),
                                reason="built without perf (Google Benchmark is missing)")


@pytest.fixture(name="written", scope="module")
def fixture_written(tmp_path_factory):
    """The report of the base point, inbound, from a few rounds in each of its turns: its folder, and what was printed."""
    out = tmp_path_factory.mktemp("report")
    done = subprocess.run(["perf/report", "--quick", "--groups", "3", "--point",
                           "^imix_100k_in(_begin|_middle)?$", "--build", BUILD, "--out", str(out)],
                          cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out, done.stdout


def test_every_name_is_there_and_what_was_measured_is_a_number(written):
    report = json.loads((written[0] / "report.json").read_text())
    assert set(NAMES) <= set(report)
    assert {name for name in NAMES if report[name] is not None} == MEASURED
    for name in MEASURED:  # a difference of a few disturbed rounds may be below nothing
        assert isinstance(report[name], (int, float)) and (report[name] > 0 or name.endswith("_minus_raw_cycles")), name
    assert report["hot_bytes_per_set"] == 320


def test_the_machine_is_described(written):
    machine = json.loads((written[0] / "report.json").read_text())["machine"]
    assert machine["processor"] and machine["features"] and machine["tsc_hz"] > 1e8
    assert machine["dpdk"].startswith("DPDK 2") and re.match(r"\d+\.\d+", machine["intel_ipsec_mb"])


def test_the_page_needs_nothing_else(written):
    page = (written[0] / "report.html").read_text()
    assert page.count("<svg") >= 5
    assert not re.search(r'(src|href)=|@import|url\(', page)


def test_targets_are_printed(written):
    rows = dict(re.findall(r"^(\w+) +\S+ [<>]= +\S+  (met|NOT MET|not measured)$", written[1], re.M))
    assert rows["hot_bytes_per_set"] == "met" and rows["imix_1m_vs_1_in"] == "not measured"
    assert rows["imix_100k_in_vs_raw"] in ("met", "NOT MET")


def test_the_base_points_turns_are_told_one_by_one(written):
    told = json.loads((written[0] / "report.json").read_text())["base_turns"]
    assert set(told) == {"imix_100k_in"} and told["imix_100k_in"]["groups"] == 9
    turns = told["imix_100k_in"]["turns"]
    assert [turn["groups"] for turn in turns] == [3, 3, 3]
    assert told["imix_100k_in"]["clean"] == sum(turn["clean"] for turn in turns)
    assert all(turn["vs_raw"] > 0 and turn["vs_librte_ipsec"] > 0 and turn["nocrypto_cycles"] > 0 for turn in turns)
    assert re.search(r"^report: imix_100k_in: \d of 9 groups were undisturbed", written[1], re.M)


def test_librte_ipsec_has_the_lines_prefetched_that_its_driver_needs(written):
    points = json.loads((written[0] / "report.json").read_text())["points"]
    assert re.search(r", [4-9] lines of a session prefetched \(HMAC states too\)$",
                     points["imix_100k_in"]["contenders"]["librte_ipsec"])


def test_wasted_cycles_are_the_products_alone():
    argv = [os.path.join(BUILD, "perf", "bgf-bench"), "--groups", "3", "--point", "imix_1_in", "--waste", "50000",
            "--benchmark_format=json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=True)
    counters = json.loads(done.stdout)["benchmarks"][0]
    assert counters["cycles"] > 50000 and counters["nocrypto_cycles"] > 50000 > counters["raw_cycles"]
