# SPDX-License-Identifier: BSD-3-Clause
"""The machine: what it is, and its huge pages while something is measured."""
import contextlib
import os
import platform
import re

HUGE = "/sys/kernel/mm/hugepages/hugepages-2048kB/"
PAGES = 1792  # of 2 MiB: the store of a million UEs and what stands beside it
FEATURES = ("sse4_2", "avx", "avx2", "bmi2", "sha_ni", "vaes", "vpclmulqdq", "gfni", "avx512f", "avx512bw", "avx512vl",
            "avx512ifma", "hypervisor")


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def cpu(key):
    match = re.search(rf"^{key}\s*: (.*)$", read("/proc/cpuinfo"), re.M)
    return match[1] if match else ""


def caches():
    """By level, as the kernel says it of the first processor: {"L2": "512K", ...}."""
    found = {}
    base = "/sys/devices/system/cpu/cpu0/cache/"
    for index in sorted(os.listdir(base)) if os.path.isdir(base) else []:
        if read(base + index + "/type") in ("Data", "Unified"):
            found["L" + read(base + index + "/level")] = read(base + index + "/size")
    return found


def describe():
    flags = cpu("flags").split()
    return {
        "processor": f"{cpu('model name')} (family {cpu('cpu family')}, model {cpu('model')})",
        "features": [flag for flag in FEATURES if flag in flags],
        "cores": len(os.sched_getaffinity(0)),
        "caches": caches(),
        "kernel": platform.release(),
        "load_average": round(os.getloadavg()[0], 2),
        "huge_pages": int(read(HUGE + "nr_hugepages") or 0),
    }


def set_pages(count):
    try:
        with open(HUGE + "nr_hugepages", "w", encoding="ascii") as file:
            file.write(str(count))
    except OSError:
        pass


@contextlib.contextmanager
def huge_pages(say):
    """Enough free huge pages within, if it may and half of the free memory allows; afterwards as many as before."""
    total, free = (int(read(HUGE + name) or 0) for name in ("nr_hugepages", "free_hugepages"))
    available = int(re.search(r"MemAvailable: +(\d+)", read("/proc/meminfo"))[1]) // 2048
    more = min(PAGES - free, available // 2)
    if more > 0:
        set_pages(total + more)
    if int(read(HUGE + "free_hugepages") or 0) < PAGES:
        say("there are not enough huge pages for a million UEs: their figures will be worse (run it as root)")
    try:
        yield
    finally:
        if more > 0:
            set_pages(total)
