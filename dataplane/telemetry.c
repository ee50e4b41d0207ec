/* SPDX-License-Identifier: BSD-3-Clause */
#include "telemetry.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_telemetry.h>

#include "sets.h"
#include "show.h"
#include "worker.h"

enum { NAME = 32, WORKERS_AT_ONCE = 24 /* fit DPDK's longest answer */ };

static struct {
	pthread_mutex_t lock;
	const struct show *show; /* NULL: nothing runs */
	const struct sets *sets;
} told = {.lock = PTHREAD_MUTEX_INITIALIZER};

int telemetry_folder(const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return -errno;
	if (lstat(path, &st) != 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return -EPERM;
	return 0;
}

static void add(struct rte_tel_data *d, const char *name, uint64_t value)
{
	rte_tel_data_add_dict_u64(d, name, value);
}

/* A dictionary inside another; NULL where memory is short. */
static struct rte_tel_data *add_group(struct rte_tel_data *d, const char *name)
{
	struct rte_tel_data *group = rte_tel_data_alloc();

	if (group == NULL)
		return NULL;
	rte_tel_data_start_dict(group);
	if (rte_tel_data_add_dict_container(d, name, group, 0) == 0)
		return group;
	rte_tel_data_free(group);
	return NULL;
}

/* The number after the comma of a command; `absent` where there is none, -1 for what is none. */
static long parameter(const char *text, long absent)
{
	char *end;

	if (text == NULL || text[0] == '\0')
		return absent;
	errno = 0;
	long n = strtol(text, &end, 10);
	return *end == '\0' && errno == 0 && n >= 0 ? n : -1;
}

/* ---- /bgf/workers ---- */

static void add_worker(const struct show *s, unsigned id, struct rte_tel_data *d)
{
	static const char *const sides[PORT_SIDES] = {"access", "core"};
	struct dpl_counters c;
	char name[NAME];

	snprintf(name, sizeof(name), "%u", id);
	struct rte_tel_data *w = add_group(d, name);
	if (w == NULL)
		return;
	for (unsigned port = 0; port < PORT_SIDES; port++) {
		if (show_counters((void *)(uintptr_t)s, (uint64_t)port * s->worker_count + id, &c) != 0)
			return;
		if (c.rx_queue == UINT64_MAX)
			continue;
		snprintf(name, sizeof(name), "rx_queue_%s", sides[port]);
		add(w, name, c.rx_queue);
	}
	add(w, "lcore", s->workers[id]->lcore);
	add(w, "socket", (uint64_t)s->workers[id]->socket);
	add(w, "poll_gap_us", c.poll_gap_us);
#define ADD_LOAD(name) add(w, #name, c.load.name);
	DPL_LOAD_LIST(ADD_LOAD)
#undef ADD_LOAD
}

static int workers(const struct show *s, const char *params, struct rte_tel_data *d)
{
	const long first = parameter(params, 0);

	if (first < 0 || first >= s->worker_count)
		return -EINVAL;
	for (long id = first; id < s->worker_count && id < first + WORKERS_AT_ONCE; id++)
		add_worker(s, (unsigned)id, d);
	return 0;
}

/* ---- /bgf/counters ---- */

static void sum_up(struct dpl_counters *sum, const struct dpl_counters *c)
{
	sum->rx_packets += c->rx_packets;
	sum->rx_octets += c->rx_octets;
	sum->tx_packets += c->tx_packets;
	sum->tx_octets += c->tx_octets;
	sum->exceptions += c->exceptions;
	sum->forwarded_esp += c->forwarded_esp;
	sum->forwarded_clear += c->forwarded_clear;
	for (int i = 0; i < BGF_DROP_COUNT; i++)
		sum->drops[i] += c->drops[i];
}

static void add_counters(const struct dpl_counters *c, struct rte_tel_data *d)
{
	add(d, "rx_packets", c->rx_packets);
	add(d, "rx_octets", c->rx_octets);
	add(d, "tx_packets", c->tx_packets);
	add(d, "tx_octets", c->tx_octets);
	add(d, "exceptions", c->exceptions);
	add(d, "forwarded_esp", c->forwarded_esp);
	add(d, "forwarded_clear", c->forwarded_clear);
	for (unsigned i = 0; i < BGF_DROP_COUNT; i++)
		add(d, bgf_drop_name(i), c->drops[i]);
}

/* By port, all workers together, or one of them. */
static int counters(const struct show *s, const char *params, struct rte_tel_data *d)
{
	static const char *const sides[PORT_SIDES] = {"access", "core"};
	const long only = parameter(params, s->worker_count);

	if (only < 0 || only > s->worker_count ||
	    (only == s->worker_count && params != NULL && params[0] != '\0'))
		return -EINVAL;
	for (unsigned port = 0; port < PORT_SIDES; port++) {
		struct dpl_counters sum = {0}, c;
		for (uint64_t id = 0; id < s->worker_count; id++)
			if ((only == s->worker_count || (uint64_t)only == id) &&
			    show_counters((void *)(uintptr_t)s, port * (uint64_t)s->worker_count + id, &c) ==
				    0)
				sum_up(&sum, &c);
		struct rte_tel_data *group = add_group(d, sides[port]);
		if (group != NULL)
			add_counters(&sum, group);
	}
	return 0;
}

/* ---- /bgf/sets ---- */

static int counts(const struct sets *sets, struct rte_tel_data *d)
{
	const struct sets_counts n = sets_count(sets);

	add(d, "capacity", n.capacity);
	add(d, "live", n.live);
	add(d, "temporary", n.state[BGF_SET_TEMPORARY]);
	add(d, "established", n.state[BGF_SET_ESTABLISHED]);
	add(d, "superseded", n.state[BGF_SET_SUPERSEDED]);
	add(d, "draining", n.state[BGF_SET_DRAINING]);
	add(d, "waiting_for_workers", n.pending);
	return 0;
}

/* ---- the thread that asks ---- */

static int answer(const char *command, const char *params, struct rte_tel_data *d)
{
	int rc = -EAGAIN;

	pthread_mutex_lock(&told.lock);
	rte_tel_data_start_dict(d);
	if (told.show != NULL && strcmp(command, "/bgf/workers") == 0)
		rc = workers(told.show, params, d);
	else if (told.show != NULL && strcmp(command, "/bgf/counters") == 0)
		rc = counters(told.show, params, d);
	else if (told.show != NULL)
		rc = counts(told.sets, d);
	pthread_mutex_unlock(&told.lock);
	return rc;
}

int telemetry_start(const struct show *show, const struct sets *sets)
{
	static const struct {
		const char *command, *help;
	} commands[] = {
		{"/bgf/workers", "How busy each worker is. Parameter: the first worker to tell of"},
		{"/bgf/counters",
		 "What was received, sent, forwarded and dropped, by port. Parameter: one worker"},
		{"/bgf/sets", "How many SA sets there are, by state. No parameter"},
	};
	int rc = 0;

	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]) && rc == 0; i++)
		rc = rte_telemetry_register_cmd(commands[i].command, answer, commands[i].help);
	if (rc != 0)
		return rc;
	pthread_mutex_lock(&told.lock);
	told.show = show;
	told.sets = sets;
	pthread_mutex_unlock(&told.lock);
	return 0;
}

void telemetry_stop(void)
{
	pthread_mutex_lock(&told.lock);
	told.show = NULL;
	pthread_mutex_unlock(&told.lock);
}
