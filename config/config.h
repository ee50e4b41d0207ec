/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The gateway's one configuration file (libconfig), for both daemons: what it may hold, with type, range,
 * default and a line of help for each key, is the table in schema.c. A file is read and validated whole, or
 * not at all.
 */
#ifndef BGF_CONFIG_H
#define BGF_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bgf_addr.h"
#include "bgf_sa.h"

#define BGF_CONFIG_PATH "/etc/bgf/bgf.conf"

enum {
	CONFIG_SERVED_MAX = 64,
	CONFIG_UNPROTECTED_MAX = 4,
	CONFIG_WORKERS_MAX = 64,
	CONFIG_PEERS_MAX = 64,
	CONFIG_PATH_MAX = 108,	   /* fits sockaddr_un */
	CONFIG_TELEMETRY_MAX = 49, /* fits it with /dpdk/PREFIX/dpdk_telemetry.v2 behind it */
	CONFIG_HANDOVER = 1024,	   /* packets that wait in a ring between workers */
	CONFIG_KERNEL_RING = 4096, /* in each of the three rings between the workers and the main lcore */
	CONFIG_MBUFS_MIN = 2048,
};

/* An address that the gateway serves: a P-CSCF's Gm address, behind the core port. */
struct config_served {
	struct bgf_addr address;
	uint16_t unprotected_ports[CONFIG_UNPROTECTED_MAX]; /* cleartext is admitted to and from these only
							       (rule 25) */
	uint8_t unprotected_count;
	bool digest_clients; /* SIP Digest without IPsec is used here too: rule 29 is switched off */
};

struct config_port {
	char device[64];    /* DPDK: a PCI address or a virtual device with its arguments */
	char tap[16];	    /* the kernel's interface beside the port */
	char tap_netns[32]; /* the network namespace of the tap; "": the one that the dataplane runs in */
	uint16_t mtu;	    /* octets of IP */
	uint16_t rx_descriptors, tx_descriptors;
	uint16_t queues; /* receive and transmit queues to use at most; 0: one a worker, where it has them */
	bool verify_l4;	 /* drop wrong UDP and TCP checksums (a veth peer's unfinished ones) */
};

struct config_dataplane {
	char link[CONFIG_PATH_MAX];  /* unix seqpacket socket for bgf-control */
	char store[CONFIG_PATH_MAX]; /* file of the SA store */
	uint32_t capacity;	     /* sets */
	uint32_t main_core;
	uint32_t worker_cores[CONFIG_WORKERS_MAX];
	uint32_t worker_count;
	uint32_t memory_mb;		      /* for packet buffers and tables */
	bool huge_pages;		      /* false: go on with normal pages */
	char file_prefix[32];		      /* DPDK's, one a process on a host */
	char telemetry[CONFIG_TELEMETRY_MAX]; /* folder of DPDK's telemetry socket; "": none */
	uint32_t mbufs;			      /* packet buffers; 0: config_mbufs says how many */
	uint32_t idle_sleep_us;		      /* a worker that found nothing sleeps as long; 0: it polls on */
	uint32_t clear_rate, clear_burst;     /* clear packets a second from one source; how many at once */
	uint32_t exception_rate;	      /* packets a second to the kernel, a port */
	struct config_port access, core;
};

struct config_peer {
	char name[BGF_PEER_NAME_MAX + 1];
	int64_t uid; /* only this user; -1: root and the daemon's own */
};

struct config_control {
	char zb[CONFIG_PATH_MAX]; /* unix stream socket of Zb */
	uint32_t zb_mode;	  /* its permissions */
	char zb_group[32];	  /* its group; "" leaves it */
	struct config_peer peers[CONFIG_PEERS_MAX];
	uint32_t peer_count;	    /* 0: any name */
	uint32_t connections_max;   /* of P-CSCFs, all together; those who only watch have their own */
	uint32_t await_auth_s;	    /* reg-await-auth (24.229 7.8): 240 */
	uint32_t supersede_s;	    /* 64*T1 toward a UE (24.229 7.7): 128 */
	uint32_t heartbeat_s;	    /* a peer that is silent so long is asked, and closed after three times */
	uint32_t overload_delay_ms; /* a request that waits longer for the data plane: OVERLOAD; 0: never */
	uint32_t overload_retry_s;  /* when those who were refused for it may come again, around */
	uint32_t peer_gone_s; /* a P-CSCF without a connection for so long: its sets are released; 0: never */
	uint32_t frame_timeout_s; /* a frame must be whole within it, or the connection is closed */
};

struct bgf_config {
	char name[BGF_PEER_NAME_MAX + 1]; /* of this gateway, as HELLO tells it */
	struct config_served served[CONFIG_SERVED_MAX];
	uint32_t served_count;
	struct config_dataplane dataplane;
	struct config_control control;
};

/* Reads and validates a file. Returns 0, or -ENOENT, -EACCES, -EINVAL with every fault printed to `errors`,
 * one a line: FILE:LINE: KEY: found WHAT; allowed: WHAT and *ret_config left alone. Not thread-safe within
 * one FILE. */
int config_load(const char *path, struct bgf_config *ret_config, FILE *errors);

/* The packet buffers to make: `mbufs`, or, where that is 0, enough for all that the queues and rings of these
 * workers hold at once. */
uint32_t config_mbufs(const struct config_dataplane *dataplane);

/* Prints every key with its type, range, default and help. */
void config_help(FILE *out);

/* The same checks for both programs' `--check`: loads, prints "PATH: valid" to `out` or the faults to
 * `errors`. Returns the exit status: 0 or 2. */
int config_check(const char *path, FILE *out, FILE *errors);

#endif
