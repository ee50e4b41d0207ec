# SPDX-License-Identifier: BSD-3-Clause
"""bgfctl: every command for people and for programs, what it says to mistakes, and that it never shows a key."""
import json
import os
import re
import signal
import subprocess

import pytest

from deploy.lab.gateway import build_folder, program
from support import KEYS, Raw, a_set, best_of, wait_for, wait_until_serving
from zbwire import Zb

SELECTORS = {"ue": "10.45.7.1", "served": "10.50.0.1", "port_uc": 20001, "port_us": 30001, "port_pc": 6060,
             "port_ps": 6062, "spi_uc": 4711, "spi_us": 4712}


def options(**changes):
    """The options of `set install` for SELECTORS."""
    given = {"subscriber": "ue@ims.example.org"} | SELECTORS | changes
    return [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture(name="ctl")
def bgfctl(gateway):
    """Runs bgfctl; no key may be in what it prints. Its sets are released afterwards."""
    def run(*arguments, stdin=None, status=0):
        done = gateway.bgfctl(*arguments, check=False, stdin=stdin, parse=False)
        KEYS.assert_not_in((done.stdout + done.stderr).encode(), f"the output of bgfctl {arguments}")
        assert done.returncode == status, done
        return done
    yield run
    gateway.bgfctl("set", "release", "all", "--peer", "bgfctl")


@pytest.fixture(name="key")
def a_key():
    return KEYS.new().hex()


@pytest.fixture(name="one")
def one_set(ctl, key):
    """One installed set, as JSON tells it."""
    done = ctl("set", "install", *options(), "--keys", "-", "--json", stdin=f"ik={key}\n")
    return json.loads(done.stdout)


def test_a_set_from_install_to_release(ctl, one):
    assert one["state"] == "temporary" and one["peer"] == "bgfctl"
    assert {name: one[name] for name in SELECTORS} == SELECTORS
    assert one["spi_ps"] > 255 and one["spi_pc"] > 255 and len(one["fingerprint"]) == 16
    confirmed = json.loads(ctl("set", "confirm", str(one["set_id"]), "--expires", "600", "--json").stdout)
    assert confirmed["state"] == "established" and confirmed["remaining_ms"] > 610_000
    released = json.loads(ctl("set", "release", str(one["set_id"]), "--drain", "60", "--json").stdout)
    assert released == {"released": 1, "drain_s": 60}
    assert json.loads(ctl("show", "sets", "--json").stdout)["sets"][0]["state"] == "draining"


def test_keys_come_from_a_file_or_standard_input_and_never_from_an_argument(ctl, key, tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"# of a test\nik={key}\nck={KEYS.new().hex()}\n", encoding="ascii")
    file.chmod(0o600)
    ctl("set", "install", *options(), "--keys", str(file))
    for option in ("--ik", "--ck", "--key"):
        done = ctl("set", "install", *options(), option, "00", status=2)
        assert "bgfctl" in done.stderr


@pytest.mark.parametrize("text, said", [
    ("", "no line ik="),
    ("ik=00\n", "line 1"),
    ("ik=" + "0" * 31 + "g\n", "line 1"),
    ("# only\nkey=abc\n", "line 2"),
    ("ck=" + "0" * 32 + "\n", "no line ik="),
])
def test_a_bad_key_file_is_told_by_its_line_and_never_quoted(ctl, text, said):
    done = ctl("set", "install", *options(), "--keys", "-", stdin=text, status=2)
    assert said in done.stderr
    assert "0000" not in done.stderr and "abc" not in done.stderr


def test_a_key_file_that_is_not_there(ctl):
    assert "/nonexistent" in ctl("set", "install", *options(), "--keys", "/nonexistent", status=2).stderr


@pytest.mark.parametrize("changes, status, said", [
    ({"spi_uc": 255}, 2, "--spi-uc"),
    ({"port_uc": 0}, 2, "--port-uc"),
    ({"ue": "10.45.0"}, 2, "--ue"),
    ({"alg": "hmac-md5"}, 2, "hmac-sha-1-96"),
    ({"port_pc": 5060}, 1, "BAD_PORT (PORT_PC)"),
    ({"spi_us": 4711}, 1, "BAD_SPI (SPI_US)"),
    ({"served": "10.50.0.9"}, 1, "NOT_SERVED (SERVED_ADDRESS)"),
    ({"ue": "10.50.0.1"}, 1, "BAD_ADDRESS (UE_ADDRESS)"),
])
def test_what_is_wrong_is_said_by_name(ctl, key, changes, status, said):
    done = ctl("set", "install", *options(**changes), "--keys", "-", stdin=f"ik={key}\n", status=status)
    assert said in done.stderr, done.stderr


@pytest.mark.parametrize("arguments, said", [
    ((), "which command"), (("shwo", "sets"), "no command"), (("show",), "another word"), (("show", "set"), "ID"),
    (("show", "set", "abc"), "abc"), (("show", "sets", "extra"), "extra"),
    (("show", "sets", "--drain", "1"), "--drain"),
    (("set", "confirm", "1"), "--expires"), (("set", "release", "all"), "--peer"), (("set", "install"), "missing"),
])
def test_a_mistake_on_the_command_line_is_said(ctl, arguments, said):
    assert said in ctl(*arguments, status=2).stderr


def test_help_has_every_command_and_every_command_has_help(ctl):
    text = ctl("--help").stdout
    for command in ("show sets", "show set", "show counters", "show workers", "top", "show ports", "show peers",
                    "show gateway", "events", "set install", "set confirm", "set release"):
        assert command in text
        assert command in ctl(*command.split(), "--help").stdout


def test_workers_are_seen_at_work(gateway, ctl):
    def worked():
        return json.loads(ctl("show", "workers", "--interval", "200", "--json").stdout)["workers"]
    workers = best_of(worked, lambda rows: all(row["turns"] > 0 for row in rows))  # a machine may let one stand still
    assert [row["worker"] for row in workers] == list(range(len(workers))) and workers
    for row in workers:
        assert 150_000 < row["clock_us"] < 60_000_000, "the interval, on the data plane's clock"
        assert row["turns"] > 0 and row["busy_turns"] <= row["turns"]
        assert row["busy_us"] <= row["clock_us"]
    views = ctl("top", "--interval", "100", "--count", "2").stdout
    assert views.count("CYCLES/PACKET") == 2 and "\033" not in views, "plain where it is no terminal"


def test_show_sets_filters(ctl, one):
    def ids(*arguments):
        return [row["set_id"] for row in json.loads(ctl("show", "sets", *arguments, "--json").stdout)["sets"]]
    assert ids() == ids("--ue", "10.45.7.1") == ids("--subscriber", "ue@ims.example.org") == [one["set_id"]]
    assert ids("--ue", "10.45.7.1", "--port", "20001") == [one["set_id"]]
    assert ids("--ue", "10.45.7.2") == ids("--subscriber", "nobody") == []


def test_tables_are_for_people(ctl, one):
    table = ctl("show", "sets").stdout.splitlines()
    assert len(table) >= 2 and "SUBSCRIBER" in table[0] and str(one["set_id"]) in table[1]
    assert "temporary" in table[1] and "10.45.7.1" in table[1] and "ue@ims.example.org" in table[1]
    detail = ctl("show", "set", str(one["set_id"])).stdout
    assert one["fingerprint"] in detail and "10.45.7.1" in detail and "bgfctl" in detail
    ports = ctl("show", "ports").stdout
    assert "gw-acc" in ports and "gw-core" in ports and "bgf-acc" in ports
    assert "bgfctl" in ctl("show", "peers").stdout
    assert "data plane up" in ctl("show", "gateway").stdout
    assert ctl("show", "counters").stdout.strip()


def test_ports_peers_gateway_and_counters_as_json(gateway, ctl, one):
    ports = json.loads(ctl("show", "ports", "--json").stdout)["ports"]
    assert len(ports) == 2 and all(port["up"] and port["mtu"] == 1500 for port in ports)
    peers = json.loads(ctl("show", "peers", "--json").stdout)["peers"]
    assert [p["sets"] for p in peers if p["name"] == "bgfctl" and p["role"] == "peer"] == [1]
    told = json.loads(ctl("show", "gateway", "--json").stdout)
    assert told["dataplane_up"] is True and told["sets"] == 1 and told["name"] == gateway.lab.prefix
    counters = json.loads(ctl("show", "counters", "--json").stdout)["counters"]
    assert {"rx_packets", "tx_packets", "unknown_spi", "replay", "icv"} <= {row["name"] for row in counters}
    assert {row["side"] for row in counters if "side" in row} == {"access", "core"}


def test_an_operator_releases_another_peers_set(ctl, zb):
    row = zb.call("INSTALL", **({"REFERENCE": zb.reference()} | a_set()))["SET"][0]
    assert "1 set released" in ctl("set", "release", str(row["SET_ID"])).stdout
    assert zb.query() == []
    assert "UNKNOWN_SET" in ctl("set", "release", str(row["SET_ID"]), status=1).stderr


def test_events_are_followed(gateway, ctl, key):
    """Also over the death of bgf-control."""
    argv = [program("bgfctl"), "--socket", gateway.zb, "--json", "events"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as follower:
        try:
            watcher = Zb(gateway.zb, "watcher", role=1)
            wait_for(lambda: sum(p["CONNECTIONS"] for p in watcher.groups("PEERS", "PEER")) >= 2, "it listens")
            watcher.close()
            ctl("set", "install", *options(), "--keys", "-", "--await-auth", "6", stdin=f"ik={key}\n")
            event = json.loads(follower.stdout.readline())
            assert event["event"].upper() == "EXPIRED" and event["ue"] == "10.45.7.1"
            gateway.control.kill()
            assert "is gone" in follower.stderr.readline()  # before it is back: one that is back at once is not missed
            gateway.control.start()
            assert "connected again" in follower.stderr.readline()
            wait_until_serving(gateway)
        finally:
            follower.send_signal(signal.SIGINT)
            assert follower.wait(30) == 0


def test_without_a_gateway_it_says_what_to_look_at(tmp_path):
    done = subprocess.run([program("bgfctl"), "--socket", str(tmp_path / "none.sock"), "show", "sets"],
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1 and "none.sock" in done.stderr and "bgf-control" in done.stderr


def test_without_the_data_plane_it_says_so(gateway, ctl):
    gateway.dataplane.stop()
    try:
        wait_for(lambda: "DOWN" in ctl("show", "gateway").stdout, "control has noticed")
        assert "DATAPLANE_DOWN" in ctl("show", "counters", status=1).stderr
    finally:
        gateway.dataplane.start()
        wait_for(lambda: gateway.bgfctl("show", "gateway")["dataplane_up"], "the data plane is back")


def test_the_socket_is_for_whom_the_configuration_says(gateway):
    assert os.stat(gateway.zb).st_mode & 0o777 == 0o660
    with Raw(gateway.zb) as raw:
        assert raw.call("HELLO", {"NAME": "watcher", "INSTANCE_ID": 1, "ROLE": 1})["CAUSE"] == 0


def test_the_example_of_libzb_serves_one_phone(gateway, ctl):
    example = os.path.join(build_folder(), "deploy", "examples", "pcscf")
    done = subprocess.run([example, gateway.zb, "bgfctl", "10.45.0.77", "10.50.0.1", "1"], capture_output=True, text=True,
                          timeout=120, check=True)
    for words in ("data plane up", "Security-Server: ipsec-3gpp; alg=hmac-sha-1-96; ealg=null; mod=trans; spi-c=",
                  "released by its P-CSCF"):
        assert words in done.stdout, done
    assert re.search(r"is established for 6[012]\d s", done.stdout), done  # less what has passed of 630
    assert not json.loads(ctl("show", "sets", "--ue", "10.45.0.77", "--json").stdout)["sets"]
