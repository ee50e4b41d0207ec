/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet.h"

#include <arpa/inet.h>
#include <string.h>

enum {
	IPV4 = 20,
	IPV6 = 40,
	UDP = 8,
	TCP = 20,
	ESP = 8,
	TRAILER = 2,
	PORTS = 4,
	DONT_FRAGMENT = 0x4000,
	TCP_FLAGS = 0x5018,	 /* 20 octets of header; PSH, ACK */
	IPV6_BEGIN = 0x60000000, /* version; no class, no flow */
	MAGIC = 0x62676670,
};

/* The begin of each payload; host order, since who wrote it reads it. */
struct mark {
	uint32_t magic, trial, phone, sequence;
	uint64_t time;
	uint16_t length;
	uint8_t way, which; /* `bad` is in the upper half of `way` */
	uint32_t again;	    /* ~phone */
};
static_assert(sizeof(struct mark) == 32, "the mark's place in the payload");

static uint8_t pattern[PACKET_IP_MAX];
static uint16_t pattern_sum[PACKET_IP_MAX + 1]; /* of the first n octets: RFC 1071, native order */

const char *packet_fault_text(enum packet_fault fault)
{
#define PACKET_FAULT_TEXT(name, text) text,
	static const char *const texts[] = {PACKET_FAULT_LIST(PACKET_FAULT_TEXT)};
	return texts[fault];
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* RFC 1071's sum of an even number of octets, in native order, not inverted. */
static uint64_t sum_words(const void *data, uint32_t octets)
{
	const uint8_t *p = data;
	uint64_t sum = 0;
	uint32_t word;
	uint16_t half;

	for (; octets >= sizeof(word); octets -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	if (octets > 0) {
		memcpy(&half, p, sizeof(half));
		sum += half;
	}
	return sum;
}

void packet_init(void)
{
	uint32_t draw = 0x9e3779b9;
	uint64_t sum = 0;

	for (int i = 0; i < PACKET_IP_MAX; i++) {
		draw = draw * 1664525 + 1013904223;
		pattern[i] = (uint8_t)(draw >> 24);
		const uint8_t pair[2] = {i % 2 == 0 ? pattern[i] : 0, i % 2 != 0 ? pattern[i] : 0};
		sum += sum_words(pair, sizeof(pair));
		pattern_sum[i + 1] = fold(sum);
	}
}

static uint32_t l4_header(uint8_t proto)
{
	return proto == PACKET_TCP ? TCP : UDP;
}

uint16_t packet_least(bool ipv6, uint8_t proto)
{
	return (uint16_t)((ipv6 ? IPV6 : IPV4) + l4_header(proto) + sizeof(struct mark));
}

uint16_t packet_greatest(bool ipv6, uint16_t mtu)
{
	const uint32_t header = ipv6 ? IPV6 : IPV4;
	return (uint16_t)(header + (mtu - header - ESP - HMAC_ICV) / 4 * 4 - TRAILER);
}

static uint16_t load16(const uint8_t *p)
{
	uint16_t value;
	memcpy(&value, p, sizeof(value));
	return ntohs(value);
}

static void store16(uint8_t *p, uint16_t value)
{
	value = htons(value);
	memcpy(p, &value, sizeof(value));
}

static void store32(uint8_t *p, uint32_t value)
{
	value = htonl(value);
	memcpy(p, &value, sizeof(value));
}

static uint32_t load32(const uint8_t *p)
{
	uint32_t value;
	memcpy(&value, p, sizeof(value));
	return ntohl(value);
}

/* Both addresses, source first. Returns their octets. */
static uint32_t write_addresses(const struct fleet_plan *plan, const struct packet *p, bool ipv6, uint8_t *to)
{
	const uint32_t length = ipv6 ? 16 : 4;

	fleet_address(plan, p->phone, to + (p->way == WAY_UP ? 0 : length));
	memcpy(to + (p->way == WAY_UP ? length : 0), fleet_served(plan, ipv6), length);
	return 2 * length;
}

static uint32_t write_ip(const struct fleet_plan *plan, const struct packet *p, uint8_t proto,
			 uint32_t payload, uint8_t *ip)
{
	if (fleet_is_ipv6(plan, p->phone)) {
		store32(ip, IPV6_BEGIN);
		store16(ip + 4, (uint16_t)payload);
		ip[6] = proto;
		ip[7] = PACKET_TTL;
		write_addresses(plan, p, true, ip + 8);
		return IPV6;
	}
	store16(ip, 0x4500);
	store16(ip + 2, (uint16_t)(IPV4 + payload));
	store32(ip + 4, DONT_FRAGMENT);
	store16(ip + 8, (uint16_t)(PACKET_TTL << 8 | proto));
	memset(ip + 10, 0, 2);
	write_addresses(plan, p, false, ip + 12);
	const uint16_t sum = (uint16_t)~fold(sum_words(ip, IPV4));
	memcpy(ip + 10, &sum, sizeof(sum));
	return IPV4;
}

static void write_ports(const struct fleet_plan *plan, const struct packet *p, uint8_t *l4)
{
	store16(l4 + (p->way == WAY_UP ? 0 : 2), fleet_ue_port(p->phone, p->which));
	store16(l4 + (p->way == WAY_UP ? 2 : 0), fleet_local_port(plan, p->which));
}

/* UDP or TCP's checksum over a payload that ends with the pattern; `addresses` are the IP header's. */
static uint16_t l4_sum(const uint8_t *addresses, bool ipv6, const uint8_t *l4, uint32_t length, uint8_t proto)
{
	const uint32_t head = l4_header(proto) + sizeof(struct mark);

	return fold(sum_words(addresses, ipv6 ? 32 : 8) + htons((uint16_t)length) + htons(proto) +
		    sum_words(l4, head) + pattern_sum[length - head]);
}

/* Header, mark and pattern: `length` octets at l4; the addresses are in the header before it. */
static void write_l4(const struct fleet_plan *plan, const struct packet *p, const uint8_t *addresses,
		     uint8_t *l4, uint32_t length)
{
	const uint32_t header = l4_header(p->proto);
	const struct mark mark = {MAGIC,
				  p->trial,
				  p->phone,
				  p->sequence,
				  p->time,
				  p->length,
				  (uint8_t)(p->way | p->bad << 4),
				  p->which,
				  ~p->phone};
	const uint32_t sum_at = p->proto == PACKET_TCP ? 16 : 6;

	memset(l4 + PORTS, 0, header - PORTS);
	write_ports(plan, p, l4);
	if (p->proto == PACKET_TCP) {
		store32(l4 + 4, p->sequence);
		store16(l4 + 12, TCP_FLAGS);
		store16(l4 + 14, 0xffff);
	} else {
		store16(l4 + 4, (uint16_t)length);
	}
	memcpy(l4 + header, &mark, sizeof(mark));
	memcpy(l4 + header + sizeof(mark), pattern, length - header - sizeof(mark));
	uint16_t sum = (uint16_t)~l4_sum(addresses, fleet_is_ipv6(plan, p->phone), l4, length, p->proto);
	if (sum == 0 && p->proto == PACKET_UDP)
		sum = 0xffff; /* RFC 768: 0 would say that there is none */
	memcpy(l4 + sum_at, &sum, sizeof(sum));
}

static const uint8_t *addresses_of(const uint8_t *ip, bool ipv6)
{
	return ip + (ipv6 ? 8 : 12);
}

uint16_t packet_plain(const struct fleet_plan *plan, const struct packet *p, uint8_t *ret_ip)
{
	const bool ipv6 = fleet_is_ipv6(plan, p->phone);
	const uint32_t l4 = p->length - (ipv6 ? IPV6 : IPV4);
	const uint32_t header = write_ip(plan, p, p->proto, l4, ret_ip);

	write_l4(plan, p, addresses_of(ret_ip, ipv6), ret_ip + header, l4);
	return p->length;
}

uint16_t packet_esp(const struct fleet_plan *plan, const struct packet *p, uint32_t spi, uint32_t sequence,
		    uint8_t *ret_ip, uint16_t *ret_esp)
{
	const bool ipv6 = fleet_is_ipv6(plan, p->phone);
	const uint32_t l4 = p->length - (ipv6 ? IPV6 : IPV4);
	const uint32_t padding = -(l4 + TRAILER) % 4, length = ESP + l4 + padding + TRAILER + HMAC_ICV;
	const uint32_t header = write_ip(plan, p, PACKET_ESP, length, ret_ip);
	uint8_t *esp = ret_ip + header, *end = esp + ESP + l4;

	store32(esp, spi);
	store32(esp + 4, sequence);
	write_l4(plan, p, addresses_of(ret_ip, ipv6), esp + ESP, l4);
	for (uint32_t i = 0; i < padding; i++)
		end[i] = (uint8_t)(i + 1);
	end[padding] = (uint8_t)padding;
	end[padding + 1] = p->proto;
	*ret_esp = (uint16_t)header;
	return (uint16_t)(header + length);
}

/* One that came back, while it is read. */
struct look {
	const uint8_t *addresses, *l4;
	uint32_t length; /* behind the IP header */
	uint8_t proto;
	bool ipv6;
};

/* The IP header: as packet_plain and packet_esp write it, one hop further. */
static enum packet_fault read_ip(const uint8_t *ip, uint32_t available, struct look *ret)
{
	if (available < IPV4)
		return PACKET_FOREIGN;
	ret->ipv6 = ip[0] >> 4 == 6;
	const uint32_t header = ret->ipv6 ? IPV6 : IPV4;
	if (available < header || (!ret->ipv6 && ip[0] != 0x45))
		return PACKET_FOREIGN;
	const uint32_t total = ret->ipv6 ? load16(ip + 4) + (uint32_t)IPV6 : load16(ip + 2);
	ret->addresses = addresses_of(ip, ret->ipv6);
	ret->l4 = ip + header;
	ret->proto = ip[ret->ipv6 ? 6 : 9];
	if (ret->proto != PACKET_UDP && ret->proto != PACKET_TCP && ret->proto != PACKET_ESP)
		return PACKET_FOREIGN;
	if (total < header || total > available || ip[ret->ipv6 ? 7 : 8] != PACKET_TTL - 1)
		return PACKET_IP;
	ret->length = total - header;
	return (ret->ipv6 ? load32(ip) == IPV6_BEGIN : fold(sum_words(ip, IPV4)) == 0xffff) ? PACKET_NONE
											    : PACKET_IP;
}

bool packet_is_esp(const uint8_t *ip, uint32_t available)
{
	if (available < IPV4)
		return false;
	return ip[0] >> 4 == 6 ? available >= IPV6 && ip[6] == PACKET_ESP : ip[9] == PACKET_ESP;
}

static enum packet_fault read_mark(const struct fleet_plan *plan, const struct look *l, enum way way,
				   struct packet *ret)
{
	const uint32_t header = l4_header(l->proto);
	struct mark mark;

	if (l->length < header + sizeof(mark))
		return PACKET_FOREIGN;
	memcpy(&mark, l->l4 + header, sizeof(mark));
	if (mark.magic != MAGIC || mark.again != ~mark.phone || mark.phone >= plan->count || mark.which > 1)
		return PACKET_FOREIGN;
	*ret = (struct packet){.phone = mark.phone,
			       .sequence = mark.sequence,
			       .trial = mark.trial,
			       .time = mark.time,
			       .length = mark.length,
			       .proto = l->proto,
			       .which = mark.which,
			       .way = mark.way & 15,
			       .bad = mark.way >> 4};
	if (ret->way != way || mark.length != l->length + (l->ipv6 ? IPV6 : IPV4))
		return PACKET_CONTENT;
	return PACKET_NONE;
}

static bool addresses_right(const struct fleet_plan *plan, const struct packet *p, const struct look *l)
{
	uint8_t wanted[32];
	const uint32_t length = write_addresses(plan, p, fleet_is_ipv6(plan, p->phone), wanted);
	return fleet_is_ipv6(plan, p->phone) == l->ipv6 && memcmp(wanted, l->addresses, length) == 0;
}

/* UDP or TCP with its payload; the addresses are checked where there are any. */
static enum packet_fault read_l4(const struct fleet_plan *plan, const struct look *l, enum way way,
				 struct packet *ret)
{
	const uint32_t head = l4_header(l->proto) + sizeof(struct mark);
	uint8_t ports[PORTS];
	const enum packet_fault fault = read_mark(plan, l, way, ret);

	if (fault != PACKET_NONE)
		return fault;
	write_ports(plan, ret, ports);
	if (memcmp(ports, l->l4, PORTS) != 0)
		return PACKET_PORTS;
	if (memcmp(l->l4 + head, pattern, l->length - head) != 0)
		return PACKET_CONTENT;
	if (l->proto == PACKET_UDP && load16(l->l4 + 4) != l->length)
		return PACKET_L4;
	if (!addresses_right(plan, ret, l))
		return PACKET_ADDRESS;
	return l4_sum(l->addresses, l->ipv6, l->l4, l->length, l->proto) == 0xffff ? PACKET_NONE : PACKET_L4;
}

enum packet_fault packet_read_plain(const struct fleet_plan *plan, const uint8_t *ip, uint32_t available,
				    enum way way, struct packet *ret)
{
	struct look l;
	const enum packet_fault fault = read_ip(ip, available, &l);

	if (fault != PACKET_NONE)
		return fault;
	return l.proto == PACKET_ESP ? PACKET_CLEAR : read_l4(plan, &l, way, ret);
}

enum packet_fault packet_read_esp(const struct fleet_plan *plan, const uint8_t *ip, uint32_t available,
				  struct packet_sealed *ret)
{
	struct look l;
	const enum packet_fault fault = read_ip(ip, available, &l);

	if (fault != PACKET_NONE)
		return fault;
	if (l.proto != PACKET_ESP)
		return PACKET_CLEAR;
	if (l.length < ESP + TRAILER + HMAC_ICV || l.length % 4 != 0)
		return PACKET_ESP_FAULT;
	const int64_t phone = fleet_by_spi(plan, load32(l.l4), &ret->which);
	if (phone < 0)
		return PACKET_FOREIGN;
	ret->phone = (uint32_t)phone;
	ret->sequence = load32(l.l4 + 4);
	ret->esp = l.l4;
	ret->length = (uint16_t)l.length;
	return PACKET_NONE;
}

enum packet_fault packet_unseal(const struct fleet_plan *plan, const struct packet_sealed *sealed,
				struct packet *ret)
{
	const bool ipv6 = fleet_is_ipv6(plan, sealed->phone);
	const uint8_t *end = sealed->esp + sealed->length - HMAC_ICV - TRAILER;
	const uint32_t room = (uint32_t)sealed->length - ESP - HMAC_ICV - TRAILER, padding = end[0];
	struct look l = {
		.addresses = sealed->esp - (ipv6 ? 32 : 8),
		.l4 = sealed->esp + ESP,
		.proto = end[1],
		.ipv6 = ipv6,
	};

	if (padding > room || padding > 3 || (l.proto != PACKET_UDP && l.proto != PACKET_TCP))
		return PACKET_ESP_FAULT;
	for (uint32_t i = 0; i < padding; i++)
		if (end[(int)i - (int)padding] != i + 1)
			return PACKET_ESP_FAULT;
	l.length = room - padding;
	const enum packet_fault fault = read_l4(plan, &l, WAY_DOWN, ret);
	if (fault != PACKET_NONE)
		return fault;
	return ret->phone == sealed->phone && ret->which == sealed->which ? PACKET_NONE : PACKET_CONTENT;
}
