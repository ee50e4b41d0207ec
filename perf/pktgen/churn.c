/* SPDX-License-Identifier: BSD-3-Clause */
#include "churn.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

struct churn {
	struct enlist *e;
	struct zb *zb;
	pthread_t thread;
	_Atomic bool end;
	uint64_t done;
	double begin;
	int status;
	struct zb_error why;
};

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* One set, with numbers behind those of the phones. */
static int come_and_go(struct churn *c)
{
	const struct fleet_plan *plan = &c->e->fleet->plan;
	const uint32_t number = plan->count + (uint32_t)(c->done % CHURN_ROOM);
	char subscriber[48];
	struct zb_install install = {.reference = ++c->e->reference,
				     .subscriber = subscriber,
				     .registration_id = "",
				     .selectors = enlist_selectors(plan, number),
				     .alg = BGF_ALG_HMAC_SHA_1_96};
	struct zb_set set;

	snprintf(subscriber, sizeof(subscriber), "guest-%u@pktgen.example", number);
	if (getrandom(install.ik, sizeof(install.ik), 0) != sizeof(install.ik))
		return -errno;
	int rc = zb_install(c->zb, &install, &set, &c->why);
	explicit_bzero(install.ik, sizeof(install.ik));
	return rc != 0 ? rc : zb_release(c->zb, set.set_id, ++c->e->reference, 0, &c->why);
}

static void *run(void *arg)
{
	struct churn *c = arg;

	while (!atomic_load(&c->end) && (c->status = come_and_go(c)) == 0)
		c->done++;
	return NULL;
}

int churn_start(struct enlist *e, struct churn **ret, char *error, unsigned size)
{
	struct churn *c = calloc(1, sizeof(*c));
	struct zb_error why = {0};
	pthread_attr_t attributes;
	int rc = c == NULL ? -ENOMEM : enlist_open(e, &c->zb, &why);

	if (rc != 0) {
		snprintf(error, size, "a connection for sets that come and go: %s", why.text);
		free(c);
		return rc;
	}
	c->e = e;
	c->begin = seconds();
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

double churn_stop(struct churn *c, char *error, unsigned size)
{
	atomic_store(&c->end, true);
	pthread_join(c->thread, NULL);
	double rate = (double)c->done / (seconds() - c->begin);
	if (c->status != 0) {
		snprintf(error, size,
			 "a set beside the phones' was refused: %s; the gateway needs room for %d more",
			 c->why.text, CHURN_ROOM);
		rate = c->status;
	}
	zb_close(c->zb);
	free(c);
	return rate;
}
