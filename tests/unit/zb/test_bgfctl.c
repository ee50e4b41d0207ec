/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bgfctl as it is called, against a gateway that is none.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_gateway.h"

static struct fake gateway;
static char key_file[128];
static char output[16384]; /* of the last run, errors too */

#define IK "00112233445566778899aabbccddeeff"

static int start(void **state)
{
	(void)state;
	fake_start(&gateway);
	snprintf(key_file, sizeof(key_file), "%s/keys", gateway.dir);
	FILE *f = fopen(key_file, "w");
	assert_non_null(f);
	fputs("# of a test\nik=" IK "\n", f);
	fclose(f);
	return chmod(key_file, 0600);
}

static int stop(void **state)
{
	(void)state;
	unlink(key_file);
	fake_stop(&gateway);
	return 0;
}

/* Runs bgfctl with these arguments; returns its exit status. */
static int run(const char *arguments)
{
	char command[2048];

	snprintf(command, sizeof(command), "%s --socket %s %s 2>&1 < /dev/null", getenv("BGFCTL"),
		 gateway.path, arguments);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	size_t n = fread(output, 1, sizeof(output) - 1, f);
	output[n] = '\0';
	int status = pclose(f);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static const char install[] =
	"set install --peer pcscf1 --subscriber user@ims.example --ue 10.45.0.2 --served 10.50.0.1 "
	"--port-uc 5062 --port-us 5064 --port-pc 6060 --port-ps 6062 --spi-uc 0x3e9 --spi-us 1002 "
	"--keys ";

static void test_what_is_shown(void **state)
{
	static const struct {
		const char *arguments;
		const char *expected[6]; /* all are in the output */
	} cases[] = {
		{"show gateway", {"bgf1: data plane up, 2 of 100 sets"}},
		{"show sets", {"SUBSCRIBER", "temporary", "4 min 0 s", "5062>6062", "3 sets"}},
		{"show sets --json",
		 {"{\"sets\":[{\"set_id\":1,", "\"ue\":\"10.45.0.2\"", "\"drops\":{\"icv\":3}"}},
		{"show set 2",
		 {"Set 2: temporary, 4 min 0 s left", "inbound server", "0x00800000", "UE 5062",
		  "ESP integrity check failed"}},
		{"show counters",
		 {"ACCESS (0)", "rx_packets", "7", "icv", "ESP integrity check failed", "--all"}},
		{"show counters --all", {"replay"}},
		{"show counters --json",
		 {"\"worker\":1,\"name\":\"rx_packets\",\"value\":2", "\"drop\":true"}},
		{"show ports", {"access", "DOWN", "bgf-core"}},
		{"show ports --json", {"\"side\":\"access\",\"up\":true,\"mtu\":1500", "\"rx_packets\":7"}},
		{"show peers", {"pcscf1", "17"}},
		{"show peers --json", {"\"connections\":17,\"sets\":3"}},
		{"set confirm 1 --expires 600 --peer pcscf1", {"Set 1: "}},
		{"set release 1", {"1 set released"}},
		{"set release all --peer pcscf1 --drain 5", {"5 sets released, gone in 5 s"}},
		{"--help", {"show sets", "Exit status"}},
		{"set install --help", {"--keys FILE", "Needed:"}},
		{"--version", {"bgfctl 0."}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(run(cases[i].arguments), 0);
		for (size_t e = 0; e < 6 && cases[i].expected[e] != NULL; e++)
			if (strstr(output, cases[i].expected[e]) == NULL)
				fail_msg("bgfctl %s lacks '%s':\n%s", cases[i].arguments,
					 cases[i].expected[e], output);
	}
}

static void test_zeros_are_hidden(void **state)
{
	(void)state;
	assert_int_equal(run("show counters"), 0);
	assert_null(strstr(output, "replay"));
}

static void test_what_is_not_understood(void **state)
{
	static const struct {
		const char *arguments, *expected;
	} cases[] = {
		{"", "which command?"},
		{"frob", "'frob' is no command"},
		{"show frob", "'show frob' is no command; after 'show' goes one of: sets, set, counters"},
		{"set", "'set' needs another word: install, confirm, release"},
		{"show sets more", "'more' is one word too many"},
		{"show set", "needs an argument: ID"},
		{"show set x", "found 'x'; allowed: the id of a set"},
		{"show set 0", "found '0'"},
		{"show sets --ue 10.0.0", "--ue: found '10.0.0'; allowed: an IPv4 or IPv6 address"},
		{"show sets --port 65536", "--port: found '65536'; allowed: 1 to 65535"},
		{"show sets --registration-id x", "only with --subscriber"},
		{"show ports --keys x", "has no option --keys"},
		{"show sets --frob", "unrecognized option"},
		{"show sets --peer 'a b'", "name: 1 to 31 octets"},
		{"set confirm 1", "--expires S is missing"},
		{"set install", "is missing"},
		{"set release all", "needs --peer"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (run(cases[i].arguments) != 2 || strstr(output, cases[i].expected) == NULL)
			fail_msg("bgfctl %s: expected '%s', got:\n%s", cases[i].arguments, cases[i].expected,
				 output);
	}
}

static void test_keys_come_from_a_file_and_are_never_shown(void **state)
{
	char arguments[1024];

	(void)state;
	snprintf(arguments, sizeof(arguments), "%s%s", install, key_file);
	assert_int_equal(run(arguments), 0);
	assert_non_null(strstr(output, "Set 1: temporary"));
	assert_null(strstr(output, "0011223344"));
	assert_null(strstr(output, "warning"));
	chmod(key_file, 0644);
	assert_int_equal(run(arguments), 0);
	assert_non_null(strstr(output, "warning: others than its owner may read"));
	chmod(key_file, 0600);
	/* From standard input: empty here, so the key is missing. */
	snprintf(arguments, sizeof(arguments), "%s-", install);
	assert_int_equal(run(arguments), 2);
	assert_non_null(strstr(output, "no line ik="));
}

static void test_bad_key_files(void **state)
{
	static const struct {
		const char *content, *expected;
	} cases[] = {
		{"", "no line ik="},
		{"ck=" IK "\n", "no line ik="},
		{"ik=" IK "0\n", "line 1 is neither"},
		{"ik=0011\n", "line 1 is neither"},
		{"ik=" IK "\nxk=" IK "\n", "line 2 is neither"},
		{"ik=zz112233445566778899aabbccddeeff\n", "line 1 is neither"},
	};
	char arguments[1024], path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/bad", gateway.dir);
	snprintf(arguments, sizeof(arguments), "%s%s", install, path);
	assert_int_equal(run(arguments), 2);
	assert_non_null(strstr(output, "No such file"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		FILE *f = fopen(path, "w");
		assert_non_null(f);
		fputs(cases[i].content, f);
		fclose(f);
		assert_int_equal(run(arguments), 2);
		assert_non_null(strstr(output, cases[i].expected));
		assert_null(strstr(output, "0011")); /* not even of a bad line */
	}
	unlink(path);
}

static void test_events_are_followed(void **state)
{
	(void)state;
	gateway.events_first = 2;
	assert_int_equal(run("events --count 2 --json"), 0);
	gateway.events_first = 0;
	assert_non_null(strstr(output, "\"event\":\"FIRST_USED\""));
	assert_non_null(strstr(output, "\"set_id\":2"));
}

static void test_audit(void **state)
{
	/* the second one's digest is another, the third one is unknown, and a fourth is listed nowhere */
	struct fake_row rows[] = {{1, 0}, {2, 12345}, {4, 99}};

	(void)state;
	assert_int_equal(run("audit"), 0);
	assert_non_null(strstr(output, "3 sets are listed; 0 differ"));
	assert_int_equal(run("audit --json"), 0);
	assert_non_null(strstr(output, "{\"sets\":3,\"differences\":[]}"));
	gateway.audit = rows;
	gateway.audit_count = 3;
	assert_int_equal(run("audit"), 1);
	assert_non_null(strstr(output, "set 1 is listed otherwise than it is digested"));
	assert_non_null(strstr(output, "set 2 is listed otherwise than it is digested"));
	assert_non_null(strstr(output, "set 3 is listed and has no digest"));
	assert_non_null(strstr(output, "set 4 has a digest and is not listed"));
	assert_non_null(strstr(output, "3 sets are listed; 4 differ"));
	gateway.audit = NULL;
}

static void test_no_gateway(void **state)
{
	(void)state;
	assert_int_equal(run("show sets --socket /nonexistent/zb.sock"), 1);
	assert_non_null(strstr(output, "cannot connect to /nonexistent/zb.sock"));
	assert_non_null(strstr(output, "Is bgf-control running"));
	assert_int_equal(run("show set 9"), 1);
	assert_non_null(strstr(output, "there is no set 9"));
	gateway.ignore = 1;
	assert_int_equal(run("show sets --wait 100"), 1);
	assert_non_null(strstr(output, "no answer within 100 ms"));
}

static const char release_all[] = "set release all --peer pcscf1";

/* The gateway takes longer than one wait: what was asked is asked again once all are gone, and no word is
 * lost about that where nobody looks. */
static void test_a_release_of_all_is_waited_for_while_sets_go(void **state)
{
	(void)state;
	gateway.ignore = 1;
	gateway.leaving = 4;
	assert_int_equal(run(release_all), 0);
	assert_string_equal(output, "5 sets released\n");
	assert_int_equal(gateway.leaving, 0);
	gateway.ignore = 1; /* with a drain none goes before its time */
	assert_int_equal(run("set release all --peer pcscf1 --drain 5"), 0);
	assert_string_equal(output, "5 sets released, gone in 5 s\n");
}

static void test_a_release_of_all_that_stands_still_is_given_up(void **state)
{
	(void)state;
	gateway.ignore = 1;
	assert_int_equal(run(release_all), 1);
	assert_non_null(strstr(output, "no set more is gone for 5 s; 3 are left"));
	gateway.ignore = 1; /* who says how long waits so long */
	assert_int_equal(run("set release all --peer pcscf1 --wait 100"), 1);
	assert_non_null(strstr(output, "no answer within 100 ms"));
}

/* What comes to a terminal. */
static void test_a_release_of_all_shows_how_far_it_is_on_a_terminal(void **state)
{
	char got[4096];
	size_t used = 0;
	ssize_t n;
	int terminal;

	(void)state;
	gateway.ignore = 1;
	gateway.leaving = 3;
	pid_t pid = forkpty(&terminal, NULL, NULL, NULL);
	assert_true(pid >= 0);
	if (pid == 0) {
		execl(getenv("BGFCTL"), "bgfctl", "--socket", gateway.path, "set", "release", "all", "--peer",
		      "pcscf1", NULL);
		_exit(127);
	}
	while (used < sizeof(got) - 1 && (n = read(terminal, got + used, sizeof(got) - 1 - used)) > 0)
		used += (size_t)n;
	got[used] = '\0';
	close(terminal);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_non_null(strstr(got, "2 sets left"));
	assert_non_null(strstr(got, "\r\033[K1 set left"));
	assert_non_null(strstr(got, "\r\033[K5 sets released")); /* in its place */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_shown),
		cmocka_unit_test(test_zeros_are_hidden),
		cmocka_unit_test(test_what_is_not_understood),
		cmocka_unit_test(test_keys_come_from_a_file_and_are_never_shown),
		cmocka_unit_test(test_bad_key_files),
		cmocka_unit_test(test_events_are_followed),
		cmocka_unit_test(test_audit),
		cmocka_unit_test(test_a_release_of_all_is_waited_for_while_sets_go),
		cmocka_unit_test(test_a_release_of_all_that_stands_still_is_given_up),
		cmocka_unit_test(test_a_release_of_all_shows_how_far_it_is_on_a_terminal),
		cmocka_unit_test(test_no_gateway),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
