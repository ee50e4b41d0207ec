/* SPDX-License-Identifier: BSD-3-Clause */
#include "pkt.h"

#include <errno.h>
#include <rte_errno.h>

int pkt_offset = -1;

int pkt_register(void)
{
	static const struct rte_mbuf_dynfield field = {
		.name = "bgf_pkt",
		.size = sizeof(struct pkt),
		.align = alignof(struct pkt),
	};
	const int offset = rte_mbuf_dynfield_register(&field);

	if (offset < 0)
		return -rte_errno;
	pkt_offset = offset;
	return 0;
}
