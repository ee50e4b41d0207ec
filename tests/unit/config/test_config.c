/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The configuration file: what a good one becomes, and what is said about each bad one.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/schema.h"

/* The shortest good file, a fault a case put into it. The number is the line. */
static const char good_file[] = "name = \"bgf1\";\n"						       /* 1 */
				"served = ( { address = \"10.50.0.1\"; },\n"			       /* 2 */
				"           { address = \"fd00:50::1\"; } );\n"			       /* 3 */
				"dataplane = {\n"						       /* 4 */
				"  access = { device = \"net_af_xdp0,iface=a\"; tap = \"tap-a\"; };\n" /* 5 */
				"  core = { device = \"net_af_xdp1,iface=c\"; tap = \"tap-c\"; };\n"   /* 6 */
				"};\n"								       /* 7 */
				"control = { };\n";						       /* 8 */

struct fault {
	const char *name;
	const char *from, *to; /* `to` replaces `from` in the good file; "" from: the whole file */
	const char *expected;  /* one line of what is printed, after "FILE:" */
};

static const struct fault faults[] = {
	{"syntax", "name = \"bgf1\";", "name = ;", "1: -: found syntax error; "},
	{"key twice", "name = \"bgf1\";", "name = \"bgf1\"; name = \"b\";",
	 "1: -: found duplicate setting name; "},
	{"unknown key", "control = { };", "control = { };\nlog = 1;",
	 "9: log: found an unknown key; allowed: name, served, dataplane, control\n"},
	{"unknown key of a group", "control = { };", "control = {\n zb_path = \"/x\"; };",
	 "9: control.zb_path: found an unknown key; allowed: zb, zb_mode, zb_group, peers, connections_max, "
	 "await_auth_s, supersede_s, heartbeat_s, peer_gone_s, overload_delay_ms, overload_retry_s, "
	 "frame_timeout_s\n"},
	{"unknown key of a list", "{ address = \"fd00:50::1\"; }",
	 "{ address = \"fd00:50::1\"; port = 5060; }",
	 "3: served[1].port: found an unknown key; allowed: address, unprotected_ports, digest_clients\n"},
	{"required key of the file", "name = \"bgf1\";", "",
	 "1: name: found nothing; allowed: a string of 1 to 31 octets: letters, digits, '.', '_' and '-'\n"},
	{"required key of a group", "device = \"net_af_xdp0,iface=a\";", "",
	 "5: dataplane.access.device: found nothing; allowed: a string of 1 to 63 octets: a PCI address, "},
	{"required group", "  core = { device = \"net_af_xdp1,iface=c\"; tap = \"tap-c\"; };", "",
	 ": dataplane.core.tap: found nothing; allowed: a string of 1 to 15 octets: a network interface's "
	 "name\n"},
	{"required key of a list", "{ address = \"fd00:50::1\"; }", "{ }",
	 "3: served[1].address: found nothing; allowed: a string: the IPv4 or IPv6 address of a host\n"},
	{"string for a number", "control = { };", "control = { heartbeat_s = \"10\"; };",
	 "8: control.heartbeat_s: found \"10\"; allowed: an integer from 1 to 3600\n"},
	{"fraction for a number", "control = { };", "control = { heartbeat_s = 1.5; };",
	 "8: control.heartbeat_s: found the number 1.5 with a fraction; allowed: an integer from 1 to "
	 "3600\n"},
	{"number for a string", "name = \"bgf1\";", "name = 1;",
	 "1: name: found 1; allowed: a string of 1 to 31 "},
	{"number for a boolean", "dataplane = {", "dataplane = { huge_pages = 1;",
	 "4: dataplane.huge_pages: found 1; allowed: true or false\n"},
	{"array for a group", "control = { };", "control = [ 1, 2 ];",
	 "8: control: found an array [ ... ] of 2; allowed: a group { ... }\n"},
	{"group for a list", "control = { };", "control = { peers = { }; };",
	 "8: control.peers: found a group { ... }; allowed: a list of 0 to 64 groups ( { ... }, ... )\n"},
	{"list of numbers", "control = { };", "control = { peers = ( 1 ); };",
	 "8: control.peers: found a list ( ... ) of 1; allowed: a list of 0 to 64 groups ( { ... }, ... )\n"},
	{"below the range", "dataplane = {", "dataplane = { capacity = 0;",
	 "4: dataplane.capacity: found 0; allowed: an integer from 1 to 4194304\n"},
	{"above the range", "dataplane = {", "dataplane = { capacity = 4194305;",
	 "4: dataplane.capacity: found 4194305; allowed: an integer from 1 to 4194304\n"},
	{"above 32 bits", "dataplane = {", "dataplane = { capacity = 4294967297L;",
	 "4: dataplane.capacity: found 4294967297; allowed: an integer from 1 to 4194304\n"},
	{"negative", "dataplane = {", "dataplane = { idle_sleep_us = -1;",
	 "4: dataplane.idle_sleep_us: found -1; allowed: an integer from 0 to 10000\n"},
	{"MTU", "tap = \"tap-a\";", "tap = \"tap-a\"; mtu = 9000;",
	 "5: dataplane.access.mtu: found 9000; allowed: an integer from 1280 to 1500\n"},
	{"await_auth_s", "control = { };", "control = { await_auth_s = 3601; };",
	 "8: control.await_auth_s: found 3601; allowed: an integer from 1 to 3600\n"},
	{"name with a blank", "\"bgf1\"", "\"b 1\"",
	 "1: name: found \"b 1\"; allowed: a string of 1 to 31 octets: "},
	{"name too long", "\"bgf1\"", "\"b2345678901234567890123456789012\"",
	 "1: name: found \"b2345678901234567890123456789012\"; allowed: a string of 1 to 31 "},
	{"empty name", "\"bgf1\"", "\"\"", "1: name: found \"\"; allowed: a string of 1 to 31 "},
	{"a terminal's escape is not printed", "\"bgf1\"", "\"b\\x1b[2J\"", "1: name: found \"b?[2J\"; "},
	{"tap too long", "\"tap-a\"", "\"tap-a-23456789ab\"",
	 "5: dataplane.access.tap: found \"tap-a-23456789ab\"; allowed: a string of 1 to 15 octets: "},
	{"tap with a slash", "\"tap-a\"", "\"../a\"", "5: dataplane.access.tap: found \"../a\"; "},
	{"path not absolute", "control = { };", "control = { zb = \"zb.sock\"; };",
	 "8: control.zb: found \"zb.sock\"; allowed: a string of 1 to 107 octets: an absolute path without "
	 "blanks\n"},
	{"store that DPDK would delete", "dataplane = {", "dataplane = { store = \"/dev/hugepages/map_1\";",
	 "4: dataplane.store: found \"/dev/hugepages/map_1\"; allowed: a string of 1 to 107 octets: an "
	 "absolute path "
	 "whose file name does not contain 'map_'\n"},
	{"mode not octal", "control = { };", "control = { zb_mode = \"0698\"; };",
	 "8: control.zb_mode: found \"0698\"; allowed: a string of octal digits from \"0000\" to \"0777\"\n"},
	{"mode beyond permissions", "control = { };", "control = { zb_mode = \"4755\"; };",
	 "8: control.zb_mode: found \"4755\"; "},
	{"mode as a number", "control = { };", "control = { zb_mode = 0660; };",
	 "8: control.zb_mode: found 660; "},
	{"no address", "\"10.50.0.1\"", "\"10.50.0.256\"",
	 "2: served[0].address: found \"10.50.0.256\"; allowed: a string: the IPv4 or IPv6 address of a "
	 "host\n"},
	{"prefix", "\"10.50.0.1\"", "\"10.50.0.1/32\"", "2: served[0].address: found \"10.50.0.1/32\"; "},
	{"multicast address", "\"10.50.0.1\"", "\"224.0.0.1\"",
	 "2: served[0].address: found \"224.0.0.1\"; "},
	{"loopback address", "\"10.50.0.1\"", "\"127.0.0.1\"", "2: served[0].address: found \"127.0.0.1\"; "},
	{"any address", "\"fd00:50::1\"", "\"::\"", "3: served[1].address: found \"::\"; "},
	{"link-local address", "\"fd00:50::1\"", "\"fe80::1\"", "3: served[1].address: found \"fe80::1\"; "},
	{"mapped address", "\"fd00:50::1\"", "\"::ffff:10.50.0.1\"",
	 "3: served[1].address: found \"::ffff:10"},
	{"served address twice", "\"fd00:50::1\"", "\"10.50.0.1\"",
	 "3: served[1].address: found 10.50.0.1, which served[0] has too; allowed: each served address "
	 "once\n"},
	{"served address twice, written in two ways", "{ address = \"fd00:50::1\"; }",
	 "{ address = \"fd00:50::1\"; },\n { address = \"FD00:50:0::0:1\"; }",
	 "4: served[2].address: found fd00:50::1, which served[1] has too; allowed: each served address "
	 "once\n"},
	{"no served address", "", "name = \"b\";\nserved = ( );\n",
	 "2: served: found a list ( ... ) of 0; allowed: a list of 1 to 64 groups ( { ... }, ... )\n"},
	{"unprotected port 0", "address = \"fd00:50::1\";",
	 "address = \"fd00:50::1\"; unprotected_ports = [ 0 ];",
	 "3: served[1].unprotected_ports[0]: found 0; allowed: an array [ ... ] of 1 to 4 different integers "
	 "from 1 "
	 "to 65535\n"},
	{"unprotected port too high", "address = \"fd00:50::1\";",
	 "address = \"fd00:50::1\"; unprotected_ports = [ 5060, 65536 ];",
	 "3: served[1].unprotected_ports[1]: found 65536; "},
	{"unprotected port twice", "address = \"fd00:50::1\";",
	 "address = \"fd00:50::1\"; unprotected_ports = [ 5060, 5070, 5060 ];",
	 "3: served[1].unprotected_ports[2]: found 5060 again; allowed: an array [ ... ] of 1 to 4 "
	 "different "},
	{"five unprotected ports", "address = \"fd00:50::1\";",
	 "address = \"fd00:50::1\"; unprotected_ports = [ 1, 2, 3, 4, 5 ];",
	 "3: served[1].unprotected_ports: found an array [ ... ] of 5; allowed: an array [ ... ] of 1 to 4 "},
	{"no unprotected port", "address = \"fd00:50::1\";",
	 "address = \"fd00:50::1\"; unprotected_ports = [ ];",
	 "3: served[1].unprotected_ports: found an array [ ... ] of 0; "},
	{"unprotected port without brackets", "address = \"fd00:50::1\";",
	 "address = \"fd00:50::1\"; unprotected_ports = 5060;",
	 "3: served[1].unprotected_ports: found 5060; "},
	{"worker core twice", "dataplane = {", "dataplane = { worker_cores = [ 1, 2, 1 ];",
	 "4: dataplane.worker_cores[2]: found 1 again; allowed: an array [ ... ] of 1 to 64 different "
	 "integers from 0 "
	 "to 1023\n"},
	{"several ports on a side", "core = { device = \"net_af_xdp1,iface=c\"; tap = \"tap-c\"; }",
	 "core = ( { device = \"c\"; tap = \"tap-c\"; }, { device = \"d\"; tap = \"tap-d\"; } )",
	 "6: dataplane.core: found a list ( ... ) of 2; allowed: one group { ... }: several ports on a side "
	 "are not "
	 "supported\n"},
	{"same device name", "net_af_xdp1,iface=c", "net_af_xdp0,iface=c",
	 "6: dataplane.core.device: found \"net_af_xdp0,iface=c\", the access port's device "
	 "\"net_af_xdp0,iface=a\"; "
	 "allowed: another device than the access port's\n"},
	{"same interface", "net_af_xdp1,iface=c", "net_af_xdp1,iface=a,queue_count=1",
	 "6: dataplane.core.device: found \"net_af_xdp1,iface=a,queue_count=1\", the access port's device "},
	{"same tap", "tap-c", "tap-a",
	 "6: dataplane.core.tap: found \"tap-a\", the access port's tap; allowed: another tap than the "
	 "access port's\n"},
	{"too few buffers", "dataplane = {", "dataplane = { mbufs = 4096;",
	 "4: dataplane.mbufs: found 4096; allowed: 0 (as many as are needed), or more than 4096, the "
	 "descriptors of 1 worker\n"},
	{"too few buffers for short queues", "",
	 "name = \"g\"; served = ( { address = \"10.50.0.1\"; } ); dataplane = { mbufs = 2047;\n"
	 "access = { device = \"a\"; tap = \"a\"; rx_descriptors = 64; tx_descriptors = 64; };\n"
	 "core = { device = \"c\"; tap = \"c\"; rx_descriptors = 64; tx_descriptors = 64; }; };\n",
	 "1: dataplane.mbufs: found 2047; allowed: 0 (as many as are needed), or 2048 and more\n"},
	{"too few buffers for three workers", "dataplane = {",
	 "dataplane = { mbufs = 12288; worker_cores = [ 1, 2, 3 ];",
	 "4: dataplane.mbufs: found 12288; allowed: 0 (as many as are needed), or more than 18432, the "
	 "descriptors and rings of 3 workers\n"},
	{"store is the link", "dataplane = {", "dataplane = { store = \"/run/bgf/dataplane.sock\";",
	 "4: dataplane.store: found \"/run/bgf/dataplane.sock\", which is dataplane.link; allowed: a path of "
	 "its own\n"},
	{"Zb is the link", "control = { };", "control = { zb = \"/run/bgf/dataplane.sock\"; };",
	 "8: control.zb: found \"/run/bgf/dataplane.sock\", which bgf-dataplane has; allowed: a path of its "
	 "own\n"},
	{"peer twice", "control = { };",
	 "control = { peers = ( { name = \"p\"; },\n { name = \"p\"; uid = 7; } ); };",
	 "9: control.peers[1].name: found \"p\", which control.peers[0] has too; allowed: each peer's name "
	 "once\n"},
	{"peer without a name", "control = { };", "control = { peers = ( { uid = 7; } ); };",
	 "8: control.peers[0].name: found nothing; allowed: a string of 1 to 31 "},
	{"uid below -1", "control = { };", "control = { peers = ( { name = \"p\"; uid = -2; } ); };",
	 "8: control.peers[0].uid: found -2; allowed: an integer from -1 to 4294967294\n"},
};

static const struct fault allowances[] = {
	{"main core is a worker", "dataplane = {", "dataplane = { main_core = 1; worker_cores = [ 1 ];",
	 NULL},
	{"same tap in two namespaces", "tap = \"tap-c\";", "tap = \"tap-a\"; tap_netns = \"n\";", NULL},
	{"no control group", "control = { };", "", NULL},
	{"no peers", "control = { };", "control = { peers = ( ); };", NULL},
	{"hexadecimal", "dataplane = {", "dataplane = { capacity = 0x4000;", NULL},
	{"a virtual device's long arguments", "net_af_xdp1,iface=c",
	 "net_af_xdp1,iface=c,start_queue=0,queue_count=1", NULL},
};

/* The good file with one change. To be freed. */
static char *changed_file(const struct fault *f)
{
	const char *at = strstr(good_file, f->from);
	char *text = NULL;

	if (f->from[0] == '\0')
		return strdup(f->to);
	assert_non_null(at);
	assert_true(asprintf(&text, "%.*s%s%s", (int)(at - good_file), good_file, f->to,
			     at + strlen(f->from)) > 0);
	return text;
}

/* Loads `text` from a file of its own; the faults are put into *ret_errors (to be freed), the file's name
 * into path. */
static int load_text(const char *text, struct bgf_config *config, char path[static 32], char **ret_errors)
{
	size_t size;
	FILE *errors = open_memstream(ret_errors, &size);

	strcpy(path, "/tmp/bgf-test-config-XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	int result = config_load(path, config, errors);
	unlink(path);
	fclose(errors);
	return result;
}

static void each_fault_is_said_and_changes_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		const struct fault *f = &faults[i];
		struct bgf_config config, before;
		char path[32], *errors, *line, *text = changed_file(f);

		memset(&config, 0x5a, sizeof(config));
		memcpy(&before, &config, sizeof(before));
		int result = load_text(text, &config, path, &errors);
		if (result != -EINVAL || strstr(errors, f->expected) == NULL)
			fail_msg("%s: result %d, expected \"%s\", printed:\n%s", f->name, result, f->expected,
				 errors);
		assert_memory_equal(&config, &before, sizeof(config));
		for (line = strtok(errors, "\n"); line != NULL; line = strtok(NULL, "\n"))
			if (strncmp(line, path, strlen(path)) != 0 || strstr(line, "; allowed: ") == NULL)
				fail_msg("%s: not of the form of a fault: %s", f->name, line);
		free(errors);
		free(text);
	}
}

static void what_is_allowed_loads(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(allowances) / sizeof(allowances[0]); i++) {
		struct bgf_config config;
		char path[32], *errors, *text = changed_file(&allowances[i]);

		if (load_text(text, &config, path, &errors) != 0 || errors[0] != '\0')
			fail_msg("%s: %s", allowances[i].name, errors);
		free(errors);
		free(text);
	}
}

static void all_faults_of_a_file_are_said_at_once(void **state)
{
	static const char text[] =
		"name = 7;\nserved = ( { address = \"x\"; } );\ndataplane = {\n mbufs = -1;\n speed = 2;\n"
		" access = { }; core = { device = \"d\"; tap = \"t\"; }; };\n";
	static const char *const keys[] = {":1: name: ",
					   ":2: served[0].address: ",
					   ":4: dataplane.mbufs: ",
					   ":5: dataplane.speed: ",
					   ":6: dataplane.access.device: ",
					   ":6: dataplane.access.tap: "};
	struct bgf_config config;
	char path[32], *errors;
	size_t lines = 0;

	(void)state;
	assert_int_equal(load_text(text, &config, path, &errors), -EINVAL);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_non_null(strstr(errors, keys[i]));
	for (const char *c = errors; *c != '\0'; c++)
		lines += *c == '\n';
	assert_int_equal(lines, sizeof(keys) / sizeof(keys[0]));
	free(errors);
}

static void the_defaults_are_the_tables(void **state)
{
	struct bgf_config c;
	char path[32], *errors;

	(void)state;
	assert_int_equal(load_text(good_file, &c, path, &errors), 0);
	free(errors);
	assert_string_equal(c.name, "bgf1");
	assert_int_equal(c.served_count, 2);
	assert_int_equal(c.served[0].address.family, 4);
	assert_int_equal(c.served[1].address.family, 6);
	assert_int_equal(c.served[1].unprotected_count, 1);
	assert_int_equal(c.served[1].unprotected_ports[0], 5060);
	assert_false(c.served[1].digest_clients);
	assert_string_equal(c.dataplane.link, "/run/bgf/dataplane.sock");
	assert_string_equal(c.dataplane.store, "/dev/hugepages/bgf.sets");
	assert_int_equal(c.dataplane.capacity, 16384);
	assert_int_equal(c.dataplane.main_core, 0);
	assert_int_equal(c.dataplane.worker_count, 1);
	assert_int_equal(c.dataplane.worker_cores[0], 1);
	assert_true(c.dataplane.huge_pages);
	assert_int_equal(c.dataplane.mbufs, 0);
	assert_int_equal(c.dataplane.idle_sleep_us, 50);
	assert_string_equal(c.dataplane.access.device, "net_af_xdp0,iface=a");
	assert_string_equal(c.dataplane.core.tap, "tap-c");
	assert_string_equal(c.dataplane.core.tap_netns, "");
	assert_int_equal(c.dataplane.core.mtu, 1500);
	assert_int_equal(c.dataplane.core.rx_descriptors, 1024);
	assert_string_equal(c.control.zb, "/run/bgf/zb.sock");
	assert_int_equal(c.control.zb_mode, 0660);
	assert_int_equal(c.control.peer_count, 0);
	assert_int_equal(c.control.connections_max, 256);
	assert_int_equal(c.control.await_auth_s, 240);
	assert_int_equal(c.control.supersede_s, 128);
	assert_int_equal(c.control.peer_gone_s, 3600);
	assert_int_equal(c.control.overload_delay_ms, 250);
	assert_int_equal(c.control.overload_retry_s, 2);
}

static void buffers_are_as_many_as_the_workers_need(void **state)
{
	static const struct {
		const char *keys;
		uint32_t mbufs;
	} cases[] = {
		{"", 16384},
		{"mbufs = 0; worker_cores = [ 1, 2 ];", 26624},
		{"worker_cores = [ 1, 2, 3 ];", 34816},
		{"worker_cores = [ 1, 2, 3, 4, 5, 6, 7, 8 ];", 75776},
		{"mbufs = 4097;", 4097},
		{"mbufs = 18433; worker_cores = [ 1, 2, 3 ];", 18433},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char path[32], to[128], *errors, *text;
		struct bgf_config c;

		snprintf(to, sizeof(to), "dataplane = { %s", cases[i].keys);
		text = changed_file(&(const struct fault){"", "dataplane = {", to, NULL});
		if (load_text(text, &c, path, &errors) != 0)
			fail_msg("%s: %s", cases[i].keys, errors);
		assert_int_equal(config_mbufs(&c.dataplane), cases[i].mbufs);
		free(errors);
		free(text);
	}
}

static void values_of_a_file_are_taken(void **state)
{
	static const struct fault change = {"", "control = { };",
					    "control = { zb_mode = \"600\"; zb_group = \"sip\"; peers = ( { "
					    "name = \"p1\"; uid = 4294967294L; }, "
					    "{ name = \"p2\"; } ); heartbeat_s = 3; };",
					    NULL};
	struct bgf_config c;
	char path[32], *errors, *text = changed_file(&change);

	(void)state;
	assert_int_equal(load_text(text, &c, path, &errors), 0);
	assert_int_equal(c.control.zb_mode, 0600);
	assert_string_equal(c.control.zb_group, "sip");
	assert_int_equal(c.control.peer_count, 2);
	assert_string_equal(c.control.peers[0].name, "p1");
	assert_true(c.control.peers[0].uid == 4294967294);
	assert_true(c.control.peers[1].uid == -1);
	assert_int_equal(c.control.heartbeat_s, 3);
	free(errors);
	free(text);
}

static void files_that_cannot_be_read(void **state)
{
	static const struct {
		const char *path;
		int result;
		const char *expected;
	} cases[] = {
		{"/nonexistent/bgf.conf", -ENOENT,
		 "/nonexistent/bgf.conf:0: -: found No such file or directory; "},
		{"/tmp", -EINVAL, "/tmp:0: -: found Is a directory; "},
	};
	struct bgf_config config;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text;
		size_t size;
		FILE *errors = open_memstream(&text, &size);

		assert_int_equal(config_load(cases[i].path, &config, errors), cases[i].result);
		fclose(errors);
		assert_non_null(strstr(text, cases[i].expected));
		free(text);
	}
}

static char *read_example(void)
{
	char *text = calloc(1, 65536);
	FILE *file = fopen(getenv("BGF_EXAMPLE"), "r");

	assert_non_null(file);
	assert_true(fread(text, 1, 65535, file) > 0);
	fclose(file);
	return text;
}

static void the_example_validates_and_shows_every_key(void **state)
{
	char *text = read_example(), *errors, *printed;
	size_t size;
	FILE *out = open_memstream(&printed, &size), *err = open_memstream(&errors, &size);

	(void)state;
	assert_int_equal(config_check(getenv("BGF_EXAMPLE"), out, err), 0);
	fclose(out);
	fclose(err);
	assert_string_equal(errors, "");
	assert_non_null(strstr(printed, ": valid\n"));
	for (size_t k = 0; k < schema_count; k++) {
		const char *dot = strrchr(schema[k].path, '.');
		char assignment[64];

		snprintf(assignment, sizeof(assignment), "%s = ", dot != NULL ? dot + 1 : schema[k].path);
		if (strstr(text, assignment) == NULL)
			fail_msg("deploy/bgf.conf.example does not have %s", schema[k].path);
	}
	free(printed);
	free(errors);
	free(text);
}

static void check_of_a_bad_file_is_2(void **state)
{
	char *errors;
	size_t size;
	FILE *err = open_memstream(&errors, &size);

	(void)state;
	assert_int_equal(config_check("/nonexistent", err, err), 2);
	fclose(err);
	free(errors);
}

static void help_has_every_key_with_range_and_default(void **state)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	config_help(out);
	fclose(out);
	for (size_t k = 0; k < schema_count; k++) {
		char allowed[512];

		assert_non_null(strstr(text, schema[k].path));
		assert_non_null(strstr(text, schema[k].help));
		assert_non_null(strstr(text, schema_allowed(&schema[k], allowed, sizeof(allowed))));
		assert_true(schema[k].fallback == NULL || strstr(text, schema[k].fallback) != NULL);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_is_said_and_changes_nothing),
		cmocka_unit_test(what_is_allowed_loads),
		cmocka_unit_test(all_faults_of_a_file_are_said_at_once),
		cmocka_unit_test(the_defaults_are_the_tables),
		cmocka_unit_test(buffers_are_as_many_as_the_workers_need),
		cmocka_unit_test(values_of_a_file_are_taken),
		cmocka_unit_test(files_that_cannot_be_read),
		cmocka_unit_test(the_example_validates_and_shows_every_key),
		cmocka_unit_test(check_of_a_bad_file_is_2),
		cmocka_unit_test(help_has_every_key_with_range_and_default),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
