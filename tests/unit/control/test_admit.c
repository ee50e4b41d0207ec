/* SPDX-License-Identifier: BSD-3-Clause */
#include "cmocka_all.h"

#include <errno.h>

#include "control/admit.h"
#include "sample.h"

struct fixture {
	struct sa_table table;
	struct peer peer, stranger;
	struct refusal r;
	struct admission a;
};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){.peer = {.name = "p"}, .stranger = {.name = "q"}};
	*state = &f;
	return sa_table_init(&f.table);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sample_free_all(&f->table);
	return 0;
}

/* The nth set of the sample's subscriber: nothing in common but the UE's address. */
static struct install nth(unsigned n)
{
	struct install in = sample_install();

	in.reference = 100 + n;
	in.selectors.port_uc = (uint16_t)(10000 + n);
	in.selectors.port_us = (uint16_t)(20000 + n);
	in.selectors.spi_uc = 3000 + 2 * n;
	in.selectors.spi_us = 3001 + 2 * n;
	return in;
}

static struct sa_set *enter(struct fixture *f, const struct install *in, uint64_t id, uint8_t state)
{
	return sample_enter(&f->table, &f->peer, in, id, state);
}

static void expect_refusal(struct fixture *f, const struct install *in, enum zb_cause cause,
			   enum zb_attribute attr)
{
	assert_int_equal(admit(&f->table, &f->peer, in, &f->a, &f->r), -EREMOTEIO);
	assert_int_equal(f->r.fault.cause, cause);
	assert_int_equal(f->r.fault.attribute, attr);
	assert_true(f->r.text[0] != '\0');
}

static void expect_admission(struct fixture *f, const struct install *in)
{
	assert_int_equal(admit(&f->table, &f->peer, in, &f->a, &f->r), 0);
}

static void rule_6_a_duplicate_pair_is_refused_and_named(void **state)
{
	struct fixture *f = *state;
	struct install old = nth(1), in = nth(2);

	enter(f, &old, 1, BGF_SET_ESTABLISHED);
	in.selectors.port_uc = old.selectors.port_uc;
	expect_refusal(f, &in, ZB_CAUSE_PORT_IN_USE, ZB_ATTR_PORT_UC);
	in = nth(2);
	in.selectors.port_us = old.selectors.port_us; /* rule 7: it stays across a re-authentication */
	expect_refusal(f, &in, ZB_CAUSE_PORT_IN_USE, ZB_ATTR_PORT_US);
	in.selectors.port_pc++; /* so the P-CSCF tries another port_pc */
	expect_admission(f, &in);
	assert_null(f->a.replaces);
}

static void rule_6_another_subscriber_or_peer_has_the_same_duplicates(void **state)
{
	struct fixture *f = *state;
	struct install old = nth(1), in = nth(2);

	sample_enter(&f->table, &f->stranger, &old, 1, BGF_SET_ESTABLISHED);
	in.subscriber[0] = 'b';
	in.selectors.port_uc = old.selectors.port_uc;
	expect_refusal(f, &in, ZB_CAUSE_PORT_IN_USE, ZB_ATTR_PORT_UC);
}

static void rule_6_replace_takes_the_ports_and_spis_of_one_set(void **state)
{
	struct fixture *f = *state;
	struct install old = nth(1), in = nth(1);
	struct sa_set *set = enter(f, &old, 1, BGF_SET_ESTABLISHED);

	in.reference++;
	in.flags = BGF_SET_REPLACE;
	expect_admission(f, &in);
	assert_ptr_equal(f->a.replaces, set);
}

static void rule_6_replace_does_not_take_two_sets_nor_one_that_is_being_replaced(void **state)
{
	struct fixture *f = *state;
	struct install first = nth(1), second = nth(2), in = nth(3);

	enter(f, &first, 1, BGF_SET_ESTABLISHED);
	struct sa_set *set = enter(f, &second, 2, BGF_SET_ESTABLISHED);
	in.flags = BGF_SET_REPLACE;
	in.selectors.port_uc = first.selectors.port_uc;
	in.selectors.port_us = second.selectors.port_us;
	expect_refusal(f, &in, ZB_CAUSE_PORT_IN_USE, ZB_ATTR_PORT_US);
	set->name.replaces = 77;
	in.selectors.port_uc = 9999;
	expect_refusal(f, &in, ZB_CAUSE_PORT_IN_USE, ZB_ATTR_PORT_US);
}

static void rule_6_three_sets_and_no_fourth(void **state)
{
	struct fixture *f = *state;
	struct install in;

	for (unsigned i = 1; i <= 3; i++) {
		in = nth(i);
		enter(f, &in, i, BGF_SET_ESTABLISHED);
	}
	in = nth(4);
	expect_refusal(f, &in, ZB_CAUSE_TOO_MANY_SETS, ZB_ATTR_SUBSCRIBER);
	struct install again = nth(2); /* the one in the place of another does not count */
	again.flags = BGF_SET_REPLACE;
	again.selectors.spi_uc = 9998;
	again.selectors.spi_us = 9999;
	expect_admission(f, &again);
	assert_int_equal(f->a.replaces->id, 2);
	strcpy(in.registration_id, "emergency"); /* is another 'subscriber' */
	expect_admission(f, &in);
}

static void rule_6_a_draining_set_gives_way_to_a_fourth(void **state)
{
	struct fixture *f = *state;
	struct sa_set *sets[4];
	struct install in;

	for (unsigned i = 1; i <= 3; i++) {
		in = nth(i);
		sets[i] = enter(f, &in, i, i == 1 ? BGF_SET_ESTABLISHED : BGF_SET_DRAINING);
		sets[i]->expires = 1000 - i;
	}
	in = nth(4);
	expect_admission(f, &in);
	assert_int_equal(f->a.go_count, 1);
	assert_ptr_equal(f->a.go[0], sets[3]);
}

/* Who gives way to a fourth set, of three in these states; the nth was installed nth and ends in this order
 * too, unless it is said otherwise. 0: nobody, it is refused. */
static void rule_6_who_gives_way_to_a_fourth(void **state)
{
	enum { E = BGF_SET_ESTABLISHED, S = BGF_SET_SUPERSEDED, D = BGF_SET_DRAINING };
	static const struct {
		uint8_t states[3], via, ends_first, gives_way;
	} table[] = {
		{{S, S, E}, 3, 0, 1}, /* two switch-overs, and a third re-authentication: the oldest */
		{{S, S, E}, 3, 2, 1}, /* whichever ends first */
		{{S, D, E}, 3, 0, 2}, /* one that was released before that */
		{{D, D, E}, 3, 2, 2}, /* and of these the one that ends first */
		{{S, S, E}, 1, 0, 2}, /* never the one that carries the 401 */
		{{D, D, E}, 1, 0, 2}, /* nor so */
		{{E, E, E}, 0, 0, 0}, /* never an established one that the UE may be on: in the clear */
		{{E, E, E}, 1, 0, 0}, /* or with the 401 on the oldest */
		{{E, E, E}, 3, 0, 1}, /* one that the UE has left, for the 401 travels on a newer one */
		{{E, E, E}, 2, 0, 1}, {{S, E, E}, 3, 0, 1},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct sa_set *sets[4];
		struct fixture *f;
		struct install in;
		f = *state;
		for (unsigned n = 1; n <= 3; n++) {
			in = nth(n);
			sets[n] = enter(f, &in, n, table[i].states[n - 1]);
			sets[n]->name.installed = n;
			sets[n]->expires = n == table[i].ends_first ? 1 : 1000 + n;
		}
		in = nth(4);
		in.via_set = table[i].via;
		if (table[i].gives_way == 0) {
			expect_refusal(f, &in, ZB_CAUSE_TOO_MANY_SETS, ZB_ATTR_SUBSCRIBER);
		} else {
			expect_admission(f, &in);
			assert_int_equal(f->a.go_count, 1);
			assert_ptr_equal(f->a.go[0], sets[table[i].gives_way]);
		}
		teardown(state);
		assert_int_equal(setup(state), 0);
	}
}

/* Four, since one of them was to replace another: both that are on their way out go, or neither does. */
static void rule_6_two_give_way_where_one_is_not_enough(void **state)
{
	struct fixture *f = *state;
	struct sa_set *sets[5];
	struct install in;

	for (unsigned i = 1; i <= 4; i++) {
		in = nth(i);
		sets[i] = enter(f, &in, i, i <= 2 ? BGF_SET_SUPERSEDED : BGF_SET_ESTABLISHED);
		sets[i]->name.installed = i;
	}
	in = nth(5);
	expect_admission(f, &in);
	assert_int_equal(f->a.go_count, 2);
	assert_ptr_equal(f->a.go[0], sets[1]);
	assert_ptr_equal(f->a.go[1], sets[2]);
	sets[1]->state = BGF_SET_ESTABLISHED;
	expect_refusal(f, &in, ZB_CAUSE_TOO_MANY_SETS, ZB_ATTR_SUBSCRIBER);
}

/* The temporary set that carries the 401 ends with it, so it is none of the three. */
static void rule_6_the_set_that_the_401_travels_on_does_not_count(void **state)
{
	struct fixture *f = *state;
	struct install in;

	for (unsigned i = 1; i <= 3; i++) {
		in = nth(i);
		enter(f, &in, i, i == 3 ? BGF_SET_TEMPORARY : BGF_SET_ESTABLISHED);
	}
	in = nth(4);
	in.via_set = 3;
	expect_admission(f, &in);
	assert_int_equal(f->a.go_count, 0);
	assert_int_equal(f->a.via->id, 3);
}

/* A phone that tried again on the same ports before it had an answer. */
static void rule_6_the_set_that_the_401_travels_on_may_be_the_replaced_one(void **state)
{
	struct fixture *f = *state;
	struct install old = nth(1), in = nth(1);
	struct sa_set *set = enter(f, &old, 1, BGF_SET_TEMPORARY);

	in.reference++;
	in.flags = BGF_SET_REPLACE;
	in.via_set = 1;
	expect_admission(f, &in);
	assert_ptr_equal(f->a.via, set);
	assert_ptr_equal(f->a.replaces, set);
	assert_int_equal(f->a.go_count, 0);
}

/* Sets of another class or registration are never in the way of this one's (rules 20, 21). */
static void rule_6_an_emergency_set_does_not_give_way(void **state)
{
	struct fixture *f = *state;
	struct install in;

	for (unsigned i = 1; i <= 3; i++) {
		in = nth(i);
		struct sa_set *set = enter(f, &in, i, BGF_SET_ESTABLISHED);
		set->name.installed = i;
		set->name.flags = i < 3 ? BGF_SET_EMERGENCY : 0;
	}
	in = nth(4);
	in.via_set = 3;
	expect_refusal(f, &in, ZB_CAUSE_TOO_MANY_SETS, ZB_ATTR_SUBSCRIBER);
}

/* A re-authentication, and every other UE: port_us and port_ps as they were; another port_uc and port_pc. */
static void rule_7_port_us_and_port_ps_stay_and_are_shared(void **state)
{
	struct fixture *f = *state;
	struct install old = nth(1), in = nth(1), other;

	enter(f, &old, 1, BGF_SET_ESTABLISHED);
	in.selectors.port_uc++;
	in.selectors.port_pc++;
	in.selectors.spi_uc += 10;
	in.selectors.spi_us += 10;
	expect_admission(f, &in);
	assert_null(f->a.replaces);
	other = old;
	strcpy(other.subscriber, "bob");
	other.selectors.ue = sample_addr("10.45.0.3");
	expect_admission(f, &other);
	in.selectors.port_uc = old.selectors.port_uc; /* which must change */
	expect_refusal(f, &in, ZB_CAUSE_PORT_IN_USE, ZB_ATTR_PORT_UC);
}

static void rule_15_other_temporary_sets_go_first_and_their_ports_are_free(void **state)
{
	struct fixture *f = *state;
	struct install in = nth(1), kept = nth(2);
	struct sa_set *set = enter(f, &in, 1, BGF_SET_TEMPORARY);

	enter(f, &kept, 2, BGF_SET_ESTABLISHED);
	in.reference++;
	expect_admission(f, &in);
	assert_int_equal(f->a.go_count, 1);
	assert_ptr_equal(f->a.go[0], set);
	assert_null(f->a.replaces);
}

static void rule_15_a_strangers_registration_harms_nobody(void **state)
{
	struct fixture *f = *state;
	struct install victim = nth(1), in = nth(2);

	enter(f, &victim, 1, BGF_SET_TEMPORARY);
	strcpy(in.registration_id, "emergency");
	expect_admission(f, &in);
	assert_int_equal(f->a.go_count, 0);
	in = nth(2);
	assert_int_equal(admit(&f->table, &f->stranger, &in, &f->a, &f->r), 0);
	assert_int_equal(f->a.go_count, 0);
}

static void rule_15_the_set_that_the_401_travels_on_drains(void **state)
{
	struct fixture *f = *state;
	struct install old = nth(1), in = nth(2);
	struct sa_set *set = enter(f, &old, 1, BGF_SET_TEMPORARY);

	in.via_set = 1;
	expect_admission(f, &in);
	assert_int_equal(f->a.go_count, 0);
	assert_ptr_equal(f->a.via, set);
	in.via_set = 9;
	expect_refusal(f, &in, ZB_CAUSE_UNKNOWN_SET, ZB_ATTR_VIA_SET);
	in.via_set = 1; /* another peer's */
	assert_int_equal(admit(&f->table, &f->stranger, &in, &f->a, &f->r), -EREMOTEIO);
	assert_int_equal(f->r.fault.cause, ZB_CAUSE_UNKNOWN_SET);
}

static void rule_4_a_ue_address_has_no_spi_twice(void **state)
{
	struct fixture *f = *state;
	struct install old = nth(1), in = nth(2);

	enter(f, &old, 1, BGF_SET_ESTABLISHED);
	in.selectors.spi_uc = old.selectors.spi_us;
	expect_refusal(f, &in, ZB_CAUSE_SPI_IN_USE, ZB_ATTR_SPI_UC);
	in = nth(2);
	in.selectors.spi_us = old.selectors.spi_us;
	expect_refusal(f, &in, ZB_CAUSE_SPI_IN_USE, ZB_ATTR_SPI_US);
	in.selectors.ue = sample_addr("10.45.0.3"); /* another UE chooses for itself */
	expect_admission(f, &in);
}

static void what_the_data_plane_is_adding_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct install old = nth(1), in = nth(2);
	struct sa_set *set = enter(f, &old, 0, BGF_SET_TEMPORARY);

	expect_admission(f, &in);
	assert_ptr_equal(f->a.wait, set);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(rule_6_a_duplicate_pair_is_refused_and_named),
		T(rule_6_another_subscriber_or_peer_has_the_same_duplicates),
		T(rule_6_replace_takes_the_ports_and_spis_of_one_set),
		T(rule_6_replace_does_not_take_two_sets_nor_one_that_is_being_replaced),
		T(rule_6_three_sets_and_no_fourth),
		T(rule_6_a_draining_set_gives_way_to_a_fourth),
		T(rule_6_who_gives_way_to_a_fourth),
		T(rule_6_two_give_way_where_one_is_not_enough),
		T(rule_6_the_set_that_the_401_travels_on_does_not_count),
		T(rule_6_the_set_that_the_401_travels_on_may_be_the_replaced_one),
		T(rule_6_an_emergency_set_does_not_give_way),
		T(rule_7_port_us_and_port_ps_stay_and_are_shared),
		T(rule_15_other_temporary_sets_go_first_and_their_ports_are_free),
		T(rule_15_a_strangers_registration_harms_nobody),
		T(rule_15_the_set_that_the_401_travels_on_drains),
		T(rule_4_a_ue_address_has_no_spi_twice),
		T(what_the_data_plane_is_adding_is_waited_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
