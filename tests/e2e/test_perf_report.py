# SPDX-License-Identifier: BSD-3-Clause
"""perf/report: runs, and what it writes is whole. No time is judged here."""
import contextlib
import importlib.machinery
import importlib.util
import json
import os
import re
import subprocess
import sys

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


STAND_IN = """#!/usr/bin/python3
import json, sys
NAMES = ["imix_100k_in_begin", "imix_100k_out_middle", "imix_1k_in", "imix_100k_in", "imix_100k_out"]
if "--list" in sys.argv:
    sys.exit(print("\\n".join(NAMES)))
out = next(word.split("=", 1)[1] for word in sys.argv if word.startswith("--benchmark_out="))
runs = [{"name": name + "/iterations:3", "cycles": 1000.0, "groups": 3.0, "clean": 3.0} for name in NAMES]
for run in runs:
    if run["name"].startswith("@/"):
        run.update(error_occurred=True, error_message="ours: 1023 of 1024 packets came out right")
context = {"hot_bytes_per_set": "320", "tsc_hz": "2000000000", "product": "0", "product_burst": "64"}
json.dump({"context": context, "benchmarks": runs}, open(out, "w"))
"""


@pytest.mark.parametrize("point, status", [("none", 0), ("imix_1k_in", 0), ("imix_100k_in", 1), ("imix_100k_out", 1),
                                           ("imix_100k_in_begin", 1), ("imix_100k_out_middle", 1)])
def test_a_base_point_that_fails_is_no_report(tmp_path, monkeypatch, capsys, point, status):
    """With a stand-in for bgf-bench, one of whose points ended in an error."""
    loader = importlib.machinery.SourceFileLoader("perf_report", os.path.join(REPOSITORY, "perf", "report"))
    program = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(program)
    bench = tmp_path / "perf" / "bgf-bench"
    bench.parent.mkdir()
    bench.write_text(STAND_IN.replace("@", point))
    bench.chmod(0o755)
    monkeypatch.setattr(program.machine, "huge_pages", lambda say: contextlib.nullcontext())
    monkeypatch.setattr(sys, "argv", ["report", "--quick", "--no-gateway", "--build", str(tmp_path), "--out",
                                      str(tmp_path / "out")])
    if status == 0:
        program.main()
    else:
        with pytest.raises(SystemExit, match="the base point did not come out right"):
            program.main()
    printed = capsys.readouterr().out
    assert ("FAILED: " in printed) == (point != "none") == (f"FAILED: {point}: ours: 1023 of 1024" in printed)
    failed = json.loads((tmp_path / "out" / "report.json").read_text())["failed"]
    assert set(failed) == {point} - {"none"} and (tmp_path / "out" / "report.html").exists()


@pytest.mark.parametrize("words, status", [(["--strict"], 1), ([], 0)])
def test_bgf_bench_strict_ends_badly_when_a_point_did(words, status):
    """Two workers on one processor cannot be measured."""
    one = {min(os.sched_getaffinity(0))}
    done = subprocess.run([os.path.join(BUILD, "perf", "bgf-bench"), *words, "--groups", "1", "--point", "two_workers_in"],
                          preexec_fn=lambda: os.sched_setaffinity(0, one), capture_output=True, text=True, timeout=300,
                          check=False)
    assert "two workers need two cores" in done.stdout and done.returncode == status, done.stdout + done.stderr


def test_wasted_cycles_are_the_products_alone():
    argv = [os.path.join(BUILD, "perf", "bgf-bench"), "--groups", "3", "--point", "imix_1_in", "--waste", "50000",
            "--benchmark_format=json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=True)
    counters = json.loads(done.stdout)["benchmarks"][0]
    assert counters["cycles"] > 50000 and counters["nocrypto_cycles"] > 50000 > counters["raw_cycles"]
