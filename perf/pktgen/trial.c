/* SPDX-License-Identifier: BSD-3-Clause */
#include "trial.h"

#include <stdlib.h>

#include "stop.h"

enum {
	SETTLE_TRIES = 100, /* of 20 ms at least */
};

/* Shares of time. */
static const double busy_enough = 0.05; /* idle less than this: the generator was at its own limit */
static const double latency_gaps = 0.005;

const char *trial_limit_text(enum trial_limit limit)
{
#define LIMIT_TEXT(NAME, text) text,
	static const char *const texts[] = {TRIAL_LIMIT_LIST(LIMIT_TEXT)};
	return texts[limit];
}

static uint64_t full_drops(const struct watch_port *p)
{
	static const enum bgf_drop reasons[] = {BGF_DROP_TX_FULL,  BGF_DROP_HANDOVER_FULL,
						BGF_DROP_NO_MBUF,  BGF_DROP_CRYPTO,
						BGF_DROP_HEADROOM, BGF_DROP_EXCEPTION_FULL};
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		sum += p->drops[reasons[i]];
	return sum;
}

uint64_t trial_lost(const struct trial *t)
{
	return (uint64_t)llabs(t->unaccounted) + t->full;
}

/* Whether the gateway has taken all that was sent to it, and all that it forwarded came back. */
static bool settled(const struct trial *t)
{
	for (int way = 0; way < WAYS; way++) {
		const struct watch_port *p = &t->gateway.side[way];
		const struct tally *tally = &t->sent.way[way];
		const uint64_t back =
			tally->result[PACKET_NONE] + tally->result[PACKET_STALE] + tally_wrong(tally);
		if (p->rx_packets < tally_sent(tally) + t->sent.answered[way] || watch_unaccounted(p) != 0 ||
		    back < p->forwarded_esp)
			return false;
	}
	return true;
}

/* The gateway may not have run for a while: as long as something is under way, both sides are asked again. */
static int settle(struct bench *b, const struct watch_counters *then, struct trial *t, char *error,
		  unsigned size)
{
	for (int i = 0; i < SETTLE_TRIES; i++) {
		struct watch_counters now;
		int rc = watch_read(&b->watch, &now, error, size);
		if (rc != 0)
			return rc;
		t->gateway = watch_since(&now, then);
		if (settled(t) || stop_asked())
			break;
		traffic_wait(b->traffic);
	}
	return 0;
}

/* Half of the time that the ring between the two holds at the rate at hand, in µs. */
static double patience_us(const struct bench *b, const struct trial *t, int way)
{
	const double rate =
		(double)tally_sent(&t->sent.way[way]) / (t->sent.seconds > 0 ? t->sent.seconds : 1);
	return rate > 0 ? b->ring / rate / 2 * 1e6 : 1e9;
}

static bool is_disturbed(const struct bench *b, const struct trial *t)
{
	for (int way = 0; way < WAYS; way++) {
		const double patience = patience_us(b, t, way);
		if ((double)t->sent.gap_most > patience)
			return true;
		/* the gateway counts in powers of two: the nearest below */
		for (int i = 0; i < WATCH_GAPS; i++)
			if (t->gateway.gaps[i] > 0 && (1000 << (i + 1)) > patience)
				return true;
	}
	return false;
}

static enum trial_limit limit_of(const struct load *load, const struct traffic_counts *c)
{
	uint64_t full = 0, late = 0;

	for (int way = 0; way < WAYS; way++) {
		full += c->way[way].ring_full;
		late += c->way[way].late;
	}
	if (load->rate > 0)
		return full > 0 && full >= late ? TRIAL_GATEWAY : late > 0 ? TRIAL_GENERATOR : TRIAL_NONE;
	return c->idle > busy_enough ? TRIAL_GATEWAY : TRIAL_GENERATOR;
}

int trial_judge(struct bench *b, const struct watch_counters *then, struct trial *t, char *error,
		unsigned size)
{
	int rc = settle(b, then, t, error, size);

	if (rc != 0)
		return rc;
	t->unaccounted = 0;
	t->full = 0;
	for (int side = 0; side < WATCH_SIDES; side++) {
		t->unaccounted += watch_unaccounted(&t->gateway.side[side]);
		t->full += full_drops(&t->gateway.side[side]);
	}
	t->offered = (double)(tally_sent(&t->sent.way[WAY_UP]) + tally_sent(&t->sent.way[WAY_DOWN])) /
		     (t->sent.seconds > 0 ? t->sent.seconds : 1);
	t->disturbed = is_disturbed(b, t);
	return 0;
}

int trial_run(struct bench *b, const struct load *load, struct trial *ret, char *error, unsigned size)
{
	struct watch_counters then;
	int rc = watch_read(&b->watch, &then, error, size);

	if (rc != 0)
		return rc;
	traffic_run(b->traffic, load, &ret->sent);
	rc = trial_judge(b, &then, ret, error, size);
	ret->limit = limit_of(load, &ret->sent);
	return rc;
}

int trial_undisturbed(struct bench *b, const struct load *load, bool latency, struct trial *ret, char *error,
		      unsigned size)
{
	for (int i = 0;; i++) {
		int rc = trial_run(b, load, ret, error, size);
		if (rc != 0 || stop_asked())
			return rc;
		const double gaps = (double)(ret->sent.gap_us + ret->gateway.gap_us) / 1e6;
		ret->disturbed = ret->disturbed || (latency && gaps > latency_gaps * ret->sent.seconds);
		if (!ret->disturbed || i == (int)b->repeats)
			return 0;
		b->disturbed++;
	}
}
