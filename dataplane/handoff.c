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

static bool counted_as_drop(const struct pkt *p)
{
	return p->exception == EXCEPTION_TOO_BIG || p->exception == EXCEPTION_TTL;
}

void handoff_flush(struct worker *w)
{
	if (w->exception_count == 0)
		return;
	for (uint16_t i = 0; i < w->exception_count; i++) {
		const struct pkt *p = pkt(w->exception[i]);
		w->counters[p->side].exceptions += !counted_as_drop(p);
	}
	const unsigned sent =
		rte_ring_enqueue_burst(w->to_kernel, (void **)w->exception, w->exception_count, NULL);
	for (uint16_t i = (uint16_t)sent; i < w->exception_count; i++) {
		struct rte_mbuf *m = w->exception[i];
		if (counted_as_drop(pkt(m))) {
			drop_silently(w, m);
			continue;
		}
		w->counters[pkt(m)->side].exceptions--;
		drop(w, m, BGF_DROP_EXCEPTION_FULL);
	}
	w->exception_count = 0;
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
	handoff_exception(w, m, kind);
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

void handoff_owner(struct worker *w, struct rte_mbuf *m, uint8_t owner)
{
	if (owner >= w->count || rte_ring_enqueue(w->peers[owner], m) != 0)
		drop(w, m, BGF_DROP_HANDOVER_FULL);
}

bool handoff_notice(struct worker *w, uint32_t slot)
{
	if (rte_ring_enqueue(w->notices, (void *)(uintptr_t)(slot + 1)) != 0)
		return false;
	wake_main(w);
	return true;
}
