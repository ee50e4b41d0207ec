/* SPDX-License-Identifier: BSD-3-Clause */
#include "traffic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "sink.h"
#include "source.h"
#include "stop.h"

enum {
	GAP_US = 250,	   /* a turn that took longer was not all work */
	QUIET_MS = 20,	   /* nothing came for so long: others may be asked why */
	STALLED_MS = 1000, /* of a closed window: what is out is lost */
};

struct way_state {
	struct made made;     /* sent as far as the port took them */
	uint64_t used, limit; /* slots of the rate that are over; packets to make, UINT64_MAX: no limit */
	uint64_t slots;	      /* of the whole trial */
	uint64_t produced;    /* packets made */
	uint64_t forgiven;    /* of the window: given up */
	uint64_t last_in;     /* TSC when one of them came back */
};

struct traffic {
	struct ports *ports;
	struct neighbour neighbour[PORT_SIDES];
	struct source source;
	struct sink sink;
	const struct load *load;
	struct traffic_counts *counts;
	struct way_state way[WAYS];
	uint64_t begin, now, idle_cycles;
	double slots_per_cycle, cycles_per_us;
};

/* A way begins at one port and ends at the other. */
static enum port_side side_of(enum way way)
{
	return way == WAY_UP ? PORT_ACCESS : PORT_CORE;
}

uint64_t tally_sent(const struct tally *t)
{
	uint64_t sum = 0;

	for (int kind = 0; kind < LOAD_KINDS; kind++)
		sum += t->sent[kind];
	return sum;
}

uint64_t tally_good(const struct tally *t)
{
	return t->sent[LOAD_GOOD];
}

uint64_t tally_wrong(const struct tally *t)
{
	uint64_t sum = 0;

	for (int fault = PACKET_NONE + 1; fault < PACKET_FAULTS; fault++)
		if (fault != PACKET_FOREIGN && fault != PACKET_STALE)
			sum += t->result[fault];
	return sum;
}

int traffic_new(const struct traffic_args *args, struct traffic **ret)
{
	struct traffic *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	t->ports = args->ports;
	memcpy(t->neighbour, args->neighbour, sizeof(t->neighbour));
	t->source = (struct source){.fleet = args->fleet, .hmac = args->hmac, .pool = args->ports->tx};
	for (int way = 0; way < WAYS; way++) {
		const enum port_side side = side_of((enum way)way);
		memcpy(t->source.mac[way], args->gateway_mac[side], 6);
		memcpy(t->source.mac[way] + 6, args->ports->port[side].mac, 6);
	}
	source_init(&t->source);
	t->cycles_per_us = (double)rte_get_tsc_hz() / 1e6;
	t->sink = (struct sink){
		.fleet = args->fleet, .hmac = args->hmac, .ns_per_cycle = 1000 / t->cycles_per_us};
	*ret = t;
	return 0;
}

void traffic_free(struct traffic *t)
{
	free(t);
}

static void begin(struct traffic *t, const struct load *load, struct traffic_counts *counts)
{
	memset(counts, 0, sizeof(*counts));
	for (int way = 0; way < WAYS; way++) {
		struct made *left = &t->way[way].made; /* a port that took nothing more to the end */
		rte_pktmbuf_free_bulk(left->m + left->sent, left->n - left->sent);
		histogram_clear(&counts->way[way].latency);
		t->way[way] = (struct way_state){.limit = load->packets > 0 ? load->packets : UINT64_MAX};
	}
	for (int way = 0; way < WAYS; way++)
		t->way[way].slots = load->packets > 0 ? UINT64_MAX : (uint64_t)(load->rate * load->seconds);
	t->load = t->source.load = load;
	t->counts = t->sink.counts = counts;
	t->sink.trial = ++t->source.trial;
	t->sink.icv_every = load->icv_every;
	t->slots_per_cycle = load->rate / (t->cycles_per_us * 1e6);
	t->idle_cycles = 0;
	t->begin = t->now = rte_rdtsc();
	t->way[WAY_UP].last_in = t->way[WAY_DOWN].last_in = t->now;
}

/* --- out --- */

static void count_sent(struct tally *tally, const struct made *made, unsigned from)
{
	for (unsigned i = from; i < made->sent; i++) {
		tally->sent[made->kind[i]]++;
		tally->octets_sent += made->length[i];
	}
}

/* Sends what is made; true: all of it. What the port does not take now goes first the next time, so that
 * sequence numbers stay in order and a replayed packet follows its original. */
static bool flush(struct traffic *t, enum way way)
{
	const uint16_t port = t->ports->port[side_of(way)].dpdk_id;
	struct made *made = &t->way[way].made;
	const unsigned from = made->sent;

	while (made->sent < made->n) {
		const uint16_t taken =
			rte_eth_tx_burst(port, 0, made->m + made->sent, (uint16_t)(made->n - made->sent));
		if (taken == 0)
			break;
		made->sent += taken;
	}
	count_sent(&t->counts->way[way], made, from);
	return made->sent == made->n;
}

/* Packets that the rate has due now; those it had due while none could be made are counted and forgotten. */
static uint64_t due(struct traffic *t, enum way way, bool blocked)
{
	struct way_state *w = &t->way[way];
	struct tally *tally = &t->counts->way[way];
	const uint64_t passed = (uint64_t)((double)(t->now - t->begin) * t->slots_per_cycle);
	const uint64_t slots = RTE_MIN(passed, w->slots);
	uint64_t n = slots - w->used;

	if (blocked) {
		tally->ring_full += n;
		w->used = slots;
		return 0;
	}
	if (n > t->load->backlog) {
		tally->late += n - t->load->backlog;
		w->used += n - t->load->backlog;
		n = t->load->backlog;
	}
	return n;
}

/* Room of a closed loop's window. A window that has seen nothing for long is opened anew: its packets are
 * lost, which the counts tell. */
static uint64_t room(struct traffic *t, enum way way)
{
	struct way_state *w = &t->way[way];
	const struct tally *tally = &t->counts->way[way];
	const uint64_t out = tally_good(tally) - tally->result[PACKET_NONE] - w->forgiven;

	if (t->load->window == 0)
		return SOURCE_BURST;
	if (out < t->load->window)
		return t->load->window - out;
	if ((double)(t->now - w->last_in) > STALLED_MS * 1000 * t->cycles_per_us) {
		w->forgiven += out;
		w->last_in = t->now;
	}
	return 0;
}

static unsigned send_way(struct traffic *t, enum way way)
{
	struct way_state *w = &t->way[way];
	const bool blocked = !flush(t, way);
	uint64_t n = t->load->rate > 0 ? due(t, way, blocked) : blocked ? 0 : room(t, way);

	n = RTE_MIN(n, w->limit - w->produced);
	n = RTE_MIN(n, (uint64_t)SOURCE_BURST);
	if (n == 0 || blocked)
		return 0;
	source_make(&t->source, way, (unsigned)n, &w->made);
	w->produced += w->made.n;
	w->used += w->made.n;
	flush(t, way);
	return w->made.n;
}

/* --- in --- */

static bool is_ip(const struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	return m->data_len > SOURCE_ETHERNET && m->nb_segs == 1 &&
	       ((frame[12] == 0x08 && frame[13] == 0x00) || (frame[12] == 0x86 && frame[13] == 0xdd));
}

/* A question for a neighbour is answered in its own buffer. True: the buffer is gone. */
static bool answered(struct traffic *t, enum port_side side, struct rte_mbuf *m)
{
	if (!neighbour_answer(&t->neighbour[side], rte_pktmbuf_mtod(m, uint8_t *), m->data_len))
		return false;
	if (rte_eth_tx_burst(t->ports->port[side].dpdk_id, 0, &m, 1) != 1)
		return false;
	t->counts->answered[side]++;
	return true;
}

static unsigned receive_side(struct traffic *t, enum port_side side)
{
	struct rte_mbuf *m[HMAC_BURST], *ip[HMAC_BURST];
	const uint16_t n = rte_eth_rx_burst(t->ports->port[side].dpdk_id, 0, m, HMAC_BURST);
	const uint64_t now = rte_rdtsc();
	unsigned kept = 0;

	if (n == 0)
		return 0;
	for (uint16_t i = 0; i < n; i++) {
		if (answered(t, side, m[i]))
			continue;
		if (is_ip(m[i]))
			ip[kept++] = m[i];
		else
			rte_pktmbuf_free(m[i]);
	}
	if (side == PORT_CORE)
		sink_core(&t->sink, ip, kept, now);
	else
		sink_access(&t->sink, ip, kept, now);
	rte_pktmbuf_free_bulk(ip, kept);
	t->way[side == PORT_CORE ? WAY_UP : WAY_DOWN].last_in = now;
	return n;
}

static unsigned receive(struct traffic *t)
{
	return receive_side(t, PORT_CORE) + receive_side(t, PORT_ACCESS);
}

/* --- a trial --- */

/* Time between turns: what was longer than any work is a gap, what did nothing is idle. */
static void note_turn(struct traffic *t, bool worked)
{
	const uint64_t now = rte_rdtsc();
	const uint64_t us = (uint64_t)((double)(now - t->now) / t->cycles_per_us);

	if (us >= GAP_US) {
		t->counts->gap_us += us;
		t->counts->gap_most = RTE_MAX(t->counts->gap_most, us);
	} else if (!worked) {
		t->idle_cycles += now - t->now;
	}
	t->now = now;
}

static double elapsed(const struct traffic *t)
{
	return (double)(t->now - t->begin) / t->cycles_per_us / 1e6;
}

static bool made_all(const struct traffic *t)
{
	for (int way = 0; way < WAYS; way++)
		if (t->load->way[way] && t->way[way].produced < t->way[way].limit)
			return false;
	return true;
}

/* A trial with a rate ends when each of its slots was used or given up: a gap at its end is made up for too.
 */
static bool going_on(const struct traffic *t)
{
	bool slots_left = false;

	if (stop_asked() || made_all(t))
		return false;
	if (t->load->packets > 0)
		return true;
	for (int way = 0; way < WAYS; way++)
		slots_left = slots_left || (t->load->way[way] && t->way[way].used < t->way[way].slots);
	return t->load->rate > 0 ? slots_left : elapsed(t) < t->load->seconds;
}

static bool sent_all(const struct traffic *t)
{
	for (int way = 0; way < WAYS; way++)
		if (t->way[way].made.sent < t->way[way].made.n)
			return false;
	return true;
}

void traffic_wait(struct traffic *t)
{
	const uint64_t quiet = (uint64_t)(QUIET_MS * 1000 * t->cycles_per_us);
	uint64_t heard = rte_rdtsc(), now = heard;

	while (now - heard < quiet) {
		bool whole = sent_all(t);
		for (int way = 0; way < WAYS; way++) {
			const struct tally *tally = &t->counts->way[way];
			flush(t, (enum way)way);
			whole = whole && tally->result[PACKET_NONE] + tally_wrong(tally) >= tally_good(tally);
		}
		if (whole)
			break;
		now = rte_rdtsc();
		if (receive(t) > 0)
			heard = now;
	}
}

static void report(const struct traffic *t, const struct traffic_counts *then, double seconds)
{
	static const char *const names[WAYS] = {"phones to core", "core to phones"};

	printf("%6.1f s", elapsed(t));
	for (int way = 0; way < WAYS; way++) {
		const struct tally *now = &t->counts->way[way], *before = &then->way[way];
		if (!t->load->way[way])
			continue;
		printf("; %s: %.0f sent, %.0f good a second, %lu wrong", names[way],
		       (double)(tally_sent(now) - tally_sent(before)) / seconds,
		       (double)(now->result[PACKET_NONE] - before->result[PACKET_NONE]) / seconds,
		       (unsigned long)tally_wrong(now));
	}
	printf("\n");
	fflush(stdout);
}

void traffic_run(struct traffic *t, const struct load *load, struct traffic_counts *ret)
{
	static struct traffic_counts then; /* large */
	double reported = 0;

	begin(t, load, ret);
	memset(&then, 0, sizeof(then));
	while (going_on(t)) {
		unsigned work = 0;
		for (int way = 0; way < WAYS; way++)
			if (load->way[way])
				work += send_way(t, (enum way)way);
		work += receive(t);
		note_turn(t, work > 0);
		if (load->report && elapsed(t) - reported >= 1) {
			report(t, &then, elapsed(t) - reported);
			reported = elapsed(t);
			then = *ret;
		}
	}
	ret->seconds = load->rate > 0 && load->packets == 0 ? load->seconds : elapsed(t);
	ret->idle = (double)t->idle_cycles / (double)(t->now - t->begin);
	traffic_wait(t);
}

void traffic_listen(struct traffic *t, double seconds)
{
	static struct traffic_counts counts; /* large */
	static const struct load nothing = {.icv_every = 1};

	begin(t, &nothing, &counts);
	while (!stop_asked() && elapsed(t) < seconds) {
		receive(t);
		t->now = rte_rdtsc();
	}
}

/* Makes n packets of a way; n is a multiple of nothing. Returns how many there were buffers for. */
static uint32_t make_many(struct traffic *t, enum way way, uint32_t n, struct rte_mbuf **m)
{
	struct made made;
	uint32_t count = 0;

	while (count < n) {
		source_make(&t->source, way, RTE_MIN(n - count, (uint32_t)SOURCE_BURST), &made);
		if (made.n == 0)
			break;
		memcpy(m + count, made.m, made.n * sizeof(*m));
		count += made.n;
	}
	return count;
}

uint32_t traffic_back_to_back(struct traffic *t, const struct load *load, enum way way, uint32_t packets,
			      struct traffic_counts *ret)
{
	static struct rte_mbuf *m[PORTS_BUFFERS];
	const uint16_t port = t->ports->port[side_of(way)].dpdk_id;
	uint32_t sent = 0;

	begin(t, load, ret);
	const uint32_t count = make_many(t, way, RTE_MIN(packets, (uint32_t)PORTS_BUFFERS), m);
	t->begin = rte_rdtsc();
	while (sent < count) {
		const uint16_t taken =
			rte_eth_tx_burst(port, 0, m + sent, (uint16_t)RTE_MIN(count - sent, 64u));
		if (taken == 0)
			break;
		sent += taken;
	}
	t->now = rte_rdtsc();
	ret->seconds = elapsed(t);
	ret->way[way].sent[LOAD_GOOD] = sent;
	rte_pktmbuf_free_bulk(m + sent, count - sent);
	traffic_wait(t);
	return sent;
}
