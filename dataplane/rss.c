/* SPDX-License-Identifier: BSD-3-Clause */
#include "rss.h"

#include <rte_ethdev.h>

#include "owner.h"
#include "queues.h"

/* Over addresses, ports or not. */
static const uint64_t any_ip = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6;
static const uint64_t without_ports = RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER |
				      RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_OTHER |
				      RTE_ETH_RSS_IPV6_EX;
static const uint64_t with_ports = RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV4_TCP |
				   RTE_ETH_RSS_NONFRAG_IPV6_UDP | RTE_ETH_RSS_NONFRAG_IPV6_TCP;

uint64_t rss_types(uint64_t offered, bool *ret_by_address)
{
	*ret_by_address = (offered & any_ip) == any_ip;
	if (*ret_by_address)
		return offered & (any_ip | without_ports);
	return offered & (any_ip | without_ports | with_ports);
}

uint16_t rss_queue(enum port_side side, uint16_t entry, uint16_t queues, uint16_t workers)
{
	return queue_for(side, queues, entry % OWNER_BUCKETS % workers, workers);
}
