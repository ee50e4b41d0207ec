/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include "bgf_spi.h"
#include "crypto.h"
#include "lab.h"
#include "nexthop.h"
#include "policer.h"
#include "served.h"
#include "tuple.h"

struct lab lab;

const uint8_t lab_ik[20] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99,
			    0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0,    0,    0,	  0};

static const uint8_t ue_mac[6] = {0x02, 0, 0, 0, 0x45, 2}, core_mac[6] = {0x02, 0, 0, 0, 0x60, 2};
static struct served_table served;
static struct tuple_table *tuples;
static struct rte_rcu_qsbr *rcu;
static struct nexthop_table *hops[PORT_SIDES];
static int stop;

static struct bgf_addr addr(const char *text)
{
	struct bgf_addr a;
	assert_int_equal(bgf_addr_parse(text, &a), 0);
	return a;
}

static struct rte_ring *ring(const char *name)
{
	struct rte_ring *r = rte_ring_create(name, 256, 0, 0);
	assert_non_null(r);
	return r;
}

static void make_port(enum port_side side, const char *name)
{
	struct port *p = &lab.port[side];
	char ring_name[32];

	snprintf(ring_name, sizeof(ring_name), "rx_%s", name);
	lab.rx[side] = ring(ring_name);
	snprintf(ring_name, sizeof(ring_name), "tx_%s", name);
	lab.tx[side] = ring(ring_name);
	const int id = rte_eth_from_rings(name, &lab.rx[side], 1, &lab.tx[side], 1, 0);
	assert_true(id >= 0);
	*p = (struct port){.side = side,
			   .dpdk_id = (uint16_t)id,
			   .rx_queues = 1,
			   .tx_queues = 1,
			   .mtu = LAB_MTU,
			   .up = true};
	memcpy(p->mac, (uint8_t[6]){0x02, 0, 0, 0, 0, (uint8_t)(0xf0 + side)}, 6);
	const struct rte_eth_conf conf = {0};
	assert_int_equal(rte_eth_dev_configure(p->dpdk_id, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup(p->dpdk_id, 0, 64, 0, NULL, lab.pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup(p->dpdk_id, 0, 64, 0, NULL), 0);
	assert_int_equal(rte_eth_dev_start(p->dpdk_id), 0);
}

static void route(struct nexthop_table *t, const char *prefix, uint8_t length, const char *gateway)
{
	const struct bgf_addr p = addr(prefix),
			      g = gateway != NULL ? addr(gateway) : (struct bgf_addr){.family = 0};
	assert_int_equal(nexthop_route_add(t, &p, length, &g), 0);
}

static void local(struct nexthop_table *t, const char *address)
{
	const struct bgf_addr a = addr(address);
	assert_int_equal(nexthop_local_add(t, &a), 0);
}

static void neighbour(struct nexthop_table *t, const char *address, const uint8_t mac[6])
{
	const struct bgf_addr a = addr(address);
	assert_int_equal(nexthop_neighbour_set(t, &a, mac), 0);
}

static struct nexthop_table *make_access_hops(void)
{
	struct nexthop_table *t = nexthop_table_new("access", 0, rcu);
	assert_non_null(t);
	local(t, "10.45.0.254");
	local(t, "fd00:45::fe");
	route(t, "10.45.0.0", 24, NULL);
	route(t, "fd00:45::", 64, NULL);
	route(t, "fd00:45:1::", 64, NULL);
	route(t, "10.45.2.0", 24, "10.45.0.2");
	route(t, "fd00:45:2::", 64, "fd00:45::2");
	neighbour(t, "10.45.0.2", ue_mac);
	neighbour(t, "fd00:45::2", ue_mac);
	return t;
}

static struct nexthop_table *make_core_hops(void)
{
	struct nexthop_table *t = nexthop_table_new("core", 0, rcu);
	assert_non_null(t);
	local(t, "10.60.0.254");
	local(t, "fd00:60::fe");
	route(t, "10.60.0.0", 24, NULL);
	route(t, "fd00:60::", 64, NULL);
	neighbour(t, "10.60.0.2", core_mac);
	neighbour(t, "fd00:60::2", core_mac);
	route(t, "10.50.0.1", 32, "10.60.0.2");
	route(t, "fd00:50::1", 128, "fd00:60::2");
	route(t, "10.50.0.9", 32, "10.60.0.2");
	route(t, "fd00:50::9", 128, "fd00:60::2");
	return t;
}

static void serve(const char *address, bool digest_clients)
{
	const struct served_address s = {
		.address = addr(address), .unprotected = {htons(LAB_SIP)}, .digest_clients = digest_clients};
	assert_int_equal(served_add(&served, &s), 0);
}

void lab_worker_args(struct worker_args *ret)
{
	*ret = (struct worker_args){
		.count = 1,
		.clear_rate = LAB_RATE,
		.clear_burst = LAB_BURST,
		.port = {&lab.port[PORT_ACCESS], &lab.port[PORT_CORE]},
		.store = lab.store,
		.tuples = tuples,
		.served = &served,
		.nexthops = {hops[PORT_ACCESS], hops[PORT_CORE]},
		.rcu = rcu,
		.to_kernel = lab.to_kernel,
		.to_kernel_wake = lab.wake,
		.from_kernel = {lab.from_kernel[PORT_ACCESS], lab.from_kernel[PORT_CORE]},
		.notices = lab.notices,
		.stop = &stop,
	};
}

static void make_worker(void)
{
	struct worker_args args;

	lab_worker_args(&args);
	assert_int_equal(worker_new(&args, &lab.w), 0);
}

static void make_store(void)
{
	char error[256] = "", store_path[64];

	snprintf(store_path, sizeof(store_path), "/dev/shm/bgf-lab-%d", (int)getpid());
	if (store_open(store_path, LAB_CAPACITY, &lab.store, error, sizeof(error)) < 0)
		fail_msg("%s", error);
	unlink(store_path); /* it stays mapped, and is gone however this program ends */
}

int lab_start(void **state)
{
	static char *argv[] = {"lab",	      "--no-huge",	"--no-pci",	 "-m", "128",
			       "--no-shconf", "--no-telemetry", "--log-level=4", "-l", "0"};
	(void)state;

	if (rte_eal_init(10, argv) < 0 || pkt_register() < 0)
		return -1;
	lab.pool = rte_pktmbuf_pool_create("pool", LAB_BUFFERS, 0, sizeof(struct rte_mbuf),
					   RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	rcu = rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(LAB_WORKERS_MAX), RTE_CACHE_LINE_SIZE);
	if (lab.pool == NULL || rcu == NULL || rte_rcu_qsbr_init(rcu, LAB_WORKERS_MAX) != 0)
		return -1;
	lab.to_kernel = ring("to_kernel");
	lab.from_kernel[PORT_ACCESS] = ring("from_kernel0");
	lab.from_kernel[PORT_CORE] = ring("from_kernel1");
	lab.notices = rte_ring_create("notices", 2, 0, 0);
	lab.wake = eventfd(0, EFD_NONBLOCK);
	make_port(PORT_ACCESS, "access");
	make_port(PORT_CORE, "core");
	make_store();
	serve("10.50.0.1", false);
	serve("fd00:50::1", false);
	serve("10.50.0.9", true);
	serve("fd00:50::9", true);
	tuples = tuple_table_new(store_hot(lab.store), LAB_CAPACITY, 0);
	assert_non_null(tuples);
	lab.tuples = tuples;
	lab.served = &served;
	lab.rcu = rcu;
	hops[PORT_ACCESS] = make_access_hops();
	hops[PORT_CORE] = make_core_hops();
	make_worker();
	return 0;
}

int lab_stop(void **state)
{
	(void)state;
	worker_free(lab.w);
	nexthop_table_free(hops[PORT_ACCESS]);
	nexthop_table_free(hops[PORT_CORE]);
	tuple_table_free(tuples);
	store_close(lab.store);
	close(lab.wake);
	return 0;
}

static void drain(struct rte_ring *r)
{
	void *m;
	while (rte_ring_dequeue(r, &m) == 0)
		rte_pktmbuf_free(m);
}

static struct tuple_key tuple_of(const struct sa_hot *h, int which)
{
	struct tuple_key k = {.served = h->shared.served,
			      .port_local = h->out[which].port_local,
			      .port_ue = h->out[which].port_ue,
			      .ipv6 = (h->shared.flags & SA_IPV6) != 0};
	memcpy(k.ue, h->shared.ue, sizeof(k.ue));
	return k;
}

int lab_reset(void **state)
{
	void *slot;
	(void)state;

	for (uint32_t s = 0; s < LAB_CAPACITY; s++) {
		struct sa_hot *h = &store_hot(lab.store)[s];
		for (int which = 0; which < 2 && h->out[0].spi != 0; which++) {
			const struct tuple_key k = tuple_of(h, which);
			tuple_remove(tuples, &k, tuple_ref(s, (uint32_t)which));
		}
		memset(h, 0, sizeof(*h));
		memset(store_cold(lab.store, s)->drops, 0, sizeof(store_cold(lab.store, s)->drops));
	}
	for (int side = 0; side < PORT_SIDES; side++) {
		drain(lab.rx[side]);
		drain(lab.tx[side]);
		lab.port[side].verify_l4 = false;
		lab.port[side].mtu = LAB_MTU;
	}
	drain(lab.to_kernel);
	while (rte_ring_dequeue(lab.notices, &slot) == 0)
		;
	memset(lab.w->counters, 0, sizeof(lab.w->counters));
	policer_free(lab.w->policer);
	/* every buffer came back */
	assert_int_equal(rte_mempool_avail_count(lab.pool), LAB_BUFFERS);
	return policer_new(LAB_RATE, LAB_BURST, lab.w->tsc_hz, 1, 0, &lab.w->policer);
}

uint32_t lab_spi(uint32_t slot, unsigned which)
{
	return bgf_spi_make(LAB_GENERATION, slot, (enum bgf_spi_which)which);
}

struct sa_hot *lab_install_ue(uint32_t slot, const char *address, uint8_t flags)
{
	struct sa_hot *h = &store_hot(lab.store)[slot];
	const struct bgf_addr ue = addr(address);
	const bool ipv6 = ue.family == 6;
	const struct bgf_addr to = addr(ipv6 ? "fd00:50::1" : "10.50.0.1");

	*h = (struct sa_hot){.shared = {.flags = flags | (ipv6 ? SA_IPV6 : 0)}};
	memcpy(h->shared.ue, ue.octet, sizeof(h->shared.ue));
	h->shared.served = served_find(&served, to.octet, ipv6);
	assert_int_equal(crypto_precompute(lab_ik, sizeof(lab_ik), h->shared.inner, h->shared.outer), 0);
	for (int which = 0; which < 2; which++) {
		h->in[which] = (struct sa_in){.spi = lab_spi(slot, (unsigned)which),
					      .port_ue = htons(which == 0 ? LAB_UC : LAB_US),
					      .port_local = htons(which == 0 ? LAB_PS : LAB_PC)};
		h->out[which] = (struct sa_out){.spi = htonl(which == 0 ? LAB_SPI_UC : LAB_SPI_US),
						.port_ue = htons(which == 0 ? LAB_UC : LAB_US),
						.port_local = htons(which == 0 ? LAB_PS : LAB_PC)};
		const struct tuple_key k = tuple_of(h, which);
		assert_int_equal(tuple_add(tuples, &k, tuple_ref(slot, (uint32_t)which)), 0);
	}
	return h;
}

struct sa_hot *lab_install(uint32_t slot, bool ipv6, uint8_t flags)
{
	return lab_install_ue(slot, ipv6 ? "fd00:45::2" : "10.45.0.2", flags);
}

uint8_t *lab_ip(struct lab_frame *f)
{
	return f->octet + 14;
}

static bool is_ipv6(struct lab_frame *f)
{
	return lab_ip(f)[0] >> 4 == 6;
}

uint8_t *lab_l4(struct lab_frame *f)
{
	return lab_ip(f) + (is_ipv6(f) ? 40 : (lab_ip(f)[0] & 15) * 4);
}

static uint16_t checksum(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += (uint32_t)p[i] << (i % 2 == 0 ? 8 : 0);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put16(uint8_t *p, size_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

void lab_fix_ip(struct lab_frame *f)
{
	uint8_t *ip = lab_ip(f);

	if (is_ipv6(f))
		return;
	put16(ip + 10, 0);
	put16(ip + 10, checksum(ip, (ip[0] & 15) * 4u, 0));
}

void lab_fix_l4(struct lab_frame *f)
{
	uint8_t *ip = lab_ip(f), *l4 = lab_l4(f);
	const uint8_t proto = is_ipv6(f) ? ip[6] : ip[9];
	const size_t length = f->length - (size_t)(l4 - f->octet), at = proto == 17 ? 6 : 16;
	uint32_t sum = (uint16_t)~checksum(is_ipv6(f) ? ip + 8 : ip + 12, is_ipv6(f) ? 32 : 8, 0);

	put16(l4 + at, 0);
	put16(l4 + at, checksum(l4, length, sum + proto + (uint32_t)length));
}

static void set_lengths(struct lab_frame *f)
{
	const size_t payload = f->length - (size_t)(lab_l4(f) - f->octet);
	if (is_ipv6(f))
		put16(lab_ip(f) + 4, payload);
	else
		put16(lab_ip(f) + 2, f->length - 14u);
}

static void make_l4(struct lab_frame *f, const struct lab_packet *p, uint8_t proto)
{
	const uint16_t from = p->from_core ? LAB_PC : LAB_UC, to = p->from_core ? LAB_US : LAB_PS;
	const char *data = p->data != NULL ? p->data : "\r\n\r\n";
	const uint16_t length = p->data_length != 0 ? p->data_length : (uint16_t)strlen(data);
	const uint16_t header = proto == 17 ? 8 : proto == 6 ? 20 : 0;
	uint8_t *l4 = lab_l4(f);

	memset(l4, 0, header);
	if (header > 0) {
		put16(l4, p->port_src != 0 ? p->port_src : from);
		put16(l4 + 2, p->port_dst != 0 ? p->port_dst : to);
	}
	if (proto == 17)
		put16(l4 + 4, 8u + length);
	if (proto == 6) {
		l4[12] = 5 << 4;
		l4[13] = 0x18;
	}
	memcpy(l4 + header, data, length);
	f->length = (uint16_t)(l4 + header + length - f->octet);
}

void lab_make(struct lab_frame *f, const struct lab_packet *p)
{
	const char *ue = p->ipv6 ? "fd00:45::2" : "10.45.0.2", *pcscf = p->ipv6 ? "fd00:50::1" : "10.50.0.1";
	const struct bgf_addr src = addr(p->src != NULL ? p->src : p->from_core ? pcscf : ue);
	const struct bgf_addr dst = addr(p->dst != NULL ? p->dst : p->from_core ? ue : pcscf);
	const uint8_t proto = p->proto != 0 ? p->proto : 17, ttl = p->ttl != 0 ? p->ttl : 64;
	uint8_t *ip = lab_ip(f);

	memset(f, 0, sizeof(*f));
	memcpy(f->octet, lab.port[p->from_core ? PORT_CORE : PORT_ACCESS].mac, 6);
	memcpy(f->octet + 6, p->from_core ? core_mac : ue_mac, 6);
	put16(f->octet + 12, p->ipv6 ? 0x86dd : 0x0800);
	ip[0] = p->ipv6 ? 0x60 : 0x45;
	ip[p->ipv6 ? 6 : 9] = proto;
	ip[p->ipv6 ? 7 : 8] = ttl;
	memcpy(ip + (p->ipv6 ? 8 : 12), src.octet, bgf_addr_len(&src));
	memcpy(ip + (p->ipv6 ? 24 : 16), dst.octet, bgf_addr_len(&dst));
	if (!p->ipv6)
		put16(ip + 6, p->dont_fragment ? 0x4000 : 0);
	make_l4(f, p, proto);
	set_lengths(f);
	lab_fix_ip(f);
	if (proto == 17 || proto == 6)
		lab_fix_l4(f);
}

void lab_sign(struct lab_frame *f)
{
	uint8_t *esp = lab_l4(f), *icv = f->octet + f->length - 12, full[EVP_MAX_MD_SIZE];
	unsigned n;

	assert_non_null(HMAC(EVP_sha1(), lab_ik, sizeof(lab_ik), esp, (size_t)(icv - esp), full, &n));
	memcpy(icv, full, 12);
}

void lab_wrap_as(struct lab_frame *f, uint32_t spi, uint32_t seq, int next_header, int padding)
{
	uint8_t *ip = lab_ip(f), *esp = lab_l4(f);
	uint8_t *proto = ip + (is_ipv6(f) ? 6 : 9);
	const size_t payload = f->length - (size_t)(esp - f->octet);
	const uint32_t header[2] = {htonl(spi), htonl(seq)};
	const int pad = padding >= 0 ? padding : (int)(-(payload + 2) % 4);

	memmove(esp + 8, esp, payload);
	memcpy(esp, header, sizeof(header));
	uint8_t *end = esp + 8 + payload;
	for (int i = 0; i < pad; i++)
		*end++ = (uint8_t)(i + 1);
	*end++ = (uint8_t)pad;
	*end++ = next_header >= 0 ? (uint8_t)next_header : *proto;
	f->length = (uint16_t)(end + 12 - f->octet);
	lab_sign(f);
	*proto = 50;
	set_lengths(f);
	lab_fix_ip(f);
}

void lab_wrap(struct lab_frame *f, uint32_t spi, uint32_t seq)
{
	lab_wrap_as(f, spi, seq, -1, -1);
}

void lab_put(enum port_side side, const struct lab_frame *f)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(lab.pool);
	assert_non_null(m);
	/* what lies behind the frame in a buffer is not 0, nor what is known of its last packet */
	memset(rte_pktmbuf_mtod(m, void *), LAB_BEHIND, rte_pktmbuf_tailroom(m));
	memset(pkt(m), LAB_BEHIND, sizeof(struct pkt));
	memcpy(rte_pktmbuf_append(m, f->length), f->octet, f->length);
	assert_int_equal(rte_ring_enqueue(lab.rx[side], m), 0);
}

void lab_turn(void)
{
	worker_turn(lab.w);
}

static void take_frame(struct rte_mbuf *m, struct lab_frame *ret)
{
	assert_int_equal(m->nb_segs, 1);
	assert_int_equal(m->pkt_len, m->data_len);
	memset(ret, 0, sizeof(*ret));
	ret->length = m->data_len;
	memcpy(ret->octet, rte_pktmbuf_mtod(m, void *), m->data_len);
	rte_pktmbuf_free(m);
}

bool lab_take(enum port_side side, struct lab_frame *ret)
{
	void *m;
	if (rte_ring_dequeue(lab.tx[side], &m) != 0)
		return false;
	take_frame(m, ret);
	return true;
}

bool lab_take_exception(struct lab_frame *ret, struct pkt *ret_pkt)
{
	void *m;
	if (rte_ring_dequeue(lab.to_kernel, &m) != 0)
		return false;
	*ret_pkt = *pkt(m);
	take_frame(m, ret);
	return true;
}

uint64_t lab_drops(enum port_side side)
{
	uint64_t sum = 0;
	for (int i = 0; i < BGF_DROP_COUNT; i++)
		sum += lab.w->counters[side].drops[i];
	return sum;
}

void lab_check_drop(enum port_side side, const struct lab_frame *f, enum bgf_drop reason, const char *file,
		    int line)
{
	const uint64_t before = lab_drops(side), same = lab.w->counters[side].drops[reason];

	lab_put(side, f);
	lab_turn();
	if (rte_ring_count(lab.tx[PORT_ACCESS]) + rte_ring_count(lab.tx[PORT_CORE]) > 0)
		_fail(file, line);
	if (lab.w->counters[side].drops[reason] != same + 1 || lab_drops(side) != before + 1) {
		for (unsigned i = 0; i < BGF_DROP_COUNT; i++)
			if (lab.w->counters[side].drops[i] > 0)
				print_error("counted: %s %lu\n", bgf_drop_name(i),
					    lab.w->counters[side].drops[i]);
		print_error("expected: %s\n", bgf_drop_name(reason));
		_fail(file, line);
	}
}

void lab_check_forward(enum port_side side, const struct lab_frame *f, struct lab_frame *ret,
		       const char *file, int line)
{
	lab_put(side, f);
	lab_turn();
	if (!lab_take(side == PORT_ACCESS ? PORT_CORE : PORT_ACCESS, ret)) {
		for (unsigned i = 0; i < BGF_DROP_COUNT; i++)
			if (lab.w->counters[side].drops[i] > 0)
				print_error("counted: %s %lu\n", bgf_drop_name(i),
					    lab.w->counters[side].drops[i]);
		print_error("exceptions: %lu\n", lab.w->counters[side].exceptions);
		_fail(file, line);
	}
}
