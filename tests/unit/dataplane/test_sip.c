/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The screens of rules 16 and 29, as tables of what phones, and attackers, may send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sip.h"

/* The octets in a heap block of their exact size, so that a sanitizer sees any read beyond. */
static uint8_t *exact(const char *text, size_t length)
{
	uint8_t *copy = malloc(length > 0 ? length : 1);
	assert_non_null(copy);
	memcpy(copy, text, length);
	return copy;
}

static enum sip_first first_of(const char *text, size_t length)
{
	uint8_t *copy = exact(text, length);
	const enum sip_first first = sip_first(copy, length);
	free(copy);
	return first;
}

static bool answers(const char *text, size_t length)
{
	uint8_t *copy = exact(text, length);
	const bool yes = sip_answers_challenge(copy, length);
	free(copy);
	return yes;
}

static void rule_16_what_the_first_line_is(void **state)
{
	static const struct {
		const char *text;
		enum sip_first want;
	} row[] = {
		{"REGISTER sip:ims.example SIP/2.0\r\nVia: x\r\n\r\n", SIP_REGISTER},
		{"register sip:ims.example sip/2.0\r\n", SIP_REGISTER},
		{"\r\n\r\nREGISTER sip:a SIP/2.0\r\n", SIP_REGISTER},
		{"REGISTER sip:a SIP/2.0", SIP_REGISTER},
		{"REGISTER  sip:a \t SIP/2.0\n", SIP_REGISTER},
		{"REGISTERS sip:a SIP/2.0\r\n", SIP_REQUEST},
		{"MESSAGE sip:a SIP/2.0\r\n\r\n", SIP_REQUEST},
		{"\n\rINVITE sip:a SIP/2.0\r\n", SIP_REQUEST},
		{"OPTIONS tel:+1 SIP/7.0\r\n", SIP_REQUEST},
		{"X-y.z!%*_+`'~ a SIP/2.0\r\n", SIP_REQUEST},
		{"SIP/2.0 200 OK\r\n", SIP_RESPONSE},
		{"sip/2.0 401 Unauthorized\r\n", SIP_RESPONSE},
		{"", SIP_UNREADABLE},
		{"\r\n\r\n", SIP_UNREADABLE},
		{"\r\n", SIP_UNREADABLE},
		{"MESSAGE", SIP_UNREADABLE},
		{"MESSAGE sip:a", SIP_UNREADABLE},
		{"MESSAGE sip:a SIP/", SIP_UNREADABLE},
		{"MESSAGE sip:a HTTP/1.1\r\n", SIP_UNREADABLE},
		{"GET / HTTP/1.0\r\nX: SIP/2.0\r\n", SIP_UNREADABLE},
		{"To: <sip:a>\r\nCSeq: 1 MESSAGE\r\n", SIP_UNREADABLE},
		{"\xf8\x01\x02MESSAGE sip:a SIP/2.0", SIP_UNREADABLE},
		{" MESSAGE sip:a SIP/2.0\r\n", SIP_UNREADABLE},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		if (first_of(row[i].text, strlen(row[i].text)) != row[i].want)
			fail_msg("row %zu: %s", i, row[i].text);
}

#define REGISTER "REGISTER sip:ims.example SIP/2.0\r\nVia: SIP/2.0/UDP 10.45.0.2:5060\r\n"

static void rule_29_authentication_responses_in_the_clear(void **state)
{
	static const struct {
		bool want;
		const char *text;
	} row[] = {
		/* initial registrations, which must pass */
		{false, REGISTER "\r\n"},
		{false, REGISTER "Authorization: Digest username=\"u\", nonce=\"\", response=\"\"\r\n\r\n"},
		{false, REGISTER "Authorization: Digest username=\"u\", response=\r\n\r\n"},
		{false, REGISTER "Security-Client: ipsec-3gpp; alg=hmac-sha-1-96\r\n\r\n"},
		{false, REGISTER "X-Security-Verify: a\r\nSecurity-Verify-Not: b\r\n\r\n"},
		/* resynchronisation (24.229 5.1.1.5.3) */
		{false, REGISTER "Authorization: Digest response=\"abc\", auts=\"x==\"\r\n\r\n"},
		{false, REGISTER "Authorization: Digest auts=\"x==\",response=\"abc\"\r\n\r\n"},
		{false, REGISTER "Authorization: Digest AUTS = \"x==\" , Response = \"abc\"\r\n\r\n"},
		/* what only looks like a response */
		{false, REGISTER "Authorization: Digest username=\"a, response=\\\"x\", realm=\"r\"\r\n\r\n"},
		{false, REGISTER "Authorization: Digest username=\"a\\\\\", xresponse=\"x\"\r\n\r\n"},
		{false, REGISTER "X: Authorization: Digest response=\"x\"\r\n\r\n"},
		{false, REGISTER "X: a\r\n Authorization: Digest response=\"x\"\r\n\r\n"},
		{false, "INVITE sip:a SIP/2.0\r\nAuthorization: Digest response=\"x\"\r\n\r\n"},
		{false, "Authorization: Digest response=\"x\"\r\n\r\n"},
		{false, "SIP/2.0 200 OK\r\nSecurity-Verify: a\r\n\r\n"},
		{false, "\r\n\r\n"},
		{false, ""},
		/* authentication responses, however they are written */
		{true, REGISTER "Security-Verify: ipsec-3gpp; q=0.1\r\n\r\n"},
		{true, REGISTER "security-verify \t:\r\n ipsec-3gpp\r\n\r\n"},
		{true, REGISTER "Authorization: Digest username=\"u\", response=\"abc\"\r\n\r\n"},
		{true, REGISTER
		 "AUTHORIZATION : Digest\r\n username=\"u\",\r\n\tresponse\r\n =\r\n \"abc\"\r\n\r\n"},
		{true, REGISTER "Authorization: Digest response=abc\r\n\r\n"},
		{true, REGISTER "Authorization: Digest username=\"x, auts=\\\"y\", response=\"abc\"\r\n\r\n"},
		{true, REGISTER "Authorization: Digest auts=\"\", response=\"abc\"\r\n\r\n"},
		{true, REGISTER "Authorization: Digest auts, response=\"abc\"\r\n\r\n"},
		{true, REGISTER "Authorization: Digest xauts=\"a\", response=\"abc\"\r\n\r\n"},
		{true, REGISTER "Authorization: Digest \"auts=1\", response=\"abc\"\r\n\r\n"},
		{true, REGISTER "Authorization: Digest response=\"\", response=\"abc\"\r\n\r\n"},
		{true, REGISTER "Authorization: Digest response=\"abc"},
		{true, REGISTER "Proxy-Authorization: Digest response=\"abc\"\r\n\r\n"},
		{true,
		 REGISTER "Authorization: Digest auts=\"x\"\r\nAuthorization: Digest response=\"a\"\r\n\r\n"},
		{true, "register sip:a SIP/2.0\r\nSecurity-Verify: a\r\n\r\n"},
		{true, "\r\n\r\n" REGISTER "Security-Verify: a\r\n\r\n"},
		{true, "REGISTER sip:a SIP/2.0\nVia: x\nSecurity-Verify: a\n\n"},
		{true, "REGISTER sip:a SIP/2.0\rSecurity-Verify: a\r\r"},
		{true, REGISTER "X: y\r\rSecurity-Verify: a\r\n\r\n"},
		{true,
		 "OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n" REGISTER "Security-Verify: a\r\n\r\n"},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		if (answers(row[i].text, strlen(row[i].text)) != row[i].want)
			fail_msg("row %zu: %s", i, row[i].text);
}

/* Cut anywhere: no crash, nothing read beyond the end, and the verdict once the header is whole. */
static void every_cut_is_survived(void **state)
{
	static const char text[] = REGISTER "Authorization: Digest username=\"a\\\"b\",\r\n nonce=\"n\", "
					    "response=\"abc\"\r\nSecurity-Verify: x\r\n\r\n";
	(void)state;

	for (size_t n = 0; n < sizeof(text); n++) {
		const size_t response = (size_t)(strstr(text, "response=\"") - text) + strlen("response=\"");
		assert_int_equal(answers(text, n), n > response);
		assert_true(first_of(text, n) ==
			    (n >= strlen("REGISTER sip:ims.example SIP/2") ? SIP_REGISTER : SIP_UNREADABLE));
	}
}

static void octets_of_every_kind_are_survived(void **state)
{
	static const char letters[] = "\r\n \t:=\",\\;REGISTER SIP/2.0Authorization: response=\"aauts\0\xff";
	uint32_t x = 1;
	char text[200];
	(void)state;

	for (int round = 0; round < 20000; round++) {
		const size_t length = (x >> 8) % sizeof(text);
		for (size_t i = 0; i < length; i++) {
			x = x * 1664525u + 1013904223u;
			text[i] = letters[(x >> 16) % (sizeof(letters) - 1)];
		}
		x = x * 1664525u + 1013904223u;
		const bool yes = answers(text, length);
		assert_true(yes == true || yes == false);
		assert_true(first_of(text, length) <= SIP_RESPONSE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_16_what_the_first_line_is),
		cmocka_unit_test(rule_29_authentication_responses_in_the_clear),
		cmocka_unit_test(every_cut_is_survived),
		cmocka_unit_test(octets_of_every_kind_are_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
