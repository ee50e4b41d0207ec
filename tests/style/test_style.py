# SPDX-License-Identifier: BSD-3-Clause
"""The rules of the source that a program can check: layout, sizes, who may see whom."""
import ast
import os
import re
import subprocess

import pytest

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FILE_LINES_MAX, FUNCTION_LINES_MAX, LINE_MAX = 600, 60, 125


def tracked(*patterns):
    """Files of the repository that git has, or would take."""
    argv = ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split("\n")
    return sorted(name for name in listed if name and os.path.exists(os.path.join(REPOSITORY, name)))


def text_of(name):
    with open(os.path.join(REPOSITORY, name), encoding="utf-8") as file:
        return file.read()


def scripts():
    """Programs without a suffix, by their first line."""
    found = []
    for name in tracked():
        with open(os.path.join(REPOSITORY, name), "rb") as file:
            if "." not in os.path.basename(name) and file.read(2) == b"#!":
                found.append(name)
    return found


def python_sources():
    return tracked("*.py") + [name for name in scripts() if "python" in text_of(name).split("\n", 1)[0]]


C_SOURCES = tracked("*.c", "*.h", "*.cc")
SOURCES = sorted(C_SOURCES + python_sources() + [n for n in scripts() if n not in python_sources()])


def c_functions(text):
    """(name, first line, lines) of each function: it begins and ends in the first column."""
    lines, start, name = text.split("\n"), None, None
    for number, line in enumerate(lines, 1):
        head = re.match(r"[A-Za-z_][^=;]*?\b(\w+)\(", line)
        if head and not line.startswith(("typedef", "#")):
            start, name = number, head[1]
        elif line.startswith("}") and start is not None:
            yield name, start, number - start + 1
            start = None
        elif line and line[0] not in "\t {}" and line.endswith(";"):
            start = None


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1


def test_sources_are_found():
    assert "config/schema.c" in C_SOURCES and "deploy/setup" in SOURCES


def test_c_sources_are_laid_out_as_clang_format_has_it():
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *C_SOURCES], cwd=REPOSITORY,
                          capture_output=True, text=True, check=False)
    named = sorted(set(re.findall(r"^(\S+?):\d+", done.stderr, re.M)))
    assert done.returncode == 0, f"run clang-format -i {' '.join(named)}"


@pytest.mark.parametrize("name", SOURCES)
def test_source(name):
    """One file: its licence, its length, the length of its functions and lines."""
    text = text_of(name)
    lines = text.split("\n")
    faults = []
    if "SPDX-License-Identifier: BSD-3-Clause" not in "\n".join(lines[:3]):
        faults.append("no licence in its first lines")
    if len(lines) - 1 > FILE_LINES_MAX:
        faults.append(f"{len(lines) - 1} lines, allowed {FILE_LINES_MAX}")
    functions = c_functions(text) if name in C_SOURCES else python_functions(text) if name in python_sources() else ()
    faults += [f"{start}: {function}() has {length} lines, allowed {FUNCTION_LINES_MAX}"
               for function, start, length in functions if length > FUNCTION_LINES_MAX]
    if name not in C_SOURCES:  # clang-format has C's
        faults += [f"{number}: {len(line.expandtabs(4))} columns, allowed {LINE_MAX}"
                   for number, line in enumerate(lines, 1) if len(line.expandtabs(4)) > LINE_MAX]
    faults += [f"{number}: ends with a blank" for number, line in enumerate(lines, 1) if line != line.rstrip()]
    assert not faults, f"{name}: " + "; ".join(faults)


def test_the_length_of_a_function_is_seen():
    body = "static int f(int a,\n\t     int b)\n{\n" + "\tg();\n" * 60 + "}\n\nint h(void);\n"
    assert list(c_functions(body)) == [("f", 1, 64)]


@pytest.mark.parametrize("pattern, folders, why", [
    (r"\brte_", ("include", "zb", "config", "control"), "DPDK is the data plane's own"),
    (r'#include "(control/|\.\./control)', ("dataplane", "include", "zb", "config"), "only control sees control"),
    (r'#include "(dataplane/|\.\./dataplane)', ("control", "include", "zb", "config"), "only the data plane sees it"),
    (r"\b(TODO|FIXME|XXX|HACK)\b", ("include", "zb", "config", "control", "dataplane", "deploy"), "unfinished"),
    (r"\b(sprintf|strcat|gets|system|popen)\(", ("include", "zb", "config", "control", "dataplane"),
     "unbounded, or a shell"),
])
def test_not_to_be_found(pattern, folders, why):
    hits = [f"{name}:{number}: {line.strip()}"
            for name in tracked(*[f"{folder}/*" for folder in folders]) if not name.endswith((".pcapng", ".md"))
            for number, line in enumerate(text_of(name).split("\n"), 1) if re.search(pattern, line)]
    assert not hits, f"{why}:\n" + "\n".join(hits)


def test_each_package_says_what_it_is_for():
    for line in text_of("deploy/packages.txt").split("\n"):
        assert not line or line.startswith("#") or re.fullmatch(r"[a-z0-9][a-z0-9.+-]* +\S.*", line), line


@pytest.mark.parametrize("name", [n for n in scripts() if n not in python_sources()])
def test_shell_scripts_parse(name):
    shell = "bash" if "bash" in text_of(name).split("\n", 1)[0] else "sh"
    subprocess.run([shell, "-n", name], cwd=REPOSITORY, check=True)


@pytest.mark.parametrize("name", tracked("*.md"))
def test_links_of_documents_lead_somewhere(name):
    folder = os.path.join(REPOSITORY, os.path.dirname(name))
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text_of(name))
    missing = [link for link in links if not os.path.exists(os.path.join(folder, link))]
    assert not missing, f"{name}: {missing}"
