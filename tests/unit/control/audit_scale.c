/* SPDX-License-Identifier: BSD-3-Clause
 *
 * audit_scale SETS: control's own code with so many sets of one peer, and libzb, whose caller holds the same
 * but for ten. Prints one line of JSON: what it cost to find them, and whether they were the right ones.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "audit_check.h"
#include "control/session.h"
#include "control/sets.h"
#include "sample.h"

enum { MISSING_HERE = 4, MISSING_THERE = 3, DIFFERENT = 3, DIFFERENCES = 10 };

static struct control control;
static struct bgf_config config;
static int listener;
static atomic_int stop;
static atomic_ulong octets; /* that control sent */

/* The linker puts the second one in the place of the product's, which it calls the first (--wrap). */
void __real_session_send(struct session *s, const void *frame, size_t length);
void __wrap_session_send(struct session *s, const void *frame, size_t length);

void __wrap_session_send(struct session *s, const void *frame, size_t length)
{
	octets += length;
	__real_session_send(s, frame, length);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void enter(struct peer *peer, uint32_t n)
{
	struct sa_set *set = sa_set_new();

	set->id = (uint64_t)(n + 1) << 22 | n;
	set->state = BGF_SET_ESTABLISHED;
	set->expires = timers_now() + 3600 * UINT64_C(1000000000) + n;
	set->selectors = (struct bgf_set_selectors){.ue = sample_addr("10.0.0.0"),
						    .served = sample_addr("10.50.0.1"),
						    .port_uc = 5062,
						    .port_us = 5064,
						    .port_pc = 6060,
						    .port_ps = 6062,
						    .spi_uc = 1000 + n,
						    .spi_us = 2000 + n,
						    .spi_pc = n * 2 + 1,
						    .spi_ps = n * 2};
	for (int i = 0; i < 3; i++)
		set->selectors.ue.octet[3 - i] = (uint8_t)(n >> 8 * i);
	set->name.reference = n + 1;
	snprintf(set->name.subscriber, sizeof(set->name.subscriber),
		 "0010101%08u@ims.mnc001.mcc001.3gppnetwork.org", n);
	strcpy(set->name.peer, peer->name);
	if (sets_enter(&control, set, peer) != 0)
		exit(1);
}

static void make_control(uint32_t sets)
{
	config = sample_config();
	control = (struct control){
		.config = &config, .base = event_base_new(), .timer_fd = -1, .serving = true, .synced = true};
	TAILQ_INIT(&control.peers);
	LIST_INIT(&control.sessions);
	if (hash_seed() != 0 || sets_init(&control) != 0)
		exit(1);
	struct peer *peer = peer_get(&control, "pcscf1", ZB_ROLE_PEER);
	for (uint32_t n = 0; n < sets; n++)
		enter(peer, n);
}

static void *serve(void *arg)
{
	const struct origin origin = {.is_local = true, .uid = getuid(), .pid = 1};
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

	if (fd < 0 || session_new(&control, fd, &origin) != 0)
		exit(1);
	while (!stop)
		event_base_loop(control.base, EVLOOP_NONBLOCK);
	return arg;
}

/* --- the P-CSCF --- */

struct held {
	uint64_t set_id, digest;
};

static struct {
	struct held *held;
	size_t count, right, wrong;
	struct zb_difference expected[DIFFERENCES];
} own;

static void each(void *arg, zb_audit_add add, void *to)
{
	(void)arg;
	for (size_t i = 0; i < own.count; i++)
		add(to, own.held[i].set_id, own.held[i].digest);
}

static void note(const struct zb_difference *d, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < DIFFERENCES; i++) {
		if (own.expected[i].set_id == d->set_id && own.expected[i].kind == d->kind) {
			own.expected[i].set_id = 0;
			own.right++;
			return;
		}
	}
	own.wrong++;
}

/* What control has, but for ten sets far from each other. */
static void hold(uint32_t sets)
{
	uint32_t step = sets / DIFFERENCES;

	own.held = calloc(sets + MISSING_THERE, sizeof(*own.held));
	for (uint32_t n = 0; n < sets; n++) {
		struct held h = {control.table.slot[n]->id, control.table.slot[n]->digest};
		uint32_t which = n / step;
		if (n % step != step / 2 || which >= DIFFERENCES) {
			own.held[own.count++] = h;
			continue;
		}
		own.expected[which] = (struct zb_difference){h.set_id, ZB_DIFFERENCE_MISSING_HERE};
		if (which < MISSING_HERE)
			continue;
		own.expected[which].kind = ZB_DIFFERENCE_DIFFERENT;
		h.digest++;
		if (which >= MISSING_HERE + DIFFERENT) { /* another set in its place, and the same one too */
			own.expected[which] = (struct zb_difference){h.set_id ^ UINT64_C(1) << 50,
								     ZB_DIFFERENCE_MISSING_THERE};
			own.held[own.count++] = (struct held){h.set_id ^ UINT64_C(1) << 50, 1};
			h.digest--;
		}
		own.held[own.count++] = h;
	}
}

static int reconcile(const char *path, uint32_t sets)
{
	const struct zb_options options = {
		.path = path, .name = "pcscf1", .instance_id = 1, .wait_ms = 60000};
	const struct zb_audit audit = {.each = each, .on_difference = note};
	struct zb_gateway gateway;
	struct zb_error error;
	struct zb *zb;
	size_t count = 0;

	if (zb_open(&options, &zb, &error) != 0 || zb_gateway(zb, &gateway, &error) != 0) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	unsigned long before = octets;
	uint64_t begun = now_ns();
	int r = zb_audit(zb, &audit, &count, &error);
	uint64_t took = now_ns() - begun;
	begun = now_ns();
	for (uint32_t n = 0; n < sets; n++)
		if (audit_digest(control.table.slot[n]) != control.table.slot[n]->digest)
			return 1;
	printf("{\"sets\":%u,\"status\":%d,\"differences\":%zu,\"right\":%zu,\"wrong\":%zu,\"ms\":%.1f,"
	       "\"octets\":%lu,\"digest_ns\":%.0f}\n",
	       sets, r, count, own.right, own.wrong, (double)took / 1e6, octets - before,
	       (double)(now_ns() - begun) / sets);
	zb_close(zb);
	return 0;
}

int main(int argc, char **argv)
{
	uint32_t sets = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 20000;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	pthread_t thread;

	if (sets < 100 || sets > 4000000)
		return 2;
	make_control(sets);
	hold(sets);
	snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/audit-scale-%d.sock", getpid());
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(listener, 1) != 0)
		return 1;
	pthread_create(&thread, NULL, serve, NULL);
	int status = reconcile(at.sun_path, sets);
	stop = 1;
	pthread_join(thread, NULL);
	unlink(at.sun_path);
	return status != 0 || audit_check(&control) != 0;
}
