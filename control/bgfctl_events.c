/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bgfctl events: one line an event, as it happens; JSON has one document a line.
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bgfctl.h"
#include "bgfctl_out.h"

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static const char *time_text(char buf[static 40])
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	size_t n = strftime(buf, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, 40 - n, ".%03ld", now.tv_nsec / 1000000);
	return buf;
}

static const char *meaning_of(const struct zb_event *e)
{
	switch (e->kind) {
	case ZB_EVENT_EXPIRED:
		return "its lifetime ended";
	case ZB_EVENT_FIRST_USED:
		return "first good protected packet since CONFIRM";
	case ZB_EVENT_SUPERSEDED:
		return "a newer set is used: it ends soon";
	case ZB_EVENT_REMOVED:
		return bgf_removed_text(e->why);
	case ZB_EVENT_EPOCH_LOST:
		return "the gateway's store is a new one: every set is gone";
	case ZB_EVENT_SEQUENCE_LOW:
		return "an SA's sequence numbers run out: nothing is sent after the last";
	case ZB_EVENT_ICV_FAILURES:
		return "packets failed their integrity check";
	case ZB_EVENT_REPLAYS:
		return "packets were replays";
	case ZB_EVENT_UNKNOWN_SPI:
		return "ESP of a UE that has sets, with an SPI that no SA has";
	case ZB_EVENT_OVERLOAD:
		return e->overloaded ? "the gateway is overloaded: new registrations may be refused"
				     : "the gateway is no more overloaded";
	case ZB_EVENT_GAP:
		return "events were lost: look again with 'bgfctl show sets'";
	}
	return "";
}

static bool has_counters(const struct zb_event *e)
{
	return e->kind == ZB_EVENT_EXPIRED || e->kind == ZB_EVENT_REMOVED;
}

static void print_json(const struct zb_event *e, const char *when)
{
	char address[BGF_ADDR_STRLEN];

	json_open(NULL, '{');
	json_string("time", when);
	json_string("event", zb_event_name(e->kind));
	json_string("text", meaning_of(e));
	if (e->set_id != 0) {
		json_number("set_id", e->set_id);
		json_number("reference", e->reference);
		json_string("peer", e->peer);
		json_string("subscriber", e->subscriber);
		json_string("registration_id", e->registration_id);
		json_selectors(&e->selectors);
	}
	if (has_counters(e)) {
		json_number("packets_in", e->packets[0] + e->packets[1]);
		json_number("packets_out", e->packets[2] + e->packets[3]);
		json_number("octets_in", e->octets[0] + e->octets[1]);
		json_number("octets_out", e->octets[2] + e->octets[3]);
	}
	if (e->kind == ZB_EVENT_UNKNOWN_SPI) {
		json_string("peer", e->peer);
		json_string("ue", bgf_addr_text(&e->selectors.ue, address));
		json_string("served", bgf_addr_text(&e->selectors.served, address));
	}
	if (e->spi != 0)
		json_number("spi", e->spi);
	if (e->sequence != 0)
		json_number("sequence", e->sequence);
	if (e->count != 0)
		json_number("count", e->count);
	if (e->kind == ZB_EVENT_OVERLOAD)
		json_bool("overloaded", e->overloaded);
	json_close('}');
	json_end();
}

/* Whom and what it is about. */
static void print_subject(const struct zb_event *e)
{
	char ue[BGF_ADDR_STRLEN];

	if (e->set_id != 0)
		printf("  set %" PRIu64 "  %s%s%s  %s  of %s", e->set_id, e->subscriber,
		       e->registration_id[0] != '\0' ? " #" : "", e->registration_id,
		       bgf_addr_text(&e->selectors.ue, ue), e->peer);
	else if (e->selectors.ue.family != 0)
		printf("  %s  of %s", bgf_addr_text(&e->selectors.ue, ue), e->peer);
	if (e->spi != 0)
		printf("  SPI %" PRIu32, e->spi);
	if (e->kind == ZB_EVENT_SEQUENCE_LOW)
		printf("  %" PRIu64 " numbers left", UINT32_MAX - e->sequence);
	if (e->count != 0)
		printf("  %" PRIu64 " packets", e->count);
	if (has_counters(e))
		printf("  %" PRIu64 " packets in, %" PRIu64 " out", e->packets[0] + e->packets[1],
		       e->packets[2] + e->packets[3]);
}

struct follower {
	bool json;
	uint64_t left; /* events until the end */
};

static void on_event(const struct zb_event *e, void *arg)
{
	struct follower *f = arg;
	char when[40];

	if (f->left == 0)
		return;
	f->left--;
	if (f->json) {
		print_json(e, time_text(when));
		return;
	}
	printf("%s  %-12s", time_text(when), zb_event_name(e->kind));
	print_subject(e);
	printf("  %s\n", meaning_of(e));
	fflush(stdout);
}

int follow_events(struct ctl *c)
{
	struct follower f = {.json = c->json,
			     .left = ctl_number(c, CTL_OPT_COUNT, 1, UINT64_MAX, UINT64_MAX)};
	struct sigaction action = {.sa_handler = on_signal};
	bool lost = false;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	int r = zb_subscribe(c->zb, ZB_EVENTS_ALL, &c->error);
	if (r < 0)
		return ctl_failed(c, r);
	if (!c->json)
		fputs("bgfctl: waiting for events; ctrl-C ends\n", stderr);
	while (!interrupted && f.left > 0 && !ferror(stdout)) {
		struct pollfd p = {.fd = zb_fd(c->zb), .events = POLLIN};
		poll(&p, 1, 1000);
		bool down = zb_process(c->zb, on_event, &f) < 0;
		if (down != lost)
			fprintf(stderr, "bgfctl: %s\n",
				down ? "the gateway is gone; trying again every second" : "connected again");
		lost = down;
	}
	return 0;
}
