/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer.h"

#include <rte_mbuf.h>

#include "handoff.h"
#include "ip.h"
#include "owner.h"

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

/* Pairs of octets, added up. */
static inline uint16_t fold(uint64_t x)
{
	x ^= x >> 32;
	return (uint16_t)(x ^ x >> 16);
}

/* By the frame's two addresses, whatever else may be wrong with it: its owner finds out. What has none is
 * anybody's. */
static inline uint8_t owner_of_frame(const struct worker *w, const struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *), *ip = frame + ETH_HEADER;

	if (unlikely(m->data_len < ETH_HEADER + IPV4_HEADER))
		return (uint8_t)w->id;
	switch (ip_load16(frame + 12)) {
	case ETH_IPV4:
		return owner_find(&w->owners, fold(load64(ip + 12)));
	case ETH_IPV6:
		if (unlikely(m->data_len < ETH_HEADER + IPV6_HEADER))
			return (uint8_t)w->id;
		return owner_find(&w->owners,
				  fold(load64(ip + 8) ^ load64(ip + 16) ^ load64(ip + 24) ^ load64(ip + 32)));
	default:
		return (uint8_t)w->id;
	}
}

uint16_t steer(struct worker *w, enum port_side side, struct rte_mbuf **m, uint16_t n)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		const uint8_t owner = owner_of_frame(w, m[i]);
		if (owner == w->id)
			m[kept++] = m[i];
		else
			handoff_peer(w, side, m[i], owner);
	}
	return kept;
}
