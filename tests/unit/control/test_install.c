/* SPDX-License-Identifier: BSD-3-Clause */
#include "cmocka_all.h"

#include <errno.h>

#include "sample.h"

/* Each breaks one field of the right one. */
#define BREAK(name, statement)                       \
	static void break_##name(struct install *in) \
	{                                            \
		statement;                           \
	}
BREAK(alg_md5, in->alg = BGF_ALG_HMAC_MD5_96)
BREAK(alg_null, in->alg = BGF_ALG_NONE)
BREAK(alg_unheard, in->alg = 200)
BREAK(ealg, in->ealg = BGF_EALG_AES_CBC)
BREAK(mod, in->mod = BGF_MOD_UDP_ENC_TUN)
BREAK(served, in->selectors.served = sample_addr("10.50.0.2"))
BREAK(family, in->selectors.ue = sample_addr("fd00:45::2"))
BREAK(ue_served, in->selectors.ue = sample_addr("10.50.0.1"))
BREAK(ue_multicast, in->selectors.ue = sample_addr("224.0.0.1"))
BREAK(ue_zero, in->selectors.ue = sample_addr("0.0.0.0"))
BREAK(ue_loopback, in->selectors.ue = sample_addr("127.0.0.1"))
BREAK(uc_zero, in->selectors.port_uc = 0)
BREAK(us_zero, in->selectors.port_us = 0)
BREAK(pc_zero, in->selectors.port_pc = 0)
BREAK(ps_zero, in->selectors.port_ps = 0)
BREAK(pc_unprotected, in->selectors.port_pc = 5060)
BREAK(ps_unprotected, in->selectors.port_ps = 5070)
BREAK(uc_unprotected, in->selectors.port_uc = 5060)
BREAK(us_unprotected, in->selectors.port_us = 5060)
BREAK(ue_ports_equal, in->selectors.port_us = in->selectors.port_uc)
BREAK(p_ports_equal, in->selectors.port_pc = in->selectors.port_ps)
BREAK(spi_uc_reserved, in->selectors.spi_uc = 255)
BREAK(spi_us_reserved, in->selectors.spi_us = 0)
BREAK(spis_equal, in->selectors.spi_us = in->selectors.spi_uc)

static const struct {
	const char *rule;
	void (*apply)(struct install *in);
	enum zb_cause cause;
	enum zb_attribute attribute;
	const char *says;
} bad[] = {
	{"11", break_alg_md5, ZB_CAUSE_BAD_ALGORITHM, ZB_ATTR_ALG, "allowed: hmac-sha-1-96"},
	{"13", break_alg_null, ZB_CAUSE_BAD_ALGORITHM, ZB_ATTR_ALG, "allowed: hmac-sha-1-96"},
	{"11", break_alg_unheard, ZB_CAUSE_BAD_ALGORITHM, ZB_ATTR_ALG, "200"},
	{"12", break_ealg, ZB_CAUSE_BAD_ALGORITHM, ZB_ATTR_EALG, "aes-cbc"},
	{"13", break_mod, ZB_CAUSE_BAD_ALGORITHM, ZB_ATTR_MOD, "allowed: trans"},
	{"1", break_served, ZB_CAUSE_NOT_SERVED, ZB_ATTR_SERVED_ADDRESS, "10.50.0.2"},
	{"1", break_family, ZB_CAUSE_BAD_ADDRESS, ZB_ATTR_UE_ADDRESS, "families"},
	{"4", break_ue_served, ZB_CAUSE_BAD_ADDRESS, ZB_ATTR_UE_ADDRESS, "served"},
	{"1", break_ue_multicast, ZB_CAUSE_BAD_ADDRESS, ZB_ATTR_UE_ADDRESS, "224.0.0.1"},
	{"1", break_ue_zero, ZB_CAUSE_BAD_ADDRESS, ZB_ATTR_UE_ADDRESS, "0.0.0.0"},
	{"1", break_ue_loopback, ZB_CAUSE_BAD_ADDRESS, ZB_ATTR_UE_ADDRESS, "127.0.0.1"},
	{"7", break_uc_zero, ZB_CAUSE_BAD_PORT, ZB_ATTR_PORT_UC, "port 0"},
	{"7", break_us_zero, ZB_CAUSE_BAD_PORT, ZB_ATTR_PORT_US, "port 0"},
	{"7", break_pc_zero, ZB_CAUSE_BAD_PORT, ZB_ATTR_PORT_PC, "port 0"},
	{"7", break_ps_zero, ZB_CAUSE_BAD_PORT, ZB_ATTR_PORT_PS, "port 0"},
	{"7", break_pc_unprotected, ZB_CAUSE_BAD_PORT, ZB_ATTR_PORT_PC, "unprotected"},
	{"7", break_ps_unprotected, ZB_CAUSE_BAD_PORT, ZB_ATTR_PORT_PS, "unprotected"},
	{"7", break_uc_unprotected, ZB_CAUSE_BAD_PORT, ZB_ATTR_PORT_UC, "unprotected"},
	{"7", break_us_unprotected, ZB_CAUSE_BAD_PORT, ZB_ATTR_PORT_US, "unprotected"},
	{"7", break_ue_ports_equal, ZB_CAUSE_BAD_PORT, ZB_ATTR_PORT_US, "both 5062"},
	{"7", break_p_ports_equal, ZB_CAUSE_BAD_PORT, ZB_ATTR_PORT_PC, "both 6062"},
	{"5", break_spi_uc_reserved, ZB_CAUSE_BAD_SPI, ZB_ATTR_SPI_UC, "reserved"},
	{"5", break_spi_us_reserved, ZB_CAUSE_BAD_SPI, ZB_ATTR_SPI_US, "reserved"},
	{"4", break_spis_equal, ZB_CAUSE_BAD_SPI, ZB_ATTR_SPI_US, "both 1000"},
};

static void the_sample_is_right(void **state)
{
	const struct bgf_config config = sample_config();
	struct install in = sample_install();
	struct refusal r;

	(void)state;
	assert_int_equal(install_check(&in, &config, &r), 0);
	in.selectors.ue = sample_addr("fd00:45::2");
	in.selectors.served = sample_addr("fd00:50::1");
	assert_int_equal(install_check(&in, &config, &r), 0);
}

/* The rows of the rule that the test's name begins with, its number being the state. */
static void each_bad_field_has_its_cause_and_attribute(void **state)
{
	const struct bgf_config config = sample_config();
	const char *rule = *state;
	unsigned rows = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (strcmp(bad[i].rule, rule) != 0)
			continue;
		rows++;
		struct install in = sample_install();
		struct refusal r = {0};
		bad[i].apply(&in);
		if (install_check(&in, &config, &r) != -EREMOTEIO || r.fault.cause != bad[i].cause ||
		    r.fault.attribute != bad[i].attribute || strstr(r.text, bad[i].says) == NULL)
			fail_msg("row %zu (rule %s): cause %u attribute %u '%s'", i, bad[i].rule,
				 r.fault.cause, r.fault.attribute, r.text);
	}
	assert_true(rows > 0);
}

BREAK(subscriber, in->subscriber[0] = 'b')
BREAK(registration, in->registration_id[0] = '1')
BREAK(ue, in->selectors.ue = sample_addr("10.45.0.3"))
BREAK(port, in->selectors.port_us = 9)
BREAK(spi, in->selectors.spi_uc = 9)
BREAK(flags, in->flags = BGF_SET_REPLACE)
BREAK(ik, in->ik[15] = 1)
BREAK(has_ck, in->has_ck = true)
BREAK(await, in->await_auth_s = 9)
BREAK(via, in->via_set = 9)

static void the_digest_is_of_all_content_but_the_reference(void **state)
{
	static void (*const changes[])(struct install *) = {
		break_subscriber, break_registration, break_ue,	    break_port,	 break_spi,
		break_flags,	  break_ik,	      break_has_ck, break_await, break_via};
	struct install in = sample_install(), other = sample_install();
	uint8_t digest[32], another[32];

	(void)state;
	other.reference = 99;
	assert_int_equal(install_digest(&in, digest), 0);
	assert_int_equal(install_digest(&other, another), 0);
	assert_memory_equal(digest, another, 32);
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		other = sample_install();
		changes[i](&other);
		assert_int_equal(install_digest(&other, another), 0);
		assert_memory_not_equal(digest, another, 32);
	}
}

static void what_the_codec_refuses_is_said_in_the_words_of_the_rules(void **state)
{
	static const struct {
		enum zb_cause cause;
		enum zb_attribute attribute;
		enum zb_cause refined;
	} rows[] = {{ZB_CAUSE_BAD_VALUE, ZB_ATTR_PORT_UC, ZB_CAUSE_BAD_PORT},
		    {ZB_CAUSE_BAD_VALUE, ZB_ATTR_PORT_PS, ZB_CAUSE_BAD_PORT},
		    {ZB_CAUSE_BAD_VALUE, ZB_ATTR_SPI_UC, ZB_CAUSE_BAD_SPI},
		    {ZB_CAUSE_BAD_VALUE, ZB_ATTR_IK, ZB_CAUSE_BAD_VALUE},
		    {ZB_CAUSE_MISSING_ATTRIBUTE, ZB_ATTR_PORT_UC, ZB_CAUSE_MISSING_ATTRIBUTE}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct refusal r = {.fault = {.cause = (uint16_t)rows[i].cause,
					      .attribute = (uint16_t)rows[i].attribute}};
		install_refine_fault(&r);
		assert_int_equal(r.fault.cause, rows[i].refined);
		assert_int_equal(r.fault.attribute, rows[i].attribute);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sample_is_right),
#define RULE(number, text) \
	{.name = (text), .test_func = each_bad_field_has_its_cause_and_attribute, .initial_state = (number)}
		RULE("1", "rule_1_addresses_that_are_no_ues_or_not_served_are_refused"),
		RULE("4", "rule_4_a_served_address_is_no_ue_and_a_ues_spis_differ"),
		RULE("5", "rule_5_reserved_spis_are_refused"),
		RULE("7", "rule_7_ports_that_are_none_or_unprotected_or_equal_are_refused"),
		RULE("11", "rule_11_an_integrity_algorithm_that_is_not_there_is_refused_by_name"),
		RULE("12", "rule_12_a_cipher_that_is_not_there_is_refused_by_name"),
		RULE("13", "rule_13_null_integrity_and_another_mode_are_refused"),
		cmocka_unit_test(the_digest_is_of_all_content_but_the_reference),
		cmocka_unit_test(what_the_codec_refuses_is_said_in_the_words_of_the_rules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
