# SPDX-License-Identifier: BSD-3-Clause
"""Both daemons' command line, and what they say to a bad configuration or a machine that lacks something."""
import os
import re
import subprocess

import pytest

from deploy.lab.gateway import EXAMPLE, program, render

DAEMONS = ("bgf-dataplane", "bgf-control")


def run(name, *arguments, prefix=()):
    return subprocess.run([*prefix, program(name), *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(name="file")
def a_configuration_file(tmp_path):
    """Writes the example with other values, or with a text put in place of another."""
    def write(settings=None, old="", new=""):
        with open(EXAMPLE, encoding="utf-8") as example:
            text = render(example.read(), settings or {})
        assert old in text
        path = tmp_path / "bgf.conf"
        path.write_text(text.replace(old, new, 1) if old else text, encoding="utf-8")
        return str(path)
    return write


@pytest.mark.parametrize("name", DAEMONS)
def test_help_and_version(name):
    told = run(name, "--help")
    assert told.returncode == 0 and "--config" in told.stdout and "--check" in told.stdout
    told = run(name, "--version")
    assert told.returncode == 0 and re.search(r"\d+\.\d+\.\d+", told.stdout)


@pytest.mark.parametrize("name", (*DAEMONS, "bgfctl"))
def test_an_unknown_option_ends_with_words_and_not_in_order(name):
    told = run(name, "--no-such-option")
    assert told.returncode not in (0, None) and told.returncode > 0 and "--help" in told.stderr


@pytest.mark.parametrize("name", DAEMONS)
def test_check_of_a_good_file(name, file):
    told = run(name, "--check", "--config", file())
    assert told.returncode == 0 and told.stdout.endswith("bgf.conf: valid\n")


@pytest.mark.parametrize("check", [("--check",), ()])
@pytest.mark.parametrize("name", DAEMONS)
@pytest.mark.parametrize("old, new, said", [
    ("capacity = 16384;", "capacity = 0;", r"bgf\.conf:\d+: dataplane\.capacity: found 0; allowed: an integer"),
    ("capacity = 16384;", "capacity = 16384; colour = 1;", r"dataplane\.colour: found an unknown key; allowed: link, "),
    ("capacity = 16384;", 'capacity = "many";', r'dataplane\.capacity: found "many"; allowed: an integer'),
    ("gw-core", "gw-acc", r"dataplane\.core\.device: found .*; allowed: another device"),
    ('"10.50.0.1"', '"10.50.0.1.2"', r'served\[0\]\.address: found "10\.50\.0\.1\.2"; allowed: a string: the IPv4 or'),
    ("name = \"bgf1\";", "name = ;", r"bgf\.conf:\d+: -: found syntax error"),
])
def test_a_bad_file_ends_both_with_the_same_words(name, check, old, new, said, file):
    told = run(name, *check, "--config", file(old=old, new=new))
    assert told.returncode == 2
    assert re.search(said, told.stderr), told.stderr


@pytest.mark.parametrize("name", DAEMONS)
def test_a_missing_file(name):
    told = run(name, "--config", "/nonexistent/bgf.conf")
    assert told.returncode == 2 and "/nonexistent/bgf.conf" in told.stderr and "No such file" in told.stderr


def test_processors_that_are_not_there(file, lab):
    path = file({"dataplane.worker_cores": "[ 1023 ]", "dataplane.store": f'"/dev/shm/{lab.prefix}-p.sets"',
                 "dataplane.huge_pages": "false", "dataplane.file_prefix": f'"{lab.prefix}p"',
                 "dataplane.access.tap_netns": f'"{lab.tap}"', "dataplane.core.tap_netns": f'"{lab.tap}"'})
    told = run("bgf-dataplane", "--config", path, prefix=("ip", "netns", "exec", lab.gw))
    assert told.returncode == 1
    assert "1023" in told.stderr and re.search(r"\b0\b", told.stderr.replace("1023", "")), told.stderr


def test_a_device_that_is_not_there(file, lab, tmp_path):
    path = file({"dataplane.access.device": '"net_af_xdp0,iface=nosuch0"', "dataplane.huge_pages": "false",
                 "dataplane.link": f'"{tmp_path}/dp.sock"',
                 "dataplane.store": f'"/dev/shm/{lab.prefix}-d.sets"', "dataplane.file_prefix": f'"{lab.prefix}d"',
                 "dataplane.main_core": "0", "dataplane.worker_cores": "[ 0 ]",
                 "dataplane.access.tap_netns": f'"{lab.tap}"', "dataplane.core.tap_netns": f'"{lab.tap}"'})
    told = run("bgf-dataplane", "--config", path, prefix=("ip", "netns", "exec", lab.gw))
    assert told.returncode == 1
    assert "nosuch0" in told.stderr and "gw-acc" in told.stderr, told.stderr


def test_a_folder_that_is_not_there(file):
    path = file({"control.zb": '"/nonexistent/zb.sock"'})
    told = run("bgf-control", "--config", path)
    assert told.returncode == 1 and "/nonexistent" in told.stderr, told.stderr


@pytest.fixture(autouse=True)
def no_store_is_left(lab):
    yield
    for name in os.listdir("/dev/shm"):
        if name.startswith(lab.prefix):
            os.unlink(f"/dev/shm/{name}")
