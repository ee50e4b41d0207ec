/* SPDX-License-Identifier: BSD-3-Clause */
#include "reset.h"

#include <arpa/inet.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_tcp.h>

#include "bgf_sa.h"
#include "ip.h"

enum { TTL = 64, DATA_OFFSET = sizeof(struct rte_tcp_hdr) / 4 << 4 };

struct segment {
	uint32_t seq, ack; /* host order */
	uint8_t flags;
};

static size_t build_ipv4(const struct reset_pair *p, struct rte_tcp_hdr *tcp, uint8_t *out)
{
	struct rte_ipv4_hdr ip = {.version_ihl = RTE_IPV4_VHL_DEF,
				  .total_length = htons(sizeof(ip) + sizeof(*tcp)),
				  .fragment_offset = htons(RTE_IPV4_HDR_DF_FLAG), /* so the id may be 0 */
				  .time_to_live = TTL,
				  .next_proto_id = IPPROTO_TCP};

	memcpy(&ip.src_addr, p->ue, sizeof(ip.src_addr));
	memcpy(&ip.dst_addr, p->served, sizeof(ip.dst_addr));
	ip.hdr_checksum = rte_ipv4_cksum(&ip);
	tcp->cksum = rte_ipv4_udptcp_cksum(&ip, tcp);
	memcpy(out, &ip, sizeof(ip));
	memcpy(out + sizeof(ip), tcp, sizeof(*tcp));
	return sizeof(ip) + sizeof(*tcp);
}

static size_t build_ipv6(const struct reset_pair *p, struct rte_tcp_hdr *tcp, uint8_t *out)
{
	struct rte_ipv6_hdr ip = {.vtc_flow = htonl(6u << 28),
				  .payload_len = htons(sizeof(*tcp)),
				  .proto = IPPROTO_TCP,
				  .hop_limits = TTL};

	memcpy(ip.src_addr, p->ue, sizeof(ip.src_addr));
	memcpy(ip.dst_addr, p->served, sizeof(ip.dst_addr));
	tcp->cksum = rte_ipv6_udptcp_cksum(&ip, tcp);
	memcpy(out, &ip, sizeof(ip));
	memcpy(out + sizeof(ip), tcp, sizeof(*tcp));
	return sizeof(ip) + sizeof(*tcp);
}

/* From the UE's end to the P-CSCF's. */
static size_t build(const struct reset_pair *p, bool ipv6, const struct segment *s, uint8_t *out)
{
	struct rte_tcp_hdr tcp = {.src_port = p->port_ue,
				  .dst_port = p->port_served,
				  .sent_seq = htonl(s->seq),
				  .recv_ack = htonl(s->ack),
				  .data_off = DATA_OFFSET,
				  .tcp_flags = s->flags};

	return ipv6 ? build_ipv6(p, &tcp, out) : build_ipv4(p, &tcp, out);
}

/* Whether TCP would take it for a segment. */
static bool is_segment(const struct ip_packet *ip, const uint8_t *tcp)
{
	return ip->proto == IP_TCP && l4_sane(tcp, ip->payload, IP_TCP) && l4_checksum_good(ip, tcp);
}

size_t reset_build(const uint8_t *packet, bool ipv6, uint16_t payload, uint8_t ret_packet[static RESET_MAX],
		   struct reset_pair *ret_pair)
{
	const size_t address = ipv6 ? 16 : 4;
	const struct ip_packet ip = {.src = packet + (ipv6 ? 8 : 12),
				     .dst = ip_destination(packet, ipv6),
				     .payload = payload,
				     .proto = packet[ipv6 ? 6 : 9],
				     .ipv6 = ipv6};
	const struct rte_tcp_hdr *tcp = (const void *)(packet + (ipv6 ? IPV6_HEADER : IPV4_HEADER));
	struct segment s = {.flags = RTE_TCP_RST_FLAG};

	if (!is_segment(&ip, (const uint8_t *)tcp) || (tcp->tcp_flags & RTE_TCP_RST_FLAG))
		return 0;
	if (tcp->tcp_flags & RTE_TCP_ACK_FLAG) {
		s.seq = ntohl(tcp->recv_ack);
	} else {
		s.flags |= RTE_TCP_ACK_FLAG;
		s.ack = ntohl(tcp->sent_seq) + payload - (tcp->data_off >> 4) * 4u +
			!!(tcp->tcp_flags & RTE_TCP_SYN_FLAG) + !!(tcp->tcp_flags & RTE_TCP_FIN_FLAG);
	}
	*ret_pair = (struct reset_pair){.port_ue = tcp->dst_port, .port_served = tcp->src_port};
	memcpy(ret_pair->ue, ip.dst, address);
	memcpy(ret_pair->served, ip.src, address);
	return build(ret_pair, ipv6, &s, ret_packet);
}

size_t reset_probe(const struct bgf_set_selectors *set, unsigned which, uint32_t seq, uint32_t ack,
		   uint8_t ret_packet[static RESET_MAX], struct reset_pair *ret_pair)
{
	const struct segment s = {.seq = seq, .ack = ack, .flags = RTE_TCP_ACK_FLAG};

	*ret_pair = (struct reset_pair){.port_ue = htons(which == 0 ? set->port_uc : set->port_us),
					.port_served = htons(which == 0 ? set->port_ps : set->port_pc)};
	memcpy(ret_pair->ue, set->ue.octet, sizeof(ret_pair->ue));
	memcpy(ret_pair->served, set->served.octet, sizeof(ret_pair->served));
	return build(ret_pair, set->ue.family == 6, &s, ret_packet);
}
