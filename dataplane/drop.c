/* SPDX-License-Identifier: BSD-3-Clause */
#include "drop.h"

#include <rte_mbuf.h>

#include "pkt.h"
#include "store.h"

void drop_flush(struct worker *w)
{
	rte_pktmbuf_free_bulk(w->dead, w->dead_count);
	w->dead_count = 0;
}

void drop_silently(struct worker *w, struct rte_mbuf *m)
{
	if (w->dead_count == WORKER_BURST)
		drop_flush(w);
	w->dead[w->dead_count++] = m;
}

void drop_count(struct worker *w, struct rte_mbuf *m, enum bgf_drop reason)
{
	w->counters[pkt(m)->side].drops[reason]++;
}

void drop(struct worker *w, struct rte_mbuf *m, enum bgf_drop reason)
{
	drop_count(w, m, reason);
	drop_silently(w, m);
}

void drop_of_set(struct worker *w, struct rte_mbuf *m, enum bgf_drop reason, uint32_t slot)
{
	if (bgf_drop_scope(reason) == BGF_DROP_SA)
		store_cold(w->store, slot)->drops[reason]++;
	drop(w, m, reason);
}
