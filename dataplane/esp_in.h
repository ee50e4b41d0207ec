/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inbound ESP, with ARCHITECTURE's 'Order of checks on inbound ESP'. The worker only.
 */
#ifndef BGF_DP_ESP_IN_H
#define BGF_DP_ESP_IN_H

#include <rte_prefetch.h>

#include "batch.h"
#include "bgf_spi.h"
#include "esp.h"
#include "pkt.h"
#include "sa.h"

/* The first step, as soon as it is known that a packet is ESP: its SPI, and its SA on the way into the cache
 * while the rest of the burst is looked at. In a loop of its own it filled the processor's buffers for
 * misses, and waited. */
static __rte_always_inline void esp_in_fetch(const struct worker *w, const uint8_t *esp, struct pkt *p)
{
	p->ref = p->payload >= sizeof(p->ref) ? esp_spi(esp) : 0;
	const uint32_t slot = bgf_spi_slot(p->ref);
	if (slot >= w->capacity)
		return;
	rte_prefetch0(&w->hot[slot].shared);
	rte_prefetch0(&w->hot[slot].in[bgf_spi_which(p->ref)]);
}

/* Takes ESP packets to served addresses, addresses checked by classify, esp_in_fetch called; adds to `out`
 * what is good, its ESP taken off, ready to be forwarded. */
void esp_in(struct worker *w, const struct batch *in, struct batch *out);

#endif
