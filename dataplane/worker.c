/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The fast path's contents page: what happens to packets, stage after stage.
 */
#include "worker.h"

#include <rte_ethdev.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>
#include <unistd.h>

#include "classify.h"
#include "clear.h"
#include "drop.h"
#include "esp_in.h"
#include "esp_out.h"
#include "forward.h"
#include "handoff.h"
#include "pkt.h"
#include "queues.h"
#include "steer.h"

enum {
	IDLE_TURNS = 32,  /* empty ones before a worker sleeps: a burst is seldom alone */
	QUEUE_TURNS = 64, /* between two looks at how full the receive queues are */
};

/* A burst from one side, all of it this worker's, through the stages: to the P-CSCFs. */
static void from_access(struct worker *w, struct rte_mbuf **m, uint16_t n)
{
	struct batch ready;
	struct classified sorted;

	ready.n = 0;
	classify(w, PORT_ACCESS, m, n, &sorted);
	esp_in(w, &sorted.esp, &ready);
	clear_in(w, &sorted.clear, &ready);
	forward(w, PORT_CORE, &ready);
}

/* To the UEs. */
static void from_core(struct worker *w, struct rte_mbuf **m, uint16_t n)
{
	struct batch ready;
	struct classified sorted;

	ready.n = 0;
	classify(w, PORT_CORE, m, n, &sorted);
	esp_out(w, &sorted.esp, &ready);
	clear_out(w, &sorted.clear, &ready);
	forward(w, PORT_ACCESS, &ready);
}

static void from_side(struct worker *w, enum port_side side, struct rte_mbuf **m, uint16_t n)
{
	if (n == 0)
		return;
	if (side == PORT_ACCESS)
		from_access(w, m, n);
	else
		from_core(w, m, n);
}

static uint16_t from_port(struct worker *w, enum port_side side)
{
	struct rte_mbuf *m[WORKER_BURST];
	struct counters *c = &w->counters[side];

	if (w->rx_queue[side] == QUEUE_NONE)
		return 0;
	const uint16_t n = rte_eth_rx_burst(w->port[side]->dpdk_id, w->rx_queue[side], m, WORKER_BURST);
	c->rx_packets += n;
	for (uint16_t i = 0; i < n; i++) {
		/* what the stages read first, on the way into the cache while the burst is gone through */
		rte_prefetch0(pkt(m[i]));
		rte_prefetch0(batch_ip(m[i]));
		c->rx_octets += m[i]->pkt_len;
	}
	from_side(w, side, m, w->steers[side] ? steer(w, side, m, n) : n);
	return n;
}

/* What other workers took from a port and this one owns. The buffers lie in the others' caches: their lines
 * are asked for in one loop, what they lead to in the next. */
static uint16_t from_peers(struct worker *w)
{
	struct rte_mbuf *m[WORKER_BURST];
	struct batch of[PORT_SIDES];

	if (w->handover == NULL)
		return 0;
	const uint16_t n = (uint16_t)rte_ring_dequeue_burst(w->handover, (void **)m, WORKER_BURST, NULL);
	for (uint16_t i = 0; i < n; i++) {
		rte_prefetch0(m[i]);
		rte_prefetch0(pkt(m[i]));
	}
	of[PORT_ACCESS].n = of[PORT_CORE].n = 0;
	for (uint16_t i = 0; i < n; i++) {
		rte_prefetch0(batch_ip(m[i]));
		batch_add(&of[port_side_of(w->port, m[i]->port)], m[i]);
	}
	from_side(w, PORT_ACCESS, of[PORT_ACCESS].m, of[PORT_ACCESS].n);
	from_side(w, PORT_CORE, of[PORT_CORE].m, of[PORT_CORE].n);
	return n;
}

/* The kernel's frames, and what another worker kept from leaving by a queue that both send by. */
static uint16_t finished(struct worker *w, enum port_side side)
{
	struct rte_mbuf *m[WORKER_BURST];
	struct rte_ring *const kernel = w->from_kernel[side];
	const bool frames = kernel != NULL && !rte_ring_empty(kernel);
	uint16_t n = 0;

	if (!frames && (w->tx_wait[side] == NULL || w->tx_wait[side]->n == 0))
		return 0;
	if (!forward_take_queue(w, side))
		return 0;
	if (frames)
		n = (uint16_t)rte_ring_dequeue_burst(kernel, (void **)m, WORKER_BURST, NULL);
	forward_frames(w, side, m, n);
	forward_give_queue(w, side);
	return n;
}

unsigned worker_turn(struct worker *w)
{
	unsigned taken;

	w->now = rte_rdtsc();
	taken = from_port(w, PORT_ACCESS);
	taken += from_port(w, PORT_CORE);
	taken += from_peers(w);
	taken += finished(w, PORT_ACCESS);
	taken += finished(w, PORT_CORE);
	handoff_peers(w);
	handoff_flush(w);
	drop_flush(w);
	return taken;
}

/* Offline, so that nobody who waits for a grace period waits for a sleeper. The longer nothing came the
 * longer it sleeps, up to 16 times: a gateway without traffic costs next to nothing, one with some is soon
 * awake. */
static void sleep_offline(struct worker *w, unsigned empty_turns)
{
	const unsigned doublings = RTE_MIN((empty_turns - IDLE_TURNS) / IDLE_TURNS, 4u);

	rte_rcu_qsbr_thread_offline(w->rcu, w->id);
	usleep(w->idle_sleep_us << doublings);
	rte_rcu_qsbr_thread_online(w->rcu, w->id);
}

/* Turns follow each other within microseconds, unless somebody took the processor away. */
static void note_gap(struct worker *w, uint64_t last)
{
	if (w->now - last >= w->tsc_hz / (US_PER_S / POLL_GAP_LEAST_US))
		poll_gap_add(&w->gaps, (w->now - last) * US_PER_S / w->tsc_hz);
}

/* By the worker itself: a driver's count is not for two threads at once. */
static void note_queues(struct worker *w)
{
	for (int side = 0; side < PORT_SIDES; side++) {
		if (w->rx_queue[side] == QUEUE_NONE)
			continue;
		const int n = rte_eth_rx_queue_count(w->port[side]->dpdk_id, w->rx_queue[side]);
		w->load.rx_queue[side] = n >= 0 ? (uint64_t)n : UINT64_MAX;
	}
}

/* Whether packets wait for a transmit queue that another worker has: whoever slept now would keep them. */
static bool has_unsent(const struct worker *w)
{
	for (int side = 0; side < PORT_SIDES; side++)
		if (w->tx_wait[side] != NULL && w->tx_wait[side]->n > 0)
			return true;
	return false;
}

/* What a turn took. The clock is read once more only where there were packets to share the cost. */
static void note_load(struct worker *w, unsigned taken)
{
	struct worker_load *l = &w->load;

	if (l->turns++ % QUEUE_TURNS == 0)
		note_queues(w);
	if (taken == 0)
		return;
	l->busy_turns++;
	l->busy_packets += taken;
	l->busy_cycles += rte_rdtsc() - w->now;
}

int worker_run(void *arg)
{
	struct worker *w = arg;
	uint64_t last = rte_rdtsc();
	unsigned idle = 0;

	rte_rcu_qsbr_thread_register(w->rcu, w->id);
	rte_rcu_qsbr_thread_online(w->rcu, w->id);
	while (!*w->stop) {
		const unsigned taken = worker_turn(w);
		note_load(w, taken);
		idle = taken > 0 || has_unsent(w) ? 0 : idle + 1;
		note_gap(w, last);
		last = w->now;
		rte_rcu_qsbr_quiescent(w->rcu, w->id);
		if (idle > IDLE_TURNS && w->idle_sleep_us > 0) {
			sleep_offline(w, idle);
			last = rte_rdtsc();
		}
	}
	rte_rcu_qsbr_thread_offline(w->rcu, w->id);
	rte_rcu_qsbr_thread_unregister(w->rcu, w->id);
	return 0;
}
