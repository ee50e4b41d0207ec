/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The server of the link to bgf-control (bgf_dplink.h): one client, requests pipelined, answers bounded.
 * Main lcore only; nothing here blocks. A client that dies changes nothing for traffic.
 */
#ifndef BGF_DP_CTL_H
#define BGF_DP_CTL_H

#include <stdbool.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bgf_dplink.h"
#include "sets.h"

struct ctl;

struct ctl_args {
	const char *path; /* of the socket */
	struct store *store;
	uint16_t workers, ports;
	/* The nth row for COUNTERS and PORTS; 0, or -ENOENT beyond the last. */
	int (*counters)(void *context, uint64_t n, struct dpl_counters *ret);
	int (*port)(void *context, uint64_t n, struct dpl_port *ret);
	void *context;
};

/* Listens; takes the place of a socket that a dead process left. 0 or a negative errno with a sentence in
 * error[]; -EADDRINUSE when another process serves there. */
int ctl_new(const struct ctl_args *args, struct ctl **ret_ctl, char *error, size_t error_size);
void ctl_free(struct ctl *c);

/* The sets that it serves: before ctl_run is called first. */
void ctl_set_sets(struct ctl *c, struct sets *sets);

/* Readable when ctl_run has something to do. True: it left requests that it can take at once. */
int ctl_fd(const struct ctl *c);
bool ctl_run(struct ctl *c);
/* Sends what was answered since: after sets_poll. */
void ctl_flush(struct ctl *c);

/* For sets_args.done, with the ctl as context. */
void ctl_done(void *ctl, const struct sets_ticket *ticket, const struct dpl_set_state *set);

/* Whom ctl_tell would tell: another number with each client; 0: nobody, for now. */
uint32_t ctl_client(const struct ctl *c);
/* Gives the client an event that may wait; false: nobody is there, or it has enough to read. */
bool ctl_tell(struct ctl *c, const struct dpl_header *event);

/* Tells the client, if there is one, that a set was used first; the next ctl_run or ctl_flush sends it. */
void ctl_first_used(struct ctl *c, uint64_t set_id);

#endif
