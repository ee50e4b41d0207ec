/* SPDX-License-Identifier: BSD-3-Clause */
#include "pkt.h"

#include <errno.h>
#include <rte_errno.h>

int pkt_register(void)
{
	static const struct rte_mbuf_dynfield field = {
		.name = "bgf_pkt",
		.size = sizeof(struct pkt),
		.align = alignof(struct pkt),
	};

	return rte_mbuf_dynfield_register_offset(&field, PKT_OFFSET) == PKT_OFFSET ? 0 : -rte_errno;
}
