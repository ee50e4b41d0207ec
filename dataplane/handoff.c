/* SPDX-License-Identifier: BSD-3-Clause */
#include "handoff.h"

#include <rte_mbuf.h>
#include <rte_ring.h>
#include <unistd.h>

#include "batch.h"
#include "drop.h"
#include "pkt.h"

/* One system call a burst of exceptions, or a notice; never for what is forwarded. */
static void wake_main(const struct worker *w)
{
	const uint64_t one = 1;
	/* It fails only when the counter is full, and then the main lcore is being woken anyway. */
	ssize_t written = write(w->to_kernel_wake, &one, sizeof(one));
	(void)written;
}

/* Returns how many the main lcore has. */
static unsigned send_exceptions(struct worker *w)
{
	for (uint16_t i = 0; i < w->exception_count; i++)
		w->counters[pkt(w->exception[i])->side].exceptions++;
	const unsigned sent =
		rte_ring_enqueue_burst(w->to_kernel, (void **)w->exception, w->exception_count, NULL);
	for (uint16_t i = (uint16_t)sent; i < w->exception_count; i++) {
		struct rte_mbuf *m = w->exception[i];
		w->counters[pkt(m)->side].exceptions--;
		drop(w, m, BGF_DROP_EXCEPTION_FULL);
	}
	w->exception_count = 0;
	return sent;
}

/* What is answered was dropped, for a reason that is counted, and who is not answered now asks again. So it
 * never takes more than half of the ring: whoever sends a flood of it, and P-CSCFs when many sets go at once
 * (rule 24), leave room for ARP and neighbour discovery. */
static unsigned send_answers(struct worker *w)
{
	const unsigned half = rte_ring_get_capacity(w->to_kernel) / 2,
		       room = rte_ring_free_count(w->to_kernel);
	const unsigned n = RTE_MIN(room > half ? room - half : 0, (unsigned)w->answer_count);
	const unsigned sent = n > 0 ? rte_ring_enqueue_burst(w->to_kernel, (void **)w->answer, n, NULL) : 0;

	for (uint16_t i = (uint16_t)sent; i < w->answer_count; i++)
		drop_silently(w, w->answer[i]);
	w->answer_count = 0;
	return sent;
}

void handoff_flush(struct worker *w)
{
	unsigned sent = 0;

	if (w->exception_count > 0)
		sent += send_exceptions(w);
	if (w->answer_count > 0)
		sent += send_answers(w);
	/* Always: of two workers at once each would find the other's in the ring and leave the waking to it.
	 */
	if (sent > 0)
		wake_main(w);
}

void handoff_exception(struct worker *w, struct rte_mbuf *m, enum exception_kind kind)
{
	pkt(m)->exception = (uint8_t)kind;
	if (w->exception_count == WORKER_BURST)
		handoff_flush(w);
	w->exception[w->exception_count++] = m;
}

void handoff_dropped(struct worker *w, struct rte_mbuf *m, enum bgf_drop reason, enum exception_kind kind)
{
	drop_count(w, m, reason);
	pkt(m)->exception = (uint8_t)kind;
	if (w->answer_count == WORKER_BURST)
		handoff_flush(w);
	w->answer[w->answer_count++] = m;
}

void handoff_too_big(struct worker *w, struct rte_mbuf *m, uint16_t mtu)
{
	struct pkt *p = pkt(m);

	p->mtu = mtu;
	if (ip_dont_fragment(batch_ip(m), p->ipv6))
		handoff_dropped(w, m, BGF_DROP_TOO_BIG, EXCEPTION_TOO_BIG);
	else
		drop(w, m, BGF_DROP_TOO_BIG);
}

/* One step into the ring for the whole burst: its index lies in a line that all workers write. */
static void send_to_peer(struct worker *w, unsigned peer)
{
	struct handover_batch *b = &w->to_peer[peer];
	const unsigned sent = rte_ring_enqueue_burst(w->peers[peer], (void **)b->m, b->n, NULL);

	for (uint16_t i = (uint16_t)sent; i < b->n; i++) {
		const enum port_side side = port_side_of(w->port, b->m[i]->port);
		*pkt(b->m[i]) = (struct pkt){.side = (uint8_t)side};
		drop(w, b->m[i], BGF_DROP_HANDOVER_FULL);
	}
	b->n = 0;
}

void handoff_peer(struct worker *w, enum port_side side, struct rte_mbuf *m, uint8_t peer)
{
	struct handover_batch *b = &w->to_peer[peer];

	if (b->n == WORKER_BURST)
		send_to_peer(w, peer);
	m->port = w->port[side]->dpdk_id;
	b->m[b->n++] = m;
	w->to_peer_waits |= UINT64_C(1) << peer;
}

void handoff_owner(struct worker *w, struct rte_mbuf *m, uint8_t owner)
{
	handoff_peer(w, (enum port_side)pkt(m)->side, m, owner);
}

void handoff_peers(struct worker *w)
{
	for (; w->to_peer_waits != 0; w->to_peer_waits &= w->to_peer_waits - 1)
		send_to_peer(w, (unsigned)__builtin_ctzll(w->to_peer_waits));
}

bool handoff_notice(struct worker *w, uint32_t slot)
{
	if (rte_ring_enqueue(w->notices, (void *)(uintptr_t)(slot + 1)) != 0)
		return false;
	wake_main(w);
	return true;
}
