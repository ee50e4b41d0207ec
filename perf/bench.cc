// SPDX-License-Identifier: BSD-3-Clause
//
// The suites: each point is one benchmark, each of its iterations one group of rounds. What it prints as its
// time is one round of the product; the figures are in its counters (README.md).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "pair.h"
#include "points.h"
#include "series.h"

namespace
{

// However busy the machine: so many groups are paired at each point.
constexpr int groups_least = 15;
// At a point that no target needs.
constexpr int groups_least_aside = 8;
// What tells whether the instrument is right has so many times more.
constexpr int checks_more = 4;

struct options {
	std::string point;
	int groups = 200;
	double seconds = 60;
	unsigned waste = 0;
	bool list = false;
	bool strict = false;
};

// Points that ended in an error.
unsigned failures;

void fail(benchmark::State &state, const char *error)
{
	failures++;
	state.SkipWithError(error);
}

void count_figure(benchmark::State &state, const std::string &name, const figure &f)
{
	state.counters[name] = f.median;
	state.counters[name + "_low"] = f.low;
	state.counters[name + "_high"] = f.high;
}

// The first row is the subject: "cycles". The others are "raw_cycles", "vs_raw", "minus_raw" and so on.
void count_row(benchmark::State &state, const series_row &row, bool subject)
{
	const std::string name = row.name;

	count_figure(state, subject ? "cycles" : name + "_cycles", row.cycles);
	if (row.instructions >= 0)
		state.counters[subject ? "instructions" : name + "_instructions"] = row.instructions;
	if (row.cache_misses >= 0)
		state.counters[subject ? "cache_misses" : name + "_cache_misses"] = row.cache_misses;
	if (subject)
		return;
	count_figure(state, "vs_" + name, row.ratio);
	count_figure(state, "minus_" + name, row.surplus);
}

// One group an iteration, until the point's time is over; Google Benchmark counts the others, too, at the
// last one's time. False after an error.
template <typename Group>
bool run_groups(benchmark::State &state, double point_seconds, int least, Group group)
{
	using clock = std::chrono::steady_clock;
	const auto end = clock::now() + std::chrono::duration<double>(point_seconds);
	char error[256] = "";
	double seconds = 0;
	int done = 0;

	for (auto _ : state) {
		if (done < least || clock::now() < end) {
			if (group(&seconds, error, sizeof(error)) != 0) {
				fail(state, error);
				return false;
			}
			done++;
		}
		state.SetIterationTime(seconds);
	}
	state.counters["groups"] = done;
	return true;
}

// What each turn alone says: "turn1_cycles", "turn1_vs_raw" and so on.
void count_turns(benchmark::State &state, const series *s)
{
	struct series_result result;

	for (unsigned turn = 0; series_turn(s, turn, &result); turn++) {
		const std::string prefix = "turn" + std::to_string(turn + 1) + "_";
		state.counters[prefix + "groups"] = result.groups;
		state.counters[prefix + "clean"] = result.clean;
		for (unsigned i = 0; i < result.rows; i++) {
			const series_row &row = result.row[i];
			const std::string name = row.name;
			state.counters[prefix + (i == 0 ? "cycles" : name + "_cycles")] = row.cycles.median;
			if (i == 0)
				continue;
			state.counters[prefix + "vs_" + name] = row.ratio.median;
			state.counters[prefix + "minus_" + name] = row.surplus.median;
		}
	}
}

void report(benchmark::State &state, const series *s)
{
	struct series_result result;
	std::string label;

	series_result(s, &result);
	for (unsigned i = 0; i < result.rows; i++) {
		count_row(state, result.row[i], i == 0);
		label += (i > 0 ? "; " : "") + std::string(result.row[i].name) + ": " +
			 result.row[i].description;
	}
	state.counters["packets_per_s"] = result.packets_per_s;
	state.counters["gbit_per_s"] = result.gbit_per_s;
	count_turns(state, s);
	state.counters["groups"] = result.groups;
	state.counters["clean"] = result.clean;
	state.counters["disturbed"] = result.disturbed;
	state.counters["disturbed_kept"] = result.kept;
	state.counters["burst"] = result.burst;
	state.counters["bytes_per_ue"] = result.bytes_per_ue;
	state.counters["huge_pages"] = result.huge;
	state.SetLabel(label);
}

void run(benchmark::State &state, const options &o, const point *p)
{
	char error[256] = "";
	series *s = series_new(p, error, sizeof(error));

	if (s == nullptr) {
		fail(state, error);
		return;
	}
	if (run_groups(state, p->aside ? o.seconds / 2 : o.seconds,
		       p->aside ? groups_least_aside : groups_least,
		       [s](double *seconds, char *text, size_t size) {
			       return series_group(s, seconds, text, size);
		       }))
		report(state, s);
	series_free(s);
}

void report_pair(benchmark::State &state, pair *p)
{
	pair_result result;

	pair_result_of(p, &result);
	count_figure(state, "ours_gain", result.ours);
	count_figure(state, "raw_gain", result.raw);
	count_figure(state, "two_workers_vs_two_raw_threads", result.ratio);
	count_figure(state, "two_workers_cycles", result.cycles);
	state.counters["disturbed"] = result.disturbed;
	state.counters["disturbed_kept"] = result.kept;
}

void run_pair(benchmark::State &state, const options &o, bool inbound)
{
	char error[256] = "";
	pair *p = pair_new(inbound, error, sizeof(error));

	if (p == nullptr) {
		fail(state, error);
		return;
	}
	if (run_groups(state, o.seconds, groups_least, [p](double *seconds, char *text, size_t size) {
		    return pair_group(p, seconds, text, size);
	    }))
		report_pair(state, p);
	pair_free(p);
}

void add_pair(const options &o, const char *name, bool inbound)
{
	if (o.point.empty() || o.point == name)
		benchmark::RegisterBenchmark(name, run_pair, o, inbound)
			->UseManualTime()
			->Iterations(o.groups)
			->Unit(benchmark::kMicrosecond);
}

int groups_of(const options &o, const point *p)
{
	const bool check = std::string(p->name).find("_check") != std::string::npos;
	return check ? std::min(checks_more * o.groups, 4096) : p->aside ? (o.groups + 1) / 2 : o.groups;
}

void add_points(const options &o)
{
	add_pair(o, "two_workers_in", true);
	add_pair(o, "two_workers_out", false);
	for (unsigned n = 0; const point *p = points_get(n); n++)
		if (o.point.empty() || o.point == p->name)
			benchmark::RegisterBenchmark(p->name, run, o, p)
				->UseManualTime()
				->Iterations(groups_of(o, p))
				->Unit(benchmark::kMicrosecond);
}

void add_facts()
{
	const char *name, *text;

	for (unsigned n = 0; (text = series_fact(n, &name)) != nullptr; n++)
		benchmark::AddCustomContext(name, text);
}

int usage(int status)
{
	std::fprintf(
		status == 0 ? stdout : stderr,
		"Usage: bgf-bench [--point NAME] [--groups N] [--seconds S] [--waste CYCLES] [--strict] "
		"[--list] [--benchmark_...]\n"
		"  --point NAME     this point alone, for example imix_100k_in; all without it\n"
		"  --groups N       how many rounds are paired (200; at most 4096)\n"
		"  --waste CYCLES   the product's last stage wastes so many TSC cycles a packet\n"
		"  --strict         ends with 1 if a point ended in an error, as when packets did not come "
		"out right\n"
		"  --list           the names of the points\n"
		"Options of Google Benchmark, such as --benchmark_filter=REGEX or --benchmark_out=FILE, go "
		"too.\n");
	return status;
}

// Takes what is ours out of the arguments; the rest is Google Benchmark's. Exits on --help and errors.
options parse(int *argc, char **argv)
{
	options o;
	int kept = 1;

	for (int i = 1; i < *argc; i++) {
		const std::string arg = argv[i];
		const bool has_value = i + 1 < *argc;
		if (arg == "--point" && has_value)
			o.point = argv[++i];
		else if (arg == "--groups" && has_value)
			o.groups = std::atoi(argv[++i]);
		else if (arg == "--seconds" && has_value)
			o.seconds = std::atof(argv[++i]);
		else if (arg == "--waste" && has_value)
			o.waste = static_cast<unsigned>(std::atoi(argv[++i]));
		else if (arg == "--strict")
			o.strict = true;
		else if (arg == "--list")
			o.list = true;
		else if (arg.rfind("--benchmark_", 0) == 0)
			argv[kept++] = argv[i];
		else
			std::exit(usage(arg == "--help" ? 0 : 2));
	}
	*argc = kept;
	if (o.groups < 1 || o.groups > 4096)
		std::exit(usage(2));
	return o;
}

} // namespace

int main(int argc, char **argv)
{
	const options o = parse(&argc, argv);
	char error[256] = "";

	if (o.list) {
		std::puts("two_workers_in\ntwo_workers_out");
		for (unsigned n = 0; const point *p = points_get(n); n++)
			std::puts(p->name);
		return 0;
	}
	add_points(o);
	benchmark::Initialize(&argc, argv);
	if (series_start(error, sizeof(error)) != 0) {
		std::fprintf(stderr, "bgf-bench: %s\n", error);
		return 1;
	}
	series_waste(o.waste);
	add_facts();
	if (benchmark::RunSpecifiedBenchmarks() == 0) {
		std::fprintf(stderr, "bgf-bench: no point has that name; --list has them all\n");
		return 1;
	}
	if (failures > 0)
		std::fprintf(stderr, "bgf-bench: %u points ended in an error\n", failures);
	return o.strict && failures > 0 ? 1 : 0;
}
