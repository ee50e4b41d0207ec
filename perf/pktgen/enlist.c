/* SPDX-License-Identifier: BSD-3-Clause */
#include "enlist.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "stop.h"

enum {
	WAIT_MS = 60000, /* of one call: a million sets at once make any gateway slow */
	RELEASE_WAIT_MS = 600000,
	STEP_MS = 20,
	REPORT_MS = 1000,
};

/* What the threads of enlist_all share. */
struct work {
	struct enlist *e;
	_Atomic uint32_t next, done, running;
	_Atomic bool failed;
	pthread_mutex_t lock; /* of error and status */
	int status;
	char *error;
	unsigned size;
};

int enlist_open(const struct enlist *e, struct zb **ret, struct zb_error *ret_error)
{
	const struct zb_options options = {.path = e->path,
					   .name = e->name,
					   .instance_id = e->instance_id,
					   .role = ZB_ROLE_PEER,
					   .wait_ms = WAIT_MS,
					   .release_former = 1};
	return zb_open(&options, ret, ret_error);
}

/* The sentence for the person; the cause's name, where there is one, and what to do about the usual ones. */
static void explain(char *text, unsigned size, const char *what, uint32_t number, int rc,
		    const struct zb_error *error)
{
	const char *cause = error->cause != 0 ? zb_cause_name(error->cause) : strerror(-rc);
	const char *hint = "";

	if (strcmp(cause, "TABLE_FULL") == 0)
		hint = "; raise `capacity` in the gateway's configuration, or lower --phones";
	else if (strcmp(cause, "NOT_SERVED") == 0)
		hint = "; --served must name addresses of the gateway's `served` list";
	else if (strcmp(cause, "NOT_ALLOWED") == 0)
		hint = "; the gateway's control.peers must allow this --peer name";
	else if (rc == -ENOTCONN)
		hint = "; is bgf-control running, and is --zb its socket?";
	snprintf(text, size, "%s of phone %u: %s: %s%s", what, number, cause, error->text, hint);
}

static void fail(struct work *w, const char *what, uint32_t number, int rc, const struct zb_error *error)
{
	pthread_mutex_lock(&w->lock);
	if (!atomic_exchange(&w->failed, true)) {
		w->status = rc;
		explain(w->error, w->size, what, number, rc, error);
	}
	pthread_mutex_unlock(&w->lock);
}

struct bgf_set_selectors enlist_selectors(const struct fleet_plan *p, uint32_t number)
{
	const bool ipv6 = fleet_is_ipv6(p, number);
	uint8_t address[16];
	struct bgf_set_selectors s = {
		.served = ipv6 ? p->served6 : p->served4,
		.port_uc = fleet_ue_port(number, 0),
		.port_us = fleet_ue_port(number, 1),
		.port_pc = p->port_pc,
		.port_ps = p->port_ps,
		.spi_uc = fleet_ue_spi(number, 0),
		.spi_us = fleet_ue_spi(number, 1),
	};

	fleet_address(p, number, address);
	bgf_addr_from_octets(address, ipv6 ? 16 : 4, &s.ue);
	return s;
}

static bool enlist_one(struct work *w, struct zb *zb, uint32_t number)
{
	struct fleet *f = w->e->fleet;
	char subscriber[48];
	struct zb_install install = {.reference = number + 1ull,
				     .subscriber = subscriber,
				     .registration_id = "",
				     .selectors = enlist_selectors(&f->plan, number),
				     .alg = BGF_ALG_HMAC_SHA_1_96};
	struct zb_error error = {0};
	struct zb_set set;

	snprintf(subscriber, sizeof(subscriber), "phone-%u@pktgen.example", number);
	fleet_key(f, number, install.ik);
	int rc = zb_install(zb, &install, &set, &error);
	explicit_bzero(install.ik, sizeof(install.ik));
	if (rc != 0) {
		fail(w, "INSTALL", number, rc, &error);
		return false;
	}
	f->phone[number].spi[0] = set.selectors.spi_ps;
	f->phone[number].spi[1] = set.selectors.spi_pc;
	f->phone[number].set_id = set.set_id;
	rc = zb_confirm(zb, set.set_id, f->plan.count + number + 1ull, w->e->expires_s, &set, &error);
	if (rc != 0)
		fail(w, "CONFIRM", number, rc, &error);
	return rc == 0;
}

static void *run(void *arg)
{
	struct work *w = arg;
	struct zb_error error = {0};
	struct zb *zb;
	int rc = enlist_open(w->e, &zb, &error);

	if (rc != 0) {
		fail(w, "a connection for INSTALL", 0, rc, &error);
	} else {
		while (!atomic_load(&w->failed) && !stop_asked()) {
			const uint32_t number = atomic_fetch_add(&w->next, 1);
			if (number >= w->e->fleet->plan.count || !enlist_one(w, zb, number))
				break;
			atomic_fetch_add(&w->done, 1);
		}
		zb_close(zb);
	}
	atomic_fetch_sub(&w->running, 1);
	return NULL;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A line a second until the last thread is through. */
static void report(struct work *w)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
	const double begin = seconds();
	double next = begin + REPORT_MS / 1000.0;

	while (atomic_load(&w->running) > 0) {
		nanosleep(&step, NULL);
		w->e->meanwhile(w->e->arg);
		if (seconds() < next)
			continue;
		next += REPORT_MS / 1000.0;
		printf("installing: %u of %u phones, %.0f a second\n", atomic_load(&w->done),
		       w->e->fleet->plan.count, atomic_load(&w->done) / (seconds() - begin));
		fflush(stdout);
	}
	printf("installed and confirmed %u phones in %.1f s: %.0f a second\n", atomic_load(&w->done),
	       seconds() - begin, atomic_load(&w->done) / (seconds() - begin));
	fflush(stdout);
}

int enlist_all(struct enlist *e, char *error, unsigned size)
{
	struct work w = {.e = e, .lock = PTHREAD_MUTEX_INITIALIZER, .error = error, .size = size};
	pthread_t thread[ENLIST_CONNECTIONS_MAX];
	pthread_attr_t attributes;
	unsigned started = 0;

	pthread_attr_init(&attributes);
	pthread_attr_setaffinity_np(&attributes, sizeof(e->cores), &e->cores);
	atomic_store(&w.running, e->connections);
	for (; started < e->connections; started++)
		if (pthread_create(&thread[started], &attributes, run, &w) != 0)
			break;
	atomic_fetch_sub(&w.running, e->connections - started);
	pthread_attr_destroy(&attributes);
	if (started == 0) {
		snprintf(error, size, "no thread for a connection can be started");
		return -EAGAIN;
	}
	report(&w);
	while (started > 0)
		pthread_join(thread[--started], NULL);
	if (w.status == 0 && atomic_load(&w.done) < e->fleet->plan.count) {
		snprintf(error, size, "interrupted");
		return -EINTR;
	}
	return w.status;
}

int64_t enlist_release(const struct enlist *e, char *error, unsigned size)
{
	const struct zb_options options = {.path = e->path,
					   .name = e->name,
					   .instance_id = e->instance_id,
					   .role = ZB_ROLE_PEER,
					   .wait_ms = RELEASE_WAIT_MS};
	struct zb_error why = {0};
	uint32_t count = 0;
	struct zb *zb;
	int rc = zb_open(&options, &zb, &why);

	if (rc == 0) {
		rc = zb_release_all(zb, e->reference + 1, 0, &count, &why);
		zb_close(zb);
	}
	if (rc != 0) {
		snprintf(error, size,
			 "the sets could not be released: %s; a next run with the same --peer does",
			 why.text);
		return rc;
	}
	return count;
}
