/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The policy for cleartext through a worker, both ways.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ring.h>

#include "exception.h"
#include "lab.h"

#define EACH_FAMILY for (int ipv6 = 0; ipv6 < 2; ipv6++, lab_reset(NULL))

static void rule_25_the_unprotected_port_is_open_both_ways(void **state)
{
	struct lab_frame f, want, got;
	(void)state;

	EACH_FAMILY
	{
		for (uint8_t proto = 6; proto <= 17; proto += 11) {
			struct lab_packet in = {
				.ipv6 = ipv6, .proto = proto, .port_src = 40000, .port_dst = LAB_SIP};
			struct lab_packet out = {.ipv6 = ipv6,
						 .proto = proto,
						 .from_core = true,
						 .port_src = LAB_SIP,
						 .port_dst = 40000};
			lab_make(&f, &in);
			f.length += 6; /* Ethernet pads short frames: it does not go on */
			in.ttl = 63;
			lab_make(&want, &in);
			lab_expect_forward(PORT_ACCESS, &f, &got);
			assert_int_equal(got.length, want.length);
			assert_memory_equal(lab_ip(&got), lab_ip(&want), want.length - 14);
			lab_make(&f, &out);
			f.length += 6;
			out.ttl = 63;
			lab_make(&want, &out);
			lab_expect_forward(PORT_CORE, &f, &got);
			assert_int_equal(got.length, want.length);
			assert_memory_equal(lab_ip(&got), lab_ip(&want), want.length - 14);
		}
		assert_int_equal(lab.w->counters[PORT_ACCESS].forwarded_clear, 2);
		assert_int_equal(lab.w->counters[PORT_CORE].forwarded_clear, 2);
		assert_int_equal(lab.w->counters[PORT_ACCESS].forwarded_esp, 0);
	}
}

static void rule_25_cleartext_to_any_other_port_is_dropped(void **state)
{
	static const uint16_t ports[] = {LAB_PS, LAB_PC, LAB_SIP + 1, 22, 1, 65535};
	struct lab_frame f;
	(void)state;

	EACH_FAMILY
	{
		lab_install(LAB_SLOT, ipv6, 0);
		for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
			for (uint8_t proto = 6; proto <= 17; proto += 11) {
				lab_make(&f, &(struct lab_packet){
						     .ipv6 = ipv6, .proto = proto, .port_dst = ports[i]});
				lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_CLEAR_PORT);
			}
		}
	}
}

static void what_is_neither_esp_udp_nor_tcp_is_dropped(void **state)
{
	static const uint8_t proto[] = {1, 4, 41, 51, 58, 132, 136};
	struct lab_frame f;
	(void)state;

	EACH_FAMILY
	{
		for (size_t i = 0; i < sizeof(proto); i++) {
			lab_make(&f,
				 &(struct lab_packet){.ipv6 = ipv6, .proto = proto[i], .data = "\x08ping"});
			lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_CLEAR_PROTOCOL);
			lab_make(&f,
				 &(struct lab_packet){.ipv6 = ipv6, .proto = proto[i], .from_core = true});
			lab_expect_drop(PORT_CORE, &f, BGF_DROP_CLEAR_PROTOCOL);
		}
	}
}

/* An ICMP message about a packet that we sent in ESP, or that somebody says we did. */
static void icmp_about(struct lab_frame *f, int ipv6, uint8_t type, uint8_t quoted_proto, uint16_t quoted)
{
	struct lab_frame about;
	char message[8 + 100] = {(char)type};

	lab_make(&about, &(struct lab_packet){.ipv6 = ipv6, .from_core = true});
	lab_wrap(&about, LAB_SPI_US, 1);
	lab_ip(&about)[ipv6 ? 6 : 9] = quoted_proto;
	memcpy(message + 8, lab_ip(&about), 64);
	lab_make(f, &(struct lab_packet){.ipv6 = ipv6,
					 .proto = ipv6 ? 58 : 1,
					 .data = message,
					 .data_length = (uint16_t)(8 + quoted)});
}

static void icmp_errors_that_quote_esp_are_dropped_by_name(void **state)
{
	static const uint8_t types[2][4] = {{3, 4, 11, 12}, {1, 2, 3, 4}};
	struct lab_frame f;
	(void)state;

	EACH_FAMILY
	{
		const uint16_t header = ipv6 ? 40 : 20;
		for (int i = 0; i < 4; i++) {
			icmp_about(&f, ipv6, types[ipv6][i], 50, header + 8);
			lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_ICMP_ESP);
			icmp_about(&f, ipv6, types[ipv6][i], 17, header + 8);
			lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_CLEAR_PROTOCOL);
			icmp_about(&f, ipv6, types[ipv6][i], 50, header - 1);
			lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_CLEAR_PROTOCOL);
		}
		icmp_about(&f, ipv6, ipv6 ? 128 : 8, 50, header + 8); /* an echo quotes nothing */
		lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_CLEAR_PROTOCOL);
	}
}

static void one_source_has_its_rate_and_others_have_theirs(void **state)
{
	struct lab_frame f, got;
	(void)state;

	EACH_FAMILY
	{
		const struct lab_packet one = {.ipv6 = ipv6, .port_dst = LAB_SIP};
		const struct lab_packet other = {
			.ipv6 = ipv6, .port_dst = LAB_SIP, .src = ipv6 ? "fd00:45:1::2" : "10.45.0.3"};
		lab_make(&f, &one);
		for (int i = 0; i < LAB_BURST; i++)
			lab_expect_forward(PORT_ACCESS, &f, &got);
		lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_CLEAR_RATE);
		lab_make(&f, &other);
		lab_expect_forward(PORT_ACCESS, &f, &got);
	}
}

/* BCP 38: a P-CSCF may trust an address of the core's, or of the gateway's own. */
static void a_source_that_no_route_leads_back_to_is_dropped(void **state)
{
	static const char *const sources[2][3] = {{"10.60.0.2", "10.45.0.254", "192.0.2.1"},
						  {"fd00:60::2", "fd00:45::fe", "2001:db8::1"}};
	struct lab_frame f;
	(void)state;

	EACH_FAMILY
	{
		for (int i = 0; i < 3; i++) {
			lab_make(&f, &(struct lab_packet){
					     .ipv6 = ipv6, .port_dst = LAB_SIP, .src = sources[ipv6][i]});
			lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_SOURCE_INVALID);
		}
	}
}

/* What is refused anyway costs its source nothing. */
static void attacks_on_other_ports_do_not_use_up_the_rate(void **state)
{
	struct lab_frame f, got;
	(void)state;

	EACH_FAMILY
	{
		lab_make(&f, &(struct lab_packet){.ipv6 = ipv6, .port_dst = LAB_PS});
		for (int i = 0; i < 3 * LAB_BURST; i++)
			lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_CLEAR_PORT);
		lab_make(&f, &(struct lab_packet){.ipv6 = ipv6, .port_dst = LAB_SIP});
		lab_expect_forward(PORT_ACCESS, &f, &got);
	}
}

static const char answer[] = "REGISTER sip:a SIP/2.0\r\nAuthorization: Digest response=\"abc\"\r\n\r\n";
static const char resynchronisation[] =
	"REGISTER sip:a SIP/2.0\r\nAuthorization: Digest response=\"abc\", auts=\"x\"\r\n\r\n";

static void rule_29_an_authentication_response_in_the_clear_is_dropped(void **state)
{
	struct lab_frame f, got;
	(void)state;

	EACH_FAMILY
	{
		for (uint8_t proto = 6; proto <= 17; proto += 11) {
			struct lab_packet p = {
				.ipv6 = ipv6, .proto = proto, .port_dst = LAB_SIP, .data = answer};
			lab_make(&f, &p);
			lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_CLEAR_AUTH);
			p.data = resynchronisation;
			lab_make(&f, &p);
			lab_expect_forward(PORT_ACCESS, &f, &got);
			/* a served address with Digest clients */
			p.data = answer;
			p.dst = ipv6 ? "fd00:50::9" : "10.50.0.9";
			lab_make(&f, &p);
			lab_expect_forward(PORT_ACCESS, &f, &got);
		}
	}
}

/* Rule 26: a UE that has a set may begin anew, in the clear. */
static void rule_26_an_unprotected_register_passes_beside_a_set(void **state)
{
	struct lab_frame f, got;
	(void)state;

	EACH_FAMILY
	{
		lab_install(LAB_SLOT, ipv6, 0);
		lab_make(&f, &(struct lab_packet){.ipv6 = ipv6,
						  .port_dst = LAB_SIP,
						  .data = "REGISTER sip:a SIP/2.0\r\n\r\n"});
		lab_expect_forward(PORT_ACCESS, &f, &got);
	}
}

static void what_does_not_fit_the_core_link_is_too_big(void **state)
{
	static char data[100];
	struct lab_frame f, got;
	struct pkt p;
	(void)state;

	memset(data, '\n', sizeof(data));
	EACH_FAMILY
	{
		for (int df = 0; df < 2; df++) {
			struct lab_packet packet = {.ipv6 = ipv6,
						    .port_src = 40000,
						    .port_dst = LAB_SIP,
						    .data = data,
						    .data_length = sizeof(data),
						    .dont_fragment = df};
			const uint16_t fits = (uint16_t)((ipv6 ? 40 : 20) + 8 + sizeof(data));
			lab_make(&f, &packet);
			lab.port[PORT_CORE].mtu = fits;
			lab_expect_forward(PORT_ACCESS, &f, &got);
			lab.port[PORT_CORE].mtu = fits - 1;
			lab_expect_drop(PORT_ACCESS, &f, BGF_DROP_TOO_BIG);
			assert_int_equal(lab_take_exception(&got, &p), df || ipv6);
			if (!df && !ipv6)
				continue;
			assert_int_equal(p.exception, EXCEPTION_TOO_BIG);
			assert_int_equal(p.mtu, fits - 1);
			assert_int_equal(p.side, PORT_ACCESS);
			assert_memory_equal(got.octet, f.octet, f.length);
		}
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, lab_reset)
	const struct CMUnitTest tests[] = {
		TEST(rule_25_the_unprotected_port_is_open_both_ways),
		TEST(rule_25_cleartext_to_any_other_port_is_dropped),
		TEST(what_is_neither_esp_udp_nor_tcp_is_dropped),
		TEST(icmp_errors_that_quote_esp_are_dropped_by_name),
		TEST(one_source_has_its_rate_and_others_have_theirs),
		TEST(a_source_that_no_route_leads_back_to_is_dropped),
		TEST(attacks_on_other_ports_do_not_use_up_the_rate),
		TEST(rule_29_an_authentication_response_in_the_clear_is_dropped),
		TEST(rule_26_an_unprotected_register_passes_beside_a_set),
		TEST(what_does_not_fit_the_core_link_is_too_big),
	};
	return cmocka_run_group_tests(tests, lab_start, lab_stop);
}
