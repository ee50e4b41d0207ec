/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The daemon's parts in one event loop with the fake data plane, and clients that are the other ends of
 * socket pairs.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include "cmocka_all.h"

#include "control/control.h"
#include "control/session.h"
#include "fake_dataplane.h"
#include "sample.h"
#include "zb/records.h"

struct harness {
	struct bgf_config config;
	struct control control;
	struct fake_dataplane fake;
	uint64_t begun; /* when the test did, ns */
	char folder[64];
};

struct client {
	struct harness *h;
	int fd;
	struct zb_stream in;
	uint32_t txn;
	uint8_t frame[ZB_FRAME_MAX];
	struct zb_frame out;
	struct zb_message_in answer; /* the last that came */
	struct zb_message_in event;
	uint8_t event_frame[8192];
	unsigned events; /* how many came */
	unsigned bye;	 /* the cause of the gateway's BYE */
};

/* cmocka's: a harness that serves. */
int harness_setup(void **state);
int harness_teardown(void **state);

void harness_restart(struct harness *h);
/* Runs the loop until `done` says so; fails after a minute. */
void harness_run(struct harness *h, bool (*done)(void *arg), void *arg, const char *what);
void harness_run_for(struct harness *h, unsigned ms);
void harness_serving(struct harness *h, bool serving); /* waits until it is so */

void client_open(struct client *c, struct harness *h); /* without HELLO */
void client_open_as(struct client *c, struct harness *h, uint32_t uid, int32_t pid);
void client_hello(struct client *c, struct harness *h, const char *name, uint64_t instance, enum zb_role role,
		  bool restart);
void client_put_hello(struct client *c, const char *name, uint64_t instance, enum zb_role role);
void client_close(struct client *c);
void client_begin(struct client *c, enum zb_message type); /* then zb_put_...(&c->out, ...) */
void client_send(struct client *c);
/* Waits for the answer to the last request; returns its cause. */
unsigned client_wait(struct client *c);
unsigned client_call(struct client *c);	 /* send and wait */
bool client_is_closed(struct client *c); /* waits for it */
void client_wait_event(struct client *c, enum zb_message type);
unsigned client_bad_attribute(const struct client *c);
struct zb_set client_set(const struct client *c); /* of the answer */

void client_send_install(struct client *c, const struct install *in);
unsigned client_install(struct client *c, const struct install *in);
unsigned client_confirm(struct client *c, uint64_t set_id, uint64_t reference, uint32_t expires_s);
unsigned client_release(struct client *c, uint64_t set_id, uint64_t reference, uint32_t drain_s);
void client_subscribe(struct client *c);

#endif
