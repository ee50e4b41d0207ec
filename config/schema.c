/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/schema.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "bgf_spi.h"
#include "config/config.h"

static bool all(const char *value, int (*is)(int), const char *others)
{
	for (; *value != '\0'; value++)
		if (!is((unsigned char)*value) && strchr(others, *value) == NULL)
			return false;
	return true;
}

static bool is_name(const char *value)
{
	return all(value, isalnum, "._-");
}

static bool is_interface(const char *value)
{
	return all(value, isgraph, "") && strpbrk(value, "/:%") == NULL && strcmp(value, ".") != 0 &&
	       strcmp(value, "..") != 0;
}

static bool is_device(const char *value)
{
	return all(value, isgraph, "");
}

static bool is_path(const char *value)
{
	return value[0] == '/' && all(value, isgraph, "") && value[strlen(value) - 1] != '/';
}

static bool is_folder(const char *value)
{
	return value[0] == '\0' || is_path(value);
}

/* DPDK deletes every unlocked file with 'map_' in its name from the hugetlbfs that it starts on. */
static bool is_store(const char *value)
{
	return is_path(value) && strstr(strrchr(value, '/'), "map_") == NULL;
}

static const struct schema_form name_form = {"letters, digits, '.', '_' and '-'", is_name};
static const struct schema_form interface_form = {"a network interface's name", is_interface};
static const struct schema_form device_form = {
	"a PCI address, or a virtual device with its arguments and no blank", is_device};
static const struct schema_form folder_form = {"an absolute path without blanks, or nothing", is_folder};
static const struct schema_form path_form = {"an absolute path without blanks", is_path};
static const struct schema_form one_port_form = {
	"one group { ... }: several ports on a side are not supported", NULL};
static const struct schema_form store_form = {"an absolute path whose file name does not contain 'map_'",
					      is_store};

#define AT(field) \
	.offset = offsetof(struct bgf_config, field), .size = sizeof(((struct bgf_config *)0)->field)
#define IN(s, field) .offset = offsetof(struct s, field), .size = sizeof(((struct s *)0)->field)
#define COUNT(s, field) \
	.count_offset = offsetof(struct s, field), .count_size = sizeof(((struct s *)0)->field)
#define STRING(shortest, room, look) \
	.type = SCHEMA_STRING, .min = (shortest), .max = (room)-1, .form = &look##_form
#define INTEGER(least, most) .type = SCHEMA_INTEGER, .min = (least), .max = (most)
#define BOOLEAN		     .type = SCHEMA_BOOLEAN
#define REQUIRED	     NULL

/* The keys of a port, the same on both sides. */
#define PORT_KEYS(side, text)                                                                                \
	{"dataplane." #side, .type = SCHEMA_GROUP, .form = &one_port_form, .help = text},                    \
		{"dataplane." #side ".device", AT(dataplane.side.device), STRING(1, 64, device),             \
		 .fallback = REQUIRED,                                                                       \
		 .help = "DPDK: a PCI address, or a virtual device with its arguments"},                     \
		{"dataplane." #side ".tap", AT(dataplane.side.tap), STRING(1, 16, interface),                \
		 .fallback = REQUIRED,                                                                       \
		 .help = "the kernel's interface beside the port, made if it is not there"},                 \
		{"dataplane." #side ".tap_netns", AT(dataplane.side.tap_netns), STRING(0, 32, name),         \
		 .fallback = "",                                                                             \
		 .help = "network namespace of the tap, by its name in /run/netns; \"\": the program's "     \
			 "own"},                                                                             \
		{"dataplane." #side ".mtu", AT(dataplane.side.mtu), INTEGER(1280, 1500), .fallback = "1500", \
		 .help = "largest IP packet on this link, octets"},                                          \
		{"dataplane." #side ".rx_descriptors", AT(dataplane.side.rx_descriptors), INTEGER(64, 8192), \
		 .fallback = "1024",                                                                         \
		 .help = "length of a receive queue; short ones keep packets in the cache"},                 \
		{"dataplane." #side ".tx_descriptors", AT(dataplane.side.tx_descriptors), INTEGER(64, 8192), \
		 .fallback = "1024", .help = "length of a transmit queue"},                                  \
		{"dataplane." #side ".queues", AT(dataplane.side.queues), INTEGER(0, CONFIG_WORKERS_MAX),    \
		 .fallback = "0",                                                                            \
		 .help = "receive and transmit queues to use at most; 0: one a worker, if the device has "   \
			 "them"},                                                                            \
	{                                                                                                    \
		"dataplane." #side ".verify_l4", AT(dataplane.side.verify_l4), BOOLEAN,                      \
			.fallback = "false",                                                                 \
			.help = "drop packets whose UDP or TCP checksum is wrong (a veth peer's unfinished " \
				"ones)"                                                                      \
	}

const struct schema_key schema[] = {
	{"name", AT(name), STRING(1, BGF_PEER_NAME_MAX + 1, name), .fallback = REQUIRED,
	 .help = "this gateway's name, as Zb's HELLO tells it"},

	{"served", .type = SCHEMA_LIST, .min = 1, .max = CONFIG_SERVED_MAX, COUNT(bgf_config, served_count),
	 .offset = offsetof(struct bgf_config, served), .size = sizeof(struct config_served),
	 .help = "the served addresses: the P-CSCFs' Gm addresses, behind the core port"},
	{"served[].address", IN(config_served, address), .type = SCHEMA_ADDRESS, .fallback = REQUIRED,
	 .help = "IPv4 or IPv6 address"},
	{"served[].unprotected_ports", .offset = offsetof(struct config_served, unprotected_ports),
	 .size = sizeof(uint16_t), .type = SCHEMA_INTEGERS, .min = 1, .max = 65535,
	 .entries_max = CONFIG_UNPROTECTED_MAX, COUNT(config_served, unprotected_count), .fallback = "5060",
	 .help = "the only ports that take cleartext (TS 33.203: the unprotected SIP port)"},
	{"served[].digest_clients", IN(config_served, digest_clients), BOOLEAN, .fallback = "false",
	 .help = "SIP Digest without IPsec is used here too: authentication responses pass in the clear"},

	{"dataplane", .type = SCHEMA_GROUP, .help = "bgf-dataplane, the packet path"},
	{"dataplane.link", AT(dataplane.link), STRING(1, CONFIG_PATH_MAX, path),
	 .fallback = "/run/bgf/dataplane.sock", .help = "unix socket on which bgf-control finds it"},
	{"dataplane.store", AT(dataplane.store), STRING(1, CONFIG_PATH_MAX, store),
	 .fallback = "/dev/hugepages/bgf.sets",
	 .help = "file of the SA store, on hugetlbfs or in /dev/shm; outlives the process"},
	{"dataplane.capacity", AT(dataplane.capacity), INTEGER(1, BGF_SPI_SLOTS), .fallback = "16384",
	 .help = "SA sets that fit; another value needs a new store"},
	{"dataplane.main_core", AT(dataplane.main_core), INTEGER(0, 1023), .fallback = "0",
	 .help = "processor of the main lcore: commands, kernel taps, next hops"},
	{"dataplane.worker_cores", .offset = offsetof(struct bgf_config, dataplane.worker_cores),
	 .size = sizeof(uint32_t), .type = SCHEMA_INTEGERS, .min = 0, .max = 1023,
	 .entries_max = CONFIG_WORKERS_MAX, COUNT(bgf_config, dataplane.worker_count), .fallback = "1",
	 .help = "processors of the workers that move packets; one may be the main core's"},
	{"dataplane.memory_mb", AT(dataplane.memory_mb), INTEGER(64, 1048576), .fallback = "256",
	 .help = "memory for packet buffers and tables, MiB; the store is apart"},
	{"dataplane.huge_pages", AT(dataplane.huge_pages), BOOLEAN, .fallback = "true",
	 .help = "false: use normal pages"},
	{"dataplane.file_prefix", AT(dataplane.file_prefix), STRING(1, 32, name), .fallback = "bgf",
	 .help = "DPDK's file prefix, another one for each process on a host"},
	{"dataplane.telemetry", AT(dataplane.telemetry), STRING(0, CONFIG_TELEMETRY_MAX, folder),
	 .fallback = "/run/bgf",
	 .help = "folder of DPDK's telemetry: its socket is FOLDER/dpdk/PREFIX/dpdk_telemetry.v2; \"\": "
		 "none"},
	{"dataplane.mbufs", AT(dataplane.mbufs), INTEGER(0, 4194304), .fallback = "0",
	 .help = "packet buffers; 0: as many as the workers' queues and rings need (16384 for one worker "
		 "with "
		 "1024 descriptors a queue); else at least 2048, and more than all their descriptors "
		 "together"},
	{"dataplane.idle_sleep_us", AT(dataplane.idle_sleep_us), INTEGER(0, 10000), .fallback = "50",
	 .help = "a worker that found nothing sleeps so long, up to 16 times as long when nothing comes for "
		 "a while; "
		 "0: it polls on and takes its processor whole"},
	{"dataplane.clear_rate", AT(dataplane.clear_rate), INTEGER(1, 10000000), .fallback = "200",
	 .help = "cleartext packets a second from one source"},
	{"dataplane.clear_burst", AT(dataplane.clear_burst), INTEGER(1, 10000000), .fallback = "400",
	 .help = "cleartext packets at once from one source"},
	{"dataplane.exception_rate", AT(dataplane.exception_rate), INTEGER(1, 10000000), .fallback = "1000",
	 .help = "packets a second that a port hands to the kernel (ARP, ND, ICMP, routing protocols), and "
		 "ICMP errors and TCP resets that it makes"},
	PORT_KEYS(access, "the port towards the UEs"),
	PORT_KEYS(core, "the port towards the P-CSCFs"),

	{"control", .type = SCHEMA_GROUP, .help = "bgf-control, the daemon that speaks Zb"},
	{"control.zb", AT(control.zb), STRING(1, CONFIG_PATH_MAX, path), .fallback = "/run/bgf/zb.sock",
	 .help = "unix socket of Zb"},
	{"control.zb_mode", AT(control.zb_mode), .type = SCHEMA_MODE, .max = 0777, .fallback = "0660",
	 .help = "its permissions, in octal"},
	{"control.zb_group", AT(control.zb_group), STRING(0, 32, name), .fallback = "",
	 .help = "its group; \"\": the program's own"},
	{"control.peers", .type = SCHEMA_LIST, .min = 0, .max = CONFIG_PEERS_MAX,
	 COUNT(bgf_config, control.peer_count), .offset = offsetof(struct bgf_config, control.peers),
	 .size = sizeof(struct config_peer), .help = "the P-CSCFs that may use Zb; none listed: any name"},
	{"control.peers[].name", IN(config_peer, name), STRING(1, BGF_PEER_NAME_MAX + 1, name),
	 .fallback = REQUIRED, .help = "the P-CSCF's name, as its HELLO tells it"},
	{"control.peers[].uid", IN(config_peer, uid), INTEGER(-1, UINT32_MAX - 1), .fallback = "-1",
	 .help = "the user that it must run as; -1: root or bgf-control's own user"},
	{"control.connections_max", AT(control.connections_max), INTEGER(1, 4096), .fallback = "256",
	 .help = "Zb connections of all P-CSCFs together, one for each of their processes; who has the most "
		 "gives "
		 "way to others. Observers and operators have 32 of their own"},
	{"control.await_auth_s", AT(control.await_auth_s), INTEGER(1, 3600), .fallback = "240",
	 .help = "life of a temporary set: reg-await-auth of TS 24.229 7.8, seconds"},
	{"control.supersede_s", AT(control.supersede_s), INTEGER(1, 3600), .fallback = "128",
	 .help = "what is left of an old set's life once a newer one is used: 64*T1 of TS 24.229 5.2.2, "
		 "seconds"},
	{"control.heartbeat_s", AT(control.heartbeat_s), INTEGER(1, 3600), .fallback = "10",
	 .help = "a peer silent for so long is asked, and closed after three times, seconds"},
	{"control.peer_gone_s", AT(control.peer_gone_s), INTEGER(0, 604800), .fallback = "3600",
	 .help = "the sets of a P-CSCF that has had no connection for so long are released, seconds; 0: they "
		 "stay until "
		 "they expire"},
	{"control.overload_delay_ms", AT(control.overload_delay_ms), INTEGER(0, 10000), .fallback = "250",
	 .help = "new registrations are refused (OVERLOAD) while requests, many at once, are answered later "
		 "than this, ms; 0: never"},
	{"control.overload_retry_s", AT(control.overload_retry_s), INTEGER(1, 300), .fallback = "2",
	 .help = "those who were refused for overload are told to come again around so many seconds later"},
	{"control.frame_timeout_s", AT(control.frame_timeout_s), INTEGER(1, 60), .fallback = "5",
	 .help = "a Zb frame must be whole within it, seconds"},
};
const size_t schema_count = sizeof(schema) / sizeof(schema[0]);

const char *schema_child(const struct schema_key *key, const char *prefix)
{
	size_t length = strlen(prefix);

	if (strncmp(key->path, prefix, length) != 0)
		return NULL;
	const char *rest = key->path + length;
	return strpbrk(rest, ".[") == NULL ? rest : NULL;
}

static void allowed_string(const struct schema_key *key, char *buf, size_t size)
{
	snprintf(buf, size, "a string of %jd to %jd octets: %s", (intmax_t)key->min, (intmax_t)key->max,
		 key->form->text);
}

const char *schema_allowed(const struct schema_key *key, char *buf, size_t size)
{
	switch (key->type) {
	case SCHEMA_GROUP:
		snprintf(buf, size, "%s", key->form != NULL ? key->form->text : "a group { ... }");
		break;
	case SCHEMA_LIST:
		snprintf(buf, size, "a list of %jd to %jd groups ( { ... }, ... )", (intmax_t)key->min,
			 (intmax_t)key->max);
		break;
	case SCHEMA_STRING:
		allowed_string(key, buf, size);
		break;
	case SCHEMA_ADDRESS:
		snprintf(buf, size, "a string: the IPv4 or IPv6 address of a host");
		break;
	case SCHEMA_MODE:
		snprintf(buf, size, "a string of octal digits from \"0000\" to \"%04jo\"",
			 (uintmax_t)key->max);
		break;
	case SCHEMA_INTEGER:
		snprintf(buf, size, "an integer from %jd to %jd", (intmax_t)key->min, (intmax_t)key->max);
		break;
	case SCHEMA_INTEGERS:
		snprintf(buf, size, "an array [ ... ] of 1 to %u different integers from %jd to %jd",
			 key->entries_max, (intmax_t)key->min, (intmax_t)key->max);
		break;
	case SCHEMA_BOOLEAN:
		snprintf(buf, size, "true or false");
		break;
	}
	return buf;
}
