/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Two workers between ports with one queue each: the first takes what UEs send, the second what the core
 * sends, each hands over what the other owns, and both send by the same queues. First turn by turn, then with
 * two threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>
#include <time.h>

#include "bgf_spi.h"
#include "crypto.h"
#include "handoff.h"
#include "lab.h"
#include "owner.h"
#include "sets.h"

enum { WORKERS = 2, RING = 128, UES = 24, ROUNDS = 300, PATIENCE_S = 60 };

static struct worker *worker[WORKERS];
static struct rte_ring *peers[WORKERS];
static rte_spinlock_t lock[PORT_SIDES];
static int stopping;
static unsigned strangers; /* crypto jobs at a worker that does not own their set */

uint64_t __real_crypto_burst(struct crypto *c, const struct crypto_job *jobs, uint16_t n);
uint64_t __wrap_crypto_burst(struct crypto *c, const struct crypto_job *jobs, uint16_t n);

/* Each set's packets come here by its owner alone. */
uint64_t __wrap_crypto_burst(struct crypto *c, const struct crypto_job *jobs, uint16_t n)
{
	const uint8_t id = c == worker[0]->crypto ? 0 : 1;

	for (uint16_t i = 0; i < n; i++)
		if (jobs[i].key->owner != id)
			__atomic_add_fetch(&strangers, 1, __ATOMIC_RELAXED);
	return __real_crypto_burst(c, jobs, n);
}

/* ---- UEs ---- */

static const char *ue_address(unsigned ue, char text[BGF_ADDR_STRLEN])
{
	snprintf(text, BGF_ADDR_STRLEN, ue % 2 ? "fd00:45:2::%x" : "10.45.2.%u", ue + 2);
	return text;
}

static uint8_t owner_of_ue(unsigned ue)
{
	char text[BGF_ADDR_STRLEN];
	struct bgf_addr a, served;

	assert_int_equal(bgf_addr_parse(ue_address(ue, text), &a), 0);
	assert_int_equal(bgf_addr_parse(ue % 2 ? "fd00:50::1" : "10.50.0.1", &served), 0);
	return owner_of(&a, &served, WORKERS);
}

static struct sa_hot *install(unsigned ue)
{
	char text[BGF_ADDR_STRLEN];
	struct sa_hot *h = lab_install_ue(ue, ue_address(ue, text), 0);

	h->shared.owner = owner_of_ue(ue);
	return h;
}

/* One of the UEs that a worker owns. */
static unsigned ue_of(uint8_t owner)
{
	for (unsigned ue = 0; ue < UES; ue++)
		if (owner_of_ue(ue) == owner)
			return ue;
	fail_msg("none of %u UEs is worker %u's", UES, owner);
	return 0;
}

/* The nth packet of a UE, or to it; it says which it is. */
static void make(struct lab_frame *f, enum port_side side, unsigned ue, uint32_t n)
{
	char text[BGF_ADDR_STRLEN], data[32];
	struct lab_packet p = {.ipv6 = ue % 2, .from_core = side == PORT_CORE, .data = data};

	snprintf(data, sizeof(data), "ue %u number %u", ue, n);
	ue_address(ue, text);
	if (side == PORT_ACCESS)
		p.src = text;
	else
		p.dst = text;
	lab_make(f, &p);
	if (side == PORT_ACCESS)
		lab_wrap(f, lab_spi(ue, 0), n);
}

/* Reads what `make` wrote; of ESP the sequence number too (0 for none). */
static void read_back(struct lab_frame *f, enum port_side left_on, unsigned *ue, uint32_t *n, uint32_t *seq)
{
	const uint8_t *l4 = lab_l4(f);
	char text[32] = "";
	uint32_t word = 0;

	if (left_on == PORT_ACCESS) {
		memcpy(&word, l4 + 4, sizeof(word));
		l4 += 8;
	}
	*seq = ntohl(word);
	memcpy(text, l4 + 8, sizeof(text) - 1);
	if (sscanf(text, "ue %u number %u", ue, n) != 2 || *ue >= UES)
		fail_msg("left as something else: %s", text);
}

/* ---- workers ---- */

static void make_workers(void)
{
	for (uint16_t id = 0; id < WORKERS; id++) {
		struct worker_args args;
		lab_worker_args(&args);
		args.id = id;
		args.count = WORKERS;
		args.idle_sleep_us = 50;
		args.stop = &stopping;
		args.handover = peers[id];
		args.peers = peers;
		args.tx_lock[PORT_ACCESS] = &lock[PORT_ACCESS];
		args.tx_lock[PORT_CORE] = &lock[PORT_CORE];
		args.from_kernel[PORT_ACCESS] = id == 0 ? lab.from_kernel[PORT_ACCESS] : NULL;
		args.from_kernel[PORT_CORE] = id == 1 ? lab.from_kernel[PORT_CORE] : NULL;
		assert_int_equal(worker_new(&args, &worker[id]), 0);
	}
}

static int setup(void **state)
{
	if (lab_reset(state) != 0)
		return -1;
	strangers = 0;
	stopping = 0;
	make_workers();
	return 0;
}

static int teardown(void **state)
{
	void *m;
	(void)state;

	assert_int_equal(strangers, 0);
	for (int id = 0; id < WORKERS; id++) {
		while (rte_ring_dequeue(peers[id], &m) == 0)
			rte_pktmbuf_free(m);
		worker_free(worker[id]);
	}
	return 0;
}

static uint64_t sum_of_drops(enum port_side side)
{
	uint64_t sum = 0;

	for (int id = 0; id < WORKERS; id++)
		for (int i = 0; i < BGF_DROP_COUNT; i++)
			sum += worker[id]->counters[side].drops[i];
	return sum;
}

/* ---- turn by turn ---- */

/* From its port a frame goes to its owner as it came in, is dealt with there alone, and leaves from there by
 * the queue that both share. */
static void each_packet_is_dealt_with_by_its_owner(void **state)
{
	struct lab_frame f, got;
	unsigned ue;
	uint32_t n, seq;
	(void)state;

	for (int side = 0; side < PORT_SIDES; side++) {
		const enum port_side out = side == PORT_ACCESS ? PORT_CORE : PORT_ACCESS;
		const uint8_t taker = side == PORT_ACCESS ? 0 : 1;
		for (uint8_t owner = 0; owner < WORKERS; owner++) {
			const unsigned sender = ue_of(owner);
			install(sender);
			make(&f, (enum port_side)side, sender, 1);
			lab_put((enum port_side)side, &f);
			worker_turn(worker[taker]);
			assert_int_equal(rte_ring_count(peers[owner]), owner == taker ? 0 : 1);
			worker_turn(worker[owner]);
			assert_true(lab_take(out, &got));
			read_back(&got, out, &ue, &n, &seq);
			assert_int_equal(ue, sender);
			assert_int_equal(worker[taker]->counters[side].rx_packets, owner + 1);
			assert_int_equal(worker[1 - taker]->counters[side].rx_packets, 0);
			assert_int_equal(worker[owner]->counters[out].tx_packets, 1);
			assert_int_equal(worker[owner]->counters[side].forwarded_esp, 1);
			lab_reset(NULL);
		}
		assert_int_equal(sum_of_drops((enum port_side)side), 0);
	}
}

/* A UE that uses another's SPI comes to the worker of its own address; only the set's owner may touch the
 * set, and so it counts the drop. */
static void a_set_is_touched_by_its_owner_alone(void **state)
{
	struct lab_frame f;
	const unsigned victim = ue_of(0), thief = ue_of(1);
	char text[BGF_ADDR_STRLEN];
	(void)state;

	install(victim);
	lab_make(&f, &(struct lab_packet){.ipv6 = thief % 2, .src = ue_address(thief, text)});
	lab_wrap(&f, lab_spi(victim, 0), 1);
	lab_put(PORT_ACCESS, &f);
	worker_turn(worker[0]);
	worker_turn(worker[1]);
	assert_int_equal(sum_of_drops(PORT_ACCESS), 0);
	worker_turn(worker[0]);
	assert_int_equal(worker[0]->counters[PORT_ACCESS].drops[BGF_DROP_SA_ADDRESS], 1);
	assert_int_equal(store_cold(lab.store, victim)->drops[BGF_DROP_SA_ADDRESS], 1);
}

/* A device that says it brings packets to their owners, and does not. */
static void what_the_device_brings_elsewhere_is_handed_over(void **state)
{
	const unsigned ue = ue_of(0);
	const struct sa_hot *h = install(ue);
	struct lab_frame f;
	(void)state;

	worker[1]->steers[PORT_CORE] = false;
	make(&f, PORT_CORE, ue, 1);
	lab_put(PORT_CORE, &f);
	worker_turn(worker[1]);
	assert_int_equal(h->out[1].last, 0);
	worker_turn(worker[0]);
	assert_true(lab_take(PORT_ACCESS, &f) && h->out[1].last == 1);
}

/* What has no two addresses is anybody's, also what is cut short. */
static void what_has_no_owner_stays(void **state)
{
	struct lab_frame f = {.length = 60}, got;
	struct pkt p;
	(void)state;

	memset(f.octet, 0xff, 6);
	memcpy(f.octet + 12, "\x08\x06", 2);
	lab_put(PORT_ACCESS, &f);
	worker_turn(worker[0]);
	assert_true(lab_take_exception(&got, &p));
	for (uint16_t length = 1; length < 60; length++) {
		lab_make(&f, &(struct lab_packet){.ipv6 = length % 2});
		f.length = length;
		lab_put(PORT_ACCESS, &f);
	}
	worker_turn(worker[0]);
	worker_turn(worker[1]);
	assert_int_equal(sum_of_drops(PORT_ACCESS), 59);
}

/* A UE that sends more than its worker can take costs the UEs of that worker, but no other's: the ring is
 * full, and the drops have a name. */
static void an_elephant_costs_no_other_workers_sets_anything(void **state)
{
	const unsigned elephant = ue_of(1), mouse = ue_of(0);
	struct lab_frame f, got;
	uint32_t sent = 0, mice = 0;
	(void)state;

	install(elephant);
	install(mouse);
	for (uint32_t turn = 1; turn <= 8; turn++) {
		for (int i = 0; i < 40; i++) {
			make(&f, PORT_ACCESS, elephant, ++sent);
			lab_put(PORT_ACCESS, &f);
		}
		make(&f, PORT_ACCESS, mouse, turn);
		lab_put(PORT_ACCESS, &f);
		worker_turn(worker[0]); /* the elephant's worker has no time */
	}
	assert_int_equal(rte_ring_count(peers[1]), RING - 1);
	assert_int_equal(worker[0]->counters[PORT_ACCESS].drops[BGF_DROP_HANDOVER_FULL], sent - (RING - 1));
	for (int i = 0; i < 8; i++)
		worker_turn(worker[1]);
	while (lab_take(PORT_CORE, &got)) {
		unsigned ue;
		uint32_t n, seq;
		read_back(&got, PORT_CORE, &ue, &n, &seq);
		mice += ue == mouse;
	}
	assert_int_equal(mice, 8);
	assert_int_equal(sum_of_drops(PORT_ACCESS), sent - (RING - 1));
}

/* While another worker sends by the queue, or lost its processor in the middle of it, nobody waits: packets
 * are kept, go first and in their order when it is free, and are dropped by name when there are too many. */
static void a_queue_that_another_worker_has_is_not_waited_for(void **state)
{
	const unsigned ue = ue_of(0);
	struct rte_mbuf *frame = rte_pktmbuf_alloc(lab.pool);
	struct lab_frame f;
	uint32_t number = 0, n, seq;
	unsigned whose;
	(void)state;

	install(ue);
	rte_spinlock_lock(&lock[PORT_CORE]);
	for (; number < 100; number++) {
		make(&f, PORT_ACCESS, ue, number + 1);
		lab_put(PORT_ACCESS, &f);
		worker_turn(worker[0]);
	}
	assert_false(lab_take(PORT_CORE, &f));
	assert_int_equal(worker[0]->counters[PORT_ACCESS].forwarded_esp, 0); /* not yet */
	assert_int_equal(worker[0]->tx_wait[PORT_CORE]->n, number);
	worker[0]->tx_wait[PORT_CORE]->n = TX_WAIT; /* as if there were as many: */
	make(&f, PORT_ACCESS, ue, number + 1);
	lab_put(PORT_ACCESS, &f);
	worker_turn(worker[0]);
	assert_int_equal(worker[0]->counters[PORT_ACCESS].drops[BGF_DROP_TX_FULL], 1);
	worker[0]->tx_wait[PORT_CORE]->n = (uint16_t)number;
	/* the kernel's frames stay where they are */
	rte_pktmbuf_append(frame, 60);
	assert_int_equal(rte_ring_enqueue(lab.from_kernel[PORT_CORE], frame), 0);
	worker_turn(worker[1]);
	assert_int_equal(rte_ring_count(lab.from_kernel[PORT_CORE]), 1);
	rte_spinlock_unlock(&lock[PORT_CORE]);

	worker_turn(worker[1]);
	assert_true(lab_take(PORT_CORE, &f) && f.length == 60);
	worker_turn(worker[0]);
	for (uint32_t next = 1; next <= number; next++) {
		assert_true(lab_take(PORT_CORE, &f));
		read_back(&f, PORT_CORE, &whose, &n, &seq);
		assert_int_equal(n, next);
	}
	assert_int_equal(worker[0]->counters[PORT_ACCESS].forwarded_esp, number);
	assert_int_equal(worker[0]->counters[PORT_CORE].tx_packets, number);
	assert_int_equal(worker[1]->counters[PORT_ACCESS].forwarded_clear, 0);
}

/* ---- two threads ---- */

static void *run(void *w)
{
	if (rte_thread_register() != 0)
		return NULL;
	worker_run(w);
	rte_thread_unregister();
	return w;
}

static void threads_start(pthread_t thread[WORKERS])
{
	for (int id = 0; id < WORKERS; id++)
		assert_int_equal(pthread_create(&thread[id], NULL, run, worker[id]), 0);
}

static void threads_stop(const pthread_t thread[WORKERS])
{
	stopping = 1;
	for (int id = 0; id < WORKERS; id++) {
		void *ran = NULL;
		assert_int_equal(pthread_join(thread[id], &ran), 0);
		assert_ptr_equal(ran, worker[id]);
	}
}

/* Takes the next frame that leaves on a side, and waits for it. */
static void await_frame(enum port_side side, struct lab_frame *ret)
{
	const uint64_t end = rte_get_timer_cycles() + PATIENCE_S * rte_get_timer_hz();

	while (!lab_take(side, ret))
		if (rte_get_timer_cycles() > end)
			fail_msg("nothing left on side %d", side);
}

/* Both directions at once, all UEs mixed: of each UE everything comes out once and in order, and no sequence
 * number twice. */
static void two_threads_keep_each_ues_order(void **state)
{
	uint32_t last[PORT_SIDES][UES] = {{0}}, sequence[UES] = {0};
	pthread_t thread[WORKERS];
	struct lab_frame f;
	(void)state;

	for (unsigned ue = 0; ue < UES; ue++)
		install(ue);
	threads_start(thread);
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		for (int side = 0; side < PORT_SIDES; side++)
			for (unsigned ue = 0; ue < UES; ue++) {
				make(&f, (enum port_side)side, ue, round);
				lab_put((enum port_side)side, &f);
			}
		for (unsigned i = 0; i < PORT_SIDES * UES; i++) {
			const enum port_side out = i < UES ? PORT_CORE : PORT_ACCESS;
			unsigned ue;
			uint32_t n, seq;
			await_frame(out, &f);
			read_back(&f, out, &ue, &n, &seq);
			assert_int_equal(n, last[out][ue] + 1);
			last[out][ue] = n;
			if (out == PORT_ACCESS)
				assert_int_equal(seq, ++sequence[ue]);
		}
	}
	threads_stop(thread);
	for (int side = 0; side < PORT_SIDES; side++) {
		const struct counters *a = &worker[0]->counters[side], *b = &worker[1]->counters[side];
		assert_int_equal(sum_of_drops((enum port_side)side), 0);
		assert_int_equal(a->rx_packets + b->rx_packets, ROUNDS * UES);
		assert_int_equal(a->forwarded_esp + b->forwarded_esp, ROUNDS * UES);
	}
}

/* What waits for a queue leaves as soon as that is free: a worker that has some does not sleep meanwhile. */
static void nobody_sleeps_over_what_waits_for_a_queue(void **state)
{
	const unsigned ue = ue_of(0);
	const uint16_t *waits = &worker[0]->tx_wait[PORT_CORE]->n;
	const struct timespec many_turns = {.tv_nsec = 20 * 1000000};
	struct lab_frame f;
	pthread_t thread;
	void *ran = NULL;
	(void)state;

	install(ue);
	make(&f, PORT_ACCESS, ue, 1);
	lab_put(PORT_ACCESS, &f);
	worker[0]->idle_sleep_us = 5000000; /* longer than a machine stands still */
	rte_spinlock_lock(&lock[PORT_CORE]);
	assert_int_equal(pthread_create(&thread, NULL, run, worker[0]), 0);
	while (__atomic_load_n(waits, __ATOMIC_RELAXED) == 0)
		;
	nanosleep(&many_turns, NULL);
	rte_spinlock_unlock(&lock[PORT_CORE]);
	const uint64_t free_since = rte_get_timer_cycles();
	await_frame(PORT_CORE, &f);
	assert_in_range(rte_get_timer_cycles() - free_since, 0, rte_get_timer_hz() * 4);
	stopping = 1;
	assert_int_equal(pthread_join(thread, &ran), 0);
}

/* ---- sets that come and go under running workers ---- */

static unsigned answers;

static void answered(void *context, const struct sets_ticket *ticket, const struct dpl_set_state *set)
{
	(void)ticket;
	*(struct dpl_set_state *)context = *set;
	answers++;
}

/* A change is answered when both workers, asleep or not, have passed a quiescent point. */
static void await_answer(struct sets *sets)
{
	const unsigned before = answers;
	const uint64_t end = rte_get_timer_cycles() + PATIENCE_S * rte_get_timer_hz();

	while (sets_poll(sets) > 0)
		if (rte_get_timer_cycles() > end)
			fail_msg("a change waits for a worker for ever");
	assert_int_equal(answers, before + 1);
}

static struct dpl_set_add order_of(unsigned ue)
{
	struct dpl_set_add add = {.header = {.type = DPL_SET_ADD, .length = sizeof(add), .txn = ue + 1},
				  .selectors = {.port_uc = LAB_UC,
						.port_us = LAB_US,
						.port_pc = LAB_PC,
						.port_ps = LAB_PS,
						.spi_uc = LAB_SPI_UC,
						.spi_us = LAB_SPI_US},
				  .name = {.alg = BGF_ALG_HMAC_SHA_1_96, .peer = "p", .subscriber = "s"},
				  .state = BGF_SET_ESTABLISHED,
				  .key_length = sizeof(lab_ik)};
	char text[BGF_ADDR_STRLEN];

	assert_int_equal(bgf_addr_parse(ue_address(ue, text), &add.selectors.ue), 0);
	assert_int_equal(bgf_addr_parse(ue % 2 ? "fd00:50::1" : "10.50.0.1", &add.selectors.served), 0);
	memcpy(add.auth_key, lab_ik, sizeof(lab_ik));
	return add;
}

/* Of a set that is there a packet passes, in both directions; of one that was answered as gone none. */
static void look_at_set(unsigned ue, const struct dpl_set_state *set, uint32_t n, bool there)
{
	char text[BGF_ADDR_STRLEN];
	struct lab_frame f, got;

	lab_make(&f, &(struct lab_packet){.ipv6 = ue % 2, .src = ue_address(ue, text)});
	lab_wrap(&f, set->selectors.spi_ps, n);
	lab_put(PORT_ACCESS, &f);
	lab_make(&f, &(struct lab_packet){.ipv6 = ue % 2, .from_core = true, .dst = text});
	lab_put(PORT_CORE, &f);
	if (there) {
		await_frame(PORT_CORE, &got);
		await_frame(PORT_ACCESS, &got);
		return;
	}
	const struct timespec pause = {.tv_nsec = 1000000};
	const uint64_t end = rte_get_timer_cycles() + PATIENCE_S * rte_get_timer_hz();
	while (rte_mempool_avail_count(lab.pool) != LAB_BUFFERS && rte_get_timer_cycles() < end)
		nanosleep(&pause, NULL);
	assert_false(lab_take(PORT_CORE, &got) || lab_take(PORT_ACCESS, &got));
}

static void sets_come_and_go_under_running_workers(void **state)
{
	struct dpl_set_state set, clash;
	struct sets *sets;
	const struct sets_args args = {.store = lab.store,
				       .tuples = lab.tuples,
				       .served = lab.served,
				       .rcu = lab.rcu,
				       .workers = WORKERS,
				       .done = answered,
				       .context = &set};
	pthread_t thread[WORKERS];
	(void)state;

	assert_int_equal(sets_new(&args, &sets), 0);
	threads_start(thread);
	for (unsigned i = 0; i < 60; i++) {
		const unsigned ue = i % UES;
		const struct sets_ticket ticket = {.client = 1, .type = DPL_SET_ADD, .txn = i};
		const struct dpl_set_add add = order_of(ue);
		assert_int_equal(sets_add(sets, &add, &ticket, &clash), 0);
		await_answer(sets);
		assert_int_equal(set.owner, owner_of_ue(ue));
		for (uint32_t n = 1; n <= 3; n++)
			look_at_set(ue, &set, n, true);
		const struct sets_ticket gone = {.client = 1, .type = DPL_SET_REMOVE, .txn = i};
		assert_int_equal(sets_remove(sets, set.set_id, &gone), 0);
		await_answer(sets);
		assert_int_equal(set.sa[DPL_SA_PS].packets, 3);
		look_at_set(ue, &set, 4, false);
		const struct sa_hot none = {.shared = {.owner = 0}};
		assert_memory_equal(&store_hot(lab.store)[bgf_spi_slot(set.selectors.spi_ps)], &none,
				    sizeof(none));
	}
	threads_stop(thread);
	uint64_t unknown = 0, no_set = 0;
	for (int id = 0; id < WORKERS; id++) {
		unknown += worker[id]->counters[PORT_ACCESS].drops[BGF_DROP_UNKNOWN_SPI];
		no_set += worker[id]->counters[PORT_CORE].drops[BGF_DROP_NO_SET];
	}
	assert_int_equal(unknown, 60);
	assert_int_equal(no_set, 60);
	sets_free(sets);
}

static int start(void **state)
{
	if (lab_start(state) != 0)
		return -1;
	for (int id = 0; id < WORKERS; id++) {
		char name[16];
		snprintf(name, sizeof(name), "peer%d", id);
		peers[id] = rte_ring_create(name, RING, 0, RING_F_MP_RTS_ENQ | RING_F_SC_DEQ);
	}
	return peers[0] == NULL || peers[1] == NULL;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(each_packet_is_dealt_with_by_its_owner),
		TEST(a_set_is_touched_by_its_owner_alone),
		TEST(what_the_device_brings_elsewhere_is_handed_over),
		TEST(what_has_no_owner_stays),
		TEST(an_elephant_costs_no_other_workers_sets_anything),
		TEST(a_queue_that_another_worker_has_is_not_waited_for),
		TEST(two_threads_keep_each_ues_order),
		TEST(nobody_sleeps_over_what_waits_for_a_queue),
		TEST(sets_come_and_go_under_running_workers),
	};
	return cmocka_run_group_tests(tests, start, lab_stop);
}
