/* SPDX-License-Identifier: BSD-3-Clause */
#include "churn.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "histogram.h"

enum { POLL_MS = 1, LAG_MAX = CHURN_RATE / 10 /* sets: what is missed for longer is not made up for */ };

/* A set that comes and goes, behind the phones' numbers. */
struct guest {
	struct churn *churn;
	struct guest *next; /* free ones */
	double due;
};

struct churn {
	struct enlist *e;
	struct zb *zb;
	pthread_t thread;
	_Atomic bool end;
	struct guest guest[CHURN_ROOM], *free;
	uint64_t begun, done, refused; /* begun, or missed */
	double begin, seconds;
	struct histogram install; /* ns */
	int status;
	struct zb_error why;
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void gone(const struct zb_answer *a, void *arg)
{
	struct guest *g = arg;
	struct churn *c = g->churn;

	if (a->status == 0) {
		c->done++;
	} else if (a->error.retry_after_ms > 0) {
		c->refused++;
	} else if (c->status == 0) {
		c->status = a->status;
		c->why = a->error;
	}
	g->next = c->free;
	c->free = g;
}

static void came(const struct zb_answer *a, void *arg)
{
	struct guest *g = arg;
	struct churn *c = g->churn;
	struct zb_answer failed;
	double took = now_s() - g->due;

	if (a->status != 0) {
		gone(a, g);
		return;
	}
	histogram_add(&c->install, took > 0 ? (uint64_t)(took * 1e9) : 0);
	failed.status =
		zb_start_release(c->zb, a->sets[0].set_id, ++c->e->reference, 0, gone, g, &failed.error);
	if (failed.status != 0)
		gone(&failed, g);
}

static void begin_one(struct churn *c, double due)
{
	const struct fleet_plan *plan = &c->e->fleet->plan;
	struct guest *g = c->free;
	const uint32_t number = plan->count + (uint32_t)(g - c->guest);
	char subscriber[48];
	struct zb_install install = {.reference = ++c->e->reference,
				     .subscriber = subscriber,
				     .registration_id = "",
				     .selectors = enlist_selectors(plan, number),
				     .alg = BGF_ALG_HMAC_SHA_1_96};

	snprintf(subscriber, sizeof(subscriber), "guest-%u@pktgen.example", number);
	if (getrandom(install.ik, sizeof(install.ik), 0) != sizeof(install.ik)) {
		c->status = -errno;
		return;
	}
	g->due = due;
	int rc = zb_start_install(c->zb, &install, came, g, &c->why);
	explicit_bzero(install.ik, sizeof(install.ik));
	if (rc != 0)
		c->status = rc;
	else
		c->free = g->next;
	c->begun++;
}

static void begin_due(struct churn *c)
{
	uint64_t due = (uint64_t)((now_s() - c->begin) * CHURN_RATE);

	/* What is missed for long is not made up for: the rate is what it is then. */
	if (due > c->begun + LAG_MAX)
		c->begun = due - LAG_MAX;
	for (; c->begun < due && c->free != NULL && c->status == 0;)
		begin_one(c, c->begin + (double)c->begun / CHURN_RATE);
}

static void *run(void *arg)
{
	struct churn *c = arg;

	while (c->status == 0 && (!atomic_load(&c->end) || zb_pending(c->zb) > 0)) {
		if (!atomic_load(&c->end))
			begin_due(c);
		zb_process(c->zb, NULL, NULL);
		struct pollfd p = {.fd = zb_fd(c->zb), .events = (short)zb_poll_events(c->zb)};
		poll(&p, 1, POLL_MS);
	}
	c->seconds = now_s() - c->begin;
	return NULL;
}

static struct churn *churn_new(struct enlist *e)
{
	struct churn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->e = e;
	histogram_clear(&c->install);
	for (unsigned i = 0; i < CHURN_ROOM; i++) {
		c->guest[i] = (struct guest){.churn = c, .next = c->free};
		c->free = &c->guest[i];
	}
	return c;
}

int churn_start(struct enlist *e, struct churn **ret, char *error, unsigned size)
{
	struct churn *c = churn_new(e);
	struct zb_error why = {0};
	pthread_attr_t attributes;
	int rc = c == NULL ? -ENOMEM : enlist_open(e, &c->zb, &why);

	if (rc != 0) {
		snprintf(error, size, "a connection for sets that come and go: %s", why.text);
		free(c);
		return rc;
	}
	c->begin = now_s();
	pthread_attr_init(&attributes);
	pthread_attr_setaffinity_np(&attributes, sizeof(e->cores), &e->cores);
	rc = -pthread_create(&c->thread, &attributes, run, c);
	pthread_attr_destroy(&attributes);
	if (rc == 0) {
		*ret = c;
		return 0;
	}
	snprintf(error, size, "a thread for sets that come and go: %s", strerror(-rc));
	zb_close(c->zb);
	free(c);
	return rc;
}

int churn_stop(struct churn *c, struct churn_result *ret, char *error, unsigned size)
{
	atomic_store(&c->end, true);
	pthread_join(c->thread, NULL);
	int rc = c->status;
	if (rc != 0)
		snprintf(error, size,
			 "a set beside the phones' was refused: %s; the gateway needs room for %d more",
			 c->why.text, CHURN_ROOM);
	*ret = (struct churn_result){.rate = (double)c->done / c->seconds,
				     .p50_ms = (double)histogram_percentile(&c->install, 50) / 1e6,
				     .p99_ms = (double)histogram_percentile(&c->install, 99) / 1e6,
				     .refused = c->refused};
	zb_close(c->zb);
	free(c);
	return rc;
}
