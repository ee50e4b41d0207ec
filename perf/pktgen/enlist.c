/* SPDX-License-Identifier: BSD-3-Clause */
#include "enlist.h"

#include <errno.h>
#include <poll.h>
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
	UNDER_WAY = 256, /* phones at once: enough to keep the gateway busy, far from its overload */
};

struct work;

/* A phone whose set is being installed and confirmed. */
struct applicant {
	struct work *work;
	struct zb *zb;
	uint32_t number;
	struct applicant *next; /* free ones */
};

struct work {
	struct enlist *e;
	struct zb *zb[ENLIST_CONNECTIONS_MAX];
	unsigned connections;
	struct applicant applicant[UNDER_WAY], *free;
	uint32_t next, done, under_way;
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
	if (w->status != 0)
		return;
	w->status = rc;
	explain(w->error, w->size, what, number, rc, error);
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

static void leave(struct applicant *a)
{
	struct work *w = a->work;

	w->under_way--;
	a->next = w->free;
	w->free = a;
}

static void confirmed(const struct zb_answer *answer, void *arg)
{
	struct applicant *a = arg;

	if (answer->status != 0)
		fail(a->work, "CONFIRM", a->number, answer->status, &answer->error);
	else
		a->work->done++;
	leave(a);
}

static void installed(const struct zb_answer *answer, void *arg)
{
	struct applicant *a = arg;
	struct enlist *e = a->work->e;
	struct phone *phone = &e->fleet->phone[a->number];
	struct zb_error error = answer->error;
	int rc = answer->status;

	if (rc == 0) {
		phone->spi[0] = answer->sets[0].selectors.spi_ps;
		phone->spi[1] = answer->sets[0].selectors.spi_pc;
		phone->set_id = answer->sets[0].set_id;
		rc = zb_start_confirm(a->zb, phone->set_id, e->fleet->plan.count + a->number + 1ull,
				      e->expires_s, confirmed, a, &error);
	}
	if (rc == 0)
		return;
	fail(a->work, "INSTALL", a->number, rc, &error);
	leave(a);
}

static void enlist_one(struct work *w, uint32_t number)
{
	struct fleet *f = w->e->fleet;
	struct applicant *a = w->free;
	char subscriber[48];
	struct zb_install install = {.reference = number + 1ull,
				     .subscriber = subscriber,
				     .registration_id = "",
				     .selectors = enlist_selectors(&f->plan, number),
				     .alg = BGF_ALG_HMAC_SHA_1_96};
	struct zb_error error = {0};

	w->free = a->next;
	w->under_way++;
	a->number = number;
	a->zb = w->zb[number % w->connections];
	snprintf(subscriber, sizeof(subscriber), "phone-%u@pktgen.example", number);
	fleet_key(f, number, install.ik);
	int rc = zb_start_install(a->zb, &install, installed, a, &error);
	explicit_bzero(install.ik, sizeof(install.ik));
	if (rc != 0) {
		fail(w, "INSTALL", number, rc, &error);
		leave(a);
	}
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A turn: as many begin as may be under way, and what was answered goes on. */
static void turn(struct work *w)
{
	struct pollfd p[ENLIST_CONNECTIONS_MAX];

	while (w->status == 0 && !stop_asked() && w->free != NULL && w->next < w->e->fleet->plan.count)
		enlist_one(w, w->next++);
	for (unsigned i = 0; i < w->connections; i++) {
		zb_process(w->zb[i], NULL, NULL);
		p[i] = (struct pollfd){.fd = zb_fd(w->zb[i]), .events = (short)zb_poll_events(w->zb[i])};
	}
	poll(p, w->connections, 1);
}

static bool is_through(const struct work *w)
{
	return w->under_way == 0 && (w->status != 0 || stop_asked() || w->next == w->e->fleet->plan.count);
}

/* A line a second, and the gateway's kernel gets its answers, until all are through. */
static void enlist_each(struct work *w)
{
	const double begin = seconds();
	double report = begin + REPORT_MS / 1000.0, step = begin;

	while (!is_through(w)) {
		turn(w);
		if (seconds() >= step) {
			step = seconds() + STEP_MS / 1000.0;
			w->e->meanwhile(w->e->arg);
		}
		if (seconds() < report)
			continue;
		report += REPORT_MS / 1000.0;
		printf("installing: %u of %u phones, %.0f a second\n", w->done, w->e->fleet->plan.count,
		       w->done / (seconds() - begin));
		fflush(stdout);
	}
	printf("installed and confirmed %u phones in %.1f s: %.0f a second\n", w->done, seconds() - begin,
	       w->done / (seconds() - begin));
	fflush(stdout);
}

int enlist_all(struct enlist *e, char *error, unsigned size)
{
	static struct work work; /* large */
	struct work *w = &work;
	struct zb_error why = {0};

	*w = (struct work){.e = e, .error = error, .size = size};
	for (unsigned i = 0; i < UNDER_WAY; i++) {
		w->applicant[i] = (struct applicant){.work = w, .next = w->free};
		w->free = &w->applicant[i];
	}
	for (; w->connections < e->connections && w->status == 0; w->connections += w->status == 0) {
		int rc = enlist_open(e, &w->zb[w->connections], &why);
		if (rc != 0)
			fail(w, "a connection for INSTALL", 0, rc, &why);
	}
	if (w->status == 0)
		enlist_each(w);
	for (unsigned i = 0; i < w->connections; i++)
		zb_close(w->zb[i]);
	if (w->status == 0 && w->done < e->fleet->plan.count) {
		snprintf(error, size, "interrupted");
		return -EINTR;
	}
	return w->status;
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
