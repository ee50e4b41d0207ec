/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A worker between two ports of rings, with tables of its own: the stages' tests put frames in, turn the
 * worker once, and look at what came out and what was counted. ESP and checksums are made here by OpenSSL and
 * by hand, not by the product's own code. To be included by a test file, which includes cmocka first.
 */
#ifndef BGF_TEST_LAB_H
#define BGF_TEST_LAB_H

#include <stdbool.h>
#include <stdint.h>

#include "bgf_drop.h"
#include "pkt.h"
#include "sa.h"
#include "store.h"
#include "worker.h"

enum { LAB_SLOT = 5, LAB_CAPACITY = 64, LAB_FRAME = 2000, LAB_BEHIND = 0x5a };
enum { LAB_UC = 5062, LAB_US = 5064, LAB_PC = 6060, LAB_PS = 6062, LAB_SIP = 5060 };
enum { LAB_SPI_UC = 0x2011, LAB_SPI_US = 0x2012, LAB_GENERATION = 77 };
enum { LAB_WORKERS_MAX = 4, LAB_BUFFERS = 511 };
enum { LAB_MTU = 1500, LAB_RATE = 5, LAB_BURST = 10 };

struct lab_frame {
	uint8_t octet[LAB_FRAME];
	uint16_t length;
};

/* A UDP or TCP packet (or, for any other proto, its payload alone); what is 0 or NULL gets the common value:
 * from the UE's port_uc to the served address's port_ps. */
struct lab_packet {
	bool ipv6;
	bool from_core; /* the other way, port_pc to port_us */
	const char *src, *dst;
	uint8_t proto, ttl;
	uint16_t port_src, port_dst;
	const char *data;
	uint16_t data_length; /* 0: strlen(data) */
	bool dont_fragment;
};

struct lab {
	struct worker *w;
	struct port port[PORT_SIDES];
	struct rte_ring *rx[PORT_SIDES], *tx[PORT_SIDES];
	struct rte_ring *to_kernel, *from_kernel[PORT_SIDES], *notices;
	int wake; /* the main lcore's eventfd */
	struct rte_mempool *pool;
	struct store *store;
	struct tuple_table *tuples;
	struct served_table *served;
	struct rte_rcu_qsbr *rcu;
};
extern struct lab lab;

extern const uint8_t lab_ik[20]; /* expanded: rule 11 */

/* Group set-up and tear-down; before each test: no sets, no counts, empty rings. */
int lab_start(void **state);
int lab_stop(void **state);
int lab_reset(void **state);

/* What lab.w was made of, for further workers over the same ports and tables. */
void lab_worker_args(struct worker_args *ret);

/* Puts a set into a slot, its SAs published, its tuples entered. */
struct sa_hot *lab_install(uint32_t slot, bool ipv6, uint8_t flags);
/* The same for another UE's address. Next hops are known for 10.45.2.0/24 and fd00:45:2::/64. */
struct sa_hot *lab_install_ue(uint32_t slot, const char *ue, uint8_t flags);
uint32_t lab_spi(uint32_t slot, unsigned which);

void lab_make(struct lab_frame *f, const struct lab_packet *p);
/* Makes a plain frame ESP. next_header -1: the packet's own; padding -1: what it needs. */
void lab_wrap(struct lab_frame *f, uint32_t spi, uint32_t seq);
void lab_wrap_as(struct lab_frame *f, uint32_t spi, uint32_t seq, int next_header, int padding);
/* Computes the ICV of an ESP frame again, after a change. */
void lab_sign(struct lab_frame *f);
/* Corrects the IPv4 header checksum after a change, and the UDP or TCP checksum. */
void lab_fix_ip(struct lab_frame *f);
void lab_fix_l4(struct lab_frame *f);
uint8_t *lab_ip(struct lab_frame *f);
uint8_t *lab_l4(struct lab_frame *f);

void lab_put(enum port_side side, const struct lab_frame *f);
void lab_turn(void);
/* Takes the next frame that left on a side, or the next packet for the main lcore (with its metadata). */
bool lab_take(enum port_side side, struct lab_frame *ret);
bool lab_take_exception(struct lab_frame *ret, struct pkt *ret_pkt);

uint64_t lab_drops(enum port_side side);
/* Puts, turns, and expects that nothing left and exactly this was counted. */
#define lab_expect_drop(side, f, reason) lab_check_drop(side, f, reason, __FILE__, __LINE__)
void lab_check_drop(enum port_side side, const struct lab_frame *f, enum bgf_drop reason, const char *file,
		    int line);
/* Puts, turns, and expects that it left on the other side. */
#define lab_expect_forward(side, f, ret) lab_check_forward(side, f, ret, __FILE__, __LINE__)
void lab_check_forward(enum port_side side, const struct lab_frame *f, struct lab_frame *ret,
		       const char *file, int line);

#endif
